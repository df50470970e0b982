# SPDX-License-Identifier: Apache-2.0
"""A kernel that says "not now" at any call, moves three bytes of many and interrupts what waits: slower, and nothing else.
Every byte arrives as it was sent, no request fails, none hangs."""
import hashlib
import mmap
import os
import random
import shutil
import ssl
import struct
import threading

import pytest

from harness import (ASAN_OPTIONS, BUSY, Client, client_tls, make_certificates, proxy_cache, reply, route, scratch, server_tls,
                     service, wait_until)

CALLS = ["receive", "send", "accept", "connect", "read", "wait"]
WAYS = ["put off", "cut", "interrupted"]
MEGABYTE = 1 << 20
BYTES = random.Random(1).randbytes(MEGABYTE)


class Busy:
    """The file that busy.c reads."""

    def __init__(self, one_in, seed):
        self.dir = scratch()
        self.path = self.dir / "busy"
        size = 4 * (len(WAYS) + 2 + len(CALLS) * len(WAYS))
        self.path.write_bytes(struct.pack("iiiII", *one_in, seed, 0).ljust(size, b"\0"))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), size)

    def hits(self, call, way):
        return struct.unpack_from("I", self.map, 20 + 4 * (CALLS.index(call) * len(WAYS) + WAYS.index(way)))[0]

    def environment(self):
        return {"GATEWAY_BUSY_FILE": str(self.path), "ASAN_OPTIONS": ASAN_OPTIONS}


@pytest.fixture(scope="module")
def pki():
    directory = make_certificates(scratch(), "localhost")
    yield directory
    shutil.rmtree(directory)


def answer(connection, request):
    """/bytes/N: that many; /echo: the body's length and hash; /tunnel: what comes in goes back."""
    if request.target.startswith("/tunnel"):
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := connection.read_some(65536):
            connection.send(data)
        return False
    if "/bytes/" in request.target:
        body = BYTES[:int(request.target.split("/bytes/")[1].split("?")[0])]
    else:
        body = f"{len(request.body)} {hashlib.sha1(request.body).hexdigest()}".encode()
    connection.send(reply(200, "Content-Type: text/plain", f"X-Target: {request.target}", body=body))
    return None


# Seldom, often, and nearly always: one call in so many is put off, cut, interrupted.
WEATHERS = [(20, 20, 20), (5, 5, 5), (2, 3, 2)]


@pytest.fixture(params=WEATHERS, ids=["drizzle", "rain", "storm"])
def busy(request, origins, start, pki):
    if not os.path.exists(BUSY):
        pytest.skip(f"{BUSY} is not built")
    weather = Busy(request.param, int(os.environ.get("BUSY_SEED", 7)))      # other seeds: other luck
    plain = origins(answer)
    secure = origins(answer, tls=server_tls(pki / "server.crt", pki / "server.key"))
    gateway = start([service(plain.port, route("plain", ["/plain"], strip_path=True), route("tunnel", ["/tunnel"]),
                             route("cached", ["/cached"], plugins=[proxy_cache(cache_ttl=3600, lock_timeout=3600000)]), retries=0),
                     service(None, route("tls", ["/tls"], strip_path=True), retries=0, name="secure",
                             url=f"https://localhost:{secure.port}/",
                             ca_certificates=str(pki / "ca.crt"))],
                    tls=({"cert": str(pki / "server.crt"), "key": str(pki / "server.key")},),
                    preload=BUSY, environment=weather.environment(), workers=2)
    gateway.weather, gateway.origin, gateway.secure = weather, plain, secure
    wait_until(lambda: gateway.get("/tls/bytes/1").status == 200, "the name of the origin to be known")
    gateway.known = len(secure.requests)
    yield gateway
    shutil.rmtree(weather.dir)


def clients(gateway, pki):
    """To both listeners, and which route to take there."""
    trust = client_tls(pki / "ca.crt")
    return [(gateway.client(), "/plain"), (Client(gateway.tls_port, tls=trust), "/tls"), (gateway.client(), "/tls"),
            (Client(gateway.tls_port, tls=trust), "/plain")]


def chunked(body, sizes):
    parts, at = [], 0
    while at < len(body):
        n = next(sizes)
        parts.append(b"%x\r\n%s\r\n" % (len(body[at:at + n]), body[at:at + n]))
        at += n
    return b"".join([*parts, b"0\r\n\r\n"])


