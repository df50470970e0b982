# SPDX-License-Identifier: Apache-2.0
"""compression: what clients get in gzip and brotli, of every source, and what is left alone."""
import concurrent.futures
import contextlib
import json
import os
import signal
import threading
import time
import zlib

import brotli
import pytest

from harness import PATIENCE, SANITIZED, check, plugin, proxy_cache, reply, route, service, wait_until

MEGABYTE = 1 << 20
JSON = "Content-Type: application/json; charset=utf-8"
CODINGS = ("gzip", "br")


def text(n, seed=1):
    """n bytes that compress to about a third."""
    out, state = bytearray(), seed
    while len(out) < n:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += b'{"id": %d, "name": "item %x"},\n' % (state >> 48, state >> 32 & 0xffff)
    return bytes(out[:n])


def decoder(coding):
    """A function of bytes, for a body in pieces."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    return brotli.Decompressor().process if coding == "br" else bytes


def decoded(answer):
    coding = answer.get("Content-Encoding")
    if coding == "gzip":
        whole = zlib.decompressobj(31)
        body = whole.decompress(answer.body)
        assert whole.eof and whole.unused_data == b""
        return body
    return brotli.decompress(answer.body) if coding == "br" else answer.body


def accept(value):
    return f"Accept-Encoding: {value}"


class Setting:
    """An origin with one answer, which a test changes, and a gateway that compresses."""

    def __init__(self, origins, start, cache=None, more=(), settings=None, retries=0, **config):
        self.fields, self.body, self.status, self.chunked = [JSON], text(20000), 200, False
        self.origin = origins(self.handle)
        self.handler = None
        plugins = [plugin("compression", **config), *more]
        if cache is not None:
            plugins.append(proxy_cache(content_type=[], **cache))
        self.gateway = start([service(self.origin.port, route(plugins=plugins), retries=retries)], **(settings or {}))

    def handle(self, connection, request):
        if self.handler:
            return self.handler(connection, request)
        if self.chunked:
            connection.send(reply(self.status, *self.fields, "Transfer-Encoding: chunked", length=False))
            for at in range(0, len(self.body), 30000):
                piece = self.body[at:at + 30000]
                connection.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
            connection.send(b"0\r\n\r\n")
        elif request.method == "HEAD" or self.status in (204, 304):
            length = [f"Content-Length: {len(self.body)}"] if self.status == 200 else []
            connection.send(reply(self.status, *self.fields, *length, length=False))
        else:
            connection.send(reply(self.status, *self.fields, body=self.body))

    def get(self, coding="gzip", target="/", *fields, **options):
        return self.gateway.get(target, accept(coding), *fields, **options)


@pytest.fixture
def setting(origins, start):
    return lambda **options: Setting(origins, start, **options)


# ---- what is made

@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_all_sizes_come_out_as_they_went_in(setting, coding, chunked):
    it = setting(min_length="0")
    it.chunked = chunked
    for size in (0, 1, 1024, 65536, MEGABYTE, 3 * MEGABYTE + 7):
        it.body = text(size, seed=size)
        answer = it.get(coding)
        assert answer.status == 200 and answer.complete and answer.get("Content-Encoding") == coding, size
        assert decoded(answer) == it.body, size
        assert answer.all("Vary") == ["Accept-Encoding"] and answer.get("Content-Type") == JSON[14:]
        if size >= 1024:
            assert len(answer.body) < size / 2
    assert it.origin.last.get("Accept-Encoding") == coding


def test_what_cannot_be_compressed_comes_through(setting):
    it = setting()
    it.body = os.urandom(MEGABYTE)
    for coding in CODINGS:
        answer = it.get(coding)
        assert answer.get("Content-Encoding") == coding and decoded(answer) == it.body


def test_a_body_that_comes_at_once_has_a_length(setting):
    it = setting()
    it.body = text(5000)
    answer = it.get()
    assert int(answer.get("Content-Length")) == len(answer.body) < 5000 and decoded(answer) == it.body
    client = it.gateway.client()
    for _ in range(3):
        assert decoded(client.ask("GET", "/", accept("br"))) == it.body
    assert decoded(client.ask("GET", "/")) == it.body
    client.close()


def test_the_client_decides(setting):
    it = setting(algorithms=["br", "gzip"])
    for value, coding in (("gzip", "gzip"), ("br", "br"), ("gzip, br", "br"), ("br;q=0.5, gzip", "gzip"), ("x-gzip", "gzip"),
                          ("GZIP", "gzip"), ("*", "br"), ("*;q=0.1, br;q=0", "gzip"), ("gzip;q=0", None), ("identity", None),
                          ("", None), ("deflate, zstd", None), ("gzip;q=0.5, identity", None), ("gzip;q=1.001", None),
                          ("gzip;q=0.001", "gzip"), ("br;q=0, gzip;q=0, *", None), ("gzip;level=9;q=0.3", "gzip")):
        answer = it.get(value)
        assert answer.get("Content-Encoding") == coding, value
        assert decoded(answer) == it.body and answer.get("Vary") == "Accept-Encoding"
    assert "Content-Encoding" not in it.gateway.get("/")
    client = it.gateway.client()
    answer = client.ask("GET", "/", "Accept-Encoding: gzip;q=0.2", "Accept-Encoding: br;q=0.1")
    assert answer.get("Content-Encoding") == "gzip"
    client.close()


def test_http_1_0_sees_the_end_by_the_close(setting):
    it = setting()
    it.body, it.chunked = text(MEGABYTE), True
    client = it.gateway.client()
    client.request("GET", "/", accept("gzip"), version="1.0")
    answer = client.response()
    assert "Transfer-Encoding" not in answer and answer.get("Connection") == "close"
    assert answer.get("Content-Encoding") == "gzip" and decoded(answer) == it.body
    client.close()


def test_the_gateways_own_answers(setting, start):
    gateway = start([service(1, route(plugins=[plugin("compression", min_length="10"),
                                              plugin("request-termination", status_code=403, body="<p>" + "no " * 900,
                                                     content_type="text/html")]))])
    answer = gateway.get("/", accept("gzip"))
    assert answer.status == 403 and answer.get("Content-Encoding") == "gzip" and decoded(answer) == b"<p>" + b"no " * 900
    assert int(answer.get("Content-Length")) == len(answer.body)


# ---- what is left alone

def test_what_stays_as_it_is(setting):
    it = setting()
    for fields in (["Content-Type: image/png"], [], ["Content-Type: garbage"], [JSON, "Content-Encoding: zstd"],
                   [JSON, "Content-Encoding: identity", "Content-Encoding: zstd"],
                   [JSON, "Cache-Control: public, no-transform"], [JSON, "Repr-Digest: sha-256=:AAAA:"], [JSON, "Content-MD5: x"]):
        it.fields = [*fields, 'ETag: "v1"']
        answer = it.get()
        assert answer.body == it.body and answer.get("ETag") == '"v1"' and "Vary" not in answer, fields
        assert answer.all("Content-Encoding") == [f[18:] for f in fields if f.startswith("Content-Encoding")]
    it.fields = [JSON]
    assert "Content-Encoding" not in it.get("gzip", "/", "Cache-Control: no-transform")
    it.body = text(1023)
    answer = it.get()
    assert answer.body == it.body and "Vary" not in answer
    assert decoded(it.get("gzip, identity;q=0")) == it.body and it.get("gzip, *;q=0").get("Content-Encoding") == "gzip"
    it.body = text(1024)
    assert it.get().get("Content-Encoding") == "gzip"
    for kind in ("text/html", "TEXT/Plain ; charset=latin-1", "application/problem+json", "image/svg+xml"):
        it.fields = [f"Content-Type: {kind}"]
        assert it.get().get("Content-Encoding") == "gzip", kind
    for status in (201, 404):
        it.status = status
        assert it.get().status == status and it.get().get("Content-Encoding") == "gzip"
    it.status = 500
    assert "Content-Encoding" not in it.get()


def test_settings(setting):
    it = setting(algorithms=["gzip"], gzip_level=9, types=["application/*"], response_code=[500], request_method=["POST"],
                 vary=False, offload=True, min_length="1")
    it.status = 500
    answer = it.gateway.ask("POST", "/", accept("br, gzip;q=0.1"))
    assert answer.get("Content-Encoding") == "gzip" and "Vary" not in answer and decoded(answer) == it.body
    assert "Accept-Encoding" not in it.origin.last
    assert "Content-Encoding" not in it.get()
    it.fields = ["Content-Type: text/html"]
    assert "Content-Encoding" not in it.gateway.ask("POST", "/", accept("gzip"))
    sizes = []
    for level in (1, 9):
        it = setting(gzip_level=level, brotli_level=level)
        it.body = text(200000)
        sizes.append([len(it.get(coding).body) for coding in CODINGS])
    assert sizes[1][0] < sizes[0][0] and sizes[1][1] < sizes[0][1]


def test_faulty_settings_are_refused():
    text_of = """
