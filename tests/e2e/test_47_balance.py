# SPDX-License-Identifier: Apache-2.0
"""Who gets a request: the algorithms, weights, backups, slow starts, places and their queue, retries and their budget,
and connections that targets close."""
import collections
import os
import shutil
import signal
import socket
import threading
import time

import pytest
from harness import (HELD, PATIENCE, Gateway, Server, connections, free_port, plugin, reply, route, scratch, service,
                     wait_until)
from test_45_health import Target, checks, error, gateway, probing, upstream, wait_state


class Named(Target):
    """A target that says which one it is; .gate, when set, is waited for before the answer; .delay in s."""

    def __init__(self, name, **options):
        self.name, self.gate, self.delay = name, None, 0
        self.now, self.most, self.lock = 0, 0, threading.Lock()
        super().__init__(**options)

    def handle(self, connection, request):
        if self.mode:
            return self.mode(connection, request)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        gate = self.gate
        if gate:
            gate.wait(HELD)
        time.sleep(self.delay)
        with self.lock:
            self.now -= 1
        connection.send(reply(200, f"X-Target: {self.name}", body=b"" if request.method == "HEAD" else b"x"))
        return True


@pytest.fixture
def three():
    targets = [Named(name) for name in "abc"]
    yield targets
    for t in targets:
        if t.gate:
            t.gate.set()
        t.stop()


def hashing(targets, **fields):
    return upstream(*(t.port for t in targets), algorithm="consistent-hashing", **fields)


def who(g, target="/", *fields):
    answer = g.get(target, *fields)
    assert answer.status == 200
    return answer.get("X-Target")


class Together:
    """Requests that are under way at the same time, each on a connection of its own; .answers in any order."""

    def __init__(self, g, n, target="/"):
        self.g, self.target, self.answers, self.threads = g, target, [], []
        self.more(n)

    def more(self, n):
        started = [threading.Thread(target=self.one, daemon=True) for _ in range(n)]
        self.threads += started
        for t in started:
            t.start()

    def one(self):
        self.answers.append(self.g.get(self.target))

    def wait(self):
        for t in self.threads:
            t.join()
        assert len(self.answers) == len(self.threads)
        return collections.Counter(a.status for a in self.answers)


# ---- consistent-hashing -------------------------------------------------------------------------------------------

def spread(g, ask, n=60):
    """Each key goes to one target, asked twice; returns the targets by key. That none of sixty falls to one of three targets
    happens once in ten thousand million times."""
    first = [ask(g, i) for i in range(n)]
    assert [ask(g, i) for i in range(n)] == first
    assert set(first) == set("abc")
    return first


@pytest.mark.parametrize("fields, ask", [
    ({"hash_on": "header", "hash_on_header": "X-Key"}, lambda g, i: who(g, "/", f"x-key: k{i}")),
    ({"hash_on": "path"}, lambda g, i: who(g, f"/path/{i}?q={g.get('/path/0').status}")),
    ({"hash_on": "query_arg", "hash_on_query_arg": "user id"}, lambda g, i: who(g, f"/?x=1&user+id=%6b{i}&y=2")),
    ({"hash_on": "cookie", "hash_on_cookie": "sid"}, lambda g, i: who(g, "/", f"Cookie: asid=1; sid=k{i}; b=2")),
    ({"hash_on": "header", "hash_on_header": "absent", "hash_fallback": "path"}, lambda g, i: who(g, f"/f/{i}")),
    ({"hash_on": "header", "hash_on_header": "absent", "hash_fallback": "header", "hash_fallback_header": "X-Other"},
     lambda g, i: who(g, "/", f"X-Other: k{i}")),
    ({"hash_on": "query_arg", "hash_on_query_arg": "absent", "hash_fallback": "query_arg", "hash_fallback_query_arg": "k"},
     lambda g, i: who(g, f"/?k={i}")),
    ({"hash_on": "consumer", "hash_fallback": "cookie", "hash_on_cookie": "sid"}, lambda g, i: who(g, "/", f"Cookie: sid=k{i}")),
])
def test_a_key_stays_with_its_target(three, fields, ask):
    with gateway(hashing(three, **fields), workers=3) as g:
        before = spread(g, ask)
        g.reload()
        assert [ask(g, i) for i in range(60)] == before


