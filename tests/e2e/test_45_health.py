# SPDX-License-Identifier: Apache-2.0
"""Health checks: targets that refuse, hang, reset, answer 500, answer half, speak garbage, and come back. Probes by the
checker process, counting by the workers, the way back, by hand, and what the operator sees of it."""
import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest
from harness import (HELD, PATIENCE, Gateway, Origin, Server, check, connections, free_port, reply, route, server_tls, service,
                     wait_until)


def checks(active=None, passive=None, **fields):
    """healthchecks in few words: active and passive are (healthy, unhealthy, fields of the group)."""
    groups = {}
    for name, given in (("active", active), ("passive", passive)):
        if given:
            healthy, unhealthy, *rest = given
            groups[name] = {**(rest[0] if rest else {}), "healthy": healthy, "unhealthy": unhealthy}
    return {**groups, **fields}


def probing(interval=0.1, failures=2, successes=2, **fields):
    """A probe has a minute, unless a test is about what is late: on a busy machine a good target may answer late as well."""
    return ({"interval": interval, "successes": successes, "http_statuses": [200, 302]},
            {"interval": interval, "tcp_failures": failures, "timeouts": failures, "http_failures": failures},
            {"timeout": 60.0, "http_path": "/health", **fields})


def upstream(*ports, name="orders", **fields):
    targets = tuple(p if isinstance(p, dict) else {"target": f"127.0.0.1:{p}", "weight": 100} for p in ports)
    return {"name": name, "targets": targets, **fields}


def gateway(up, **settings):
    fields = {k: settings.pop(k) for k in ("retries", "connect_timeout", "read_timeout", "write_timeout") if k in settings}
    return Gateway(services=(service(0, url="http://orders/", **fields),), upstreams=(up,), **settings)


def states(g, name="orders"):
    """{address: state}"""
    for entry in g.control("GET", "/upstreams").json()["upstreams"]:
        if entry["name"] == name:
            return {t["address"]: t["state"] for t in entry["targets"]}
    raise AssertionError(name)


def wait_state(g, port, state, seconds=PATIENCE):
    return wait_until(lambda: states(g)[f"127.0.0.1:{port}"] == state, f"target {port} to be {state}\n{g.log()[-2000:]}", seconds)


class Target:
    """An origin whose way of answering can be changed while it runs; .mode is one of the functions below, or None: 200."""

    def __init__(self, **options):
        self.mode = None
        self.origin = Origin(self.handle, **options)
        self.port = self.origin.port

    def handle(self, connection, request):
        return (self.mode or fine)(connection, request)

    @property
    def probes(self):
        return [r for r in self.origin.requests if "gateway-health" in r.get("User-Agent", "")]

    @property
    def traffic(self):
        return [r for r in self.origin.requests if "gateway-health" not in r.get("User-Agent", "")]

    def stop(self):
        self.origin.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def fine(connection, request):
    body = b"" if request.method == "HEAD" else b"fine\n"
    connection.send(reply(200, body=body))


def error(connection, _request):
    connection.send(reply(500, body=b"no\n", reason="Internal Server Error"))


def teapot(connection, _request):
    connection.send(reply(418, body=b"short and stout\n", reason="Teapot"))


def half_head(connection, _request):
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    return False


def half_body(connection, _request):
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    return False


def half_chunk(connection, _request):
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    return False


