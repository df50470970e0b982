# SPDX-License-Identifier: Apache-2.0
"""Plugins that let pass or turn away, and those that change what browsers are told: ip-restriction, bot-detection, acl,
cors, redirect, security-headers."""
from harness import ask, client_tls, plugin, proxy_cache, reply, route, service

ALICE = {"username": "alice", "keyauth_credentials": ({"key": "alice-key"},), "acls": ({"group": "staff"}, {"group": "eu"})}
BOB = {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)}


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=(ALICE, BOB), **settings)


def test_ip_restriction(origin, start):
    gateway = gateway_with(start, origin, plugin("ip-restriction", allow=["10.0.0.0/8", "2001:db8::/32"], deny=["10.9.0.0/16"]),
                           trusted_ips=["127.0.0.1"])
    for client, status in (("10.1.2.3", 200), ("2001:db8::1", 200), ("10.9.1.1", 403), ("192.0.2.1", 403)):
        assert gateway.get("/", f"X-Real-IP: {client}").status == status, client
    answer = gateway.get("/")
    assert answer.status == 403 and answer.json()["message"] == "IP address not allowed: 127.0.0.1"
    gateway = gateway_with(start, origin, plugin("ip-restriction", deny=["127.0.0.0/8"], status=451, message="Not from here"))
    answer = gateway.get("/")
    assert answer.status == 451 and answer.json()["message"] == "Not from here"


def test_ip_restriction_of_mapped_addresses(origin, start):
    """IPv4 in IPv6's clothes is IPv4, and no network of IPv6 holds it."""
    gateway = gateway_with(start, origin, plugin("ip-restriction", allow=["::/0", "10.0.0.0/8"], deny=["10.9.0.0/16"]),
                           trusted_ips=["127.0.0.1"])
    for client, status in (("::ffff:10.1.2.3", 200), ("::ffff:10.9.1.1", 403), ("::ffff:192.0.2.1", 403), ("2001:db8::1", 200)):
        assert gateway.get("/", f"X-Real-IP: {client}").status == status, client
    assert gateway.get("/", "X-Real-IP: 10.1.2.3", "X-Real-IP: 10.9.1.1").status == 403     # the proxy's line is the last one
    gateway = gateway_with(start, origin, plugin("ip-restriction", deny=["127.0.0.1"]))
    assert gateway.get("/", "X-Real-IP: 10.1.2.3", "X-Forwarded-For: 10.1.2.3").status == 403  # nobody is trusted


def test_ip_restriction_without_an_address(origin, start, tmp_path):
    """Who comes by a Unix socket has none."""
    gateway = gateway_with(start, origin, plugin("ip-restriction", deny=["192.0.2.1"]))
    path = gateway.dir / "in.sock"
    gateway.dir.chmod(0o777)
    gateway.write(proxy_listen=({"address": f"127.0.0.1:{gateway.port}"}, {"address": f"unix:{path}"}))
    gateway.reload()
    assert gateway.get("/").status == 200
    answer = ask(None, unix=path)
    assert answer.status == 403 and answer.json()["message"].startswith("Cannot identify the client IP address")


def test_ip_restriction_of_a_consumer(origin, start):
    """It runs before anybody is known, unless its priority says otherwise; the file is refused, not the rule ignored."""
    rule = plugin("ip-restriction", {"consumer": "alice"}, deny=["127.0.0.1"])
    gateway = gateway_with(start, origin, plugin("key-auth"), plugins=({**rule, "priority": 990},))
    assert gateway.get("/", "apikey: alice-key").status == 403 and gateway.get("/", "apikey: bob-key").status == 200
    gateway.write(plugins=(rule,))
    done = gateway.ctl("reload")
    assert done.returncode != 0 and "ip-restriction runs at 3000, before key-auth (1003) has found out who" in done.stdout + done.stderr


def test_ip_restriction_of_a_hundred_thousand(origin, start):
    many = [f"10.{a}.{b}.{c}/31" for a in range(2) for b in range(250) for c in range(0, 200, 1)]
    gateway = gateway_with(start, origin, plugin("ip-restriction", allow=many), trusted_ips=["127.0.0.1"])
    assert gateway.get("/", "X-Real-IP: 10.1.249.199").status == 200
    assert gateway.get("/", "X-Real-IP: 10.1.250.0").status == 403


