# SPDX-License-Identifier: Apache-2.0
"""oauth2-introspection: an authorization service says whether a token is active and whose it is; what it said is shared by
all workers until the token's exp, and all who ask at the same time ask once."""
import base64
import json
import os
import signal
import socket
import threading
import time
import urllib.parse

import pytest

from harness import (PATIENCE, check, conf_text, free_port, plugin, proxy_cache, reply, route, server_tls, service, stat_of,
                     wait_until)

SLOW = {"timeout": 600000, "ttl": 3600, "negative_ttl": 3600}   # what no test is about does not end in the middle of it
JSON = "Content-Type: application/json"
ALICE = {"username": "alice", "custom_id": "client-a", "acls": ({"group": "staff"},)}
NOBODY = {"username": "nobody"}
SECRET = "Basic Z2F0ZXdheTpzZWNyZXQ="


class Authority:
    """An authorization service: .tokens are answers by token, as objects or as bytes of a whole response; what is not in
    there is inactive. While .go is clear it says nothing."""

    def __init__(self, origins, **options):
        self.go = threading.Event()
        self.go.set()
        self.tokens = {}
        self.origin = origins(self.handle, **options)

    @property
    def port(self):
        return self.origin.port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/oauth/introspect"

    @property
    def questions(self):
        return [r for r in self.origin.requests if r.target.startswith("/oauth/")]

    def asked(self, token):
        return sum(dict(urllib.parse.parse_qsl(q.body.decode())).get("token") == token for q in self.questions)

    def handle(self, connection, request):
        token = dict(urllib.parse.parse_qsl(request.body.decode())).get("token")
        self.go.wait(10 * PATIENCE)
        answer = self.tokens.get(token, {"active": False})
        connection.send(answer if isinstance(answer, bytes) else reply(200, JSON, body=json.dumps(answer)))


@pytest.fixture
def authority(origins):
    made = []

    def make(**options):
        made.append(Authority(origins, **options))
        return made[-1]
    yield make
    for it in made:
        it.go.set()


def gateway_with(start, origin, authority, *more, settings=None, **config):
    config = {"introspection_url": authority.url, **SLOW, **config}
    return start([service(origin.port, route(plugins=(plugin("oauth2-introspection", **config), *more)))],
                 consumers=(ALICE, NOBODY), **(settings or {}))


def bearer(token):
    return f"Authorization: Bearer {token}"


def idle(gateway):
    """Whether the workers have done all that they can do now: what they have been sent waits where it has to."""
    return all(stat_of(pid)[0] == "S" for pid in gateway.pids())


def answered(clients):
    return [client for client in clients if not client.silent(0)]


def crowd(gateway, it, token, n):
    """n clients or more, in more than one worker, that wait for what is said of a token."""
    clients = []

    def come(count):
        for _ in range(count):
            clients.append(gateway.client(timeout=3 * PATIENCE))
            clients[-1].request("GET", "/", bearer(token))
        wait_until(lambda: sum(gateway.streams()) > len(clients) or answered(clients),
                   "all requests and the question in the workers")
    come(n)
    end = time.monotonic() + PATIENCE
    while sum(s > 1 for s in gateway.streams()) < 2 and not answered(clients):
        assert time.monotonic() < end, gateway.streams()
        time.sleep(0.2)         # those who get no processor come to take some
        come(2)
    wait_until(lambda: it.asked(token) >= 1 and idle(gateway) or answered(clients), "the question, and all who wait for it")
    return clients


def in_an_hour():
    return int(time.time()) + 3600


# ---- what is asked, and what follows ------------------------------------------------------------------------------

def test_active(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "scope": "read write", "client_id": "client-a", "username": "alice", "token_type": "Bearer",
                         "exp": in_an_hour(), "iat": 1, "nbf": 2, "sub": "s-1", "aud": ["x", "y"], "iss": "https://i", "jti": "j",
                         "team": "blue", "level": 7, "roles": {"a": [1]}, "unasked": "no"}
    gateway = gateway_with(start, origin, it, authorization_value=SECRET, token_type_hint="access_token",
                           custom_claims_forward=["team", "level", "roles"], custom_introspection_headers={"X-Realm": ["r1"]})
    assert gateway.get("/a?b=c", bearer("good")).status == 200
    question = it.questions[0]
    assert (question.method, question.target) == ("POST", "/oauth/introspect")
    assert question.get("Content-Type") == "application/x-www-form-urlencoded"
    assert question.body == b"token=good&token_type_hint=access_token"
    assert question.get("Authorization") == SECRET and question.get("X-Realm") == "r1"
    assert question.get("Host") == f"127.0.0.1:{it.port}" and "X-Forwarded-For" not in question and "Via" not in question
    got = origin.last
    want = {"Scope": "read write", "Client-ID": "client-a", "Username": "alice", "Token-Type": "Bearer", "Iat": "1", "Nbf": "2",
            "Sub": "s-1", "Aud": "x, y", "Iss": "https://i", "Jti": "j", "Team": "blue", "Level": "7", "Roles": '{"a":[1]}',
            "Identifier": "alice", "Exp": str(it.tokens["good"]["exp"])}
    assert {name: got.all(f"X-Credential-{name}") for name in want} == {name: [value] for name, value in want.items()}
    assert "X-Credential-Unasked" not in got and "X-Anonymous-Consumer" not in got
    assert got.get("X-Consumer-Username") == "alice" and got.get("X-Consumer-Custom-ID") == "client-a"
    assert got.get("Authorization") == "Bearer good"


