# SPDX-License-Identifier: Apache-2.0
"""rate-limiting with its counters in a Redis: exact over all gateways that share it, and what happens when it is not
what it should be."""
import binascii
import os
import signal
import socket
import struct
import threading
import time

import pytest
from harness import PATIENCE, NameServer, Server, plugin, reply, route, service, wait_until
from redis_servers import Cluster, Redis, Sentinels, read_reply
from test_52_rate_limiting import flood, says_what_is_left


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


SLOW = {"timeout": 600000}  # ms; no test is about a machine that is slow
QUICK = {"timeout": 300}    # for a server that never answers


def limiting(port, **config):
    settings = {"host": "127.0.0.1", "port": port, **SLOW, **config.pop("redis", {})}
    return plugin("rate-limiting", **{"limit_by": "ip", "policy": "redis", "redis": settings, **config})


def behind(settings, **config):
    return plugin("rate-limiting", limit_by="ip", policy="redis", redis={**SLOW, **settings}, **config)


def gateway_with(start, origin, *plugins, **settings):
    free = route(name="free", paths=("/free",))
    return start([service(origin.port, route(plugins=plugins), free)], **settings)


def test_exact_over_all_workers(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=4)
    statuses = flood(gateway, 64, 25)
    assert len(statuses) == 1600 and statuses.count(200) == 1000 and statuses.count(429) == 600
    assert len(origin.requests) == 1000


def test_two_gateways_share_one(origin, start, redis):
    gateways = [gateway_with(start, origin, limiting(redis.port, year=1000), workers=2) for _ in range(2)]
    statuses, lock = [], threading.Lock()

    def one(gateway):
        answers = flood(gateway, 32, 25)
        with lock:
            statuses.extend(answers)
    threads = [threading.Thread(target=one, args=(gateway,)) for gateway in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 1000 and statuses.count(429) == 600


def test_headers_are_those_of_local(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, month=2, year=5))
    says_what_is_left(gateway)
    keys = sorted(redis.ask("KEYS", "*"))
    assert len(keys) == 2 and all(":ip:=127.0.0.1}" in key for key in keys)
    assert sorted(redis.ask("MGET", *keys)) == ["2", "2"] and all(redis.ask("TTL", key) > 0 for key in keys)


@pytest.mark.parametrize("window, statuses", [({"window_type": "token-bucket", "year": 3, "burst": 2}, [200, 200, 429]),
                                              ({"window_type": "sliding", "year": 2}, [200, 200, 429])])
def test_other_windows(origin, start, redis, window, statuses):
    gateway = gateway_with(start, origin, limiting(redis.port, **window))
    assert [gateway.get("/").status for _ in statuses] == statuses
    other = gateway_with(start, origin, limiting(redis.port, **window))
    assert other.get("/").status == 429  # the counters are those of both


def test_dry_run_and_consumers(origin, start, redis):
    consumers = ({"username": "alice", "keyauth_credentials": ({"key": "a"},)},
                 {"username": "bob", "keyauth_credentials": ({"key": "b"},)})
    gateway = gateway_with(start, origin, plugin("key-auth"), limiting(redis.port, year=1, limit_by="consumer"),
                           consumers=consumers)
    assert [gateway.get("/", f"apikey: {key}").status for key in "aab"] == [200, 429, 200]
    gateway = gateway_with(start, origin, limiting(redis.port, year=1, dry_run=True))
    assert [gateway.get("/").status for _ in range(3)] == [200] * 3
    gateway.wait_log("would refuse")


# ---- a Redis that fails --------------------------------------------------------------------------------------------

def remaining(answer):
    return answer.get("X-RateLimit-Remaining-Year")


def questions(gateway):
    counters = gateway.metrics()
    return [int(counters[f"gateway_redis_{name}_total"]) for name in ("questions", "failures")]


def connections(gateway):
    gauges = gateway.metrics()
    return [int(gauges[f"gateway_redis_{name}"]) for name in ("connections", "down")]


