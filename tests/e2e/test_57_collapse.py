# SPDX-License-Identifier: Apache-2.0
"""Requests for one cold object, in all workers at once: one asks the origin, the others get what it brings while it
comes, whoever leaves, crawls or dies."""
import contextlib
import os
import signal
import socket
import struct
import threading
import time

import pytest

from harness import HELD, PATIENCE, SANITIZED, proxy_cache, reply, route, service, stale_targets, wait_until

TEXT = "Content-Type: text/plain"
NUMBER = "{:08d}"


class Stage:
    """An origin that answers when it is told to, and a gateway with a cached route in front of it, where nobody stops waiting
    unless a test wants it."""

    def __init__(self, origins, start, workers=3, settings=None, **config):
        self.go = threading.Event()
        self.answer = lambda connection, request: connection.send(reply(200, TEXT, body=b"x" * 1000))
        self.origin = origins(self.handle)
        config = {"lock_timeout": int(1000 * HELD), **config}
        self.gateway = start([service(self.origin.port, route(plugins=[proxy_cache(**config)]), retries=0,
                                      read_timeout=int(1000 * HELD))], workers=workers, **(settings or {}))
        self.clients = []

    def handle(self, connection, request):
        self.go.wait(HELD)
        return self.answer(connection, request)

    @property
    def asked(self):
        return len(self.origin.requests)

    def send(self, count=1, target="/x", *fields, **options):
        """Clients that have sent a request each."""
        clients = [self.gateway.client(**options) for _ in range(count)]
        for client in clients:
            client.request("GET", target, *fields)
        self.clients += clients
        return clients

    def first(self, *arguments, **options):
        """A client whose request is under way to the origin."""
        before = self.asked
        client = self.send(1, *arguments, **options)[0]
        wait_until(lambda: self.asked > before, "a request at the origin")
        return client

    def settle(self, waits=0):
        """Until all requests that were sent have arrived in their workers, and so many wait for another one's answer."""
        self.gateway.settle(self.clients)
        wait_until(lambda: self.gateway.waits() >= waits, f"{waits} requests that wait")

    def close(self):
        for client in self.clients:
            client.close()


@pytest.fixture
def stage(origins, start):
    made = []

    def make(**options):
        made.append(Stage(origins, start, **options))
        return made[-1]
    yield make
    for it in made:
        it.go.set()
        it.close()


def pause():
    """Time for what should not happen, or what nobody can see happen."""
    time.sleep(0.3)


def send_elsewhere(it, victim, least):
    """Clients that have sent a request each, at least so many of them to other workers than that one; and for each whether it
    did. How the kernel shares them out is its own affair, and that of who gets the processor."""
    clients = []

    def elsewhere():
        clients.extend(it.send(8))
        it.settle()
        pids = wait_until(lambda: all(found := it.gateway.holders(clients)) and found, "the workers that have them")
        return [pid != victim for pid in pids] if sum(pid != victim for pid in pids) >= least else None
    return clients, wait_until(elsewhere, "clients in other workers")


def begin(connection, size, *fields):
    connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nContent-Length: {size}\r\n" + "".join(f + "\r\n" for f in fields) + "\r\n")


# ---- one request -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 5000, 300000, 3000000])
def test_one_request_for_all(stage, size):
    it = stage(workers=4, settings={"shared_dicts": ({"name": "gateway_cache", "size": "32m"},)})
    body = bytes(i % 251 for i in range(min(size, 65536))) * (size // 65536 + 1)
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, body=body[:size]))
    clients = it.send(60)
    it.settle(waits=59)
    it.go.set()
    answers = [client.response() for client in clients]
    assert all(a.status == 200 and a.complete and a.body == body[:size] for a in answers)
    assert it.asked == 1
    states = [a.get("X-Cache-Status") for a in answers]
    assert states.count("Miss") == 1 and states.count("Hit") == 59
    assert sum("collapsed" in a.get("Cache-Status") for a in answers) == 59


