# SPDX-License-Identifier: Apache-2.0
"""Names of targets and services: a real name server whose records change, fail and vanish while requests come."""
import collections
import os
import signal
import threading

import pytest

from harness import NameServer, free_port, reply, route, service, wait_until


@pytest.fixture
def names():
    """A maker of name servers that end with the test."""
    made = []

    def make(*arguments, **options):
        made.append(NameServer(*arguments, **options))
        return made[-1]
    yield make
    for server in made:
        server.end()


@pytest.fixture
def town(origins):
    """Origins at one port of 127.0.0.2, .3 and .4, each of which says its address."""
    port = free_port()

    def make(address):
        return origins(lambda c, r: c.send(reply(200, body=address)), address=address, port=port)
    servers = {address: make(address) for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4")}
    return port, servers


def by_name(port, host="web.test", path="/"):
    return service(port, route(host, [path]), name=host, url=f"http://{host}:{port}/")


def addresses(gateway):
    upstreams = gateway.control("GET", "/upstreams").json()["upstreams"]
    return [target["address"] for target in upstreams[0]["targets"]]


class Stream:
    """Requests one after the other on connections of their own, until it is stopped; .seen: status and body, .last."""

    def __init__(self, gateway):
        self.gateway, self.seen, self.last = gateway, collections.Counter(), None
        self.stopping = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        client = self.gateway.client()
        while not self.stopping:
            answer = client.ask()
            self.last = (answer.status, answer.body.decode())
            self.seen[self.last] += 1
        client.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()


def test_change_is_followed_and_no_request_is_lost(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = start([by_name(port)], dns_resolver=[dns.address], workers=2)
    assert gateway.get("/").body == b"127.0.0.2"      # the first request after the start
    with Stream(gateway) as stream:
        wait_until(lambda: stream.seen[200, "127.0.0.2"] > 20, "requests")
        dns.set({"web.test": ["127.0.0.3", "127.0.0.4"]})
        wait_until(lambda: stream.seen[200, "127.0.0.3"] > 20 and stream.seen[200, "127.0.0.4"] > 20, "the new addresses")

        def left():
            """Each worker looks by itself; when all have, nobody asks the old one any more."""
            before, n = stream.seen[200, "127.0.0.2"], sum(stream.seen.values())
            wait_until(lambda: sum(stream.seen.values()) > n + 200, "more requests")
            return stream.seen[200, "127.0.0.2"] == before
        wait_until(left, "the old address to be left")
    assert {status for status, _ in stream.seen} == {200}


def test_both_families(names, origins, start):
    four = origins(lambda c, r: c.send(reply(200, body="four")))
    six = origins.adopt(type(four)(lambda c, r: c.send(reply(200, body="six")), address="::1", port=four.port, family=10))
    dns = names({"web.test": ["127.0.0.1", "::1"]})
    gateway = start([by_name(four.port)], dns_resolver=[dns.address])
    assert {gateway.get("/").body for _ in range(4)} == {b"four", b"six"}
    only = start([by_name(six.port)], dns_resolver=[dns.address], dns_types=["AAAA"])
    assert {only.get("/").body for _ in range(4)} == {b"six"}


def test_idle_connections_of_an_address_that_went_are_closed(names, town, start):
    port, servers = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = start([by_name(port)], dns_resolver=[dns.address], workers=1)
    assert gateway.get("/").body == b"127.0.0.2"
    connection = servers["127.0.0.2"].connections[0]
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the new address")
    wait_until(lambda: connection.sock.fileno() < 0, "the old connection to be closed")


def test_running_request_on_an_address_that_went_finishes(names, town, origins, start):
    port, _ = town
    release = threading.Event()
    origins(lambda c, r: (release.wait(20), c.send(reply(200, body="slow"))), address="127.0.0.5", port=port)
    dns = names({"web.test": ["127.0.0.5"]})
    gateway = start([by_name(port)], dns_resolver=[dns.address])
    client = gateway.client(timeout=20)
    client.request()
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: addresses(gateway) == [f"127.0.0.3:{port}"], "the new address")
    assert gateway.get("/").body == b"127.0.0.3"
    release.set()
    assert client.response().body == b"slow"
    client.close()


def test_unresolved_at_load_is_no_error(names, town, start):
    port, _ = town
    dns = names()
    gateway = start([by_name(port)], dns_resolver=[dns.address], access_log="stdout")
    answer = gateway.get("/")
    assert answer.status == 503 and "message" in answer.json()
    gateway.wait_log(r"no address is known")
    gateway.wait_log(r"the name web\.test has no address")
    dns.set({"web.test": ["127.0.0.2"]})
    wait_until(lambda: gateway.get("/").status == 200, "the name to be known")


def test_start_does_not_wait_for_a_dead_name_server(origin, start):
    gateway = start([service(origin.port), by_name(origin.port, path="/web")],
                    dns_resolver=[f"127.0.0.1:{free_port()}"])
    assert gateway.get("/").status == 200
    assert gateway.get("/web").status == 503
    gateway.wait_log(r"the name web\.test cannot be resolved")


def test_failing_name_server_keeps_the_last_answer(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = start([by_name(port)], dns_resolver=[dns.address])
    assert gateway.get("/").body == b"127.0.0.2"
    dns.stop()
    gateway.wait_log(r"the name web\.test cannot be resolved, its last addresses stay")
    assert {gateway.get("/").body for _ in range(10)} == {b"127.0.0.2"}
    gateway.reload()
    assert gateway.get("/").body == b"127.0.0.2"      # over a reload, too
    os.kill(gateway.pids("checker")[0], signal.SIGKILL)
    gateway.wait_log(r"checker .* was killed by SIGKILL")
    assert gateway.get("/").body == b"127.0.0.2"
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the name server's return")


def test_emptied_answer_is_seen(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = start([by_name(port)], dns_resolver=[dns.address])
    assert gateway.get("/").status == 200
    dns.set({})
    wait_until(lambda: gateway.get("/").status == 503, "the address to go")
    gateway.wait_log(r"the name web\.test has no address")


def test_srv_records(names, town, origins, start):
    port, _ = town
    other = origins(lambda c, r: c.send(reply(200, body="other")), address="127.0.0.5", port=free_port())
    dns = names({"_web._tcp.test": [(10, 60, port, "a.test"), (10, 20, other.port, "b.test")],
                 "a.test": ["127.0.0.2"], "b.test": ["127.0.0.5"]})
    gateway = start([by_name(1, "_web._tcp.test")], dns_resolver=[dns.address], workers=1)
    got = collections.Counter(gateway.get("/").body for _ in range(40))
    assert got == {b"127.0.0.2": 30, b"other": 10}
    dns.set({"_web._tcp.test": [(10, 60, port, "a.test")], "a.test": ["127.0.0.3"]})
    wait_until(lambda: {gateway.get("/").body for _ in range(5)} == {b"127.0.0.3"}, "the new record")


def test_srv_priorities(names, town, origins, start):
    """Who has the lower number takes all, while it is there."""
    port, servers = town
    origins(lambda c, r: c.send(reply(200, body="second")), address="127.0.0.5", port=port)
    dns = names({"_web._tcp.test": [(10, 1, port, "a.test"), (20, 60000, port, "b.test")],
                 "a.test": ["127.0.0.2"], "b.test": ["127.0.0.5"]})
    gateway = start([by_name(1, "_web._tcp.test")], dns_resolver=[dns.address], workers=2)
    assert {gateway.get("/").body for _ in range(20)} == {b"127.0.0.2"}
    servers["127.0.0.2"].stop()
    wait_until(lambda: gateway.get("/").body == b"second", "the second priority")


def test_plain_name_with_srv_records_has_their_ports(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2", (1, 1, port, "b.test")], "b.test": ["127.0.0.3"]})
    gateway = start([by_name(1)], dns_resolver=[dns.address])
    assert gateway.get("/").body == b"127.0.0.3"
    plain = start([by_name(port)], dns_resolver=[dns.address], dns_types=["A"])
    assert plain.get("/").body == b"127.0.0.2"


def test_hosts_file_comes_first(origin, start):
    """No name server is asked for what the hosts file says."""
    gateway = start([by_name(origin.port, "localhost")], dns_resolver=[f"127.0.0.1:{free_port()}"], dns_types=["A"])
    assert gateway.get("/").status == 200


def test_long_answer_over_tcp(names, origins, start):
    """More addresses than a datagram takes."""
    port = free_port()
    many = [f"127.0.2.{i}" for i in range(1, 101)]
    for address in many[:3]:
        origins(lambda c, r, a=address: c.send(reply(200, body=a)), address=address, port=port)
    dns = names({"web.test": many})
    gateway = start([by_name(port)], dns_resolver=[dns.address], workers=1)
    assert sorted(addresses(gateway)) == sorted(f"{address}:{port}" for address in many)
    assert {gateway.get("/").body for _ in range(3)} == {address.encode() for address in many[:3]}


def test_ttl_has_a_floor(names, town, start):
    """With a floor of minutes the second answer is not looked for."""
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]}, ttl=0)
    gateway = start([by_name(port), by_name(port, "other.test", "/other")],
                    dns_resolver=[dns.address], dns_min_ttl=600.0)
    assert gateway.get("/").body == b"127.0.0.2"
    dns.set({"web.test": ["127.0.0.3"], "other.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/other").status == 200, "the other name, which had an error")
    assert gateway.get("/").body == b"127.0.0.2"
