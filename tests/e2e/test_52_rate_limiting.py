# SPDX-License-Identifier: Apache-2.0
"""rate-limiting as clients see it: exact over all workers, over reloads and deaths, with Kong's headers and texts."""
import os
import signal
import threading

import pytest
from harness import plugin, route, service

CONSUMERS = ({"username": "alice", "keyauth_credentials": ({"key": "alice-key"},)},
             {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)})


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], consumers=CONSUMERS, **settings)


def together(gateway, connections, each):
    """That many answers' statuses, by many connections at once: the threads, and the list that they fill."""
    statuses, lock = [], threading.Lock()

    def one():
        client = gateway.client()
        for _ in range(each):
            status = client.ask("GET", "/").status
            with lock:
                statuses.append(status)
        client.close()
    threads = [threading.Thread(target=one) for _ in range(connections)]
    for thread in threads:
        thread.start()
    return threads, statuses


def flood(gateway, connections, each):
    threads, statuses = together(gateway, connections, each)
    for thread in threads:
        thread.join()
    return statuses


def test_exact_over_all_workers(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=1000, limit_by="ip"), workers=4)
    statuses = flood(gateway, 64, 25)
    assert len(statuses) == 1600 and statuses.count(200) == 1000 and statuses.count(429) == 600
    assert len(origin.requests) == 1000  # refused before anything went upstream


def says_what_is_left(gateway):
    """Three requests under limits of two a month and five a year."""
    answer = gateway.get("/")
    assert answer.get("X-RateLimit-Limit-Month") == "2" and answer.get("X-RateLimit-Remaining-Month") == "1"
    assert answer.get("X-RateLimit-Limit-Year") == "5" and answer.get("X-RateLimit-Remaining-Year") == "4"
    assert answer.get("RateLimit-Limit") == "2" and answer.get("RateLimit-Remaining") == "1"
    assert 0 < int(answer.get("RateLimit-Reset")) <= 31 * 86400 and "Retry-After" not in answer
    gateway.get("/")
    answer = gateway.get("/")
    assert answer.status == 429 and answer.json()["message"] == "API rate limit exceeded"
    assert answer.get("X-RateLimit-Remaining-Month") == "0" and answer.get("X-RateLimit-Remaining-Year") == "3"
    assert answer.get("Retry-After") == answer.get("RateLimit-Reset")


def test_headers_and_texts(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", month=2, year=5, limit_by="ip"))
    says_what_is_left(gateway)
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=1, limit_by="ip", hide_client_headers=True, error_code=503,
                                                 error_message="Slow down"))
    assert not [name for name, _ in gateway.get("/").fields if "ratelimit" in name.lower()]
    answer = gateway.get("/")
    assert answer.status == 503 and answer.json()["message"] == "Slow down" and "Retry-After" not in answer


def test_the_longest_of_those_that_have_least_left_is_told(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", month=1, year=1, limit_by="ip"))
    assert gateway.get("/").get("RateLimit-Remaining") == "0"
    answer = gateway.get("/")
    assert answer.status == 429 and answer.get("RateLimit-Reset") == answer.get("Retry-After")


def test_by_consumer(origin, start):
    gateway = gateway_with(start, origin, plugin("key-auth"), plugin("rate-limiting", year=2))
    for _ in range(2):
        assert gateway.get("/", "apikey: alice-key").status == 200
    assert gateway.get("/", "apikey: alice-key").status == 429 and gateway.get("/", "apikey: bob-key").status == 200
    assert gateway.get("/").status == 401  # not counted: nobody is known


def test_counts_outlive_reload_and_death(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=4, limit_by="ip"), workers=1)
    assert [gateway.get("/").status for _ in range(2)] == [200, 200]
    assert gateway.reload().returncode == 0
    assert gateway.get("/").get("X-RateLimit-Remaining-Year") == "1"
    victim = gateway.pids("worker")[0]
    os.kill(victim, signal.SIGKILL)
    gateway.replaced(victim)
    assert gateway.get("/").get("X-RateLimit-Remaining-Year") == "0"
    assert gateway.get("/").status == 429


def test_one_window_s_refusal_costs_no_other(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", month=1, year=10, limit_by="ip"))
    assert [gateway.get("/").status for _ in range(5)] == [200] + [429] * 4
    assert gateway.get("/").get("X-RateLimit-Remaining-Year") == "9"


def test_token_bucket_and_dry_run(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=3, burst=2, window_type="token-bucket", limit_by="ip"))
    assert [gateway.get("/").status for _ in range(3)] == [200, 200, 429]
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=1, limit_by="ip", dry_run=True))
    assert [gateway.get("/").status for _ in range(3)] == [200] * 3
    gateway.wait_log("would refuse")


