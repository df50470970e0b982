# SPDX-License-Identifier: Apache-2.0
"""Who gets a request: the algorithms, weights, backups, slow starts, places and their queue, retries and their budget,
and connections that targets close."""
import collections
import threading

import pytest
from harness import Gateway, plugin, reply, route, service, wait_until
from test_45_health import Target, gateway, upstream


class Named(Target):
    """A target that says which one it is; .gate, when set, is waited for before the answer."""

    def __init__(self, name, **options):
        self.name, self.gate, self.now, self.most, self.lock = name, None, 0, 0, threading.Lock()
        super().__init__(**options)

    def handle(self, connection, request):
        if self.mode:
            return self.mode(connection, request)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        gate = self.gate
        if gate:
            gate.wait(20)
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
            t.join(20)
        assert len(self.answers) == len(self.threads)
        return collections.Counter(a.status for a in self.answers)


# ---- consistent-hashing -------------------------------------------------------------------------------------------

def spread(g, ask, n=40):
    """Each key goes to one target, asked twice; returns the targets by key."""
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
])
def test_a_key_stays_with_its_target(three, fields, ask):
    with gateway(hashing(three, **fields), workers=3) as g:
        before = spread(g, ask)
        g.reload()
        assert [ask(g, i) for i in range(40)] == before


def test_uri_capture_and_consumer(three):
    up = hashing(three, hash_on="uri_capture", hash_on_uri_capture="tenant")
    other = hashing(three, name="people", hash_on="consumer", hash_fallback="ip")
    services = (service(0, route(paths=["~/t/(?<tenant>[^/]+)/"]), url="http://orders/"),
                service(0, route(name="k", paths=["/k"], plugins=(plugin("key-auth"),)), name="people", url="http://people/"))
    consumers = tuple({"username": f"u{i}", "keyauth_credentials": ({"key": f"key{i}"},)} for i in range(40))
    with Gateway(services=services, upstreams=(up, other), consumers=consumers) as g:
        tenants = spread(g, lambda g, i: who(g, f"/t/t{i}/a"))
        assert [who(g, f"/t/t{i}/another?x") for i in range(40)] == tenants
        spread(g, lambda g, i: who(g, "/k", f"apikey: key{i}"))


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
        return [who(g, f"/{i}") for i in range(120)]
    with gateway(hashing(three, hash_on="path")) as g:
        before = where(g)
        g.write(upstreams=(hashing(three[:2], hash_on="path"),))
        g.reload()
        after = where(g)
        assert "c" not in after and all(x == y for x, y in zip(before, after) if x != "c")
        assert 20 <= before.count("c") <= 60


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
            threading.Event().wait(0.1)
            connection.send(reply(200, "X-Target: a", body=b"x"))
        a.mode = slow
        wait_until(lambda: who(g) == "a", "the slow one to be asked once")
        got = collections.Counter(who(g) for _ in range(200))
        assert got["a"] <= 20 and got["b"] > 30 and got["c"] > 30, got
