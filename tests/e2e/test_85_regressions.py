# SPDX-License-Identifier: Apache-2.0
"""One test for each fault that was found in the worker after it was written, so that none comes back."""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import threading
import time

import pytest

from harness import FAULT, PATIENCE, SANITIZED, Client, client_tls, plugin, proxy_cache, reply, route, scratch, service, wait_until

MEGABYTE = 1 << 20
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
           "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def head(line="GET / HTTP/1.1", *fields, host="Host: localhost"):
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""]).encode("latin-1")


# ---- events that never come again -----------------------------------------------------------------------------------

def test_tunnel_passes_on_all_that_lies_in_the_kernel(origins, start):
    """More than one turn's worth waits in the socket when the worker looks, and nothing follows."""
    total, got = 80 * MEGABYTE, [0]

    def handler(connection, request):
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * MEGABYTE)
        connection.send(SWITCH)
        while data := connection.read_some(8 * MEGABYTE):
            got[0] += len(data)
    gateway = start([service(origins(handler).port)], workers=1)
    client = gateway.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * MEGABYTE)
    client.request("GET", "/", *UPGRADE)
    assert client.response().status == 101
    worker = gateway.pids()[0]
    client.send(b"x" * 64 * MEGABYTE)       # lets the kernel's buffers grow
    wait_until(lambda: got[0] == 64 * MEGABYTE, f"the first bytes to pass ({got[0]} did)")
    os.kill(worker, signal.SIGSTOP)
    client.sock.setblocking(False)
    writable = select.poll()
    writable.register(client.sock, select.POLLOUT)
    sent = 64 * MEGABYTE
    while sent < total and writable.poll(500):
        sent += client.sock.send(b"x" * min(65536, total - sent))
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: got[0] == sent, f"all {sent} bytes to pass the tunnel ({got[0]} did)")
    client.close()


def test_end_of_a_request_flows_on_behind_an_early_response_head(origins, start):
    """The last part of the body waits for the origin, which has begun to answer already. Where the last part begins is
    the kernel's choice, hence several sizes."""
    def handler(connection, request):
        left = int(request.get("Content-Length"))
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        while left > 0:
            data = connection.read_some(8192)
            if not data:
                return False
            left -= len(data)
            time.sleep(0.001)
        return connection.send(b"4\r\ndone\r\n0\r\n\r\n")
    directory = scratch()
    try:
        origins(handler, streaming=True, unix=directory / "origin.sock")
        gateway = start([service(0, url="http://unixes/", retries=0, read_timeout=60000)], workers=1, upstreams=(
            {"name": "unixes", "targets": ({"target": f"unix:{directory}/origin.sock", "weight": 100},)},))
        for size in range(900000, 1100000, 17000):
            client = gateway.client()
            client.send(head("POST / HTTP/1.1", f"Content-Length: {size}"))
            threading.Thread(target=client.send, args=(b"x" * size,), daemon=True).start()
            answer = client.response()
            assert answer.complete and answer.body == b"hidone", f"{size} bytes did not all come"
            client.close()
    finally:
        shutil.rmtree(directory)


# ---- what may be sent twice ------------------------------------------------------------------------------------------

def test_request_that_was_sent_in_part_is_not_repeated(start):
    """The kernel took a part of it: the connection stands, connect_timeout is over, and the origin may act on it."""
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)      # small segments make small buffers
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    gateway = start([service(listener.getsockname()[1], route(request_buffering=True), retries=2, connect_timeout=3000,
                             write_timeout=6000)], client_header_buffer_size="64k")
    began = time.monotonic()
    fields = [f"X-Fill-{i}: {'f' * 1000}" for i in range(58)]
    assert gateway.ask("POST", "/", *fields, body=b"x" * MEGABYTE).status == 504
    assert time.monotonic() - began > 5
    listener.settimeout(0.2)
    taken = []
    with pytest.raises((TimeoutError, socket.timeout)):
        while True:
            taken.append(listener.accept())
    assert len(taken) == 1, "it was sent again"
    listener.close()


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX-Half: a", b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n",
                                  b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
