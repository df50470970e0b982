# SPDX-License-Identifier: Apache-2.0
"""Purging: what a label reaches, hard and soft, and tags on their way through the cache."""
import json
import threading

import pytest

from harness import HELD, PATIENCE, plugin, proxy_cache, reply, route, service, wait_until
from test_56_rfc9111 import OPEN, Site

FRESH = "Cache-Control: max-age=1000"


@pytest.fixture
def site(origins, start):
    return lambda **config: Site(origins, start, **config)


# ---- tags -----------------------------------------------------------------------------------------------------------

def tags_of(it, target):
    key = it.get(target).get("X-Cache-Key")
    return it.gateway.control("GET", f"/proxy-cache/{key}").json()["tags"]


@pytest.mark.parametrize("fields,tags", [
    (["Cache-Tag: a, b"], ["a", "b"]),
    (["Surrogate-Key: a b", "Cache-Tag: c"], ["a", "b", "c"]),
    ([], []),
])
@pytest.mark.parametrize("strip", [False, True])
def test_tags_are_known_and_stripped_when_asked(site, fields, tags, strip):
    it = site(strip_cache_tags=strip).says(FRESH, *fields)
    for state in ("Miss", "Hit"):
        answer = it.get()
        assert answer.get("X-Cache-Status") == state
        for name in ("Cache-Tag", "Surrogate-Key"):
            sent = [f.split(": ")[1] for f in fields if f.startswith(name)]
            assert answer.all(name) == ([] if strip else sent)
    assert sorted(tags_of(it, "/x")) == tags


@pytest.mark.parametrize("strip", [False, True])
def test_a_304_brings_new_tags_or_leaves_those_there_are(site, strip):
    it = site(strip_cache_tags=strip).says("Cache-Control: max-age=0", 'ETag: "1"', "Cache-Tag: a", "Vary: V")
    it.get()
    assert it.state() == "Revalidated"
    it.says(FRESH, 'ETag: "1"')
    assert it.state() == "Revalidated" and it.get().get("Cache-Tag") == (None if strip else "a")
    it.says("Cache-Control: max-age=0", 'ETag: "1"', "Cache-Tag: b")
    answer = it.get("/x", "Cache-Control: no-cache")
    assert answer.get("X-Cache-Status") == "Revalidated" and answer.get("Cache-Tag") == (None if strip else "b")
    listed = it.gateway.control("GET", "/cache/keys").json()["keys"]
    assert [o["tags"] for o in listed] == [["b"]]


def test_tags_of_what_is_not_stored_are_stripped_as_well(site):
    it = site(strip_cache_tags=True).says("Cache-Control: no-store", "Cache-Tag: a")
    answer = it.get()
    assert answer.get("X-Cache-Status") == "Bypass" and "Cache-Tag" not in answer


@pytest.mark.parametrize("strip", [False, True])
def test_variants_with_tags_are_told_apart(site, strip):
    it = site(strip_cache_tags=strip).says(FRESH, "Cache-Tag: a", "Vary: V")
    assert it.state("/x", "V: 1") == "Miss" and it.state("/x", "V: 2") == "Miss"
    assert it.state("/x", "V: 1") == "Hit" and it.state("/x", "V: 2") == "Hit"


# ---- invalidation ---------------------------------------------------------------------------------------------------

def test_an_unsafe_request_invalidates_whatever_route_and_consumer_stored_it(origins, start):
    origin = origins(lambda connection, request: connection.send(reply(200, FRESH, body=b"ok")))
    cache = [proxy_cache(**{**OPEN, "store_set_cookie": False}), plugin("key-auth", anonymous="guest")]
    gateway = start([service(origin.port, route("read", methods=["GET"], plugins=cache),
                             route("write", methods=["POST"], plugins=cache))],
                    consumers=({"username": "alice", "keyauth_credentials": ({"key": "ka"},)}, {"username": "guest"}))

    def states():
        return [gateway.get("/x", *fields).get("X-Cache-Status") for fields in ([], ["apikey: ka"])]

    assert states() == ["Miss", "Miss"] and states() == ["Hit", "Hit"]
    assert gateway.get("/y").get("X-Cache-Status") == "Miss"
    assert gateway.ask("POST", "/x", body=b"").status == 200
    assert states() == ["Miss", "Miss"] and states() == ["Hit", "Hit"]
    assert gateway.get("/y").get("X-Cache-Status") == "Hit"