def test_uri_capture_and_consumer(three):
    up = hashing(three, hash_on="uri_capture", hash_on_uri_capture="tenant")
    other = hashing(three, name="people", hash_on="consumer", hash_fallback="ip")
    services = (service(0, route(paths=["~/t/(?<tenant>[^/]+)/"]), url="http://orders/"),
                service(0, route(name="k", paths=["/k"], plugins=(plugin("key-auth"),)), name="people", url="http://people/"))
    consumers = tuple({"username": f"u{i}", "keyauth_credentials": ({"key": f"key{i}"},)} for i in range(60))
    with Gateway(services=services, upstreams=(up, other), consumers=consumers) as g:
        tenants = spread(g, lambda g, i: who(g, f"/t/t{i}/a"))
        assert [who(g, f"/t/t{i}/another?x") for i in range(60)] == tenants
        spread(g, lambda g, i: who(g, "/k", f"apikey: key{i}"))
    fallback = hashing(three, hash_on="consumer", hash_fallback="uri_capture", hash_fallback_uri_capture="tenant")
    with Gateway(services=services[:1], upstreams=(fallback,)) as g:
        assert spread(g, lambda g, i: who(g, f"/t/t{i}/a")) == tenants


def test_a_cookie_is_set_where_it_is_missing(three):
    up = hashing(three, hash_on="cookie", hash_on_cookie="route", hash_on_cookie_path="/shop")
    with gateway(up) as g:
        seen = set()
        for _ in range(12):
            answer = g.get("/shop/x")
            name, _, value = answer.get("Set-Cookie").partition(";")[0].partition("=")
            assert name == "route" and len(value) >= 16 and "Path=/shop" in answer.get("Set-Cookie")
            again = g.get("/shop/x", f"Cookie: route={value}")
            assert "Set-Cookie" not in again and again.get("X-Target") == answer.get("X-Target")
            seen.add(value)
        assert len(seen) == 12


