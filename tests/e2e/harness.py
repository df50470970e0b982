# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: a gateway that is started with a configuration made here, an origin that answers
with any bytes at any time, clients that send any bytes, certificates, tokens. Nothing in here knows the inside of the
gateway: it sees its sockets, its files, its control tool and what /proc says about its processes."""
import base64
import collections
import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("GATEWAY_BUILD", "build")).resolve()
GATEWAY = os.environ.get("GATEWAY_BIN", str(BUILD / "gateway"))
GATEWAYCTL = os.environ.get("GATEWAYCTL_BIN", str(BUILD / "gatewayctl"))
FAULT = os.environ.get("GATEWAY_FAULT", str(BUILD / "e2e" / "fault.so"))
BUSY = os.environ.get("GATEWAY_BUSY", str(BUILD / "e2e" / "busy.so"))
STAGGER = int(os.environ.get("GATEWAY_STAGGER", "0"))   # one step in so many is followed by a pause: see stagger.c
PATIENCE = 90.0      # s until something that must happen is given up
HELD = 2000.0        # s until an answer that a test holds back goes without being told to: longer than a test may take
SANITIZED = "asan" in str(BUILD)
# The sanitizer's library wants to be the first; behind what is preloaded it is the second.
ASAN_OPTIONS = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

# What must never be in an error log unless a test asks for it.
ALARMS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior|last words|assertion|SIGSEGV|SIGABRT",
                    re.I)


# ---- small things -------------------------------------------------------------------------------------------------

def dawdle():
    """What a busy machine does to a thread, when the tests are run with GATEWAY_STAGGER; else nothing."""
    if STAGGER and random.randrange(STAGGER) == 0:
        time.sleep(random.random() * (0.1 if random.randrange(16) == 0 else 0.008))


def wait_until(condition, what, seconds=PATIENCE):
    """Returns the first true value of condition(); fails with `what` when it stays false."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            dawdle()
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)


class Ports:
    """Ports that are this process's alone until it ends, whoever else runs tests beside it: each is a locked byte of a
    file. So where something has stopped nobody answers, and no other test's server. The kernel gives none of them to an
    outgoing connection, and none is given out twice."""

    def __init__(self):
        self.lock = threading.Lock()
        self.file = None
        self.begin, self.end = 12000, 32768
        with contextlib.suppress(OSError, ValueError):
            low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
            if low >= 16000:
                self.end = min(low, self.end)
            elif high < 60000:
                self.begin, self.end = high + 1, 65536
        self.last = random.SystemRandom().randrange(self.begin, self.end)
        self.given = set()

    def is_free(self, port):
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                return False
        return True

    def take(self):
        with self.lock:
            if self.file is None:        # never closed: the locks would go with it
                path = os.path.join(tempfile.gettempdir(), f"gateway-e2e-ports.{os.getuid()}")
                self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for _ in range(self.begin, self.end):
                self.last = self.last + 1 if self.last + 1 < self.end else self.begin
                if self.last not in self.given and self.is_free(self.last):
                    self.given.add(self.last)
                    return self.last
            raise AssertionError("no port is free")


free_port = Ports().take


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def bind(sock, address, port=0):
    """Binds to that port, or to one that nobody has."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    while True:
        try:
            return sock.bind((address, port or free_port()))
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:     # else a stranger was faster
                raise


Connection = collections.namedtuple("Connection", "here there state unread inode")


def connections():
    """What the kernel says of TCP over IPv4: the ports of both sides, the state by its number (1 is established, 8 ended by
    the other side, 10 a listener), how many bytes wait to be read, at a listener connections to be accepted, and the inode
    by which /proc/PID/fd names it (0: no process has it)."""
    found = []
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, queues, _, _, _, _, inode, *_ = line.split()
        found.append(Connection(*(int(text.split(":")[-1], 16) for text in (here, there, state, queues)), int(inode)))
    return found


def inodes_of(pid):
    """Of all sockets that a process has."""
    found = set()
    with contextlib.suppress(OSError):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.update(map(int, re.findall(r"^socket:\[(\d+)\]$", os.readlink(fd))))
    return found


def scratch():
    """A directory that unprivileged processes can enter, with a path short enough for sockets, whatever TMPDIR is; the
    caller removes it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="gateway-e2e.", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    path.chmod(0o755)
    return path


