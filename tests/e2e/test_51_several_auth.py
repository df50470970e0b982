# SPDX-License-Identifier: Apache-2.0
"""Several plugins that authenticate on one route, as Kong has it: all have to pass, or, where they name an anonymous
consumer, one of them is enough."""
import base64

import pytest

from harness import plugin, route, service, token

SECRET = "a-secret-of-at-least-thirty-two-bytes!"
CONSUMERS = ({"username": "alice", "keyauth_credentials": ({"key": "alice-key"},), "acls": ({"group": "staff"},)},
             {"username": "bob", "basicauth_credentials": ({"username": "bob", "password": "bob-pw"},)},
             {"username": "carol", "jwt_secrets": ({"key": "carol-issuer", "secret": SECRET, "algorithm": "HS256"},)},
             {"username": "guest"})
KEY = "apikey: alice-key"
BASIC = "Authorization: Basic " + base64.b64encode(b"bob:bob-pw").decode()
JWT = "Authorization: Bearer " + token({"iss": "carol-issuer"}, SECRET)


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=CONSUMERS, **settings)


def who(gateway, origin, *fields):
    """The consumer that the upstream is told, or the refusal's status."""
    answer = gateway.get("/", *fields)
    return origin.last.get("X-Consumer-Username") if answer.status == 200 else answer.status


def test_all_of_them(origin, start):
    gateway = gateway_with(start, origin, plugin("basic-auth"), plugin("key-auth"))
    assert who(gateway, origin) == 401
    assert who(gateway, origin, KEY) == 401 and who(gateway, origin, BASIC) == 401
    assert who(gateway, origin, "apikey: wrong", BASIC) == 401
    assert not origin.requests
    assert who(gateway, origin, KEY, BASIC) == "bob"      # whom the last one knows, by priority
    assert origin.last.get("X-Credential-Identifier") == "bob" and "X-Anonymous-Consumer" not in origin.last


@pytest.mark.parametrize("second", ["basic-auth", "jwt"])
def test_one_of_them(origin, start, second):
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), plugin(second, anonymous="guest"))
    other, name = (BASIC, "bob") if second == "basic-auth" else (JWT, "carol")
    assert who(gateway, origin, KEY) == "alice" and "X-Anonymous-Consumer" not in origin.last
    assert who(gateway, origin, other) == name and "X-Anonymous-Consumer" not in origin.last
    assert who(gateway, origin, "apikey: wrong", other) == name and "X-Anonymous-Consumer" not in origin.last
    assert who(gateway, origin, KEY, "Authorization: Basic wrong") == "alice"
    first = "carol" if second == "jwt" else "alice"       # 1005 before 1003 before 1001
    assert who(gateway, origin, KEY, other) == first
    assert who(gateway, origin) == "guest" and origin.last.get("X-Anonymous-Consumer") == "true"
    assert "X-Credential-Identifier" not in origin.last
    assert who(gateway, origin, "X-Consumer-Username: root", "X-Anonymous-Consumer: false") == "guest"
    assert origin.last.get("X-Anonymous-Consumer") == "true"


def test_three_of_which_one_is_enough(origin, start):
    gateway = gateway_with(start, origin, *(plugin(name, anonymous="guest") for name in ("key-auth", "basic-auth", "jwt")))
    assert [who(gateway, origin, field) for field in (KEY, BASIC, JWT)] == ["alice", "bob", "carol"]
    assert who(gateway, origin) == "guest"


def test_one_that_must_and_one_that_may(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), plugin("basic-auth"))
    assert who(gateway, origin, KEY) == 401 and who(gateway, origin) == 401
    assert who(gateway, origin, BASIC) == "bob" and "X-Anonymous-Consumer" not in origin.last
    assert who(gateway, origin, KEY, BASIC) == "bob"


def test_nobody_gets_in_where_the_anonymous_consumer_is_turned_away(origin, start):
    """Kong's recipe for "one of them, or 401": request-termination on the anonymous consumer."""
    away = plugin("request-termination", {"consumer": "guest"}, status_code=401, message="One of both, please")
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), plugin("basic-auth", anonymous="guest"),
                           plugins=(away,))
    assert who(gateway, origin, KEY) == "alice" and who(gateway, origin, BASIC) == "bob"
    answer = gateway.get("/")
    assert answer.status == 401 and answer.json()["message"] == "One of both, please"
    assert who(gateway, origin, "apikey: wrong") == 401 and len(origin.requests) == 2


def test_groups_of_who_is_known(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="guest"), plugin("basic-auth", anonymous="guest"),
                           plugin("acl", allow=["staff"]))
    assert who(gateway, origin, KEY) == "alice"
    assert who(gateway, origin, BASIC) == 403 and who(gateway, origin) == 401
    assert len(origin.requests) == 1
