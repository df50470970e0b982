# SPDX-License-Identifier: Apache-2.0
"""response-ratelimiting with its counters in a Redis: gateways see what each other's responses used, nothing of it is lost,
and what happens when Redis is not there."""
import os
import signal
import threading

import pytest
from harness import PATIENCE, check, conf_text, plugin, proxy_cache, reply, route, service, wait_until
from redis_servers import Cluster, Redis, Sentinels
from test_52_redis import SLOW, count_of, questions

CONSUMERS = ({"username": "alice", "keyauth_credentials": ({"key": "a"},)},
             {"username": "bob", "keyauth_credentials": ({"key": "b"},)})
LEFT = "X-RateLimit-Remaining-sms-year"


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


def costly(connection, request):
    """Says what the request's X-Cost says."""
    cost = request.get("X-Cost")
    connection.send(reply(200, *([f"X-Kong-Limit: {cost}"] if cost else []), body=b"x" * 1000))


def limiting(limits, where, limit_by="ip", **config):
    settings = {**SLOW, **(where if isinstance(where, dict) else {"host": "127.0.0.1", "port": where.port})}
    return plugin("response-ratelimiting", limits=limits, limit_by=limit_by, policy="redis", redis=settings, **config)


def gateway_with(start, origin, *plugins, **settings):
    settings.setdefault("workers", 1)
    return start([service(origin.port, route(plugins=plugins), route(name="free", paths=("/free",)))], **settings)


def use(gateway, cost, counted, redis):
    """The answer to a request that uses so much, when Redis counts so much of it."""
    answer = gateway.get("/", f"X-Cost: sms={cost}")
    wait_until(lambda: count_of(redis) == counted, "the usage in Redis")
    return answer


def test_two_gateways_see_each_other(origins, start, redis):
    origin = origins(costly)
    one, two = (gateway_with(start, origin, limiting({"sms": {"year": 10}}, redis)) for _ in range(2))
    assert use(one, 3, 3, redis).get(LEFT) == "7"
    assert two.get("/").get(LEFT) == "7" and origin.last.get("X-RateLimit-Remaining-sms") == "7"
    assert use(two, 6, 9, redis).get(LEFT) == "1"
    assert use(one, 5, 14, redis).get(LEFT) == "0"      # there was some left, so all of it counts
    for gateway in (one, two):
        answer = gateway.get("/", "X-Cost: sms=1")
        assert answer.status == 429 and answer.json()["message"] == "API rate limit exceeded for 'sms'"
        assert gateway.get("/").status == 200       # it uses nothing
    assert count_of(redis) == 14 and len(origin.requests) == 8
    keys = redis.ask("KEYS", "*")
    assert len(keys) == 1 and ":ip:=127.0.0.1}:sms:year:" in keys[0] and redis.ask("TTL", keys[0]) > 0


def test_all_of_many_is_counted(origins, start, redis):
    gateway = gateway_with(start, origins(costly), limiting({"sms": {"month": 10 ** 6, "year": 10 ** 6}}, redis), workers=4)

    def one():
        client = gateway.client()
        for _ in range(10):
            assert client.ask("GET", "/", "X-Cost: sms=2").status == 200
        client.close()
    threads = [threading.Thread(target=one) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: count_of(redis) == 2 * 32 * 10 * 2, "all usage of both periods")


def test_one_question_before_and_one_after(origins, start, redis):
    limits = {f"n{i}": {"day": 5, "month": 6, "year": 7} for i in range(60)}
    gateway = gateway_with(start, origins(costly), limiting(limits, redis, hide_client_headers=True))
    assert gateway.get("/", "X-Cost: n0=1, n59=2").status == 200
    wait_until(lambda: count_of(redis) == 9, "both names in all periods")
    wait_until(lambda: questions(gateway) == [2, 0], "two questions")
    assert gateway.get("/").status == 200
    wait_until(lambda: questions(gateway) == [3, 0], "one for what uses nothing")


def test_refused_before_it_goes_upstream(origins, start, redis):
    origin = origins(costly)
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 1}}, redis, block_on_first_violation=True))
    assert use(gateway, 1, 1, redis).status == 200
    answer = gateway.get("/")
    assert answer.status == 429 and answer.json()["message"] == "API rate limit exceeded for 'sms'"
    assert len(origin.requests) == 1


