# SPDX-License-Identifier: Apache-2.0
"""What the cache does between two requests: waiting, validating, sharing and purging at the same time."""
import contextlib
import socket
import threading

import pytest

from harness import HELD, proxy_cache, reply, route, server_tls, service, wait_until

OPEN = {"cache_control": True, "cache_ttl": 0, "response_code": [], "content_type": []}
BODY = bytes(range(65, 91)) * 100


class Held:
    """An origin whose answers are made by a list of functions, one a request in the order in which they come, and a gateway in
    front of it, where nobody stops waiting unless a test wants it."""

    def __init__(self, origins, start, settings=None, **config):
        self.answers = []
        self.origin = origins(self.answer)
        config = {**OPEN, "lock_timeout": int(1000 * HELD), **config}
        self.gateway = start([service(self.origin.port, route(plugins=[proxy_cache(**config)]), retries=0,
                                      read_timeout=int(1000 * HELD))], **{"workers": 2, **(settings or {})})
        self.clients = []

    def answer(self, connection, request):
        return self.answers[request.number - 1](connection, request)

    def says(self, *fields, status=200, body=BODY):
        self.answers.append(lambda connection, request: connection.send(reply(status, *fields, body=body)))
        return self

    def then(self, answer):
        self.answers.append(answer)
        return self

    def send(self, target="/x", *fields, **options):
        client = self.gateway.client(**options)
        client.request("GET", target, *fields)
        self.clients.append(client)
        return client

    def settle(self, more=0):
        self.gateway.settle(self.clients, more)

    @property
    def count(self):
        return len(self.origin.requests)


@pytest.fixture
def held(origins, start):
    made = []

    def make(**config):
        made.append(Held(origins, start, **config))
        return made[-1]
    yield make
    for it in made:
        for client in it.clients:
            client.close()


def in_halves(go, *fields, length=True):
    """An answer whose second half comes when it is told to."""
    def answer(connection, _request):
        framing = f"Content-Length: {len(BODY)}" if length else "Transfer-Encoding: chunked"
        half = len(BODY) // 2
        connection.send("\r\n".join(["HTTP/1.1 200 OK", *fields, framing]).encode() + b"\r\n\r\n")
        for part in (BODY[:half], BODY[half:]):
            connection.send(part if length else b"%x\r\n%s\r\n" % (len(part), part))
            go.wait(HELD)
        if not length:
            connection.send(b"0\r\n\r\n")
    return answer


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("wanted,part", [("0-9", slice(0, 10)), ("5-", slice(5, None)), ("-7", slice(-7, None))])
def test_range_of_what_is_being_refreshed(held, wanted, part, length):
    """It waits for the object, and gets the part that it asked for: no byte more, and not less."""
    it = held().says('ETag: "one"', "Cache-Control: max-age=60", "Age: 1000", body=b"old")
    go = threading.Event()
    it.then(in_halves(go, 'ETag: "two"', "Cache-Control: max-age=60", length=length))
    assert it.gateway.get("/x").body == b"old"
    first = it.send()
    whole = first.response(body=False)  # what came first was of use to nobody, this is: from here on others wait for it
    second = it.send("/x", f"Range: bytes={wanted}")
    it.settle()
    go.set()
    first.read_body(whole)
    assert whole.body == BODY
    answer = second.response()
    assert (answer.status, answer.body) == (206, BODY[part]), str(answer.fields)
    again = second.ask("GET", "/x")
    assert (again.status, again.body) == (200, BODY)
    assert it.count == 2


@pytest.mark.parametrize("length", [True, False])
def test_range_of_what_is_being_fetched(held, length):
    """A part of what another client's request brings for the first time is no request of its own."""
    it, go = held(), threading.Event()
    it.then(in_halves(go, 'ETag: "one"', "Cache-Control: max-age=60", length=length))
    first = it.send()
    wait_until(lambda: it.count == 1, "the request at the origin")
    parts = [it.send("/x", f"Range: bytes={wanted}") for wanted in ("0-9", "5-", "-7")]
    it.settle(-1 if length else 0)         # where the length is known the first part may have its answer already
    go.set()
    assert first.response().body == BODY
    answers = [client.response() for client in parts]
    assert [(a.status, a.body) for a in answers] == [(206, BODY[:10]), (206, BODY[5:]), (206, BODY[-7:])]
    assert it.count == 1