def test_ip_and_nothing_to_hash(three):
    with gateway(hashing(three, hash_on="ip")) as g:
        assert len({who(g) for _ in range(12)}) == 1
    with gateway(hashing(three, hash_on="header", hash_on_header="absent")) as g:
        assert collections.Counter(who(g) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_a_target_that_goes_moves_its_keys_alone(three):
    def where(g):
        return [who(g, f"/{i}") for i in range(240)]
    with gateway(hashing(three, hash_on="path")) as g:
        before = where(g)
        g.write(upstreams=(hashing(three[:2], hash_on="path"),))
        g.reload()
        after = where(g)
        assert "c" not in after and all(x == y for x, y in zip(before, after) if x != "c")
        assert 40 <= before.count("c") <= 125         # 80; ports are random, so is this: beyond it once in ten million times


def test_a_hot_key_spills_over(three):
    """Everybody wants the same key: its target gets a quarter and a few more than its share, the next takes the rest."""
    for t in three:
        held(t)
    with gateway(hashing(three, hash_on="path"), workers=2) as g:
        load = Together(g, 120, "/hot")
        wait_until(lambda: sum(t.now for t in three) == 120, "all to be under way")
        assert max(t.most for t in three) <= 16 + 40 * 5 / 4 + 2, [t.most for t in three]       # two workers at a moment
        for t in three:
            t.gate.set()
        assert load.wait() == {200: 120}


# ---- least-connections and latency ----------------------------------------------------------------------------------

def test_least_connections_avoid_the_one_that_is_busy(three):
    a = three[0]
    a.gate = threading.Event()
    with gateway(upstream(*(t.port for t in three), algorithm="least-connections"), workers=4) as g:
        stuck = Together(g, 1)
        wait_until(lambda: a.now or stuck.answers, "the first")
        while not a.now:
            stuck.more(1)
            wait_until(lambda: a.now or len(stuck.answers) == len(stuck.threads), "one that is stuck")
        n = len(a.origin.requests)
        assert {who(g) for _ in range(60)} == {"b", "c"}
        assert len(a.origin.requests) == n
        a.gate.set()
        stuck.wait()
        wait_until(lambda: who(g) == "a", "traffic to the one that is free again")


def test_latency_leaves_the_slow_one(three):
    a = three[0]
    with gateway(upstream(*(t.port for t in three), algorithm="latency"), workers=2) as g:
        def slow(connection, _request):
            time.sleep(4)
            connection.send(reply(200, "X-Target: a", body=b"x"))
        a.mode = slow
        wait_until(lambda: who(g) == "a", "the slow one to be asked once")
        got = collections.Counter(who(g) for _ in range(200))
        assert got["a"] <= 20 and got["b"] > 30 and got["c"] > 30, got


# ---- weights, backups, slow starts ----------------------------------------------------------------------------------

def targets(*them, **fields):
    """upstream() of (target, fields of it)."""
    return upstream(*({"target": f"127.0.0.1:{t.port}", "weight": 100, **more} for t, more in them), **fields)


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections", "latency", "consistent-hashing"])
def test_weight_0_drains_and_backups_stand_by(three, algorithm):
    a, b, c = three
    up = targets((a, {}), (b, {"weight": 0}), (c, {"backup": True}), algorithm=algorithm, hash_on="path")
    with gateway(up, retries=1, workers=2) as g:
        assert {who(g, f"/{i}") for i in range(30)} == {"a"}
        a.mode = lambda connection, request: False          # closes without an answer: another is tried
        assert {who(g, f"/{i}") for i in range(5)} == {"c"}
        a.mode = None
        assert {who(g, f"/{i}") for i in range(30)} == {"a"}
        assert not b.origin.requests


def eased(n, others, part):
    """The most of n requests that a target may get that counts for `part` of one, beside others that count in full."""
    part = min(part, 1)
    return n * part / (others + part) + 15


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections", "latency"])
def test_a_recovered_target_starts_slowly(three, algorithm):
    """What was out comes back with a share that grows; a reload does not begin that anew."""
    a, b, _ = three
    fields = {"algorithm": algorithm, "healthchecks": checks(probing(timeout=30.0))}
    with gateway(targets((a, {}), (b, {}), slow_start=300, **fields), workers=2) as g:
        a.mode = error
        wait_state(g, a.port, "down")
        assert {who(g) for _ in range(10)} == {"b"}
        began = time.monotonic()
        a.mode = None
        wait_state(g, a.port, "up")
        got = collections.Counter(who(g) for _ in range(100))
        part = (time.monotonic() - began) / 300     # by latency, the better of two wins whenever it may
        assert got["a"] <= (100 * part + 15 if algorithm == "latency" else eased(100, 1, part)), got
        g.write(upstreams=(targets((a, {}), (b, {}), slow_start=2, **fields),))
        g.reload()
        if algorithm != "round-robin":
            wait_until(lambda: collections.Counter(who(g) for _ in range(60))["a"] >= 15, "its share to grow", 2 * PATIENCE)
            return
        wait_until(lambda: collections.Counter(who(g) for _ in range(40)) == {"a": 20, "b": 20}, "its share to grow")
        g.write(upstreams=(targets((a, {}), (b, {}), slow_start=3600, **fields),))
        g.reload()
        assert collections.Counter(who(g) for _ in range(40))["a"] < 20       # as long as it has been back, of an hour
        g.write(upstreams=(targets((a, {}), (b, {}), **fields),))
        g.reload()
        assert collections.Counter(who(g) for _ in range(40)) == {"a": 20, "b": 20}


def test_a_new_target_starts_slowly_and_one_that_stays_does_not(three):
    a, b, c = three
    with gateway(targets((a, {}), (b, {}), slow_start=300), workers=2) as g:
        assert collections.Counter(who(g) for _ in range(40)) == {"a": 20, "b": 20}      # came with their upstream
        time.sleep(5.2)                                                                 # what comes from here on came later
        g.write(upstreams=(targets((a, {}), (b, {}), (c, {}), slow_start=300),))
        began = time.monotonic()
        g.reload()
        got = collections.Counter(who(g) for _ in range(150))
        assert got["c"] <= eased(150, 2, (time.monotonic() - began) / 300), got
        assert abs(got["a"] - got["b"]) <= 10, got
        g.write(upstreams=(targets((a, {}), (b, {}), (c, {}), slow_start=1),))
        g.reload()
        time.sleep(1.1)
        assert collections.Counter(who(g) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


# ---- places and their queue -----------------------------------------------------------------------------------------

def held(target):
    target.gate = threading.Event()
    return target.gate


def in_flight(g):
    return sum(t["in_flight"] for t in g.control("GET", "/upstreams").json()["upstreams"][0]["targets"])


def test_max_connections_is_never_passed_and_the_queue_moves(three):
    a = three[0]
    gate = held(a)
    with gateway(targets((a, {"max_connections": 3}), queue_timeout=600), workers=4) as g:
        load = Together(g, 20)
        wait_until(lambda: a.now == 3, "three under way")
        gate.set()
        assert load.wait() == {200: 20}
        a.gate = None
        assert Together(g, 60).wait() == {200: 60}
        assert a.most == 3
        wait_until(lambda: in_flight(g) == 0, "the last to be counted out")


def test_a_place_is_free_before_the_client_has_the_end_of_the_answer(three):
    """Workers that lose the processor after any call: who has an answer and asks again finds the place free."""
    with gateway(targets((three[0], {"max_connections": 1}), queue_size=0), workers=2, stagger=1) as g:
        client = g.client()
        for _ in range(60):
            assert g.get("/").status == 200
            assert client.ask("GET", "/").status == 200


def test_an_answer_of_our_own_leaves_no_place_taken():
    """The same where the target refuses at once, as a Unix socket that nobody listens at does."""
    directory = scratch()
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(directory / "nobody"))
        os.chmod(directory / "nobody", 0o777)
        up = upstream({"target": f"unix:{directory}/nobody", "max_connections": 1}, queue_size=0)
        with gateway(up, workers=2, retries=0, stagger=1) as g:
            client = g.client()
            for _ in range(30):
                assert [g.get("/").status, client.ask("GET", "/").status] == [502, 502]
            client.close()
            assert "connection refused" in g.log()
    shutil.rmtree(directory)


def queued(g):
    return g.metrics()['gateway_upstream_queue_length{upstream="orders"}']


def client_in(g, pid):
    """A client whose connection that worker has."""
    def find():
        client = g.client()
        if g.holder(client) == pid:
            return client
        client.close()
        return None
    return wait_until(find, f"a connection that worker {pid} takes")


def test_a_response_that_a_plugin_refuses_leaves_no_place_taken(three):
    """The same where the response is given up in the middle: neither a place at the target is held nor a seat."""
    a = three[0]

    def endless(connection, _request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"80\r\n" + b"[" * 128 + b"\r\n")
        return connection.at_end(HELD) and False
    a.mode = endless
    plugins = (plugin("response-transformer", remove={"json": ["a"]}, max_body_size=100),
               plugin("concurrency-limiting", limit=1))
    with Gateway(services=(service(0, route(plugins=plugins), url="http://orders/"),), workers=2, stagger=1,
                 upstreams=(targets((a, {"max_connections": 1}), queue_size=0),)) as g:
        client = g.client()
        for _ in range(60):
            assert [g.get("/").status, client.ask("GET", "/").status] == [502, 502]
        client.close()


def test_a_place_that_gets_free_is_taken_at_once_by_who_waits(three):
    """Also in another worker than the one that gives it back. Who was not told of it would ask again after a second."""
    a, came = three[0], []

    def first(connection, _request):
        a.gate.wait(HELD)
        connection.send(reply(200, body=b"first"))

    def second(connection, _request):
        came.append(time.monotonic())
        connection.send(reply(200, body=b"second"))
    a.mode = lambda connection, request: (first if request.target == "/first" else second)(connection, request)
    with gateway(targets((a, {"max_connections": 1}), queue_timeout=600), workers=2) as g:
        pids = g.pids()

        def late(giver, waiter):
            """Seconds from the end of the one request until the other is there."""
            a.gate, clients = threading.Event(), [client_in(g, giver), client_in(g, waiter)]
            clients[0].request("GET", "/first")
            wait_until(lambda: in_flight(g) == 1, "the first")
            clients[1].request("GET", "/second")
            wait_until(lambda: queued(g) == 1, "the second to wait")
            began = time.monotonic()
            a.gate.set()
            assert [client.response().body for client in clients] == [b"first", b"second"]
            for client in clients:
                client.close()
            wait_until(lambda: in_flight(g) == 0, "the last to be counted out")
            return came[-1] - began
        for giver, waiter in ((pids[0], pids[0]), pids, pids[::-1]):
            assert any(late(giver, waiter) < 0.5 for _ in range(20)), "it asks now and then"


def test_the_queue_is_bounded_in_length_and_time(three):
    a = three[0]
    gate = held(a)
    with gateway(targets((a, {"max_connections": 1}), queue_size=2, queue_timeout=600), workers=2) as g:
        load = Together(g, 1)
        wait_until(lambda: a.now == 1, "the first")
        load.more(6)
        wait_until(lambda: len(load.answers) == 4 and queued(g) == 2, "four that are refused, two that wait")
        gate.set()
        assert load.wait() == {503: 4, 200: 3}
    gate = held(a)
    with gateway(targets((a, {"max_connections": 1}), queue_timeout=2), workers=2) as g:
        load = Together(g, 1)
        wait_until(lambda: a.now == 1, "the first")
        began = time.monotonic()
        load.more(2)
        wait_until(lambda: len(load.answers) == 2, "two that waited in vain")
        assert time.monotonic() - began > 1.9
        gate.set()
        assert load.wait() == {503: 2, 200: 1}
        assert g.get("/x").status == 200
    with gateway(targets((a, {"max_connections": 1}), queue_size=0)) as g:
        gate = held(a)
        load = Together(g, 1)
        wait_until(lambda: a.now == 1, "the first")
        assert g.get("/x").status == 503
        gate.set()
        assert load.wait() == {200: 1}


def test_who_leaves_the_queue_holds_nobody_up(three):
    a = three[0]
    gate = held(a)
    with gateway(targets((a, {"max_connections": 1}), queue_size=2, queue_timeout=600), workers=1) as g:
        load = Together(g, 1)
        wait_until(lambda: a.now == 1, "the first")
        gone = [g.client(), g.client()]
        for client in gone:
            client.request()
        wait_until(lambda: queued(g) == 2, "a full queue")
        assert g.get("/full").status == 503
        for client in gone:
            client.reset()
        wait_until(lambda: queued(g) == 0, "their places in it to be free")
        load.more(1)
        wait_until(lambda: queued(g) == 1, "another one to wait")
        gate.set()
        assert load.wait() == {200: 2}
        assert g.get("/x").status == 200
        wait_until(lambda: in_flight(g) == 0, "the last to be counted out")


def test_full_targets_leave_it_to_others(three):
    a, b, _ = three
    gate = held(a)
    with gateway(targets((a, {"max_connections": 1}), (b, {"backup": True})), workers=2) as g:
        load = Together(g, 1)
        wait_until(lambda: a.now == 1, "the first")
        assert {who(g) for _ in range(10)} == {"b"}
        gate.set()
        load.wait()
        wait_until(lambda: who(g) == "a", "the first again")


def test_a_killed_worker_gives_its_places_back(three):
    a = three[0]
    gate = held(a)
    with gateway(targets((a, {"max_connections": 4}), queue_timeout=600), workers=1) as g:
        load = [g.client() for _ in range(4)]
        for client in load:
            client.request()
        wait_until(lambda: a.now == 4 and in_flight(g) == 4, "four under way")
        os.kill(g.pids()[0], signal.SIGKILL)
        wait_until(lambda: in_flight(g) == 0, "counts that are right")
        a.gate = None
        gate.set()
        g.expect_alarms = True
        wait_until(lambda: g.pids() and g.get("/x").status == 200, "a new worker")
        for client in load:
            client.close()


def test_who_waits_for_a_dead_workers_places_gets_them(three):
    """Two workers share four places; what one of them held is the other's when it dies."""
    a = three[0]
    gate = held(a)
    with gateway(targets((a, {"max_connections": 4}), queue_timeout=600), workers=2) as g:
        g.expect_alarms = True
        clients = [g.client() for _ in range(16)]
        for client in clients:
            client.request()
        wait_until(lambda: a.now == 4 and queued(g) == 12, "four under way and twelve that wait")
        shown = g.status().json()["upstreams"]["orders"]
        assert (shown["active"], shown["queue_length"]) == (4, 12)
        assert shown["targets"] == [{"target": f"127.0.0.1:{a.port}", "weight": 100, "state": "up", "in_flight": 4}]
        victim = g.pids()[0]
        os.kill(victim, signal.SIGKILL)
        g.wait_log(rf"\(pid {victim}\) was killed")                # reaped: what it had counted is gone

        def settled():
            alive = [c for c in clients if not gone(c)]
            return (in_flight(g), queued(g)) == (min(4, len(alive)), max(0, len(alive) - 4))
        wait_until(settled, "places to be taken")
        alive = [c for c in clients if not gone(c)]
        a.gate = None
        gate.set()
        assert {c.response().status for c in alive} <= {200}
        for client in clients:
            client.close()


def gone(client):
    """Whether the other side has ended the connection, on which nothing was said."""
    client.sock.setblocking(False)
    try:
        return client.sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.sock.settimeout(PATIENCE)


# ---- retries --------------------------------------------------------------------------------------------------------

def seen_and_cut(connection, _request):
    return False


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_retries_are_counted_exactly(three, retries):
    for t in three:
        t.mode = seen_and_cut
    with gateway(upstream(*(t.port for t in three)), retries=retries) as g:
        assert g.get("/x").status == 502
        assert sum(len(t.origin.requests) for t in three) == retries + 1
        assert g.ask("POST", "/x", body=b"once").status == 502
        assert sum(len(t.origin.requests) for t in three) == retries + 2      # it may have had an effect


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("size, again", [(3000, True), (400_000, False)], ids=["in-the-window", "beyond"])
def test_a_body_is_sent_again_while_the_window_holds_it(origins, framing, size, again):
    """A target takes all of the body, then closes: the next one gets the same bytes, or nobody gets a part of them."""
    body = os.urandom(size)

    def handler(connection, request):
        if len(server.requests) == 1:
            return False
        connection.send(reply(200, body=request.body))
    server = origins(handler)
    with gateway(upstream(server.port), retries=3, workers=1) as g:
        if framing == "length":
            answer = g.ask("PUT", "/x", body=body)
        else:
            client = g.client()
            parts = [body[at:at + 1000] for at in range(0, size, 1000)]
            client.send(b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"      # at once: what comes after the
                        + b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in (*parts, b"")))    # first read moves the window
            answer = client.response()
            client.close()
        assert answer.status == (200 if again else 502)
        assert [r.body for r in server.requests] == [body] * (2 if again else 1)
        assert not again or answer.body == body


