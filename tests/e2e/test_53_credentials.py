# SPDX-License-Identifier: Apache-2.0
"""Plugins that know a consumer by a name: basic-auth."""
import base64
import hashlib
import subprocess
import time

from harness import plugin, route, service

ID = "6f2a3c1e-0d5b-4f7a-9c52-0a1b2c3d4e5f"


def basic(name, password):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def basic_gateway(start, origin, *credentials, **config):
    consumers = ({"username": "alice", "id": ID, "basicauth_credentials": credentials}, {"username": "guest"})
    return start([service(origin.port, route(plugins=(plugin("basic-auth", **config),)))], consumers=consumers, workers=1)


def test_basic_auth(origin, start):
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "p:w d"})
    assert gateway.get("/", basic("ali", "p:w d"), "X-Consumer-Username: root").status == 200
    assert origin.last.all("X-Consumer-Username") == ["alice"] and origin.last.get("X-Consumer-ID") == ID
    assert origin.last.get("X-Credential-Identifier") == "ali" and "Authorization" in origin.last
    origin.requests.clear()
    for fields in ((), (basic("ali", "p:w"),), (basic("bob", "p:w d"),), ("Authorization: Basic !!",),
                   (basic("ali", "p:w d"), basic("ali", "p:w d"))):
        answer = gateway.get("/", *fields)
        assert answer.status == 401 and answer.json()["message"] == "Unauthorized", fields
        assert answer.get("WWW-Authenticate") == 'Basic realm="service"'
    assert origin.requests == []


def test_basic_auth_fields(origin, start):
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "pw"}, hide_credentials=True, realm="mine", anonymous="guest")
    assert gateway.get("/", basic("ali", "pw")).status == 200
    assert "Authorization" not in origin.last and origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get("/", basic("ali", "wrong")).status == 200
    assert origin.last.get("X-Consumer-Username") == "guest" and origin.last.get("X-Anonymous-Consumer") == "true"
    assert "Authorization" not in origin.last
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "pw"}, realm="mine")
    assert gateway.get("/").get("WWW-Authenticate") == 'Basic realm="mine"'


def test_basic_auth_of_hashes(origin, start):
    sha512 = subprocess.run(["openssl", "passwd", "-6", "pw"], capture_output=True, text=True, check=True).stdout.strip()
    gateway = basic_gateway(start, origin, {"username": "k", "password": hashlib.sha1(f"pw{ID}".encode()).hexdigest(),
                                            "password_format": "kong"}, {"username": "c", "password": sha512})
    for name in ("k", "c"):
        for _ in range(2):
            assert gateway.get("/", basic(name, "pw")).status == 200
            assert gateway.get("/", basic(name, "wrong")).status == 401
        assert gateway.get("/", basic(name, sha512)).status == 401


def test_a_slow_hash_is_paid_once_a_worker(origin, start):
    """SHA-512 of 1,500,000 rounds takes a good part of a second; fifty requests take less than three of them."""
    slow = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c",
                           "import crypt; print(crypt.crypt('pw', '$6$rounds=1500000$saltsalt'))"],
                          capture_output=True, text=True, check=True).stdout.strip()
    gateway = basic_gateway(start, origin, {"username": "ali", "password": slow})
    began = time.monotonic()
    assert gateway.get("/", basic("ali", "pw")).status == 200
    once = time.monotonic() - began
    began = time.monotonic()
    for _ in range(50):
        assert gateway.get("/", basic("ali", "pw")).status == 200
    assert time.monotonic() - began < 3 * once
    assert gateway.get("/", basic("ali", "wrong")).status == 401
    gateway.reload()
    assert gateway.get("/", basic("ali", "pw")).status == 200