def test_range_does_not_wait_for_what_cannot_be_stored(held):
    """It goes on to the origin as it came when the whole turns out to be somebody's own, or takes too long."""
    it, go = held(lock_timeout=500), threading.Event()
    it.then(in_halves(go, "Cache-Control: private"))
    it.says("Content-Range: bytes 0-9/2600", status=206, body=BODY[:10])
    first = it.send()
    wait_until(lambda: it.count == 1, "the request at the origin")
    answer = it.send("/x", "Range: bytes=0-9").response()
    assert (answer.status, answer.body) == (206, BODY[:10])
    it.then(in_halves(go, "Cache-Control: max-age=60"))
    it.says("Content-Range: bytes 2590-2599/2600", status=206, body=BODY[2590:])
    slow = it.send("/slow")
    wait_until(lambda: it.count == 3, "the request at the origin")
    answer = it.send("/slow", "Range: bytes=2590-2599").response()
    assert (answer.status, answer.body) == (206, BODY[2590:])
    go.set()
    assert first.response().body == BODY == slow.response().body and it.count == 4


def test_one_refresh_in_the_background_and_before_the_client(held):
    """Who cannot use the stale object waits for the refresh that is under way behind another client."""
    it = held().says('ETag: "one"', "Cache-Control: max-age=600", body=b"old")
    go = threading.Event()
    it.then(slow(go, 'ETag: "two"', "Cache-Control: max-age=60", body=BODY))
    assert it.gateway.get("/x").body == b"old"
    assert it.gateway.ctl("purge", "--all", "--soft").returncode == 0
    assert it.gateway.get("/x").body == b"old"
    wait_until(lambda: it.count == 2, "the refresh at the origin")
    it.says('ETag: "two"', "Cache-Control: max-age=60")
    second = it.send("/x", "Cache-Control: no-cache")
    wait_until(lambda: it.gateway.waits() == 1, "it to wait")
    assert it.count == 2
    go.set()
    assert second.response().body == BODY and it.count == 3, "no-cache: what came is validated for it"


@pytest.mark.parametrize("status", [200, 401, 404])
def test_requests_with_authorization_leave_what_is_shared(held, status):
    it = held(response_code=[200]).says("Cache-Control: max-age=60")
    assert it.gateway.get("/x").get("X-Cache-Status") == "Miss"
    it.says("Cache-Control: max-age=60", status=status, body=b"theirs")
    assert it.gateway.get("/x", "Authorization: Basic eDp5").body == b"theirs"
    assert it.gateway.get("/x").get("X-Cache-Status") == "Hit"
    assert it.count == 2


def test_no_store_condition_leaves_what_is_stored(held):
    it = held(no_store={"headers": ["X-Preview"]}).says("Cache-Control: max-age=60")
    assert it.gateway.get("/x").get("X-Cache-Status") == "Miss"
    it.says("Cache-Control: max-age=60", body=b"preview")
    assert it.gateway.get("/x", "Cache-Control: no-cache", "X-Preview: 1").body == b"preview"
    assert it.gateway.get("/x").get("X-Cache-Status") == "Hit"


def test_validation_without_a_date_counts_from_now(held):
    """A 304 that does not say when it was made was made now (RFC 9110 section 6.6.1)."""
    it = held().says('ETag: "one"', "Cache-Control: max-age=60000", "Date: Sun, 06 Nov 1994 08:49:37 GMT")
    it.then(lambda connection, request: connection.send(reply(304, 'ETag: "one"', length=False)))
    assert it.gateway.get("/x").body == BODY
    assert it.gateway.get("/x").get("X-Cache-Status") == "Revalidated"
    answer = it.gateway.get("/x")
    assert answer.get("X-Cache-Status") == "Hit" and "1994" not in answer.get("Date")
    assert int(answer.get("Age")) < 30000


