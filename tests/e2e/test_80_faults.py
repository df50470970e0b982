# SPDX-License-Identifier: Apache-2.0
"""What breaks around the gateway: processes that die, calls that fail, files that fill, clocks that jump. The service is
up afterwards, whatever happened, and the log says what it was."""
import contextlib
import errno
import mmap
import os
import re
import shutil
import signal
import struct
import threading
import time

import pytest

from harness import (FAULT, SANITIZED, Client, ask, proxy_cache, reply, route, scratch, service, stat_of, wait_until)

ROLES = ["worker", "checker", "control"]


def pid_of(gateway, role):
    return gateway.pids(role)[0]


def alive(gateway):
    """The service answers, on several connections in a row."""
    def answers():
        try:
            return all(ask(gateway.port).status == 200 for _ in range(4)) and gateway.control("GET", "/status").status == 200
        except (OSError, EOFError):
            return False
    wait_until(answers, "the service to be up")


# ---- processes that die ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("role", ROLES)
def test_killed_process_is_replaced(origin, start, role):
    gateway = start([service(origin.port)], workers=2)
    others = [pid for pid in gateway.children() if pid != pid_of(gateway, role)]
    victim = pid_of(gateway, role)
    os.kill(victim, signal.SIGKILL)

    def replaced():
        try:
            return len(gateway.children()) == len(others) + 1 and all(p in gateway.children() for p in others) and \
                victim not in gateway.children() and pid_of(gateway, role) != victim
        except (OSError, EOFError, IndexError, ValueError):
            return False
    wait_until(replaced, f"the {role} to be replaced")
    alive(gateway)
    died = gateway.wait_log(rf"{role}.* \(pid {victim}\) was killed by SIGKILL; a new one takes its place")     # without a pause
    serves = gateway.wait_log(rf"{role}.* \(pid {pid_of(gateway, role)}\) serves in the place of pid {victim} after \d+ ms")
    assert died.start() < serves.start()


def test_connections_of_other_workers_are_undisturbed(origin, start):
    gateway = start([service(origin.port)], workers=3, keepalive_timeout=600000)
    clients = [gateway.client() for _ in range(60)]
    for client in clients:
        assert client.ask().status == 200

    def workers():
        """All of them, when each client is counted where it is, and nobody else."""
        rows = [w for w in gateway.processes() if w["role"] == "worker"]
        return rows if sum(w["clients"] for w in rows) == 60 else None
    victim = min(wait_until(workers, "all clients to be counted"), key=lambda w: w["clients"])
    os.kill(victim["pid"], signal.SIGKILL)
    survivors = 0
    for client in clients:
        try:
            assert client.ask().status == 200
            survivors += 1
        except (OSError, EOFError):
            pass
        client.close()
    assert survivors >= 60 - victim["clients"] and survivors >= 40, "connections of other workers were lost"


def test_last_words_of_a_crash_reach_the_log(origin, start):
    gateway = start([service(origin.port)], workers=2)
    gateway.expect_alarms = True
    os.kill(gateway.pids()[0], signal.SIGSEGV)
    gateway.wait_log(r"(?i)SIGSEGV|signal 11|segmentation")
    alive(gateway)


def test_crash_loop_backs_off(origin, start):
    """Who dies within a second of its start, again and again, is started at once at first, and then ever later."""
    gateway = start([service(origin.port)], workers=2)
    gateway.expect_alarms = True
    keep = gateway.pids()[1]
    fixed = {keep, *gateway.pids("checker"), *gateway.pids("control")}
    killed = []

    def pauses():
        for pid in gateway.children():
            if pid not in fixed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
        found = [int(n) for n in re.findall(r"it dies young, the next one starts in (\d+) ms", gateway.log())]
        return found if found and found[-1] >= 400 else None
    found = wait_until(pauses, "a pause of 400 ms")
    assert found[0] == 100 and all(then in (now, 2 * now, 100) for now, then in zip(found, found[1:])), found
    assert len(re.findall(r"a new one takes its place", gateway.log())) >= 3
    last = next(pid for pid in gateway.replaced(*killed, count=2) if pid != keep)
    gap = gateway.wait_log(rf"worker \d+ \(pid {last}\) serves in the place of pid \d+ after (\d+) ms")
    assert int(gap.group(1)) >= 400, "started without the pause"
    alive(gateway)