def test_inactive_and_missing(origin, authority, start):
    it = authority()
    gateway = gateway_with(start, origin, it, realm="r")
    answer = gateway.get("/", bearer("bad"))
    assert answer.status == 401 and answer.json()["message"] == "The access token is invalid or has expired"
    assert answer.get("WWW-Authenticate") == 'Bearer realm="r", error="invalid_token"'
    for fields in ((), ("Authorization: Basic YTpi",), ("Authorization: Bearer",)):
        answer = gateway.get("/", *fields)
        assert answer.status == 401 and answer.json()["message"] == "The access token is missing"
        assert answer.get("WWW-Authenticate") == 'Bearer realm="r"'
    asked = len(it.questions)
    for token in ("a b", 'a"b', "a%0d%0ab", "\xe9", "a,b"):        # no bearer token: nobody is asked
        assert gateway.get("/", bearer(token)).status == 401
    answer = gateway.get("/", bearer("one"), bearer("two"))
    assert answer.status == 400 and len(it.questions) == asked
    assert answer.get("WWW-Authenticate") == 'Bearer realm="r", error="invalid_request"'
    assert origin.requests == []


def test_client_id_and_secret(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "client_id": "client-a"}
    gateway = gateway_with(start, origin, it, client_id="me & you", client_secret="$(env:SECRET)", consumer_by="client_id",
                           settings={"environment": {"SECRET": "p:w"}})
    assert gateway.get("/", bearer("good")).status == 200
    assert base64.b64decode(it.questions[0].get("Authorization").removeprefix("Basic ")) == b"me%20%26%20you:p%3Aw"
    assert origin.last.get("X-Consumer-Username") == "alice" and origin.last.get("X-Credential-Identifier") == "client-a"
    assert "p:w" not in gateway.ctl("routes", "-o", "json").stdout + gateway.log()


def test_consumer_by_username_alone(origin, authority, start):
    """What names a consumer in another way (here its custom_id) does not make its holder that consumer."""
    it = authority()
    it.tokens["other"] = {"active": True, "username": "client-a"}
    gateway = gateway_with(start, origin, it)
    assert gateway.get("/", bearer("other"), "X-Consumer-ID: forged", "X-Consumer-Username: alice").status == 200
    assert "X-Consumer-Username" not in origin.last and "X-Consumer-ID" not in origin.last
    assert origin.last.get("X-Credential-Username") == "client-a"


def test_nothing_can_be_forged(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "sub": "s"}
    gateway = gateway_with(start, origin, it, anonymous="nobody", run_on_preflight=False, custom_claims_forward=["team"])
    forged = ("X-Credential-Scope: admin", "X-Credential-Team: red", "x_credential_scope: admin", "X-Credential-Anything: y",
              "X-Consumer-Username: root", "X-Consumer-Groups: root", "X_Consumer_ID: 1", "X-Anonymous-Consumer: false")
    for fields in ((bearer("good"),), (bearer("bad"),), ()):
        assert gateway.get("/", *fields, *forged).status == 200
        names = {name.lower().replace("_", "-") for name, _ in origin.last.fields}
        told = {n for n in names if n.startswith(("x-credential", "x-consumer", "x-anonymous"))}
        if fields == (bearer("good"),):
            assert told == {"x-credential-sub", "x-credential-identifier"}
        else:
            assert told == {"x-consumer-id", "x-consumer-username", "x-anonymous-consumer"}
            assert origin.last.get("X-Consumer-Username") == "nobody"
    assert gateway.ask("OPTIONS", "/", *forged).status == 200
    assert not [n for n, _ in origin.last.fields if n.lower().replace("_", "-").startswith(("x-credential", "x-consumer", "x-anon"))]


def test_scopes(origin, authority, start):
    it = authority()
    for name, scope in (("both", "read write"), ("admin", "x admin"), ("read", "read"), ("none", None)):
        it.tokens[name] = {"active": True, "scope": scope} if scope else {"active": True}
    gateway = gateway_with(start, origin, it, scopes_required=["read write", "admin"])
    assert gateway.get("/", bearer("both")).status == 200 and gateway.get("/", bearer("admin")).status == 200
    for token in ("read", "none"):
        answer = gateway.get("/", bearer(token))
        assert answer.status == 403
        assert answer.get("WWW-Authenticate") == 'Bearer error="insufficient_scope", scope="read write"'
    assert gateway.get("/", bearer("bad")).status == 401