def libconfig(value, depth=0):
    """Python to libconfig: dict = group, tuple = list, list = array (of scalars), str, bool, int, float."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, dict):
        inner = "".join(f"{'  ' * (depth + 1)}{k} = {libconfig(v, depth + 1)};\n" for k, v in value.items())
        return "{\n" + inner + "  " * depth + "}"
    if isinstance(value, tuple):
        return "( " + ", ".join(libconfig(v, depth + 1) for v in value) + " )"
    return "[ " + ", ".join(libconfig(v, depth + 1) for v in value) + " ]"


def conf_text(settings):
    return "".join(f"{k} = {libconfig(v)};\n" for k, v in settings.items() if v is not None)


# ---- configuration, in Kong's words ------------------------------------------------------------------------------

def plugin(name, scope=None, **config):
    return {"name": name, **(scope or {}), "config": config}


def proxy_cache(**config):
    return plugin("proxy-cache", **{"strategy": "memory", "cache_ttl": 60, **config})


def route(name="all", paths=("/",), plugins=(), **fields):
    entry = {"name": name, **({"paths": list(paths)} if paths else {}), "strip_path": False, **fields}
    if plugins:
        entry["plugins"] = tuple(plugins)
    return entry


def service(port, *routes, name="origin", url=None, **fields):
    routes = routes or (route(),)
    return {"name": name, "url": url or f"http://127.0.0.1:{port}/", **fields, "routes": tuple(routes)}


def stale_targets(gateway, rounds=100):
    """Targets of what was stored as fresh and is stale now, from an origin that says max-age=3, one after the other. On a slow
    machine an answer may be that old when it is stored: such a one is left out."""
    for target in (f"/stale/{i}" for i in range(rounds)):
        gateway.get(target)
        if gateway.get(target).get("X-Cache-Status") == "Hit":
            wait_until(lambda: gateway.get(target, "Cache-Control: only-if-cached").status == 504, "it to be stale")
            yield target
    raise AssertionError("tried in vain")


# ---- HTTP on a raw socket ----------------------------------------------------------------------------------------

class Message:
    """A request or response as it was on the wire."""

    def __init__(self, head):
        self.raw_head = head
        lines = head.split(b"\r\n")
        self.first = lines[0].decode("latin-1")
        self.fields = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(b":")
                self.fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
        self.body = b""
        self.trailers = []
        self.interim = []        # 1xx responses before a final one
        self.complete = True     # False: the connection ended inside the body
        parts = self.first.split(" ", 2)
        if self.first.startswith("HTTP/"):
            self.status, self.reason = int(parts[1]), parts[2] if len(parts) > 2 else ""
        else:
            self.method, self.target = parts[0], parts[1] if len(parts) > 1 else ""

    def all(self, name):
        return [v for k, v in self.fields if k.lower() == name.lower()]

    def get(self, name, default=None):
        found = self.all(name)
        return ", ".join(found) if found else default

    def __contains__(self, name):
        return bool(self.all(name))

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.first!r} {self.fields} body={self.body[:200]!r}>"


class Wire:
    """A connection with a buffer: what both the clients here and the origin read with."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def fill(self):
        data = self.sock.recv(262144)
        self.buffer += data
        dawdle()
        return bool(data)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        dawdle()

    def read_line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"connection ended inside a line: {self.buffer[:200]!r}")
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_head(self):
        """A head, or None when the connection ended before its first byte."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                if not self.buffer:
                    return None
                raise EOFError(f"connection ended inside a head: {self.buffer[:200]!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return Message(head)

    def read_some(self, n):
        """Between 1 and n bytes; b'' at the end."""
        if not self.buffer and not self.fill():
            return b""
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_exactly(self, n):
        parts, left = [], n
        while left > 0:
            data = self.read_some(left)
            if not data:
                raise EOFError(f"connection ended {left} bytes early")
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def read_chunks(self, message, sink=None):
        while True:
            size = int(self.read_line().split(b";")[0], 16)
            if size == 0:
                break
            data = self.read_exactly(size)
            if sink:
                sink(data)
            else:
                message.body += data
            assert self.read_line() == b""
        while line := self.read_line():
            name, _, value = line.partition(b":")
            message.trailers.append((name.decode("latin-1"), value.strip().decode("latin-1")))

    def at_end(self, seconds=PATIENCE):
        """True when the peer closes (or resets) within the time and sends nothing more."""
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and not self.sock.recv(1)
        except ConnectionError:
            return True
        except (TimeoutError, socket.timeout):
            return False

    def silent(self, seconds=0.2):
        """True when the connection is open and nothing arrives for a moment."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not self.buffer and not poll.poll(seconds * 1000)

    def reset(self):
        """RST in place of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()


class Client(Wire):
    """A client connection to `port`; tls: an ssl.SSLContext."""

    def __init__(self, port, tls=None, name="localhost", timeout=PATIENCE, session=None, unix=None, receive_buffer=None):
        if unix:
            sock = socket.socket(socket.AF_UNIX)
        else:
            sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(str(unix) if unix else ("127.0.0.1", port))
        if not unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            try:
                sock = tls.wrap_socket(sock, server_hostname=name, session=session)
            except BaseException:
                sock.close()
                raise
        super().__init__(sock)
        self.pending = 0                                     # requests whose response nobody has asked for yet

    def request(self, method="GET", target="/", *fields, body=None, host="localhost", version="1.1"):
        """Sends a request; fields are "Name: value". A body gets its Content-Length."""
        lines = [f"{method} {target} HTTP/{version}"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += fields
        if body is not None and not any(f.lower().startswith(("content-length:", "transfer-encoding:")) for f in fields):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        self.pending += 1

    def response(self, method="GET", body=True, sink=None):
        """The next final response; interim ones are in .interim. body=False leaves the body unread."""
        interim = []
        self.pending -= 1
        while True:
            message = self.read_head()
            if message is None:
                raise EOFError("connection closed without a response")
            if message.status >= 200 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        if body and method != "HEAD" and message.status not in (101, 204, 304):
            self.read_body(message, sink)
        return message

    def read_body(self, message, sink=None):
        try:
            if "chunked" in message.get("Transfer-Encoding", "").lower():
                self.read_chunks(message, sink)
            elif "Content-Length" in message:
                left = int(message.get("Content-Length"))
                while left > 0:
                    data = self.read_some(min(left, 262144))
                    if not data:
                        raise EOFError
                    left -= len(data)
                    if sink:
                        sink(data)
                    else:
                        message.body += data
            else:
                while data := self.read_some(262144):
                    if sink:
                        sink(data)
                    else:
                        message.body += data
        except (EOFError, ConnectionError, ssl.SSLError):
            message.complete = False

    def ask(self, method="GET", target="/", *fields, **options):
        self.request(method, target, *fields, **options)
        return self.response(method)


def ask(port, method="GET", target="/", *fields, tls=None, name="localhost", unix=None, **options):
    """One request on a connection of its own."""
    client = Client(port, tls=tls, name=name, unix=unix)
    try:
        return client.ask(method, target, *fields, **options)
    finally:
        client.close()


def raw(port, data, seconds=PATIENCE, finish=False):
    """Sends bytes and returns all that comes until the peer closes or `seconds` pass. finish: shuts the sending side."""
    client = Client(port, timeout=seconds)
    try:
        with contextlib.suppress(ConnectionError):
            client.send(data)
            if finish:
                client.sock.shutdown(socket.SHUT_WR)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                if not client.fill():
                    break
            except (ConnectionError, TimeoutError, socket.timeout):
                break
        return client.buffer
    finally:
        client.close()


def status_of(data):
    """The status of the first response in some bytes, None when there is none."""
    match = re.match(rb"HTTP/1\.[01] (\d{3})", data)
    return int(match.group(1)) if match else None


# ---- a name server ------------------------------------------------------------------------------------------------

class NameServer:
    """dnsmasq on a port of 127.0.0.1 (or of `host`), the authority for the names below .test, with a TTL of a second.

    records: {"web.test": ["127.0.0.2", "::1"], "_http._tcp.web.test": [(priority, weight, port, "web.test")]}"""

    def __init__(self, records=None, ttl=1, host="127.0.0.1", port=None):
        self.directory = scratch()
        self.host, self.port = host, port or free_port()
        self.ttl = ttl
        self.process = None
        self.set(records or {})

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def set(self, records):
        """The records from now on; those of before are gone."""
        self.stop()
        lines = [f"port={self.port}", f"listen-address={self.host}", "bind-interfaces", "no-resolv", "no-hosts", "no-poll",
                 "local=/test/", f"local-ttl={self.ttl}", *(["user=root"] if os.getuid() == 0 else []),
                 f"pid-file={self.directory}/pid"]
        for name, values in records.items():
            for value in values:
                if isinstance(value, tuple):
                    priority, weight, port, host = value
                    lines.append(f"srv-host={name},{host},{port},{priority},{weight}")
                else:
                    lines.append(f"host-record={name},{value}")
        path = self.directory / "dnsmasq.conf"
        path.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["dnsmasq", "--no-daemon", f"--conf-file={path}"],
                                        stderr=open(self.directory / "log", "ab"))
        wait_until(self.answers, "the name server to answer")

    def answers(self):
        assert self.process.poll() is None, (self.directory / "log").read_text()
        with socket.socket(family_of(self.host), socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.connect((self.host, self.port))
            with contextlib.suppress(OSError):
                probe.send(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04none\x04test\x00\x00\x01\x00\x01")
                return probe.recv(512)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None

    def end(self):
        self.stop()
        shutil.rmtree(self.directory)


# ---- origin -------------------------------------------------------------------------------------------------------

def reply(status=200, *fields, body=b"", reason="OK", length=True):
    """A response's bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} {reason}", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Server:
    """Takes connections on a port and does with each what behave(socket), or .behave of a class made of this one, does; it
    is closed when that returns."""

    def __init__(self, behave=None, port=0, address="127.0.0.1"):
        if behave:
            self.behave = behave
        self.sockets = []
        self.listener = socket.socket(family_of(address))
        bind(self.listener, address, port)
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        with contextlib.suppress(OSError, ValueError, EOFError):
            self.behave(sock)
        with contextlib.suppress(OSError):
            sock.close()

    def end(self):
        """At once, whatever is under way."""
        self.ending.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.end()