def test_metrics_count_questions(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1)
    for _ in range(3):
        assert remaining(gateway.get("/")) is not None
    wait_until(lambda: questions(gateway) == [3, 0], "three questions")
    wait_until(lambda: connections(gateway) == [1, 0], "a connection")
    redis.stop()
    for _ in range(3):
        assert remaining(gateway.get("/")) is None
    wait_until(lambda: questions(gateway)[1] == 3, "three failures")
    wait_until(lambda: connections(gateway) == [0, 1], "a server that is down")
    redis.start()
    wait_until(lambda: gateway.get("/") and connections(gateway) == [1, 0], "a connection")


def test_killed_and_started_again(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1)
    assert remaining(gateway.get("/")) == "999"
    redis.stop()
    answer = gateway.get("/")
    assert answer.status == 200 and remaining(answer) is None  # counted here, and nothing is said of it
    gateway.wait_log("until it answers")
    redis.start()
    wait_until(lambda: remaining(gateway.get("/")), "counts in Redis")
    gateway.wait_log("answers again")
    assert gateway.log().count("until it answers") == 1  # one line for an outage


def test_without_redis_this_machine_counts(origin, start, redis):
    redis.stop()
    gateway = gateway_with(start, origin, limiting(redis.port, year=5), workers=2)
    assert [gateway.get("/").status for _ in range(7)] == [200] * 5 + [429] * 2


def test_not_fault_tolerant(origin, start, redis):
    redis.stop()
    gateway = gateway_with(start, origin, limiting(redis.port, year=5, fault_tolerant=False), workers=1)
    for _ in range(3):
        answer = gateway.get("/")
        assert answer.status == 500 and answer.json()["message"] == "An unexpected error occurred"
    assert gateway.get("/free").status == 200 and len(origin.requests) == 1


def test_what_is_only_tried_refuses_nobody(origin, start, redis):
    redis.stop()
    gateway = gateway_with(start, origin, limiting(redis.port, year=5, fault_tolerant=False, dry_run=True))
    assert gateway.get("/").status == 200


def test_a_hanging_redis_blocks_nobody_else(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1)
    assert remaining(gateway.get("/")) == "999"
    redis.freeze()
    waiting = gateway.client()
    waiting.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) == 1, "the request to wait")
    for _ in range(20):
        assert gateway.get("/free").status == 200  # by the same worker, meanwhile
    assert waiting.silent(0)
    redis.thaw()
    assert remaining(waiting.response()) == "998"


def test_a_hanging_redis_is_given_up(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000, redis={"timeout": 1000}), workers=1)
    wait_until(lambda: remaining(gateway.get("/")), "a count")  # on a slow machine not the first
    redis.freeze()
    answer = gateway.get("/")
    assert answer.status == 200 and remaining(answer) is None
    gateway.wait_log("no answer within 1000 ms")
    redis.thaw()
    wait_until(lambda: remaining(gateway.get("/")), "counts in Redis")


def test_a_client_that_leaves_while_it_waits(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1)
    assert remaining(gateway.get("/")) == "999"
    redis.freeze()
    clients = [gateway.client() for _ in range(20)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) == 20, "all to wait")
    for client in clients:
        client.close()
    wait_until(lambda: sum(gateway.streams()) == 0, "none to wait")
    redis.thaw()
    answer = gateway.get("/")  # those of the others come first, and are nobody's
    assert remaining(answer) == "978" and len(origin.requests) == 2


def test_a_worker_dies_with_questions_under_way(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1)
    assert remaining(gateway.get("/")) == "999"
    victim = gateway.pids("worker")[0]
    redis.freeze()
    clients = [gateway.client() for _ in range(5)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) == 5, "all to wait")
    os.kill(victim, signal.SIGKILL)
    gateway.replaced(victim)
    redis.thaw()
    assert int(remaining(gateway.get("/"))) in range(993, 999)  # what was asked may have been counted, no more
    for client in clients:
        client.close()