def test_audience(origin, authority, start):
    it = authority()
    for name, aud in (("ours", "api"), ("both", ["web", "api"]), ("other", "web"), ("joined", "web, api"), ("none", None)):
        it.tokens[name] = {"active": True, "aud": aud} if aud else {"active": True}
    gateway = gateway_with(start, origin, it, audience_required=["api", "mobile"])
    for token, status in (("ours", 200), ("both", 200), ("other", 401), ("joined", 401), ("none", 401)):
        assert gateway.get("/", bearer(token)).status == status, token


def test_where_tokens_are_looked_for(origin, authority, start):
    it = authority()
    it.tokens["good"] = it.tokens["a+b="] = {"active": True}
    gateway = gateway_with(start, origin, it)
    assert gateway.get("/?access_token=good").status == 401
    assert gateway.ask("POST", "/", "Content-Type: application/x-www-form-urlencoded", body=b"access_token=good").status == 401
    gateway = gateway_with(start, origin, it, header_names=["X-Token"], uri_param_names=["access_token"], hide_credentials=True)
    assert gateway.get("/", bearer("good")).status == 401
    assert gateway.get("/", "X-Token: Bearer good").status == 200 and "X-Token" not in origin.last
    assert gateway.get("/p?a=1&access%5Ftoken=a%2Bb%3D&b=2").status == 200
    assert origin.last.target == "/p?a=1&b=2"
    assert gateway.ask("POST", "/", "Content-Type: application/x-www-form-urlencoded", body=b"access_token=good").status == 401


def test_introspect_request(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True}
    gateway = gateway_with(start, origin, it, introspect_request=True)
    for method, path in (("GET", "/one"), ("GET", "/two"), ("PUT", "/two"), ("GET", "/one")):
        assert gateway.ask(method, path, bearer("good")).status == 200
    assert [(q.get("X-Request-Http-Method"), q.get("X-Request-Path")) for q in it.questions] == \
        [("GET", "/one"), ("GET", "/two"), ("PUT", "/two")]


# ---- with others --------------------------------------------------------------------------------------------------

def test_with_other_authentication(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "username": "stranger"}
    bob = {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)}

    def one(*plugins):
        return start([service(origin.port, route(plugins=plugins))], consumers=(ALICE, NOBODY, bob))
    asks = plugin("oauth2-introspection", introspection_url=it.url, **SLOW)
    gateway = one(asks, plugin("key-auth"))                         # both
    assert gateway.get("/", bearer("good")).status == 401 and gateway.get("/", "apikey: bob-key").status == 401
    assert gateway.get("/", bearer("good"), "apikey: bob-key").status == 200
    gateway = one(plugin("oauth2-introspection", introspection_url=it.url, anonymous="nobody", **SLOW),
                  plugin("key-auth", anonymous="nobody"))
    assert gateway.get("/", bearer("good")).status == 200           # either, or nobody
    assert "X-Anonymous-Consumer" not in origin.last and "X-Consumer-ID" not in origin.last
    assert origin.last.get("X-Credential-Identifier") == "stranger"
    assert gateway.get("/", bearer("bad"), "apikey: bob-key").status == 200
    assert origin.last.get("X-Consumer-Username") == "bob" and "X-Anonymous-Consumer" not in origin.last
    assert gateway.get("/").status == 200 and origin.last.get("X-Anonymous-Consumer") == "true"
    gateway = one(asks, plugin("acl", allow=["staff"]))
    it.tokens["alice"] = {"active": True, "username": "alice"}
    assert gateway.get("/", bearer("alice")).status == 200 and gateway.get("/", bearer("good")).status != 200


def test_cached_responses_are_told_apart_by_who_asks(origin, authority, start):
    """Somebody who is no consumer is still somebody: what was stored for one is not another's."""
    it = authority()
    it.tokens["one"], it.tokens["two"] = {"active": True, "sub": "one"}, {"active": True, "sub": "two"}
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Credential-Sub")))
    gateway = gateway_with(start, origin, it, proxy_cache(), header_names=["X-Token"])
    for token, state in (("one", "Miss"), ("two", "Miss"), ("one", "Hit"), ("two", "Hit")):
        answer = gateway.get("/", f"X-Token: Bearer {token}")
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (token, state)


def test_what_the_upstream_is_told_changes_nothing_about_who_asks(origin, authority, start):
    """A transformer may take the credential's name out of what is sent; the cache and the limits still know it."""
    it = authority()
    it.tokens["one"], it.tokens["two"] = {"active": True, "sub": "one"}, {"active": True, "sub": "two"}
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Credential-Sub")))
    gateway = gateway_with(start, origin, it, plugin("request-transformer", remove={"headers": ["X-Credential-Identifier"]}),
                           proxy_cache(), header_names=["X-Token"])
    for token, state in (("one", "Miss"), ("two", "Miss"), ("one", "Hit"), ("two", "Hit")):
        answer = gateway.get("/", f"X-Token: Bearer {token}")
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (token, state)
    assert "X-Credential-Identifier" not in origin.last