def test_chunked_body(stage):
    it = stage(workers=4)

    def answer(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(50):
            connection.send(f"{8:x}\r\n{NUMBER.format(i)}\r\n")
            time.sleep(0.002)
        connection.send("0\r\n\r\n")
    it.answer = answer
    clients = it.send(30)
    it.settle()
    it.go.set()
    answers = [client.response() for client in clients]
    assert {a.body for a in answers} == {"".join(NUMBER.format(i) for i in range(50)).encode()}
    assert it.asked == 1 and it.gateway.get("/x").get("X-Cache-Status") == "Hit"


def test_head_and_body_come_while_it_is_filled(stage):
    it = stage()
    more = threading.Event()

    def answer(connection, _request):
        begin(connection, 3000)
        connection.send(b"a" * 1000)
        more.wait(HELD)
        connection.send(b"b" * 2000)
    it.answer = answer
    clients = it.send(6)
    it.settle()
    it.go.set()
    for client in clients:
        message = client.response(body=False)
        assert message.get("Content-Length") == "3000"
        assert client.read_exactly(1000) == b"a" * 1000
    late = it.send(3)                     # joins in the middle
    for client in late:
        client.response(body=False)
        assert client.read_exactly(1000) == b"a" * 1000
    more.set()
    for client in clients + late:
        assert client.read_exactly(2000) == b"b" * 2000
    assert it.asked == 1


def test_objects_do_not_wait_for_each_other(stage):
    it = stage()
    held = threading.Event()

    def answer(connection, request):
        if request.target == "/slow":
            held.wait(HELD)
        connection.send(reply(200, TEXT, body=request.target.encode()))
    it.answer = answer
    it.go.set()
    slow = [it.first("/slow"), *it.send(5, "/slow")]
    it.settle(waits=5)
    assert it.gateway.get("/fast").body == b"/fast"
    held.set()
    assert {client.response().body for client in slow} == {b"/slow"}
    assert it.asked == 2


def test_head_and_conditional_requests_wait_as_well(stage):
    it = stage(cache_control=True)
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, 'ETag: "v"', "Cache-Control: max-age=60", body=b"body"))
    it.first()
    clients = [it.gateway.client() for _ in range(2)]
    it.clients += clients
    clients[0].request("HEAD", "/x")
    clients[1].request("GET", "/x", 'If-None-Match: "v"')
    it.settle(waits=2)
    it.go.set()
    head, conditional = clients[0].response("HEAD"), clients[1].response()
    assert head.status == 200 and head.get("Content-Length") == "4"
    assert conditional.status == 304
    assert it.asked == 1


def test_variants_fill_side_by_side(stage):
    it = stage(cache_control=True)
    it.answer = lambda connection, request: connection.send(
        reply(200, TEXT, "Cache-Control: max-age=60", "Vary: Accept-Language", body=request.get("Accept-Language").encode()))
    clients = [(name, it.send(1, "/x", f"Accept-Language: {name}")[0]) for name in ("en", "de", "fr") * 6]
    it.settle()
    it.go.set()
    for name, client in clients:
        assert client.response().body == name.encode()
    assert it.asked == 3


def test_stale_object_is_validated_once(stage):
    it = stage(workers=4, cache_control=True, storage_ttl=6000, serve_stale=[])
    it.go.set()
    it.answer = lambda connection, request: connection.send(
        reply(304, 'ETag: "v"', "Cache-Control: max-age=60", length=False) if "If-None-Match" in request
        else reply(200, TEXT, 'ETag: "v"', "Cache-Control: max-age=3", body=b"same"))
    target = next(stale_targets(it.gateway))
    before = it.asked
    it.go.clear()
    clients = it.send(40, target)
    it.settle(waits=39)
    it.go.set()
    assert {client.response().body for client in clients} == {b"same"}
    assert it.asked == before + 1


# ---- slow, gone, dead --------------------------------------------------------------------------------------------

def test_first_client_leaves_before_the_head(stage):
    it = stage()
    first = it.first()
    clients = it.send(5)
    it.settle()
    first.close()
    pause()
    it.go.set()
    assert [len(c.response().body) for c in clients] == [1000] * 5
    assert it.asked == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_first_client_leaves_inside_the_body(stage, how):
    it = stage()
    more = threading.Event()

    def answer(connection, _request):
        begin(connection, 200000)
        connection.send(b"a" * 100000)
        more.wait(HELD)
        connection.send(b"b" * 100000)
    it.answer = answer
    first = it.first()
    clients = it.send(4)
    it.settle()
    it.go.set()
    first.response(body=False)
    getattr(first, how)()
    pause()
    more.set()
    assert {c.response().body for c in clients} == {b"a" * 100000 + b"b" * 100000}
    assert it.gateway.get("/x").get("X-Cache-Status") == "Hit" and it.asked == 1