def test_a_reload_leaves_those_who_wait_alone(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000), workers=1, shutdown_timeout=600000)
    assert remaining(gateway.get("/")) == "999"
    old = gateway.pids("worker")[0]
    redis.freeze()
    client = gateway.client()
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) == 1, "the request to wait")
    gateway.reload()
    assert gateway.pids("worker") != [old]
    redis.thaw()
    assert remaining(client.response()) == "998"
    assert remaining(gateway.get("/")) == "997"


def test_two_plugins_that_wait(origin, origins, start, redis):
    go = threading.Event()

    def authority(connection, request):
        go.wait(10 * PATIENCE)
        connection.send(reply(200, "Content-Type: application/json", body=b'{"active": true, "client_id": "c"}'))
    service_port = origins(authority).port
    introspection = plugin("oauth2-introspection", introspection_url=f"http://127.0.0.1:{service_port}/introspect",
                           authorization_value="Basic eDp5", anonymous="nobody", consumer_by="client_id", timeout=600000)
    gateway = gateway_with(start, origin, introspection, limiting(redis.port, year=1000), workers=1,
                           consumers=({"username": "nobody", "custom_id": "c"},))
    redis.freeze()
    client = gateway.client()
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc\r\n\r\n")
    wait_until(lambda: sum(gateway.streams()) > 0, "the request to wait")
    go.set()
    redis.thaw()
    answer = client.response()
    assert answer.status == 200 and remaining(answer) == "999" and len(origin.requests) == 1


# ---- what a Redis can say ------------------------------------------------------------------------------------------

def ok(sock, count=1):
    """Answers the first words of a connection: one PING."""
    stream = sock.makefile("rb")
    for _ in range(count):
        read_reply(stream)
        sock.sendall(b"+PONG\r\n")
    return stream


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def says(data, then=None):
    """Greets, and answers every question so."""
    def behave(sock):
        stream = ok(sock)
        while read_reply(stream):
            sock.sendall(data)
            if then:
                then(sock)
                return
    return behave


