# SPDX-License-Identifier: Apache-2.0
"""concurrency-limiting as clients and origins see it: never one too many over all workers, over reloads and deaths, and
no seat is lost, however a request ends."""
import contextlib
import json
import os
import signal
import threading

import pytest

from harness import PATIENCE, plugin, proxy_cache, reply, route, service, wait_until
from test_52_rate_limiting import together

CONSUMERS = ({"username": "alice", "keyauth_credentials": ({"key": "alice-key"},)},
             {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)})


class Held:
    """An origin whose answers wait for `gate`, and which counts how many requests it has at once."""

    def __init__(self, origins):
        self.lock, self.gate = threading.Lock(), threading.Event()
        self.now = self.most = 0
        self.origin = origins(self.answer)
        self.port = self.origin.port

    def answer(self, connection, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(10 * PATIENCE)
        with self.lock:
            self.now -= 1
        connection.send(reply(200, body=b"done"))


@pytest.fixture
def held(origins):
    server = Held(origins)
    yield server
    server.gate.set()


def gateway_with(start, port, *plugins, **settings):
    return start([service(port, route(plugins=plugins))], consumers=CONSUMERS, **settings)


def limiting(limit, limit_by="ip", **config):
    return plugin("concurrency-limiting", limit=limit, limit_by=limit_by, **config)


def enter(gateway, held, *fields):
    """A client whose request is under way at the origin; asks again where it is refused meanwhile."""
    before = held.now

    def attempt():
        client = gateway.client(timeout=3 * PATIENCE)
        client.request("GET", "/", *fields)
        wait_until(lambda: held.now > before or not client.silent(0), "an answer or the origin")
        if held.now > before:
            return client
        client.close()
        return None
    return wait_until(attempt, "a seat")


def test_never_more_and_all_are_used(held, start):
    gateway = gateway_with(start, held.port, limiting(10), workers=4)
    threads, statuses = together(gateway, 64, 1)
    wait_until(lambda: held.now == 10 and len(statuses) == 54, "ten under way, all others refused")
    assert statuses == [429] * 54
    held.gate.set()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 10 and held.most == 10
    threads, statuses = together(gateway, 64, 20)
    for thread in threads:
        thread.join()
    assert len(statuses) == 1280 and set(statuses) <= {200, 429} and statuses.count(200) >= 20 and held.most == 10
    assert held.now == 0
    held.gate.clear()
    clients = [enter(gateway, held) for _ in range(10)]  # none was lost
    assert gateway.get("/").status == 429 and held.now == 10
    held.gate.set()
    for client in clients:
        assert client.response().status == 200
        client.close()


def test_what_a_refusal_says(held, start):
    gateway = gateway_with(start, held.port, limiting(1), plugin("rate-limiting", year=10, limit_by="ip"))
    client = enter(gateway, held)
    answer = gateway.get("/")
    assert answer.status == 429 and answer.json()["message"] == "Too many concurrent requests"
    assert answer.get("Retry-After") == "1" and "X-RateLimit-Remaining-Year" not in answer
    held.gate.set()
    assert client.response().get("X-RateLimit-Remaining-Year") == "9"  # those that found no seat cost no rate
    assert wait_until(lambda: (a := gateway.get("/")).status == 200 and a, "the seat").get("X-RateLimit-Remaining-Year") == "8"
    held.gate.clear()
    gateway = gateway_with(start, held.port, limiting(1, error_code=503, error_message="Busy", retry_after=0))
    client = enter(gateway, held)
    answer = gateway.get("/")
    assert answer.status == 503 and answer.json()["message"] == "Busy" and "Retry-After" not in answer
    held.gate.set()
    assert client.response().status == 200


def test_whose_requests_are_counted_together(held, start):
    def once_each(gateway, one, other):
        client = enter(gateway, held, *one)
        assert gateway.get("/", *one).status == 429
        second = enter(gateway, held, *other)
        assert gateway.get("/", *other).status == 429
        held.gate.set()
        assert client.response().status == 200 and second.response().status == 200
        held.gate.clear()
    gateway = gateway_with(start, held.port, plugin("key-auth"), limiting(1, "consumer"))
    once_each(gateway, ["apikey: alice-key"], ["apikey: bob-key"])
    gateway = gateway_with(start, held.port, plugin("key-auth"), limiting(1, "credential"))
    once_each(gateway, ["apikey: alice-key"], ["apikey: bob-key"])
    gateway = gateway_with(start, held.port, limiting(1, "header", header_name="X-Tenant"))
    once_each(gateway, ["X-Tenant: 1"], ["X-Tenant: 2"])
    once_each(gateway, [], ["X-Tenant: 2"])  # without one: the address
    routes = [route("one", hosts=["one"]), route("two", hosts=["two"])]
    gateway = start([service(held.port, *routes)], plugins=(limiting(1, "route"),))
    client = gateway.client()
    client.request("GET", "/", host="one")
    wait_until(lambda: held.now == 1, "the first")
    assert gateway.get("/", host="one").status == 429
    held.gate.set()
    assert gateway.get("/", host="two").status == 200 and client.response().status == 200


def ended_by(connection, request):
    """What the origin does with each request."""
    if request.target == "/nothing":
        return False
    if request.target == "/cut":
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    if request.target == "/upgrade":
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        with contextlib.suppress(OSError):
            while data := connection.read_some(1000):
                connection.send(data)
        return False
    connection.send(reply(200, body=b"whole"))
    return None


def test_the_seat_is_given_back_however_it_ends(origins, start):
    origin = origins(ended_by)
    gateway = gateway_with(start, origin.port, limiting(1), workers=2)

    def free():
        wait_until(lambda: gateway.get("/free").status == 200, "the seat")
    # who has an answer's last byte can ask again at once, of any worker
    for _ in range(20):
        assert gateway.get("/").status == 200
    for _ in range(5):
        assert gateway.get("/nothing").status == 502
        assert gateway.ask("HEAD", "/").status == 200
        client = gateway.client()
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n")
        assert client.response().status == 400
    assert not gateway.get("/cut").complete
    free()
    client = gateway.client()
    client.request("GET", "/upgrade", "Connection: Upgrade", "Upgrade: echo")
    assert client.response().status == 101
    client.send("hello")
    assert client.read_exactly(5) == b"hello"
    assert gateway.get("/").status == 429  # a tunnel is a request under way
    client.close()
    free()
    wait_until(lambda: sum(gateway.streams()) == 0, "all others to be over")    # a worker may come to the end after the client
    client = gateway.client()
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
    wait_until(lambda: sum(gateway.streams()) == 1, "it to be under way")
    wait_until(lambda: gateway.get("/").status == 429, "the one that waits for its body")
    client.reset()
    free()


def test_a_client_that_leaves(held, start):
    gateway = gateway_with(start, held.port, limiting(1))
    for _ in range(3):
        client = enter(gateway, held)
        assert gateway.get("/").status == 429
        client.reset()
        held.gate.set()
        wait_until(lambda: gateway.get("/").status == 200 and held.now == 0, "the seat, and an idle origin")
        held.gate.clear()


def test_a_fill_that_goes_on_without_its_client_keeps_the_seat(held, start):
    gateway = gateway_with(start, held.port, limiting(1), proxy_cache(), workers=1)
    client = enter(gateway, held)
    client.close()
    wait_until(lambda: gateway.get("/other").status == 429, "the one under way")
    held.gate.set()
    wait_until(lambda: gateway.get("/other").status == 200, "the seat")


def test_a_killed_worker_gives_back(held, start):
    gateway = gateway_with(start, held.port, limiting(4), workers=2)
    gateway.expect_alarms = True
    clients = [enter(gateway, held) for _ in range(4)]
    assert gateway.get("/").status == 429
    before = gateway.pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    gateway.replaced(*before, count=2)
    held.gate.set()
    wait_until(lambda: held.now == 0, "an idle origin")
    held.gate.clear()
    again = [enter(gateway, held) for _ in range(4)]
    assert gateway.get("/").status == 429 and held.now == 4
    held.gate.set()
    for client in again:
        assert client.response().status == 200
    for client in clients:
        client.close()


def test_what_is_under_way_counts_over_a_reload(held, start):
    gateway = gateway_with(start, held.port, limiting(2), workers=2, shutdown_timeout=600000)
    clients = [enter(gateway, held) for _ in range(2)]
    assert gateway.get("/").status == 429
    gateway.write(services=(service(held.port, route(plugins=[limiting(3)])),))
    gateway.reload()
    clients.append(enter(gateway, held))
    assert gateway.get("/").status == 429 and held.now == 3
    gateway.write(services=(service(held.port, route(plugins=[limiting(1)])),))
    gateway.reload()
    assert gateway.get("/").status == 429
    held.gate.set()
    for client in clients:
        assert client.response().status == 200
    wait_until(lambda: gateway.get("/").status == 200, "the one seat")
    wait_until(lambda: held.now == 0, "an idle origin")
    held.gate.clear()
    client = enter(gateway, held)
    assert gateway.get("/").status == 429 and held.now == 1
    held.gate.set()
    assert client.response().status == 200


def test_who_only_asks_takes_no_seat(held, start):
    gateway = gateway_with(start, held.port, limiting(1, "route"))

    def verdict():
        done = gateway.ctl("-o", "json", "routes", "-m", "GET http://localhost/")
        assert done.returncode == 0, done.stderr
        return next(p["verdict"] for p in json.loads(done.stdout)["plugins"] if p["name"] == "concurrency-limiting")
    assert [verdict() for _ in range(3)] == ["passes"] * 3
    client = enter(gateway, held)
    assert verdict() == "answers"
    held.gate.set()
    assert client.response().status == 200 and verdict() == "passes"