class OriginConnection(Wire):
    def __init__(self, sock, number):
        super().__init__(sock)
        self.number = number


class Origin:
    """An HTTP server that does as a test says. Every request is kept in .requests with the number of its connection.

    handler(connection, request) answers by connection.send(reply(...)); when it returns False the connection is closed.
    By default every request gets 200 and a text that counts. streaming=True leaves request bodies to the handler."""

    def __init__(self, handler=None, streaming=False, tls=None, unix=None, family=socket.AF_INET, backlog=1024,
                 address=None, port=0):
        self.handler = handler or self.count
        self.streaming = streaming
        self.tls = tls
        self.requests = []
        self.connections = []
        self.errors = []
        self.lock = threading.Lock()
        self.stopping = False
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
            os.chmod(unix, 0o777)
            self.port = None
        else:
            self.listener = socket.socket(family)
            bind(self.listener, address or ("::1" if family == socket.AF_INET6 else "127.0.0.1"), port)
            self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def count(self, connection, request):
        body = f"answer {request.number} to {request.method} {request.target}\n".encode()
        fields = ["Content-Type: text/plain"]
        if request.method == "HEAD":
            connection.send(reply(200, *fields, f"Content-Length: {len(body)}", length=False))
        else:
            connection.send(reply(200, *fields, body=body))

    def accept(self):
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(error)
            sock.close()
            return
        with self.lock:
            connection = OriginConnection(sock, len(self.connections) + 1)
            self.connections.append(connection)
            late = self.stopping
        if late:
            connection.close()
            return
        try:
            while (request := connection.read_head()) is not None:
                request.connection = connection.number
                request.connection_object = connection
                if not self.streaming:
                    self.read_body(connection, request)
                with self.lock:
                    self.requests.append(request)
                    request.number = len(self.requests)
                if self.handler(connection, request) is False:
                    break
        except (OSError, EOFError, ValueError) as error:
            self.errors.append(error)
        finally:
            connection.close()

    @staticmethod
    def read_body(connection, request):
        if "chunked" in request.get("Transfer-Encoding", "").lower():
            if "100-continue" in request.get("Expect", ""):
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            connection.read_chunks(request)
        elif "Content-Length" in request:
            if "100-continue" in request.get("Expect", ""):
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            request.body = connection.read_exactly(int(request.get("Content-Length")))

    @property
    def last(self):
        return self.requests[-1]

    def stop(self):
        """When it returns no request is taken any more; what is under way is cut."""
        with self.lock:
            self.stopping = True
            connections = list(self.connections)
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()