def test_stopped_worker_costs_a_delay_and_no_request(origin, start):
    gateway = start([service(origin.port)], workers=2)
    victim = gateway.pids()[0]
    os.kill(victim, signal.SIGSTOP)
    timer = threading.Timer(1.0, os.kill, (victim, signal.SIGCONT))
    timer.start()
    assert all(gateway.get(f"/{i}").status == 200 for i in range(10))
    timer.join()
    assert victim in gateway.pids()
    gateway.wait_log(rf"{victim} worker \d+: stood still for \d+ ms")


def test_all_processes_killed_at_once(origin, start):
    gateway = start([service(origin.port)], workers=3)
    gateway.expect_alarms = True
    killed = gateway.children()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    alive(gateway)
    gateway.replaced(*killed, count=3)


# ---- calls that fail --------------------------------------------------------------------------------------------------------

SLOTS = ["allocate", "accept", "receive", "send", "connect", "poll", "socket", "fork", "disk"]
EVERYWHERE, CHILDREN, MASTER = 0, 1, 2


class Faults:
    """The file that fault.c reads."""
    ROW = struct.Struct("iiiII")

    def __init__(self):
        self.dir = scratch()
        self.path = self.dir / "faults"
        size = (self.ROW.size * len(SLOTS) + 7) // 8 * 8
        self.path.write_bytes(bytes(size + 8))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size + 8)
        self.clock_at = size

    def set(self, slot, every, error=errno.EINTR, scope=CHILDREN):
        """What makes it valid comes last: processes read while this writes."""
        at = SLOTS.index(slot) * self.ROW.size
        struct.pack_into("iiII", self.map, at + 4, error, scope, 0, 0)
        struct.pack_into("i", self.map, at, every)

    def hits(self, slot):
        return self.ROW.unpack_from(self.map, SLOTS.index(slot) * self.ROW.size)[4]

    def off(self):
        for slot in SLOTS:
            at = SLOTS.index(slot) * self.ROW.size
            struct.pack_into("i", self.map, at, 0)

    def clock(self, seconds):
        struct.pack_into("q", self.map, self.clock_at, seconds)


@pytest.fixture
def faults():
    if SANITIZED:
        pytest.skip("the shim takes the place of the sanitizer's allocator")
    if not os.path.exists(FAULT):
        pytest.skip(f"{FAULT} is not built")
    switched = Faults()
    yield switched
    shutil.rmtree(switched.dir)