def garbage(connection, _request):
    connection.send(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n")


def silence(connection, _request):
    """Until the other side has had enough."""
    while connection.fill():
        pass
    return False


def reset(connection, _request):
    connection.reset()
    return False


def accepting(port):
    """How many connections wait to be accepted at a listening port."""
    return sum(c.unread for c in connections() if c.here == port and c.state == 10)


@contextlib.contextmanager
def black_hole():
    """The port of a listener whose queue is full: a SYN is not answered any more, and who asks hears nothing."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port, filler = full.getsockname()[1], socket.socket()
    filler.connect(("127.0.0.1", port))
    wait_until(lambda: accepting(port) == 1, "a queue that is full")
    yield port
    filler.close()
    full.close()


# ---- probes ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode, cause", [
    (error, "status 500"),
    (half_head, "response cut short: closed inside the head"),
    (half_body, "response cut short: closed inside the body"),
    (half_chunk, "response cut short: closed inside the body"),
    (garbage, "malformed response"),
    (silence, "no response in time"),
    (reset, "connection reset"),
])
def test_a_failing_target_leaves_and_comes_back(mode, cause):
    patience = 5.0 if mode is silence else 60.0
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(probing(timeout=patience)))) as g:
        wait_until(lambda: a.probes and b.probes, "probes")
        assert set(states(g).values()) == {"up"}
        a.mode = mode
        wait_state(g, a.port, "down")
        g.wait_log(rf"target orders/127\.0\.0\.1:{a.port} is unhealthy, by probes; the last: {re.escape(cause)}")
        before = len(a.traffic)
        for _ in range(10):
            assert g.get("/x").status == 200
        assert len(a.traffic) == before
        a.mode = None
        wait_state(g, a.port, "up")
        g.wait_log(rf"target orders/127\.0\.0\.1:{a.port} is healthy again, by probes")
        wait_until(lambda: g.get("/x").status == 200 and len(a.traffic) > before, "traffic to the target that came back")
        assert states(g)[f"127.0.0.1:{b.port}"] == "up"


def test_a_target_that_refuses_leaves_and_comes_back():
    port = free_port()
    with Target() as b, gateway(upstream(port, b.port, healthchecks=checks(probing()))) as g:
        wait_state(g, port, "down")
        g.wait_log(rf"target orders/127\.0\.0\.1:{port} is unhealthy, by probes; the last: connection refused")
        def answer(sock):
            while sock.recv(65536):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        with Server(answer, port):
            wait_state(g, port, "up")


def test_a_target_that_takes_no_connection_is_a_connect_timeout():
    active = probing(timeout=0.5)
    with black_hole() as port, Target() as b, gateway(upstream(port, b.port, healthchecks=checks(active))) as g:
        wait_state(g, port, "down")
        g.wait_log(rf"{port} is unhealthy, by probes; the last: connect timed out")


def test_a_status_in_neither_list_changes_nothing():
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(probing(failures=1)))) as g:
        a.mode = teapot
        wait_until(lambda: len(a.probes) > 5, "probes")
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        a.mode = error
        wait_state(g, a.port, "down")
        a.mode = teapot
        n = len(a.probes)
        wait_until(lambda: len(a.probes) > n + 5, "probes")
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"


def test_what_a_probe_says():
    """Method, path, headers and Host are as configured; the connection is kept from probe to probe."""
    active = probing(http_method="HEAD", http_path="/up?deep=1", headers={"x-probe": ["1", "2"], "authorization": ["Basic YTpi"]})
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(active))) as g:
        wait_until(lambda: len(a.probes) >= 4, "probes")
        probe = a.probes[0]
        assert (probe.method, probe.target) == ("HEAD", "/up?deep=1")
        assert probe.get("Host") == f"127.0.0.1:{a.port}"
        assert probe.all("x-probe") == ["1", "2"] and probe.get("authorization") == "Basic YTpi"
        assert len({r.connection for r in a.probes[:4]}) == 1
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        assert not a.traffic


def test_tcp_probes_ask_for_a_connection_alone():
    with Target() as a:
        with gateway(upstream(a.port, healthchecks=checks(probing(type="tcp", failures=2)))) as g:
            wait_until(lambda: len(a.origin.connections) > 3, "connections")
            assert not a.origin.requests and states(g)[f"127.0.0.1:{a.port}"] == "up"
            a.stop()
            wait_state(g, a.port, "down")
            g.wait_log("by probes; the last: connection refused")


def test_one_checker_probes_for_all_workers_at_the_interval():
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(probing(interval=0.2))), workers=4):
        wait_until(lambda: a.probes, "the first probe")
        began, n = time.monotonic(), len(a.probes)
        wait_until(lambda: len(a.probes) >= n + 10, "ten more")
        # 2 s by the configuration, and not a fourth of it; one that comes late makes up for two tenths at the begin
        assert time.monotonic() - began > 1.5


def closing(connection, _request):
    connection.send(reply(200, "Connection: close", body=b"bye"))
    return False


def test_probes_reuse_a_connection_where_the_target_allows():
    with Target() as keeps, Target() as closes:
        closes.mode = closing
        with gateway(upstream(keeps.port, closes.port, healthchecks=checks(probing()))):
            wait_until(lambda: len(keeps.probes) >= 6 and len(closes.probes) >= 6, "probes")
            assert {r.connection for r in keeps.probes} == {1}
            came = [r.connection for r in closes.probes]
            assert len(set(came)) == len(came)


def test_a_kept_connection_that_is_closed_at_a_probe_is_no_failure():
    """Each connection takes one request and closes at the second, without a byte: that probe goes over another one."""
    taken = []

    def once(connection, request):
        taken.append(connection.number)
        if taken.count(connection.number) > 1:
            return False
        fine(connection, request)
    with Target() as a:
        a.mode = once
        with gateway(upstream(a.port, healthchecks=checks(probing(failures=1)))) as g:
            wait_until(lambda: len(a.origin.connections) >= 5, "five connections")
            log = g.control("GET", f"/health/log?target=127.0.0.1:{a.port}").json()["targets"][0]["log"]
            assert len(log) >= 3 and {e["cause"] for e in log} == {"ok"}, log
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_an_example_of_another_gateway_can_be_written():
    """interval_seconds 30, timeout_seconds 5, healthy_threshold 2, unhealthy_threshold 3, path /health,
    expected_status_codes [200], method GET, use_https false: after the first probe nothing happens for half a minute."""
    others = [s for s in range(100, 600) if s != 200]
    active = ({"interval": 30.0, "successes": 2, "http_statuses": [200]},
              {"interval": 30.0, "tcp_failures": 3, "timeouts": 3, "http_failures": 3, "http_statuses": others},
              {"type": "http", "timeout": 5.0, "http_path": "/health", "http_method": "GET"})
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(active))) as g:
        b.mode = teapot
        for t in (a, b):
            for _ in range(3):
                g.ctl("probe", f"127.0.0.1:{t.port}")
            assert {(r.method, r.target) for r in t.probes} == {("GET", "/health")}
        wait_state(g, b.port, "down")
        b.mode = None
        for _ in range(2):
            assert g.ctl("probe", f"127.0.0.1:{b.port}").returncode == 0
        wait_state(g, b.port, "up")
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_a_slow_target_does_not_delay_others():
    slow = [Target() for _ in range(3)]
    try:
        for t in slow:
            t.mode = silence
        with Target() as quick:
            up = upstream(*(t.port for t in slow), quick.port, healthchecks=checks(probing(timeout=600.0)))
            with gateway(up):
                wait_until(lambda: all(t.probes for t in slow), "probes of slow targets")
                n = len(quick.probes)
                wait_until(lambda: len(quick.probes) >= n + 10, "probes of the quick one")
    finally:
        for t in slow:
            t.stop()


def hints(connection, _request):
    while True:
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20000)


def crumbs(connection, _request):
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send((b"1;" + b"x" * 250 + b"\r\ny\r\n") * 4000)


@pytest.mark.parametrize("mode, cause", [(hints, "malformed response"), (crumbs, "ok")])
def test_a_target_that_never_stops_talking_keeps_the_checker_from_nothing(mode, cause):
    """Faster than anybody reads: a probe takes so much and no more, and others have their turns."""
    with Target() as flood, Target() as quick:
        flood.mode = mode
        up = upstream(flood.port, quick.port, healthchecks=checks(probing(timeout=600.0)))
        with gateway(up) as g:
            wait_until(lambda: len(flood.probes) >= 3 and len(quick.probes) >= 6, "probes of both")
            log = g.control("GET", f"/health/log?target=127.0.0.1:{flood.port}").json()["targets"][0]["log"]
            assert {e["cause"] for e in log} == {cause}, log


def test_concurrency_bounds_the_probes_of_an_upstream():
    active, lock = set(), threading.Lock()
    most = []

    def count(connection, request):
        with lock:
            active.add(connection)
            most.append(len(active))
        time.sleep(0.05)
        with lock:
            active.discard(connection)
        fine(connection, request)
    targets = [Target() for _ in range(8)]
    try:
        for t in targets:
            t.mode = count
        with gateway(upstream(*(t.port for t in targets), healthchecks=checks(probing(interval=0.05, concurrency=2, timeout=600.0)))):
            wait_until(lambda: all(len(t.probes) >= 3 for t in targets), "three probes of each")
            assert max(most) <= 2
    finally:
        for t in targets:
            t.stop()


def https_gateway(port, certs=None, timeout=60.0, **active):
    """An upstream that is probed by https, behind a service that trusts the throw-away authority or nobody in particular."""
    trust = {"ca_certificates": str(certs / "ca.crt")} if certs else {}
    return Gateway(services=(service(0, url="https://orders/", **trust),),
                   upstreams=(upstream(port, healthchecks=checks(probing(type="https", timeout=timeout, **active))),))


def test_https_probes_ask_by_name_and_verify(certs):
    asked = []
    context = server_tls(certs / "server.crt", certs / "server.key")
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    with Target(tls=context) as a:
        with https_gateway(a.port, certs, https_sni="localhost") as g:
            wait_until(lambda: len(a.probes) >= 3, "probes")
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"
            assert set(asked) == {"localhost"}
        with https_gateway(a.port, certs, https_sni="other.test") as g:
            wait_state(g, a.port, "down")
            g.wait_log("by probes; the last: TLS handshake failed: .*hostname mismatch")
        with https_gateway(a.port, https_sni="localhost") as g:
            wait_state(g, a.port, "down")
            g.wait_log("by probes; the last: TLS handshake failed: certificate verify failed: .*certificate")
        with https_gateway(a.port, https_sni="other.test", https_verify_certificate=False) as g:
            n = len(a.probes)
            wait_until(lambda: len(a.probes) >= n + 3, "probes")
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_a_target_that_knows_no_tls_fails_https_probes(certs):
    with Target() as a, https_gateway(a.port, certs, timeout=0.5, https_sni="localhost") as g:     # waits for the rest of a head
        g.wait_log(f"{a.port} is unhealthy, by probes; the last: TLS handshake timed out")

    def greet(sock):
        sock.sendall(b"220 mail.test ESMTP\r\n")
        while sock.recv(4096):          # all of it: what lies unread makes a reset of the end
            pass
    with Server(greet) as mail, https_gateway(mail.port, certs, https_sni="localhost") as g:
        g.wait_log("is unhealthy, by probes; the last: TLS handshake failed: wrong version number")


# ---- the checker and reloads -------------------------------------------------------------------------------------

def bursts():
    """Forty targets on one origin: how many of their probes came in the fullest tenth of an interval, from the start, after
    a reload and the death of the checker, and after its successor stood still, of forty each."""
    times, lock = [], threading.Lock()

    def note(connection, request):
        with lock:
            times.append(time.monotonic())
        fine(connection, request)

    def most():
        with lock:
            recent = sorted(times)[-40:]
        return max(sum(1 for t in recent if begin <= t < begin + 0.4) for begin in recent)

    with Target() as a:
        a.mode = note
        ups = tuple(upstream(a.port, name=f"u{i}", healthchecks=checks(probing(interval=4.0))) for i in range(40))
        services = tuple(service(0, route(name=f"r{i}", paths=(f"/{i}",)), name=f"s{i}", url=f"http://u{i}/") for i in range(40))
        with Gateway(services=services, upstreams=ups) as g:
            wait_until(lambda: len(times) >= 80, "two probes of each", 2 * PATIENCE)
            first = most()
            with lock:
                times.clear()
            g.reload()
            os.kill(g.pids("checker")[0], signal.SIGKILL)
            wait_until(lambda: len(times) >= 60, "probes by the new checker", 2 * PATIENCE)
            second, pid = most(), g.pids("checker")[0]
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(4.5)
                with lock:
                    times.clear()
            finally:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: len(times) >= 80, "probes by the checker that stood still", 2 * PATIENCE)
            return first, second, most()


def test_probes_are_spread_over_the_interval():
    """Four of forty are due in a tenth of the interval, at most eight where a checker was late. A machine that stands still
    for a moment sees what is due meanwhile at once; a burst of the checker's, which is all forty, comes each time."""
    seen = []
    for _ in range(5):
        seen.append(bursts())
        if max(seen[-1]) <= 24:
            return
    raise AssertionError(seen)


def test_a_connection_that_the_target_ends_is_reset_after_its_answer():
    """Nothing stays of it, on neither side."""
    ended = []

    def closing(connection, _request):
        connection.send(reply(200, "Connection: close", body=b"fine"))
        try:
            ended.append(connection.sock.recv(1))
        except ConnectionResetError:
            ended.append("reset")
        return False
    with Target() as a:
        a.mode = closing
        with gateway(upstream(a.port, healthchecks=checks(probing(timeout=30.0)))) as g:
            wait_until(lambda: len(ended) >= 3, "ends")
            assert ended[:3] == ["reset"] * 3
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_a_killed_checker_is_replaced_and_states_stay():
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(probing()))) as g:
        a.mode = error
        wait_state(g, a.port, "down")
        pid = g.pids("checker")[0]
        os.kill(pid, signal.SIGKILL)
        n = len(b.probes)
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        wait_until(lambda: len(b.probes) > n + 1, "probes by a new checker")
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        assert g.pids("checker") != [pid]
        a.mode = None
        wait_state(g, a.port, "up")