def test_strangers_are_limited_one_by_one(origin, authority, start):
    """Who is no consumer is counted by the credential, as with Kong, and not together with all who come from his address."""
    it = authority()
    it.tokens["one"], it.tokens["two"] = {"active": True, "sub": "one"}, {"active": True, "sub": "two"}
    gateway = gateway_with(start, origin, it, plugin("rate-limiting", year=1, limit_by="consumer"))
    assert [gateway.get("/", bearer(token)).status for token in ("one", "two", "one", "two")] == [200, 200, 429, 429]


def test_cached_responses_are_told_apart_behind_one_consumer(origin, authority, start):
    """Where the consumer is the application, those who use it are still told apart."""
    it = authority()
    for name in ("one", "two"):
        it.tokens[name] = {"active": True, "client_id": "client-a", "username": name}
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Credential-Username")))
    gateway = gateway_with(start, origin, it, proxy_cache(), header_names=["X-Token"], consumer_by="client_id")
    for name, state in (("one", "Miss"), ("two", "Miss"), ("one", "Hit"), ("two", "Hit")):
        answer = gateway.get("/", f"X-Token: Bearer {name}")
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (name, state)
    assert origin.last.get("X-Consumer-Username") == "alice"


def test_cached_responses_are_told_apart_by_what_a_token_may_do(origin, authority, start):
    """A token of fewer rights gets nothing that was stored for one of more; a new one with the same rights does."""
    it = authority()
    for name, scope in (("all", "read admin"), ("few", "read"), ("few2", "read")):
        it.tokens[name] = {"active": True, "username": "alice", "scope": scope, "jti": name, "exp": int(time.time()) + 900 + len(name)}
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Credential-Scope")))
    gateway = gateway_with(start, origin, it, proxy_cache(), header_names=["X-Token"])
    for name, scope, state in (("all", "read admin", "Miss"), ("few", "read", "Miss"), ("few2", "read", "Hit"), ("all", "read admin", "Hit")):
        answer = gateway.get("/", f"X-Token: Bearer {name}")
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (scope, state)


def test_a_body_waits_for_the_answer(origin, authority, start):
    """The verdict comes before the body: 100 Continue is not said until then, and a refused body is never asked for."""
    it = authority()
    it.tokens["good"] = {"active": True}
    gateway = gateway_with(start, origin, it)
    it.go.clear()
    client = gateway.client()
    client.request("POST", "/", bearer("good"), "Expect: 100-continue", "Content-Length: 5")
    wait_until(lambda: it.asked("good") == 1, "the question")
    assert client.silent()
    it.go.set()
    assert client.read_head().status == 100
    client.send(b"hello")
    assert client.response().status == 200 and origin.last.body == b"hello"
    client.request("POST", "/", bearer("bad"), "Expect: 100-continue", "Content-Length: 5")
    answer = client.response()
    assert answer.status == 401 and answer.interim == []
    client.close()


# ---- how long an answer holds -------------------------------------------------------------------------------------

def test_answers_are_kept(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "exp": in_an_hour()}
    gateway = gateway_with(start, origin, it, ttl=600, negative_ttl=600, settings={"workers": 3})
    for _ in range(20):                                             # over all workers; revoked within ttl: not seen
        assert gateway.get("/", bearer("good")).status == 200
        assert gateway.get("/", bearer("bad")).status == 401
        it.tokens["good"] = {"active": False}
    assert it.asked("good") == 1 and it.asked("bad") == 1
    gateway.reload()
    assert gateway.get("/", bearer("good")).status == 200 and it.asked("good") == 1
    before = gateway.pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    gateway.replaced(*before, count=3)
    assert gateway.get("/", bearer("good")).status == 200 and it.asked("good") == 1
    gateway.write(services=(service(origin.port, route(plugins=(
        plugin("oauth2-introspection", introspection_url=it.url, token_type_hint="x", **SLOW),))),))
    gateway.reload()                                                # another question: its answer is not known
    assert gateway.get("/", bearer("good")).status == 401 and it.asked("good") == 2


def test_answers_end(origin, authority, start):
    it = authority()
    it.tokens["good"] = {"active": True, "exp": in_an_hour()}
    gateway = gateway_with(start, origin, it, ttl=0.2, negative_ttl=0.2)
    assert gateway.get("/", bearer("good")).status == 200
    it.tokens["good"] = {"active": False}
    wait_until(lambda: gateway.get("/", bearer("good")).status == 401, "the end of the answer")
    it.tokens["good"] = {"active": True}
    wait_until(lambda: gateway.get("/", bearer("good")).status == 200, "the end of the refusal")


