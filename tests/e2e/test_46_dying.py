# SPDX-License-Identifier: Apache-2.0
"""What it costs that a target dies under load: a try for each failure that passive checks ask for, one for each worker that
is just choosing, and no request of a client. Exact: the target says what it had taken and not answered when it died. And
what is seen late, of the time before a target died or before it came back, decides nothing."""
import json
import os
import pathlib
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading

import pytest
from harness import HELD, PATIENCE, Gateway, make_certificates, route, server_tls, service, stat_of, wait_until
from test_45_health import Target, black_hole, checks, fine, gateway, states, upstream, wait_state
from test_46_breaker import breaking

END = b"\r\n\r\n"
REQUEST = b"GET /load HTTP/1.1\r\nHost: x" + END


class Mortal:
    """mortal.py in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("mortal.py"))],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Load:
    """Clients in one thread, each with `depth` requests under way all the time; .answers counts the status lines."""

    def __init__(self, g, clients, depth):
        self.answers, self.n, self.depth, self.stopping = {}, 0, depth, False
        self.poll, self.socks = selectors.DefaultSelector(), []
        for _ in range(clients):
            sock = socket.create_connection(("127.0.0.1", g.port))
            self.socks.append(sock)
            self.poll.register(sock, selectors.EVENT_READ, bytearray())
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def note(self, line):
        self.answers[line] = self.answers.get(line, 0) + 1
        self.n += 1

    def hear(self, sock, data):
        """How many whole answers came."""
        n, more = 0, sock.recv(65536)
        data += more
        while (end := data.find(END)) >= 0:
            head = bytes(data[:end])
            whole = end + len(END) + int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            if len(data) < whole:
                break
            self.note(head.split(b"\r\n")[0])
            del data[:whole]
            n += 1
        if not more:
            self.note(b"broken off")
            self.poll.unregister(sock)
        return n

    def run(self):
        under_way = len(self.socks) * self.depth
        for sock in self.socks:
            sock.send(REQUEST * self.depth)
        while under_way and self.poll.get_map():
            for key, _ in self.poll.select():
                n = self.hear(key.fileobj, key.data)
                if self.stopping:
                    under_way -= n
                elif n:
                    key.fileobj.send(REQUEST * n)

    def stop(self):
        self.stopping = True
        self.thread.join()
        for sock in self.socks:
            sock.close()
        return self.answers


def client_of(g, pid, others):
    """A client whose connection that worker holds; the rest go to `others`."""
    def find():
        client = g.client()
        assert client.ask().status == 200
        if g.holders([client]) == [pid]:
            return client
        others.append(client)
        return None
    return wait_until(find, f"a connection that worker {pid} takes")


def test_an_answer_that_was_there_before_it_died_speaks_for_nobody():
    """One worker is stopped with an answer unread while the target dies and others are refused. What it reads then is no
    success in between."""
    release, asked, answered = threading.Event(), threading.Event(), threading.Event()

    def held(connection, request):
        if request.target == "/held":
            asked.set()
            release.wait(HELD)
        fine(connection, request)
        if request.target == "/held":
            answered.set()
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=breaking(retry_after=0))), workers=2, retries=0) as g:
        late, busy = g.pids()
        a.mode, others = held, []
        slow, quick = client_of(g, late, others), client_of(g, busy, others)
        slow.request("GET", "/held")
        assert asked.wait(PATIENCE)
        wait_until(lambda: stat_of(late)[0] == "S", "the worker to be through with its turn")
        os.kill(late, signal.SIGSTOP)
        try:
            release.set()
            assert answered.wait(PATIENCE)
            a.stop()
            assert [quick.ask().status for _ in range(2)] == [502, 502]
        finally:
            os.kill(late, signal.SIGCONT)
        assert slow.response().status == 200
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        assert quick.ask().status == 502
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        assert quick.ask().status == 503
        for client in (slow, quick, *others):
            client.close()


def test_a_try_from_before_it_came_back_fails_in_vain():
    """Two requests hang. The first to be cut off takes the target out, a trial brings it back, then the second is cut off:
    that says nothing of what the target is now."""
    cut, asked = {"/first": threading.Event(), "/second": threading.Event()}, threading.Semaphore(0)

    def stuck(_connection, request):
        asked.release()
        cut[request.target].wait(HELD)
        return False
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=breaking(1, retry_after=0.2))), retries=0,
                                read_timeout=600000) as g:
        a.mode = stuck
        clients = {path: g.client() for path in cut}
        for path, client in clients.items():
            client.request("GET", path)
            assert asked.acquire(timeout=PATIENCE)
        cut["/first"].set()
        assert clients["/first"].response().status == 502
        a.mode = fine
        wait_until(lambda: g.get("/x").status == 200, "the trial")
        cut["/second"].set()
        assert clients["/second"].response().status == 502
        assert g.get("/x").status == 200
        assert states(g)[f"127.0.0.1:{a.port}"] == "up" and g.log().count("is unhealthy") == 1
        for client in clients.values():
            client.close()


def test_who_waited_for_a_body_looks_again_at_the_target():
    """request_buffering: the target is chosen when the head has come. It goes down before the last byte of the body does."""
    with Target() as a, Target() as b:
        up = upstream(a.port, {"target": f"127.0.0.1:{b.port}", "backup": True})
        with Gateway(services=(service(0, route(request_buffering=True), url="http://orders/"),), upstreams=(up,)) as g:
            client = g.client()
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")

            def flying():
                rows = g.control("GET", "/upstreams").json()["upstreams"][0]["targets"]
                return [next(t["in_flight"] for t in rows if t["address"] == f"127.0.0.1:{x.port}") for x in (a, b)]
            wait_until(lambda: flying() == [1, 0], "the choice")
            assert g.control("PUT", f"/upstreams/orders/targets/127.0.0.1:{a.port}/unhealthy").status == 204
            client.send(b"67890")
            assert client.response().status == 200
            assert [r.body for r in b.origin.requests] == [b"1234567890"] and a.origin.connections == []
            wait_until(lambda: flying() == [0, 0], "the end")
            client.close()


@pytest.mark.parametrize("method, retries, tls", [("GET", 5, False), ("POST", 0, False), ("GET", 0, True)])
def test_a_connection_that_does_not_come_about_is_not_waited_for_once_its_target_is_down(method, retries, tls, tmp_path):
    """connect_timeout is longer than the test may take. Nothing was sent: any request can go elsewhere, and it was no try."""
    own = None
    if tls:
        make_certificates(tmp_path, "localhost")
        own = server_tls(tmp_path / "server.crt", tmp_path / "server.key")
    with black_hole() as port, Target(tls=own) as b:
        up = upstream(port, {"target": f"127.0.0.1:{b.port}", "backup": True})
        one = service(0, url=f"http{'s' * tls}://orders/", retries=retries, connect_timeout=600000, tls_verify=False)
        with Gateway(services=(one,), upstreams=(up,)) as g:
            client = g.client()
            client.request(method, "/x", body=b"whole" if method == "POST" else None)
            wait_until(lambda: g.metrics()["gateway_upstream_connects_total"] == 1, "the connection to be begun")
            assert g.control("PUT", f"/upstreams/orders/targets/127.0.0.1:{port}/unhealthy").status == 204
            assert client.response().status == 200
            assert [r.body for r in b.origin.requests] == [b"whole" if method == "POST" else b""]
            assert g.metrics()["gateway_upstream_retries_total"] == 0
            client.close()


def failed_tries(g, requests):
    """What the last failed try of each request with several came to, by the access log."""
    path = g.prefix / "access.log"
    wait_until(lambda: path.read_bytes().count(b"\n") >= requests, "all lines of the access log")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == requests and {r["tries"] for r in rows} <= {1, 2}      # never twice to what is dead
    return [r["error"] for r in rows if r["tries"] == 2]


def lost(clients, depth, workers):
    """A target dies under load. How many tries were refused, how many it took with it, how many were sent again, and all that
    is known about these."""
    with Mortal() as a, Mortal() as b:
        up = upstream(a.port, b.port, healthchecks=checks(passive=breaking(retry_after=0)),
                      retry_budget_percent=1000)    # what it had taken is sent again, however much that is
        with gateway(up, workers=workers, access_log="access.log") as g:
            load = Load(g, clients, depth)
            wait_until(lambda: a.ask("count")["answered"] > 3000, "load", 2 * PATIENCE)
            death = a.ask("die")
            wait_state(g, a.port, "down")
            n = load.n
            wait_until(lambda: load.n > n + 1000, "load without it", 2 * PATIENCE)
            assert set(load.stop()) == {b"HTTP/1.1 200 OK"}, load.answers
            assert states(g)[f"127.0.0.1:{b.port}"] == "up"
            tries, connects = (g.metrics()[f"gateway_upstream_{name}_total"] for name in ("retries", "connects"))
            causes = failed_tries(g, load.n)
            refused = causes.count("connection refused")
            # a connection that the target never saw: it came just before the end
            unseen = connects - refused - death["accepted"] - b.ask("count")["accepted"]
            assert len(causes) == tries >= 3
            return refused, death["first"] + unseen, tries, (causes, unseen, death)


@pytest.mark.parametrize("clients, depth", [(24, 1), (64, 1), (5, 20)])
def test_a_target_that_dies_costs_three_tries_and_one_a_worker(clients, depth):
    """As fast as this machine can. What it had taken and not answered is lost with it; beside that, so many tries find it
    dead as passive checks ask for, and one for each worker that was choosing. No client hears of it. A kernel that hands
    refusals over late, since it is busy, lets a worker choose more than once before it hears of the first: not each time."""
    workers, seen = 4, []
    for _ in range(5):
        refused, taken, tries, more = lost(clients, depth, workers)
        seen.append((refused, tries, more))
        assert refused <= 2 + clients and tries <= taken + 2 + clients, seen     # nobody tries twice what is down
        if refused <= 3 + workers and tries <= taken + 3 + workers:
            return
    raise AssertionError(seen)