def test_a_reload_keeps_the_state_of_targets_that_stay():
    with Target() as a, Target() as b, Target() as c:
        up = upstream(a.port, b.port, healthchecks=checks(probing()))
        with gateway(up) as g:
            a.mode = error
            wait_state(g, a.port, "down")
            a.mode = silence            # nothing more is seen of it
            old = g.pids("checker")[0]
            g.write(upstreams=(upstream(a.port, c.port, healthchecks=checks(probing())),))
            g.reload()
            assert states(g) == {f"127.0.0.1:{a.port}": "down", f"127.0.0.1:{c.port}": "up"}
            wait_until(lambda: c.probes and old not in g.children(), "probes of the new target, by the new checker alone")
            n = len(b.probes)
            wait_until(lambda: len(c.probes) > 5, "probes of the new target")
            assert len(b.probes) <= n + 1           # nobody probes who has left


def test_a_target_that_went_and_comes_again_is_new():
    passive = ({"successes": 0}, {"http_failures": 1, "retry_after": 0})
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(passive=passive))) as g:
        a.mode = error
        wait_until(lambda: g.get("/x") and states(g)[f"127.0.0.1:{a.port}"] == "down", "ejection")
        g.reload()
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        for ports in ((b.port,), (a.port, b.port)):
            g.write(upstreams=(upstream(*ports, healthchecks=checks(passive=passive)),))
            g.reload()
        wait_state(g, a.port, "up")


