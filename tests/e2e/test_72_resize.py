# SPDX-License-Identifier: Apache-2.0
"""Reload with a dictionary of another size: what fits stays, what is purged stays purged, memory comes back."""
import contextlib
import os
import re
import signal

import pytest

from harness import SANITIZED, proxy_cache, reply, route, service, wait_until
from test_70_reload import PATIENT, Load


def dicts(*sizes, name="gateway_cache"):
    return tuple({"name": name if i == 0 else f"more_{i}", "size": size} for i, size in enumerate(sizes))


def cached(origin, **more):
    return [service(origin.port, route(plugins=[proxy_cache(cache_ttl=3600, **more)]))]


def sized(connection, request):
    """A body of as many bytes as the path's last part says."""
    n = int(request.target.rsplit("/", 1)[-1])
    connection.send(reply(200, "Content-Type: text/plain", body=bytes([65 + n % 26]) * n))


def resize(gateway, *sizes):
    gateway.write(shared_dicts=dicts(*sizes))
    gateway.reload()


def zones(pid, name="gateway_cache"):
    """How many zones of that name a process has mapped."""
    with open(f"/proc/{pid}/maps") as f:
        return len({line.split()[4] for line in f if f"memfd:{name}" in line})


def hits(gateway, targets):
    return sum(gateway.get(t).get("X-Cache-Status") == "Hit" for t in targets)


def size_of(gateway):
    """As the control process says; one that is being replaced says nothing."""
    try:
        return gateway.control("GET", "/cache").json()["dicts"][0]["size"]
    except (OSError, EOFError):
        return None


def settled(gateway, processes=4):
    wait_until(lambda: len(gateway.processes()) == processes, "the old generation to be gone")


def test_grows_and_shrinks_and_keeps_all_that_fits(origins, start):
    origin = origins(sized)
    gateway = start(cached(origin), shared_dicts=dicts("8m"))
    targets = [f"/{i}/{size}" for i in range(20) for size in (0, 100, 5000, 40000)]
    bodies = {t: gateway.get(t).body for t in targets}
    for size in ("24m", "6m", "300m", "8m"):
        resize(gateway, size)
        for t in targets:
            answer = gateway.get(t)
            assert answer.get("X-Cache-Status") == "Hit" and answer.body == bodies[t]
        settled(gateway)
    assert len(origin.requests) == len(targets)
    assert re.search(r"shared dict gateway_cache: 80 objects of .* moved", gateway.log())
    stat = gateway.ctl("cache", "stat", "-o", "json").stdout
    assert "8388608" in stat


def test_what_is_asked_for_stays_when_not_all_fits(origins, start):
    origin = origins(sized)
    gateway = start(cached(origin), shared_dicts=dicts("32m"))
    hot = [f"/hot/{i}/10000" for i in range(50)]
    cold = [f"/cold/{i}/10000" for i in range(1500)]
    for t in hot + cold:
        gateway.get(t)
    assert hits(gateway, hot) == hits(gateway, hot) == 50
    resize(gateway, "4m")
    assert hits(gateway, hot) == 50
    assert hits(gateway, cold) < 500        # 4 MB hold fewer than 400


@pytest.mark.seconds(120)
def test_under_load_nothing_is_lost(origin, start):
    gateway = start(cached(origin), shared_dicts=dicts("8m"), shutdown_timeout=PATIENT)
    gateway.get("/one")
    load = Load(gateway.port, 6, "/one")
    for turn in range(4 if SANITIZED else 10):
        load.wait(5 * turn + 5)
        resize(gateway, ("16m", "8m")[turn % 2])
        settled(gateway)
    load.stop()
    assert len(origin.requests) == 1, "the object was fetched again"


def test_what_was_purged_does_not_come_back(origins, start):
    origin = origins(sized)
    gateway = start(cached(origin), shared_dicts=dicts("8m"))
    targets = [f"/{i}/100" for i in range(10)]
    for t in targets:
        gateway.get(t)
    keys = [gateway.get(t).get("X-Cache-Key") for t in targets]
    assert gateway.ctl("purge", keys[0]).returncode == 0
    assert gateway.ctl("purge", "--url", f"http://localhost{targets[1]}").returncode == 0
    resize(gateway, "16m")
    assert [gateway.get(t).get("X-Cache-Status") for t in targets] == ["Miss"] * 2 + ["Hit"] * 8
    settled(gateway)
    assert gateway.ctl("purge", "--all").returncode == 0
    resize(gateway, "8m")
    assert hits(gateway, targets) == 0