def test_nothing_is_repeated_once_a_response_began(origins, start, part):
    def handler(connection, request):
        connection.send(part)
        return False
    server = origins(handler)
    gateway = start([service(server.port, retries=3)])
    assert gateway.get().status == 502
    assert len(server.requests) == 1


def test_timeout_on_a_reused_connection_is_no_stale_connection(origins, start):
    done = threading.Event()

    def handler(connection, request):
        if request.target == "/slow":
            done.wait(PATIENCE)
        connection.send(reply(200, body=b"x"))
    server = origins(handler)
    gateway = start([service(server.port, retries=0, read_timeout=2500)], workers=1)
    wait_until(lambda: gateway.get("/first").status == 200, "an answer in time")
    assert gateway.get("/slow").status == 504
    done.set()
    slow, = [r for r in server.requests if r.target == "/slow"]
    assert any(r.target == "/first" and r.connection == slow.connection for r in server.requests), "it was not reused"


# ---- what two readers would read differently -------------------------------------------------------------------------

def test_head_with_a_path_that_grows_stays_whole(origins, start):
    """Bytes above ASCII take three in the normal form, and the path is sent up to three times."""
    server = origins()
    gateway = start([service(server.port, route(paths=["~/.*"], strip_path=True, request_buffering=True))],
                    client_header_buffer_size="32k")
    path = b"/" + b"\xe4" * 18500
    for size in (10, 30000):
        client = gateway.client()
        client.send(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size)
        answer = client.response()
        assert answer.status in (200, 400, 431)
        if answer.status == 200:
            assert server.last.body == b"y" * size
            assert server.last.get("X-Forwarded-Path") == "/" + "%E4" * 18500
        client.close()


