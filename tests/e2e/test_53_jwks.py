# SPDX-License-Identifier: Apache-2.0
"""Keys of issuers by URL: fetched once for all workers, rotated, kept when the issuer is dead, doubted when it is strange."""
import base64
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from harness import (PATIENCE, Origin, check, conf_text, free_port, make_certificates, plugin, proxy_cache, reply, route, scratch, server_tls, service,
                     token, wait_until)

ALICE = {"username": "alice", "custom_id": "42"}
KINDS = {"RS256": "RSA -pkeyopt rsa_keygen_bits:2048", "ES256": "EC -pkeyopt ec_paramgen_curve:P-256",
         "ES384": "EC -pkeyopt ec_paramgen_curve:P-384", "ES512": "EC -pkeyopt ec_paramgen_curve:P-521", "EdDSA": "ed25519"}
FAST = {"jwks_min_ttl": 0.2, "jwks_max_ttl": 3600, "jwks_error_ttl": 0.2, "jwks_refresh_interval": 0.2, "jwks_wait": 60,
        "jwks_timeout": 60}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def run(*words):
    return subprocess.run(words, capture_output=True, check=True).stdout


class Key:
    """A pair of keys in a file, and the public one as a JWK."""
    made = {}
    lock = threading.Lock()

    def __init__(self, name, algorithm="ES256"):
        self.algorithm = algorithm
        self.directory = scratch()
        self.file = self.directory / f"{name}.key"
        run("openssl", "genpkey", "-algorithm", *KINDS[algorithm.replace("PS", "RS")].split(), "-out", str(self.file))
        der = run("openssl", "pkey", "-in", str(self.file), "-pubout", "-outform", "DER")
        if algorithm[:2] in ("RS", "PS"):
            modulus = run("openssl", "rsa", "-in", str(self.file), "-modulus", "-noout").decode().strip().partition("=")[2]
            self.jwk = {"kty": "RSA", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        elif algorithm == "EdDSA":
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        else:
            size = {"ES256": 32, "ES384": 48, "ES512": 66}[algorithm]
            self.jwk = {"kty": "EC", "crv": {32: "P-256", 48: "P-384", 66: "P-521"}[size],
                        "x": b64(der[-2 * size:-size]), "y": b64(der[-size:])}
        self.jwk.update(kid=name)

    def sign(self, kid="", algorithm=None, **claims):
        algorithm = algorithm or self.algorithm
        head = {"alg": algorithm, **({} if kid is None else {"kid": kid or self.jwk["kid"]})}
        text = token({"iss": "https://issuer.example", "sub": "joe", "exp": int(time.time()) + 3000, **claims},
                     algorithm=algorithm, key_file=self.file, header=head)
        return f"Authorization: Bearer {text}"


@pytest.fixture(scope="module")
def keys():
    """Keys by name, made when first asked for; all of ES256."""
    made = {}

    class Keys:
        def __getattr__(self, name):
            return made.setdefault(name, None) or made.__setitem__(name, Key(name)) or made[name]
    return Keys()


class Issuer:
    """Serves a document; .fetches counts."""

    def __init__(self, *made, **options):
        self.fields = []
        self.status = 200
        self.fetches = 0
        self.paths = []
        self.hold = threading.Event()
        self.hold.set()
        self.publish(*made)
        self.origin = Origin(self.answer, **options)

    def publish(self, *made, **more):
        self.body = json.dumps({"keys": [key.jwk if isinstance(key, Key) else key for key in made], **more}).encode()

    def answer(self, connection, request):
        self.fetches += 1
        self.paths.append(request.target)
        self.hold.wait(10 * PATIENCE)
        connection.send(reply(self.status, "Content-Type: application/json", *self.fields, body=self.body))
        return False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.origin.port}/keys"


@pytest.fixture
def issuer():
    made = []

    def make(*arguments, **options):
        made.append(Issuer(*arguments, **options))
        return made[-1]
    yield make
    for one in made:
        one.hold.set()
        one.origin.stop()


