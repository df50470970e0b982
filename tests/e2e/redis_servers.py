# SPDX-License-Identifier: Apache-2.0
"""Real Redis servers for the end-to-end tests (redis-server of Debian): alone, under Sentinels or as a Cluster."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

from harness import PATIENCE, free_port, scratch, stat_of, wait_until


def encode(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def read_reply(stream):
    """One reply as Python values; an error becomes an Exception that is returned."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError(line)
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return None if rest == b"-1" else [read_reply(stream) for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == b":":
        return int(rest)
    return Exception(rest.decode()) if kind == b"-" else rest.decode()


class Redis:
    """A redis-server on a port of 127.0.0.1, which keeps nothing on disk. settings: of its configuration file, a value
    may be a list; sentinel: what one is to watch. stop(), start() and freeze() do what they say; the port stays."""

    def __init__(self, sentinel=(), start=True, cluster=False, tls=None, **settings):
        self.dir = scratch()
        self.port = free_port()
        self.sentinel = sentinel
        self.tls = tls
        self.process = None
        self.frozen = False
        lines = [f"{'tls-port' if tls else 'port'} {self.port}", "bind 127.0.0.1", f"dir {self.dir}", "daemonize no"]
        if tls:
            lines += ["port 0", f"tls-cert-file {tls / 'server.crt'}", f"tls-key-file {tls / 'server.key'}",
                      f"tls-ca-cert-file {tls / 'ca.crt'}", "tls-auth-clients no"]
        lines += [f"sentinel {words}" for words in sentinel] or ['save ""', "appendonly no"]
        if cluster:
            self.bus = free_port()
            lines += ["cluster-enabled yes", "cluster-node-timeout 120000", f"cluster-port {self.bus}",
                      "cluster-require-full-coverage no", "cluster-replica-validity-factor 0"]
        for name, values in settings.items():
            for value in values if isinstance(values, list) else [values]:
                lines.append(f"{name.replace('_', '-')} {value}")
        self.file = self.dir / "redis.conf"
        self.file.write_text("\n".join(lines) + "\n")
        if start:
            self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        arguments = ["redis-server", str(self.file), *(["--sentinel"] if self.sentinel else [])]
        self.process = subprocess.Popen(arguments, stdout=open(self.dir / "log", "ab"), stderr=subprocess.STDOUT)
        wait_until(self.answers, "redis-server to answer")

    def answers(self):
        """Also on its Unix socket: it begins to answer when it has all of its sockets."""
        assert self.process.poll() is None, (self.dir / "log").read_text()
        if not self.tls:
            return self.tries("PING")
        try:
            socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
            return True
        except OSError:
            return False

    def ask(self, *words, auth=()):
        """The answer to one command, on a connection of its own; not with TLS."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock, sock.makefile("rb") as stream:
            if auth:
                sock.sendall(encode(["AUTH", *auth]))
                read_reply(stream)
            sock.sendall(encode(words))
            return read_reply(stream)

    def tries(self, *words):
        """The same, None when it cannot be had."""
        with contextlib.suppress(OSError, EOFError, ValueError):
            return self.ask(*words)

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        self.frozen = True
        wait_until(lambda: stat_of(self.process.pid)[0] == "T", "Redis to stand still")

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)
        self.frozen = False

    def stop(self, number=signal.SIGKILL):
        if self.process:
            self.process.send_signal(number)
            if self.frozen:
                self.thaw()
            self.process.wait()
        self.process = None

    def end(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.end()


class Sentinels:
    """A master with one replica, and Sentinels that watch it under the name "limits". They take nobody for dead who is only
    slow, until they are told to hurry()."""

    def __init__(self, n=3, password=None):
        protected = {"requirepass": password, "masterauth": password} if password else {}
        self.password = password
        self.servers = [Redis(**protected)]
        self.servers.append(Redis(replicaof=f"127.0.0.1 {self.servers[0].port}", repl_diskless_sync_delay=0, **protected))
        watch = ["monitor limits 127.0.0.1 %d %d" % (self.servers[0].port, n // 2 + 1),
                 "down-after-milliseconds limits 600000", "failover-timeout limits 3000"]
        watch += [f"auth-pass limits {password}"] if password else []
        self.sentinels = [Redis(sentinel=watch) for _ in range(n)]
        wait_until(lambda: all(self.knows_all(s) for s in self.sentinels), "the Sentinels to find each other", 3 * PATIENCE)

    def knows_all(self, sentinel):
        state = sentinel.tries("SENTINEL", "MASTER", "limits")
        if not isinstance(state, list):
            return False
        state = dict(zip(state[::2], state[1::2]))
        return state["num-other-sentinels"] == str(len(self.sentinels) - 1) and state["num-slaves"] == "1"

    def hurry(self):
        """From now on who has not answered for two seconds is dead."""
        for sentinel in self.sentinels:
            if sentinel.process:
                assert sentinel.ask("SENTINEL", "SET", "limits", "down-after-milliseconds", 2000) == "OK"

    def settings(self, n=3):
        """What a gateway that asks the first n of them is told."""
        nodes = tuple({"host": "127.0.0.1", "port": s.port} for s in self.sentinels[:n])
        secret = {"password": self.password} if self.password else {}
        return {"sentinel_master": "limits", "sentinel_nodes": nodes, **secret}

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for server in [*self.sentinels, *self.servers]:
            server.end()


class Cluster:
    """n masters that share the slots, and a replica of each if `replicas`. They take nobody for dead who is only slow, until
    they are told to hurry()."""

    def __init__(self, n=3, replicas=False):
        self.nodes = [Redis(cluster=True) for _ in range(n * (2 if replicas else 1))]
        self.masters = self.nodes[:n]
        for i, node in enumerate(self.masters):
            node.slots = range(i * 16384 // n, (i + 1) * 16384 // n)
            node.ask("CLUSTER", "ADDSLOTSRANGE", node.slots[0], node.slots[-1])
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus)
        wait_until(lambda: all(node.ask("CLUSTER", "NODES").count(" connected") == len(self.nodes) for node in self.nodes),
                   "the nodes to meet", 3 * PATIENCE)
        for i, node in enumerate(self.nodes[n:]):
            wait_until(lambda: node.ask("CLUSTER", "REPLICATE", self.masters[i].ask("CLUSTER", "MYID")) == "OK", "a replica")
        wait_until(lambda: all(self.serves(node) for node in self.nodes), "the cluster", 3 * PATIENCE)
        if replicas:
            wait_until(lambda: all("state=online" in m.ask("INFO", "replication") for m in self.masters), "the replicas")

    @staticmethod
    def serves(node):
        """It has met the others, and heard what each of them has."""
        state = node.ask("CLUSTER", "INFO").splitlines()
        return {"cluster_state:ok", "cluster_slots_assigned:16384", "cluster_slots_ok:16384"} <= set(state)

    def hurry(self):
        """From now on who has not answered for five seconds is dead."""
        for node in self.nodes:
            if node.process:
                assert node.ask("CONFIG", "SET", "cluster-node-timeout", 5000) == "OK"

    def agree(self):
        """Until all know of the latest change. Who takes a slot counts the epoch on from the one that it knows: were that an
        older one, two would have the same, one of them would count on once more, and with a slot that it has given away
        in the meantime it would take back that slot, whose keys the other then deletes."""
        def epochs():
            return {re.search(r"cluster_current_epoch:(\d+)", node.ask("CLUSTER", "INFO")).group(1) for node in self.nodes}
        wait_until(lambda: len(epochs()) == 1, "all nodes to know the epoch")

    def keys(self):
        return sorted(key for node in self.nodes if node.process for key in node.ask("KEYS", "*"))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for node in self.nodes:
            node.end()
