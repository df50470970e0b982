# SPDX-License-Identifier: Apache-2.0
"""The circuit breaker, the half-open trial, the upstream's threshold, panic and the bound on ejection."""
import os
import re
import signal
import threading
import time

import pytest
from harness import HELD, PATIENCE, Client, free_port, wait_until
from test_45_health import (Target, checks, error, fine, garbage, gateway, half_body, half_head, probing, reset, silence, states,
                            teapot, upstream, wait_state)


def breaking(failures=3, retry_after=0.5, successes=0, **fields):
    return ({"successes": successes},
            {"tcp_failures": failures, "timeouts": failures, "http_failures": failures, "retry_after": retry_after, **fields})


class Load:
    """Clients that ask until they are stopped; .statuses counts the answers."""

    def __init__(self, g, clients=4, method="GET"):
        self.g, self.statuses, self.lock, self.running, self.method = g, {}, threading.Lock(), True, method
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for t in self.threads:
            t.start()

    def run(self):
        client = self.g.client(timeout=HELD)
        while self.running:
            try:
                status = client.ask(self.method, "/load").status
            except (OSError, EOFError):
                status = "broken"
                client.close()
                client = self.g.client(timeout=HELD)
            with self.lock:
                self.statuses[status] = self.statuses.get(status, 0) + 1
        client.close()

    def total(self):
        with self.lock:
            return sum(self.statuses.values())

    def stop(self):
        self.running = False
        for t in self.threads:
            t.join()
        return self.statuses


@pytest.mark.parametrize("mode, status, cause", [
    (error, 500, "status 500"),
    (half_head, 502, "response cut short: connection closed inside the response head"),
    (half_body, 200, "response cut short: upstream closed the connection inside the body"),
    (garbage, 502, "malformed response: malformed status line"),
    (silence, 504, "no response in time"),
    (reset, 502, "connection reset"),
])
def test_requests_that_fail_take_a_target_out(mode, status, cause):
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=breaking(retry_after=0))), retries=0,
                                read_timeout=300 if mode is silence else 60000) as g:
        a.mode = mode
        for _ in range(3):
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"
            assert g.get("/x").status == status
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
        g.wait_log(rf"target orders/127\.0\.0\.1:{a.port} is unhealthy, by requests; the last: {re.escape(cause)}")
        assert g.get("/after").status == 503 and "/after" not in [r.target for r in a.origin.requests]


def test_refused_connections_count_and_a_success_between_sets_back():
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=breaking(retry_after=0))), retries=0) as g:
        for _ in range(3):
            a.mode = error
            assert [g.get("/x").status for _ in range(2)] == [500, 500]
            a.mode = fine
            assert g.get("/x").status == 200
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        a.mode = teapot                             # in neither list: two more failures are still two
        a.mode = error
        g.get("/x")
        a.mode = teapot
        assert g.get("/x").status == 418
        a.mode = error
        g.get("/x")
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        g.get("/x")
        assert states(g)[f"127.0.0.1:{a.port}"] == "down"
    port = free_port()
    with gateway(upstream(port, healthchecks=checks(passive=breaking(retry_after=0))), retries=0) as g:
        assert [g.get("/x").status for _ in range(4)] == [502, 502, 502, 503]
        g.wait_log("by requests; the last: connection refused")


def test_without_passive_checks_nothing_is_counted():
    with Target() as a, gateway(upstream(a.port), retries=0) as g:
        a.mode = error
        assert {g.get("/x").status for _ in range(20)} == {500}
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"


def test_half_open_one_request_decides():
    """After retry_after one request over all workers is let through; while it is under way the others stay away."""
    release, seen = threading.Event(), []

    def slow(connection, request):
        seen.append(request.target)
        release.wait(HELD)
        fine(connection, request)
    with Target() as a, Target() as b:
        up = upstream(a.port, b.port, healthchecks=checks(passive=breaking(1, retry_after=0.4)))
        with gateway(up, workers=3, retries=1, read_timeout=600000) as g:
            a.mode = error
            wait_until(lambda: g.get("/x") and states(g)[f"127.0.0.1:{a.port}"] == "down", "ejection")
            assert len(a.origin.requests) == 1
            a.mode = slow
            load = Load(g, 6)
            wait_until(lambda: seen, "the trial")
            wait_state(g, a.port, "trial")
            n = load.total()
            wait_until(lambda: load.total() > n + 300, "load beside it", 2 * PATIENCE)
            assert len(seen) == 1
            release.set()
            wait_state(g, a.port, "up")
            wait_until(lambda: len(seen) > 10, "traffic to the target that came back")
            assert set(load.stop()) == {200}
            g.wait_log("is healthy again, by requests; the last: status 200")