def test_exp_ends_an_answer(origin, authority, start):
    it = authority()
    gateway = gateway_with(start, origin, it, ttl=3600)
    for life in (2, 5, 20, 60):                                     # s; on a slow machine it may be over at once
        it.tokens[f"short{life}"] = {"active": True, "exp": time.time() + life}
        if held := gateway.get("/", bearer(f"short{life}")).status == 200:
            break
    assert held
    wait_until(lambda: gateway.get("/", bearer(f"short{life}")).status == 401, "the token's exp")
    assert it.asked(f"short{life}") >= 2                            # it was asked about again, and exp refused it
    it.tokens["old"] = {"active": True, "exp": int(time.time()) - 1}
    assert gateway.get("/", bearer("old")).status == 401


def test_ttl_0_is_until_exp(origin, authority, start):
    it = authority()
    it.tokens["dated"], it.tokens["undated"] = {"active": True, "exp": in_an_hour()}, {"active": True}
    gateway = gateway_with(start, origin, it, ttl=0)
    for _ in range(3):
        assert gateway.get("/", bearer("dated")).status == 200 and gateway.get("/", bearer("undated")).status == 200
    assert it.asked("dated") == 1 and it.asked("undated") == 3


def test_answers_are_not_in_the_cache(origin, authority, start):
    """Neither the HTTP cache nor what looks into it knows of tokens."""
    it = authority()
    it.tokens["tok3n-s3cret"] = {"active": True, "sub": "s3cret-subject"}
    gateway = gateway_with(start, origin, it, proxy_cache())
    assert gateway.get("/", bearer("tok3n-s3cret")).status == 200
    for command in (("cache", "ls"), ("cache", "stat"), ("status",), ("stat",), ("upstreams",), ("-o", "json", "cache", "ls")):
        done = gateway.ctl(*command)
        assert "s3cret" not in done.stdout + done.stderr
    assert "s3cret" not in gateway.log() + gateway.status().body.decode() + gateway.status("/metrics").body.decode()


# ---- who asks at the same time ------------------------------------------------------------------------------------

@pytest.mark.parametrize("active", [True, False])
def test_one_question_for_all(origin, authority, start, active):
    it = authority()
    it.tokens["good"] = {"active": active, "sub": "s"}
    gateway = gateway_with(start, origin, it, settings={"workers": 4})
    it.go.clear()
    clients = crowd(gateway, it, "good", 100)
    it.go.set()
    assert {client.response().status for client in clients} == {200 if active else 401}
    assert it.asked("good") == 1 and len(it.questions) == 1
    for client in clients:
        client.close()


def test_who_asks_leaves(origin, authority, start):
    """The question goes on: others wait for its answer."""
    it = authority()
    it.tokens["good"] = {"active": True}
    gateway = gateway_with(start, origin, it, settings={"workers": 3})
    it.go.clear()
    clients = crowd(gateway, it, "good", 12)
    before = sum(gateway.streams())
    clients.pop(0).close()                                          # most likely the one that began it
    clients.pop().reset()
    wait_until(lambda: sum(gateway.streams()) == before - 2, "the two to be gone")
    it.go.set()
    assert {client.response().status for client in clients} == {200}
    assert it.asked("good") == 1
    for client in clients:
        client.close()


def test_death_of_the_worker_that_asks(origin, authority, start):
    """Those who wait in other workers are told at once, and one of them asks in its place."""
    it = authority()
    it.tokens["good"] = {"active": True}
    gateway = gateway_with(start, origin, it, settings={"workers": 4})
    it.go.clear()
    clients = crowd(gateway, it, "good", 40)
    asking = gateway.holder(it.origin.connections[-1])
    os.kill(asking, signal.SIGKILL)
    wait_until(lambda: it.asked("good") == 2, "another to ask")
    it.go.set()
    statuses = []
    for client in clients:
        try:
            statuses.append(client.response().status)
        except (EOFError, ConnectionError):                         # it was the dead worker's
            statuses.append(None)
        client.close()
    assert set(statuses) <= {200, None} and 200 in statuses
    assert it.asked("good") == 2
    assert gateway.get("/", bearer("good")).status == 200 and it.asked("good") == 2


def test_a_worker_that_stands_still(origin, authority, start):
    """Who waits for what a stopped worker asks waits no longer than timeout."""
    it = authority()
    it.go.clear()
    for timeout in (3000, 10000, 40000):                            # a slow machine takes long to have all of them waiting
        gateway = gateway_with(start, origin, it, timeout=timeout, settings={"workers": 3})
        clients = crowd(gateway, it, f"good{timeout}", 30)
        stopped = wait_until(lambda: answered(clients) or gateway.holders(it.origin.connections[-1:])[0], "the worker that asks")
        if not answered(clients):
            break
    else:
        raise AssertionError("those who wait could not be gathered in 40 s")
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_until(lambda: answered(clients), "an answer of another worker")
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert {client.response().status for client in clients} == {503}
    for client in clients:
        client.close()