def test_sliding(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=2, window_type="sliding", limit_by="ip"))
    assert [gateway.get("/").status for _ in range(3)] == [200, 200, 429]


REFUSING = [("rate-limiting", {"year": 1, "limit_by": "ip"}, 429), ("request-termination", {"status_code": 418}, 418),
            ("redirect", {"location": "https://a.example/"}, 301),
            ("request-size-limiting", {"allowed_payload_size": 1, "size_unit": "bytes"}, 413)]


@pytest.mark.parametrize("framing", ["length", "chunked", "expect"])
@pytest.mark.parametrize("name, config, status", REFUSING, ids=[name for name, _, _ in REFUSING])
def test_the_body_of_what_is_refused_is_no_request(origin, start, name, config, status, framing):
    gateway = gateway_with(start, origin, plugin(name, **config))
    gateway.get("/first")
    inner = b"GET /inner HTTP/1.1\r\nHost: h\r\n\r\n"
    fields = {"length": b"Content-Length: %d\r\n" % len(inner), "chunked": b"Transfer-Encoding: chunked\r\n",
              "expect": b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(inner)}[framing]
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner) if framing == "chunked" else inner
    client = gateway.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body + b"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n")
    refused = client.response()
    assert refused.status == (417 if name == "request-size-limiting" and framing == "expect" else status)
    if refused.get("Connection") == "close":
        assert client.at_end()
    else:
        behind = client.response()
        assert behind.status == (200 if name == "request-size-limiting" else status) and client.silent()
    assert [request.target for request in origin.requests if request.target in ("/", "/inner")] == []


def test_cached_answers_count_too(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=2, limit_by="ip"), plugin("proxy-cache", cache_ttl=60))
    assert [gateway.get("/").status for _ in range(3)] == [200, 200, 429] and len(origin.requests) == 1


def test_whose_requests_are_counted_together(origin, start):
    def twice_each(gateway, one, other):
        """Two for each of them, given as arguments of get()."""
        for target, *fields in (one, other, one, other):
            assert gateway.get(target, *fields).status == 200
        assert gateway.get(*one).status == 429 and gateway.get(*other).status == 429
    by_header = plugin("rate-limiting", year=2, limit_by="header", header_name="X-Tenant")
    gateway = gateway_with(start, origin, by_header)
    twice_each(gateway, ("/", "X-Tenant: 1"), ("/", "x-tenant: 2"))
    twice_each(gateway, ("/",), ("/", "X-Tenant: 3"))      # without one: by the address
    assert gateway.get("/", "X-Tenant: 4", "X-Tenant: 1").status == 429      # nor does a new line before it make another of him
    gateway = gateway_with(start, origin, plugin("rate-limiting", year=2, limit_by="path", path="/counted"))
    twice_each(gateway, ("/counted",), ("/other",))
    two_keys = {"username": "carol", "keyauth_credentials": ({"key": "c1"}, {"key": "c2"})}
    gateway = start([service(origin.port, route(plugins=(plugin("key-auth"), plugin("rate-limiting", year=2, limit_by="credential"))))],
                    consumers=(two_keys,))
    twice_each(gateway, ("/", "apikey: c1"), ("/", "apikey: c2"))
    gateway = start([service(origin.port, route("a", ["/a"]), route("b", ["/b"]), name="one"),
                     service(origin.port, route("c", ["/c"]), name="two")],
                    plugins=(plugin("rate-limiting", year=2, limit_by="service"),))
    assert [gateway.get(target).status for target in ("/a", "/b", "/c", "/a", "/c", "/b")] == [200, 200, 200, 429, 200, 429]


def test_all_windows_at_once(origin, start):
    gateway = gateway_with(start, origin, plugin("rate-limiting", second=1000, minute=2000, hour=3000, day=4000, month=5000,
                                                 year=6000, limit_by="ip"))
    answer = gateway.get("/")
    for number, window in enumerate(("Second", "Minute", "Hour", "Day", "Month", "Year"), 1):
        assert answer.get(f"X-RateLimit-Limit-{window}") == str(number * 1000)
        assert answer.get(f"X-RateLimit-Remaining-{window}") == str(number * 1000 - 1)
    assert answer.get("RateLimit-Limit") == "1000" and answer.get("RateLimit-Reset") == "1"