def test_bot_detection(origin, start):
    gateway = gateway_with(start, origin, plugin("bot-detection", allow=["^Googlebot"], deny=["(?i)badclient"]))
    assert gateway.get("/").status == 200
    assert gateway.get("/", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0").status == 200
    assert gateway.get("/", "User-Agent: Googlebot/2.1").status == 200
    origin.requests.clear()
    answer = gateway.get("/", "User-Agent: Mozilla/5.0 (compatible; bingbot/2.0)")
    assert answer.status == 403 and answer.json()["message"] == "Forbidden"
    for agent in ("BadClient", "Anybot/1.0", "okhttp/4.9", "a scraper"):
        assert gateway.get("/", f"User-Agent: {agent}").status == 403
    assert gateway.get("/", "User-Agent: a", "User-Agent: b").status == 400
    assert origin.requests == []


def test_acl(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"), plugin("acl", allow=["staff"]))
    assert gateway.get("/", "apikey: alice-key", "X-Consumer-Groups: root").status == 200
    assert origin.last.all("X-Consumer-Groups") == ["staff, eu"]
    answer = gateway.get("/", "apikey: bob-key")
    assert answer.status == 403 and answer.json()["message"] == "You cannot consume this service"
    gateway = gateway_with(start, origin, plugin("key-auth"), plugin("acl", deny=["staff"], hide_groups_header=True))
    assert gateway.get("/", "apikey: alice-key").status == 403
    assert gateway.get("/", "apikey: bob-key", "X-Consumer-Groups: root").status == 200
    assert "X-Consumer-Groups" not in origin.last
    gateway = gateway_with(start, origin, plugin("acl", allow=["staff"]))
    assert gateway.get("/", "X-Consumer-Groups: staff").status == 401


def test_acl_of_the_anonymous_consumer(origin, start):
    """Without groups it is asked to say who it is; with some it is a consumer like others."""
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="bob"), plugin("acl", allow=["staff"]))
    answer = gateway.get("/")
    assert answer.status == 401 and answer.json()["message"] == "Unauthorized"
    assert gateway.get("/", "apikey: bob-key").status == 403 and gateway.get("/", "apikey: alice-key").status == 200
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="alice"), plugin("acl", allow=["staff"]))
    assert gateway.get("/").status == 200 and origin.last.get("X-Consumer-Groups") == "staff, eu"
    gateway = gateway_with(start, origin, plugin("key-auth", anonymous="alice"), plugin("acl", deny=["staff"]))
    assert gateway.get("/").status == 403 and gateway.get("/", "apikey: bob-key").status == 200


PREFLIGHT = ("Origin: https://app.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a")


def test_cors_preflight_is_answered_before_authentication(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"),
                           plugin("cors", origins=["https://app.example", "https://other.example"], max_age=600, credentials=True))
    answer = gateway.ask("OPTIONS", "/", *PREFLIGHT)
    assert answer.status == 200 and answer.body == b"" and origin.requests == []
    assert answer.get("Access-Control-Allow-Origin") == "https://app.example" and answer.get("Vary") == "Origin"
    assert answer.get("Access-Control-Allow-Methods") == "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"
    assert answer.get("Access-Control-Allow-Headers") == "x-a" and answer.get("Access-Control-Max-Age") == "600"
    assert answer.get("Access-Control-Allow-Credentials") == "true"
    assert gateway.ask("OPTIONS", "/").status == 401  # no preflight: like any other request
    answer = gateway.get("/", "Origin: https://app.example")
    assert answer.status == 401 and answer.get("Access-Control-Allow-Origin") == "https://app.example"


def test_cors_of_responses(origin, start):
    origin.handler = lambda connection, request: connection.send(reply(200, "Vary: Accept", "Access-Control-Allow-Origin: https://wrong.example", body="x"))
    gateway = gateway_with(start, origin, plugin("cors", origins=[r"https://.*\.app\.example", "b.example"], exposed_headers=["X-One", "X-Two"]))
    answer = gateway.get("/", "Origin: https://a.app.example")
    assert answer.all("Access-Control-Allow-Origin") == ["https://a.app.example"]
    assert sorted(answer.all("Vary")) == ["Accept", "Origin"] and answer.get("Access-Control-Expose-Headers") == "X-One,X-Two"
    for other in ("https://a.app.example.evil", "http://a.app.example", "null"):
        assert "Access-Control-Allow-Origin" not in gateway.get("/", f"Origin: {other}"), other
    assert gateway.get("/", "Origin: http://b.example:8080").get("Access-Control-Allow-Origin") == "http://b.example:8080"
    gateway = gateway_with(start, origin, plugin("cors"))
    answer = gateway.get("/")
    assert answer.all("Access-Control-Allow-Origin") == ["*"] and answer.all("Vary") == ["Accept"]