def test_instances_that_differ_do_not_share(origin, authority, start):
    """What one keeps for an hour is not known to one that asks every time."""
    it = authority()
    it.tokens["good"] = {"active": True}
    gateway = start([service(origin.port, *(
        route(name, (f"/{name}",), (plugin("oauth2-introspection", introspection_url=it.url, **{**SLOW, "ttl": ttl}),))
        for name, ttl in (("long", 3600), ("none", 0), ("same", 3600))))])
    for path in ("/long", "/none", "/same", "/none", "/long"):
        assert gateway.get(path, bearer("good")).status == 200
    assert it.asked("good") == 3


# ---- services that fail -------------------------------------------------------------------------------------------

BROKEN = {
    "500": reply(500, JSON, body="{}"),
    "401": reply(401, JSON, body='{"error":"invalid_client"}'),
    "redirect": reply(302, "Location: /", body=""),
    "garbage": reply(200, JSON, body="<html>"),
    "empty": reply(200, JSON, body=""),
    "array": reply(200, JSON, body="[true]"),
    "no active": reply(200, JSON, body='{"username":"alice"}'),
    "text active": reply(200, JSON, body='{"active":"true"}'),
    "twice": reply(200, JSON, body='{"active":false,"active":true}'),
    "exp": reply(200, JSON, body='{"active":true,"exp":"tomorrow"}'),
    "line": reply(200, JSON, body='{"active":true,"sub":"a\\r\\nX-Evil: 1"}'),
    "huge": reply(200, JSON, body=b'{"active":true,"x":"' + b"x" * 200000 + b'"}'),
    "scope of words": reply(200, JSON, body='{"active":true,"scope":["read admin"]}'),
    "large claim": reply(200, JSON, body=b'{"active":true,"sub":"' + b"x" * 20000 + b'"}'),
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_answers_that_cannot_be_used(origin, authority, start, kind):
    it = authority()
    it.tokens["good"] = BROKEN[kind]
    gateway = gateway_with(start, origin, it)
    answer = gateway.get("/", bearer("good"))
    assert answer.status == 503 and answer.json()["message"] == "The access token could not be checked"
    assert origin.requests == []
    it.tokens["good"] = {"active": True}                            # nothing of it was kept
    assert gateway.get("/", bearer("good")).status == 200


def counters(gateway):
    now = gateway.metrics()
    return [int(now[f"gateway_introspection_{name}_total"]) for name in ("questions", "remembered", "refusals", "failures")]


def test_metrics(origin, authority, start):
    it = authority()
    it.tokens = {"good": {"active": True}, "broken": BROKEN["500"]}
    gateway = gateway_with(start, origin, it, negative_ttl=600, ttl=600)
    assert counters(gateway) == [0, 0, 0, 0]
    assert [gateway.get("/", bearer(token)).status for token in ("good", "good", "bad", "bad", "broken")] == [200, 200, 401, 401, 503]
    wait_until(lambda: counters(gateway) == [3, 2, 1, 1], "three questions, two of them asked again")


def test_how_long_an_answer_may_be(origin, authority, start):
    it = authority()
    for n in (1024, 1025, 4096, 4097, 5000, 100000, 100001):
        head = b'{"active":true,"x":"'
        it.tokens[f"t{n}"] = reply(200, JSON, body=head + b"x" * (n - len(head) - 2) + b'"}')
    for limit, fine, too_long in ((1024, (1024,), (1025,)), (5000, (4096, 4097, 5000), (100000,)), (100000, (100000,), (100001,))):
        gateway = gateway_with(start, origin, it, max_answer_size=limit)
        for n in fine:
            assert gateway.get("/", bearer(f"t{n}")).status == 200
        for n in too_long:
            assert gateway.get("/", bearer(f"t{n}")).status == 503
        gateway.wait_log("no answer to a question: the answer is too long")


def test_a_service_that_holds_long_answers_takes_no_memory_from_others(origin, authority, start):
    it = authority()
    more = threading.Event()

    def handle(connection, request):
        token = dict(urllib.parse.parse_qsl(request.body.decode()))["token"]
        if token == "good":
            connection.send(reply(200, JSON, body=b'{"active":true}'))
            return
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 65000\r\n\r\n" + "x" * 60000)    # and no end
        more.wait(10 * PATIENCE)
    it.origin.handler = handle
    gateway = gateway_with(start, origin, it, settings={"workers": 1})
    clients = [gateway.client(timeout=3 * PATIENCE) for _ in range(250)]       # 250 * 64k is twice what there is
    for i, client in enumerate(clients):
        client.request("GET", "/", bearer(f"bad{i}"))
    refused = wait_until(lambda: answered(clients), "some that cannot be had", 3 * PATIENCE)
    assert refused[0].response().status == 503
    gateway.wait_log("the answers under way are too many and too long")
    wait_until(lambda: len(it.questions) == 250, "all questions", 3 * PATIENCE)
    assert gateway.get("/", bearer("good")).status == 200                       # a small one has its room
    more.set()
    for client in clients:
        client.close()


def test_no_service(origin, authority, start):
    port = free_port()
    closed = f"http://127.0.0.1:{port}/oauth/introspect"
    it = authority()
    gateway = gateway_with(start, origin, it, introspection_url=closed, anonymous="nobody")
    assert gateway.get("/", bearer("good")).status == 503           # a dead service makes nobody anonymous
    assert gateway.get("/").get("X-Anonymous-Consumer") is None and origin.last.get("X-Anonymous-Consumer") == "true"
    gateway = gateway_with(start, origin, it, introspection_url=closed, on_error="allow")
    assert gateway.get("/", bearer("good"), "X-Consumer-ID: me", "X-Credential-Sub: me").status == 200
    assert "X-Consumer-ID" not in origin.last and "X-Credential-Sub" not in origin.last
    assert gateway.get("/").status == 401
    gateway = gateway_with(start, origin, it, introspection_url=closed, on_error="allow", anonymous="nobody")
    assert gateway.get("/", bearer("good")).status == 200 and origin.last.get("X-Consumer-Username") == "nobody"


def test_slow_service(origin, authority, start):
    it = authority()
    gateway = gateway_with(start, origin, it, timeout=300)
    it.go.clear()
    assert gateway.get("/", bearer("good")).status == 503
    it.go.set()

    def trickle(connection, _request):
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):                                       # no single step is slow
            connection.send(b" ")
            time.sleep(0.05)
    it.origin.handler = trickle
    assert gateway.get("/", bearer("good")).status == 503