def test_readers_of_what_outgrows_its_limit_get_it_all(held):
    it = held(max_object_size="2k")
    go = threading.Event()
    for _ in range(4):
        it.then(in_halves(go, "Cache-Control: max-age=60", length=False))
    clients = [it.send() for _ in range(4)]
    wait_until(lambda: it.count == 1, "a request at the origin")
    it.settle()
    go.set()
    assert [c.response().body for c in clients] == [BODY] * 4


def test_validation_that_cannot_be_stored_still_answers(held):
    """The lines of the 304 do not fit to those that are stored: the client gets what was validated, not the 304."""
    it = held().says('ETag: "one"', "Cache-Control: max-age=60", "Age: 1000", *(f"X-{i}: 1" for i in range(100)))
    it.then(lambda connection, request: connection.send(reply(304, 'ETag: "one"', *(f"Y-{i}: 1" for i in range(100)), length=False)))
    assert it.gateway.get("/x").body == BODY
    answer = it.gateway.get("/x")
    assert (answer.status, answer.body, answer.get("X-Cache-Status")) == (200, BODY, "Revalidated")


def test_a_slow_refresh_makes_the_time_for_stale_answers_no_longer(origins, start):
    """stale-while-revalidate is over while the origin still makes the answer: who asks now waits for it. Nor is the stale
    object let out as if the refresh had failed."""
    go, asked = threading.Event(), {}

    def answer(connection, request):
        asked[request.target] = asked.get(request.target, 0) + 1
        if asked[request.target] == 1:
            connection.send(reply(200, "Cache-Control: max-age=2, stale-while-revalidate=5, stale-if-error=600", body=b"old"))
        else:
            slow(go, "Cache-Control: max-age=600", body=b"new")(connection, request)

    origin = origins(answer)
    cache = proxy_cache(**OPEN, lock_timeout=int(1000 * HELD))
    gateway = start([service(origin.port, route(plugins=[cache]), retries=0, read_timeout=int(1000 * HELD))], workers=2)

    def state(target):
        """Asks nobody in front of the client: "Hit", while it is fresh, "Stale" and "Updating", then a 504."""
        answer = gateway.get(target, "Cache-Control: only-if-cached")
        return answer.get("X-Cache-Status") if answer.status == 200 else answer.status

    def begun():
        """A target that is being refreshed, and whose first answer was fresh when it came: a slow machine may miss the time."""
        for target in (f"/{i}" for i in range(100)):
            gateway.get(target)
            if state(target) == "Hit" and wait_until(lambda: now if (now := state(target)) != "Hit" else None, "its end") != 504 \
                    and state(target) == "Updating":
                return target
        raise AssertionError("no refresh has begun")
    target = begun()
    wait_until(lambda: asked[target] == 2, "the refresh at the origin")
    seen = []
    wait_until(lambda: seen.append(state(target)) or seen[-1] == 504, "the end of the time for stale answers")
    assert set(seen) <= {"Updating", 504}
    before = gateway.waits()
    late = gateway.client()
    late.request("GET", target)
    wait_until(lambda: gateway.waits() > before, "it to wait")
    go.set()
    assert late.response().body == b"new"
    late.close()
    assert asked[target] == 2