def test_cors_of_a_cached_response(origin, start):
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body="x"))
    gateway = gateway_with(start, origin, plugin("cors", origins=["https://a.example", "https://b.example"]), proxy_cache())
    for name, state in (("a", "Miss"), ("b", "Hit"), ("a", "Hit")):
        answer = gateway.get("/", f"Origin: https://{name}.example")
        assert answer.get("X-Cache-Status") == state
        assert answer.all("Access-Control-Allow-Origin") == [f"https://{name}.example"]


def test_cors_preflight_continue(origin, start):
    gateway = gateway_with(start, origin, plugin("cors", preflight_continue=True))
    assert gateway.ask("OPTIONS", "/", *PREFLIGHT).status == 200 and origin.last.method == "OPTIONS"


def test_redirect(origin, start):
    gateway = gateway_with(start, origin, plugin("redirect", location="https://new.example/start"))
    answer = gateway.get("/old?x=1")
    assert answer.status == 301 and answer.get("Location") == "https://new.example/start" and origin.requests == []
    gateway = gateway_with(start, origin, plugin("redirect", location="https://new.example/start", status_code=308, keep_incoming_path=True))
    answer = gateway.get("/old/%0d%0aX:y?x=1")
    assert answer.status == 308 and answer.get("Location") == "https://new.example/old/%0D%0AX:y?x=1"


def test_security_headers(origin, start):
    origin.handler = lambda connection, request: connection.send(reply(200, "X-Frame-Options: ALLOWALL", body="x"))
    gateway = gateway_with(start, origin, plugin("security-headers", content_security_policy="default-src 'self'"))
    answer = gateway.get("/")
    assert answer.all("X-Frame-Options") == ["SAMEORIGIN"] and answer.get("X-Content-Type-Options") == "nosniff"
    assert answer.get("Content-Security-Policy") == "default-src 'self'"
    assert answer.get("Referrer-Policy") == "strict-origin-when-cross-origin"
    assert "Strict-Transport-Security" not in answer
    gateway = start([service(origin.port, route())], plugins=(plugin("security-headers"),))
    assert gateway.get("/").get("X-Content-Type-Options") == "nosniff"


def test_security_headers_as_configured(origin, start, certs):
    def gateway(**config):
        return gateway_with(start, origin, plugin("security-headers", **config),
                            tls=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},))

    def secure(gateway):
        return ask(gateway.tls_port, tls=client_tls(certs / "ca.crt"))
    plain = gateway()
    assert secure(plain).get("Strict-Transport-Security") == "max-age=31536000"
    assert "Strict-Transport-Security" not in plain.get("/")      # where browsers must not heed it
    full = secure(gateway(hsts_max_age=60, hsts_include_subdomains=True, hsts_preload=True, content_type_nosniff=False,
                          frame_options="DENY", referrer_policy="no-referrer", permissions_policy="camera=()",
                          cross_origin_opener_policy="same-origin", cross_origin_resource_policy="same-site"))
    for name, value in (("Strict-Transport-Security", "max-age=60; includeSubDomains; preload"), ("X-Content-Type-Options", None),
                        ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"), ("Permissions-Policy", "camera=()"),
                        ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-site"),
                        ("Content-Security-Policy", None)):
        assert full.get(name) == value, name
    none = secure(gateway(hsts_max_age=0, frame_options="", referrer_policy=""))
    assert not [name for name in ("Strict-Transport-Security", "X-Frame-Options", "Referrer-Policy") if name in none]


def test_filters_heed_the_protocols_of_their_instance(origin, start):
    gateway = gateway_with(start, origin, plugin("security-headers", scope={"protocols": ["https"]}))
    assert "X-Content-Type-Options" not in gateway.get("/")