def test_by_consumer_in_a_cluster(origins, start):
    with Cluster() as cluster:
        nodes = tuple({"ip": "127.0.0.1", "port": node.port} for node in cluster.nodes[:1])
        limits = {"sms": {"month": 1, "year": 1}, "video": {"year": 3}}
        one, two = (gateway_with(start, origins(costly), plugin("key-auth"),
                                 limiting(limits, {"cluster_nodes": nodes}, "consumer"), consumers=CONSUMERS)
                    for _ in range(2))

        def total():
            return sum(count_of(node) for node in cluster.nodes)

        def counted(number, before):    # a node whose map is old sends it elsewhere: then again, until it is counted
            wait_until(lambda: total() - before == number, "the usage in the Cluster")
        for key, total_before in (("a", 0), ("b", 3)):
            assert one.get("/", f"apikey: {key}", "X-Cost: sms=1, video=1").get(LEFT) == "0"
            counted(3, total_before)
            answer = two.get("/", f"apikey: {key}", "X-Cost: sms=1")
            assert answer.status == 429 and answer.get("X-RateLimit-Remaining-video-year") == "2"
        assert len(cluster.keys()) == 6


def test_under_sentinels_with_a_password(origins, start):
    with Sentinels(n=1, password="secret") as sentinels:
        gateway = gateway_with(start, origins(costly), limiting({"sms": {"year": 2}}, sentinels.settings(1)))
        assert gateway.get("/", "X-Cost: sms=2").get(LEFT) == "0"
        master = sentinels.servers[0]
        keys = wait_until(lambda: master.ask("KEYS", "*", auth=("secret",)), "the usage in the master")
        assert [master.ask("GET", key, auth=("secret",)) for key in keys] == ["2"]
        assert gateway.get("/", "X-Cost: sms=1").status == 429


# ---- nothing is lost -----------------------------------------------------------------------------------------------

def test_redis_knows_before_the_client_does(origins, start, redis):
    def freeze_first(connection, request):
        redis.freeze()      # the access phase is over: what is left has been read
        costly(connection, request)
    gateway = gateway_with(start, origins(freeze_first), limiting({"sms": {"year": 9}}, redis))
    victim = gateway.pids("worker")[0]
    assert gateway.get("/", "X-Cost: sms=4").get(LEFT) == "5"
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: gateway.pids("worker") not in ([], [victim]), "a new worker")
    redis.thaw()
    wait_until(lambda: count_of(redis) == 4, "what had left before the answer did")


def test_a_client_that_leaves_after_the_head(origins, start, redis):
    go = threading.Event()

    def slow(connection, request):
        redis.freeze()
        connection.send(b"HTTP/1.1 200 OK\r\nX-Kong-Limit: sms=4\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
        go.wait(10 * PATIENCE)
    gateway = gateway_with(start, origins(slow), limiting({"sms": {"year": 9}}, redis))
    client = gateway.client()
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert client.read_head().get(LEFT) == "5"
    client.close()
    wait_until(lambda: sum(gateway.streams()) == 0, "the request to end")
    redis.thaw()
    wait_until(lambda: count_of(redis) == 4, "the usage in Redis")
    go.set()


def test_stopped_before_redis_answers(origins, start, redis):
    def freeze_first(connection, request):
        redis.freeze()
        costly(connection, request)
    gateway = gateway_with(start, origins(freeze_first), limiting({"sms": {"year": 9}}, redis), shutdown_timeout=600000)
    assert gateway.get("/", "X-Cost: sms=4").status == 200
    gateway.process.send_signal(signal.SIGQUIT)
    redis.thaw()
    gateway.process.wait(PATIENCE * 3)
    wait_until(lambda: count_of(redis) == 4, "the usage in Redis")


def test_stored_answers_cost_nothing(origins, start, redis):
    origin = origins(lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", "X-Kong-Limit: sms=1")))
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 2}}, redis), proxy_cache(content_type=["text/plain"]))
    assert gateway.get("/a").get(LEFT) == "1"
    for _ in range(3):
        answer = gateway.get("/a")
        assert answer.get("X-Cache-Status") == "Hit" and answer.get(LEFT) == "1"
    assert count_of(redis) == 1


def test_a_renewal_in_the_background_counts(origins, start, redis):
    fields = ("Content-Type: text/plain", "Cache-Control: max-age=1, stale-while-revalidate=600", "X-Kong-Limit: sms=3")
    origin = origins(lambda connection, request: connection.send(reply(200, *fields)))
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 1000}}, redis),
                           proxy_cache(content_type=["text/plain"], cache_control=True))
    assert gateway.get("/a").get(LEFT) == "997"
    wait_until(lambda: gateway.get("/a").get("X-Cache-Status") in ("Stale", "Updating"), "an answer that is renewed meanwhile")
    wait_until(lambda: count_of(redis) >= 6, "the renewal's usage")


# ---- a Redis that is not there -------------------------------------------------------------------------------------