def services(origin, url, **config):
    return [service(origin.port, route(plugins=(plugin("jwt", jwks_uri=url, **config),)))]


def gateway_with(start, origin, url, settings=None, **config):
    return start(services(origin, url, **config), consumers=(ALICE,), **{**FAST, **(settings or {})})


def until_fetched(gateway):
    """Keys count before the fetch that brings them is quite over; who wants another one may join it until then."""
    wait_until(lambda: not any(one["fetching"] for one in gateway.control("GET", "/jwks").json()["issuers"]), "the end of the fetch")


# ---- what a key may verify ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_every_kind_of_key(origin, start, issuer, algorithm):
    key = Key("k", algorithm)
    gateway = gateway_with(start, origin, issuer(key).url)
    assert gateway.get("/", key.sign(), "X-Consumer-Username: root", "X-Credential-Identifier: root").status == 200
    assert origin.last.get("X-Credential-Identifier") == "joe" and "X-Consumer-Username" not in origin.last
    assert gateway.get("/", key.sign(kid=None)).status == 200
    good = key.sign()
    at = good.rindex(".") + 10
    answer = gateway.get("/", good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1:])
    assert answer.status == 401 and answer.json()["message"] == "Invalid signature"


def test_a_key_says_what_it_is_for(origin, start, issuer):
    key = Key("k", "RS256")
    bound = {**key.jwk, "kid": "bound", "alg": "PS256", "use": "sig", "key_ops": ["verify"]}
    gateway = gateway_with(start, origin, issuer(
        key, bound, {**key.jwk, "kid": "enc", "use": "enc"}, {**key.jwk, "kid": "sign", "key_ops": ["sign"]},
        {**key.jwk, "kid": "oaep", "alg": "RSA-OAEP"}, {"kty": "oct", "kid": "oct", "k": b64(b"s" * 32)}).url)
    assert gateway.get("/", key.sign()).status == 200 and gateway.get("/", key.sign(algorithm="PS256")).status == 200
    assert gateway.get("/", key.sign(kid="bound", algorithm="PS256")).status == 200
    answer = gateway.get("/", key.sign(kid="bound"))
    assert answer.status == 401 and answer.json()["message"] == "Invalid algorithm"
    for kid in "enc", "sign", "oaep", "oct":
        assert gateway.get("/", key.sign(kid=kid)).json()["message"] == "No credentials found for given 'kid'", kid


def test_nobody_signs_with_what_is_public(origin, start, issuer):
    key = Key("k", "RS256")
    public = run("openssl", "pkey", "-in", str(key.file), "-pubout").decode()
    gateway = gateway_with(start, origin, issuer(key, {"kty": "oct", "kid": "oct", "k": b64(b"s" * 32)}).url)
    claims = {"sub": "joe", "exp": int(time.time()) + 3000}
    for secret, kid in ((public, "k"), (public.strip(), "k"), (key.jwk["n"], "k"), ("s" * 32, "oct")):
        forged = token(claims, secret, header={"alg": "HS256", "kid": kid})
        assert gateway.get("/", f"Authorization: Bearer {forged}").json()["message"] == "Invalid algorithm"
    none = token(claims, algorithm="none", header={"alg": "none", "kid": "k"})
    assert gateway.get("/", f"Authorization: Bearer {none}").status == 401
    assert origin.requests == []


def test_cached_responses_are_told_apart_behind_one_consumer(origin, start, issuer, keys):
    """Where a claim names the application as the consumer, those who use it are still told apart."""
    source = issuer(keys.one)
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Sub")))
    jwt = plugin("jwt", jwks_uri=source.url, consumer_claim="app", header_names=["X-Token"], claims_to_headers=["sub:X-Sub"])
    gateway = start([service(origin.port, route(plugins=(jwt, proxy_cache())))], consumers=({"username": "alice"},), **FAST)
    for name, state in (("one", "Miss"), ("two", "Miss"), ("one", "Hit"), ("two", "Hit")):
        answer = gateway.get("/", keys.one.sign(app="alice", sub=name).replace("Authorization", "X-Token"))
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (name, state)
    assert origin.last.get("X-Consumer-Username") == "alice"


