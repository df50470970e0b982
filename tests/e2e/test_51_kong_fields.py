# SPDX-License-Identifier: Apache-2.0
"""The plugins about access as Kong's users know them: fields, texts and header fields that other tests do not meet, and
requests that are made to deceive."""
import hashlib
import hmac
import json
import time

import pytest

from harness import base64url, check, conf_text, plugin, proxy_cache, reply, route, service, token

SECRET = "a-secret-of-at-least-thirty-two-bytes"
ALICE = {"username": "alice", "keyauth_credentials": ({"key": "alice key+%"}, {"key": "alice-key"}),
         "jwt_secrets": ({"key": "issuer", "secret": SECRET},)}
BOB = {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)}


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=(ALICE, BOB), **settings)


def said(answer):
    return answer.status, answer.json().get("message"), answer.get("WWW-Authenticate")


# ---- key-auth

def test_key_auth_texts(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"))
    assert said(gateway.get("/")) == (401, "No API key found in request", "Key")
    assert said(gateway.get("/", "apikey: no")) == (401, "Unauthorized", "Key")
    gateway = gateway_with(start, origin, plugin("key-auth", realm="mine"))
    assert said(gateway.get("/")) == (401, "No API key found in request", 'Key realm="mine"')
    assert origin.requests == []


@pytest.mark.parametrize("target, fields", [("/", ("apikey: alice-key", "apikey: bob-key")), ("/", ("apikey: alice-key",) * 2),
                                            ("/?apikey=alice-key&apikey=bob-key", ()), ("/?apikey=alice-key&%61pikey=alice-key", ())])
def test_a_key_given_twice_is_refused(origin, start, target, fields):
    gateway = gateway_with(start, origin, plugin("key-auth"))
    assert said(gateway.get(target, *fields)) == (401, "Duplicate API key found", "Key")
    assert origin.requests == []


def test_keys_in_queries_are_decoded_and_hidden_in_every_spelling(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", hide_credentials=True, key_names=["apikey", "other"]))
    for target, sent in (("/?a=%20&apikey=alice+key%2B%25&b", "/?a=%20&b"), ("/?%61pi%6bey=alice%2Dkey", "/"), ("/?apikey=alice-key&other=x", "/")):
        assert gateway.get(target, "Other: y").status == 200 and origin.last.target == sent, target
        assert "Other" not in origin.last
    assert gateway.get("/?apikey=no&x=1", "apikey: alice-key").status == 200 and origin.last.target == "/?x=1"    # the header goes first
    assert "apikey" not in origin.last and origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get("/?apikey=alice-key", "apikey;: x").status == 400


def test_key_in_body_is_refused_at_load():
    done = check(conf_text({"plugins": (plugin("key-auth", key_in_body=True),)}))
    assert done.returncode != 0 and "key_in_body: cannot be true: the body is streamed, not read" in done.stderr


def test_huge_credentials(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="bob"), plugin("jwt", anonymous="bob"), plugin("basic-auth", anonymous="bob"),
                           plugin("hmac-auth"), client_header_buffer_size="64k")
    long = "x" * 30000
    for field in (f"apikey: {long}", f"Authorization: Bearer {long}.{long[:9000]}.x", f"Authorization: Basic {long}",
                  f'Authorization: hmac username="{long}", algorithm="hmac-sha256", headers="{"date " * 900}", signature="AA=="'):
        assert gateway.get("/", field).status == 401
    assert origin.requests == []


# ---- jwt

def refused(gateway, value):
    answer = gateway.get("/", f"Authorization: Bearer {value}")
    assert answer.get("WWW-Authenticate") == 'Bearer error="invalid_token"', value
    return answer.status, answer.json()


def made(header, claims, secret=SECRET):
    """A token of these texts as they are."""
    text = f"{base64url(header.encode())}.{base64url(claims.encode())}"
    return f"{text}.{base64url(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def test_jwt_texts(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_verify=["exp", "nbf"], maximum_expiration=300))
    now = int(time.time())
    times = {"exp": now + 100, "nbf": now - 5}
    assert said(gateway.get("/")) == (401, "Unauthorized", "Bearer")

    def message(value):
        status, body = refused(gateway, value)
        assert status == 401
        return body.get("message")
    assert message(token({**times}, SECRET)) == "No mandatory 'iss' in claims"
    assert message(token({**times, "iss": ""}, SECRET)) == "Invalid 'iss' in claims"
    assert message(token({**times, "iss": "nobody"}, SECRET)) == "No credentials found for given 'iss'"
    assert message(token({**times, "iss": "issuer"}, SECRET, "HS384")) == "Invalid algorithm"
    assert message(token({**times, "iss": "issuer"}, SECRET + "x")) == "Invalid signature"
    assert message("a.b.c") == "Bad token; invalid JSON"
    assert message(token({**times, "iss": "issuer"}, algorithm="none")) == "Bad token; invalid alg"
    assert refused(gateway, token({"iss": "issuer", "exp": now - 1, "nbf": now + 99}, SECRET)) == \
        (401, {"exp": "token expired", "nbf": "token not valid yet"})
    assert refused(gateway, token({"iss": "issuer", "exp": "x"}, SECRET)) == (401, {"exp": "must be a number", "nbf": "must be a number"})
    assert refused(gateway, token({"iss": "issuer", **times, "exp": now + 9999}, SECRET)) == \
        (401, {"exp": "exceeds maximum allowed expiration"})
    gateway = gateway_with(start, origin, plugin("jwt", realm="mine"))
    assert said(gateway.get("/")) == (401, "Unauthorized", 'Bearer realm="mine"')
    assert gateway.get("/", "Authorization: Bearer a.b.c").get("WWW-Authenticate") == 'Bearer realm="mine", error="invalid_token"'
    assert origin.requests == []


def test_jwt_two_tokens(origin, start):
    """The same one twice is one; two that differ are refused, wherever they are."""
    gateway = gateway_with(start, origin, plugin("jwt", uri_param_names=["jwt", "t"], cookie_names=["c"], header_names=["authorization", "x-token"]))
    one, two = token({"iss": "issuer"}, SECRET), token({"iss": "issuer", "n": 2}, SECRET)
    both = [("/?t=" + one, "Cookie: c=" + two), ("/", "Authorization: Bearer " + one, "X-Token: Bearer " + two), (f"/?jwt={one}&t={two}",),
            (f"/?t={one}&t={two}",), ("/", f"Cookie: c={one}; c={two}"), ("/", "Authorization: Bearer " + one, "Authorization: Bearer " + two)]
    for target, *fields in both:
        answer = gateway.get(target, *fields)
        assert said(answer) == (401, "Multiple tokens provided", 'Bearer error="invalid_token"'), (target, fields)
    assert origin.requests == []
    for target, *fields in both:
        assert gateway.get(target.replace(two, one), *(f.replace(two, one) for f in fields)).status == 200


DECEIVING = {
    "a name twice in the claims": ('{"alg":"HS256"}', '{"iss":"nobody","iss":"issuer"}'),
    "a name twice in the header": ('{"alg":"none","alg":"HS256"}', '{"iss":"issuer"}'),
    "what must be understood": ('{"alg":"HS256","crit":["b64"],"b64":false}', '{"iss":"issuer"}'),
    "an empty crit": ('{"alg":"HS256","crit":[]}', '{"iss":"issuer"}'),
    "a NUL in the issuer": ('{"alg":"HS256"}', '{"iss":"issuer\\u0000x"}'),
    "claims that are a list": ('{"alg":"HS256"}', '["issuer"]'),
    "something behind the claims": ('{"alg":"HS256"}', '{"iss":"issuer"}{"iss":"nobody"}'),
    "a number past all numbers": ('{"alg":"HS256"}', '{"iss":"issuer","exp":1e999}'),
    "an integer past all integers": ('{"alg":"HS256"}', '{"iss":"issuer","exp":99999999999999999999999}'),
    "an exp of the past with a fraction": ('{"alg":"HS256"}', '{"iss":"issuer","exp":1000000000.9}'),
    "a negative exp": ('{"alg":"HS256"}', '{"iss":"issuer","exp":-1}'),
    "an exp that is true": ('{"alg":"HS256"}', '{"iss":"issuer","exp":true}'),
    "an alg in another case": ('{"alg":"hs256"}', '{"iss":"issuer"}'),
    "an alg that is a list": ('{"alg":["HS256"]}', '{"iss":"issuer"}'),
    "depth": ('{"alg":"HS256"}', "[" * 5000 + "]" * 5000),
}


@pytest.mark.parametrize("name", DECEIVING)
def test_jwt_that_deceives(origin, start, name):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_verify=["exp"]), client_header_buffer_size="64k")
    header, claims = DECEIVING[name]
    assert gateway.get("/", "Authorization: Bearer " + made(header, claims)).status == 401
    assert origin.requests == []