def test_never_the_one_that_just_failed_while_another_is_there(three):
    """A hundred targets, 99 of which are one listener under many addresses: it cuts every request and notes by which
    address it came. Six tries, six different ones, beyond the 64th position as well."""
    seen = []

    def cut(sock):
        seen.append(sock.getsockname()[0])
        sock.recv(4096)
    one = Server(cut, address="0.0.0.0")
    places = tuple({"target": f"127.0.1.{i + 1}:{one.port}", "weight": 1 if i < 70 else 1000} for i in range(100))
    with gateway({"name": "orders", "targets": places}, retries=5) as g:
        for _ in range(10):
            seen.clear()
            assert g.get("/x").status == 502
            assert len(seen) == 6 and len(set(seen)) == 6, seen
    one.end()


def test_the_budget_of_retries_is_shared_by_all_workers(three):
    """Twelve requests are cut at the same moment, after the targets have seen them: three may be sent again at once."""
    gate, lock, tries = threading.Event(), threading.Lock(), collections.Counter()

    def cut_first(connection, request):
        with lock:
            tries[request.target] += 1
            again = tries[request.target] > 1
        if not again:
            gate.wait(HELD)
            return False
        hold.wait(HELD)
        connection.send(reply(200, body=b"x"))
        return True
    hold = threading.Event()
    for t in three:
        t.mode = cut_first
    with gateway(upstream(*(t.port for t in three), retry_budget_percent=0), workers=3, retries=3) as g:
        loads = [Together(g, 1, f"/{i}") for i in range(12)]
        wait_until(lambda: sum(tries.values()) == 12, "all under way")
        gate.set()
        wait_until(lambda: sum(len(x.answers) for x in loads) == 9, "nine that are not sent again")
        hold.set()
        statuses = sum((x.wait() for x in loads), collections.Counter())
        assert statuses == {502: 9, 200: 3} and sum(tries.values()) == 15
        for i in range(5):                                   # what was counted is given back
            assert g.get(f"/later/{i}").status == 200
    tries.clear()
    gate.clear()
    with gateway(upstream(*(t.port for t in three), retry_budget_percent=1000), workers=3, retries=3) as g:
        loads = [Together(g, 1, f"/{i}") for i in range(12)]
        wait_until(lambda: sum(tries.values()) == 12, "all under way")
        gate.set()
        assert sum((x.wait() for x in loads), collections.Counter()) == {200: 12}