def test_detection_takes_no_longer_than_configured():
    """A target that hangs leaves with the third probe that it did not answer, not with a later one."""
    healthy, unhealthy, fields = probing(interval=0.2, failures=3, timeout=1.0)
    active = (healthy, {**unhealthy, "interval": 3600.0}, fields)       # what is down is left alone, so that its log stays
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(active))) as g:
        wait_until(lambda: a.probes, "probes")
        a.mode = silence
        wait_state(g, a.port, "down")

        def log():
            return g.control("GET", f"/health/log?target=127.0.0.1:{a.port}").json()["targets"][0]["log"]
        wait_until(lambda: log()[-1]["kind"] == "transition", "the line about it")
        *before, last = log()
        late = [e["cause"] == "no response in time" for e in (*before, last)]
        assert late[-3:] == [True] * 3 and last["state"] == "down" and not any(late[:-3][-1:]), log()


def test_checks_that_are_switched_off_leave_nobody_out():
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(probing()))) as g:
        a.mode = error
        wait_state(g, a.port, "down")
        g.write(upstreams=(upstream(a.port),))
        g.reload()
        wait_state(g, a.port, "up")
        g.wait_log("is healthy: health checks are off")


def test_grpc_probes_are_refused_at_load():
    said = check('upstreams = ( { name = "u"; healthchecks = { active = {\n type = "grpc"; }; }; } );')
    assert said.returncode != 0
    assert 'gateway.conf:2: upstreams[0].healthchecks.active.type: "grpc" probes need HTTP/2 to targets, which is not available yet: ' \
        'http, https and tcp are' in said.stdout + said.stderr