@pytest.mark.parametrize("notified", [True, False])
def test_end_of_a_tls_connection_that_is_not_announced(origins, start, certs, notified):
    """Where the connection's end is the body's, anybody on the way could cut it: only close_notify makes it whole."""
    def answer(connection, _request):
        connection.send(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nsome of it")
        if notified:
            with contextlib.suppress(OSError):
                connection.sock.unwrap()
        else:
            with socket.socket(fileno=connection.sock.detach()) as plain:
                plain.shutdown(socket.SHUT_RDWR)
        return False
    origin = origins(answer, tls=server_tls(certs / "server.crt", certs / "server.key"))
    gateway = start([service(0, route(plugins=[proxy_cache(**OPEN)]), url=f"https://localhost:{origin.port}/",
                             ca_certificates=str(certs / "ca.crt"), retries=0)])
    with contextlib.suppress(OSError, EOFError):
        gateway.get("/x")
    with contextlib.suppress(OSError, EOFError):
        assert gateway.get("/x").get("X-Cache-Status") == ("Hit" if notified else "Miss")
    assert len(origin.requests) == (1 if notified else 2)


# ---- a purge while the origin makes the answer: that is not what comes after the purge ---------------------------------

def slow(go, *fields, body=b"old"):
    def answer(connection, _request):
        go.wait(HELD)
        connection.send(reply(200, *fields, body=body))
    return answer


def purge_all(it):
    assert it.gateway.control("DELETE", "/proxy-cache").status in (200, 204)


def invalidate(it):
    it.says(body=b"")
    assert it.gateway.ask("POST", "/x", "Content-Length: 0").status == 200


def purge_while_it_is_asked_for(it, by, fields):
    go, count = threading.Event(), it.count
    client = it.then(slow(go, *fields)).send()
    wait_until(lambda: it.count == count + 1, "the request at the origin")
    by(it)
    go.set()
    assert client.response().body == b"old"
    it.says("Cache-Control: max-age=600", body=b"new")
    assert it.gateway.get("/x").body == b"new"


@pytest.mark.parametrize("by", [purge_all, invalidate])
@pytest.mark.parametrize("vary", [[], ["Vary: Accept"]])
@pytest.mark.parametrize("timeout", [int(1000 * HELD), 0])
def test_purge_while_a_new_object_is_asked_for(held, by, vary, timeout):
    purge_while_it_is_asked_for(held(lock_timeout=timeout), by, ["Cache-Control: max-age=600", *vary])


@pytest.mark.parametrize("by", [purge_all, invalidate])
def test_purge_while_it_turns_out_to_be_storable_again(held, by):
    it = held().says("Cache-Control: no-store")
    it.gateway.get("/x")
    purge_while_it_is_asked_for(it, by, ["Cache-Control: max-age=600"])


@pytest.mark.parametrize("by", [purge_all, invalidate])
def test_purge_while_it_is_refreshed_in_the_background(held, by):
    it = held().says("Cache-Control: max-age=60, stale-while-revalidate=100000", "Age: 1000", body=b"old")
    go = threading.Event()
    it.then(slow(go, "Cache-Control: max-age=600"))
    assert [it.gateway.get("/x").body for _ in range(2)] == [b"old"] * 2
    wait_until(lambda: it.count == 2, "the refresh at the origin")
    by(it)
    go.set()
    wait_until(lambda: it.gateway.metrics()['gateway_connections{state="active"}'] == 0, "the refresh to end")
    it.says("Cache-Control: max-age=600", body=b"new")
    assert it.gateway.get("/x").body == b"new"


# ---- what a request has found out of a URL's variants is not true for ever ---------------------------------------------

def test_too_long_to_be_a_variant(held):
    """A request whose value for a field of Vary is too long to be kept gets an answer that is nobody else's."""
    it = held()
    for body in (b"short", b"long", b"other"):
        it.says("Cache-Control: max-age=600", "Vary: X-Who", body=body)
    assert it.gateway.get("/x", "X-Who: a").body == b"short"
    assert it.gateway.get("/x", "X-Who: " + "b" * 9000).body == b"long"
    assert it.gateway.get("/x", "X-Who: c").body == b"other"
    assert it.gateway.get("/x", "X-Who: a").body == b"short"


def test_variants_that_are_purged_while_one_waits(held):
    """Who waited for a variant, and finds that nothing is known of the URL any more, stores its own as a variant again."""
    it, go = held(), threading.Event()
    it.says("Cache-Control: max-age=600", "Vary: X-Who", body=b"a")
    assert it.gateway.get("/x", "X-Who: a").body == b"a"
    filler = it.then(slow(go, "Cache-Control: max-age=600", "Vary: X-Who", body=b"old b")).send("/x", "X-Who: b")
    wait_until(lambda: it.count == 2, "the request at the origin")
    waiter = it.send("/x", "X-Who: b")
    wait_until(lambda: it.gateway.waits() == 1, "the second one to wait")
    purge_all(it)
    it.says("Cache-Control: max-age=600", "Vary: X-Who", body=b"b")
    it.says("Cache-Control: max-age=600", "Vary: X-Who", body=b"c")
    go.set()
    assert filler.response().body == b"old b"
    assert waiter.response().body in (b"old b", b"b")
    assert it.gateway.get("/x", "X-Who: b").body == b"b"
    assert it.gateway.get("/x", "X-Who: c").body == b"c"