HOSTILE = {
    "garbage": lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "a reset at once": reset,
    "an end at once": lambda sock: None,
    "an endless line": lambda sock: [sock.sendall(b"+" + b"x" * 65536) for _ in range(4096)],
    "a huge list": says(b"*2147483647\r\n:1\r\n"),
    "lists in lists": says(b"*1\r\n" * 64),
    "wide lists in lists": says(b"*65536\r\n" * 6),
    "a huge text": says(b"$536870911\r\nabc"),
    "a text instead": says(b"$2\r\nhi\r\n"),
    "too few numbers": says(b"*2\r\n:1\r\n:0\r\n"),
    "numbers that cannot be": says(b"*3\r\n:1\r\n:-5\r\n:99999999999999\r\n"),
    "an error": says(b"-ERR out of order\r\n"),
    "NOSCRIPT for ever": says(b"-NOSCRIPT No matching script.\r\n"),
    "MOVED without a Cluster": says(b"-MOVED 1 127.0.0.1:1\r\n"),
    "more than was asked": says(b"*3\r\n:1\r\n:0\r\n:0\r\n" * 5),
    "half an answer, then a reset": says(b"*3\r\n:1\r\n:", reset),
    "half an answer, then an end": says(b"*3\r\n:1\r\n:", lambda sock: None),
    "it is a replica now": says(b"-READONLY You can't write against a read only replica.\r\n"),
    "no greeting": lambda sock: sock.recv(65536) and sock.recv(65536),
    "it is loading": says(b"-LOADING Redis is loading the dataset in memory\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers(origin, start, name):
    with Server(HOSTILE[name]) as fake:
        gateway = gateway_with(start, origin, limiting(fake.port, year=100, redis=QUICK), workers=1)
        for _ in range(10):
            assert gateway.get("/").status == 200
        assert gateway.get("/free").status == 200
        gateway.wait_log("redis 127.0.0.1|a Redis says")


def test_one_that_hangs_up_is_left_alone_for_a_while(origin, start):
    with Server(lambda sock: ok(sock) and None) as fake:  # greets, and ends
        gateway = gateway_with(start, origin, limiting(fake.port, year=1000), workers=1)
        began = time.monotonic()
        for _ in range(300):
            assert gateway.get("/").status == 200
        pauses = [min(0.1 * 2 ** i, 5) for i in range(len(fake.sockets) - 1)]  # s, at the least
        assert time.monotonic() - began > 0.9 * sum(pauses)


def test_a_connection_that_redis_closed_in_between(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=9), workers=1)
    assert remaining(gateway.get("/")) == "8"
    assert redis.ask("CLIENT", "KILL", "TYPE", "normal") >= 1
    gateway.get("/free")  # the end has been read by now, or comes with the next question's failure
    wait_until(lambda: remaining(gateway.get("/")), "a count")


def test_an_answer_is_judged_by_its_form(origin, start):
    with Server(says(b"*3\r\n:0\r\n:7\r\n:0\r\n")) as fake:
        gateway = gateway_with(start, origin, limiting(fake.port, year=7), workers=1)
        answer = gateway.get("/")
        assert answer.status == 429 and remaining(answer) == "0"


# ---- who we are ----------------------------------------------------------------------------------------------------

def test_passwords_users_and_databases(origin, start):
    with Redis(requirepass="secret", user="app on >word ~ratelimit:* +@all") as server:
        good = {"username": "app", "password": "$(env:REDIS_WORD)", "database": 3}
        gateway = gateway_with(start, origin, limiting(server.port, year=9, redis=good), environment={"REDIS_WORD": "word"})
        assert remaining(gateway.get("/")) == "8"
        assert "keys=1" in server.ask("INFO", "keyspace", auth=("secret",)).split("db3:")[1]
        gateway = gateway_with(start, origin, limiting(server.port, year=9, redis={"password": "secret"}))
        assert remaining(gateway.get("/")) == "8"
        for bad in ({"password": "wrong-secret"}, {}, {"username": "app", "password": "wrong-secret"}):
            gateway = gateway_with(start, origin, limiting(server.port, year=9, redis=bad))
            answer = gateway.get("/")
            assert answer.status == 200 and remaining(answer) is None
            gateway.wait_log("NOAUTH|WRONGPASS")
            assert "wrong-secret" not in gateway.log()


def old_names(settings):
    return {f"redis_{name}": value for name, value in settings.items()}


def test_settings_under_their_old_names(origin, start, certs):
    """As Kong had them up to 3.5."""
    with Redis(requirepass="secret", user="app on >word ~ratelimit:* +@all") as server:
        names = old_names({"host": "127.0.0.1", "port": server.port, "username": "app", "password": "word", "database": 2, **SLOW})
        gateway = gateway_with(start, origin, plugin("rate-limiting", limit_by="ip", policy="redis", year=9, **names))
        assert remaining(gateway.get("/")) == "8"
        assert "keys=1" in server.ask("INFO", "keyspace", auth=("secret",)).split("db2:")[1]
    with Redis(tls=certs) as server:
        names = old_names({"host": "127.0.0.1", "port": server.port, "ssl": True, "ssl_verify": False, **SLOW})
        gateway = gateway_with(start, origin, plugin("rate-limiting", limit_by="ip", policy="redis", year=9, **names))
        assert remaining(gateway.get("/")) == "8"
        names = {**names, "redis_ssl_verify": True, "redis_server_name": "localhost"}
        gateway = gateway_with(start, origin, plugin("rate-limiting", limit_by="ip", policy="redis", year=9,
                                                     redis={"ca_certificates": str(certs / "ca.crt")}, **names))
        assert remaining(gateway.get("/")) == "7"


def test_tls(origin, start, certs):
    with Redis(tls=certs) as server:
        def gateway(**tls):
            return gateway_with(start, origin, limiting(server.port, year=9, redis={"ssl": True, **tls}), workers=1)
        trusted = {"ca_certificates": str(certs / "ca.crt"), "server_name": "localhost"}
        assert remaining(gateway(**trusted).get("/")) == "8"
        assert remaining(gateway(ssl_verify=False).get("/")) == "7"
        for bad in ({"server_name": "localhost"}, {**trusted, "server_name": "other.example"}):
            refused = gateway(**bad)
            answer = refused.get("/")
            assert answer.status == 200 and remaining(answer) is None
            refused.wait_log("TLS: .*certificate verify failed")
    with Redis() as plain:
        confused = gateway_with(start, origin, limiting(plain.port, year=9, redis={"ssl": True, "ssl_verify": False, **QUICK}))
        assert remaining(confused.get("/")) is None
        confused.wait_log("redis 127.0.0.1")


def test_a_unix_socket(origin, start, redis):
    with Redis(unixsocketperm=777, unixsocket="redis.sock") as server:
        gateway = gateway_with(start, origin, behind({"host": f"unix:{server.dir}/redis.sock"}, year=9))
        assert remaining(gateway.get("/")) == "8"


def test_the_sentinels_password_is_another(origin, start, redis):
    heard = []

    def name_it(sock):
        stream = sock.makefile("rb")
        heard.append(read_reply(stream))
        sock.sendall(b"+OK\r\n")
        heard.append(read_reply(stream))
        sock.sendall(b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%d\r\n" % redis.port)
    with Server(name_it) as fake:
        settings = {"sentinel_master": "limits", "sentinel_addresses": [f"127.0.0.1:{fake.port}"], "sentinel_username": "me",
                    "sentinel_password": "word"}
        gateway = gateway_with(start, origin, behind(settings, year=9), workers=1)
        assert remaining(gateway.get("/")) == "8"
        assert heard == [["AUTH", "me", "word"], ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "limits"]]


def test_a_name(origin, start, redis):
    dns = NameServer({"redis.test": ["127.0.0.1"]})
    try:
        gateway = gateway_with(start, origin, limiting(redis.port, year=9, redis={"host": "redis.test"}), workers=1,
                               dns_resolver=[dns.address])
        assert remaining(gateway.get("/")) == "8"
    finally:
        dns.end()


# ---- batches -------------------------------------------------------------------------------------------------------

def count_of(redis):
    return sum(int(redis.ask("GET", key) or 0) for key in redis.ask("KEYS", "ratelimit:*"))


def test_batches_ask_once_and_are_told_at_the_end(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=1000, sync_rate=100000), workers=1, shutdown_timeout=600000)
    answers = [gateway.get("/") for _ in range(50)]
    assert [remaining(answer) for answer in answers] == [str(999 - i) for i in range(50)]
    assert count_of(redis) == 1  # the first was asked for, the others are known here alone
    gateway.end(signal.SIGQUIT, 3 * PATIENCE)
    assert count_of(redis) == 50