@pytest.mark.parametrize("name", ["h2c", "h2c, websocket", "HTTP/2.0", "TLS/1.0"])
def test_upgrade_to_another_http_is_not_passed_on(origins, start, name):
    """Behind such an upgrade a client could ask for what no route, plugin or limit has seen."""
    def handler(connection, request):
        if "Upgrade" in request:
            connection.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {name}\r\nConnection: Upgrade\r\n\r\n")
            return False
        connection.send(reply(200))
    server = origins(handler)
    gateway = start([service(server.port)])
    answer = gateway.get("/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {name}", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    assert answer.status == 200
    assert "Upgrade" not in server.last and "HTTP2-Settings" not in server.last


def test_switch_before_the_end_of_the_request_is_a_502(origins, start):
    server = origins(lambda c, r: (c.send(SWITCH), time.sleep(1))[0], streaming=True)
    gateway = start([service(server.port, retries=0)])
    client = gateway.client()
    client.send(head("POST / HTTP/1.1", *UPGRADE, "Transfer-Encoding: chunked") + b"5\r\nhel")
    assert client.response().status == 502
    client.close()


def test_no_100_behind_a_final_response(origins, start):
    server = origins()
    gateway = start([service(server.port, route(plugins=[proxy_cache(content_type=["text/plain"], request_method=["POST"], cache_ttl=3600)]))])
    gateway.ask("POST", "/x")
    client = gateway.client()
    client.request("POST", "/x", "Expect: 100-continue", "Content-Length: 5")
    answer = client.response()
    assert answer.interim == [] and answer.get("X-Cache-Status") == "Hit"
    assert client.at_end() and client.buffer == b"", "something follows the final response"
    assert answer.get("Connection") == "close"
    client.close()


def test_request_with_empty_lines_behind_it(origin, start):
    gateway = start([service(origin.port)], client_header_timeout=1000, keepalive_timeout=1000)

    def answered():
        client = gateway.client()
        with contextlib.suppress(ConnectionError):
            client.send(head() + b"\r\n")
        with contextlib.suppress(ConnectionError, EOFError):
            if client.response().status == 200:
                return client
        client.close()      # it was too late with its request
        return None
    client = wait_until(answered, "an answer")
    assert client.at_end() and client.buffer == b"", "an answer to no request"
    client.close()


def test_asterisk_stays_an_asterisk(origin, start):
    gateway = start([service(origin.port, route(paths=None, methods=["OPTIONS"]), url=f"http://127.0.0.1:{origin.port}")])
    answer = gateway.ask("OPTIONS", "*")
    assert answer.status == 200 and origin.last.target == "*"


# ---- who is asking ---------------------------------------------------------------------------------------------------

def test_client_address_is_the_one_nearest_to_the_trusted_proxy(origin, start):
    """A proxy that adds a line of its own: what stands in the lines before is the client's word."""
    gateway = start([service(origin.port)], trusted_ips=["127.0.0.1"], real_ip_header="X-Forwarded-For")
    for fields, expected in [(("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 9.9.9.9"), "9.9.9.9"),
                             (("X-Forwarded-For: 6.6.6.6, 9.9.9.9", "X-Forwarded-For: 127.0.0.1"), "9.9.9.9"),
                             (("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: rubbish"), "127.0.0.1"),
                             (("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 127.0.0.1"), "127.0.0.1")]:
        assert gateway.get("/", *fields).status == 200
        assert origin.last.get("X-Real-IP") == expected, fields


# ---- bounded memory, errors that arrive ------------------------------------------------------------------------------

def test_interim_responses_are_counted(origins, start):
    """An origin that says 103 for ever, to a client that does not read."""
    sent = [0]

    def handler(connection, request):
        piece = b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"a" * 4000 + b">\r\n\r\n"
        for _ in range(300):
            connection.send(piece)
            sent[0] += len(piece)
            time.sleep(0.005)      # each is read alone
        connection.send(reply(200))
    gateway = start([service(origins(handler).port, retries=0)], workers=1)
    client = gateway.client(receive_buffer=4096)
    client.request()
    wait_until(lambda: sent[0] == (time.sleep(0.3), sent[0])[1], "the origin to stop")
    answer = client.response()
    assert answer.status == 502 and len(answer.interim) < 20
    client.close()


def test_window_smaller_than_a_head(origin, start, certs):
    """A pipelined head that begins in the window of the body before it."""
    gateway = start([service(origin.port)], client_request_buffer_max_size="4k", workers=1,
                    tls=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},))
    first = head("POST / HTTP/1.1", "Transfer-Encoding: chunked")
    last = head("GET /big HTTP/1.1", "X-Fill: " + "f" * 9000)
    for tls in (None, client_tls()):
        client = Client(gateway.tls_port if tls else gateway.port, tls=tls)
        client.send(first)
        time.sleep(0.2)
        client.send(b"5\r\nhello\r\n0\r\n\r\n" + last[:3000])
        assert client.response().status == 200
        client.send(last[3000:])
        assert client.response().status == 200
        client.close()
    assert not re.search(r"killed|crashed|exited", gateway.log())


def test_refusal_reaches_a_client_that_still_sends(origin, start):
    gateway = start([service(origin.port)])
    for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 400000, b"G@T / HTTP/1.1\r\n" + b"z" * 400000):
        client = gateway.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        client.send(data)
        time.sleep(0.3)
        answer = client.response()
        assert answer.status in (400, 431)
        try:
            ended = client.sock.recv(1)
        except ConnectionError:
            pytest.fail("the answer was followed by a reset")
        assert ended == b""
        client.close()


# ---- what is stored --------------------------------------------------------------------------------------------------

def cached_echo(origins, start, *fields, status=200, route_fields=None, **config):
    """A cached route in front of an origin that answers with what it was told."""
    def handler(connection, request):
        body = "|".join(f"{n}: {v}" for n, v in request.fields if n.lower() in ("x-mark", "host", "range")).encode() + b"|" + request.body
        connection.send(reply(status, "Content-Type: text/plain", *fields, body=body))
    server = origins(handler)
    server.gateway = start([service(server.port, route(plugins=[proxy_cache(content_type=["text/plain"], cache_ttl=3600, **config)], **(route_fields or {})))])
    return server


