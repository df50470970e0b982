# SPDX-License-Identifier: Apache-2.0
"""Names of targets and services: a real name server whose records change, fail and vanish while requests come."""
import collections
import os
import re
import signal
import socket
import struct
import threading

import pytest

from harness import PATIENCE, NameServer, free_port, reply, route, service, wait_until


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


def by_name(port, host="web.test", path="/", **fields):
    return service(port, route(host, [path]), name=host, url=f"http://{host}:{port}/", **fields)


def addresses(gateway):
    upstreams = gateway.control("GET", "/upstreams").json()["upstreams"]
    return [target["address"] for target in upstreams[0]["targets"]]


def known(gateway, *expected):
    """Until these are the addresses: a start waits for names, but not for long."""
    wait_until(lambda: sorted(addresses(gateway)) == sorted(expected), f"{expected} to be known")
    return gateway


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


def test_the_first_request_after_the_start_is_answered(names, town, start):
    """The start waits for the first answer. Not for long: a round in which the name server had no processor says nothing."""
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})

    def answered():
        gateway = start([by_name(port)], dns_resolver=[dns.address], workers=2)
        answer = gateway.get("/")
        gateway.stop()
        return answer.status == 200 and answer.body == b"127.0.0.2"
    assert any(answered() for _ in range(5))


def test_change_is_followed_and_no_request_is_lost(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = known(start([by_name(port)], dns_resolver=[dns.address], workers=2, keepalive_requests=1000000), f"127.0.0.2:{port}")
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
    gateway = known(start([by_name(four.port)], dns_resolver=[dns.address]), f"127.0.0.1:{four.port}", f"[::1]:{six.port}")
    assert {gateway.get("/").body for _ in range(4)} == {b"four", b"six"}
    only = known(start([by_name(six.port)], dns_resolver=[dns.address], dns_types=["AAAA"]), f"[::1]:{six.port}")
    assert {only.get("/").body for _ in range(4)} == {b"six"}


def test_idle_connections_of_an_address_that_went_are_closed(names, town, start):
    port, servers = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = known(start([by_name(port)], dns_resolver=[dns.address], workers=1), f"127.0.0.2:{port}")
    assert gateway.get("/").body == b"127.0.0.2"
    connection = servers["127.0.0.2"].connections[0]
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the new address")
    wait_until(lambda: connection.sock.fileno() < 0, "the old connection to be closed")


def test_running_request_on_an_address_that_went_finishes(names, town, origins, start):
    port, _ = town
    release = threading.Event()
    slow = origins(lambda c, r: (release.wait(4 * PATIENCE), c.send(reply(200, body="slow"))), address="127.0.0.5", port=port)
    dns = names({"web.test": ["127.0.0.5"]})
    gateway = known(start([by_name(port, read_timeout=600000)], dns_resolver=[dns.address]), f"127.0.0.5:{port}")
    client = gateway.client()
    client.request()
    wait_until(lambda: slow.requests, "the request at the address that will go")
    dns.set({"web.test": ["127.0.0.3"]})
    known(gateway, f"127.0.0.3:{port}")
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
    gateway = known(start([by_name(port)], dns_resolver=[dns.address]), f"127.0.0.2:{port}")
    assert gateway.get("/").body == b"127.0.0.2"
    dns.stop()
    gateway.wait_log(r"the name web\.test cannot be resolved, its last addresses stay")
    assert {gateway.get("/").body for _ in range(10)} == {b"127.0.0.2"}
    gateway.reload()
    assert gateway.get("/").body == b"127.0.0.2"      # over a reload, too
    os.kill(wait_until(lambda: gateway.pids("checker"), "the checker")[0], signal.SIGKILL)
    gateway.wait_log(r"checker .* was killed by SIGKILL")
    assert gateway.get("/").body == b"127.0.0.2"
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the name server's return")


def test_emptied_answer_is_seen(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]})
    gateway = known(start([by_name(port)], dns_resolver=[dns.address]), f"127.0.0.2:{port}")
    assert gateway.get("/").status == 200
    dns.set({})
    wait_until(lambda: gateway.get("/").status == 503, "the address to go")
    gateway.wait_log(r"the name web\.test has no address")


def test_srv_records(names, town, origins, start):
    port, _ = town
    other = origins(lambda c, r: c.send(reply(200, body="other")), address="127.0.0.5", port=free_port())
    dns = names({"_web._tcp.test": [(10, 60, port, "a.test"), (10, 20, other.port, "b.test")],
                 "a.test": ["127.0.0.2"], "b.test": ["127.0.0.5"]})
    gateway = known(start([by_name(1, "_web._tcp.test")], dns_resolver=[dns.address], workers=1),
                    f"127.0.0.2:{port}", f"127.0.0.5:{other.port}")
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
    gateway = known(start([by_name(1, "_web._tcp.test")], dns_resolver=[dns.address], workers=2),
                    f"127.0.0.2:{port}", f"127.0.0.5:{port}")
    assert {gateway.get("/").body for _ in range(20)} == {b"127.0.0.2"}
    servers["127.0.0.2"].stop()
    wait_until(lambda: gateway.get("/").body == b"second", "the second priority")