def test_nameless_tokens_share_no_answers(origin, start, issuer, keys):
    """Without a subject and a consumer nothing tells one bearer from another, so nothing is stored for them."""
    source = issuer(keys.one)
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", body=request.get("X-Tenant")))
    jwt = plugin("jwt", jwks_uri=source.url, header_names=["X-Token"], claims_to_headers=["tenant:X-Tenant"])
    gateway = start([service(origin.port, route(plugins=(jwt, proxy_cache())))], **FAST)
    for tenant in ("a", "b", "a"):
        answer = gateway.get("/", keys.one.sign(sub="", tenant=tenant).replace("Authorization", "X-Token"))
        assert (answer.body.decode(), answer.get("X-Cache-Status")) == (tenant, "Bypass")


def test_times_parties_and_consumers(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, consumer_claim="sub", audience_required=["api"], claims_to_headers=["sub:X-Sub"],
                           issuers_allowed=["https://issuer.example"])
    good = {"aud": "api", "sub": "alice"}
    assert gateway.get("/", keys.one.sign(**good)).status == 200
    assert origin.last.get("X-Consumer-Username") == "alice" and origin.last.get("X-Credential-Identifier") == "alice"
    assert gateway.get("/", keys.one.sign(**{**good, "sub": "42"})).status == 200
    assert origin.last.get("X-Consumer-Username") == "alice" and origin.last.get("X-Sub") == "42"
    assert gateway.get("/", keys.one.sign(**{**good, "sub": "stranger"}), "X-Consumer-Username: alice").status == 200
    assert "X-Consumer-Username" not in origin.last and origin.last.get("X-Sub") == "stranger"
    assert gateway.get("/", keys.one.sign(**{**good, "exp": 1})).json()["exp"] == "token expired"
    assert gateway.get("/", keys.one.sign(**{**good, "exp": None})).json()["exp"] == "must be a number"
    assert gateway.get("/", keys.one.sign(**{**good, "nbf": time.time() + 999})).json()["nbf"] == "token not valid yet"
    assert gateway.get("/", keys.one.sign(**{**good, "aud": "x"})).json()["message"] == "Invalid audience"
    assert gateway.get("/", keys.one.sign(**{**good, "iss": "x"})).json()["message"] == "Invalid issuer"
    assert gateway.get("/", keys.one.sign(**{**good, "sub": "a\r\nX: y"})).json()["message"] == "Invalid 'sub' in claims"
    gateway = gateway_with(start, origin, source.url, consumer_claim="sub", consumer_optional=False)
    assert gateway.get("/", keys.one.sign(sub="alice")).status == 200
    assert gateway.get("/", keys.one.sign(sub="stranger")).json()["message"] == "No consumer found for given 'sub'"


# ---- rotation ----------------------------------------------------------------------------------------------------------

def test_an_unknown_key_is_fetched_while_the_request_waits(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"workers": 2, "jwks_min_ttl": 600})
    assert gateway.get("/", keys.one.sign()).status == 200
    until_fetched(gateway)
    source.publish(keys.two)
    assert gateway.get("/", keys.two.sign()).status == 200
    assert gateway.get("/", keys.one.sign()).status == 200       # for jwks_grace
    assert source.fetches == 2
    gateway.wait_log("1, of which 1 came; 1 went")


def test_a_fetch_that_began_before_the_key_came_is_not_the_last(origin, start, issuer, keys):
    """Who lacks a key joins the fetch that is under way; what that brings may be older than the key."""
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"workers": 1, "jwks_min_ttl": 600, "jwks_refresh_interval": 0})
    assert gateway.get("/", keys.one.sign()).status == 200
    until_fetched(gateway)

    def answer_late(connection, _request):
        body = source.body
        source.fetches += 1
        source.hold.wait(10 * PATIENCE)
        connection.send(reply(200, body=body))
        return False
    source.origin.handler = answer_late
    source.hold.clear()
    assert gateway.ctl("jwks", "refresh").returncode == 0
    wait_until(lambda: source.fetches == 2, "the fetch")
    source.publish(keys.two)
    client = gateway.client()
    client.request("GET", "/", keys.two.sign())
    wait_until(lambda: sum(gateway.streams()) == 1, "the request to wait")
    assert client.silent()
    source.hold.set()
    assert client.response().status == 200 and source.fetches == 3
    assert gateway.get("/", keys.two.sign(kid="none")).status == 401     # and no more than one more
    assert source.fetches == 4