def test_a_retry_counts_as_long_as_the_request_goes_on(three):
    """Not only until another target refuses it: of twelve that come one after the other, are cut by the first target and held
    by the last, three are under way again."""
    a, b = three[:2]
    a.mode = lambda _connection, _request: False
    hold = held(b)
    up = upstream({"target": f"127.0.0.1:{a.port}"}, {"target": f"127.0.0.1:{free_port()}"},
                  {"target": f"127.0.0.1:{b.port}", "backup": True}, retry_budget_percent=0)
    with gateway(up, workers=2, retries=5, read_timeout=600000) as g:
        load = Together(g, 0)
        for i in range(12):
            load.more(1)
            wait_until(lambda i=i: b.now + len(load.answers) == i + 1, "it to be held or answered")
        assert b.now == 3
        hold.set()
        assert load.wait() == {502: 9, 200: 3}
        b.gate = None
        for _ in range(6):                                   # what was counted is given back
            assert g.get("/").status == 200


# ---- idle connections -----------------------------------------------------------------------------------------------

class Closing(Server):
    """A target that closes connections which were idle for a while: .closed of them. .over: of all, whoever ended them."""

    def __init__(self, seconds, *fields):
        self.seconds, self.fields, self.closed, self.over, self.lock = seconds, fields, 0, 0, threading.Lock()
        super().__init__()

    def behave(self, sock):
        try:
            self.answer(sock)
        finally:
            with self.lock:
                self.over += 1

    def answer(self, sock):
        sock.settimeout(self.seconds)
        data = b""
        while more := self.receive(sock):
            data += more
            if b"\r\n\r\n" in data:
                data = b""
                sock.sendall(reply(200, *self.fields, body=b"x"))

    def receive(self, sock):
        try:
            return sock.recv(65536)
        except TimeoutError:
            with self.lock:
                self.closed += 1
            raise

    @property
    def connections(self):
        return len(self.sockets)