def test_fill_goes_on_when_nobody_is_left(stage):
    it = stage()
    more = threading.Event()

    def answer(connection, _request):
        begin(connection, 400000)
        more.wait(HELD)
        connection.send(b"z" * 400000)
    it.answer = answer
    first = it.first()
    it.go.set()
    first.response(body=False)
    first.close()
    pause()
    more.set()
    wait_until(lambda: it.gateway.control("GET", "/cache").json()["dicts"][0]["objects"] == 1, "the object in the cache")
    answer = it.gateway.get("/x")
    assert answer.get("X-Cache-Status") == "Hit" and answer.body == b"z" * 400000
    assert it.asked == 1


def test_first_client_crawls(stage):
    size = 6 << 20
    it = stage(settings={"shared_dicts": ({"name": "gateway_cache", "size": "32m"},)})
    body = bytes(range(256)) * (size // 256)
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, body=body))
    first = it.first(receive_buffer=4096)
    clients = it.send(4)
    it.settle()
    memory = it.gateway.memory()
    it.go.set()
    assert {c.response().body == body for c in clients} == {True}
    assert it.gateway.get("/x").get("X-Cache-Status") == "Hit"
    assert it.gateway.memory() - memory < (32 << 20 if SANITIZED else 4 << 20)
    answer = first.response()                         # it has read nothing until now
    assert answer.complete and answer.body == body and it.asked == 1


def test_slow_waiter_gets_all_of_it(stage):
    size = 5 << 20
    it = stage(settings={"shared_dicts": ({"name": "gateway_cache", "size": "32m"},)})
    body = bytes(range(256)) * (size // 256)
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, body=body))
    first = it.first()
    slow = it.send(3, receive_buffer=4096)
    it.settle()
    it.go.set()
    assert first.response().body == body
    for client in slow:
        assert client.response().body == body
    assert it.asked == 1