def test_jwt_with_fractions_and_far_times(origin, start):
    """NumericDate may have a fraction (RFC 7519 section 2), and may be further away than any clock counts."""
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_verify=["exp", "nbf"]))
    for exp in (time.time() + 90.5, 9e15, 9223372036854775807, 1e300):
        value = made('{"alg":"HS256"}', json.dumps({"iss": "issuer", "exp": exp, "nbf": 0.5}))
        for _ in range(2):      # the second time it is remembered
            assert gateway.get("/", "Authorization: Bearer " + value).status == 200, exp
    assert gateway.get("/", "Authorization: Bearer " + made('{"alg":"HS256"}', '{"iss":"issuer","exp":9e15,"nbf":1e300}')).status == 401


# ---- cors

PREFLIGHT = ("Origin: https://a.example", "Access-Control-Request-Method: PUT")


def allowed(message):
    return {name: value for name, value in message.fields if name.lower().startswith("access-control") or name.lower() == "vary"}


def test_cors_fields_of_a_preflight(origin, start):
    gateway = gateway_with(start, origin, plugin("cors", methods=["GET", "PUT"], headers=["X-A", "X-B"], private_network=True, origins=["*"]))
    assert allowed(gateway.ask("OPTIONS", "/", *PREFLIGHT, "Access-Control-Request-Private-Network: true", "Access-Control-Request-Headers: x-c")) == \
        {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "X-A,X-B", "Access-Control-Allow-Methods": "GET,PUT",
         "Access-Control-Allow-Private-Network": "true"}
    assert "Access-Control-Allow-Private-Network" not in gateway.ask("OPTIONS", "/", *PREFLIGHT)
    gateway = gateway_with(start, origin, plugin("cors"))
    answer = gateway.ask("OPTIONS", "/", *PREFLIGHT, "Access-Control-Request-Private-Network: true")
    assert not {"Access-Control-Allow-Private-Network", "Access-Control-Max-Age", "Access-Control-Allow-Headers",
                "Access-Control-Allow-Credentials"} & set(allowed(answer))
    assert origin.requests == []
    for fields in (PREFLIGHT[:1], PREFLIGHT[1:]):       # no preflight
        assert gateway.ask("OPTIONS", "/", *fields).status == 200
    assert len(origin.requests) == 2