@pytest.mark.parametrize("reloads", [0, 1])
def test_purges_hold_for_both_generations(origins, start, reloads):
    """A client that stayed on its connection asks an old worker: what was purged through the new control process must
    not come from the old zone. And what an old worker invalidates must not come from the new one."""
    def handler(connection, request):
        if request.method == "GET":
            connection.send(reply(200, "Content-Type: text/plain", "Cache-Control: max-age=3600", body=f"{len(origin.requests)}"))
        else:
            connection.send(reply(204, length=False))
    origin = origins(handler)
    gateway = start(cached(origin, cache_control=True), workers=1, shared_dicts=dicts("8m"), shutdown_timeout=PATIENT)
    first, second = gateway.client(), gateway.client()
    assert first.ask("GET", "/a").get("X-Cache-Status") == second.ask("GET", "/b").get("X-Cache-Status") == "Miss"
    gateway.get("/c")
    resize(gateway, "16m")
    for _ in range(reloads):
        gateway.reload()
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    assert gateway.ctl("purge", "--url", "http://localhost/a").returncode == 0
    answer = first.ask("GET", "/a")
    assert answer.get("X-Cache-Status") == "Miss" and "close" in answer.get("Connection", "")
    assert second.ask("POST", "/b", body=b"x").status == 204
    assert gateway.get("/b").get("X-Cache-Status") == "Miss"
    assert gateway.get("/c").get("X-Cache-Status") == "Hit"
    first.close(), second.close()


def test_memory_comes_back(origins, start):
    origin = origins(sized)
    gateway = start(cached(origin), shared_dicts=dicts("8m", "4m"))
    gateway.get("/1/100")
    resize(gateway, "16m", "4m")
    settled(gateway)

    def everywhere(name, count):
        pids = [gateway.process.pid, *gateway.pids("worker"), *gateway.pids("control")]
        wait_until(lambda: all(zones(pid, name) == count for pid in pids), f"{count} zones {name}")
    everywhere("gateway_cache", 1)
    everywhere("more_1", 1)
    resize(gateway, "16m")
    settled(gateway)
    everywhere("gateway_cache", 1)
    everywhere("more_1", 0)

    def held():
        for fd in os.listdir(f"/proc/{gateway.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):    # closed by now
                if "more_1" in os.readlink(f"/proc/{gateway.process.pid}/fd/{fd}"):
                    return True
        return False
    wait_until(lambda: not held(), "the master to let go of it")


def test_again_while_the_last_change_is_not_over(origins, start):
    """Then it keeps its size and content until the old workers are gone; a request that one still has is not disturbed."""
    def slowly(connection, request):
        if request.target == "/slow":
            assert wait_until(lambda: release, "the end", 150)
        connection.send(reply(200, "Content-Type: text/plain", body="x"))
    release = []
    origin = origins(slowly)
    gateway = start([service(origin.port, route(plugins=[proxy_cache(cache_ttl=3600)]), read_timeout=PATIENT)],
                    shared_dicts=dicts("8m"), shutdown_timeout=PATIENT)
    gateway.get("/a")
    slow = gateway.client()
    slow.request("GET", "/slow")
    wait_until(lambda: len(origin.requests) == 2, "the slow request")
    resize(gateway, "16m")
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    resize(gateway, "8m")
    assert "keeps its size for now" in gateway.log()
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    wait_until(lambda: size_of(gateway) == 16 << 20, "a control process that answers")
    gateway.reload()
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    wait_until(lambda: size_of(gateway) == 16 << 20, "a control process that answers")
    release.append(True)
    assert slow.response().status == 200
    slow.close()
    wait_until(lambda: size_of(gateway) == 8 << 20, "the size that the file says")
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    settled(gateway)
    resize(gateway, "16m")
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"


def test_worker_that_is_stopped_does_not_stop_the_reload(origin, start):
    """Who does not know of the new zone could purge behind its back: so the old one stays until that process is gone."""
    gateway = start(cached(origin), shared_dicts=dicts("8m"), workers=2, shutdown_timeout=PATIENT)
    gateway.get("/a")
    stopped = gateway.pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        resize(gateway, "16m")
        assert "these keep it for now" in gateway.log()
        assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: size_of(gateway) == 16 << 20, "the size that the file says")
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    settled(gateway)
    resize(gateway, "8m")
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"


def test_refused_reload_leaves_the_old_one_alone(origin, start):
    gateway = start(cached(origin), shared_dicts=dicts("8m"))
    gateway.get("/a")
    gateway.write(shared_dicts=dicts("16m"), proxy_listen=({"address": f"127.0.0.1:{gateway.port}"},
                                                           {"address": f"127.0.0.1:{origin.port}"}))
    assert gateway.ctl("reload").returncode == 1
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
    wait_until(lambda: zones(gateway.process.pid) == 1, "the new zone to be gone")
    gateway.write(proxy_listen=({"address": f"127.0.0.1:{gateway.port}"},))
    gateway.reload()
    assert gateway.get("/a").get("X-Cache-Status") == "Hit"