def test_crawling_client_of_what_outgrows_the_cache(stage):
    """The fill is given up in the middle, while its client is far behind: it gets every byte nevertheless."""
    size = 12 << 20
    it = stage(settings={"shared_dicts": ({"name": "gateway_cache", "size": "4m"},)})
    body = bytes(range(256)) * (size // 256)

    def answer(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nConnection: close\r\n\r\n")
        connection.send(body)
        return False
    it.answer = answer
    first = it.first(receive_buffer=4096)
    memory = it.gateway.memory()
    it.go.set()
    pause()
    assert it.gateway.memory() - memory < (32 << 20 if SANITIZED else 4 << 20)
    answer = first.response()
    assert answer.complete and len(answer.body) == size and answer.body == body
    assert it.gateway.get("/x").body == body


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_readers_along_of_what_outgrows_the_cache(stage, version, same):
    """They ask for themselves, and go on where they were: each has every byte, unless what comes now is another body; then each
    sees that it has not."""
    size, half = 12 << 20, 1 << 20
    it = stage(settings={"shared_dicts": ({"name": "gateway_cache", "size": "4m"},)}, lock_timeout=600000)
    body = bytes(i % 251 for i in range(65536)) * (size // 65536)
    more = threading.Event()

    def answer(connection, request):
        first = request.number == 1
        data = body if first or same else b"y" + body[1:]
        connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nConnection: close\r\n\r\n")
        connection.send(data[:half])
        if first:
            more.wait(HELD)
        connection.send(data[half:])
        return False
    it.answer = answer
    it.go.set()
    first = it.first()
    readers = [it.gateway.client() for _ in range(4)]
    it.clients += readers
    for reader in readers:
        reader.request("GET", "/x", version=version)
    began = [reader.response(body=False) for reader in readers]         # each has a head: it reads along
    assert it.asked == 1
    more.set()
    whole = first.response()
    assert whole.complete and whole.body == body
    for reader, message in zip(readers, began):
        if version == "1.1":
            reader.read_body(message)
            assert message.complete == same and (not same or message.body == body)
        elif same:
            reader.read_body(message)
            assert message.body == body
        else:
            with pytest.raises(ConnectionResetError):
                while reader.sock.recv(262144):
                    pass
    assert it.asked == 5


def test_endless_answer_ends_with_its_client(stage):
    """What outgrows the cache is not fetched for nobody."""
    it = stage(settings={"shared_dicts": ({"name": "gateway_cache", "size": "2m"},)})
    ended = threading.Event()

    def answer(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(1000):
                connection.send(b"x" * 65536)
        except OSError:
            ended.set()
        return False
    it.answer = answer
    first = it.first()
    it.go.set()
    first.response(body=False)
    first.close()
    assert ended.wait(PATIENCE), "the gateway went on reading"


def test_min_uses_one_of_many_stores(stage):
    it = stage(workers=3, min_uses=2)
    clients = it.send(12)
    it.settle()
    it.go.set()
    assert [len(c.response().body) for c in clients] == [1000] * 12
    assert it.gateway.get("/x").get("X-Cache-Status") == "Hit"


def second_answers(it, killed, inside):
    """The first request is answered until the middle of its body at most, later ones get another body."""
    def answer(connection, request):
        if request.number == 1:
            if inside:
                begin(connection, 200000)
                connection.send(b"a" * 100000)
            killed.wait(HELD)
            return False
        connection.send(reply(200, TEXT, body=b"b" * 200000))
        return None
    it.answer = answer
    it.go.set()


def test_filler_is_killed_before_the_head(stage):
    """Who waits in another worker than the dead one gets the answer to another request, all of them to the same."""
    it, killed = stage(workers=4), threading.Event()
    second_answers(it, killed, inside=False)
    first = it.first()
    victim = it.gateway.holder(it.origin.connections[0])
    clients, lives = send_elsewhere(it, victim, 9)
    it.settle(waits=len(clients))
    os.kill(victim, signal.SIGKILL)
    killed.set()
    for client, alive in [(first, False), *zip(clients, lives)]:
        if alive:
            message = client.response()
            assert (message.status, message.complete) == (200, True) and message.body == b"b" * 200000
        else:
            with pytest.raises((EOFError, ConnectionError)):
                client.response()
    assert it.gateway.get("/x").body == b"b" * 200000
    assert it.asked == 2


def test_filler_is_killed_inside_the_body(stage):
    """Each of them had a part of the lost body: none gets another one's rest."""
    it, killed = stage(workers=4), threading.Event()
    second_answers(it, killed, inside=True)
    first = it.first()
    victim = it.gateway.holder(it.origin.connections[0])
    clients = [first, *send_elsewhere(it, victim, 9)[0]]
    began = [client.response(body=False) for client in clients]
    os.kill(victim, signal.SIGKILL)
    killed.set()
    for client, message in zip(clients, began):
        client.read_body(message)
        assert message.status == 200 and not message.complete
        assert set(message.body) <= set(b"a")
    assert it.gateway.get("/x").body == b"b" * 200000
    assert it.asked == 2


def test_takeover_does_not_wait_for_a_timeout(stage):
    """The reap wakes those who wait: the second request comes although the first one never ends."""
    it, never = stage(workers=4), threading.Event()
    second_answers(it, never, inside=False)
    it.first()
    victim = it.gateway.holder(it.origin.connections[0])
    clients, _ = send_elsewhere(it, victim, 1)
    it.settle(waits=len(clients))
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: it.asked == 2, "the second request")
    never.set()


def test_upstream_dies_inside_the_body(stage):
    it, end = stage(workers=3), threading.Event()

    def answer(connection, request):
        if request.number == 1:
            begin(connection, 100000)
            connection.send(b"a" * 50000)
            end.wait(HELD)
            return False
        connection.send(reply(200, TEXT, body=b"c" * 100000))
        return None
    it.answer = answer
    clients = it.send(12)
    it.settle(waits=11)
    it.go.set()
    began = [client.response(body=False) for client in clients]       # who has no head yet could ask for himself
    end.set()
    for client, message in zip(clients, began):
        client.read_body(message)
        assert not message.complete, "half a body passed off as whole"
    assert it.gateway.get("/x").body == b"c" * 100000
    assert it.asked == 2


def test_upstream_that_fails_is_asked_once(stage):
    it = stage(workers=3)
    it.answer = lambda connection, request: False
    clients = it.send(30)
    it.settle(waits=29)                   # who comes when all is over asks again
    it.go.set()
    assert [c.response().status for c in clients] == [502] * 30
    assert it.asked == 1
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, body=b"back"))
    assert it.gateway.get("/x").body == b"back"


# ---- what cannot be shared -------------------------------------------------------------------------------------------

def test_uncacheable_answer_releases_all(stage):
    it = stage(workers=3, cache_control=True)
    parallel = threading.Barrier(19, timeout=HELD)

    def answer(connection, request):
        if 1 < request.number <= 20:
            parallel.wait()                # only passes when all of them are under way at the same time
        connection.send(reply(200, TEXT, "Cache-Control: no-store", body=b"own"))
    it.answer = answer
    clients = it.send(20)
    it.settle(waits=19)
    wait_until(lambda: it.asked, "a request at the origin")
    assert it.asked == 1
    it.go.set()
    assert [c.response().body for c in clients] == [b"own"] * 20
    assert it.asked == 20
    # and it is remembered: the next ones do not wait for each other at all
    assert it.gateway.get("/y").body == b"own"
    it.go.clear()
    more = it.send(5, "/y")
    wait_until(lambda: it.asked == 26, "five requests side by side")
    it.go.set()
    assert [c.response().body for c in more] == [b"own"] * 5


def test_storable_again_collapses_again(stage):
    it = stage(workers=3, cache_control=True)
    it.go.set()
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, "Cache-Control: no-store", body=b"own"))
    it.gateway.get("/x")
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, "Cache-Control: max-age=600", body=b"all"))
    assert it.gateway.get("/x").body == b"all" and it.asked == 2
    assert it.gateway.control("DELETE", "/proxy-cache").status in (200, 204)
    it.go.clear()
    clients = it.send(10)
    it.settle(waits=9)
    it.go.set()
    assert {c.response().body for c in clients} == {b"all"} and it.asked == 3