def test_what_is_known_is_counted_on_without_redis(origins, start, redis):
    origin = origins(costly)
    one, two = (gateway_with(start, origin, limiting({"sms": {"year": 10}}, redis)) for _ in range(2))
    assert use(one, 4, 4, redis).status == 200
    assert use(two, 3, 7, redis).status == 200
    redis.stop()
    answer = two.get("/", "X-Cost: sms=2", "X-RateLimit-Remaining-sms: 99")
    assert answer.status == 200 and LEFT not in answer      # nobody knows what is left
    assert "X-RateLimit-Remaining-sms" not in origin.last
    two.wait_log("until it answers")
    assert two.get("/", "X-Cost: sms=1").status == 200
    assert two.get("/", "X-Cost: sms=1").status == 429      # what it had heard of the others' counts, too
    wait_until(lambda: questions(two)[1] >= 3, "failures")
    redis.start()
    wait_until(lambda: two.get("/").get(LEFT), "counts in Redis")


def test_redis_dies_while_the_upstream_is_asked(origins, start, redis):
    def kill_first(connection, request):
        redis.stop()
        costly(connection, request)
    gateway = gateway_with(start, origins(kill_first), limiting({"sms": {"year": 3}}, redis))
    assert gateway.get("/", "X-Cost: sms=3").status == 200
    wait_until(lambda: questions(gateway)[1] >= 1, "a failure")
    assert gateway.get("/", "X-Cost: sms=1").status == 429  # this machine counted it


def test_not_fault_tolerant(origins, start, redis):
    origin = origins(costly)
    redis.stop()
    gateway = gateway_with(start, origin, limiting({"sms": {"year": 3}}, redis, fault_tolerant=False))
    for _ in range(3):
        answer = gateway.get("/", "X-Cost: sms=1")
        assert answer.status == 500 and answer.json()["message"] == "An unexpected error occurred"
    assert not origin.requests and gateway.get("/free").status == 200


def test_a_hanging_redis_blocks_nobody_else(origins, start, redis):
    gateway = gateway_with(start, origins(costly), limiting({"sms": {"year": 9}}, redis))
    assert use(gateway, 1, 1, redis).get(LEFT) == "8"
    redis.freeze()
    waiting = gateway.client()
    waiting.send("GET / HTTP/1.1\r\nHost: h\r\nX-Cost: sms=1\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) == 1, "the request to wait")
    for _ in range(20):
        assert gateway.get("/free").status == 200   # by the same worker, meanwhile
    assert waiting.silent(0)
    redis.thaw()
    assert waiting.response().get(LEFT) == "7"


def test_a_hanging_redis_is_given_up(origins, start, redis):
    gateway = gateway_with(start, origins(costly), limiting({"sms": {"year": 9}}, {"host": "127.0.0.1", "port": redis.port,
                                                                                  "timeout": 1000}))
    wait_until(lambda: gateway.get("/").get(LEFT), "an answer of Redis")    # on a slow machine not the first
    redis.freeze()
    answer = gateway.get("/", "X-Cost: sms=1")
    assert answer.status == 200 and LEFT not in answer
    gateway.wait_log("no answer within 1000 ms")


def test_what_redis_holds_is_no_number(origins, start, redis):
    gateway = gateway_with(start, origins(costly), limiting({"sms": {"year": 9}}, redis))
    assert use(gateway, 1, 1, redis).status == 200
    for value in ("many", "-5", "1" * 30):
        redis.ask("SET", redis.ask("KEYS", "*")[0], value)
        answer = gateway.get("/", "X-Cost: sms=0")
        assert answer.status == 200
    redis.ask("SET", redis.ask("KEYS", "*")[0], str(2 ** 40))
    wait_until(lambda: gateway.get("/", "X-Cost: sms=1").status == 429, "far beyond the limit")


def test_explained_without_asking(origins, start, redis):
    gateway = gateway_with(start, origins(costly), limiting({"sms": {"year": 9}}, redis))
    said = gateway.ctl("routes", "-m", "GET http://localhost/")
    assert "asks Redis what is left" in said.stdout, said
    assert questions(gateway) == [0, 0]


def test_secrets_are_not_printed():
    limits = {"sms": {"minute": 3}}
    for config in ({"redis": {"host": "127.0.0.1", "password": "word-of-redis"}},
                   {"redis_host": "127.0.0.1", "redis_password": "word-of-redis"}):
        text = conf_text({"plugins": (plugin("response-ratelimiting", limits=limits, policy="redis", **config),)})
        printed = check(text, "-T")
        assert printed.returncode == 0 and "word-of-redis" not in printed.stdout and 'policy = "redis"' in printed.stdout