def test_batches_of_two_gateways_meet(origin, start, redis):
    one, two = (gateway_with(start, origin, limiting(redis.port, year=20, sync_rate=0.05), workers=1) for _ in range(2))
    assert remaining(one.get("/")) == "19"
    assert remaining(two.get("/")) == "18"
    for _ in range(5):
        assert one.get("/").status == 200
    wait_until(lambda: count_of(redis) == 7, "the batch in Redis")
    while two.get("/").status == 200:  # bounded by the limit
        pass
    wait_until(lambda: one.get("/").status == 429, "the others' requests to count")
    assert len(origin.requests) >= 20


def test_batches_count_here_while_redis_is_away(origin, start, redis):
    gateway = gateway_with(start, origin, limiting(redis.port, year=10, sync_rate=0.05), workers=1)
    assert remaining(gateway.get("/")) == "9"
    redis.stop()
    statuses = [gateway.get("/").status for _ in range(12)]
    assert statuses == [200] * 9 + [429] * 3
    redis.start()
    wait_until(lambda: gateway.get("/").status == 429 and remaining(gateway.get("/")) is not None, "Redis again")


@pytest.mark.parametrize("window", [{"window_type": "sliding"}, {"window_type": "token-bucket", "burst": 20}])
def test_batches_in_other_windows(origin, start, redis, window):
    one, two = (gateway_with(start, origin, limiting(redis.port, year=20, sync_rate=0.05, **window), workers=1)
                for _ in range(2))
    for gateway in (one, two):
        for _ in range(5):
            assert gateway.get("/").status == 200
    while two.get("/").status == 200:
        pass
    wait_until(lambda: one.get("/").status == 429, "the others' requests to count")