def test_answers_to_be_validated_each_time_make_no_queue(stage):
    it = stage(workers=3, cache_control=True)
    it.answer = lambda connection, request: connection.send(
        reply(304, 'ETag: "v"', "Cache-Control: no-cache", length=False) if "If-None-Match" in request
        else reply(200, TEXT, 'ETag: "v"', "Cache-Control: no-cache", body=b"same"))
    it.go.set()
    assert it.gateway.get("/x").body == b"same"
    it.go.clear()
    clients = it.send(10)
    wait_until(lambda: it.asked == 11, "ten requests side by side")
    it.go.set()
    assert {c.response().body for c in clients} == {b"same"}


def test_cookies_are_not_shared(stage):
    it = stage(workers=3)
    count = iter(range(1000))
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, f"Set-Cookie: id={next(count)}", body=b"own"))
    clients = it.send(12)
    it.settle()
    it.go.set()
    assert len({c.response().get("Set-Cookie") for c in clients}) == 12


def test_authorization_is_not_shared(stage):
    it = stage(workers=3, cache_control=True)
    it.answer = lambda connection, request: connection.send(
        reply(200, TEXT, "Cache-Control: max-age=60", body=request.get("Authorization", "nobody").encode()))
    it.first()
    names = [f"Basic {i}" for i in range(8)]
    clients = [it.send(1, "/x", f"Authorization: {name}")[0] for name in names]
    it.settle()
    it.go.set()
    assert [c.response().body.decode() for c in clients] == names


def test_lock_timeout(stage):
    it = stage(workers=3, lock_timeout=400)
    done = threading.Event()

    def answer(connection, request):
        if request.number == 1:
            done.wait(HELD)
        connection.send(reply(200, TEXT, body=b"late" if request.number == 1 else b"own"))
    it.answer = answer
    it.go.set()
    it.first()
    began = time.monotonic()
    clients = it.send(3)
    assert {c.response().body for c in clients} == {b"own"}
    assert time.monotonic() - began > 0.35
    assert 1 <= it.gateway.waits() <= 3 and 2 <= it.asked <= 4       # who comes late may find what another one got
    done.set()


def test_lock_timeout_of_zero(stage):
    it = stage(workers=2, lock_timeout=0)
    clients = it.send(8)
    wait_until(lambda: it.asked == 8, "eight requests side by side")
    it.go.set()
    assert [len(c.response().body) for c in clients] == [1000] * 8


def test_waiter_leaves(stage):
    it = stage(workers=2)
    it.first()
    for client in it.send(10):
        client.close()
    staying = it.send(2)
    it.settle()
    it.go.set()
    assert [len(c.response().body) for c in staying] == [1000] * 2 and it.asked == 1


