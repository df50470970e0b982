# SPDX-License-Identifier: Apache-2.0
"""Purging: what a label reaches, hard and soft, and tags on their way through the cache."""
import pytest

from harness import plugin, proxy_cache, reply, route, service
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


def test_a_response_to_post_may_still_be_stored(site):
    it = site(request_method=["GET", "POST"]).says(FRESH)
    assert it.state() == "Miss" and it.state() == "Hit"
    assert it.state(method="POST") == "Miss" and it.state(method="POST") == "Hit" and it.state() == "Miss"