# ---- Sentinels and Clusters ----------------------------------------------------------------------------------------

@pytest.mark.seconds(900)
def test_sentinels_and_a_failover(origin, start):
    with Sentinels(password="word") as group:
        gateway = gateway_with(start, origin, behind(group.settings(), year=1000), workers=1)
        assert remaining(gateway.get("/")) == "999"
        first, second = group.servers
        wait_until(lambda: len(second.ask("KEYS", "*", auth=("word",))) == 1, "the replica to know")
        group.sentinels[0].stop()  # the first that is asked is gone as well
        first.stop()
        assert gateway.get("/").status == 200
        group.hurry()
        left = wait_until(lambda: remaining(gateway.get("/")), "counts at the new master", 4 * PATIENCE)
        assert int(left) < 999
        assert second.ask("ROLE", auth=("word",))[0] == "master"


def test_a_replica_that_calls_itself_master_is_not_asked(origin, start, redis):
    with Redis(replicaof=f"127.0.0.1 {redis.port}") as replica:
        def name_it(sock):
            stream = sock.makefile("rb")
            while read_reply(stream):
                sock.sendall(b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%d\r\n" % replica.port)
        with Server(name_it) as fake:
            settings = {"sentinel_master": "limits", "sentinel_nodes": ({"host": "127.0.0.1", "port": fake.port},)}
            gateway = gateway_with(start, origin, behind(settings, year=1000), workers=1)
            answer = gateway.get("/")
            assert answer.status == 200 and remaining(answer) is None
            gateway.wait_log("it is no master any more")


def test_sentinels_that_know_nothing(origin, start):
    def shrug(sock):
        stream = sock.makefile("rb")
        while read_reply(stream):
            sock.sendall(b"*-1\r\n")
    with Server(shrug) as one, Server(shrug) as two:
        nodes = tuple({"host": "127.0.0.1", "port": fake.port} for fake in (one, two))
        gateway = gateway_with(start, origin, behind({"sentinel_master": "limits", "sentinel_nodes": nodes}, year=1000))
        assert gateway.get("/").status == 200
        gateway.wait_log("knows no master \"limits\"")
        gateway.wait_log("master limits: no Sentinel names it")


def by_header(settings, **config):
    return plugin("rate-limiting", limit_by="header", header_name="X-Who", policy="redis", redis={**SLOW, **settings}, **config)


def test_cluster(origin, start):
    with Cluster() as cluster:
        one = ({"ip": "127.0.0.1", "port": cluster.nodes[1].port},)
        gateway = gateway_with(start, origin, by_header({"cluster_nodes": one}, month=10, year=1000), workers=1)
        for who in range(30):
            answer = gateway.get("/", f"X-Who: who-{who}")
            assert remaining(answer) == "999" and answer.get("X-RateLimit-Remaining-Month") == "9"
        assert len(cluster.keys()) == 60 and all(node.ask("DBSIZE") > 0 for node in cluster.nodes)
        # one slot after the other moves on while it is asked for: ASK, then MOVED
        for who in range(10):
            key = next(key for key in cluster.keys() if f"who-{who}}}" in key)
            move_slot(cluster, cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key), gateway, f"X-Who: who-{who}")
        gateways = [gateway, gateway_with(start, origin, by_header({"cluster_nodes": one}, month=10, year=1000), workers=2)]
        statuses = [gateways[i % 2].get("/", "X-Who: who-29").status for i in range(12)]
        assert statuses == [200] * 9 + [429] * 3


def move_slot(cluster, slot, gateway, field):
    cluster.agree()
    source = next(node for node in cluster.nodes if slot in node.slots)
    target = next(node for node in cluster.nodes if node is not source)
    ids = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    migrate(source, target, keys)
    assert counted(gateway, field) == "998"
    hand_over(slot, source, target)
    assert counted(gateway, field) == "997"


