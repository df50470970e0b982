# SPDX-License-Identifier: Apache-2.0
"""A part of what is not cached is asked for (fill_ranges): the whole is fetched into the cache, and the client gets its part as
soon as it is there; what is not for the cache is asked for as the client asked."""
import re
import threading

import pytest

from harness import HELD, proxy_cache, reply, route, service, wait_until

TEXT = "Content-Type: text/plain"
LONG = int(1000 * HELD)                                             # a lock_timeout that never passes
BODY = bytes(i % 251 for i in range(200000))


class Origin:
    """Honours a Range of the form first-last, but `plain`; a test that takes `hold` lets the second half go by itself, and with
    `half_only` the end that comes in its place, that of each request after the second with `late`."""

    def __init__(self, origins, start, workers=1, settings=None, retries=0, **config):
        self.fields, self.body, self.plain, self.hold = ["Cache-Control: max-age=60"], BODY, False, None
        self.chunked = self.half_only = False
        self.late = threading.Event()
        self.origin = origins(self.answer)
        config = {"cache_control": True, **config}
        self.gateway = start([service(self.origin.port, route(plugins=[proxy_cache(**config)]), retries=retries,
                                      read_timeout=LONG)],
                             workers=workers, **(settings or {}))

    def answer(self, connection, request):
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", request.get("Range") or "")
        if part and not self.plain:
            first, last = int(part[1]), int(part[2])
            connection.send(reply(206, TEXT, *self.fields, f"Content-Range: bytes {first}-{last}/{len(self.body)}",
                                  body=self.body[first:last + 1]))
        elif self.chunked:
            connection.send(f"HTTP/1.1 200 OK\r\n{TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.body), self.body))
        else:
            whole = reply(200, TEXT, *self.fields, body=self.body)
            middle = len(whole) - len(self.body) // 2
            connection.send(whole[:middle])
            if self.hold:
                self.hold.wait(HELD)
            if self.half_only:
                if request.number > 2:
                    self.late.wait(HELD)
                return False
            connection.send(whole[middle:])
        return None

    def get(self, target="/x", *fields, **options):
        return self.gateway.ask("GET", target, *fields, **options)

    @property
    def asked(self):
        """The Range of each request that came."""
        return [r.get("Range") for r in self.origin.requests]


@pytest.fixture
def origin(origins, start):
    made = []

    def make(**options):
        made.append(Origin(origins, start, **options))
        return made[-1]
    yield make
    for it in made:
        it.late.set()
        if it.hold:
            it.hold.set()


def is_stored(it, target="/x"):
    wait_until(lambda: it.gateway.ask("GET", target, "Cache-Control: only-if-cached").status == 200, "the whole in the cache")
    answer = it.get(target)
    assert (answer.status, answer.body, answer.get("X-Cache-Status")) == (200, it.body, "Hit")
    return True


@pytest.mark.parametrize("wanted,first,last", [("0-99", 0, 99), ("100-199", 100, 199), ("-5", 199995, 199999),
                                               ("150000-", 150000, 199999), ("0-", 0, 199999)])
def test_part_of_what_is_not_cached(origin, wanted, first, last):
    it = origin(lock_timeout=LONG)
    answer = it.get("/x", f"Range: bytes={wanted}")
    assert (answer.status, answer.body) == (206, BODY[first:last + 1])
    assert answer.get("Content-Range") == f"bytes {first}-{last}/{len(BODY)}"
    assert answer.get("X-Cache-Status") == "Miss" and "; stored" in answer.get("Cache-Status")
    assert is_stored(it) and it.asked == [None]
    assert it.get("/x", "Range: bytes=7-9").get("X-Cache-Status") == "Hit"


def test_part_of_an_empty_or_small_body(origin):
    it = origin(lock_timeout=LONG)
    it.body = b"0123456789"
    assert it.get("/x", "Range: bytes=2-3").body == b"23"
    beyond = it.get("/y", "Range: bytes=10-")
    assert beyond.status == 416 and beyond.get("Content-Range") == "bytes */10"
    it.body = b""
    assert it.get("/z", "Range: bytes=0-").status in (200, 416)
    assert it.asked == [None] * 3


def test_part_comes_while_the_rest_is_on_its_way(origin):
    it = origin(lock_timeout=LONG)
    it.hold = threading.Event()
    client = it.gateway.client()
    answer = client.ask("GET", "/x", "Range: bytes=100-299")
    assert answer.status == 206 and answer.body == BODY[100:300]
    assert it.get("/x", "Range: bytes=300-399").body == BODY[300:400]         # another one reads along
    client.request("GET", "/x", "Range: bytes=190000-190004")                 # the same connection, what is not there yet
    assert client.silent() and it.asked == [None]
    it.hold.set()
    assert client.response().body == BODY[190000:190005]
    assert is_stored(it) and it.asked == [None]
    client.close()


def test_many_want_parts_of_one(origin):
    it = origin(workers=3, lock_timeout=LONG)
    it.hold = threading.Event()
    clients = [it.gateway.client() for _ in range(40)]
    for i, client in enumerate(clients):
        client.request("GET", "/x", f"Range: bytes={i * 5000}-{i * 5000 + 9}")
    wait_until(lambda: it.asked, "a request at the origin")
    it.hold.set()
    for i, client in enumerate(clients):
        answer = client.response()
        assert (answer.status, answer.body) == (206, BODY[i * 5000:i * 5000 + 10])
        client.close()
    assert it.asked == [None]


def test_part_beyond_what_comes_in_time(origin):
    it = origin(lock_timeout=100)
    it.hold = threading.Event()
    answer = it.get("/x", "Range: bytes=190000-190009")
    assert (answer.status, answer.body) == (206, BODY[190000:190010])
    assert it.asked == [None, "bytes=190000-190009"]
    it.hold.set()
    assert is_stored(it)


@pytest.mark.parametrize("fields,config", [(["Cache-Control: no-store"], {}), (["Cache-Control: private"], {}),
                                           (["Cache-Control: max-age=60"], {"max_object_size": "100k"})])
def test_part_of_what_is_not_stored(origin, fields, config):
    it = origin(**config)
    it.fields = fields
    answer = it.get("/x", "Range: bytes=5-9")
    assert (answer.status, answer.body) == (206, BODY[5:10]) and it.asked == [None, "bytes=5-9"]
    answer = it.get("/x", "Range: bytes=6-9")                                 # that is remembered
    assert (answer.status, answer.body) == (206, BODY[6:10]) and it.asked == [None, "bytes=5-9", "bytes=6-9"]


def test_origin_that_sends_a_part_anyway(origin):
    it = origin()
    it.answer = None
    it.origin.handler = lambda connection, request: connection.send(
        reply(206, TEXT, "Content-Range: bytes 0-3/10", "Cache-Control: max-age=60", body=b"0123"))
    answer = it.get("/x", "Range: bytes=0-3")
    assert (answer.status, answer.body) == (206, b"0123") and it.asked == [None]


@pytest.mark.parametrize("config", [{"fill_ranges": False}, {"min_uses": 2}, {"lock_timeout": 0}])
def test_part_is_passed_on(origin, config):
    it = origin(**config)
    assert it.get("/x", "Range: bytes=5-9").body == BODY[5:10] and it.asked == ["bytes=5-9"]


@pytest.mark.parametrize("fields", [["Range: bytes=0-1, 5-9"], ["Range: bytes=5-9", "Cache-Control: no-cache"],
                                    ["Range: bytes=5-9", 'If-None-Match: "x"']])
def test_requests_that_ask_for_more_than_one_part(origin, fields):
    it = origin()
    assert it.get("/x", *fields).status in (200, 206)
    assert it.asked == [fields[0].split(": ")[1]]


def test_condition_that_does_not_hold(origin):
    it = origin(lock_timeout=LONG)
    it.fields = ["Cache-Control: max-age=60", 'ETag: "two"']
    answer = it.get("/x", "Range: bytes=5-9", 'If-Range: "one"')
    assert (answer.status, answer.body) == (200, BODY)
    assert "If-Range" not in it.origin.requests[0]
    assert it.get("/y", "Range: bytes=5-9", 'If-Range: "two"').status == 206


def test_chunked_body(origin):
    it = origin()
    it.chunked = True
    it.fields = []
    answer = it.get("/x", "Range: bytes=100-299")
    assert (answer.status, answer.body) == (206, BODY[100:300]) or answer.body == BODY
    assert len(it.asked) >= 1


def test_origin_that_breaks_off(origin):
    it = origin(lock_timeout=LONG)
    it.half_only = it.plain = True
    it.hold = threading.Event()
    assert it.get("/x", "Range: bytes=0-99").body == BODY[:100]               # which had come
    client = it.gateway.client()
    client.request("GET", "/y", "Range: bytes=150000-150009")
    wait_until(lambda: len(it.asked) == 2, "a request at the origin")
    it.hold.set()
    late = client.response(body=False)                                        # a head that came with the end would be a 502
    it.late.set()
    client.read_body(late)
    client.close()
    assert not late.complete and it.asked == [None, None, "bytes=150000-150009"]     # who sees it: nothing is passed off as whole
    assert it.get("/x", "Cache-Control: only-if-cached").status == 504        # and nothing was stored


def test_client_that_leaves(origin):
    it = origin(lock_timeout=LONG)
    it.hold = threading.Event()
    client = it.gateway.client()
    client.request("GET", "/x", "Range: bytes=190000-190009")
    wait_until(lambda: it.asked, "a request at the origin")
    client.reset()
    it.hold.set()
    assert is_stored(it) and it.asked == [None]


def test_kongs_rules(origin):
    it = origin(cache_control=False)
    it.fields = []
    assert it.get("/x", "Range: bytes=100-299").body == BODY[100:300]
    wait_until(lambda: it.get().get("X-Cache-Status") == "Hit", "the whole in the cache")
    assert it.asked[0] is None