# ---- what the operator sees and says -----------------------------------------------------------------------------

def told(g, port):
    """Waits until all is there that follows from a target that went down: its state is the first, the log the last of it."""
    g.wait_log(rf"target orders/127\.0\.0\.1:{port} is unhealthy")


def health(g, query=""):
    return g.control("GET", f"/upstreams/orders/health{query}").json()


def test_health_in_kongs_shape():
    with Target() as a, Target() as b:
        up = upstream({"target": f"127.0.0.1:{a.port}", "weight": 75}, {"target": f"127.0.0.1:{b.port}", "weight": 25},
                      healthchecks=checks(probing(), threshold=50.0))
        with gateway(up) as g:
            said = health(g)
            assert said["total"] == 2 and said["node_id"]
            assert {t["target"]: (t["health"], t["weight"]) for t in said["data"]} == {
                f"127.0.0.1:{a.port}": ("HEALTHY", 75), f"127.0.0.1:{b.port}": ("HEALTHY", 25)}
            assert said["upstream"]["health"] == "HEALTHY"
            b.mode = error
            wait_state(g, b.port, "down")
            told(g, b.port)
            said = health(g)
            bad = next(t for t in said["data"] if t["target"].endswith(str(b.port)))
            assert bad["health"] == "UNHEALTHY" and bad["data"]["addresses"][0]["cause"] == "status"
            assert said["upstream"]["health"] == "HEALTHY"
            assert said["upstream"]["weight"] == {"total": 100, "available": 75, "unavailable": 25}
            a.mode = error
            wait_state(g, a.port, "down")
            told(g, a.port)
            assert health(g, "?balancer_health=1")["data"]["health"] == "UNHEALTHY"
            assert g.control("GET", "/upstreams/nobody/health").status == 404
            status = g.control("GET", "/status").json()["upstream"]
            assert (status["targets_up"], status["targets_down"]) == (0, 2)
            label = f'{{upstream="orders",target="127.0.0.1:{a.port}"}}'
            metrics = g.metrics()
            assert metrics["gateway_upstream_target_up" + label] == 0
            assert metrics["gateway_upstream_target_changes_total" + label] == 1