def test_plain_name_with_srv_records_has_their_ports(names, town, start):
    port, _ = town
    dns = names({"web.test": ["127.0.0.2", (1, 1, port, "b.test")], "b.test": ["127.0.0.3"]})
    gateway = known(start([by_name(1)], dns_resolver=[dns.address]), f"127.0.0.3:{port}")
    assert gateway.get("/").body == b"127.0.0.3"
    plain = known(start([by_name(port)], dns_resolver=[dns.address], dns_types=["A"]), f"127.0.0.2:{port}")
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
    gateway = known(start([by_name(port)], dns_resolver=[dns.address], workers=1), *(f"{address}:{port}" for address in many))
    assert {gateway.get("/").body for _ in range(3)} == {address.encode() for address in many[:3]}


def test_ttl_has_a_floor(names, town, start):
    """With a floor of minutes the second answer is not looked for."""
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]}, ttl=0)
    gateway = start([by_name(port), by_name(port, "other.test", "/other")],
                    dns_resolver=[dns.address], dns_min_ttl=600.0)
    known(gateway, f"127.0.0.2:{port}")
    assert gateway.get("/").body == b"127.0.0.2"
    dns.set({"web.test": ["127.0.0.3"], "other.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/other").status == 200, "the other name, which had an error")
    assert gateway.get("/").body == b"127.0.0.2"


def test_ttl_has_a_ceiling(names, town, start):
    """Nobody waits an hour for what an answer of an hour hides."""
    port, _ = town
    dns = names({"web.test": ["127.0.0.2"]}, ttl=3600)
    gateway = start([by_name(port)], dns_resolver=[dns.address], dns_min_ttl=0.1, dns_max_ttl=0.2)
    known(gateway, f"127.0.0.2:{port}")
    assert gateway.get("/").body == b"127.0.0.2"
    dns.set({"web.test": ["127.0.0.3"]})
    wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the new address")


# ---- search lists, and name servers that answer strangely --------------------------------------------------------------

SEARCH = {"LOCALDOMAIN": "corp.test", "RES_OPTIONS": "ndots:5"}       # what resolv.conf has as search and options


def test_names_are_searched_and_hosts_of_srv_records_are_not(names, town, start):
    """RFC 2782: the host in a record is a whole name."""
    port, _ = town
    dns = names({"short.corp.test": ["127.0.0.4"], "_web._tcp.test": [(1, 1, port, "a.test")], "a.test": ["127.0.0.2"],
                 "a.test.corp.test": ["127.0.0.3"]})
    gateway = start([by_name(port, "short", "/short"), by_name(1, "_web._tcp.test")], dns_resolver=[dns.address],
                    environment=SEARCH)
    wait_until(lambda: gateway.get("/").status == 200 and gateway.get("/short").status == 200, "both names")
    assert gateway.get("/").body == b"127.0.0.2"
    assert gateway.get("/short").body == b"127.0.0.4"


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


class OddServer:
    """A name server that says what it is told: .says[name, type] is the code and the records (name, type, ttl, data), or
    the bytes behind the number of the question. What it is not told has no records. .asked counts the questions."""
    A, CNAME, AAAA, SRV = 1, 5, 28, 33

    def __init__(self):
        self.says, self.asked = {}, collections.Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            if len(question) < 12:
                return
            at, name = 12, []
            while question[at]:
                name.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind, = struct.unpack_from(">H", question, at + 1)
            key = (".".join(name).lower(), kind)
            said = self.says.get(key, (0, []))
            if not isinstance(said, bytes):
                code, records = said
                said = struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question[12:at + 5]
                for owner, type_, ttl, data in records:
                    said += labels(owner) + struct.pack(">HHIH", type_, 1, ttl, len(data)) + data
            self.socket.sendto(question[:2] + said, client)
            self.asked[key] += 1

    def stop(self):
        host, port = self.address.split(":")
        self.socket.sendto(b"end", (host, int(port)))
        self.thread.join()
        self.socket.close()


@pytest.fixture
def odd():
    server = OddServer()
    yield server
    server.stop()


def asked_again(odd, *key):
    """Twice more: the first may have been under way already."""
    n = odd.asked[key]
    wait_until(lambda: odd.asked[key] >= n + 2, f"{key} to be asked again")