@pytest.mark.parametrize("obey", [True, False])
def test_an_unsafe_request_invalidates_from_a_route_without_a_cache(origins, start, obey):
    origin = origins(lambda connection, request: connection.send(reply(200, FRESH, body=b"ok")))
    cache = [proxy_cache(**{**OPEN, "cache_control": obey, "cache_ttl": 60})]
    gateway = start([service(origin.port, route("read", methods=["GET"], plugins=cache), route("write", methods=["POST"]))])
    assert [gateway.get("/x").get("X-Cache-Status") for _ in range(2)] == ["Miss", "Hit"]
    assert gateway.ask("POST", "/x", body=b"").status == 200
    assert gateway.get("/x").get("X-Cache-Status") == ("Miss" if obey else "Hit")


def test_a_response_to_post_may_still_be_stored(site):
    it = site(request_method=["GET", "POST"]).says(FRESH)
    assert it.state() == "Miss" and it.state() == "Hit"
    assert it.state(method="POST") == "Miss" and it.state(method="POST") == "Hit" and it.state() == "Miss"


# ---- purging --------------------------------------------------------------------------------------------------------

@pytest.fixture
def shop(origins, start):
    """Two services with a route each; every answer is new, and has the tags that its query names."""
    class Shop:
        pass

    def answer(connection, request):
        tags = request.target.partition("tags=")[2].split("&")[0].replace("+", " ")
        fields = [FRESH] + ([f"Surrogate-Key: {tags}"] if tags else [])
        connection.send(reply(200, *fields, body=b"%d" % len(it.origin.requests)))

    it = Shop()
    it.origin = origins(answer)
    cache = [proxy_cache(**{**OPEN, "store_set_cookie": False})]
    it.gateway = start([service(it.origin.port, route("goods", ["/goods"], plugins=cache), name="one"),
                        service(it.origin.port, route("news", ["/news"], plugins=cache), name="two")])
    it.urls = [("a.example", "/goods/1?tags=red"), ("a.example", "/goods/2?tags=red+blue"), ("b.example", "/goods/1?tags=blue"),
               ("a.example", "/news/1?tags=red")]
    it.hits = lambda: [it.gateway.get(target, host=host).get("X-Cache-Status") == "Hit" for host, target in it.urls]
    it.hits()
    assert it.hits() == [True] * 4
    return it


@pytest.mark.parametrize("what,left", [
    (["--url", "http://a.example/goods/1?tags=red"], [False, True, True, True]),
    (["--url", "a.example/goods/1"], [True, True, True, True]),
    (["--tag", "red"], [False, False, True, False]),
    (["--tag", "blue,none"], [True, False, False, True]),
    (["--prefix", "/goo"], [False, False, False, True]),
    (["--prefix", "/goods/1?tags=r"], [False, True, True, True]),
    (["--prefix", "a.example/goods/"], [False, False, True, True]),
    (["--host", "B.example"], [True, True, False, True]),
    (["--route", "news"], [True, True, True, False]),
    (["--service", "one"], [False, False, False, True]),
    (["--all"], [False, False, False, False]),
])
def test_gatewayctl_purges_by(shop, what, left):
    dry = shop.gateway.ctl("purge", *what, "--dry-run")
    assert dry.returncode == 0 and dry.stdout.startswith(f"{left.count(False)} objects, "), dry.stdout + dry.stderr
    assert shop.hits() == [True] * 4
    done = shop.gateway.ctl("purge", *what)
    assert done.returncode == 0 and "purged by" in done.stdout, done.stdout + done.stderr
    assert shop.hits() == left and shop.hits() == [True] * 4