@pytest.mark.parametrize("how", ["vary", "vary_headers"])
def test_all_lines_of_a_field_choose_the_variant(origins, start, how):
    server = cached_echo(origins, start, *(["Vary: X-Mark"] if how == "vary" else []),
                         **({"vary_headers": ["X-Mark"]} if how == "vary_headers" else {}))
    poisoned = server.gateway.get("/x", "X-Mark: a", "X-Mark: evil")
    assert b"evil" in poisoned.body
    assert b"evil" not in server.gateway.get("/x", "X-Mark: a").body
    assert b"evil" not in server.gateway.get("/x", "X-Mark: a").body


@pytest.mark.parametrize("how", ["vary", "vary_headers"])
def test_field_that_was_not_passed_on_chooses_no_variant(origins, start, how):
    server = cached_echo(origins, start, *(["Vary: X-Mark"] if how == "vary" else []),
                         **({"vary_headers": ["X-Mark"]} if how == "vary_headers" else {}))
    assert b"X-Mark" not in server.gateway.get("/x", "X-Mark: a", "Connection: X-Mark").body
    assert b"X-Mark: a" in server.gateway.get("/x", "X-Mark: a").body


def test_quote_in_a_varying_field(origins, start):
    server = cached_echo(origins, start, "Vary: X-Mark, Accept")
    for expected in ("Miss", "Hit"):
        assert server.gateway.get("/x", 'X-Mark: a"b', "Accept: x").get("X-Cache-Status") == expected


def test_get_with_a_body_is_not_shared(origins, start):
    server = cached_echo(origins, start)
    assert b"evil" in server.gateway.ask("GET", "/x", body=b"evil").body
    assert b"evil" not in server.gateway.get("/x").body


@pytest.mark.parametrize("status", [206, 304])
def test_part_of_an_answer_is_not_stored(origins, start, status):
    server = cached_echo(origins, start, status=status, response_code=[200, 206, 304])
    assert server.gateway.get("/x", "Range: bytes=0-1", 'If-None-Match: "x"').status == status
    server.gateway.get("/x")
    assert len(server.requests) == 2


def test_port_of_a_preserved_host_is_part_of_the_key(origins, start):
    server = cached_echo(origins, start, route_fields={"preserve_host": True})
    assert b"evil:1337" in server.gateway.get("/x", host="evil:1337").body
    assert b"1337" not in server.gateway.get("/x", host="evil").body
    assert server.gateway.get("/x", host="evil:1337").get("X-Cache-Status") == "Hit"


@pytest.fixture
def tells_url(origins):
    """An origin that writes into its answer under which URL it was asked, as many do."""
    return origins(lambda c, r: c.send(reply(200, "Content-Type: text/plain", body="{}://{}:{}{}".format(
        *(r.get("X-Forwarded-" + n, "") for n in ("Proto", "Host", "Port", "Prefix"))))))


def test_scheme_is_part_of_the_key(tells_url, start, certs):
    """Else a redirect from http to https, stored once, would send everybody round in a circle."""
    gateway = start([service(tells_url.port, route(plugins=[proxy_cache(content_type=["text/plain"], cache_ttl=3600)]))],
                    tls=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},))
    for _ in range(2):
        assert gateway.get("/x").body.startswith(b"http://")
        client = Client(gateway.tls_port, tls=client_tls())
        assert client.ask(target="/x").body.startswith(b"https://")
        client.close()
    assert len(tells_url.requests) == 2


def test_what_a_trusted_proxy_says_of_the_url_is_part_of_the_key(tells_url, start):
    gateway = start([service(tells_url.port, route(plugins=[proxy_cache(content_type=["text/plain"], cache_ttl=3600)]))],
                    trusted_ips=["127.0.0.1"])
    said = [["X-Forwarded-Proto: https"], ["X-Forwarded-Host: a"], ["X-Forwarded-Host: b"], ["X-Forwarded-Port: 99"],
            ["X-Forwarded-Prefix: /p"], []]
    first = [gateway.get("/x", *fields).body for fields in said]
    assert len(set(first)) == len(said)
    assert [gateway.get("/x", *fields).body for fields in said] == first and len(tells_url.requests) == len(said)