def test_who_looks_has_no_key_fetched(origin, start, issuer, keys):
    """`gatewayctl routes -m` says that it cannot tell; what it has keys for, it tells."""
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_min_ttl": 600, "jwks_refresh_interval": 3600})
    assert gateway.get("/", keys.one.sign()).status == 200
    until_fetched(gateway)

    def look(key):
        done = gateway.ctl("-o", "json", "routes", "-m", "GET http://localhost/", "-H", key.sign())
        return json.loads(done.stdout)["plugins"][0]
    assert look(keys.one)["verdict"] == "passes"
    source.publish(keys.two)
    assert look(keys.two)["verdict"] == "not asked" and look(keys.two)["effect"] == "has the issuer's keys fetched"
    assert source.fetches == 1 and gateway.get("/", keys.two.sign()).status == 200   # the one fetch in an hour was left for it


def test_a_key_without_a_name_is_fetched_too(origin, start, issuer):
    one, two = Key("one"), Key("two")
    del one.jwk["kid"], two.jwk["kid"]
    source = issuer(one)
    gateway = gateway_with(start, origin, source.url, {"jwks_min_ttl": 600})
    assert gateway.get("/", one.sign(kid=None)).status == 200
    until_fetched(gateway)
    source.publish(two)
    assert gateway.get("/", two.sign(kid=None)).status == 200


