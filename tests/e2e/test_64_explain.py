# SPDX-License-Identifier: Apache-2.0
"""gatewayctl routes -m: what a request would meet, without one."""
import json

import pytest

from harness import ask, plugin, route, service


@pytest.fixture(name="it")
def gateway_with_plugins(origin, start):
    return start([service(
        origin.port, route("api", ["/api"], [plugin("key-auth"), plugin("acl", allow=["staff"]), plugin("rate-limiting", year=5),
                                plugin("proxy-cache"), plugin("security-headers")],
              hosts=["example.com"]),
        route("old", ["/old"], [plugin("redirect", location="https://new.example/")]),
        route("secure", ["/secure"], protocols=["https"], snis=["example.com"]), name="orders")],
        plugins=(plugin("correlation-id"),),
        consumers=({"username": "alice", "keyauth_credentials": ({"key": "ka"},), "acls": ({"group": "staff"},)},
                   {"username": "bob", "keyauth_credentials": ({"key": "kb"},)}))


def explained(gateway, *arguments):
    done = gateway.ctl("-o", "json", "routes", "-m", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def verdicts(said):
    return [(p["name"], p["verdict"]) for p in said["plugins"]]


def test_the_first_that_refuses(it, origin):
    said = explained(it, "GET http://example.com/api/1")
    assert (said["route"], said["service"], said["matched"], said["status"]) == ("api", "orders", "/api", 401)
    assert verdicts(said) == [("key-auth", "answers"), ("acl", "not reached"), ("rate-limiting", "not reached"),
                              ("security-headers", "sees the response"), ("proxy-cache", "not reached"),
                              ("correlation-id", "not reached")]
    assert said["plugins"][0]["status"] == 401 and "No API key found in request" in said["plugins"][0]["body"]
    assert [p["scope"] for p in said["plugins"]][-2:] == [{"route": "api"}, {}]
    assert all(p["where"].startswith(f"{it.path}:") for p in said["plugins"])
    assert [p["priority"] for p in said["plugins"]] == sorted((p["priority"] for p in said["plugins"]), reverse=True)
    refused = explained(it, "GET http://example.com/api/1", "-H", "apikey: kb")
    assert refused["consumer"] == "bob" and refused["status"] == 403
    assert verdicts(refused)[:3] == [("key-auth", "passes"), ("acl", "answers"), ("rate-limiting", "not reached")]
    assert not origin.requests


def test_what_the_gateway_says_is_what_it_does(it):
    for line, fields in (("GET http://example.com/api/1", []), ("GET http://example.com/api/1", ["apikey: kb"]),
                         ("POST http://example.com/old", []), ("GET http://example.com/none", []),
                         ("GET http://example.com/secure/x", [])):
        said = explained(it, line, *(word for f in fields for word in ("-H", f)))
        method, url = line.split()
        real = it.ask(method, url.removeprefix("http://example.com"), *fields, host="example.com")
        assert said["status"] == real.status


def test_looking_changes_nothing(it, origin):
    for _ in range(20):
        said = explained(it, "http://example.com/api/1", "-H", "apikey: ka", "-H", "X-More: 1")
        assert ("rate-limiting", "passes") in verdicts(said) and "status" not in said and said["consumer"] == "alice"
    assert not origin.requests
    before = it.status().json()["requests"]["total"]
    answer = it.get("/api/1", "apikey: ka", host="example.com")
    assert answer.status == 200 and answer.get("X-RateLimit-Remaining-Year") == "4"
    assert before == 0 and it.status().json()["connections"]["active"] <= 1
    for _ in range(5):
        answer = it.get("/api/1", "apikey: ka", host="example.com")
    said = explained(it, "http://example.com/api/1", "-H", "apikey: ka")
    assert answer.status == said["status"] == 429 and ("rate-limiting", "answers") in verdicts(said)


def test_what_only_others_know_is_not_asked(origin, start):
    silent = plugin("oauth2-introspection", introspection_url="http://127.0.0.1:9/", authorization_value="Basic x")
    gateway = start([service(origin.port, route(plugins=(silent,)))])
    said = explained(gateway, "http://x/", "-H", "Authorization: Bearer t")
    assert verdicts(said) == [("oauth2-introspection", "not asked")]
    assert said["plugins"][0]["effect"] == "asks the authorization service"


def test_https_and_addresses(it, origin, start):
    assert explained(it, "https://example.com/secure")["route"] == "secure"
    assert explained(it, "https://other.example/secure")["status"] == 404
    assert explained(it, "http://example.com/secure")["status"] == 426
    other = start([service(origin.port, route(plugins=(plugin("ip-restriction", allow=["10.0.0.0/8"]),)))])
    assert explained(other, "http://x/", "--from", "10.1.2.3")["plugins"][0]["verdict"] == "passes"
    assert explained(other, "http://x/", "--from", "10::1")["status"] == 403
    assert explained(other, "http://x/")["status"] == 403


def test_what_cannot_be_asked(it):
    for arguments, code, words in ((["-H", "X: 1"], 2, "-m is missing"), (["-m", "ftp://x/"], 1, "http://host/path"),
                                   (["-m", "http://"], 1, "http://host/path"), (["-m", "GET"], 1, "http://host/path"),
                                   (["-m", "http://x/", "-H", "X"], 1, "Name: value"),
                                   (["-m", "http://x/", "-H", "X: 1\r\nY: 2"], 1, "Name: value")):
        done = it.ctl("routes", *arguments)
        assert done.returncode == code and words in done.stderr, done.stderr
    assert explained(it, "GET http://x/", "-H", "Host: y", "-H", "Host: z")["status"] == 400
    assert "client_ip" in it.ctl("routes", "-m", "http://x/", "--from", "nobody").stderr


@pytest.mark.parametrize("body, status", [(b"", 400), (b"[]", 400), (b'{"url": 1}', 400), (b'{"url": "http://x/", "headers": 1}', 400),
                                          (b'{"url": "http://x/", "headers": [1]}', 400),
                                          (b'{"url": "http://x/", "method": "A B"}', 400),
                                          (b'{"url": "http://x/", "client_ip": "nobody"}', 400),
                                          (b'{"url": "http://x/' + b"a" * 40000 + b'"}', 413)])
def test_the_api_refuses(it, body, status):
    answer = ask(None, "POST", "/routes/explain", "Content-Type: application/json", unix=it.socket, body=body)
    assert answer.status == status and answer.json()["message"]


def test_the_table(it):
    text = it.ctl("routes", "-m", "GET http://example.com/api/1", "-H", "apikey: ka").stdout
    assert "rate-limiting" in text and "passes" in text and "route api" in text and "every request" in text
    assert "api" in it.ctl("routes").stdout