def test_what_a_target_closes_at_is_learnt():
    """It closes at 2 s. When three were seen to be closed at that age, one of 1.9 s is not used any more, and one of half a
    second is."""
    t = Closing(2)
    with gateway(upstream(t.port), workers=1) as g:
        def left_alone(method="GET"):
            """After one more that was left alone: whether another was made while the target still kept the last."""
            assert g.get("/x").status == 200
            wait_until(lambda: t.over == t.connections, "one of the two to close it")
            time.sleep(0.1)
            assert g.get("/x").status == 200
            n, made = t.closed, t.connections
            time.sleep(1.9)
            assert g.ask(method, "/x", body=b"once" if method == "POST" else None).status == 200
            return t.connections > made and t.closed == n
        wait_until(left_alone, "the age to be learnt", 4 * PATIENCE)

        def used():
            """Whether a second request went by the connection of the first; None: the machine took too long about it."""
            began = time.monotonic()
            assert g.get("/x").status == 200
            n = t.connections
            time.sleep(0.5)
            assert g.get("/x").status == 200
            return [t.connections == n] if time.monotonic() - began < 1.2 else None
        assert wait_until(used, "one that is half a second old") == [True]
        wait_until(lambda: left_alone("POST"), "the same with a request that is sent once", 2 * PATIENCE)
    t.end()