def test_unknown_keys_are_fetched_for_once_in_a_while(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"workers": 4, "jwks_min_ttl": 600, "jwks_refresh_interval": 3600})
    assert gateway.get("/", keys.one.sign()).status == 200
    until_fetched(gateway)
    threads = [threading.Thread(target=gateway.get, args=("/", keys.two.sign(kid=f"none-{i}"))) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = gateway.get("/", keys.two.sign())
    assert answer.status == 401 and answer.json()["message"] == "No credentials found for given 'kid'"
    assert source.fetches == 2


def test_keys_that_went_count_for_their_grace(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_grace": 0, "jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200
    source.publish(keys.two)
    wait_until(lambda: gateway.get("/", keys.one.sign()).status == 401, "the old key to be gone")
    assert gateway.get("/", keys.two.sign()).status == 200


def test_a_name_given_to_another_key_takes_it_from_the_first(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200
    source.publish({**keys.two.jwk, "kid": "one"})
    wait_until(lambda: gateway.get("/", keys.two.sign(kid="one")).status == 200, "the new key")
    assert gateway.get("/", keys.one.sign()).status == 401


def test_max_age_within_floor_and_ceiling(origin, start, issuer, keys):
    short, long, silent = (issuer(keys.one) for _ in range(3))
    short.fields = ["Cache-Control: max-age=1"]
    long.fields = ["Cache-Control: public, max-age=86400"]
    gateway = start([service(origin.port, *(route(name, [f"/{name}"], plugins=(plugin("jwt", jwks_uri=one.url),))
                                            for name, one in (("short", short), ("long", long), ("silent", silent))))],
                    **{**FAST, "jwks_max_ttl": 3000})
    for name in "short", "long", "silent":
        assert gateway.get(f"/{name}", keys.one.sign()).status == 200
    wait_until(lambda: short.fetches >= 3, "the short one to be fetched again")
    assert long.fetches == 1 and silent.fetches == 1


# ---- issuers that fail -------------------------------------------------------------------------------------------------

def test_a_dead_issuer_changes_nothing(origin, start, issuer, keys):
    port = free_port()
    source = issuer(keys.one, port=port)
    gateway = gateway_with(start, origin, source.url, {"jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200
    source.origin.stop()
    gateway.wait_log("keys of .* cannot be fetched: connection refused; the last ones stay")
    assert gateway.get("/", keys.one.sign()).status == 200
    again = Issuer(keys.two, port=port)
    try:
        gateway.wait_log("keys of .* can be fetched again")
        assert gateway.get("/", keys.two.sign()).status == 200
    finally:
        again.origin.stop()


def test_an_issuer_that_never_lived_is_a_503(origin, start, issuer, keys):
    source = issuer(keys.one)
    source.status = 500
    gateway = gateway_with(start, origin, source.url, {"jwks_error_ttl": 600, "jwks_refresh_interval": 600})
    gateway.wait_log("cannot be fetched: status 500; there are none yet")
    wait_until(lambda: gateway.get("/", keys.one.sign()).status == 503, "the answer without keys")
    answer = gateway.get("/", keys.one.sign())
    assert answer.status == 503 and answer.json()["message"] == "Keys of the issuer are not available"
    assert gateway.get("/").status == 401 and origin.requests == []


@pytest.mark.parametrize("body, cause", [
    (b"<html>", "the document is not JSON"), (b"", "the document is not JSON"), (b'{"keys":[]} x', "the document is not JSON"),
    (b'{"keys":[],"keys":[]}', "the document is not JSON"), (b"[]", "the document is no JWK set"),
    (b'{"jwks_uri":"x"}', "the document is no JWK set"), (b'{"keys":[]}', "the document has no key that verifies signatures"),
    (b'{"keys":[{"kty":"oct","k":"AAAA"}]}', "the document has no key that verifies signatures"),
    (b'{"keys":[' + b" " * 300000 + b"]}", "the document is too large")],
    ids=["html", "empty", "more", "twice", "list", "other", "none", "secret", "huge"])
def test_documents_that_change_nothing(origin, start, issuer, keys, body, cause):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200
    source.body = body
    gateway.wait_log(f"cannot be fetched: .*{cause}")
    assert gateway.get("/", keys.one.sign()).status == 200


@pytest.mark.parametrize("status", [204, 301, 302, 404, 503])
def test_answers_that_change_nothing(origin, start, issuer, keys, status):
    elsewhere = issuer(keys.two)
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200
    source.fields = [f"Location: {elsewhere.url}"]      # in this order: it may be asked in between
    source.status = status
    source.publish(keys.two)
    gateway.wait_log(f"cannot be fetched: status {status}" + (", redirects are not followed" if status < 400 and status > 300 else ""))
    assert gateway.get("/", keys.one.sign()).status == 200 and elsewhere.fetches == 0


def test_an_answer_that_is_cut_changes_nothing(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_max_ttl": 1})
    assert gateway.get("/", keys.one.sign()).status == 200

    def cut(connection, _request):
        body = json.dumps({"keys": [keys.two.jwk]}).encode()
        connection.send(reply(200, f"Content-Length: {len(body) + 1}", body=body, length=False))
        return False
    source.origin.handler = cut
    gateway.wait_log("cannot be fetched: response cut short")
    assert gateway.get("/", keys.one.sign()).status == 200


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_other_framings(origin, start, issuer, keys, framing):
    source = issuer(keys.one)
    body = json.dumps({"keys": [{"kty": "x", "pad": "x" * 40000}, keys.one.jwk]}).encode()

    def answer(connection, _request):
        if framing == "close":
            connection.send(reply(200, body=body, length=False))
        else:
            half = len(body) // 2
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
            connection.send(reply(200, "Transfer-Encoding: chunked", body=chunks, length=False))
        return False
    source.origin.handler = answer
    gateway = gateway_with(start, origin, source.url)
    assert gateway.get("/", keys.one.sign()).status == 200


def test_a_silent_issuer_has_its_time(origin, start, issuer, keys):
    source = issuer(keys.one)
    source.hold.clear()
    gateway = gateway_with(start, origin, source.url, {"jwks_timeout": 1, "jwks_error_ttl": 600, "jwks_refresh_interval": 600})
    assert gateway.get("/", keys.one.sign()).status == 503
    gateway.wait_log("cannot be fetched: no response in time; there are none yet")


# ---- TLS ---------------------------------------------------------------------------------------------------------------

def test_https_is_believed_for_its_certificate(origin, start, issuer, keys):
    made = make_certificates(scratch(), "localhost")
    source = issuer(keys.one, tls=server_tls(made / "server.crt", made / "server.key"))
    url = f"https://localhost:{source.origin.port}/keys?p=1"
    settings = {"jwks_error_ttl": 600, "jwks_refresh_interval": 600}
    gateway = gateway_with(start, origin, url, settings)
    gateway.wait_log("cannot be fetched: TLS handshake failed: certificate verify failed")
    wait_until(lambda: gateway.get("/", keys.one.sign()).status == 503, "the answer without keys")
    assert source.fetches == 0
    gateway = gateway_with(start, origin, url, settings, jwks_ca_certificates=str(made / "ca.crt"))
    assert gateway.get("/", keys.one.sign()).status == 200
    assert source.paths == ["/keys?p=1"]
    gateway = gateway_with(start, origin, url, settings, jwks_tls_verify=False)
    assert gateway.get("/", keys.one.sign()).status == 200


def test_what_was_fetched_without_a_check_is_not_used_by_who_asks_for_one(origin, start, issuer, keys):
    made = make_certificates(scratch(), "localhost")
    source = issuer(keys.one, tls=server_tls(made / "server.crt", made / "server.key"))
    url = f"https://localhost:{source.origin.port}/keys"
    gateway = start([service(origin.port, route("trusting", ["/trusting"], plugins=(plugin("jwt", jwks_uri=url, jwks_tls_verify=False),)),
                             route("careful", ["/careful"], plugins=(plugin("jwt", jwks_uri=url),)))],
                    **{**FAST, "jwks_error_ttl": 600, "jwks_refresh_interval": 600})
    assert gateway.get("/trusting", keys.one.sign()).status == 200
    gateway.wait_log("cannot be fetched: TLS handshake failed")
    wait_until(lambda: gateway.get("/careful", keys.one.sign()).status == 503, "the answer without keys")


# ---- processes ---------------------------------------------------------------------------------------------------------

def test_keys_survive_reloads_and_the_death_of_the_checker(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_min_ttl": 600, "workers": 2})
    assert gateway.get("/", keys.one.sign()).status == 200
    until_fetched(gateway)
    source.status = 500
    gateway.reload()
    assert gateway.get("/", keys.one.sign()).status == 200
    before = wait_until(lambda: gateway.pids("checker"), "the checker")[0]
    os.kill(before, signal.SIGKILL)
    assert gateway.get("/", keys.one.sign()).status == 200
    gateway.replaced(before, role="checker")
    assert gateway.get("/", keys.one.sign()).status == 200
    assert source.fetches == 1
    source.status = 200
    source.publish(keys.two)
    assert gateway.get("/", keys.two.sign()).status == 200 and source.fetches == 2


def test_a_checker_that_dies_in_a_fetch_is_followed_by_one_that_fetches(origin, start, issuer, keys):
    source = issuer(keys.one)
    source.hold.clear()
    gateway = gateway_with(start, origin, source.url)
    wait_until(lambda: source.fetches == 1, "the fetch")
    os.kill(gateway.pids("checker")[0], signal.SIGKILL)
    wait_until(lambda: source.fetches >= 2, "the fetch by the next checker")
    source.hold.set()
    assert gateway.get("/", keys.one.sign()).status == 200


def test_a_client_that_leaves_while_keys_are_fetched(origin, start, issuer, keys):
    source = issuer(keys.one)
    source.hold.clear()
    gateway = gateway_with(start, origin, source.url)
    clients = [gateway.client() for _ in range(5)]
    for client in clients:
        client.request("GET", "/", keys.one.sign())
    wait_until(lambda: source.fetches == 1, "the fetch")
    for client in clients[1:]:
        client.close()
    source.hold.set()
    assert clients[0].response().status == 200
    assert gateway.get("/", keys.one.sign()).status == 200
    assert len(origin.requests) <= 6


def test_what_the_operator_sees(origin, start, issuer, keys):
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_min_ttl": 600, "jwks_error_ttl": 600})
    assert gateway.get("/", keys.one.sign()).status == 200

    def seen():
        return gateway.control("GET", "/jwks").json()["issuers"][0]
    wait_until(lambda: seen()["state"] == "good" and not seen()["fetching"], "the state of the fetch")
    first = seen()
    assert first["uri"] == source.url and first["fetches"] == 1 and first["error"] is None and first["due"] > first["fetched"]
    assert [(key["kid"], key["algorithms"], key["gone"]) for key in first["keys"]] == [("one", ["ES256"], None)]
    source.publish(keys.two)
    assert gateway.ctl("jwks", "refresh", source.url).returncode == 0
    wait_until(lambda: seen()["fetches"] == 2 and not seen()["fetching"], "the fetch that was asked for")
    assert {key["kid"]: bool(key["gone"]) for key in seen()["keys"]} == {"one": True, "two": False}
    source.status = 503
    assert gateway.control("POST", "/jwks/refresh").status == 202
    wait_until(lambda: seen()["state"] == "stale" and not seen()["fetching"], "the failure")
    assert seen()["error"] == "status 503" and seen()["failures"] == 1
    done = gateway.ctl("jwks")
    assert done.returncode == 0 and source.url in done.stdout and "stale" in done.stdout and "status 503" in done.stdout
    assert gateway.ctl("jwks", "http://nobody/").returncode == 1
    text = gateway.control("GET", "/metrics").body.decode()
    of = f'{{uri="{source.url}",tls_verify="true"}} '
    for name, value in (("up", 0), ("keys", 1), ("fetches_total", 3), ("failures_total", 1)):
        assert f"gateway_jwks_{name}{of}{value}\n" in text, name
    assert f"gateway_jwks_fetched_timestamp_seconds{of}1" in text
    assert gateway.get("/", keys.two.sign()).status == 200


def test_a_token_that_held_does_not_outlive_its_key(origin, start, issuer, keys):
    """What a worker remembers is forgotten when the keys change, in every worker."""
    source = issuer(keys.one)
    gateway = gateway_with(start, origin, source.url, {"jwks_grace": 0, "jwks_max_ttl": 600, "workers": 2})
    held = keys.one.sign()
    for _ in range(10):
        assert gateway.get("/", held).status == 200
    until_fetched(gateway)
    source.publish(keys.two)
    assert gateway.ctl("jwks", "refresh").returncode == 0
    wait_until(lambda: [key["kid"] for key in gateway.control("GET", "/jwks").json()["issuers"][0]["keys"]] == ["two"], "the new key")
    for _ in range(10):
        assert gateway.get("/", held).status == 401


def test_a_token_that_held_does_not_outlive_itself(origin, start, issuer, keys):
    gateway = gateway_with(start, origin, issuer(keys.one).url)
    assert gateway.get("/", keys.one.sign()).status == 200
    short = keys.one.sign(exp=int(time.time()) + 3)
    wait_until(lambda: gateway.get("/", short).status == 401, "the token to expire")
    assert gateway.get("/", short).json()["exp"] == "token expired"


def test_settings_refused_at_load():
    def errors(**config):
        done = check(conf_text({"plugins": (plugin("jwt", **config),)}))
        assert done.returncode != 0
        return done.stderr
    assert '"ftp://a/" is not a URL' in errors(jwks_uri="ftp://a/")
    assert "is not a URL" in errors(jwks_uri="https://user:word@a/")
    assert "jwks_uri:" in errors(jwks_uri="https://a/#b")
    assert "consumer_claim: needs jwks_uri" in errors(consumer_claim="sub")
    assert "jwks_ca_certificates" in errors(jwks_uri="https://a/", jwks_ca_certificates="/nonexistent.pem")