@pytest.mark.parametrize("query,left", [
    ("tag=red", [False, False, True, False]), ("prefix=/goods&host_only=1", None), ("host=a.example", [False, False, True, False]),
    ("route=nowhere", None), ("soft=0", [False] * 4),
])
def test_delete_with_a_query_on_kongs_path(shop, query, left):
    answer = shop.gateway.control("DELETE", f"/proxy-cache?{query}")
    if left is None:
        assert answer.status in (400, 404) and shop.hits() == [True] * 4
        return
    told = answer.json()
    assert answer.status == 200 and told["us"] >= 0 and told["soft"] is False
    assert shop.hits() == left


def test_a_purge_needs_one_thing_that_exists(shop):
    for wrong in (["--tag", "a", "--all"], ["--soft"], [], ["--key", "x"]):
        assert shop.gateway.ctl("purge", *wrong).returncode == 2, wrong
    for wrong in (["--route", "x"], ["--service", "x"], ["--prefix", "a.example"], ["--tag", " "], ["--all", "--dict", "x"]):
        done = shop.gateway.ctl("purge", *wrong)
        assert done.returncode == 1 and done.stderr, wrong
    assert shop.hits() == [True] * 4


# ---- soft -----------------------------------------------------------------------------------------------------------

def soften(it):
    assert it.gateway.ctl("purge", "--prefix", "/x", "--soft").returncode == 0


def test_a_soft_purge_serves_stale_and_refreshes_behind(site):
    it = site().says(FRESH, "Cache-Tag: a")
    assert it.get().body == b"body 1"
    soften(it)
    stale = it.get()
    assert stale.get("X-Cache-Status") == "Stale" and stale.body == b"body 1" and "ttl=0" in stale.get("Cache-Status")
    wait_until(lambda: it.state() == "Hit", "refreshed in the background")
    assert it.get().body == b"body 2" and it.count == 2


def test_a_soft_purge_is_mended_by_a_304(site):
    it = site().says(FRESH, 'ETag: "1"')
    it.get()
    soften(it)
    assert it.state() == "Stale"
    wait_until(lambda: it.state() == "Hit", "revalidated in the background")
    assert it.get().body == b"body 1" and it.last.get("If-None-Match") == '"1"'


@pytest.mark.parametrize("fields,request_fields,state", [
    ([FRESH + ", must-revalidate"], [], "Refresh"),
    (["Cache-Control: s-maxage=1000"], [], "Refresh"),
    (["Cache-Control: s-maxage=1000, stale-while-revalidate=10"], [], "Stale"),
    ([FRESH], ["Cache-Control: min-fresh=5"], "Refresh"),
    ([FRESH], ["Cache-Control: no-cache"], "Refresh"),
])
def test_what_forbids_stale_forbids_it_after_a_soft_purge(site, fields, request_fields, state):
    it = site().says(*fields)
    it.get()
    soften(it)
    assert it.state("/x", *request_fields) == state


def test_cache_get_tells_of_a_soft_purge(site):
    it = site().says(FRESH)
    key = it.get().get("X-Cache-Key")
    shown = it.gateway.ctl("cache", "get", key).stdout
    assert "fresh until" in shown and " left" in shown
    soften(it)
    shown = it.gateway.ctl("cache", "get", key).stdout
    assert "purged softly" in shown and "fresh until" not in shown and " left" not in shown
    entry = json.loads(it.gateway.control("GET", f"/proxy-cache/{key}").body)
    assert entry["ttl"] == 0 and entry["freshness"]["purged_softly"]