def test_what_a_target_says_about_keeping_is_heard():
    t = Closing(60, "Keep-Alive: timeout=10, max=100")
    with gateway(upstream(t.port), workers=1) as g:
        assert [g.get("/x").status for _ in range(5)] == [200] * 5 and t.connections == 1
        time.sleep(9.5)
        assert g.get("/x").status == 200 and t.connections == 2
    t.end()


def ending(port, peer):
    """Whether the connection of a local port to its peer has been ended by the peer, as its own side sees it."""
    return any(c[:3] == (port, peer, 8) for c in connections())


def test_a_post_goes_to_no_connection_that_was_closed(three):
    """The target closes while the worker is busy with something else, and a POST comes before it has heard of that."""
    a = three[0]
    with gateway(upstream(a.port), workers=1, retries=0) as g:
        pid = g.pids()[0]
        client = g.client()
        for _ in range(5):
            assert client.ask("GET", "/x").status == 200
            os.kill(pid, signal.SIGSTOP)
            try:
                sock = a.origin.connections[-1].sock
                port = sock.getpeername()[1]
                sock.shutdown(socket.SHUT_RDWR)
                wait_until(lambda: ending(port, a.port), "the end to arrive")
                client.request("POST", "/x", body=b"once")
            finally:
                os.kill(pid, signal.SIGCONT)
            assert client.response().status == 200
        assert [r.method for r in a.origin.requests].count("POST") == 5
        client.close()