def test_without_checks_health_is_off():
    with Target() as a, gateway(upstream(a.port)) as g:
        assert health(g)["data"][0]["health"] == "HEALTHCHECKS_OFF"
        assert health(g)["upstream"]["health"] == "HEALTHCHECKS_OFF"


def test_a_name_without_an_address_is_a_dns_error():
    with Target() as a, gateway(upstream(a.port, {"target": "nosuch.invalid:81", "weight": 70})) as g:
        bad = next(t for t in health(g)["data"] if t["target"] == "nosuch.invalid:81")
        assert (bad["health"], bad["weight"], bad["data"]["addresses"]) == ("DNS_ERROR", 70, [])
        assert {g.get("/x").status for _ in range(4)} == {200}
        assert bad["data"]["error"]
        row = next(line for line in g.ctl("upstreams").stdout.splitlines() if "nosuch" in line)
        assert "unresolved" in row and row.split()[3] == "70"
        for words in (["probe", "nosuch.invalid:81"], ["health", "log", "orders/NOSUCH.invalid:81"]):
            done = g.ctl(*words)
            assert done.returncode == 1 and "No address is known of that target: " in done.stderr
        for said, why in (("NOSUCH.invalid:81", "No address is known of that target: "), ("nosuch.invalid:82", "There is no such target")):
            answer = g.control("PUT", f"/upstreams/orders/targets/{said}/healthy")
            assert answer.status == 404 and answer.json()["message"].startswith(why)


def test_only_who_takes_part_can_be_a_dns_error():
    """Not a target that was deleted by hand; but one that was added."""
    with Target() as a, gateway(upstream(a.port, {"target": "nosuch.invalid:81"}, {"target": "none.invalid:82"})) as g:
        assert g.control("DELETE", "/upstreams/orders/targets/nosuch.invalid:81").status == 204
        assert g.control("POST", "/upstreams/orders/targets", b'{"target": "new.invalid:83", "weight": 7}').status == 201
        assert g.control("PATCH", "/upstreams/orders/targets/none.invalid:82", b'{"drain": true}').status == 200
        assert {t["target"]: (t["health"], t["weight"]) for t in health(g)["data"] if t["target"].find("invalid") > 0} == \
            {"none.invalid:82": ("DNS_ERROR", 0), "new.invalid:83": ("DNS_ERROR", 7)}