def test_many_wait_for_a_dead_service(origin, authority, start):
    """One failure is told to all who wait, in all workers: they do not queue up for one of their own each."""
    it = authority()
    it.tokens["good"] = reply(500, body="")
    gateway = gateway_with(start, origin, it, settings={"workers": 3})
    it.go.clear()
    clients = crowd(gateway, it, "good", 30)
    it.go.set()
    assert {client.response().status for client in clients} == {503}
    assert it.asked("good") == 1
    for client in clients:
        client.close()


def test_others_go_on_meanwhile(origin, authority, start):
    it = authority()
    it.tokens["known"] = {"active": True}
    gateway = gateway_with(start, origin, it, settings={"workers": 1})
    assert gateway.get("/", bearer("known")).status == 200
    it.go.clear()
    waiting = gateway.client()
    waiting.request("GET", "/", bearer("other"))
    wait_until(lambda: it.asked("other") == 1, "the question")
    for _ in range(5):
        assert gateway.get("/", bearer("known")).status == 200
    assert waiting.silent()
    it.go.set()
    assert waiting.response().status == 401
    waiting.close()


def test_a_kept_connection_that_was_closed(origin, authority, start):
    """A service that closes idle connections costs no request an error."""
    it = authority()
    for i in range(8):
        it.tokens[f"t{i}"] = {"active": True}
    gateway = gateway_with(start, origin, it, settings={"workers": 1})
    for i in range(8):
        assert gateway.get("/", bearer(f"t{i}")).status == 200
        if i % 2:
            it.origin.connections[-1].sock.shutdown(socket.SHUT_RDWR)
    assert 1 < len(it.origin.connections) <= 8


def test_upstream_as_service(origin, origins, authority, start):
    """The host may be an upstream: balancing, health and retries are its own."""
    it = authority()
    it.tokens["good"] = it.tokens["more"] = {"active": True}
    dead = free_port()
    gateway = start([service(origin.port, route(plugins=(
        plugin("oauth2-introspection", introspection_url="http://authority/oauth/introspect?tenant=7", **SLOW),)))],
        upstreams=({"name": "authority", "targets": ({"target": f"127.0.0.1:{dead}", "weight": 100},
                                                     {"target": f"127.0.0.1:{it.port}", "weight": 100})},))
    assert gateway.get("/", bearer("good")).status == 200 and gateway.get("/", bearer("more")).status == 200
    assert {q.target for q in it.questions} == {"/oauth/introspect?tenant=7"} and it.questions[0].get("Host") == "authority"


def test_tls_service(origin, authority, start, certs):
    it = authority(tls=server_tls(certs / "server.crt", certs / "server.key"))
    it.tokens["good"] = {"active": True}
    url = f"https://localhost:{it.port}/oauth/introspect"
    gateway = gateway_with(start, origin, it, introspection_url=url, ca_certificates=str(certs / "ca.crt"))
    assert gateway.get("/", bearer("good")).status == 200
    gateway = gateway_with(start, origin, it, introspection_url=url)            # an authority that nobody trusts
    assert gateway.get("/", bearer("good")).status == 503
    gateway = gateway_with(start, origin, it, introspection_url=url, tls_verify=False)
    assert gateway.get("/", bearer("good")).status == 200