@pytest.fixture
def faulty(faults, origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Content-Type: text/plain", body=b"x" * 3000)))
    gateway = start([service(server.port, route("cached", ["/c"], plugins=[proxy_cache()]), route("all", ["/"]))],
                    preload=FAULT, environment={"GATEWAY_FAULT_FILE": str(faults.path)}, workers=2)
    return gateway


def use_roughly(gateway, count=60):
    """Requests of several kinds; what becomes of each does not matter."""
    for i in range(count):
        try:
            client = Client(gateway.port, timeout=0.5)
            try:
                client.ask("GET", f"/c/{i % 7}" if i % 2 else f"/{i}")
                client.ask("POST", "/", body=b"y" * 5000)
            finally:
                client.close()
        except (OSError, EOFError, AssertionError, ValueError):
            pass


def use_until(gateway, condition, what):
    """Such requests, until there is what is waited for."""
    wait_until(lambda: condition() or use_roughly(gateway, 3), what)


CALLS = [
    ("accept", 2, "EINTR"), ("accept", 2, "EMFILE"), ("accept", 3, "ECONNABORTED"), ("accept", 2, "ENOBUFS"),
    ("receive", 3, "EINTR"), ("receive", 5, "ECONNRESET"), ("receive", 5, "ENOMEM"),
    ("send", 3, "EINTR"), ("send", 5, "ECONNRESET"), ("send", 5, "EPIPE"), ("send", 5, "ENOBUFS"),
    ("connect", 2, "EINTR"), ("connect", 2, "ECONNREFUSED"), ("connect", 2, "EADDRNOTAVAIL"), ("connect", 2, "EAGAIN"),
    ("poll", 2, "EINTR"), ("socket", 2, "EMFILE"), ("socket", 2, "ENOBUFS"),
]


@pytest.mark.parametrize("call,every,error", CALLS)
def test_failing_call(faulty, faults, call, every, error):
    workers = faulty.pids()
    faults.set(call, every, getattr(errno, error))
    use_roughly(faulty)
    use_until(faulty, lambda: faults.hits(call) > 0, "the fault to be met")
    faults.off()
    alive(faulty)
    assert sorted(faulty.pids()) == sorted(workers), "a worker died of it"


@pytest.mark.parametrize("error", ["ENOMEM", "ECONNRESET", "EINTR"])
def test_a_message_of_the_master_that_cannot_be_read_is_read_again(faulty, faults, error):
    pids = sorted(faulty.pids() + faulty.pids("checker"))
    faults.set("receive", 3, getattr(errno, error))
    for _ in range(12):
        faulty.kill(signal.SIGUSR1)
        use_roughly(faulty, 3)
    use_until(faulty, lambda: faults.hits("receive") > 0, "the fault to be met")
    faults.off()
    alive(faulty)
    assert sorted(faulty.pids() + faulty.pids("checker")) == pids, "one of them took the master for gone"


@pytest.mark.parametrize("call, error", [("connect", "EADDRNOTAVAIL"), ("socket", "EMFILE"), ("socket", "ENOMEM")])
def test_what_the_gateway_lacks_is_no_targets_failure(faults, origin, start, call, error):
    """A target that the first failure takes out is not taken out for want of a port, a descriptor or memory."""
    passive = {"unhealthy": {"tcp_failures": 1, "timeouts": 1, "retry_after": 0}}
    target = {"target": f"127.0.0.1:{origin.port}"}
    gateway = start([service(0, url="http://pool/")], preload=FAULT, environment={"GATEWAY_FAULT_FILE": str(faults.path)},
                    upstreams=({"name": "pool", "targets": (target,), "healthchecks": {"passive": passive}},), workers=1)
    faults.set(call, 1, getattr(errno, error))
    assert [gateway.get("/").status for _ in range(3)] == [502, 502, 502]
    faults.off()
    assert faults.hits(call) > 0 and gateway.get("/").status == 200


@pytest.mark.parametrize("call", ["accept", "poll", "connect"])
def test_interrupted_calls_lose_no_request(faulty, faults, call):
    faults.set(call, 2, errno.EINTR)
    for i in range(30):
        assert ask(faulty.port, "GET", f"/{i}").status == 200
    faults.off()


@pytest.mark.parametrize("every", [15, 7, 3, 2])
def test_failing_allocations(faulty, faults, every):
    workers = faulty.pids()
    faults.set("allocate", every, errno.ENOMEM)
    use_roughly(faulty, 80)
    held = []

    def failed():
        """What is held makes pools grow, until one cannot."""
        if faults.hits("allocate") > 0:
            return True
        with contextlib.suppress(OSError):
            held.append(Client(faulty.port, timeout=0.5))
            held[-1].send(b"GET / HTTP/1.1\r\nHo")
        return False
    wait_until(failed, "an allocation to fail")
    faults.off()
    for client in held:
        client.close()
    alive(faulty)
    assert sorted(faulty.pids()) == sorted(workers), "a worker died of it"


def test_no_memory_at_all_for_a_moment(faulty, faults):
    workers = faulty.pids()
    faults.set("allocate", 1, errno.ENOMEM)
    use_roughly(faulty, 20)
    use_until(faulty, lambda: re.search(r"no memory for a (connection|request)", faulty.log()), "a word of it in the log")
    faults.off()
    alive(faulty)
    assert sorted(faulty.pids()) == sorted(workers)


def test_failing_allocations_in_the_master_during_reload(faulty, faults):
    for every in (1, 7, 40, 200, 1000):
        faults.set("allocate", every, errno.ENOMEM, MASTER)
        faulty.ctl("reload")
        faults.off()
        alive(faulty)
        assert faulty.process.poll() is None
    faulty.reload()


def test_fork_that_fails_refuses_the_reload(faulty, faults):
    workers = faulty.pids()
    faults.set("fork", 1, errno.EAGAIN, MASTER)
    done = faulty.ctl("reload")
    assert done.returncode == 1 and done.stdout + done.stderr
    faults.off()
    alive(faulty)
    assert sorted(faulty.pids()) == sorted(workers)
    faulty.reload()


def test_fork_that_fails_at_a_replacement_is_tried_again(faulty, faults):
    victim, began = faulty.pids()[0], time.monotonic()
    faults.set("fork", 1, errno.EAGAIN, MASTER)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: faults.hits("fork") > 2, "failing forks")
    hits = faults.hits("fork")
    assert hits <= (time.monotonic() - began) / 0.2 + 1, "tried without a pause"
    faults.off()
    faulty.wait_log(r"cannot start worker \d+: Resource temporarily unavailable; it is tried again")
    faulty.replaced(victim, count=2)
    alive(faulty)