services = ( { name = "s"; url = "http://127.0.0.1:1"; routes = ( { name = "r"; paths = [ "/" ]; } );
  plugins = ( { name = "compression"; config = { %s }; } ); } );
"""
    for config, said in (('algorithms = [ "deflate" ];', "is not br or gzip"), ("algorithms = [ ];", "empty"),
                         ("gzip_level = 0;", "gzip_level"), ("brotli_level = 11;", "brotli_level"),
                         ('types = [ "text/html; charset=utf-8" ];', "without parameters")):
        result = check(text_of % config)
        assert result.returncode != 0 and said in result.stderr, config
    assert check(text_of % "").returncode == 0


def test_trailers_tell_the_truth(setting):
    """Those that vouch for the body as it came go on with that body alone."""
    it = setting()
    it.body = text(MEGABYTE)

    def handler(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nTrailer: Repr-Digest, X-After\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"%x\r\n%s\r\n0\r\nRepr-Digest: sha-256=:AAAA:\r\nX-After: x\r\ncontent-md5: x\r\n\r\n" % (len(it.body), it.body))
    it.handler = handler
    for value, names in (("gzip", ["X-After"]), ("identity", ["Repr-Digest", "X-After", "content-md5"])):
        answer = it.get(value)
        assert decoded(answer) == it.body and [name for name, _ in answer.trailers] == names, value


def test_vary_is_said_once(setting):
    it = setting()
    for vary, said in (("Origin", "Origin, Accept-Encoding"), ("accept-encoding, Origin", "accept-encoding, Origin"), ("*", "*")):
        it.fields = [JSON, f"Vary: {vary}"]
        assert sorted(it.get().get("Vary").split(", ")) == sorted(said.split(", "))


def test_no_more_encoders_than_allowed(setting):
    it = setting(max_encoders=1, settings={"workers": 1})
    go = threading.Event()

    def handler(connection, request):
        if request.target != "/slow":
            connection.send(reply(200, JSON, 'ETag: "v1"', body=it.body))
            return
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        go.wait(PATIENCE)
        connection.send(b"0\r\n\r\n")
    it.handler = handler
    client = it.gateway.client()
    client.request("GET", "/slow", accept("gzip"))
    slow = client.response(body=False)
    assert slow.get("Content-Encoding") == "gzip"
    answer = it.get()
    assert "Content-Encoding" not in answer and answer.body == it.body and answer.get("ETag") == '"v1"'
    assert answer.get("Vary") == "Accept-Encoding" and int(answer.get("Content-Length")) == len(it.body)
    go.set()
    client.read_body(slow)
    assert decoded(slow) == b"x"
    assert it.get().get("Content-Encoding") == "gzip"
    client.close()


# ---- HEAD, conditions, ranges

def test_head_and_bodiless(setting):
    it = setting()
    it.fields = [JSON, 'ETag: "v1"', "Accept-Ranges: bytes"]
    client = it.gateway.client()
    answer = client.ask("HEAD", "/", accept("gzip"))
    assert answer.get("Content-Encoding") == "gzip" and answer.get("ETag") == 'W/"v1"' and answer.get("Vary") == "Accept-Encoding"
    assert "Content-Length" not in answer and "Transfer-Encoding" not in answer and "Accept-Ranges" not in answer
    answer = client.ask("HEAD", "/")
    assert int(answer.get("Content-Length")) == len(it.body) and answer.get("ETag") == '"v1"' and "Accept-Ranges" in answer
    it.status = 204
    answer = client.ask("GET", "/", accept("gzip"))
    assert answer.status == 204 and "Content-Encoding" not in answer and answer.get("ETag") == '"v1"'
    it.status = 200
    assert decoded(client.ask("GET", "/", accept("gzip"))) == it.body
    client.close()


@pytest.mark.parametrize("cached", [False, True])
def test_conditions(setting, cached):
    """The tag that a client was told answers its condition, whichever coding it has."""
    it = setting(cache={} if cached else None)

    def handler(connection, request):
        if '"v1"' in request.get("If-None-Match", ""):
            connection.send(reply(304, 'ETag: "v1"', length=False))
        else:
            connection.send(reply(200, JSON, 'ETag: "v1"', body=it.body))
    it.handler = handler
    assert it.get().get("ETag") == 'W/"v1"' and it.get("identity").get("ETag") == '"v1"'
    for held, told in (('W/"v1"', 'W/"v1"'), ('"v1"', '"v1"'), ('"v0", W/"v1"', 'W/"v1"'), ('"v1", W/"v1"', '"v1"')):
        for coding in ("gzip", "identity"):
            answer = it.get(coding, "/", f"If-None-Match: {held}")
            assert answer.status == 304 and answer.get("ETag") == told, (held, coding)
            assert answer.get("Vary") == "Accept-Encoding" and "Content-Encoding" not in answer
    assert it.get("gzip", "/", 'If-None-Match: W/"v2"').status == 200


@pytest.mark.parametrize("cached", [False, True])
def test_ranges_are_of_the_original(setting, cached):
    it = setting(cache={} if cached else None)
    modified = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"

    def handler(connection, request):
        fields = [JSON, 'ETag: "v1"', modified, "Accept-Ranges: bytes"]
        if "Range" in request and request.get("If-Range", '"v1"') in ('"v1"', modified[15:]):
            connection.send(reply(206, *fields, f"Content-Range: bytes 10-19/{len(it.body)}", body=it.body[10:20]))
        else:
            connection.send(reply(200, *fields, body=it.body))
    it.handler = handler
    whole = it.get()
    assert "Accept-Ranges" not in whole and decoded(whole) == it.body
    for fields in ((), ('If-Range: "v1"',)):
        answer = it.get("gzip", "/", "Range: bytes=10-19", *fields)
        assert answer.status == 206 and answer.body == it.body[10:20] and "Content-Encoding" not in answer
        assert answer.get("ETag") == '"v1"'
    for condition in ('W/"v1"', modified[15:], '"v0"'):
        answer = it.get("gzip", "/", "Range: bytes=10-19", f"If-Range: {condition}")
        assert answer.status == 200 and decoded(answer) == it.body and answer.get("Content-Encoding") == "gzip", condition
    answer = it.get("identity", "/", "Range: bytes=10-19", f"If-Range: {modified[15:]}")
    assert answer.status == 206 and answer.body == it.body[10:20]


# ---- streams

@pytest.mark.parametrize("coding", CODINGS)
def test_events_do_not_wait_for_more(setting, coding):
    it = setting()
    steps = threading.Semaphore(0)

    def handler(connection, _request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(4):
            event = b"data: %d\n\n" % number
            connection.send(b"%x\r\n" % len(event) + event + b"\r\n")
            assert steps.acquire(timeout=PATIENCE)
        connection.send(b"0\r\n\r\n")
    it.handler = handler
    client = it.gateway.client()
    client.request("GET", "/", accept(coding))
    answer = client.response(body=False)
    assert answer.get("Content-Encoding") == coding
    decode, got = decoder(coding), b""
    for number in range(4):
        while not got.endswith(b"data: %d\n\n" % number):  # the next one is only sent when this one is here
            size = int(client.read_line(), 16)
            assert size > 0
            got += decode(client.read_exactly(size))
            assert client.read_line() == b""
        steps.release()
    client.read_body(answer)
    assert answer.complete
    client.close()


def test_an_origin_that_dies_half_way_is_seen(setting):
    it = setting()
    it.body = text(MEGABYTE)

    def handler(connection, request):
        length = f"Content-Length: {len(it.body)}" if request.target == "/length" else "Transfer-Encoding: chunked"
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\n{length}\r\n\r\n")
        connection.send((b"80000\r\n" if request.target != "/length" else b"") + it.body[:512 * 1024])
        return False
    it.handler = handler
    for target in ("/length", "/chunked"):
        for coding in CODINGS:
            client = it.gateway.client()
            client.request("GET", target, accept(coding))
            answer = client.response()
            assert answer.status == 200 and not answer.complete and client.at_end()
            body = decoder(coding)(answer.body)
            assert it.body.startswith(body) and len(body) < len(it.body)
            client.close()


def test_an_origin_that_dies_at_the_head_is_a_502(setting):
    it = setting(min_length="1", response_code=[])
    it.handler = lambda connection, _: connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 5000\r\n\r\n") or False
    for coding in CODINGS:
        client = it.gateway.client()
        client.request("GET", "/", accept(coding))
        with contextlib.suppress(EOFError):
            answer = client.response()
            assert answer.status == 502 and "invalid response" in str(decoded(answer)) or not answer.complete
        client.close()


@pytest.mark.skipif(SANITIZED, reason="memory is not comparable under sanitizers")
def test_a_slow_client_stops_the_origin_and_the_encoder(setting):
    it = setting(gzip_level=1)
    noise, sent, total = os.urandom(MEGABYTE), [0], 60 * MEGABYTE

    def handler(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: {total}\r\n\r\n")
        while sent[0] < total:
            connection.send(noise)
            sent[0] += len(noise)
    it.handler = handler
    before = it.gateway.memory()
    client = it.gateway.client(receive_buffer=65536)
    client.request("GET", "/", accept("gzip"))
    answer = client.response(body=False)
    count, seen, decode = [0], [], decoder("gzip")
    assert answer.get("Content-Encoding") == "gzip"
    wait_until(lambda: sent[0] == (time.sleep(0.3), sent[0])[1], "the origin to be held back")
    assert sent[0] < 40 * MEGABYTE
    assert it.gateway.memory() - before < 4 * MEGABYTE

    def sink(data):
        piece = decode(data)
        seen.append(piece == (noise + noise)[count[0] % MEGABYTE:][:len(piece)] if len(piece) <= MEGABYTE else False)
        count[0] += len(piece)
    client.read_body(answer, sink)
    assert answer.complete and count[0] == total and all(seen)
    client.close()


# ---- with the cache

def state(answer):
    return answer.get("X-Cache-Status")


def wait_for_stored(it, coding, target="/"):
    """Until a hit comes from what is stored in that coding: then its length is known although it is large."""
    def stored():
        answer = it.get(coding, target)
        assert decoded(answer) == it.body
        return answer if "Content-Length" in answer else None
    return wait_until(stored, f"a stored {coding} body")


def test_hits_in_each_coding(setting):
    it = setting(cache={})
    it.fields, it.body = [JSON, 'ETag: "v1"'], text(MEGABYTE)
    assert state(it.get("identity")) == "Miss"
    for coding in ("gzip", "br", "identity", "gzip", "br"):
        answer = it.get(coding)
        assert state(answer) == "Hit" and decoded(answer) == it.body and len(it.origin.requests) == 1
        assert answer.get("Content-Encoding", "identity") == coding and answer.get("Vary") == "Accept-Encoding"
        assert answer.get("ETag") == ('"v1"' if coding == "identity" else 'W/"v1"')
    for coding in CODINGS:
        answer = wait_for_stored(it, coding)
        assert int(answer.get("Content-Length")) == len(answer.body) and answer.get("ETag") == 'W/"v1"'
        assert answer.get("Content-Type") == JSON[14:] and "Age" in answer and answer.get("X-Cache-Key")
    assert int(it.get("identity").get("Content-Length")) == len(it.body)
    client = it.gateway.client()
    answer = client.ask("HEAD", "/", accept("gzip"))
    assert answer.get("Content-Encoding") == "gzip" and answer.get("ETag") == 'W/"v1"'
    for number in range(6):  # codings take turns on one connection
        assert decoded(client.ask("GET", "/", accept(("gzip", "identity", "br")[number % 3]))) == it.body
    client.close()
    listed = it.gateway.ctl("cache", "ls")
    assert listed.returncode == 0 and listed.stdout.count("localhost/") == 1  # it is one object


def test_behind_a_body_that_another_plugin_changed(setting):
    hide = plugin("response-transformer", remove={"json": ["secret"]})
    it = setting(cache={}, more=[hide])
    items = [{"id": number, "name": f"item {number}"} for number in range(2000)]
    it.fields, it.body = [JSON, 'ETag: "v1"'], json.dumps({"secret": "s3cret", "items": items}).encode()
    for coding in ("identity", "gzip", "br", "gzip", "br", "identity"):
        answer = it.get(coding)
        assert answer.get("Content-Encoding", "identity") == coding and answer.get("ETag") == 'W/"v1"'
        assert json.loads(decoded(answer)) == {"items": items}
    assert len(it.origin.requests) == 1


@pytest.mark.parametrize("how", ["key", "url", "all"])
def test_a_purge_takes_the_codings_along(setting, how):
    it = setting(cache={})
    it.body = text(200000, seed=1)
    key = it.get().get("X-Cache-Key")
    for coding in CODINGS:
        wait_for_stored(it, coding)
    if how == "key":
        assert it.gateway.control("DELETE", f"/proxy-cache/{key}").status == 204
    elif how == "url":
        assert it.gateway.ctl("purge", "--url", "http://localhost/").returncode == 0
    else:
        assert it.gateway.control("DELETE", "/proxy-cache/").status == 204
    it.body = text(200000, seed=2)
    answers = [it.get(coding) for coding in ("gzip", "br", "identity", "gzip")]
    assert [state(a) for a in answers] == ["Miss", "Hit", "Hit", "Hit"] and all(decoded(a) == it.body for a in answers)


def test_a_renewed_object_has_new_codings_and_a_revalidated_one_keeps_its_own(setting):
    it = setting(cache={"cache_control": True})
    version = [1]

    def handler(connection, request):
        tag = f'"v{version[0]}"'
        fields = [JSON, f"ETag: {tag}", "Cache-Control: max-age=60", f"X-Answer: {len(it.origin.requests)}"]
        if request.get("If-None-Match") == tag:
            connection.send(reply(304, *fields, length=False))
        else:
            connection.send(reply(200, *fields, body=it.body))
    it.handler, it.body = handler, text(300000, seed=1)
    it.get()
    first = wait_for_stored(it, "gzip")
    answer = it.get("gzip", "/", "Cache-Control: no-cache")
    assert state(answer) == "Revalidated" and decoded(answer) == it.body
    again = it.get()
    assert again.get("X-Answer") != first.get("X-Answer") and "Content-Length" in again and again.body == first.body
    version[0], it.body = 2, text(300000, seed=2)
    answer = it.get("br", "/", "Cache-Control: no-cache")
    assert decoded(answer) == it.body and answer.get("ETag") == 'W/"v2"'
    for coding in (*CODINGS, "identity"):
        answer = it.get(coding)
        assert state(answer) == "Hit" and decoded(answer) == it.body


def test_stale_answers_are_compressed_too(setting):
    it = setting(cache={"cache_ttl": 1, "storage_ttl": 600}, retries=0)
    assert state(it.get()) == "Miss"
    it.handler = lambda connection, _: False
    wait_until(lambda: state(it.get("identity")) == "Stale", "a stale answer")
    for coding in (*CODINGS, "identity"):
        answer = it.get(coding)
        assert state(answer) == "Stale" and decoded(answer) == it.body and answer.get("Content-Type") == JSON[14:]
        assert answer.get("Content-Encoding", "identity") == coding


def test_variants_of_the_origin_are_not_mixed(setting):
    """An origin that chooses by language, and one that compresses itself for some."""
    it = setting(cache={})

    def handler(connection, request):
        language = request.get("Accept-Language", "none")
        body = (language.encode() + b" ") * 5000
        fields = [JSON, "Vary: Accept-Language"]
        if request.target == "/own":
            fields = [JSON, "Vary: Accept-Encoding, Accept-Language"]
            if "br" in request.get("Accept-Encoding", ""):
                body = brotli.compress(body)
                fields.append("Content-Encoding: br")
        connection.send(reply(200, *fields, body=body))
    it.handler = handler
    for target in ("/", "/own"):
        for _ in range(3):
            for language in ("de", "fr"):
                for coding in ("gzip", "br", "identity", "gzip, br"):
                    answer = it.get(coding, target, f"Accept-Language: {language}")
                    assert decoded(answer) == (language.encode() + b" ") * 5000, (target, language, coding)
                    assert answer.get("Content-Encoding", "identity") in (coding.split(", ") + ["br"] if "," in coding else [coding])


def test_waiters_of_one_fill_each_get_their_own(setting):
    it = setting(cache={"lock_timeout": 600000}, settings={"workers": 2})
    go = threading.Event()
    it.body = text(MEGABYTE)

    def handler(connection, _request):
        connection.send(reply(200, JSON, "Transfer-Encoding: chunked", length=False))
        connection.send(b"%x\r\n" % 500000 + it.body[:500000] + b"\r\n")
        go.wait(PATIENCE)
        connection.send(b"%x\r\n" % (MEGABYTE - 500000) + it.body[500000:] + b"\r\n0\r\n\r\n")
    it.handler = handler
    codings = ("gzip", "br", "identity") * 5
    clients = [it.gateway.client() for _ in codings]
    for client, coding in zip(clients, codings):
        client.request("GET", "/", accept(coding))
    heads = [client.response(body=False) for client in clients]
    go.set()
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda pair: pair[0].read_body(pair[1]), zip(clients, heads)))
    for answer, coding in zip(heads, codings):
        assert answer.complete and answer.get("Content-Encoding", "identity") == coding and decoded(answer) == it.body
    assert len(it.origin.requests) == 1
    for client in clients:
        client.close()


def test_a_fill_goes_on_before_a_slow_client(setting):
    it = setting(cache={}, settings={"shared_dicts": ({"name": "gateway_cache", "size": "128m"},)}, gzip_level=1)
    it.body = os.urandom(MEGABYTE) * 24  # more than sockets hold, whatever gzip does: its window is smaller
    slow = it.gateway.client(receive_buffer=65536)
    slow.request("GET", "/", accept("gzip"))
    head = slow.response(body=False)
    assert state(head) == "Miss" and head.get("Content-Encoding") == "gzip"
    assert state(it.get("identity", "/", "Range: bytes=0-9")) == "Hit" and len(it.origin.requests) == 1
    slow.read_body(head)
    assert head.complete and decoded(head) == it.body
    slow.close()


def test_a_client_that_leaves_does_not_leave_half_an_object(setting):
    it = setting(cache={})
    it.body = text(8 * MEGABYTE)
    assert state(it.get("identity")) == "Miss"
    for coding in CODINGS:
        client = it.gateway.client(receive_buffer=4096)
        client.request("GET", "/", accept(coding))
        client.response(body=False)
        client.reset()
        assert decoded(it.get(coding)) == it.body
        wait_for_stored(it, coding)


def test_workers_may_die_at_any_time(setting):
    """kill -9 while bodies are encoded and stored: nobody ever gets wrong bytes."""
    it = setting(cache={}, settings={"workers": 2})
    it.body = text(2 * MEGABYTE)
    over, seen = threading.Event(), threading.Event()

    def ask(number):
        while not over.is_set():
            with contextlib.suppress(OSError, EOFError):
                answer = it.get(("gzip", "br", "identity")[number % 3], f"/{number % 2}")
                if answer.complete and answer.status == 200:
                    assert decoded(answer) == it.body
                    seen.set()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(ask, number) for number in range(6)]
        try:
            for _ in range(4):
                old = it.gateway.pids()[0]
                done = len(it.origin.requests)
                assert it.gateway.control("DELETE", "/proxy-cache/").status == 204
                wait_until(lambda: len(it.origin.requests) > done, "a request at the origin")
                os.kill(old, signal.SIGKILL)
                it.gateway.replaced(old, count=2)
            wait_until(seen.is_set, "a whole answer")
        finally:
            over.set()
        for run in runs:
            run.result()
    assert decoded(it.get("gzip", "/0")) == it.body
