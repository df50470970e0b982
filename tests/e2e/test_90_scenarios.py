# SPDX-License-Identifier: Apache-2.0
"""Whole stories, as somebody who runs the gateway would tell them."""
import contextlib
import hashlib
import os
import random
import signal
import threading
import time

import pytest

from harness import (ROOT, SANITIZED, Client, check, free_port, plugin, proxy_cache, raw, reply, route, service, status_of,
                     token, wait_until)

SECRET = "a-secret-of-at-least-thirty-two-bytes"
UPLOADER = ({"username": "uploader", "jwt_secrets": ({"key": "app", "algorithm": "HS256", "secret": SECRET},)},)


# ---- the upload that takes longer than its token lives ------------------------------------------------------------------------

class Sink:
    """An origin that notes when the head came and counts the body."""

    def __init__(self, origins):
        self.head_at, self.got, self.server = None, 0, origins(self.take, streaming=True)

    def take(self, connection, request):
        self.head_at = time.monotonic()
        left = int(request.get("Content-Length"))
        while left > 0:
            data = connection.read_some(262144)
            if not data:
                return False
            left -= len(data)
            self.got += len(data)
        connection.send(reply(200, body=b"stored"))
        return None


def upload_gateway(start, port, **settings):
    return start([service(port, route("upload", ["/upload"], plugins=[plugin("jwt", claims_to_verify=["exp"])]))],
                 consumers=UPLOADER, **settings)


def test_upload_outlives_its_token(origins, start):
    """50 MB, and the token expires on the way: the head reaches the origin before the second window of the body has been
    read, the upload succeeds, and the workers' memory stays."""
    def begun(sink, life):
        """An upload whose head has come through; None when the token had expired before that."""
        client, expires = gateway.client(), int(time.time()) + life
        good = token({"iss": "app", "exp": expires}, SECRET)
        client.send(f"POST /upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {good}\r\n"
                    f"Content-Length: {total}\r\n\r\n")
        client.send(b"x" * 1000)
        wait_until(lambda: sink.head_at or not client.silent(0.01), "the head at the origin, long before the body is there")
        if sink.head_at:
            return client, expires
        assert client.response().status == 401 and time.time() >= expires
        client.close()
        return None
    sink = Sink(origins)
    gateway = upload_gateway(start, sink.server.port)
    before = gateway.memory()
    total, steps = 50 << 20, 100
    client, expires = next(filter(None, (begun(sink, life) for life in (3, 10, 30, 60))))
    sent, peak = 1000, 0
    for i in range(1, steps + 1):
        goal = total * i // steps
        if i == steps:      # the last part comes when the token is of no use any more
            time.sleep(max(0, expires + 2 - time.time()))
        client.send(b"x" * (goal - sent))
        sent = goal
        if i % 10 == 0:
            peak = max(peak, gateway.memory())
        time.sleep(0.03)
    assert time.time() > expires + 1, "the token must have expired on the way"
    answer = client.response()
    client.close()
    assert answer.status == 200 and answer.body == b"stored" and sink.got == total
    if not SANITIZED:
        assert peak - before < 1 << 20, f"memory grew by {(peak - before) >> 10} KB"


def test_upload_with_an_invalid_token_is_refused_at_once(origins, start):
    sink = Sink(origins)
    gateway = upload_gateway(start, sink.server.port)
    for bad in (token({"iss": "app", "exp": int(time.time()) - 1}, SECRET), token({"iss": "app"}, "x" * 40), "nonsense"):
        answer = raw(gateway.port, f"POST /upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bad}\r\n"
                     f"Content-Length: {50 << 20}\r\n\r\n".encode())
        assert status_of(answer) == 401
    assert sink.server.connections == [], "an origin was bothered"