# ---- oauth_service_url, and a table of routes ---------------------------------------------------------------------

def test_service_that_answers_by_status(origin, origins, start):
    answers = {"good": reply(200, body=""), "claims": reply(200, JSON, body='{"sub":"s","username":"alice"}'),
               "no": reply(401, body="x"), "forbidden": reply(403, body="x"), "valid": reply(200, JSON, body='{"valid":true}'),
               "invalid": reply(200, JSON, body='{"valid":false}'), "html": reply(200, body="<html>"), "lost": reply(404, body="")}
    asked = []

    def validate(connection, request):
        asked.append(request)
        connection.send(answers[request.get("Authorization").removeprefix("Bearer ")])
    it = origins(validate)
    gateway = start([service(origin.port, route(plugins=(
        plugin("oauth2-introspection", oauth_service_url=f"http://127.0.0.1:{it.port}/",
               token_validation_endpoint="/api/auth/validate", **SLOW),)))],
        consumers=(ALICE,))
    for token, status in (("good", 200), ("claims", 200), ("no", 401), ("forbidden", 401), ("valid", 200), ("invalid", 401),
                          ("html", 503), ("lost", 503)):
        assert gateway.get("/", bearer(token)).status == status, token
    assert {(q.method, q.target, q.body) for q in asked} == {("GET", "/api/auth/validate", b"")}
    assert gateway.get("/", bearer("claims")).status == 200 and origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get("/", bearer("good")).status == 200 and len(origin.last.get("X-Credential-Identifier")) == 32
    assert len(asked) == 8


def test_path_prefix_table(origins, start):
    """Five applications behind one entry: /oauth and /test are open to all, all else needs a token that the first of them
    has to find valid."""
    apps = {}

    def app(name):
        def answer(connection, request):
            if name == "oauth-service" and request.target == "/api/auth/validate":
                connection.send(reply(200 if request.get("Authorization") == "Bearer good" else 401, body=""))
            else:
                connection.send(reply(200, body=f"{name} {request.target}"))
        return origins(answer)
    for name in ("oauth-service", "admin-portal", "kline-service", "flow-service", "test-service"):
        apps[name] = app(name)
    auth = plugin("oauth2-introspection", oauth_service_url=f"http://127.0.0.1:{apps['oauth-service'].port}",
                  token_validation_endpoint="/api/auth/validate", **SLOW)
    table = (("/oauth", "oauth-service", False), ("/admin", "admin-portal", True), ("/kline", "kline-service", True),
             ("/flow", "flow-service", True), ("/test", "test-service", False), ("/", "admin-portal", True))
    gateway = start([service(apps[name].port, route(f"route-{i}", (path,), (auth,) if auth_required else ()), name=f"app-{i}")
                     for i, (path, name, auth_required) in enumerate(table)])
    for path, name, auth_required in table:
        for target in (path, path.rstrip("/") + "/deep/er?x=1"):
            assert gateway.get(target).status == (401 if auth_required else 200), target
            assert gateway.get(target, bearer("stolen")).status == (401 if auth_required else 200), target
            answer = gateway.get(target, bearer("good"))
            assert answer.status == 200 and answer.body.decode() == f"{name} {target}"
    assert gateway.get("/anything", bearer("good")).body == b"admin-portal /anything"
    assert gateway.get("/oauth/api").status == 200 and gateway.get("/other").status == 401


# ---- configurations that are refused ------------------------------------------------------------------------------

@pytest.mark.parametrize("config, reason", [
    ({}, "introspection_url: is missing, and so is oauth_service_url"),
    ({"introspection_url": "ftp://x/"}, "is not a URL"),
    ({"introspection_url": "http://u:pw@x/"}, "must not have a user or password"),
    ({"introspection_url": "http://x/", "oauth_service_url": "http://y"}, "cannot be used with introspection_url"),
    ({"introspection_url": "http://x/", "client_id": "a"}, "client_secret: is missing"),
    ({"introspection_url": "http://x/", "on_error": "maybe"}, "on_error"),
    ({"introspection_url": "http://x/", "keepalive": 0}, "keepalive: 0 is out of range"),
    ({"oauth_service_url": "http://x", "authorization_value": "Basic x"}, "it is shown the token"),
    ({"introspection_url": "https://x/", "ca_certificates": "/nowhere.pem"}, "ca_certificates"),
])
def test_refused(config, reason):
    done = check(conf_text({"prefix": "{dir}", "plugins": (plugin("oauth2-introspection", **config),)}))
    assert done.returncode != 0 and reason in done.stdout + done.stderr
    assert "pw" not in done.stdout + done.stderr