def test_more_varying_fields_than_a_key_holds(origins, start):
    server = cached_echo(origins, start, vary_headers=[f"X-A{i}" for i in range(20)] + ["X-Mark"])
    assert b"X-Mark: a" in server.gateway.get("/x", "X-Mark: a").body
    assert b"X-Mark: b" in server.gateway.get("/x", "X-Mark: b").body


def test_cache_further_up_does_not_speak_for_ours(origins, start):
    server = cached_echo(origins, start, "X-Cache-Status: HIT", "X-Cache-Key: theirs")
    for expected in ("Miss", "Hit"):
        answer = server.gateway.get("/x")
        assert answer.all("X-Cache-Status") == [expected] and "theirs" not in answer.all("X-Cache-Key")


def test_hit_has_a_date(origins, start):
    server = cached_echo(origins, start)
    miss, hit = server.gateway.get("/x"), server.gateway.get("/x")
    assert hit.get("X-Cache-Status") == "Hit"
    assert miss.get("Date") == hit.get("Date") is not None


def test_field_of_a_plugin_replaces_the_stored_one(origins, start):
    def handler(connection, request):
        connection.send(reply(200, "Content-Type: text/plain", "X-Correlation: stored", body=b"x"))
    server = origins(handler)
    gateway = start([service(server.port, route(plugins=[
        proxy_cache(content_type=["text/plain"], cache_ttl=3600),
        plugin("correlation-id", header_name="X-Correlation", echo_downstream=True)]))])
    for i in range(2):
        assert gateway.get("/x", f"X-Correlation: mine-{i}").all("X-Correlation") == [f"mine-{i}"]


# ---- no memory -------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(SANITIZED or not os.path.exists(FAULT), reason="needs the shim that makes calls fail")
def test_no_forged_consumer_when_memory_fails(origins, start):
    """A field that cannot be set must not leave the client's own in its place, nor hide_credentials the key."""
    from test_80_faults import Faults
    def handler(connection, request):
        time.sleep(0.5)        # meanwhile its blocks of memory are not free for others
        connection.send(reply(200))
    faults, server = Faults(), origins(handler)
    gateway = start([service(server.port, route(plugins=[plugin("key-auth", hide_credentials=True)]))], workers=1,
                    consumers=({"username": "alice", "keyauth_credentials": ({"key": "secret"},)},),
                    preload=FAULT, environment={"GATEWAY_FAULT_FILE": str(faults.path)})

    def crowd(every):
        faults.set("allocate", every)
        clients = [Client(gateway.port, timeout=3) for _ in range(30)]
        for i, client in enumerate(clients):
            client.request("GET", "/a%2fb/" + "x" * (1400 + i), "apikey: secret", "X-Consumer-Username: forged",
                           "X-Consumer-ID: forged", "X-Anonymous-Consumer: forged")
        for client in clients:
            with contextlib.suppress(OSError, EOFError, ValueError):
                client.response()
            client.close()
        faults.off()
    for every in (2, 3, 4, 5):
        crowd(every)
    wait_until(lambda: server.requests or crowd(5), "a request to come through")
    sent = [f for r in server.requests for f in r.fields if f[1] in ("forged", "secret")]
    assert not sent


def test_trickling_client_buys_a_silent_origin_no_time(origins, start):
    """Each pipelined byte used to set read_timeout anew."""
    done = threading.Event()
    gateway = start([service(origins(lambda c, r: done.wait(2 * PATIENCE)).port, read_timeout=600, retries=0)])
    client = gateway.client()
    client.request()
    client.sock.settimeout(0.1)
    got, end = b"", time.monotonic() + PATIENCE
    while not got and time.monotonic() < end:
        with contextlib.suppress(ConnectionError):
            client.send(b"G")
        with contextlib.suppress(TimeoutError):
            got += client.sock.recv(65536)
    done.set()
    assert b" 504 " in got.split(b"\r\n")[0]


def test_forwarded_of_strangers_is_not_passed_on(origin, start):
    gateway = start([service(origin.port)])
    gateway.get("/", "Forwarded: for=192.0.2.1;proto=https")
    assert origin.requests[-1].get("Forwarded") is None
