# SPDX-License-Identifier: Apache-2.0
"""Plugins: key-auth, jwt, correlation-id, request-termination, their order and their scopes."""
import base64
import re
import subprocess
import time
import uuid

import pytest

from harness import check, conf_text, plugin, proxy_cache, raw, reply, route, service, status_of, token

SECRET = "a-secret-of-at-least-thirty-two-bytes"
ALICE = {"username": "alice", "custom_id": "42", "keyauth_credentials": ({"key": "alice-key"},),
         "jwt_secrets": ({"key": "alice-issuer", "algorithm": "HS256", "secret": SECRET},), "acls": ({"group": "customers"},)}
BOB = {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},),
       "jwt_secrets": ({"key": "bob-issuer", "algorithm": "HS512", "secret": SECRET * 2},)}
GUEST = {"username": "guest"}


def gateway_with(start, origin, *plugins, consumers=(ALICE, BOB, GUEST), **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=consumers, **settings)


# ---- key-auth ----------------------------------------------------------------------------------------------------------

def test_key_auth(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"))
    answer = gateway.get("/")
    assert answer.status == 401 and "WWW-Authenticate" in answer and answer.json()["message"] == "No API key found in request"
    answer = gateway.get("/", "apikey: wrong")
    assert answer.status == 401 and answer.json()["message"] in ("Unauthorized", "Invalid authentication credentials")
    assert origin.requests == []
    assert gateway.get("/", "APIKEY: alice-key").status == 200
    seen = origin.last
    assert seen.get("X-Consumer-Username") == "alice" and seen.get("X-Consumer-Custom-ID") == "42"
    assert uuid.UUID(seen.get("X-Consumer-ID")) and seen.get("X-Credential-Identifier")
    assert "X-Anonymous-Consumer" not in seen and seen.get("apikey") == "alice-key"
    assert gateway.get("/?apikey=bob-key&x=1").status == 200
    assert origin.last.get("X-Consumer-Username") == "bob" and origin.last.target == "/?apikey=bob-key&x=1"


def test_key_auth_names_and_places(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", key_names=["x-key", "token"], key_in_query=False))
    assert gateway.get("/", "X-Key: alice-key").status == 200
    assert gateway.get("/", "Token: alice-key").status == 200
    assert gateway.get("/?token=alice-key").status == 401 and gateway.get("/", "apikey: alice-key").status == 401
    gateway = gateway_with(start, origin, plugin("key-auth", key_in_header=False))
    assert gateway.get("/", "apikey: alice-key").status == 401 and gateway.get("/?apikey=alice-key").status == 200


def test_key_auth_hide_credentials(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", hide_credentials=True))
    assert gateway.get("/p?a=1&apikey=alice-key&b=2").status == 200
    assert "alice-key" not in origin.last.raw_head.decode() and origin.last.target == "/p?a=1&b=2"
    assert gateway.get("/p", "apikey: alice-key").status == 200
    assert "apikey" not in origin.last


def test_key_auth_anonymous(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"))
    assert gateway.get("/").status == 200
    assert origin.last.get("X-Anonymous-Consumer") == "true" and origin.last.get("X-Consumer-Username") == "guest"
    assert gateway.get("/", "apikey: alice-key").status == 200
    assert "X-Anonymous-Consumer" not in origin.last


def test_key_auth_preflight(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", run_on_preflight=False))
    assert gateway.ask("OPTIONS", "/").status == 200 and gateway.get("/").status == 401
    gateway = gateway_with(start, origin, plugin("key-auth"))
    assert gateway.ask("OPTIONS", "/").status == 401


def test_consumer_fields_cannot_be_forged(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"))
    gateway.get("/", "apikey: bob-key", "X-Consumer-Username: alice", "X-Consumer-Custom-ID: 42", "X-Consumer-ID: 1",
                "X-Credential-Identifier: 1", "X-Anonymous-Consumer: true", "X-Consumer-Groups: root")
    seen = origin.last
    assert "X-Consumer-Groups" not in seen
    assert seen.all("X-Consumer-Username") == ["bob"] and len(seen.all("X-Consumer-ID")) == 1
    assert seen.get("X-Consumer-ID") != "1" and seen.get("X-Credential-Identifier") != "1"
    assert seen.get("X-Consumer-Custom-ID") != "42" and seen.get("X-Anonymous-Consumer") != "true"


FORGED = ("X-Consumer-Username: root", "X-Consumer-ID: 1", "X_Consumer_Custom_ID: 1", "X-Credential-Identifier: 1",
          "X-Anonymous-Consumer: false", "X-Consumer-Groups: root", "X-Credential-Sub: root", "x_credential_scope: admin")


@pytest.mark.parametrize("plugins", [(), (plugin("key-auth", run_on_preflight=False),), (plugin("jwt", run_on_preflight=False),)])
def test_consumer_fields_cannot_be_forged_where_nobody_is_asked(origin, start, plugins):
    """A route without a plugin that authenticates, and requests that such plugins let through."""
    gateway = gateway_with(start, origin, *plugins)
    assert gateway.ask("OPTIONS", "/", *FORGED, "X-Own: 1").status == 200 and origin.last.get("X-Own") == "1"
    assert [name for name, _ in origin.last.fields if "consumer" in name.lower() or "credential" in name.lower()] == []


def test_templates_and_limits_go_by_who_is_known(origin, start):
    """A header that a plugin set counts, not what the client says under its name."""
    change = plugin("request-transformer", add={"headers": ["X-User:$(headers.x_consumer_username)", "X-Mail:$(headers.x_sub)",
                                                            "X-Old:$(headers.x_own)"]}, remove={"headers": ["X-Own"]})
    limit = plugin("rate-limiting", year=1, limit_by="header", header_name="X-Sub")
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=["sub:X-Sub"]), limit, change)

    def get(sub, *fields):
        return gateway.get("/", f"Authorization: Bearer {token({'iss': 'alice-issuer', 'sub': sub}, SECRET)}", *fields).status
    assert get("ann", "X-Consumer-Username: root", "X-Sub: eve", "X-Own: 1") == 200
    assert [origin.last.get(name) for name in ("X-User", "X-Mail", "X-Old", "X-Own")] == ["alice", "ann", "1", None]
    assert get("ann", "X-Sub: another") == 429 and get("bea") == 200
    gateway = gateway_with(start, origin, change)
    assert gateway.get("/", "X-Consumer-Username: root").status == 200 and not origin.last.get("X-User")


def test_fields_cannot_be_forged_with_underscores(origin, start):
    """Many servers hand "_" and "-" to an application as one."""
    gateway = gateway_with(start, origin, plugin("key-auth"), plugin("acl", deny=["none"]))
    gateway.get("/", "apikey: bob-key", "X_Consumer_Username: alice", "X-Consumer_ID: 1", "x_consumer_groups: root",
                "X_Forwarded_For: 192.0.2.1", "X_Real-IP: 192.0.2.1", "Content_Length: 7", "My_Own: 1")
    seen = origin.last
    for name in "X_Consumer_Username", "X-Consumer_ID", "x_consumer_groups", "X_Forwarded_For", "X_Real-IP", "Content_Length":
        assert name not in seen, name
    assert seen.get("X-Consumer-Username") == "bob" and seen.get("My_Own") == "1"


# ---- jwt ---------------------------------------------------------------------------------------------------------------

def bearer(value):
    return f"Authorization: Bearer {value}"


def claims(**more):
    now = int(time.time())
    return {"iss": "alice-issuer", "nbf": now - 5, "exp": now + 300, **more}


@pytest.fixture
def jwt_gateway(origin, start):
    return gateway_with(start, origin, plugin("jwt", claims_to_verify=["exp", "nbf"]))


def test_jwt_in_header_query_and_cookie(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", cookie_names=["session"]))
    good = token(claims(), SECRET)
    assert gateway.get("/", bearer(good)).status == 200
    assert origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get(f"/?jwt={good}").status == 200
    assert gateway.get("/", f"Cookie: a=b; session={good}; c=d").status == 200
    assert gateway.get("/", f"Cookie: other={good}").status == 401
    assert gateway.get("/", f"Authorization: {good}").status == 401


def test_jwt_missing(jwt_gateway, origin):
    answer = jwt_gateway.get("/")
    assert answer.status == 401 and answer.json()["message"] == "Unauthorized" and "WWW-Authenticate" in answer
    assert origin.requests == []


def bad_tokens():
    now = int(time.time())
    good = token(claims(), SECRET)
    head, body, signature = good.split(".")
    return {
        "wrong secret": token(claims(), "x" * 32),
        "signature of another body": ".".join([token(claims(sub="root"), SECRET).rsplit(".", 1)[0], signature]),
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.x",
        "none": token(claims(), algorithm="none"),
        "None with a capital": token(claims(), SECRET, header={"typ": "JWT", "alg": "None"}),
        "another algorithm of the family": token(claims(), SECRET, "HS512"),
        "expired": token(claims(exp=now - 5), SECRET),
        "not yet": token(claims(nbf=now + 100), SECRET),
        "no exp": token({"iss": "alice-issuer", "nbf": now - 5}, SECRET),
        "exp that is no number": token(claims(exp="soon"), SECRET),
        "unknown issuer": token(claims(iss="mallory"), SECRET),
        "no issuer": token({"nbf": now - 5, "exp": now + 100}, SECRET),
        "issuer that is no string": token(claims(iss=["alice-issuer"]), SECRET),
        "no base64": "!!!.???.###",
        "empty": "",
        "dots": "..",
        "header that is no object": "W10." + body + "." + signature,
        "other consumer's secret": token(claims(iss="bob-issuer"), SECRET, "HS512"),
        "huge": "a" * 9000 + "." + "b" * 1000 + ".c",
    }


@pytest.mark.parametrize("name", bad_tokens())
def test_jwt_refused(jwt_gateway, origin, name):
    answer = jwt_gateway.get("/", bearer(bad_tokens()[name]))
    assert answer.status == 401 and isinstance(answer.json(), dict)
    assert origin.requests == []


def test_jwt_claims_are_named_as_kong_does(jwt_gateway):
    assert jwt_gateway.get("/", bearer(token(claims(), SECRET))).status == 200
    now = int(time.time())
    assert jwt_gateway.get("/", bearer(token(claims(exp=now - 5), SECRET))).json()["exp"] == "token expired"
    assert jwt_gateway.get("/", bearer(token(claims(nbf=now + 99), SECRET))).json()["nbf"] == "token not valid yet"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_jwt_hmac(origin, start, algorithm):
    consumer = {"username": "c", "jwt_secrets": ({"key": "k", "algorithm": algorithm, "secret": SECRET * 2},)}
    gateway = gateway_with(start, origin, plugin("jwt"), consumers=(consumer,))
    assert gateway.get("/", bearer(token({"iss": "k"}, SECRET * 2, algorithm))).status == 200
    assert gateway.get("/", bearer(token({"iss": "k"}, SECRET * 3, algorithm))).status == 401


KEYS = {"RS": "RSA -pkeyopt rsa_keygen_bits:2048", "PS": "RSA -pkeyopt rsa_keygen_bits:2048", "Ed": "ED25519",
        "ES256": "EC -pkeyopt ec_paramgen_curve:P-256", "ES384": "EC -pkeyopt ec_paramgen_curve:P-384",
        "ES512": "EC -pkeyopt ec_paramgen_curve:P-521"}
PUBLIC_KEY_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]


def make_key(directory, options):
    """A private key's file, and the public key in PEM."""
    key = directory / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", *options.split(), "-out", str(key)], check=True, capture_output=True)
    return key, subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("algorithm", PUBLIC_KEY_ALGORITHMS)
def test_jwt_public_key(origin, start, tmp_path, algorithm):
    key, public = make_key(tmp_path, KEYS.get(algorithm) or KEYS[algorithm[:2]])
    consumer = {"username": "c", "jwt_secrets": ({"key": "k", "algorithm": algorithm, "rsa_public_key": public},)}
    gateway = gateway_with(start, origin, plugin("jwt"), consumers=(consumer,))
    good = token({"iss": "k"}, algorithm=algorithm, key_file=key)
    assert gateway.get("/", bearer(good)).status == 200
    at = good.rindex(".") + 10
    assert gateway.get("/", bearer(good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:])).status == 401
    # The public key must never serve as the secret of an HMAC, nor a key of RSA for the other padding.
    assert gateway.get("/", bearer(token({"iss": "k"}, public, "HS256"))).status == 401
    other = {"RS256": "PS256", "PS256": "RS256"}.get(algorithm)
    if other:
        assert gateway.get("/", bearer(token({"iss": "k"}, algorithm=other, key_file=key))).status == 401
        lying = token({"iss": "k"}, algorithm=other, key_file=key, header={"typ": "JWT", "alg": algorithm})
        assert gateway.get("/", bearer(lying)).json()["message"] == "Invalid signature"


def test_jwt_access_token_of_rfc9068(origin, start, tmp_path):
    """A head's typ says what a token is for ("at+jwt"); it is no reason to refuse a signature that holds."""
    key, public = make_key(tmp_path, KEYS["ES256"])
    consumer = {"username": "c", "jwt_secrets": ({"key": "k", "algorithm": "ES256", "rsa_public_key": public},
                                                 {"key": "h", "secret": SECRET})}
    gateway = gateway_with(start, origin, plugin("jwt"), consumers=(consumer,))
    for typ in ({"typ": "at+jwt"}, {"typ": "JWT"}, {"typ": "jwt"}, {}):
        head = {**typ, "alg": "ES256"}
        assert gateway.get("/", bearer(token({"iss": "k"}, algorithm="ES256", key_file=key, header=head))).status == 200
        assert gateway.get("/", bearer(token({"iss": "h"}, SECRET, header={**typ, "alg": "HS256"}))).status == 200


def test_jwt_key_on_another_curve_is_refused_at_once(tmp_path):
    _, public = make_key(tmp_path, "EC -pkeyopt ec_paramgen_curve:secp256k1")
    (tmp_path / "public.pem").write_text(public)
    done = check(conf_text({"consumers": ({"username": "c", "jwt_secrets": (
        {"key": "k", "algorithm": "ES256", "rsa_public_key": f"@{tmp_path}/public.pem"},)},)}))
    assert done.returncode != 0 and "rsa_public_key: is not a key on the curve of the algorithm" in done.stderr


def test_jwt_maximum_expiration(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_verify=["exp"], maximum_expiration=60))
    now = int(time.time())
    assert gateway.get("/", bearer(token(claims(exp=now + 50), SECRET))).status == 200
    assert gateway.get("/", bearer(token(claims(exp=now + 500), SECRET))).status in (401, 403)


def test_jwt_key_claim_and_header_names(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", key_claim_name="kid", header_names=["x-token"]))
    assert gateway.get("/", f"X-Token: Bearer {token({'kid': 'alice-issuer'}, SECRET)}").status == 200
    assert gateway.get("/", bearer(token({"kid": "alice-issuer"}, SECRET))).status == 401
    by_header = token({}, SECRET, header={"alg": "HS256", "kid": "alice-issuer"})
    assert gateway.get("/", f"X-Token: Bearer {by_header}").status == 200, "the claim may be in the token's head"


def test_jwt_base64_secret(origin, start):
    consumer = {"username": "c", "jwt_secrets": ({"key": "k", "algorithm": "HS256",
                                                  "secret": base64.b64encode(SECRET.encode()).decode()},)}
    gateway = gateway_with(start, origin, plugin("jwt", secret_is_base64=True), consumers=(consumer,))
    assert gateway.get("/", bearer(token({"iss": "k"}, SECRET))).status == 200


def test_jwt_anonymous_and_preflight(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", anonymous="guest"))
    assert gateway.get("/").status == 200 and origin.last.get("X-Anonymous-Consumer") == "true"
    assert gateway.get("/", bearer(token(claims(), SECRET))).status == 200 and origin.last.get("X-Consumer-Username") == "alice"
    gateway = gateway_with(start, origin, plugin("jwt", run_on_preflight=False))
    assert gateway.ask("OPTIONS", "/").status == 200 and gateway.get("/").status == 401


@pytest.mark.parametrize("second", [(), (plugin("key-auth", key_in_query=False),)])
def test_jwt_cached_responses_are_told_apart_by_claims(origin, start, second):
    """Many tokens of one credential: what the upstream is told of one of them is not another's, whoever is asked after."""
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body=request.get("X-Sub", "?")))
    jwt = plugin("jwt", cookie_names=["t"], claims_to_headers=["sub:X-Sub"])
    gateway = gateway_with(start, origin, jwt, *second, proxy_cache())
    for sub, state in (("ann", "Miss"), ("bea", "Miss"), ("ann", "Hit"), ("bea", "Hit"), ("", "Miss")):
        answer = gateway.get("/", f"Cookie: t={token(claims(sub=sub), SECRET)}", "apikey: alice-key")
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (sub or "?", state)


def test_either_of_two_authentications(origin, start):
    """Kong's way of "or": each has the anonymous consumer."""
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), plugin("jwt", anonymous="guest"))
    assert gateway.get("/", "apikey: bob-key").status == 200 and origin.last.get("X-Consumer-Username") == "bob"
    assert gateway.get("/", bearer(token(claims(), SECRET))).status == 200 and origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get("/").status == 200 and origin.last.get("X-Consumer-Username") == "guest"