def test_failed_trials_come_less_and_less_often():
    times = []

    def note(connection, request):
        times.append(time.monotonic())
        error(connection, request)
    with Target() as a, Target() as b:
        up = upstream(a.port, b.port, healthchecks=checks(passive=breaking(1, retry_after=0.3)))
        with gateway(up) as g:
            a.mode = note
            load = Load(g, 1)       # one at a time: two at once could both be on their way to what is up
            wait_until(lambda: len(times) >= 4, "three trials")
            load.stop()
            gaps = [y - x for x, y in zip(times, times[1:])]
            assert gaps[0] >= 0.26 and gaps[1] >= 0.56 and gaps[2] >= 1.16, gaps       # its clock counts in 16 ms


def test_retry_after_0_is_never():
    with Target() as a, Target() as b, gateway(upstream(a.port, b.port, healthchecks=checks(
            passive=breaking(1, retry_after=0)))) as g:
        a.mode = error
        wait_until(lambda: g.get("/x") and states(g)[f"127.0.0.1:{a.port}"] == "down", "ejection")
        a.mode = None
        n, end = len(a.origin.requests), time.monotonic() + 1
        while time.monotonic() < end:
            assert g.get("/x").status == 200
        assert len(a.origin.requests) == n and states(g)[f"127.0.0.1:{a.port}"] == "down"


def test_a_killed_worker_holds_no_trial():
    hold = threading.Event()

    def stuck(connection, _request):
        hold.wait(HELD)
        return False
    with Target() as a:
        with gateway(upstream(a.port, healthchecks=checks(passive=breaking(1, retry_after=0.3))), workers=1, retries=0,
                     read_timeout=600000) as g:
            a.mode = error
            g.get("/x")
            assert states(g)[f"127.0.0.1:{a.port}"] == "down"
            a.mode = stuck
            n = len(a.origin.requests)
            clients = []

            def trial():
                client = Client(g.port)
                client.request("GET", "/trial")
                clients.append(client)
                return len(a.origin.requests) > n
            wait_until(trial, "the trial")
            wait_state(g, a.port, "trial")
            os.kill(g.pids()[0], signal.SIGKILL)
            a.mode = None
            wait_until(lambda: safe_status(g) == 200, "the target to be back")
            assert states(g)[f"127.0.0.1:{a.port}"] == "up"
            hold.set()
            for client in clients:
                client.close()


def safe_status(g):
    try:
        return g.get("/x").status
    except (OSError, EOFError):
        return None


def test_a_client_that_leaves_ends_its_trial_without_a_verdict():
    hold = threading.Event()

    def stuck(connection, _request):
        hold.wait(HELD)
        return False
    with Target() as a, gateway(upstream(a.port, healthchecks=checks(passive=breaking(1, retry_after=0.3))), retries=0) as g:
        a.mode = error
        g.get("/x")
        a.mode = stuck
        n = len(a.origin.requests)

        def trial():
            client = Client(g.port)
            client.request("GET", "/trial")
            client.silent(0.1)
            client.close()
            return len(a.origin.requests) > n
        wait_until(trial, "a trial whose client leaves")
        a.mode = None
        wait_until(lambda: g.get("/x").status == 200, "the next trial")
        assert states(g)[f"127.0.0.1:{a.port}"] == "up"
        hold.set()


