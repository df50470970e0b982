# SPDX-License-Identifier: Apache-2.0
"""response-ratelimiting: upstreams say what their responses cost; exact over all workers, with Kong's headers and texts."""
import threading

import pytest

from harness import check, conf_text, plugin, proxy_cache, reply, route, service
from redis_servers import Redis

CONSUMERS = ({"username": "alice", "keyauth_credentials": ({"key": "alice-key"},)},
             {"username": "bob", "keyauth_credentials": ({"key": "bob-key"},)})


def costly(connection, request):
    """Says what the request's X-Cost says."""
    cost = request.get("X-Cost")
    fields = [f"X-Kong-Limit: {cost}"] if cost else []
    if request.method == "HEAD":
        connection.send(reply(200, *fields, "Content-Length: 100000", length=False))
    else:
        connection.send(reply(200, *fields, body=b"x" * 100000))


def gateway_with(start, origin, *plugins, fields=None, **settings):
    return start([service(origin.port, route(plugins=plugins, **(fields or {})))], consumers=CONSUMERS, **settings)


def limiting(limits, limit_by="ip", **config):
    return plugin("response-ratelimiting", limits=limits, limit_by=limit_by, **config)


@pytest.fixture
def kept(request):
    """Where counts are kept."""
    if request.param == "local":
        yield {}
        return
    with Redis() as redis:
        yield {"policy": "redis", "redis": {"host": "127.0.0.1", "port": redis.port, "timeout": 600000}}


@pytest.mark.parametrize("buffering", [False, True])
@pytest.mark.parametrize("kept", ["local", "redis"], indirect=True)
def test_what_is_told_and_counted(origins, start, buffering, kept):
    origin = origins(costly)
    gateway = gateway_with(start, origin, limiting({"sms": {"month": 5, "year": 8}, "video": {"year": 2}}, **kept),
                           fields={"response_buffering": buffering}, workers=1)
    answer = gateway.get("/", "X-Cost: sms=2, video=1, other=9")
    assert answer.status == 200 and len(answer.body) == 100000 and "X-Kong-Limit" not in answer
    assert answer.get("X-RateLimit-Limit-sms-month") == "5" and answer.get("X-RateLimit-Remaining-sms-month") == "3"
    assert answer.get("X-RateLimit-Limit-sms-year") == "8" and answer.get("X-RateLimit-Remaining-sms-year") == "6"
    assert answer.get("X-RateLimit-Remaining-video-year") == "1"
    assert origin.last.get("X-RateLimit-Remaining-sms") == "5" and origin.last.get("X-RateLimit-Remaining-video") == "2"
    assert gateway.get("/", "X-RateLimit-Remaining-sms: 99").status == 200      # nothing used; nobody forges what is left
    assert origin.last.get("X-RateLimit-Remaining-sms") == "3"
    assert gateway.get("/", "X-Cost: sms=4").get("X-RateLimit-Remaining-sms-month") == "0"
    client = gateway.client()
    for _ in range(2):      # on one connection: the rest of the upstream's answer is not the next one's
        answer = client.ask("GET", "/", "X-Cost: video=1, sms=1")
        assert answer.status == 429 and answer.json()["message"] == "API rate limit exceeded for 'sms'"
        assert "X-Kong-Limit" not in answer and answer.get("X-RateLimit-Remaining-video-year") == "1"
    answer = client.ask("GET", "/", "X-Cost: video=1")      # what was refused was not counted
    assert answer.status == 200 and answer.get("X-RateLimit-Remaining-video-year") == "0" and len(answer.body) == 100000
    assert client.ask("HEAD", "/", "X-Cost: video=1").status == 429
    assert client.ask("GET", "/").status == 200
    client.close()
    gateway.reload()
    assert gateway.get("/", "X-Cost: video=1").status == 429


def test_exact_over_all_workers(origins, start):
    origin = origins(costly)
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 100}}), workers=4)
    statuses, lock = [], threading.Lock()

    def one():
        client = gateway.client()
        for _ in range(4):
            status = client.ask("GET", "/", "X-Cost: sms=1").status
            with lock:
                statuses.append(status)
        client.close()
    threads = [threading.Thread(target=one) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 256 and statuses.count(200) == 100 and statuses.count(429) == 156


def test_refused_before_it_goes_upstream(origins, start):
    origin = origins(costly)
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 1}}, block_on_first_violation=True, hide_client_headers=True,
                                                   header_name="X-Cost-Of"))
    origin.handler = lambda connection, request: connection.send(reply(200, "X-Cost-Of: sms=1", "X-Kong-Limit: sms=1"))
    answer = gateway.get("/")
    assert answer.status == 200 and not [name for name, _ in answer.fields if "ratelimit" in name.lower()]
    assert "X-Cost-Of" not in answer and answer.get("X-Kong-Limit") == "sms=1"
    answer = gateway.get("/")
    assert answer.status == 429 and answer.json()["message"] == "API rate limit exceeded for 'sms'"
    assert len(origin.requests) == 1


def test_by_consumer(origins, start):
    gateway = gateway_with(start, origins(costly), plugin("key-auth"), limiting({"sms": {"year": 1}}, "consumer"))
    assert gateway.get("/", "apikey: alice-key", "X-Cost: sms=1").status == 200
    assert gateway.get("/", "apikey: alice-key", "X-Cost: sms=1").status == 429
    assert gateway.get("/", "apikey: bob-key", "X-Cost: sms=1").status == 200


def test_stored_answers_cost_nothing(origins, start):
    origin = origins(costly)
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 2}}), proxy_cache(content_type=["text/plain"]))
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", "X-Kong-Limit: sms=1"))
    assert gateway.get("/a").get("X-RateLimit-Remaining-sms-year") == "1"
    for _ in range(3):
        answer = gateway.get("/a")
        assert answer.status == 200 and answer.get("X-Cache-Status") == "Hit" and "X-Kong-Limit" not in answer
        assert answer.get("X-RateLimit-Remaining-sms-year") == "1"
    assert gateway.get("/b").status == 200
    assert gateway.get("/c").status == 429 and gateway.get("/c").status == 429      # and is not stored
    assert gateway.get("/a").status == 200


def test_printed_as_it_is_read():
    text = conf_text({"plugins": (limiting({"sms": {"minute": 3}}),)})
    printed = check(text, "-T")
    assert printed.returncode == 0, printed.stderr
    again = check(printed.stdout, "-T")
    assert again.returncode == 0 and again.stdout == printed.stdout and "minute = 3;" in printed.stdout