def test_a_target_may_be_named_in_any_spelling():
    """As it is in the file, and as `gatewayctl targets` shows it."""
    with Target() as a, gateway(upstream({"target": f"LocalHost:{a.port}"}, {"target": "LOCALHOST"})) as g:
        def up():
            return {t["target"]: t["health"] != "UNHEALTHY" for t in health(g)["data"]}
        wait_until(lambda: all(len(t["data"]["addresses"]) for t in health(g)["data"]), "addresses")
        for said, meant in ((f"localhost:{a.port}", f"LocalHost:{a.port}"), (f"LocalHost:{a.port}", f"LocalHost:{a.port}"),
                            ("localhost:8000", "LOCALHOST"), ("localhost", "LOCALHOST")):
            assert g.control("PUT", f"/upstreams/orders/targets/{said}/unhealthy").status == 204
            assert [name for name, fine in up().items() if not fine] == [meant]
            assert g.control("PUT", f"/upstreams/orders/targets/{said}/healthy").status == 204
            assert all(up().values())
        assert g.ctl("probe", f"localhost:{a.port}").returncode == 0 and a.probes
        assert g.control("GET", f"/health/log?target=orders/localhost:{a.port}").status == 200


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_by_hand(method):
    """204, for the target or one address of it; without checks it stays as it was set, over a reload too."""
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port)) as g:
        at = f"/upstreams/orders/targets/127.0.0.1:{a.port}"
        done = g.control(method, at + "/unhealthy")
        assert done.status == 204 and not done.body
        assert states(g) == {f"127.0.0.1:{a.port}": "down", f"127.0.0.1:{b.port}": "up"}
        n = len(a.origin.requests)
        assert {g.get("/x").status for _ in range(6)} == {200} and len(a.origin.requests) == n
        g.reload()
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        assert g.control(method, f"{at}/127.0.0.1:{a.port}/healthy").status == 204
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        assert {g.get("/x").status for _ in range(6)} == {200} and len(a.origin.requests) > n
        for wrong in ("/upstreams/x/targets/y/healthy", "/upstreams/orders/targets/y/healthy", f"{at}/1.2.3.4:5/healthy"):
            assert g.control(method, wrong).status == 404
        g.wait_log(rf"target orders/127\.0\.0\.1:{a.port} is unhealthy: set by hand")


def test_requests_under_way_do_not_overrule_the_hand():
    """One that was sent before the target was taken out by hand ends well, and brings nothing back."""
    go = threading.Event()

    def held(connection, request):
        if request.target == "/held":
            go.wait(HELD)
        fine(connection, request)
    passive = ({"successes": 1}, {"http_failures": 3, "retry_after": 0})
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=passive))) as g:
        a.mode = held
        client = g.client()
        client.request("GET", "/held")
        wait_until(lambda: a.traffic, "the request")
        assert g.control("PUT", f"/upstreams/orders/targets/127.0.0.1:{a.port}/unhealthy").status == 204
        go.set()
        assert client.response().status == 200
        assert client.ask("GET", "/x").status == 503
        client.close()
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"


def test_setting_by_hand_resets_the_counters():
    passive = ({"successes": 0}, {"http_failures": 3, "retry_after": 0})
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=passive)), retries=0) as g:
        a.mode = error
        for _ in range(3):
            assert [g.get("/x").status for _ in range(2)] == [500, 500]
            assert g.control("PUT", f"/upstreams/orders/targets/127.0.0.1:{a.port}/healthy").status == 204
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_health_log_and_probe():
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(probing()))) as g:
        a.mode = error
        wait_state(g, a.port, "down")
        wait_until(lambda: len(b.probes) > 20, "more probes than the log holds")

        def full_log():         # the oldest line is missing while a new one is written over it
            log = g.control("GET", f"/health/log?target=127.0.0.1:{b.port}").json()["targets"][0]["log"]
            return log if len(log) == 16 else None
        log = wait_until(full_log, "sixteen lines")
        assert [e["number"] for e in log] == list(range(log[0]["number"], log[0]["number"] + 16))
        assert {e["cause"] for e in log} == {"ok"} and all(e["took_ms"] > 0 for e in log)
        text = g.ctl("health", "log", f"orders/127.0.0.1:{a.port}")
        assert text.returncode == 0 and "status 500" in text.stdout
        wait_until(lambda: g.ctl("health", "log").stdout.count(f"127.0.0.1:{b.port}") == 16, "sixteen lines")
        good, bad = g.ctl("probe", f"127.0.0.1:{b.port}"), g.ctl("probe", f"127.0.0.1:{a.port}")
        assert good.returncode == 0 and "status 200" in good.stdout, good
        assert bad.returncode == 1 and "status 500" in bad.stdout, bad
        assert g.ctl("probe", "127.0.0.1:1").returncode == 1
        assert "down" in g.ctl("upstreams").stdout


def test_a_probe_now_needs_no_checks():
    with Target() as a, gateway(upstream(a.port)) as g:
        assert g.ctl("probe", f"127.0.0.1:{a.port}").returncode == 0
        assert len(a.probes) == 1 and a.probes[0].target == "/"
        a.mode = reset
        said = g.ctl("probe", f"127.0.0.1:{a.port}")
        assert said.returncode == 1 and "connection reset" in said.stdout
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
