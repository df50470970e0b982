# SPDX-License-Identifier: Apache-2.0
"""Tokens of OpenID providers: issuers, audiences, claims in fields."""
import time

import pytest

from harness import check, conf_text, plugin, reply, route, service, token

SECRET = "a-secret-of-at-least-thirty-two-bytes"
ALICE = {"username": "alice", "custom_id": "42",
         "jwt_secrets": ({"key": "https://issuer.example", "algorithm": "HS256", "secret": SECRET},)}
GUEST = {"username": "guest"}


def bearer(value):
    return f"Authorization: Bearer {value}"


def claims(**more):
    return {"iss": "https://issuer.example", "exp": int(time.time()) + 3000, **more}


def shared(**more):
    return bearer(token(claims(**more), SECRET))


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=(ALICE, GUEST), **settings)


# ---- issuers, audiences, claims ----------------------------------------------------------------------------------------

def test_issuers_allowed(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", issuers_allowed=["https://other.example"]))
    answer = gateway.get("/", shared())
    assert answer.status == 401 and answer.json()["message"] == "Invalid issuer"
    gateway = gateway_with(start, origin, plugin("jwt", issuers_allowed=["https://other.example", "https://issuer.example"]))
    assert gateway.get("/", shared()).status == 200


@pytest.mark.parametrize("audience, status", [("api", 200), (["x", "api"], 200), ("x", 401), (["x", "y"], 401), (None, 401),
                                              ("apis", 401), ({"api": "api"}, 401), ([["api"]], 401)])
def test_audience_required(origin, start, audience, status):
    gateway = gateway_with(start, origin, plugin("jwt", audience_required=["api", "app"]))
    answer = gateway.get("/", shared(aud=audience))
    assert answer.status == status
    assert status == 200 or answer.json()["message"] == "Invalid audience"


def test_claims_to_headers(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=[
        "sub:X-User", "realm_access.roles:X-Roles", "https://x.example/age:X-Age", "admin:X-Admin", "missing:X-Missing"]))
    good = shared(sub="joe", realm_access={"roles": ["reader", "writer"]}, admin=False, **{"https://x.example/age": 41})
    assert gateway.get("/", good, "X-User: root", "x_user: root", "X-Admin: true", "X-Missing: root", "X-Roles: root").status == 200
    seen = origin.last
    assert seen.all("X-User") == ["joe"] and seen.all("X-Roles") == ["reader, writer"] and seen.all("X-Age") == ["41"]
    assert seen.all("X-Admin") == ["false"] and "X-Missing" not in seen and "x_user" not in seen
    assert seen.get("X-Consumer-Username") == "alice"


@pytest.mark.parametrize("value", ["a\r\nX-Admin: true", "a\nb", "a\tb", ["ok", "a\r"], ["user,admin"], "x" * 9000])
def test_claims_that_no_field_can_say_are_refused(origin, start, value):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=["sub:X-User"]), client_header_buffer_size="32k")
    answer = gateway.get("/", shared(sub=value))
    assert answer.status == 401 and answer.json()["message"] == "Invalid 'sub' in claims"
    assert origin.requests == []


def test_claims_cannot_be_forged_by_who_has_no_token(origin, start):
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=["sub:X-User"], anonymous="guest"))
    assert gateway.get("/", "X-User: root", "X_User: root").status == 200
    assert "X-User" not in origin.last and "X_User" not in origin.last
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=["sub:X-User"], run_on_preflight=False))
    assert gateway.ask("OPTIONS", "/", "X-User: root").status == 200
    assert "X-User" not in origin.last


def test_claims_in_fields_with_underscores_cannot_be_forged(origin, start):
    """Many servers hand "_" and "-" to an application as one, whichever of them the operator wrote."""
    gateway = gateway_with(start, origin, plugin("jwt", claims_to_headers=["sub:X_User_Name", "mail:X-Mail"]))
    good = token({"iss": "https://issuer.example", "sub": "ann", "mail": "a@b"}, SECRET)
    forged = [f"X{a}User{b}Name: root" for a in "-_" for b in "-_"] + ["X_Mail: root", "X-User: mine"]
    assert gateway.get("/", f"Authorization: Bearer {good}", *forged).status == 200
    assert [(name, value) for name, value in origin.last.fields if name[2:6] in ("User", "Mail")] == \
        [("X-User", "mine"), ("X_User_Name", "ann"), ("X-Mail", "a@b")]


def test_claims_choose_the_target(origins, start):
    """hash_on = "header" goes by what a plugin set, not by what a client writes there."""
    targets = [origins(lambda connection, request, i=i: connection.send(reply(200, body=str(i)))) for i in range(3)]
    pool = {"name": "pool", "algorithm": "consistent-hashing", "hash_on": "header", "hash_on_header": "X-User",
            "targets": tuple({"target": f"127.0.0.1:{t.port}"} for t in targets)}
    gateway = start([service(0, route(plugins=(plugin("jwt", claims_to_headers=["sub:X-User"]),)), url="http://pool/")],
                    consumers=(ALICE,), upstreams=(pool,))
    # ports differ each time: that none of so many goes to one of them happens once in 10**15 runs
    chosen = {sub: {gateway.get("/", shared(sub=sub), f"X-User: forged-{i}").body for i in range(4)} for sub in map(str, range(90))}
    assert all(len(bodies) == 1 for bodies in chosen.values()) and len(set.union(*chosen.values())) == 3


def test_claims_to_headers_refused_at_load(origin):
    done = check(conf_text({"plugins": (plugin("jwt", claims_to_headers=["sub", "sub:Content-Length", "a:X-A", "b:x-a"]),)}))
    assert done.returncode != 0
    assert '"sub" is not "claim:Header"' in done.stderr and "gateway's own business" in done.stderr
    assert '"x-a" is there twice' in done.stderr