def odd_sizes():
    dice = random.Random(3)
    while True:
        yield dice.choice((1, 7, 100, 4096, 40000))


def test_requests_through_a_busy_kernel(busy, pki):
    count = 0
    for client, path in clients(busy, pki):
        for n in (0, 1, 17, 1000, 20000) * 3:                           # keep-alive
            got = client.ask("GET", f"{path}/bytes/{n}")
            assert got.status == 200 and got.body == BYTES[:n]
            count += 1
        for i in range(20):                                             # pipelined
            client.request("GET", f"{path}/bytes/{i * 50}")
        for i in range(20):
            assert client.response().body == BYTES[:i * 50]
        upload = BYTES[:200000]                                         # up, by length and in chunks
        seen = f"{len(upload)} {hashlib.sha1(upload).hexdigest()}".encode()
        assert client.ask("POST", f"{path}/echo", body=upload).body == seen
        client.request("POST", f"{path}/echo", "Transfer-Encoding: chunked")
        client.send(chunked(upload, odd_sizes()))
        assert client.response().body == seen
        got = client.ask("GET", f"{path}/bytes/{MEGABYTE}")              # down
        assert got.complete and got.body == BYTES
        count += 23
        client.close()
    assert len(busy.origin.requests) + len(busy.secure.requests) - busy.known == count, "an origin was asked twice"
    met = [("receive", way) for way in WAYS] + [("send", way) for way in WAYS] + [("wait", "interrupted")]

    def missing():
        busy.get("/plain/bytes/1000")
        return [one for one in met if busy.weather.hits(*one) == 0]
    wait_until(lambda: not missing(), "each kind of call to be put off, cut and interrupted")


def test_cache_in_a_busy_kernel(busy):
    body = BYTES[:100000]
    with_client = busy.client()
    states = []
    for _ in range(8):
        got = with_client.ask("GET", f"/cached/bytes/{len(body)}")
        assert got.status == 200 and got.body == body
        states.append(got.get("X-Cache-Status"))
    assert states == ["Miss"] + ["Hit"] * 7
    with_client.close()
    crowd = [busy.client() for _ in range(12)]                          # one cold object, many who want it
    got = [None] * len(crowd)

    def read(i):
        got[i] = crowd[i].ask("GET", "/cached/bytes/150000")
    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(crowd))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(m is not None and m.status == 200 and m.body == BYTES[:150000] for m in got)
    for client in crowd:
        client.close()
    assert len(busy.origin.requests) == 2, "collapsed requests went to the origin"


def test_tunnel_in_a_busy_kernel(busy):
    client = busy.client()
    assert client.ask("GET", "/tunnel", "Connection: Upgrade", "Upgrade: websocket").status == 101
    data = BYTES[:100000]
    sender = threading.Thread(target=client.send, args=(data,))
    sender.start()
    assert client.read_exactly(len(data)) == data
    sender.join()
    client.close()


def test_control_in_a_busy_kernel(busy):
    environment = {**os.environ, **busy.environment}
    for _ in range(10):
        assert busy.control("GET", "/status").json()["workers"]["running"] == 2
        assert b"gateway_upstream_target_in_flight" in busy.status("/metrics").body
    assert busy.control("DELETE", "/proxy-cache/").status == 204
    for command in ("status", "workers", "routes", "upstreams", "stat", "version"):
        done = busy.ctl(command, environment=environment)
        assert done.returncode == 0 and done.stdout, done.stderr
    for _ in range(3):
        before = busy.pids()
        done = busy.ctl("reload", environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not set(before) & set(busy.pids())
        assert busy.get("/plain/bytes/10").body == BYTES[:10]
    victim = busy.pids()[0]
    os.kill(victim, 9)
    busy.replaced(victim, count=2)
    wait_until(lambda: len(busy.children()) == 4, "the old generations to have left")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_handshakes_in_a_busy_kernel(busy, pki, version):
    trust = client_tls(pki / "ca.crt", minimum=version, maximum=version)
    for i in range(60):
        client = Client(busy.tls_port, tls=trust)
        assert client.ask("GET", f"/plain/bytes/{i}").body == BYTES[:i]
        client.close()