def test_clock_that_jumps(faulty, faults):
    client = faulty.client()
    assert client.ask("GET", "/c/x").status == 200
    for jump in (86400, -86400, 400, -3600, 0):
        faults.clock(jump)
        for i in range(5):
            assert client.ask("GET", "/c/x").status == 200
            assert client.ask("GET", f"/{i}").status == 200
        time.sleep(0.1)
    assert sorted(faulty.control("GET", "/status").json()) and faulty.get("/").status == 200
    client.close()
    faulty.wait_log(r"worker \d+: the clock jumped by -?\d+ s")


def test_full_disk_under_the_logs(faults, origin, start):
    gateway = start([service(origin.port)], start=False, preload=FAULT, environment={"GATEWAY_FAULT_FILE": str(faults.path)})
    log = gateway.dir / "access.log"
    log.touch()
    log.chmod(0o666)
    gateway.write(access_log=str(log))
    gateway.start()
    faults.set("disk", 1, errno.ENOSPC, EVERYWHERE)

    def lost():
        """What does not fit into a worker's buffer any more."""
        for i in range(100):
            assert gateway.get(f"/{i}").status == 200
        return gateway.status().json()["log_failures"]
    wait_until(lost, "lines to be lost")
    assert gateway.control("DELETE", "/proxy-cache/").status == 204
    faults.off()
    alive(gateway)
    wait_until(lambda: gateway.get("/after").status and "/after" in log.read_text(), "the log to go on")
    gateway.wait_log(r"access log .*: \d+ lines lost: No space left on device")


# ---- descriptors run out, for real --------------------------------------------------------------------------------------------

def test_no_descriptors_left(origin, start):
    gateway = start([service(origin.port)], workers=1, worker_connections=64, files=70)
    worker = gateway.pids()[0]
    clients = [Client(gateway.port) for _ in range(150)]
    gateway.wait_log(r"(?i)too many open files|descriptors|EMFILE|worker_connections")

    def cpu():
        fields = stat_of(worker)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    began, before = time.monotonic(), cpu()
    time.sleep(1.0)
    used = cpu() - before
    assert used < 0.7 * (time.monotonic() - began), "the worker spins while it cannot accept"
    for client in clients:
        client.close()
    wait_until(lambda: status(gateway) == 200, "service after descriptors are back")
    assert gateway.pids() == [worker]


def status(gateway):
    try:
        return ask(gateway.port).status
    except (OSError, EOFError):
        return None


def test_more_clients_than_worker_connections(origin, start):
    gateway = start([service(origin.port)], workers=1, worker_connections=64)
    clients = [Client(gateway.port) for _ in range(200)]
    served = 0
    for client in clients[:20]:
        try:
            served += client.ask().status in (200, 503)
        except (OSError, EOFError):
            pass
    for client in clients:
        client.close()
    wait_until(lambda: status(gateway) == 200, "service after the crowd has left")
    assert served > 0


def test_log_directory_that_vanished(origin, start):
    gateway = start([service(origin.port)])
    os.unlink(gateway.error_log)
    gateway.kill(signal.SIGUSR1)
    for _ in range(10):
        assert gateway.get("/").status == 200
    gateway.error_log.touch()