def four(ip, name="web.test", ttl=0):
    return (name, OddServer.A, ttl, socket.inet_aton(ip))


FAST = {"dns_min_ttl": 0.1, "dns_error_ttl": 0.1, "dns_types": ["A", "AAAA"]}


@pytest.mark.parametrize("name, whole", [("web.test", "web.test"), ("short", "short.corp.test")])
def test_one_family_that_cannot_be_asked_for_stays(odd, start, name, whole):
    """A server that fails for AAAA alone takes no address away; one that says there is none does."""
    six = (whole, OddServer.AAAA, 0, socket.inet_pton(socket.AF_INET6, "::1"))
    odd.says = {(whole, odd.A): (0, [four("127.0.0.1", whole)]), (whole, odd.AAAA): (0, [six])}
    gateway = start([by_name(81, name)], dns_resolver=[odd.address], environment=SEARCH, **FAST)
    wait_until(lambda: set(addresses(gateway)) == {"127.0.0.1:81", "[::1]:81"}, "both")
    odd.says[whole, odd.AAAA] = (2, [])
    gateway.wait_log(rf"the name {re.escape(name)} cannot be resolved, its last addresses stay")
    assert set(addresses(gateway)) == {"127.0.0.1:81", "[::1]:81"}
    odd.says[whole, odd.AAAA] = (0, [])
    wait_until(lambda: addresses(gateway) == ["127.0.0.1:81"], "the other one to go")


SRV_LOOP = struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + labels("_x.test") + struct.pack(">HH", 33, 1) + b"\xc0\x0c" + \
    struct.pack(">HHIH", 33, 1, 1, 8) + struct.pack(">HHH", 0, 0, 80) + b"\xc0\x2b"        # the host leads to itself


@pytest.mark.parametrize("said, state", [
    ((0, [("web.test", OddServer.CNAME, 0, labels("b.test")), ("b.test", OddServer.CNAME, 0, labels("web.test"))]), "empty"),
    ((0, [four("127.0.0.9", "somebody.else")]), "empty"),
    ((3, []), "empty"),
    ((2, []), "stale"),
    ((5, []), "stale"),
    (b"\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00" + labels("web.test") + b"\x00\x01\x00\x01\xc0", "stale"),
], ids=["cname-loop", "another-name", "nxdomain", "servfail", "refused", "cut"])
def test_strange_answers(odd, start, said, state):
    """What says that there is nothing empties a name, what says nothing at all keeps the last answer; then it is well again."""
    odd.says = {("web.test", odd.A): (0, [four("127.0.0.1")])}
    gateway = start([by_name(81)], dns_resolver=[odd.address], **{**FAST, "dns_types": ["A"]})
    wait_until(lambda: addresses(gateway) == ["127.0.0.1:81"], "the address")
    odd.says["web.test", odd.A] = said

    def resolution():
        return gateway.control("GET", "/upstreams/web.test:81/targets").json()["data"][0]["resolution"]["state"]
    wait_until(lambda: resolution() == state, f"the name to be {state}")
    assert addresses(gateway) == ([] if state == "empty" else ["127.0.0.1:81"])
    odd.says["web.test", odd.A] = (0, [("web.test", odd.CNAME, 0, labels("b.test")), four("127.0.0.2", "b.test")])
    wait_until(lambda: addresses(gateway) == ["127.0.0.2:81"], "the new address")


def test_strange_srv_records(odd, start):
    """A host that leads to itself, "." for nobody, weights of 0."""
    def record(host, weight):
        return ("_x.test", odd.SRV, 0, struct.pack(">HHH", 0, weight, 82) + labels(host))
    odd.says = {("_x.test", odd.SRV): (0, [record("a.test", 0), record("b.test", 0)]),
                ("a.test", odd.A): (0, [four("127.0.0.1", "a.test")]), ("b.test", odd.A): (0, [four("127.0.0.2", "b.test")])}
    gateway = start([by_name(1, "_x.test")], dns_resolver=[odd.address], **FAST)

    def weights():
        rows = gateway.control("GET", "/upstreams").json()["upstreams"][0]["targets"]
        return {row["address"]: row["weight"] for row in rows}
    wait_until(lambda: weights() == {"127.0.0.1:82": 1, "127.0.0.2:82": 1}, "both, equal")
    odd.says["_x.test", odd.SRV] = SRV_LOOP
    asked_again(odd, "_x.test", odd.SRV)
    gateway.wait_log(r"the name _x\.test cannot be resolved, its last addresses stay")
    assert len(weights()) == 2
    odd.says["_x.test", odd.SRV] = (0, [record(".", 0)])
    wait_until(lambda: weights() == {}, "nobody to be left")
