# SPDX-License-Identifier: Apache-2.0
"""How long a client may be waited for while its body comes: between two reads, in all, and by its rate; on routes and on
the top level. What a slow upstream takes is never the client's fault."""
import contextlib
import json
import select
import socket
import threading
import time

import pytest

from harness import PATIENCE, Client, Origin, Wire, client_tls, reply, route, service, wait_until

POST = "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n"
NEVER = 600000      # ms


class Taking:
    """An origin that takes bodies as they come, and notes which of them were whole."""

    def __init__(self, origins, gate=None):
        self.whole, self.broken, self.heads = [], [], 0
        self.gate = gate
        self.origin = origins(self.take, streaming=True)
        self.port = self.origin.port

    def take(self, connection, request):
        self.heads += 1
        if self.gate:
            self.gate.wait(4 * PATIENCE)
        try:
            self.origin.read_body(connection, request)
        except EOFError:
            self.broken.append(request.target)
            return False
        self.whole.append(request.target)
        connection.send(reply(200, body=b"%d" % len(request.body)))
        return None


@pytest.fixture
def taking(origins):
    return Taking(origins)


def drip(client, data, pause):
    """Sends it byte by byte until there is an answer."""
    for i in range(len(data)):
        if select.select([client.sock], [], [], pause)[0]:
            return
        with contextlib.suppress(ConnectionError):
            client.send(data[i:i + 1])


def refused(client):
    """408 with our message, and the end of the connection."""
    answer = client.response()
    assert answer.status == 408 and answer.json()["message"] == "Request timeout"
    assert answer.get("Connection") == "close"
    with contextlib.suppress(OSError):      # where bytes met its end, it is reset
        client.sock.shutdown(socket.SHUT_WR)
    assert client.at_end()
    client.close()


def causes(gateway):
    """Why requests failed, in the words of the access log."""
    return [json.loads(line).get("error") for line in (gateway.prefix / "access.log").read_text().splitlines()]