def migrate(source, target, keys):
    assert source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 60000, "KEYS", *keys) == "OK"


def hand_over(slot, source, target):
    who = target.ask("CLUSTER", "MYID")

    def settled():
        """Both know it; what one of them heard of the other meanwhile may have set it back."""
        for node in (target, source):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", who)
        return all(owner(node, slot) == target.port for node in (source, target))
    wait_until(settled, "both nodes to know whose the slot is")


def counted(gateway, field):
    """What is left when the Cluster has counted: nodes that disagree for a moment send each other's clients back and forth,
    and what they do not count is counted by the gateway, which says nothing of it."""
    return wait_until(lambda: remaining(gateway.get("/", field)), "a count by who has the slot")


def owner(node, slot):
    """The port of who has the slot, as that node knows it."""
    return next(row[2][1] for row in node.ask("CLUSTER", "SLOTS") if row[0] <= slot <= row[1])


def test_cluster_with_half_of_the_keys_moved(origin, start):
    with Cluster() as cluster:
        addresses = [node.address for node in cluster.nodes]
        gateway = gateway_with(start, origin, by_header({"cluster_addresses": addresses}, month=10, year=1000), workers=1)
        assert remaining(gateway.get("/", "X-Who: me")) == "999"
        month = next(key for key in cluster.keys() if ":month:" in key)
        slot = cluster.nodes[0].ask("CLUSTER", "KEYSLOT", month)
        cluster.agree()
        source = next(node for node in cluster.nodes if slot in node.slots)
        target = next(node for node in cluster.nodes if node is not source)
        source.ask("DEL", month)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID"))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.ask("CLUSTER", "MYID"))
        migrate(source, target, source.ask("CLUSTER", "GETKEYSINSLOT", slot, 9))
        client = gateway.client()
        client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Who: me\r\n\r\n")
        wait_until(lambda: "TRYAGAIN" in target.ask("INFO", "errorstats"), "the node to be asked")
        hand_over(slot, source, target)
        answer = client.response()
        assert remaining(answer) == "998" and answer.get("X-RateLimit-Remaining-Month") == "9"


@pytest.mark.parametrize("most", [0, 2])
def test_nodes_that_send_each_other_s_clients_away(origin, start, most):
    """A question follows so many of their directions, then Redis is done without."""
    asked = []

    def elsewhere(sock):
        one, other = fakes if sock.getsockname()[1] == fakes[0].port else fakes[::-1]
        stream = sock.makefile("rb")
        while words := read_reply(stream):
            if words[0].startswith("EVAL"):
                slot = binascii.crc_hqx(words[3].split("{")[1].split("}")[0].encode(), 0) % 16384
                asked.append(one.port)
                sock.sendall(b"-MOVED %d 127.0.0.1:%d\r\n" % (slot, other.port))
            else:
                sock.sendall(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % one.port
                             if words[0] == "CLUSTER" else b"+OK\r\n")
    with Server(elsewhere) as one, Server(elsewhere) as other:
        fakes = [one, other]
        settings = {"cluster_addresses": [f"127.0.0.1:{one.port}"], "cluster_max_redirections": most}
        gateway = gateway_with(start, origin, behind(settings, year=9), workers=1)
        answer = gateway.get("/")
        assert answer.status == 200 and remaining(answer) is None and len(asked) == 1 + most


@pytest.mark.seconds(900)
def test_cluster_failover(origin, start):
    with Cluster(replicas=True) as cluster:
        addresses = [node.address for node in cluster.nodes[:3]]
        gateway = gateway_with(start, origin, by_header({"cluster_addresses": addresses}, year=1000), workers=1)
        names = [f"X-Who: who-{i}" for i in range(20)]
        for name in names:
            assert remaining(gateway.get("/", name)) == "999"
        cluster.masters[0].stop()
        assert all(gateway.get("/", name).status == 200 for name in names)
        cluster.hurry()
        for name in names:
            wait_until(lambda: remaining(gateway.get("/", name)), "a count again", 4 * PATIENCE)