def test_refused_before_a_byte_of_the_body_is_read(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"))
    answer = raw(gateway.port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n"
                               b"Expect: 100-continue\r\n\r\n")
    assert status_of(answer) == 401 and b"100 Continue" not in answer


# ---- correlation-id -------------------------------------------------------------------------------------------------------

def test_correlation_id(origin, start):
    gateway = gateway_with(start, origin, plugin("correlation-id", generator="uuid", echo_downstream=True))
    first, second = gateway.get("/"), gateway.get("/")
    ids = [r.get("Kong-Request-ID") for r in origin.requests]
    assert len({uuid.UUID(i) for i in ids}) == 2
    assert [first.get("Kong-Request-ID"), second.get("Kong-Request-ID")] == ids
    assert gateway.get("/", "Kong-Request-ID: mine").get("Kong-Request-ID") == "mine"
    assert origin.last.all("Kong-Request-ID") == ["mine"]
    answer = gateway.get("/", "Kong-Request-ID: mine", "Connection: Kong-Request-ID")      # not to be passed on
    assert origin.last.all("Kong-Request-ID") == answer.all("Kong-Request-ID") and uuid.UUID(answer.get("Kong-Request-ID"))
    gateway = gateway_with(start, origin, plugin("correlation-id"))
    assert "Kong-Request-ID" not in gateway.get("/") and re.fullmatch(r"[0-9a-f-]{36}#\d+", origin.last.get("Kong-Request-ID"))


def test_correlation_id_counter(origin, start):
    gateway = gateway_with(start, origin, plugin("correlation-id", generator="uuid#counter", header_name="X-Corr"), workers=1)
    answers = [gateway.get("/") for _ in range(3)]
    ids = [r.get("X-Corr") for r in origin.requests]
    assert all("X-Corr" not in a for a in answers)
    assert all(re.fullmatch(r"[0-9a-f-]{36}#\d+", i) for i in ids)
    assert len({i.split("#")[0] for i in ids}) == 1
    numbers = [int(i.split("#")[1]) for i in ids]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_correlation_id_tracker(origin, start):
    gateway = gateway_with(start, origin, plugin("correlation-id", generator="tracker"))
    gateway.get("/")
    assert re.fullmatch(r"127\.0\.0\.1-\d+-\d+-\d+-\d+-\d+(\.\d+)?", origin.last.get("Kong-Request-ID"))


# ---- request-termination ---------------------------------------------------------------------------------------------------

def test_request_termination(origin, start):
    gateway = gateway_with(start, origin, plugin("request-termination"))
    answer = gateway.get("/")
    assert answer.status == 503 and answer.json()["message"] == "Service unavailable"
    gateway = gateway_with(start, origin, plugin("request-termination", status_code=418, message="tea \"only\""))
    answer = gateway.get("/")
    assert answer.status == 418 and answer.json()["message"] == 'tea "only"'
    gateway = gateway_with(start, origin, plugin("request-termination", status_code=200, body="<p>down</p>",
                                                 content_type="text/html"))
    answer = gateway.get("/")
    assert (answer.status, answer.body, answer.get("Content-Type")) == (200, b"<p>down</p>", "text/html")
    assert gateway.ask("HEAD", "/").status == 200
    assert origin.requests == []


def test_request_termination_trigger_and_echo(origin, start):
    gateway = gateway_with(start, origin, plugin("request-termination", status_code=404, trigger="x-stop"))
    assert gateway.get("/").status == 200
    assert gateway.get("/", "X-Stop: 1").status == 404 and gateway.get("/?x-stop=1").status == 404
    anonymous = plugin("request-termination", status_code=404, trigger="x-anonymous-consumer")
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), anonymous)
    assert gateway.get("/").status == 404                       # what a plugin set counts, and not what a client says
    assert gateway.get("/", "apikey: bob-key", "X-Anonymous-Consumer: true").status == 200
    stop = plugin("request-termination", status_code=404, trigger="x-stop")
    gateway = gateway_with(start, origin, plugin("request-transformer", add={"headers": ["X-Stop:$(query_params.q)"]}), stop)
    assert gateway.get("/?q=1").status == 404                   # what the plugin just before made, as well
    gateway = gateway_with(start, origin, plugin("request-transformer", remove={"headers": ["X-Stop"]}), stop)
    assert gateway.get("/", "X-Stop: 1").status == 200
    gateway = gateway_with(start, origin, plugin("request-termination", status_code=404, echo=True))
    answer = gateway.get("/path?x=1", "X-Seen: yes")
    assert answer.status == 404 and b"/path" in answer.body and b"yes" in answer.body