@pytest.mark.parametrize("buffering", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_between_two_reads(taking, start, buffering, framing):
    gateway = start([service(taking.port, route(request_buffering=buffering, client_body_timeout=300))])
    client = gateway.client()
    if framing == "length":
        client.send(POST.format("/", 100) + "only a part")
    else:
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nonly a part\r\n")
    refused(client)
    if buffering:
        assert taking.heads == 0
    else:
        wait_until(lambda: taking.broken == ["/"], "the request to be broken off")
    assert not taking.whole
    assert gateway.ask("POST", "/", body=b"whole").body == b"5"


@pytest.mark.parametrize("buffering", [False, True])
def test_in_all(taking, start, buffering):
    gateway = start([service(taking.port, route(request_buffering=buffering, client_body_total_timeout=6000))],
                    access_log="access.log", client_body_timeout=NEVER)
    client = gateway.client()
    client.send(POST.format("/", 4000))
    drip(client, b"x" * 3999, 0.02)      # alone it would take 80 s
    refused(client)
    wait_until(lambda: "client_body_total_timeout" in causes(gateway), "the cause in the log")
    assert not taking.whole and (taking.heads == 0 if buffering else True)
    assert gateway.ask("POST", "/", body=b"w" * 300000).body == b"300000"


def test_who_goes_on_sending_is_told_nevertheless(taking, start):
    """A client that looks for an answer only when it has sent all finds it, though it was refused seconds before: what
    it still sends is taken and thrown away. Not from one that pauses for too long, so a round in which this test was
    held up says nothing."""
    gateway = start([service(taking.port, route(client_body_total_timeout=300))], client_body_timeout=NEVER)
    for _ in range(10):
        client = gateway.client()
        client.send(POST.format("/", 100000))
        assert select.select([client.sock], [], [], PATIENCE)[0]        # the refusal is there
        longest, last, end = 0.0, time.monotonic(), time.monotonic() + 4
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                client.send(b"x" * 100)
                time.sleep(0.1)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            refused(client)
            return
        assert longest > 4, "a reset took the answer away"
    raise AssertionError("held up each time")


@pytest.mark.parametrize("buffering", [False, True])
def test_by_rate(taking, start, buffering):
    gateway = start([service(taking.port, route(request_buffering=buffering, client_body_min_rate="64k",
                                                client_body_min_rate_grace=500))],
                    access_log="access.log", client_body_timeout=NEVER)
    client = gateway.client()
    with contextlib.suppress(ConnectionError):      # should it stand still in the middle of that
        client.send(POST.format("/", 304000) + "x" * 300000)      # however much came at first
    drip(client, b"x" * 3999, 0.02)
    refused(client)
    wait_until(lambda: "client_body_min_rate" in causes(gateway), "the cause in the log")
    assert not taking.whole
    if not buffering:
        wait_until(lambda: taking.broken == ["/"], "the request to be broken off")


def test_a_rate_that_is_kept_is_enough(taking, start):
    gateway = start([service(taking.port, route(client_body_min_rate=10, client_body_min_rate_grace=7000))],
                    client_body_timeout=NEVER)
    client = gateway.client()
    client.send(POST.format("/", 4000))
    for _ in range(40):      # more than the grace in all, if it is slow; never so slow as the rate
        time.sleep(0.2)
        client.send("x" * 100)
    assert client.response().body == b"4000"


def test_inherited_from_the_top_level(taking, start):
    gateway = start([service(taking.port, route("own", ["/own"], client_body_timeout=NEVER), route("top", ["/top"]))],
                    client_body_timeout=300)
    own, top = gateway.client(), gateway.client()
    own.send(POST.format("/own", 10) + "half-")
    top.send(POST.format("/top", 10) + "half-")
    refused(top)
    assert own.silent(1)
    own.send("whole")
    assert own.response().body == b"10"
    gateway.write(client_body_timeout=NEVER, client_body_total_timeout=300)
    gateway.reload()
    top = gateway.client()
    top.send(POST.format("/top", 10) + "half-")
    refused(top)


def test_a_slow_upstream_is_not_the_client_s_fault(origins, start):
    gate = threading.Event()
    taking = Taking(origins, gate)
    taking.origin.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    gateway = start([service(taking.port, route(client_body_timeout=8000, client_body_total_timeout=8000, client_body_min_rate="1k",
                                                client_body_min_rate_grace=8000))])
    client = gateway.client()
    size = 20000000      # more than all the sockets on its way can hold
    client.send(POST.format("/", size))
    sent = [0]

    def send():
        while sent[0] < size:
            sent[0] += client.sock.send(b"x" * min(size - sent[0], 65536))
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    wait_until(lambda: taking.heads == 1, "the head")
    time.sleep(9)      # longer than any of the clocks
    assert sent[0] < size
    assert client.silent(0)
    gate.set()
    assert client.response().body == b"%d" % size
    thread.join()


class Full:
    """A listener that takes no connections (its queue is full) until accept() is called."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers, self.bodies, self.heads = [], [], 0
        for _ in range(20):
            self.fillers.append(socket.socket())
            self.fillers[-1].setblocking(False)
            self.fillers[-1].connect_ex(("127.0.0.1", self.port))
            if not select.select([], [self.fillers[-1]], [], 1)[1]:
                return
        assert False, "the queue of a listener takes everything"

    def accept(self):
        """Answers the first request that comes, whose connection is one of several."""
        for filler in self.fillers:
            filler.close()
        self.listener.settimeout(2 * PATIENCE)
        while not self.bodies:
            sock, _ = self.listener.accept()
            connection = Wire(sock)
            with contextlib.suppress(OSError, EOFError):
                request = connection.read_head()
                if request:
                    self.heads += 1
                    Origin.read_body(connection, request)
                    self.bodies.append(request.body)
                    connection.send(reply(200, body=b"taken"))
            connection.close()
        self.listener.close()


def test_nor_is_one_that_connects_slowly(start):
    upstream = Full()
    gateway = start([service(upstream.port, route(client_body_timeout=8000, client_body_total_timeout=8000), connect_timeout=600000)])
    client = gateway.client(timeout=2 * PATIENCE)
    client.send(POST.format("/", 10))
    assert client.silent(0.3)      # its body is waited for now
    client.send("again")
    assert client.silent(9)        # and now it is not
    thread = threading.Thread(target=upstream.accept)
    thread.start()
    wait_until(lambda: upstream.heads == 1, "the connection", 2 * PATIENCE)
    assert client.silent(0.3)      # and again
    client.send("ended")
    assert client.response().status == 200
    thread.join()
    assert upstream.bodies == [b"againended"]


def test_over_tls(taking, start, certs):
    gateway = start([service(taking.port, route(client_body_total_timeout=2500))], client_body_timeout=NEVER,
                    tls=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},))
    client = Client(gateway.tls_port, tls=client_tls(certs / "ca.crt"))
    assert client.ask("POST", "/", body=b"whole").body == b"5"      # and the tickets are read, which come unasked
    client.send(POST.format("/", 4000))
    drip(client, b"x" * 3999, 0.02)
    assert client.response().status == 408
    wait_until(lambda: taking.broken == ["/"], "the request to be broken off")
    client.close()