def test_a_stale_connection_costs_a_new_one_and_no_error(three):
    """The target ends every connection with the second request on it, before it answers."""
    a = three[0]
    seen = set()

    def once(connection, _request):
        if connection.number in seen:
            return False
        seen.add(connection.number)
        connection.send(reply(200, body=b"x"))
        return True
    a.mode = once
    with gateway(upstream(a.port), workers=1, retries=0) as g:
        assert [g.get("/x").status for _ in range(30)] == [200] * 30
        assert g.metrics()["gateway_upstream_retries_total"] == 0


# ---- numbers --------------------------------------------------------------------------------------------------------

class Counting(Server):
    """A fast target: counts requests, answers each with two bytes, as many as come in one read with one write."""

    def __init__(self):
        self.n, self.lock = 0, threading.Lock()
        super().__init__()

    def behave(self, sock):
        data = b""
        while more := sock.recv(65536):
            *whole, data = (data + more).split(b"\r\n\r\n")
            with self.lock:
                self.n += len(whole)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * len(whole))


def test_100000_requests_are_shared_out_by_weight():
    """Weights 100, 50 and 0 through four workers: within 1 % of two thirds and one third, and exactly none."""
    many, batch, clients = 100_000, 100, 20
    a, b, c = Counting(), Counting(), Counting()
    up = targets((a, {}), (b, {"weight": 50}), (c, {"weight": 0}))
    with gateway(up, workers=4) as g:
        def run():
            client = g.client(timeout=HELD)
            for _ in range(many // batch // clients):
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * batch)
                for _ in range(batch):
                    assert client.response().status == 200
            client.close()
        threads = [threading.Thread(target=run) for _ in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert a.n + b.n == many and c.n == 0
    assert abs(a.n - many * 2 / 3) < many / 100 and abs(b.n - many / 3) < many / 100, (a.n, b.n)


def test_least_connections_with_one_target_far_slower(three):
    """What is under way to it never passes its share of all that is, and one for each worker that chooses at once."""
    clients, workers, enough = 24, 4, 1500
    slow, *fast = three
    done = threading.Event()

    def quick():
        return sum(len(t.origin.requests) for t in fast)

    def until_a_hundred_more(connection, _request):
        with slow.lock:
            slow.now += 1
            slow.most = max(slow.most, slow.now)
        until, end = quick() + 100, time.monotonic() + PATIENCE
        while quick() < until and time.monotonic() < end and not done.is_set():
            time.sleep(0.01)
        with slow.lock:
            slow.now -= 1
        connection.send(reply(200, body=b"x"))
    slow.mode = until_a_hundred_more
    with gateway(upstream(*(t.port for t in three), algorithm="least-connections"), workers=workers) as g:
        def run():
            client = g.client(timeout=HELD)
            while quick() < enough:
                assert client.ask().status == 200
            client.close()
        threads = [threading.Thread(target=run) for _ in range(clients)]
        for t in threads:
            t.start()
        wait_until(lambda: quick() >= enough, "enough requests", 3 * PATIENCE)
        done.set()
        for t in threads:
            t.join()
    assert 0 < slow.most <= clients / 3 + workers, slow.most
    assert all(len(t.origin.requests) > 2 * len(slow.origin.requests) for t in fast)