# ---- order and scope --------------------------------------------------------------------------------------------------------

def test_order_by_priority(origin, start):
    stop = plugin("request-termination", status_code=418, message="stopped")
    gateway = gateway_with(start, origin, stop, plugin("key-auth"))
    assert gateway.get("/").status == 401, "key-auth (1003) runs before request-termination (2)"
    gateway = gateway_with(start, origin, {**stop, "priority": 5000}, plugin("key-auth"))
    assert gateway.get("/").status == 418, "an instance may set its priority"


def test_most_specific_instance_wins(origin, start):
    def stop(status, **scope):
        return plugin("request-termination", scope, status_code=status)
    gateway = start(
        [service(origin.port, route("a", ["/a"], plugins=[plugin("key-auth"), stop(412), stop(413, consumer="alice")]),
                 route("b", ["/b"], plugins=[plugin("key-auth")]), plugins=(stop(411),)),
         service(origin.port, route("c", ["/c"]), name="second")],
        consumers=(ALICE, BOB), plugins=(stop(410),))
    assert gateway.get("/c").status == 410
    assert gateway.get("/b", "apikey: bob-key").status == 411
    assert gateway.get("/a", "apikey: bob-key").status == 412
    assert gateway.get("/a", "apikey: alice-key").status == 413


def test_disabled_instance_does_not_run(origin, start):
    gateway = gateway_with(start, origin, {**plugin("request-termination"), "enabled": False})
    assert gateway.get("/").status == 200


def test_global_plugin_on_a_request_without_route(origin, start):
    gateway = start([service(origin.port, route("a", ["/a"]))], plugins=(
        plugin("correlation-id", header_name="X-Corr", echo_downstream=True),))
    answer = gateway.get("/nothing")
    assert answer.status == 404 and "X-Corr" in answer
