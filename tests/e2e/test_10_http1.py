# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as a client meets it: what is refused, what is kept apart, what is passed on and what is not."""
import base64
import contextlib
import hashlib
import re
import select
import socket
import threading
import time

import pytest

from harness import PATIENCE, SANITIZED, Gateway, Origin, plugin, raw, reply, route, service, status_of, wait_until


@pytest.fixture(scope="module")
def shared_origin():
    origin = Origin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def gateway(shared_origin):
    with Gateway([service(shared_origin.port)]) as running:
        yield running


# ---- the strict parser, on the live socket ------------------------------------------------------------------------

def head(line="GET / HTTP/1.1", *fields, host="Host: localhost"):
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""]).encode("latin-1")


CHUNKED = "Transfer-Encoding: chunked"
POST = "POST / HTTP/1.1"
REFUSED = {
    # name: (bytes, statuses that are right)
    "length and chunked": (head(POST, "Content-Length: 5", CHUNKED) + b"0\r\n\r\n", {400}),
    "chunked and length": (head(POST, CHUNKED, "Content-Length: 5") + b"0\r\n\r\n", {400}),
    "two different lengths": (head(POST, "Content-Length: 5", "Content-Length: 6") + b"hello", {400}),
    "different lengths in a list": (head(POST, "Content-Length: 5, 6") + b"hello", {400}),
    "length with a sign": (head(POST, "Content-Length: +5") + b"hello", {400}),
    "negative length": (head(POST, "Content-Length: -5") + b"hello", {400}),
    "length in hex": (head(POST, "Content-Length: 0x5") + b"hello", {400}),
    "length with a letter": (head(POST, "Content-Length: 5a") + b"hello", {400}),
    "length with a space inside": (head(POST, "Content-Length: 5 5") + b"hello", {400}),
    "empty length": (head(POST, "Content-Length: ") + b"hello", {400}),
    "length beyond 64 bits": (head(POST, "Content-Length: 99999999999999999999999"), {400, 413}),
    "unknown coding": (head(POST, "Transfer-Encoding: gzip"), {400, 501}),
    "chunked not last": (head(POST, "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", {400}),
    "chunked twice": (head(POST, "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", {400}),
    "coding that contains chunked": (head(POST, "Transfer-Encoding: xchunked") + b"0\r\n\r\n", {400, 501}),
    "chunked with a vertical tab": (head(POST, "Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n", {400, 501}),
    "chunked in quotes": (head(POST, 'Transfer-Encoding: "chunked"') + b"0\r\n\r\n", {400, 501}),
    "empty coding": (head(POST, "Transfer-Encoding: ") + b"0\r\n\r\n", {400, 501}),
    "chunked from 1.0": (head("POST / HTTP/1.0", CHUNKED) + b"0\r\n\r\n", {400}),
    "folded line": (head("GET / HTTP/1.1", "X: a\r\n b"), {400}),
    "folded line with a tab": (head("GET / HTTP/1.1", "X: a\r\n\tb"), {400}),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", {400}),
    "bare CR in a value": (head("GET / HTTP/1.1", "X: a\rb"), {400}),
    "bare CR before a field": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\rX: y\r\n\r\n", {400}),
    "space before the colon": (head("GET / HTTP/1.1", "X : a"), {400}),
    "tab before the colon": (head("GET / HTTP/1.1", "X\t: a"), {400}),
    "length with space before the colon": (head(POST, "Content-Length : 5") + b"hello", {400}),
    "no colon": (head("GET / HTTP/1.1", "Xa"), {400}),
    "empty name": (head("GET / HTTP/1.1", ": a"), {400}),
    "space in a name": (head("GET / HTTP/1.1", "X Y: a"), {400}),
    "parenthesis in a name": (head("GET / HTTP/1.1", "X(Y: a"), {400}),
    "non-ASCII name": (head("GET / HTTP/1.1", "X\xe4: a"), {400}),
    "NUL in a name": (head("GET / HTTP/1.1", "X\0: a"), {400}),
    "NUL in a value": (head("GET / HTTP/1.1", "X: a\0b"), {400}),
    "control byte in a value": (head("GET / HTTP/1.1", "X: a\x01b"), {400}),
    "DEL in a value": (head("GET / HTTP/1.1", "X: a\x7fb"), {400}),
    "no host": (head(host=None), {400}),
    "two hosts": (head("GET / HTTP/1.1", "Host: localhost"), {400}),
    "host with user": (head(host="Host: u@localhost"), {400}),
    "host with fragment": (head(host="Host: h#x"), {400}),
    "host with path": (head(host="Host: h/x"), {400}),
    "host with query": (head(host="Host: h?x"), {400}),
    "host with a space": (head(host="Host: a b"), {400}),
    "host with a comma": (head(host="Host: a, b"), {400}),
    "host with a bad port": (head(host="Host: h:port"), {400}),
    "host with a port beyond range": (head(host="Host: h:99999"), {400}),
    "host with an open bracket": (head(host="Host: [::1"), {400}),
    "absolute form that disagrees": (head("GET http://other.example/ HTTP/1.1"), {400}),
    "absolute form with user": (head("GET http://u@localhost/ HTTP/1.1"), {400}),
    "0.9": (b"GET /\r\n\r\n", {400}),
    "0.9 with a version": (head("GET / HTTP/0.9"), {400, 505}),
    "2.0": (head("GET / HTTP/2.0"), {505}),
    "3.0": (head("GET / HTTP/3.0"), {505}),
    "1.10": (head("GET / HTTP/1.10"), {400, 505}),
    "version in small letters": (head("GET / http/1.1"), {400, 505}),
    "another protocol": (head("GET / ICAP/1.0"), {400, 505}),
    "no version": (b"GET / \r\nHost: localhost\r\n\r\n", {400}),
    "two spaces": (head("GET  / HTTP/1.1"), {400}),
    "tab for a space": (head("GET\t/ HTTP/1.1"), {400}),
    "space in the target": (head("GET /a b HTTP/1.1"), {400}),
    "NUL in the target": (head("GET /a\0b HTTP/1.1"), {400}),
    "control byte in the target": (head("GET /a\x01 HTTP/1.1"), {400}),
    "fragment in the target": (head("GET /a#b HTTP/1.1"), {400}),
    "target without a slash": (head("GET a HTTP/1.1"), {400}),
    "bad percent-encoding": (head("GET /%zz HTTP/1.1"), {400}),
    "encoded NUL": (head("GET /a%00b HTTP/1.1"), {400}),
    "method that is no token": (head("G@T / HTTP/1.1"), {400}),
    "bytes of a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", {400}),
    "connection preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "CONNECT": (head("CONNECT localhost:80 HTTP/1.1", host="Host: localhost:80"), {400, 405, 501}),
    "TRACE": (head("TRACE / HTTP/1.1"), {405, 501}),
    "asterisk with GET": (head("GET * HTTP/1.1"), {400}),
    "expectation": (head(POST, "Expect: 200-ok", "Content-Length: 5"), {417}),
    "head beyond the buffer": (head("GET / HTTP/1.1", "X: " + "a" * 20000), {431}),
    "many fields beyond the buffer": (head("GET / HTTP/1.1", *[f"X-{i}: {'a' * 50}" for i in range(1000)]), {431}),
    "target beyond the buffer": (head("GET /" + "a" * 20000 + " HTTP/1.1"), {414}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(gateway, shared_origin, name):
    data, statuses = REFUSED[name]
    before = len(shared_origin.requests)
    # A second request behind the bad one must never be seen as one.
    answer = raw(gateway.port, data + head("GET /smuggled HTTP/1.1"))
    assert status_of(answer) in statuses, answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1, "bytes behind a refused request were taken for another one"
    assert b'"message"' in answer and re.search(rb"(?i)content-type: application/json", answer)
    assert re.search(rb"(?i)connection: close", answer)
    assert [r.target for r in shared_origin.requests[before:]] == []


BAD_CHUNKS = {
    "letters": b"zz\r\nhello\r\n0\r\n\r\n",
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "beyond 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "no end of line after data": b"5\r\nhelloX\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "endless extension": b"5;" + b"a" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
    "bad trailer": b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
    "endless trailers": b"5\r\nhello\r\n0\r\n" + b"X: " + b"y" * 40000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunk_is_refused(gateway, shared_origin, name):
    before = len(shared_origin.requests)
    answer = raw(gateway.port, head(POST, CHUNKED) + BAD_CHUNKS[name] + head("GET /smuggled HTTP/1.1"))
    assert status_of(answer) in {400, 413, 431}, answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [r.target for r in shared_origin.requests[before:]] == [], "a broken body was passed on as complete"


ACCEPTED = {
    "spaces around a value": head("GET /ok HTTP/1.1", "X:   a \t "),
    "empty value": head("GET /ok HTTP/1.1", "X:"),
    "empty lines in front": b"\r\n\r\n" + head("GET /ok HTTP/1.1"),
    "high bytes in a value": head("GET /ok HTTP/1.1", "X: \xc3\xa4"),
    "unknown method": head("BREW /ok HTTP/1.1"),
    "absolute form that agrees": head("GET http://localhost/ok HTTP/1.1"),
    "host with a port": head("GET /ok HTTP/1.1", host="Host: localhost:80"),
    "host of version 6": head("GET /ok HTTP/1.1", host="Host: [::1]:80"),
    "empty list members in Connection": head("GET /ok HTTP/1.1", "Connection: , keep-alive,,"),
    "chunk extension": head("POST /ok HTTP/1.1", CHUNKED) + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n',
    "leading zeros of a chunk": head("POST /ok HTTP/1.1", CHUNKED) + b"0005\r\nhello\r\n000\r\n\r\n",
    "more leading zeros than a number has digits": head("POST /ok HTTP/1.1", CHUNKED) + b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n",
    "padded size of a chunk": head("POST /ok HTTP/1.1", CHUNKED) + b"5  \r\nhello\r\n0\t\r\n\r\n",
    "newer minor version": head("GET /ok HTTP/1.2"),
    "host with a colon and no port": head("GET /ok HTTP/1.1", host="Host: localhost:"),
    "absolute form with a colon and no port": head("GET http://localhost:/ok HTTP/1.1"),
    "equal lengths once": head("POST /ok HTTP/1.1", "Content-Length: 5") + b"hello",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_but_right_is_accepted(gateway, shared_origin, name):
    client = gateway.client()
    client.send(ACCEPTED[name])
    answer = client.response()
    client.close()
    assert answer.status == 200, answer
    assert shared_origin.last.target == "/ok"


def test_bytes_one_by_one(gateway, shared_origin):
    client = gateway.client()
    for byte in head("POST /slow HTTP/1.1", CHUNKED, "X-Name: value") + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n":
        client.send(bytes([byte]))
    assert client.response().status == 200
    assert shared_origin.last.body == b"hello world" and shared_origin.last.get("X-Name") == "value"
    client.close()


def test_what_is_forwarded_is_made_anew(gateway, shared_origin):
    """No reader behind can see another message than the one that was parsed."""
    client = gateway.client()
    client.send(b"POST /anew HTTP/1.1\r\nhOsT:localhost\r\nX-A:b\r\nTRANSFER-encoding: CHUNKED\r\n\r\n"
                b"2;ext=1\r\nab\r\n00001\r\nc\r\n0\r\n\r\n")
    assert client.response().status == 200
    client.close()
    seen = shared_origin.last
    assert seen.body == b"abc"
    assert seen.first == "POST /anew HTTP/1.1"
    assert "ext" not in str(seen.raw_head) and seen.all("Transfer-Encoding") in (["chunked"], [])
    assert len(seen.all("Content-Length")) + len(seen.all("Transfer-Encoding")) == 1


# ---- connections ----------------------------------------------------------------------------------------------------

def test_keep_alive(gateway):
    client = gateway.client()
    for i in range(20):
        answer = client.ask("GET", f"/{i}")
        assert answer.status == 200 and answer.body.endswith(f"/{i}\n".encode())
    client.close()


def test_connection_close_is_honoured(gateway):
    client = gateway.client()
    answer = client.ask("GET", "/", "Connection: close")
    assert answer.status == 200 and answer.get("Connection").lower() == "close"
    assert client.at_end()
    client.close()


def test_pipelined_requests_are_answered_in_order(gateway):
    client = gateway.client()
    client.send(b"".join(head(f"GET /p{i} HTTP/1.1") for i in range(50)))
    for i in range(50):
        assert client.response().body.endswith(f"/p{i}\n".encode())
    client.close()


def test_pipelined_behind_a_body(gateway, shared_origin):
    client = gateway.client()
    client.send(head("POST /one HTTP/1.1", "Content-Length: 5") + b"hello" + head("POST /two HTTP/1.1", CHUNKED)
                + b"3\r\nabc\r\n0\r\n\r\n" + head("GET /three HTTP/1.1"))
    for target in ("/one", "/two", "/three"):
        assert client.response().body.endswith(f"{target}\n".encode())
    assert [r.body for r in shared_origin.requests[-3:]] == [b"hello", b"abc", b""]
    client.close()


def test_http_1_0(gateway):
    client = gateway.client()
    client.request("GET", "/old", host=None, version="1.0")
    answer = client.response()
    assert answer.status == 200 and client.at_end()
    client.close()
    client = gateway.client()
    for _ in range(2):
        client.request("GET", "/old", "Connection: keep-alive", host="localhost", version="1.0")
        answer = client.response()
        assert answer.status == 200 and answer.get("Connection", "").lower() == "keep-alive"
    client.close()


def test_http_1_0_client_gets_no_chunks(origins, start):
    server = origins(lambda c, r: c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
    gateway = start([service(server.port)])
    client = gateway.client()
    client.request("GET", "/", version="1.0")
    answer = client.response()
    assert "Transfer-Encoding" not in answer and answer.body == b"hello"
    client.close()


def test_keepalive_requests_limit(origin, start):
    gateway = start([service(origin.port)], keepalive_requests=3)
    client = gateway.client()
    for i in range(3):
        answer = client.ask()
        assert (answer.get("Connection", "").lower() == "close") == (i == 2)
    assert client.at_end()
    client.close()


def test_keepalive_timeout(origin, start):
    gateway = start([service(origin.port)], keepalive_timeout=200)
    client = gateway.client()
    client.ask()
    assert client.at_end()
    client.close()


def test_head_204_304(origins, start):
    def handler(connection, request):
        if request.method == "HEAD":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        elif request.target == "/204":
            connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
    gateway = start([service(origins(handler).port)])
    client = gateway.client()
    answer = client.ask("HEAD", "/")
    assert answer.get("Content-Length") == "1000"
    answer = client.ask("GET", "/204")
    assert answer.status == 204 and "Content-Length" not in answer and "Transfer-Encoding" not in answer
    answer = client.ask("GET", "/304")
    assert answer.status == 304 and answer.get("ETag") == '"x"'
    assert client.ask("HEAD", "/").status == 200, "the connection is out of step"
    client.close()


# ---- bodies -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 65536, 1 << 20])
def test_body_both_ways(origins, start, size):
    def echo(connection, request):
        connection.send(reply(200, body=request.body))
    gateway = start([service(origins(echo).port)])
    body = bytes(i * 31 % 251 for i in range(min(size, 4096))) * (size // 4096 + 1)
    body = body[:size]
    assert gateway.ask("POST", "/", body=body).body == body


def test_chunked_and_trailers_both_ways(origins, start):
    def handler(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                        + b"%x\r\n%s\r\n" % (len(request.body), request.body) + b"0\r\nX-Sum: 42\r\n\r\n")
    server = origins(handler)
    gateway = start([service(server.port)])
    client = gateway.client()
    client.send(head(POST, CHUNKED, "Trailer: X-Check", "TE: trailers") + b"5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n")
    answer = client.response()
    assert answer.body == b"hello" and ("X-Sum", "42") in answer.trailers
    assert server.last.body == b"hello" and ("X-Check", "1") in server.last.trailers
    client.close()


def test_response_until_close_is_framed_for_the_client(origins, start):
    server = origins(lambda c, r: bool(c.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")))
    gateway = start([service(server.port)])
    client = gateway.client()
    for _ in range(2):
        assert client.ask().body == b"until the end"
    client.close()


def test_100_continue_is_answered_when_the_body_is_wanted(origins, start):
    def handler(connection, request):
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        request.body = connection.read_exactly(int(request.get("Content-Length")))
        connection.send(reply(200, body=request.body))
    gateway = start([service(origins(handler, streaming=True).port)])
    client = gateway.client()
    client.send(head(POST, "Expect: 100-continue", "Content-Length: 5"))
    interim = client.read_head()
    assert interim.status == 100
    client.send(b"hello")
    assert client.response().body == b"hello"
    client.close()


def test_100_continue_is_not_sent_when_the_origin_refuses(origins, start):
    server = origins(lambda c, r: bool(c.send(reply(403, body=b"no", reason="Forbidden"))), streaming=True)
    gateway = start([service(server.port)])
    client = gateway.client()
    client.send(head(POST, "Expect: 100-continue", "Content-Length: 5"))
    answer = client.response()
    if answer.interim:       # the gateway may answer 100 by itself, but then takes the body
        client.send(b"hello")
    assert answer.status == 403
    client.close()


def test_early_hints_are_passed_on(origins, start):
    server = origins(lambda c, r: c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + reply(body=b"x")))
    gateway = start([service(server.port)])
    client = gateway.client()
    answer = client.ask()
    assert answer.status == 200
    assert [(i.status, i.get("Link")) for i in answer.interim] == [(103, "</a.css>; rel=preload")]
    client.request(version="1.0")
    assert client.response().interim == [], "HTTP/1.0 knows no interim responses"
    client.close()


# ---- fields -----------------------------------------------------------------------------------------------------------

def test_hop_by_hop_fields_end_here(origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Connection: X-Secret, keep-alive", "X-Secret: 1", "Keep-Alive: timeout=5",
                                               "Proxy-Authenticate: Basic", "X-Kept: 1", body=b"x")))
    gateway = start([service(server.port)])
    answer = gateway.get("/", "Connection: keep-alive, X-Named, TE", "X-Named: 1", "Keep-Alive: 300", "Proxy-Connection: x",
                         "TE: gzip", "X-Kept: 1", "Proxy-Authorization: Basic x", "Upgrade: h2c")
    seen = server.last
    for name in ("X-Named", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade"):
        assert name not in seen, name
    assert "gzip" not in seen.get("TE", "") and "x-named" not in seen.get("Connection", "").lower()
    assert seen.get("X-Kept") == "1"
    for name in ("X-Secret", "Keep-Alive"):
        assert name not in answer, name
    assert answer.get("X-Kept") == "1"


def test_connection_may_not_name_end_to_end_fields(gateway, shared_origin):
    answer = gateway.get("/", "Connection: Host, Content-Length, X-Forwarded-For")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert "Host" in shared_origin.last and "X-Forwarded-For" in shared_origin.last


def test_forwarded_fields(origins, start):
    server = origins()
    gateway = start([service(server.port, route(paths=["/api"], strip_path=True))])
    gateway.get("/api/x?y=1", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
                "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "X-Real-IP: 6.6.6.6", host=f"localhost:{gateway.port}")
    seen = server.last
    assert seen.target == "/x?y=1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.all("X-Forwarded-Proto") == ["http"] and seen.all("X-Forwarded-Host") == ["localhost"]
    assert seen.all("X-Forwarded-Port") == [str(gateway.port)] and seen.all("X-Forwarded-Prefix") == ["/api"]
    # As Kong: the peer is appended; the other fields of somebody who is not trusted are replaced.
    assert seen.get("X-Forwarded-For").split(", ")[-1] == "127.0.0.1"


def test_forwarded_fields_of_trusted_peers(origins, start):
    server = origins()
    gateway = start([service(server.port)], trusted_ips=["127.0.0.0/8"], real_ip_header="X-Real-IP")
    gateway.get("/", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: outside.example",
                "X-Forwarded-Port: 8443", "X-Real-IP: 198.51.100.7")
    seen = server.last
    assert seen.get("X-Forwarded-Proto") == "https" and seen.get("X-Forwarded-Host") == "outside.example"
    assert seen.get("X-Forwarded-Port") == "8443" and seen.get("X-Real-IP") == "198.51.100.7"
    assert seen.get("X-Forwarded-For").startswith("198.51.100.7")


def test_via_latency_and_request_id(origins, start):
    def handler(connection, request):
        time.sleep(0.05)
        connection.send(reply(200, body=b"x"))
    server = origins(handler)
    gateway = start([service(server.port)])
    begin = time.monotonic()
    first, second = gateway.get("/"), gateway.get("/")
    most = (time.monotonic() - begin) * 1000
    assert re.search(r"1\.1 ", first.get("Via")) and re.search(r"1\.1 ", server.last.get("Via"))
    assert 40 <= int(first.get("X-Gateway-Upstream-Latency")) <= most
    assert 0 <= int(first.get("X-Gateway-Proxy-Latency")) <= most
    assert re.fullmatch(r"[0-9a-f]{32}", first.get("X-Gateway-Request-Id"))
    assert first.get("X-Gateway-Request-Id") != second.get("X-Gateway-Request-Id")


def test_own_answers_carry_message_and_request_id(gateway):
    answer = gateway.get("/", host="x@y")
    assert answer.status == 400 and set(answer.json()) >= {"message", "request_id"}
    assert answer.json()["request_id"] == answer.get("X-Gateway-Request-Id", answer.json()["request_id"])


def test_repeated_fields_keep_their_order(origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Set-Cookie: a=1", "X-L: 1", "Set-Cookie: b=2", "X-L: 2", body=b"")))
    gateway = start([service(server.port)])
    answer = gateway.get("/", "X-M: 1", "Cookie: c=1", "X-M: 2")
    assert answer.all("Set-Cookie") == ["a=1", "b=2"] and answer.all("X-L") == ["1", "2"]
    assert server.last.all("X-M") == ["1", "2"] and server.last.all("Cookie") == ["c=1"]


# ---- limits and clocks -----------------------------------------------------------------------------------------------

def test_header_timeout(origin, start):
    gateway = start([service(origin.port)], client_header_timeout=6000)
    silent, begin = gateway.client(), time.monotonic()
    silent.send(b"GET / HTTP/1.1\r\nHost: local")
    # Bytes that trickle in do not extend the time for the whole head.
    client = gateway.client()
    with contextlib.suppress(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
            client.send(bytes([byte]))
            if select.select([client.sock], [], [], 0.02)[0]:
                break
        else:
            assert False, "the time is extended by every byte"
    for each in (client, silent):
        assert each.response().status == 408 and time.monotonic() - begin > 5
        assert each.at_end()
        each.close()


def test_body_timeout(origin, start):
    gateway = start([service(origin.port)], client_body_timeout=300)
    answer = raw(gateway.port, head(POST, "Content-Length: 100") + b"only a part")
    assert status_of(answer) == 408
    assert re.search(rb"(?i)connection: close", answer)


def test_body_too_large(origin, start):
    gateway = start([service(origin.port, route(paths=["/"]), route("big", ["/big"], request_body_max_size="2k"))],
                    request_body_max_size="1k")
    answer = raw(gateway.port, head(POST, "Content-Length: 1025"))
    assert status_of(answer) == 413, "answered from the head alone: nothing of the body was sent"
    answer = raw(gateway.port, head(POST, CHUNKED) + b"800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n")
    assert status_of(answer) == 413
    answer = raw(gateway.port, head(POST, "Content-Length: 5000", "Expect: 100-continue"))
    assert status_of(answer) == 413, "refused before 100 Continue"
    assert gateway.ask("POST", "/", body=b"x" * 1024).status == 200
    assert gateway.ask("POST", "/big", body=b"x" * 2048).status == 200
    assert status_of(raw(gateway.port, head("POST /big HTTP/1.1", "Content-Length: 2049"))) == 413
    assert all(len(r.body) <= 2048 for r in origin.requests)


def test_own_answer_with_an_unread_body_keeps_the_connection_in_step(start):
    """What is left of a refused request's body is never taken for the next request."""
    gateway = start([service(1, route(plugins=[plugin("request-termination", status_code=403, message="no")]))])
    body = head("GET /smuggled HTTP/1.1") * 10
    client = gateway.client()
    client.send(head(POST, f"Content-Length: {len(body)}") + body)
    assert client.response().status == 403
    with contextlib.suppress(ConnectionError):
        client.request("GET", "/next", "Connection: close")
        while client.fill():
            pass
    assert client.buffer.count(b"HTTP/1.1 ") <= 1
    client.close()


def test_client_reads_an_error_even_if_it_still_sends(origin, start):
    """A 413 must not be destroyed by the reset that unread bytes would cause."""
    gateway = start([service(origin.port)], request_body_max_size="1k")
    for _ in range(5):
        client = gateway.client()
        client.send(head(POST, "Content-Length: 1000000"))
        try:
            for _ in range(10):
                client.send(b"x" * 50000)
        except ConnectionError:
            pass
        assert client.response().status == 413
        client.close()


# ---- streaming, back-pressure, memory ------------------------------------------------------------------------------

MEGABYTE = 1 << 20


@pytest.mark.skipif(SANITIZED, reason="memory is not comparable under sanitizers")
def test_slow_client_stops_the_origin(origins, start):
    sent = [0]

    def handler(connection, request):
        total = 60 * MEGABYTE
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n")
        while sent[0] < total:
            connection.send(b"x" * 65536)
            sent[0] += 65536
    gateway = start([service(origins(handler).port)])
    before = gateway.memory()
    client = gateway.client(receive_buffer=65536)
    client.request()
    answer = client.response(body=False)
    time.sleep(0.2)
    wait_until(lambda: sent[0] == (time.sleep(0.3), sent[0])[1], "the origin to be held back")
    assert sent[0] < 40 * MEGABYTE, "nothing held the origin back"
    assert gateway.memory() - before < 2 * MEGABYTE
    count = [0]
    client.read_body(answer, lambda data: count.__setitem__(0, count[0] + len(data)))
    assert answer.complete and count[0] == 60 * MEGABYTE
    assert gateway.memory() - before < 4 * MEGABYTE
    client.close()


@pytest.mark.skipif(SANITIZED, reason="memory is not comparable under sanitizers")
def test_slow_origin_stops_the_client(origins, start):
    go = threading.Event()

    def handler(connection, request):
        go.wait(4 * PATIENCE)
        left = int(request.get("Content-Length"))
        while left > 0:
            left -= len(connection.read_some(262144))
        connection.send(reply(200, body=b"done"))
    gateway = start([service(origins(handler, streaming=True).port)], client_body_timeout=60000)
    before = gateway.memory()
    client = gateway.client()
    total, sent = 60 * MEGABYTE, 0
    client.send(head(POST, f"Content-Length: {total}"))
    client.sock.settimeout(1)
    try:
        while sent < total:
            sent += client.sock.send(b"x" * 65536)
    except (TimeoutError, socket.timeout):
        pass
    assert sent < 40 * MEGABYTE, "nothing held the client back"
    assert gateway.memory() - before < 2 * MEGABYTE
    go.set()
    client.sock.settimeout(PATIENCE)
    while sent < total:
        sent += client.sock.send(b"x" * min(65536, total - sent))
    assert client.response().body == b"done"
    client.close()


def test_response_streams_as_it_comes(origins, start):
    go = threading.Event()

    def handler(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n")
        go.wait(4 * PATIENCE)       # far longer than the client waits for the first part
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")
    gateway = start([service(origins(handler).port)])
    client = gateway.client()
    client.request()
    answer = client.response(body=False)
    assert client.read_line() == b"6" and client.read_exactly(6) == b"first " and client.read_line() == b""
    go.set()
    client.read_body(answer)
    assert answer.body == b"second"
    client.close()


def test_request_streams_as_it_comes(origins, start):
    seen = threading.Event()

    def handler(connection, request):
        connection.read_exactly(5)
        seen.set()
        connection.read_exactly(5)
        connection.send(reply(200, body=b"done"))
    gateway = start([service(origins(handler, streaming=True).port)])
    client = gateway.client()
    client.send(head(POST, "Content-Length: 10") + b"first")
    assert seen.wait(PATIENCE), "the first part did not arrive before the second was sent"
    client.send(b"again")
    assert client.response().body == b"done"
    client.close()


def test_request_buffering_waits_for_the_whole_body(origins, start):
    server = origins()
    gateway = start([service(server.port, route(request_buffering=True))])
    client = gateway.client()
    client.send(head(POST, "Content-Length: 10") + b"first")
    time.sleep(0.3)
    assert len(server.connections) == 0 or not server.requests and not server.connections[0].buffer
    client.send(b"again")
    assert client.response().status == 200 and server.last.body == b"firstagain"
    client.close()


def test_response_buffering_holds_back_until_complete(origins, start):
    arrived, go = threading.Event(), threading.Event()

    def handler(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nfirst ")
        arrived.set()
        go.wait(4 * PATIENCE)
        connection.send(b"again")
    gateway = start([service(origins(handler).port, route(response_buffering=True))])
    client = gateway.client()
    client.request()
    assert arrived.wait(PATIENCE) and client.silent(0.4)
    go.set()
    assert client.response().body == b"first again"
    client.close()


def test_client_that_leaves_stops_the_upstream_request(origins, start):
    gone = threading.Event()

    def handler(connection, request):
        try:
            if connection.at_end():
                gone.set()
        except OSError:
            gone.set()
        return False
    server = origins(handler)
    gateway = start([service(server.port)])
    client = gateway.client()
    client.request()
    wait_until(lambda: server.requests, "the request at the origin")
    client.close()
    assert gone.wait(PATIENCE), "the upstream request goes on for nobody"


def test_many_slow_clients_do_not_keep_others_from_service(origin, start):
    gateway = start([service(origin.port)], workers=1)
    slow = [gateway.client() for _ in range(200)]
    for client in slow:
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
    assert gateway.get("/fast").status == 200
    for client in slow:
        client.close()


# ---- upgrade ----------------------------------------------------------------------------------------------------------

def websocket_echo(connection, request):
    """A handshake as RFC 6455 wants it, then every byte back."""
    accept = base64.b64encode(hashlib.sha1((request.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
                                           .encode()).digest()).decode()
    connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Accept: {accept}\r\n\r\n")
    while data := connection.read_some(65536):
        connection.send(data)
    return False


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def test_websocket_end_to_end(origins, start):
    gateway = start([service(origins(websocket_echo).port)])
    client = gateway.client()
    client.request("GET", "/chat", *UPGRADE)
    answer = client.response()
    assert answer.status == 101 and answer.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.get("Upgrade").lower() == "websocket" and "upgrade" in answer.get("Connection").lower()
    for i in range(50):
        frame = b"\x82\x85abcd" + bytes([i]) * 5
        client.send(frame)
        assert client.read_exactly(len(frame)) == frame
    big = bytes(range(256)) * 4096
    thread = threading.Thread(target=client.send, args=(big,), daemon=True)
    thread.start()
    assert client.read_exactly(len(big)) == big
    thread.join()
    client.close()


def test_upgrade_that_the_origin_declines(origin, start):
    gateway = start([service(origin.port)])
    client = gateway.client()
    client.request("GET", "/", *UPGRADE)
    assert client.response().status == 200
    assert client.ask().status == 200
    client.close()


def test_upgraded_connection_ends_with_either_side(origins, start):
    server = origins(websocket_echo)
    gateway = start([service(server.port)])
    for closer in ("client", "origin"):
        client = gateway.client()
        client.request("GET", "/", *UPGRADE)
        assert client.response().status == 101
        client.send(b"x")
        assert client.read_exactly(1) == b"x"
        if closer == "client":
            client.close()
            wait_until(lambda: server.connections[-1].sock.fileno() == -1, "the origin to see the end")
        else:
            server.connections[-1].sock.shutdown(socket.SHUT_RDWR)
            assert client.at_end()
            client.close()


def test_upgraded_connection_idle_timeout(origins, start):
    """What says something now and then lives longer than the timeout, and ends when it falls silent."""
    gateway = start([service(origins(websocket_echo).port, read_timeout=3000, write_timeout=3000)])

    def talk():
        """False: this process, or the origin, was silent for so long that the timeout was right."""
        client, spoke = gateway.client(), time.monotonic()
        try:
            client.request("GET", "/", *UPGRADE)
            answer = client.response()
            if answer.status == 504:
                raise EOFError
            assert answer.status == 101
            for _ in range(8):                  # in all longer than the timeout
                time.sleep(0.5)
                speaks = time.monotonic()
                client.send(b"x")
                assert client.read_exactly(1) == b"x"
                spoke = speaks
        except (EOFError, ConnectionError):
            assert time.monotonic() - spoke > 2.9, "ended although bytes came"
            client.close()
            return False
        assert client.at_end()
        client.close()
        return True
    assert any(talk() for _ in range(20))


def test_bytes_behind_an_upgrade_reach_the_origin(origins, start):
    gateway = start([service(origins(websocket_echo).port)])
    client = gateway.client()
    lines = "\r\n".join(["GET / HTTP/1.1", "Host: localhost", *UPGRADE, "", ""]).encode()
    client.send(lines + b"early bytes")
    assert client.response().status == 101
    assert client.read_exactly(11) == b"early bytes"
    client.close()


# ---- unsolicited and odd behaviour of clients --------------------------------------------------------------------------

def test_half_closed_client_still_gets_its_answer(origins, start):
    def handler(connection, request):
        time.sleep(0.2)
        connection.send(reply(200, body=b"late"))
    gateway = start([service(origins(handler).port)])
    answer = raw(gateway.port, head("GET / HTTP/1.1"), seconds=5, finish=True)
    # A client that closed its sending side may be gone: both an answer and a quiet end are right, an error is not.
    assert status_of(answer) in (200, None)


def test_resets_at_any_point_are_survived(gateway):
    request = head("POST /r HTTP/1.1", "Content-Length: 100000") + b"x" * 100000
    for cut in (0, 1, 10, 40, 80, 1000, 50000, len(request)):
        client = gateway.client()
        client.send(request[:cut])
        client.reset()
    assert gateway.get("/after").status == 200