def test_purge_in_between(stage):
    it = stage(workers=2)
    versions = iter([b"old", b"new"])
    it.answer = lambda connection, request: connection.send(reply(200, TEXT, body=next(versions)))
    it.first()
    assert it.gateway.control("DELETE", "/proxy-cache").status in (200, 204)
    late = it.first()
    it.go.set()
    assert {late.response().body, it.clients[0].response().body} == {b"old", b"new"}
    assert it.asked == 2


# ---- size and number -------------------------------------------------------------------------------------------------

def test_big_body_with_bounded_memory(stage):
    size = 96 << 20
    it = stage(workers=2, settings={"shared_dicts": ({"name": "gateway_cache", "size": "128m"},)})
    piece = bytes(range(256)) * 4096

    def answer(connection, request):
        begin(connection, size)
        for _ in range(size // len(piece)):
            connection.send(piece)
    it.answer = answer
    clients = it.send(4)
    it.settle()
    memory = it.gateway.memory()
    most, totals = [0], []
    it.go.set()

    def read(client):
        total, good = [0], [True]

        def sink(data):
            at = total[0] % 256
            good[0] = good[0] and data == (piece[at:] + piece)[:len(data)]
            total[0] += len(data)
        message = client.response(sink=sink)
        totals.append((message.complete, total[0], good[0]))
    threads = [threading.Thread(target=read, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most[0] = max(most[0], it.gateway.memory() - memory)
        time.sleep(0.05)
    assert totals == [(True, size, True)] * 4 and it.asked == 1
    assert most[0] < (64 << 20 if SANITIZED else 4 << 20), f"{most[0]} bytes"


SO_TIMESTAMPNS = 35


def arrival(client):
    """When the first bytes of the answer were in the client's socket, by the kernel's clock."""
    data, ancillary, _, _ = client.sock.recvmsg(262144, 64)
    client.buffer += data
    if not ancillary:
        return None
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
    return seconds + nanoseconds / 1e9


@pytest.mark.seconds(120)
def test_a_thousand_at_once(stage):
    it = stage(workers=4, settings={"worker_connections": 4096})
    clients = [it.gateway.client() for _ in range(1000)]
    it.clients += clients
    for client in clients:
        client.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        client.request("GET", "/x")
    it.settle(waits=999)
    it.go.set()
    pause()                               # so as not to compete with those who answer
    times = [t for t in map(arrival, clients) if t is not None] or [0]
    assert {len(client.response().body) for client in clients} == {1000}
    assert it.asked == 1
    spread = (max(times) - min(times)) * 1000
    print(f"first bytes of 1000 answers within {spread:.1f} ms")


@pytest.mark.seconds(300)
def test_workers_die_under_load(stage):
    """Whatever a client takes for whole is whole, and of one answer; and nobody hangs. It goes on until enough has happened."""
    it = stage(workers=4, cache_ttl=1, settings={"shared_dicts": ({"name": "gateway_cache", "size": "8m"},)})
    it.go.set()

    def answer(connection, request):
        number = NUMBER.format(request.number).encode()
        length = 8 * (1 + request.number * 7919 % 30000)
        begin(connection, length)
        body = number * (length // 8)
        for at in range(0, length, 40000):
            connection.send(body[at:at + 40000])
            time.sleep(0.005)
    it.answer = answer
    until, over, wrong, counts = time.monotonic() + 6, threading.Event(), [], {"whole": 0, "cut": 0}

    def ask(which):
        while not over.is_set():
            try:
                message = it.gateway.get(f"/{(which + counts['whole']) % 3}")
            except (EOFError, ConnectionError):
                counts["cut"] += 1
                continue
            except TimeoutError:
                wrong.append("a client hangs")
                return
            if not message.complete:
                counts["cut"] += 1
            elif message.status != 200 or message.body != message.body[:8] * (len(message.body) // 8) or not message.body:
                wrong.append(message)
            else:
                counts["whole"] += 1
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    kills, last = 0, until + PATIENCE
    while time.monotonic() < until or (time.monotonic() < last and (counts["whole"] <= 100 or kills <= 5)):
        time.sleep(0.15)
        for pid in it.gateway.pids()[kills % 4:][:1] if kills < 40 else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
    over.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive(), "a client hangs"
    assert not wrong, wrong[:3]
    assert counts["whole"] > 100 and kills > 5