def test_cors_any_origin_with_credentials(origin, start):
    """"*" and credentials exclude each other: the origin is named, and caches are told."""
    gateway = gateway_with(start, origin, plugin("cors", origins=["*"], credentials=True))
    for name in ("https://a.example", "null"):
        assert allowed(gateway.get("/", f"Origin: {name}")) == {"Access-Control-Allow-Origin": name, "Access-Control-Allow-Credentials": "true",
                                                                "Vary": "Origin"}
    assert allowed(gateway.get("/")) == {"Access-Control-Allow-Origin": "*", "Vary": "Origin"}
    gateway = gateway_with(start, origin, plugin("cors", origins=["https://a.example"], credentials=True))
    for fields in ((), ("Origin: https://evil.example",)):      # one origin: it is named to all, as Kong does
        assert allowed(gateway.get("/", *fields)) == {"Access-Control-Allow-Origin": "https://a.example",
                                                      "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def test_cors_origin_absent(origin, start):
    gateway = gateway_with(start, origin, plugin("cors", allow_origin_absent=False, exposed_headers=["X-A"]))
    assert set(allowed(gateway.get("/"))) == {"Vary"}
    assert allowed(gateway.get("/", "Origin: https://a.example")) == {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-A",
                                                                      "Vary": "Origin"}


def test_cors_patterns_are_for_the_whole_origin(origin, start):
    gateway = gateway_with(start, origin, plugin("cors", origins=[r"https://a\.example|https://b\.example", r"(.*\.)?c\.example", "https://d.example:443"]))
    for name in ("https://a.example", "https://b.example", "http://c.example:81", "https://x.c.example", "https://d.example"):
        assert gateway.get("/", f"Origin: {name}").get("Access-Control-Allow-Origin") == name
    for name in ("https://a.example.evil", "xhttps://b.example", "https://b.examplex", "https://xc.example", "https://c.example.evil",
                 "https://evil/c.example", "https://evil?.c.example", "null", "https://aXexample", "http://d.example"):
        assert "Access-Control-Allow-Origin" not in gateway.get("/", f"Origin: {name}"), name
    assert "Access-Control-Allow-Origin" not in gateway.get("/", "Origin: https://a.example", "Origin: https://evil.example")


def test_cors_preflight_continue_through_authentication(origin, start):
    """The upstream answers preflights only where who authenticates lets them through."""
    origin.handler = lambda connection, request: connection.send(reply(204, "Access-Control-Allow-Origin: mine", length=False))
    gateway = gateway_with(start, origin, plugin("cors", preflight_continue=True), plugin("key-auth"))
    assert gateway.ask("OPTIONS", "/", *PREFLIGHT).status == 401 and origin.requests == []
    gateway = gateway_with(start, origin, plugin("cors", preflight_continue=True), plugin("key-auth", run_on_preflight=False))
    answer = gateway.ask("OPTIONS", "/", *PREFLIGHT)
    assert answer.status == 204 and answer.all("Access-Control-Allow-Origin") == ["mine"]


# ---- what is stored for one is not another's

def test_cached_answers_of_each_consumer(origin, start):
    """Also where the anonymous consumer is one who may be known by a key."""
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Consumer-Username", "-") + request.get("X-Anonymous-Consumer", "")))
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="bob", hide_credentials=True), proxy_cache())
    seen = [gateway.get("/", *fields).body for fields in (("apikey: alice-key",), ("apikey: bob-key",), (), ("apikey: alice-key",), ("apikey: no",))]
    assert seen == [b"alice", b"bob", b"bobtrue", b"alice", b"bobtrue"]