def test_probes_bring_back_what_requests_took_out():
    """With both kinds of checks there is no trial: the way back is the probes'."""
    def traffic_fails(connection, request):
        (fine if request.target == "/health" else error)(connection, request)
    with Target() as a, Target() as b:
        up = upstream(a.port, b.port, healthchecks=checks(probing(interval=0.2, timeout=30.0), breaking(1, retry_after=0.1)))
        with gateway(up) as g:
            a.mode = traffic_fails
            wait_until(lambda: g.get("/x") and "is unhealthy, by requests" in g.log(), "ejection")
            g.wait_log("is healthy again, by probes")
            assert "trial" not in g.log()


# ---- the upstream ------------------------------------------------------------------------------------------------

def five(mode=None, **fields):
    targets = [Target() for _ in range(5)]
    return targets, upstream(*(t.port for t in targets), healthchecks=checks(probing(timeout=30.0), **fields))


def fell(g, targets):
    for t in targets:
        t.mode = error
    for t in targets:
        wait_state(g, t.port, "down")


def test_threshold_of_55_percent_with_five_targets_of_100():
    targets, up = five(threshold=55.0)
    try:
        with gateway(up, retries=0) as g:
            wait_until(lambda: all(t.probes for t in targets), "probes")
            fell(g, targets[:1])
            assert {g.get("/x").status for _ in range(10)} == {200}      # 80 %
            fell(g, targets[1:2])
            assert {g.get("/x").status for _ in range(10)} == {200}      # 60 %
            fell(g, targets[2:3])
            wait_until(lambda: g.get("/x").status == 503, "the upstream to be closed")     # its part is told after its state
            n = sum(len(t.traffic) for t in targets)
            assert {g.get("/x").status for _ in range(10)} == {503}      # 40 %
            assert sum(len(t.traffic) for t in targets) == n             # nobody was asked
            targets[0].mode = None
            wait_state(g, targets[0].port, "up")
            wait_until(lambda: g.get("/x").status == 200, "the upstream to be open")
            assert {g.get("/x").status for _ in range(10)} == {200}      # 60 % again
    finally:
        for t in targets:
            t.stop()


def test_a_closed_upstream_comes_back_by_trials_alone():
    with Target() as a, Target() as b:
        up = upstream(a.port, b.port, healthchecks=checks(passive=breaking(1, retry_after=0.3), threshold=60.0))
        with gateway(up, retries=0) as g:
            a.mode = error
            seen = []
            wait_until(lambda: seen.append(g.get("/x").status) or seen[-1] == 500, "ejection")
            seen.clear()
            wait_until(lambda: seen.append(g.get("/x").status) or seen[-1] == 503, "a request that is no trial")
            assert 200 not in seen, seen
            a.mode = None
            wait_until(lambda: g.get("/x").status == 200, "the trial")
            assert {g.get("/x").status for _ in range(10)} == {200}


def test_panic_uses_all_targets():
    targets, up = five(threshold=55.0, on_unhealthy="panic")
    try:
        with gateway(up, retries=0) as g:
            wait_until(lambda: all(t.probes for t in targets), "probes")

            def only_probes_fail(connection, request):
                (error if request.target == "/health" else fine)(connection, request)
            for t in targets[:3]:
                t.mode = only_probes_fail
            for t in targets[:3]:
                wait_state(g, t.port, "down")
            statuses = []
            wait_until(lambda: statuses.append(g.get("/x").status) or all(t.traffic for t in targets), "traffic to all")
            assert set(statuses) == {200}
            assert {g.get("/x").status for _ in range(20)} == {200}
    finally:
        for t in targets:
            t.stop()


def test_ejection_is_bounded():
    """max_ejection_percent = 40 of five: the first two that fell stay out, the third is used all the same."""
    targets, up = five(max_ejection_percent=40)
    try:
        with gateway(up, retries=0) as g:
            wait_until(lambda: all(t.probes for t in targets), "probes")
            fell(g, targets[:1])
            fell(g, targets[1:2])
            fell(g, targets[2:3])
            before = [len(t.traffic) for t in targets]
            assert sorted({g.get("/x").status for _ in range(30)}) == [200, 500]
            grown = [len(t.traffic) - n for t, n in zip(targets, before)]
            assert grown[:2] == [0, 0] and grown[2:] == [10, 10, 10]
    finally:
        for t in targets:
            t.stop()
