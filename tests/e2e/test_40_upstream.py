# SPDX-License-Identifier: Apache-2.0
"""The other side: what an origin may answer, what happens when it does not, which connection and target is used."""
import contextlib
import re
import select
import socket
import threading
import time

import pytest

from harness import PATIENCE, free_port, raw, raw_origin, reply, service, wait_until

# ---- the same strictness towards origins -------------------------------------------------------------------------------

OK = "HTTP/1.1 200 OK"


def head(*lines):
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


BROKEN_HEADS = {
    "garbage": b"what is this\r\n\r\n",
    "another protocol": head("ICY 200 OK"),
    "0.9": b"<html>hello</html>",
    "version 2": head("HTTP/2.0 200 OK", "Content-Length: 0"),
    "no status": head("HTTP/1.1 OK"),
    "status of two digits": head("HTTP/1.1 20 OK", "Content-Length: 0"),
    "status beyond range": head("HTTP/1.1 999999 OK", "Content-Length: 0"),
    "length and chunked": head(OK, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": head(OK, "Content-Length: 5", "Content-Length: 6") + b"hello",
    "bad length": head(OK, "Content-Length: 5x") + b"hello",
    "negative length": head(OK, "Content-Length: -5") + b"hello",
    "chunked not last": head(OK, "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "folded field": head(OK, "X: a\r\n b", "Content-Length: 0"),
    "space before the colon": head(OK, "Content-Length : 0"),
    "bare CR": head(OK, "X: a\rb", "Content-Length: 0"),
    "NUL": head(OK, "X: a\0b", "Content-Length: 0"),
    "bad field name": head(OK, "X Y: a", "Content-Length: 0"),
    "head without an end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300000,
    "head that is cut": b"HTTP/1.1 200 OK\r\nContent-Le",
    "nothing": b"",
    "101 that nobody asked for": head("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"),
    "endless interim responses": head("HTTP/1.1 102 Processing") * 100000,
}


ODD_ANSWERS = {
    "newer minor version": head("HTTP/1.2 200 OK", "Content-Length: 5") + b"hello",
    "sizes of chunks with spaces behind": head(OK, "Transfer-Encoding: chunked") + b"5   \r\nhello\r\n0 \r\n\r\n",
    "sizes of chunks with many zeros": head(OK, "Transfer-Encoding: chunked") + b"0" * 20 + b"5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answer_is_passed_on(origins, start, name):
    gateway = start([service(origins(lambda c, r: c.send(ODD_ANSWERS[name])).port)])
    client = gateway.client()
    for _ in range(2):
        answer = client.ask()
        assert answer.status == 200 and answer.complete and answer.body == b"hello"
    assert answer.first.startswith("HTTP/1.1 ")


@pytest.mark.parametrize("name", BROKEN_HEADS)
def test_broken_head_is_a_502(origins, start, name):
    server = origins.adopt(raw_origin(BROKEN_HEADS[name], then="close"))
    gateway = start([service(server.port, retries=0)])
    answer = raw(gateway.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    finals = [s for s in re.findall(rb"HTTP/1\.1 (\d{3})", answer) if s >= b"200"]
    assert finals == [b"502"], answer[:300]
    assert b'"message"' in answer


CUT_BODIES = {
    "length": head(OK, "Content-Length: 100") + b"only a part",
    "chunk": head(OK, "Transfer-Encoding: chunked") + b"64\r\nonly a part",
    "between chunks": head(OK, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n",
    "bad chunk size": head(OK, "Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\n",
    "inside trailers": head(OK, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\nX: y",
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("name", CUT_BODIES)
def test_cut_body_is_visibly_cut(origins, start, name, then):
    server = origins.adopt(raw_origin(CUT_BODIES[name], then=then))
    gateway = start([service(server.port, retries=0)])
    client = gateway.client()
    client.request()
    try:
        answer = client.response()
    except (EOFError, ConnectionError):
        client.close()
        return
    assert answer.status == 502 or not answer.complete, "a cut body was passed on as complete"
    client.close()


def test_bytes_behind_a_response_reach_nobody(origins, start):
    """A second response on an upstream connection is never the next client's."""
    server = origins(lambda c, r: c.send(reply(200, body=b"right") + reply(200, body=b"WRONG")))
    gateway = start([service(server.port)], workers=1)
    for _ in range(6):
        assert gateway.get("/").body == b"right"
    client = gateway.client()
    for _ in range(6):
        assert client.ask().body == b"right"
    client.close()


def test_late_bytes_on_an_idle_connection_reach_nobody(origins, start):
    server = origins(lambda c, r: c.send(reply(200, body=b"right")))
    gateway = start([service(server.port)], workers=1)
    for i in range(4):
        assert gateway.get("/").body == b"right"
        idle = server.connections[-1]
        assert len(server.connections) == i + 1
        idle.send(reply(200, body=b"WRONG"))        # nobody has asked
        wait_until(lambda: idle.sock.fileno() < 0, "the connection to be given up")


def test_body_beyond_its_length_is_cut_off(origins, start):
    server = origins(lambda c, r: c.send(head(OK, "Content-Length: 5") + b"helloWORLD"))
    gateway = start([service(server.port)], workers=1)
    for _ in range(3):
        assert gateway.get("/").body == b"hello"


def test_body_with_a_204_or_304_is_dropped(origins, start):
    server = origins(lambda c, r: c.send(head("HTTP/1.1 204 No Content") + b"unexpected") if r.target == "/204"
                     else c.send(reply(200, body=b"fine")))
    gateway = start([service(server.port)], workers=1)
    client = gateway.client()
    assert client.ask("GET", "/204").status == 204
    assert client.ask("GET", "/").body == b"fine"
    client.close()


# ---- failures and their status ------------------------------------------------------------------------------------------

def test_refused_connection_is_a_502(start):
    gateway = start([service(free_port(), retries=1)])
    answer = gateway.get("/")
    assert answer.status == 502 and "message" in answer.json()
    gateway.wait_log(r"127\.0\.0\.1:\d+")


def test_connect_timeout_is_a_504(start):
    """A listener whose queue is full answers no SYN."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    try:
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        wait_until(lambda: select.select([], fillers, [], 0)[1], "the queue to have its one connection")
        gateway = start([service(listener.getsockname()[1], connect_timeout=300, retries=0)])
        assert gateway.get("/").status == 504
    finally:
        for filler in fillers:
            filler.close()
        listener.close()


def test_read_timeout_is_a_504(origins, start):
    gateway = start([service(origins(lambda c, r: c.at_end()).port, read_timeout=300, retries=0)])
    begin = time.monotonic()
    assert gateway.get("/").status == 504
    assert time.monotonic() - begin > 0.2


def test_read_timeout_inside_a_body_cuts_it(origins, start):
    def handler(connection, request):
        connection.send(head(OK, "Content-Length: 10") + b"hello")
        connection.at_end(PATIENCE)
    gateway = start([service(origins(handler).port, read_timeout=8000)])      # the origin's part of the body comes sooner
    client = gateway.client()
    client.request()
    answer = client.response()
    assert answer.status == 200 and not answer.complete
    client.close()


def test_write_timeout_is_a_504(origins, start):
    end = threading.Event()
    gateway = start([service(origins(lambda c, r: end.wait(4 * PATIENCE), streaming=True).port, write_timeout=400, retries=0)])
    client = gateway.client()
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):      # it closes behind its answer
        while not select.select([client.sock], [], [], 0)[0]:
            if select.select([client.sock], [client.sock], [], PATIENCE)[1]:
                sent += client.sock.send(b"x" * 65536)
            assert sent < 90000000, "the origin reads nothing, and all is taken"
    assert client.response().status == 504
    client.close()
    end.set()


def test_nobody_to_ask_is_a_503(start):
    gateway = start([service(0, url="http://empty/")], upstreams=(
        {"name": "empty", "targets": ({"target": f"127.0.0.1:{free_port()}", "weight": 0},)},))
    answer = gateway.get("/")
    assert answer.status == 503 and "message" in answer.json()


def test_reset_instead_of_an_answer_is_a_502(origins, start):
    gateway = start([service(origins(lambda c, r: c.reset()).port, retries=0)])
    assert gateway.get("/").status == 502


def test_early_error_answer_during_an_upload(origins, start):
    """An origin that answers 413 and closes while the client still sends: the answer arrives."""
    def handler(connection, request):
        connection.send(reply(413, "Connection: close", body=b"enough", reason="Content Too Large"))
        return False        # with bytes unread: the gateway meets a reset when it sends on
    gateway = start([service(origins(handler, streaming=True).port, retries=0)])
    client = gateway.client()
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n")
    try:
        for _ in range(75):
            client.send(b"x" * 65536)
    except OSError:
        pass
    answer = client.response()
    assert answer.status == 413 and answer.body == b"enough"
    client.close()


# ---- connections that are kept -------------------------------------------------------------------------------------------

def test_connections_are_reused(origin, start):
    gateway = start([service(origin.port)], workers=1)
    for _ in range(20):
        assert gateway.get("/").status == 200
    assert {r.connection for r in origin.requests} == {1}


@pytest.mark.parametrize("seconds", [600.0, 0.5])
def test_pool_size_and_idle_timeout(origins, start, seconds):
    barrier = threading.Barrier(6, timeout=PATIENCE)

    def handler(connection, request):
        barrier.wait()
        connection.send(reply(200, body=b"x"))
    server = origins(handler)
    gateway = start([service(0, url="http://be/")], workers=1, upstreams=(
        {"name": "be", "keepalive_pool_size": 2, "keepalive_idle_timeout": seconds,
         "targets": ({"target": f"127.0.0.1:{server.port}", "weight": 100},)},))
    threads = [threading.Thread(target=gateway.get, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def still_open():
        return sum(1 for c in server.connections if c.sock.fileno() != -1)
    assert len(server.connections) == 6
    if seconds > 1:
        wait_until(lambda: still_open() <= 2, "all but two connections to be closed")
        assert still_open() == 2
    else:
        wait_until(lambda: still_open() == 0, "idle connections to be closed")


def test_connection_that_the_origin_closed_is_never_used(origins, start):
    def handler(connection, request):       # says nothing of it, then closes its side and waits for the other
        connection.send(reply(200, body=b"x"))
        connection.sock.shutdown(socket.SHUT_WR)
    server = origins(handler)
    gateway = start([service(server.port, retries=0)], workers=1)
    for i in range(20):
        assert gateway.ask("POST", "/", body=b"once").status == 200
        assert len(server.connections) == i + 1
        wait_until(lambda: server.connections[-1].sock.fileno() < 0, "the gateway to close the other side")
    assert len(server.requests) == 20


def test_close_that_meets_a_request(origins, start):
    """The keep-alive race: the origin closes when the next request arrives. What may be repeated is repeated."""
    def handler(connection, request):
        if request.connection == 1 and len([r for r in server.requests if r.connection == 1]) > 1:
            connection.reset()
            return False
        connection.send(reply(200, body=b"x"))
        return None
    server = origins(handler)
    gateway = start([service(server.port)], workers=1)
    assert gateway.get("/first").status == 200
    assert gateway.get("/second").status == 200
    assert [r.target for r in server.requests] == ["/first", "/second", "/second"]


def test_post_is_not_repeated_once_sent(origins, start):
    def handler(connection, request):
        if request.target == "/second":
            connection.reset()
            return False
        connection.send(reply(200, body=b"x"))
        return None
    server = origins(handler)
    gateway = start([service(server.port)], workers=1)
    assert gateway.get("/first").status == 200
    assert gateway.ask("POST", "/second", body=b"buy").status == 502
    assert len([r for r in server.requests if r.target == "/second"]) == 1


def test_connection_close_of_the_origin_is_honoured(origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Connection: close", body=b"x")))
    gateway = start([service(server.port)], workers=1)
    for _ in range(3):
        assert gateway.get("/").status == 200
    assert [r.connection for r in server.requests] == [1, 2, 3]


def test_http_1_0_origin(origins, start):
    server = origins(lambda c, r: bool(c.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")))
    gateway = start([service(server.port)], workers=1)
    for _ in range(3):
        assert gateway.get("/").body == b"hello"


# ---- targets -------------------------------------------------------------------------------------------------------------

def balanced(*targets, **fields):
    return ({"name": "be", "targets": tuple({"target": t, "weight": w} for t, w in targets), **fields},)


def test_weights_over_all_workers(origins, start):
    """Weighted round-robin with one state for all workers: exact over any number of requests."""
    one, two, off = origins(), origins(), origins()
    gateway = start([service(0, url="http://be/")], workers=3, upstreams=balanced(
        (f"127.0.0.1:{one.port}", 100), (f"127.0.0.1:{two.port}", 50), (f"127.0.0.1:{off.port}", 0)))
    for _ in range(90):
        assert gateway.get("/").status == 200
    assert len(off.requests) == 0
    assert abs(len(one.requests) - 60) <= 3 and abs(len(two.requests) - 30) <= 3


def test_next_target_when_one_is_down(origins, start):
    good = origins()
    gateway = start([service(0, url="http://be/", retries=2)], upstreams=balanced(
        (f"127.0.0.1:{free_port()}", 100), (f"127.0.0.1:{good.port}", 100)))
    for _ in range(10):
        assert gateway.ask("POST", "/", body=b"x").status == 200, "nothing was sent yet: safe to try elsewhere"
    assert len(good.requests) == 10


def test_retries_are_bounded(origins, start):
    server = origins(lambda c, r: c.reset())
    gateway = start([service(server.port, retries=2)])
    assert gateway.get("/").status == 502
    assert len(server.requests) == 3


def test_ipv6_and_hostname_targets(origins, start):
    six = origins(family=socket.AF_INET6)
    gateway = start([service(0, url="http://be/")], upstreams=balanced((f"[::1]:{six.port}", 100)))
    assert gateway.get("/").status == 200
    four = origins()
    gateway = start([service(four.port, url=f"http://localhost:{four.port}/", retries=5)])
    assert gateway.get("/").status == 200


def test_an_address_of_version_6_stands_in_brackets_in_host(origins, start):
    six = origins(family=socket.AF_INET6)
    gateway = start([service(0, url=f"http://[::1]:{six.port}/")])
    assert gateway.get("/").status == 200
    assert six.requests[0].get("Host") == f"[::1]:{six.port}"


def test_parallel_requests(origins, start):
    def handler(connection, request):
        time.sleep(0.05)
        connection.send(reply(200, body=request.target.encode()))
    gateway = start([service(origins(handler).port)])
    wrong = []

    def worker(i):
        client = gateway.client()
        for j in range(10):
            if client.ask("GET", f"/{i}/{j}").body != f"/{i}/{j}".encode():
                wrong.append((i, j))
        client.close()
    threads = [threading.Thread(target=worker, args=(i,), daemon=True) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