def raw_origin(data, then=None):
    """An origin that answers every request with these bytes and then: None keeps the connection, "close", "reset"."""
    def handler(connection, _request):
        connection.send(data)
        if then == "reset":
            connection.reset()
        return None if then is None else False
    return Origin(handler)


# ---- the gateway --------------------------------------------------------------------------------------------------

class Gateway:
    """A running gateway. settings: top-level settings of gateway.conf, in Python (see libconfig()); what is not given
    is set so that tests do not meet each other. Use as a context manager, or call stop()."""

    def __init__(self, services=(), tls=None, environment=None, start=True, binary=GATEWAY, preload=None, files=None, stagger=STAGGER,
                 **settings):
        self.dir = scratch()
        self.prefix = self.dir / "run"
        self.port, self.tls_port, self.status_port = free_port(), free_port(), free_port()
        self.error_log = self.dir / "error.log"
        self.error_log.touch()
        self.error_log.chmod(0o666)
        self.output = self.dir / "output.log"
        self.binary = binary
        self.process = None
        self.expect_alarms = False
        self.environment = dict(environment or {})
        self.files = files           # RLIMIT_NOFILE of all processes, None: as here
        if stagger:
            self.environment["GATEWAY_STAGGER"] = str(stagger)
            self.environment.setdefault("ASAN_OPTIONS", ASAN_OPTIONS)
            preload = ":".join(filter(None, [preload, str(BUILD / "e2e" / "stagger.so")]))
        if preload:
            self.environment["LD_PRELOAD"] = preload
        listeners = [{"address": f"127.0.0.1:{self.port}"}]
        if tls:
            listeners.append({"address": f"127.0.0.1:{self.tls_port}", "ssl": True})
        self.settings = {
            "workers": 2, "worker_connections": 1024, "user": "nobody" if os.getuid() == 0 else None,
            "prefix": str(self.prefix), "log_level": "info", "error_log": str(self.error_log),
            "proxy_listen": tuple(listeners), "status_listen": f"127.0.0.1:{self.status_port}",
            "shared_dicts": ({"name": "gateway_cache", "size": "16m"},),
            "shutdown_timeout": 5000,
            "certificates": tls or None,
            "services": tuple(services),
        }
        self.settings.update(settings)
        self.path = self.dir / "gateway.conf"
        self.write()
        if start:
            try:
                self.start()
            except BaseException:
                self.expect_alarms = True
                self.stop()
                raise

    def write(self, text=None, **changes):
        """Writes the configuration file anew; with `text` exactly that."""
        self.settings.update(changes)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(conf_text(self.settings) if text is None else text)
        temporary.chmod(0o644)
        os.replace(temporary, self.path)

    @property
    def socket(self):
        return self.prefix / "control.sock"

    def start(self):
        limit = ["prlimit", f"--nofile={self.files}:{self.files}"] if self.files else []
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen([*limit, self.binary, "-c", str(self.path)], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env={**os.environ, **self.environment},
                                            start_new_session=True)
        self.wait_ready()

    def wait_ready(self):
        ports = [int(entry["address"].rsplit(":", 1)[1]) for entry in self.settings["proxy_listen"]
                 if not entry["address"].startswith("unix:")]

        def ready():
            assert self.process.poll() is None, f"the gateway ended with {self.process.returncode}:\n{self.log()}"
            try:
                workers = self.control("GET", "/status").json()["workers"]
                for port in ports:
                    Client(port).close()
                if workers["running"] == 0 or workers["starting"] > 0:
                    return False
                return self.control("GET", "/workers").json()["generation"] > 0     # and the master knows it
            except (OSError, EOFError):
                return False
        try:
            wait_until(ready, "the gateway to listen", 3 * PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    # -- looking at it
    def log(self):
        return self.error_log.read_text(errors="replace") + self.output.read_text(errors="replace")

    def wait_log(self, pattern, seconds=PATIENCE):
        return wait_until(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log", seconds)

    def children(self):
        return [pid for pid in children_of(self.process.pid) if not is_zombie(pid)]

    def processes(self):
        """What the control API says about each process."""
        return self.control("GET", "/workers").json()["workers"]

    def pids(self, role="worker", newest=True):
        """newest: without those of an earlier configuration, which may end at any moment."""
        answer = self.control("GET", "/workers").json()
        rows = [p for p in answer["workers"] if role in p["role"]]
        if newest:
            rows = [p for p in rows if p["state"] in ("running", "starting") and p["generation"] == answer["generation"]]
        return [int(p["pid"]) for p in rows if p["pid"]]     # 0: its place is taken, its process yet to be forked

    def replaced(self, *dead, role="worker", count=1):
        """Waits for `count` processes of the role, none of them of the dead; returns their pids."""
        def pids():
            now = self.pids(role)
            return now if len(now) >= count and not set(now) & set(dead) else None
        return wait_until(pids, f"what follows {role} {dead}")

    def memory(self):
        """Private memory of all workers in bytes (shared memory is not counted)."""
        return sum(private_bytes(pid) for pid in self.pids())

    # -- talking to it
    def ask(self, method="GET", target="/", *fields, **options):
        return ask(self.port, method, target, *fields, **options)

    def get(self, target="/", *fields, **options):
        return self.ask("GET", target, *fields, **options)

    def client(self, **options):
        return Client(self.port, **options)

    def control(self, method, target, body=None):
        return ask(None, method, target, *(["Content-Type: application/json"] if body else []), unix=self.socket, body=body)

    def ctl(self, *arguments, socket_path=None, timeout=3 * PATIENCE, environment=None):
        return subprocess.run([GATEWAYCTL, "-s", str(socket_path or self.socket), *arguments], capture_output=True,
                              text=True, timeout=timeout, stdin=subprocess.DEVNULL, env=environment)

    def reload(self):
        done = self.ctl("reload")
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return done

    def status(self, path="/status"):
        return ask(self.status_port, "GET", path)

    def metrics(self):
        """{'name{label="x"}': value}"""
        text = self.status("/metrics").body.decode()
        rows = re.findall(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)(?: \d+)?$", text, re.M)
        return {name: float(value) for name, value in rows}

    def streams(self):
        """How many requests are under way in each worker, questions of its own included."""
        return [int(p["streams"]) for p in self.processes() if p["role"] == "worker"]

    def holders(self, wires):
        """For each connection, of a client or at an origin, the worker at its other end; None: nobody has it yet, or any
        more."""
        known = {(c.here, c.there): c.inode for c in connections() if c.inode}
        owner = {inode: pid for pid in self.pids() for inode in inodes_of(pid)}
        found = []
        for wire in wires:
            ports = None
            with contextlib.suppress(OSError):
                ports = wire.sock.getpeername()[1], wire.sock.getsockname()[1]
            found.append(owner.get(known.get(ports)))
        return found

    def holder(self, wire):
        return wait_until(lambda: self.holders([wire])[0], "a worker to have a connection")

    def waits(self):
        """Requests that have waited, or wait, for what another one's brings to the cache."""
        return sum(value for name, value in self.metrics().items() if name.startswith("gateway_shared_dict_waits_total"))

    def settle(self, clients, more=0):
        """Until the workers have every request that these clients wait for, and `more`: refreshes in the background."""
        count = more + sum(c.pending for c in clients if c.sock.fileno() >= 0)
        wait_until(lambda: self.metrics()['gateway_connections{state="active"}'] >= count, f"{count} requests in the workers")

    def kill(self, number):
        os.kill(self.process.pid, number)

    # -- ending it
    def end(self, number=signal.SIGTERM, seconds=PATIENCE):
        """Sends the signal and returns the exit status."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                for pid in [*children_of(self.process.pid), self.process.pid]:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError(f"the gateway did not end within {seconds} s of signal {number}\n{self.log()}") from None
        return self.process.returncode if self.process else None

    def stop(self):
        if self.dir is None:
            return
        try:
            status = self.end()
            log = self.log()
            if not self.expect_alarms:
                assert status == 0, f"the gateway ended with {status}\n{log}"
                assert not ALARMS.search(log), log
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _trace):
        if kind:
            self.expect_alarms = True      # the first failure is the one to show
            with contextlib.suppress(OSError):
                print(f"---- error log\n{self.log()[-4000:]}")
        self.stop()


def check(text, *arguments, files=None, environment=None):
    """gateway -t (or other arguments) on a configuration text; returns the finished process. `{dir}` in the text is
    replaced by the directory that holds it. Where the text says nothing of listeners or of a prefix it has some that nobody
    else has."""
    environment = dict(environment or {})
    if "proxy_listen" not in text:
        text += f'\nproxy_listen = ( {{ address = "127.0.0.1:{free_port()}"; }} );\n'
    if "status_listen" not in text:
        environment.setdefault("GATEWAY_STATUS_LISTEN", "off")
    directory = scratch()
    if not re.search(r"^\s*prefix\b", text, re.M):
        environment.setdefault("GATEWAY_PREFIX", str(directory / "run"))
    try:
        for name, content in (files or {}).items():
            (directory / name).write_text(content)
        path = directory / "gateway.conf"
        path.write_text(text.replace("{dir}", str(directory)))
        return subprocess.run([GATEWAY, *(arguments or ("-t",)), "-c", str(path)], capture_output=True, text=True, timeout=3 * PATIENCE,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment})
    finally:
        shutil.rmtree(directory)


# ---- /proc --------------------------------------------------------------------------------------------------------

def stat_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()


def is_zombie(pid):
    try:
        return stat_of(pid)[0] == "Z"
    except OSError:
        return True


def children_of(pid):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                if int(stat_of(name)[1]) == pid:
                    found.append(int(name))
    return found


def private_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^RssAnon:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- TLS ----------------------------------------------------------------------------------------------------------

def make_certificates(directory, *names):
    """scripts/certificates; returns the directory with ca.crt, server.crt, server.key, client.crt, client.key."""
    subprocess.run([str(ROOT / "scripts" / "certificates"), str(directory), *names], check=True, capture_output=True)
    for path in pathlib.Path(directory).iterdir():
        path.chmod(0o644)
    return pathlib.Path(directory)


def client_tls(ca=None, alpn=None, maximum=None, minimum=None, cert=None, key=None):
    """A client's context; ca None: does not verify."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(str(ca))
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    if maximum:
        context.maximum_version = maximum
    if minimum:
        context.minimum_version = minimum
    if cert:
        context.load_cert_chain(str(cert), str(key))
    return context


def server_tls(cert, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(cert), str(key))
    if client_ca:
        context.load_verify_locations(str(client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# ---- tokens -------------------------------------------------------------------------------------------------------

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, secret="", algorithm="HS256", key_file=None, header=None):
    """A JWT. HS* by `secret`, "none" unsigned, all others by openssl with the private key in key_file."""
    head = base64url(json.dumps(header or {"typ": "JWT", "alg": algorithm}).encode())
    signed = f"{head}.{base64url(json.dumps(claims).encode())}"
    bits = algorithm[2:]
    if algorithm == "none":
        return signed + "."
    if algorithm.startswith("HS"):
        digest = hmac.new(secret.encode(), signed.encode(), getattr(hashlib, f"sha{bits}")).digest()
    elif algorithm == "EdDSA":
        with tempfile.NamedTemporaryFile() as text:
            text.write(signed.encode())
            text.flush()
            digest = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key_file), "-in", text.name],
                                    capture_output=True, check=True).stdout
    else:
        padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"] if algorithm.startswith("PS") else []
        digest = subprocess.run(["openssl", "dgst", f"-sha{bits}", *padding, "-sign", str(key_file)], input=signed.encode(),
                                capture_output=True, check=True).stdout
        if algorithm.startswith("ES"):
            digest = ecdsa_raw(digest, {"256": 32, "384": 48, "512": 66}[bits])
    return f"{signed}.{base64url(digest)}"


def ecdsa_raw(der, size):
    """DER SEQUENCE of two INTEGERs to the fixed-size pair that JWS wants."""
    at = 2 + (der[1] & 0x7f if der[1] & 0x80 else 0)
    parts = []
    for _ in range(2):
        length = der[at + 1]
        parts.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(size, "big"))
        at += 2 + length
    return b"".join(parts)