def test_upload_beyond_the_limit(origins, start):
    sink = Sink(origins)
    gateway = start([service(sink.server.port)], request_body_max_size="10m")
    answer = raw(gateway.port, f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {50 << 20}\r\n\r\n".encode())
    assert status_of(answer) == 413
    assert sink.server.connections == []


def test_chunked_upload_that_crosses_the_limit(origins, start):
    def take(connection, request):
        while connection.read_some(262144):
            pass
        return False
    gateway = start([service(origins(take, streaming=True).port)], request_body_max_size="10m")
    client = gateway.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    try:
        for _ in range(400):
            client.send(chunk)
            sent += 65536
    except OSError:
        pass
    assert client.response().status == 413
    client.close()


# ---- five applications behind one door -------------------------------------------------------------------------------------------

def test_path_prefix_table(origins, start):
    apps = {name: origins() for name in ("oauth", "admin", "kline", "test", "portal")}
    key = plugin("key-auth")
    gateway = start([service(server.port, route(name, ["/" if name == "portal" else f"/{name}"],
                                                plugins=[key] if name in ("admin", "kline", "portal") else []), name=name)
                     for name, server in apps.items()],
                    consumers=({"username": "u", "keyauth_credentials": ({"key": "k"},)},))
    for name, server in apps.items():
        path = "/anything" if name == "portal" else f"/{name}/x"
        assert gateway.get(path).status == (401 if name in ("admin", "kline", "portal") else 200)
        before = len(server.requests)
        assert gateway.get(path, "apikey: k").status == 200 and len(server.requests) == before + 1


def test_blue_green(origins, start):
    blue, green = origins(), origins()

    def upstreams():
        return tuple({"name": f"address.{v}.service", "targets": ({"target": f"127.0.0.1:{s.port}", "weight": 100},)}
                     for v, s in (("v1", blue), ("v2", green)))
    gateway = start([service(0, url="http://address.v1.service/address")], upstreams=upstreams())
    gateway.get("/1")
    gateway.write(services=(service(0, url="http://address.v2.service/address"),))
    gateway.reload()
    gateway.get("/2")
    assert [r.target for r in blue.requests] == ["/address/1"] and [r.target for r in green.requests] == ["/address/2"]


def test_canary_steps(origins, start):
    old, new = origins(), origins()

    def weights(first, second):
        return ({"name": "be", "targets": ({"target": f"127.0.0.1:{old.port}", "weight": first},
                                           {"target": f"127.0.0.1:{new.port}", "weight": second})},)
    gateway = start([service(0, url="http://be/")], workers=2, upstreams=weights(1, 0))
    for first, second, expected in ((1000, 0, 0), (900, 100, 10), (500, 500, 50)):
        gateway.write(upstreams=weights(first, second))
        gateway.reload()
        before = len(new.requests)
        for _ in range(100):
            assert gateway.get("/").status == 200
        assert abs(len(new.requests) - before - expected) <= 3


# ---- nothing wrong comes out, whatever dies -----------------------------------------------------------------------------------------

def body_of(target):
    digest = hashlib.sha256(target.encode()).hexdigest().encode()
    return digest * (1 + int(digest[:3], 16) * 8)          # 64 bytes to 2 MB


@pytest.mark.seconds(120)
def test_killed_workers_under_load_serve_no_wrong_byte(origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Content-Type: text/plain", body=body_of(r.target))))
    gateway = start([service(server.port, route(plugins=[proxy_cache(cache_ttl=2)]))], workers=3,
                    shared_dicts=({"name": "gateway_cache", "size": "8m"},))
    gateway.expect_alarms = True
    wrong, right, killed, stop = [], [0], [], threading.Event()

    def client_loop(seed):
        rng, client = random.Random(seed), None
        while not stop.is_set():
            target = f"/{rng.randrange(40)}"
            try:
                client = client or Client(gateway.port)
                answer = client.ask("GET", target)
                if answer.status == 200 and answer.complete:
                    if answer.body != body_of(target):
                        wrong.append((target, answer.get("X-Cache-Status"), len(answer.body)))
                    right[0] += 1
                elif answer.status != 200:
                    wrong.append((target, answer.status))
                if not answer.complete or "close" in answer.get("Connection", "").lower():
                    client.close()
                    client = None
            except TimeoutError as error:
                wrong.append((target, repr(error)))
                client = None
            except (OSError, EOFError):
                client = None                    # its worker was killed: that is allowed
        if client:
            client.close()
    threads = [threading.Thread(target=client_loop, args=(i,), daemon=True) for i in range(6)]
    for thread in threads:
        thread.start()
    rng = random.Random(1)
    for turn in range(15):
        time.sleep(0.4)
        wait_until(lambda: wrong or right[0] > 10 * turn, "answers between the deaths")
        pids = gateway.pids()
        if pids:
            killed.append(rng.choice(pids))
            with contextlib.suppress(ProcessLookupError):
                os.kill(killed[-1], signal.SIGKILL)
        if rng.random() < 0.3:
            gateway.control("DELETE", "/proxy-cache/")
    wait_until(lambda: wrong or right[0] > 100, "a hundred answers")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    gateway.replaced(*killed, count=3)
    for i in range(40):
        assert gateway.get(f"/{i}").body == body_of(f"/{i}")


def test_filler_that_dies_is_taken_over(origins, start):
    """Many wait for one object; the worker that fetches it is killed. Nobody waits for the dead."""
    lock, stuck = threading.Lock(), []

    def handler(connection, request):
        with lock:
            mine = not stuck
            if mine:
                stuck.append(connection)
        if mine:
            connection.at_end(600)                  # never answers the first one
            return False
        connection.send(reply(200, "Content-Type: text/plain", body=b"whole"))
        return None
    server = origins(handler)
    gateway = start([service(server.port, route(plugins=[proxy_cache(cache_ttl=3600, lock_timeout=3600000)]), read_timeout=600000)],
                    workers=3)
    gateway.expect_alarms = True
    clients = []

    def two_workers_have_some():
        """Whoever takes a connection first has it: more come until not all are one worker's."""
        for client in [gateway.client() for _ in range(12)]:
            client.request("GET", "/x")
            clients.append(client)
        gateway.settle(clients)
        return sum(w["role"] == "worker" and w["clients"] > 0 for w in gateway.processes()) > 1
    wait_until(two_workers_have_some, "clients of several workers")
    wait_until(lambda: stuck, "the first request at the origin")
    os.kill(gateway.holder(stuck[0]), signal.SIGKILL)
    answered = 0
    for client in clients:
        try:
            answer = client.response()
            assert answer.status == 200 and answer.body == b"whole"
            answered += 1
        except (ConnectionError, EOFError):
            pass                                    # a connection of the killed worker
        client.close()
    assert answered > 0


# ---- many clients -------------------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(SANITIZED, reason="memory is not comparable under sanitizers")
def test_two_thousand_idle_clients_are_cheap(origin, start):
    gateway = start([service(origin.port)], workers=2, worker_connections=4096, keepalive_timeout=600000)
    warm = [gateway.client() for _ in range(100)]
    for client in warm:
        client.ask()
    before = gateway.memory()
    clients = []
    for _ in range(2000):
        client = gateway.client()
        client.ask()
        clients.append(client)
    wait_until(lambda: (gateway.memory() - before) / len(clients) < 4096, "less than 4 KB of private memory for each idle client")
    for client in warm + clients:
        client.close()


def test_connections_spread_over_workers(origin, start):
    """A worker without a processor takes none, and the others do not wait for it: such a round says nothing."""
    gateway = start([service(origin.port)], workers=2, keepalive_timeout=600000)

    def workers():
        return [w["clients"] for w in gateway.processes() if w["role"] == "worker"]

    def spread():
        clients = [gateway.client() for _ in range(400)]
        for client in clients:
            client.ask()
        counts = wait_until(lambda: sum(workers()) == 400 and workers(), "all clients to be counted")
        for client in clients:
            client.close()
        wait_until(lambda: sum(workers()) == 0, "all clients to be gone")
        return counts
    rounds = []
    for _ in range(8):
        rounds.append(spread())
        if min(rounds[-1]) > 0 and max(rounds[-1]) / 200 <= 1.2:
            return
    raise AssertionError(f"clients of each worker: {rounds}")


# ---- the first command of README ---------------------------------------------------------------------------------------------------

def test_configuration_of_the_repository_is_accepted():
    text = (ROOT / "gateway.conf").read_text()
    for port in ("8000", "8100"):       # somebody may be running it
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    done = check(text.replace('prefix = "build/run"', 'prefix = "run"'))
    assert done.returncode == 0, done.stdout + done.stderr