def test_a_soft_purge_of_all_variants_and_then_a_hard_one(site):
    it = site().says(FRESH, "Vary: V")
    for value in "12":
        assert it.state("/x", f"V: {value}") == "Miss"
    it.origin.stop()
    key = it.get("/x", "V: 1").get("X-Cache-Key")
    assert it.gateway.ctl("purge", key, "--soft").returncode == 0
    assert it.state("/x", "V: 1") == "Stale" and it.state("/x", "V: 2") == "Stale"
    assert it.gateway.ctl("purge", key).returncode == 0
    assert it.get("/x", "V: 1").status == 502


# ---- what is under way ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("what", [["--tag", "a"], ["--prefix", "/x"], ["--all"], ["--service", "origin"]])
@pytest.mark.parametrize("soft", [False, True])
def test_what_was_asked_for_before_a_purge_is_not_fresh_after_it(origins, start, what, soft):
    asked, go = threading.Event(), threading.Event()

    def answer(connection, request):
        number = request.number
        if number == 1:
            asked.set()
            go.wait(HELD)
        connection.send(reply(200, FRESH, "Cache-Tag: a", body=b"%d" % number))

    origin = origins(answer)
    gateway = start([service(origin.port, route(plugins=[proxy_cache(**OPEN)]), read_timeout=int(1000 * HELD))])
    first = gateway.client()
    first.request("GET", "/x")
    assert asked.wait(PATIENCE)
    assert gateway.ctl("purge", *what, *(["--soft"] if soft else [])).returncode == 0
    go.set()
    assert first.response().body == b"1"
    first.close()
    answer = gateway.get("/x")
    if soft:
        assert answer.get("X-Cache-Status") == "Stale" and answer.body == b"1"
        wait_until(lambda: gateway.get("/x").body == b"2", "refreshed in the background")
    else:
        assert answer.get("X-Cache-Status") == "Miss" and answer.body == b"2"


def test_who_comes_after_a_purge_does_not_wait_for_what_was_asked_before(origins, start):
    asked, go = threading.Event(), threading.Event()

    def answer(connection, request):
        number = request.number
        if number == 1:
            asked.set()
            go.wait(HELD)
        connection.send(reply(200, FRESH, body=b"%d" % number))

    origin = origins(answer)
    gateway = start([service(origin.port, route(plugins=[proxy_cache(**OPEN)]), read_timeout=int(1000 * HELD))])
    first = gateway.client()
    first.request("GET", "/x")
    assert asked.wait(PATIENCE)
    assert gateway.ctl("purge", "--url", "http://localhost/x").returncode == 0
    assert gateway.get("/x").body == b"2"
    go.set()
    assert first.response().body == b"1"
    first.close()
    assert gateway.get("/x").body == b"2"


def test_what_was_purged_by_tag_gives_its_memory_back(site):
    """Although nobody asks for it again, and nothing else is stored."""
    it = site(settings={"shared_dicts": ({"name": "gateway_cache", "size": "4m"},)}).says(FRESH, "Cache-Tag: a", body=b"x" * 1000)
    for i in range(100):
        it.get(f"/{i}")

    def objects():
        return it.gateway.control("GET", "/cache").json()["dicts"][0]["objects"]
    assert objects() == 100
    it.gateway.ctl("purge", "--tag", "a")
    wait_until(lambda: objects() == 0, "the sweep of what was purged")


def test_unsafe_requests_to_ever_new_urls_leave_the_rest_alone(site):
    """More of them than the dictionary remembers: what they concern goes, hardly anything else does."""
    it = site(settings={"shared_dicts": ({"name": "gateway_cache", "size": "1m"},)}).says(FRESH)
    for i in range(50):
        it.get(f"/{i}")
    client = it.gateway.client()
    for i in range(1000):
        assert client.ask("POST", "/7" if i == 300 else f"/new/{i}").status == 200
    client.close()
    states = [it.state(f"/{i}") for i in range(50)]
    assert states[7] == "Miss" and states.count("Hit") > 25