# ---- settings that are refused

@pytest.mark.parametrize("name, config, reason", [
    ("acl", {"allow": ["a"], "always_use_authenticated_groups": True}, "always_use_authenticated_groups: cannot be true: groups are those of consumers"),
    ("acl", {}, "allow: is empty, and so is deny"), ("acl", {"allow": ["a"], "deny": ["b"]}, "deny: cannot be used with allow"),
    ("ip-restriction", {}, "allow: is empty, and so is deny"), ("ip-restriction", {"deny": ["10.0.0.0/33"]}, "deny: \"10.0.0.0/33\""),
    ("jwt", {"maximum_expiration": 5}, "maximum_expiration: needs \"exp\" among claims_to_verify"), ("jwt", {"claims_to_verify": ["iat"]}, "claims_to_verify"),
    ("jwt", {"anonymous": "who"}, "anonymous: there is no consumer \"who\""), ("hmac-auth", {"algorithms": ["hmac-md5"]}, "algorithms"),
    ("hmac-auth", {"clock_skew": 0}, "clock_skew"), ("cors", {"origins": ["https://("]}, "origins: \"https://(\" is not a valid pattern"),
    ("bot-detection", {"deny": ["("]}, "deny: \"(\" is not a valid pattern"), ("key-auth", {"key_names": []}, "key_names: must not be empty"),
    ("key-auth", {"key_in_header": False, "key_in_query": False}, "a key must be allowed somewhere"), ("basic-auth", {"realms": "x"}, "realms")])
def test_refused_at_load(name, config, reason):
    done = check(conf_text({"plugins": (plugin(name, **config),)}))
    assert done.returncode != 0 and reason in done.stderr, done.stderr
