# SPDX-License-Identifier: Apache-2.0
"""Targets and services changed by hand: in every worker at once, without a lost request, beside the file."""
import collections
import json
import os
import re
import signal
import threading

import pytest

from harness import Client, check, conf_text, reply, route, service, wait_until


@pytest.fixture
def three(origins):
    """Origins that say who they are."""
    def make(name):
        return origins(lambda c, r: c.send(reply(200, f"X-Host: {r.get('Host')}", body=name)))
    return [make(name) for name in ("a", "b", "c")]


def upstream(servers, name="pool", **fields):
    targets = tuple({"target": f"127.0.0.1:{s.port}", "weight": 100} for s in servers)
    return {"name": name, "targets": targets, **fields}


def pool(start, servers, **settings):
    return start([service(0, name="s", url="http://pool/")], **{"upstreams": (upstream(servers),), "workers": 2, **settings})


def shares(gateway, n=120):
    return collections.Counter(gateway.get("/").body.decode() for _ in range(n))


def target(server):
    return f"127.0.0.1:{server.port}"


def path(server, name="pool"):
    return f"/upstreams/{name}/targets/{target(server)}"


def change(gateway, method, where, status=200, **body):
    answer = gateway.control(method, where, json.dumps(body).encode())
    assert answer.status == status, answer
    return answer.json() if answer.body else None


def listed(gateway, name="pool"):
    return {row["target"]: row for row in gateway.control("GET", f"/upstreams/{name}/targets").json()["data"]}


class Load:
    """Requests from several threads until it ends; every answer that is not 200 is kept."""

    def __init__(self, gateway, threads=4):
        self.gateway, self.wrong, self.n = gateway, [], 0
        self.stopping = False
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.stopping:
            try:
                answer = self.gateway.get("/")
                self.wrong += [answer] if answer.status != 200 else []
            except (EOFError, OSError) as error:
                self.wrong.append(error)
            self.n += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.n > 50, "requests")
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def test_weight_holds_in_every_worker_at_once(three, start):
    gateway = pool(start, three[:2])
    assert shares(gateway) == {"a": 60, "b": 60}
    changed = change(gateway, "PATCH", path(three[0]), weight=50)
    assert changed["weight"] == 50 and changed["file"]["weight"] == 100
    assert shares(gateway) == {"a": 40, "b": 80}
    change(gateway, "PATCH", path(three[0]), weight=None)       # the file's again
    assert shares(gateway) == {"a": 60, "b": 60}
    assert listed(gateway)[target(three[0])]["overrides"] == []


def test_drain_down_and_up(three, start):
    gateway = pool(start, three[:2])
    for word in ("drain", "down"):
        change(gateway, "PATCH", path(three[0]), **{word: True})
        assert shares(gateway, 20) == {"b": 20}
        assert listed(gateway)[target(three[0])][word] is True
        change(gateway, "PATCH", path(three[0]), **{word: False})
        assert shares(gateway, 20) == {"a": 10, "b": 10}


def test_target_is_added_and_deleted(three, start):
    a, b, c = three
    gateway = pool(start, [a])
    added = change(gateway, "POST", "/upstreams/pool/targets", 201, target=target(b), weight=300)
    assert added["weight"] == 300 and added["file"] is None
    assert shares(gateway, 40) == {"a": 10, "b": 30}
    change(gateway, "POST", "/upstreams/pool/targets", 200, target=target(b), weight=100)       # it is there: changed
    assert shares(gateway, 40) == {"a": 20, "b": 20}
    change(gateway, "DELETE", path(a), 204)
    assert shares(gateway, 10) == {"b": 10}
    assert listed(gateway)[target(a)]["deleted"] is True
    change(gateway, "PATCH", path(a), 404, weight=1)
    change(gateway, "POST", "/upstreams/pool/targets", 201, target=target(a))     # back, as the file has it
    change(gateway, "DELETE", path(b), 204)
    assert shares(gateway, 10) == {"a": 10} and set(listed(gateway)) == {target(a)}
    change(gateway, "DELETE", path(c), 404)


def test_answers_say_what_they_mean(three, start):
    """Reasons beside statuses, and Allow only where a method is refused."""
    a, b, _ = three
    gateway = pool(start, [a])
    added = gateway.control("POST", "/upstreams/pool/targets", json.dumps({"target": target(b)}).encode())
    assert (added.status, added.reason) == (201, "Created") and "Allow" not in added
    asked = gateway.control("POST", f"/health/probe?target={target(a)}")
    assert (asked.status, asked.reason) == (202, "Accepted")
    gone = gateway.control("DELETE", path(b))
    assert gone.status == 204 and "Allow" not in gone
    wrong = gateway.control("PUT", "/upstreams/pool/targets", b"{}")
    assert wrong.status == 405 and wrong.get("Allow") == "GET, HEAD, POST"


def test_added_name_is_resolved(three, start):
    gateway = pool(start, three[:1])
    change(gateway, "POST", "/upstreams/pool/targets", 201, target=f"localhost:{three[1].port}", weight=100)
    wait_until(lambda: shares(gateway, 20)["b"] > 0, "the name to be known")
    row = listed(gateway)[f"localhost:{three[1].port}"]
    assert row["resolution"]["state"] == "resolved" and row["addresses"]


def test_no_request_is_lost(three, start):
    a, b, c = three
    gateway = pool(start, [a, b], workers=2)
    with Load(gateway) as load:
        for _ in range(10):
            change(gateway, "POST", "/upstreams/pool/targets", 201, target=target(c), weight=100)
            change(gateway, "PATCH", path(a), drain=True)
            change(gateway, "PATCH", path(b), weight=7)
            change(gateway, "DELETE", path(b), 204)
            change(gateway, "POST", "/upstreams/pool/targets", 201, target=target(b))
            change(gateway, "PATCH", path(a), drain=False)
            change(gateway, "DELETE", path(c), 204)
        gateway.reload()
    assert load.wrong == []
    assert gateway.control("GET", "/overrides").json()["overrides"] == []


def test_drained_target_loses_its_idle_connections_when_deleted(three, start):
    a, b, _ = three
    gateway = pool(start, [a, b], workers=1)
    shares(gateway, 4)
    connection = a.connections[0]
    change(gateway, "DELETE", path(a), 204)
    assert shares(gateway, 4) == {"b": 4}
    wait_until(lambda: connection.sock.fileno() < 0, "the idle connection to be closed")


def test_service_is_led_to_another_upstream(three, start):
    a, b, _ = three
    gateway = pool(start, [a], upstreams=(upstream([a]), upstream([b], "green")))
    with Load(gateway) as load:
        assert gateway.get("/").body == b"a"
        assert change(gateway, "PATCH", "/services/s", host="green")["upstream"] == "green"
        answers = [gateway.get("/") for _ in range(10)]
        assert {x.body for x in answers} == {b"b"} and {x.get("X-Host") for x in answers} == {"green"}
        gateway.reload()
        assert gateway.get("/").body == b"b"
        change(gateway, "PATCH", "/services/s", host=None)
        assert {gateway.get("/").body for _ in range(10)} == {b"a"}
    assert load.wrong == []
    change(gateway, "PATCH", "/services/s", 400, host="nobody")
    change(gateway, "PATCH", "/services/none", 404, host="green")


def test_overrides_outlive_reloads_and_deaths(three, start):
    gateway = pool(start, three[:2])
    change(gateway, "PATCH", path(three[0]), weight=0)
    gateway.reload()
    assert shares(gateway, 20) == {"b": 20}
    for role in ("worker", "control", "checker"):
        pid = gateway.pids(role)[0]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in gateway.children() and len(gateway.children()) == 4, f"a new {role}")
        gateway.replaced(pid, role=role)
    assert shares(gateway, 20) == {"b": 20}
    row, = gateway.control("GET", "/overrides").json()["overrides"]
    assert (row["upstream"], row["target"], row["thing"], row["value"], row["file"]) == \
        ("pool", target(three[0]), "weight", 0, 100)
    assert "uid=" in row["who"] and row["until"] is None


def test_override_expires(three, start):
    gateway = pool(start, three[:2])
    done = gateway.ctl("target", "set", "pool", target(three[0]), "drain", "--for", "2s")
    assert done.returncode == 0, done.stderr
    got = shares(gateway, 10)
    if gateway.control("GET", "/overrides").json()["overrides"]:        # else it expired meanwhile
        assert got == {"b": 10}
    wait_until(lambda: shares(gateway, 10)["a"] > 0, "the drain to end")
    gateway.wait_log(r"override dropped, its time is over: drain 127\.0\.0\.1:\d+ of pool")
    assert gateway.control("GET", "/overrides").json()["overrides"] == []


def test_what_was_said_of_a_target_goes_with_it(three, start):
    """A target that was added for a while leaves nothing behind that would hold for the next of that name."""
    a, b, _ = three
    gateway = pool(start, [a])
    change(gateway, "POST", "/upstreams/pool/targets", 201, **{"target": target(b), "for": "1s"})
    gateway.control("PATCH", path(b), b'{"weight": 7, "max_connections": 3}')
    wait_until(lambda: gateway.control("GET", "/overrides").json()["overrides"] == [], "nothing to be left")
    assert change(gateway, "POST", "/upstreams/pool/targets", 201, target=target(b))["weight"] == 100


def test_file_overtakes_what_it_changes_itself(three, start):
    """Of two overrides the one goes about which the file says something else now."""
    a, b, _ = three
    gateway = pool(start, [a, b])
    change(gateway, "PATCH", path(a), weight=1)
    change(gateway, "PATCH", path(b), max_connections=50)
    gateway.write(upstreams=({"name": "pool", "targets": ({"target": target(a), "weight": 300}, {"target": target(b)})},))
    gateway.reload()
    assert shares(gateway, 40) == {"a": 30, "b": 10}
    gateway.wait_log(r"override dropped, the file says something else now: weight")
    row, = gateway.control("GET", "/overrides").json()["overrides"]
    assert (row["target"], row["thing"]) == (target(b), "max_connections")


def test_a_change_is_never_taken_by_who_is_on_the_way_out(three, start):
    """A connection from before a reload is still served for a moment, by the process of the earlier file: what it said yes
    to would be overtaken at once."""
    a, b, _ = three
    gateway = pool(start, [a, b])
    old = Client(None, unix=gateway.socket)
    assert old.ask("GET", "/version").status == 200
    gateway.write(upstreams=({"name": "pool", "targets": ({"target": target(a), "weight": 200}, {"target": target(b)})},))
    gateway.reload()
    try:
        answer = old.ask("PATCH", path(a), body=b'{"weight": 5}')
        assert answer.status == 503 and "ask again" in answer.json()["message"]
    except (EOFError, OSError):
        pass                                        # closed already: as good
    assert change(gateway, "PATCH", path(a), weight=5)["file"]["weight"] == 200
    assert listed(gateway)[target(a)]["weight"] == 5


def test_refused_reload_drops_nothing(three, start):
    gateway = pool(start, three[:2])
    change(gateway, "PATCH", path(three[0]), weight=1)
    gateway.write(upstreams=({"name": "pool", "targets": ({"target": target(three[0]), "weight": 300},)},),
                  proxy_listen=({"address": "203.0.113.1:1"},))
    assert gateway.ctl("reload").returncode == 1
    assert len(gateway.control("GET", "/overrides").json()["overrides"]) == 1
    assert listed(gateway)[target(three[0])]["weight"] == 1


def test_gatewayctl(three, start):
    a, b, c = three
    gateway = pool(start, [a, b], upstreams=(upstream([a, b]), upstream([c], "green")))

    def ctl(*words, code=0):
        done = gateway.ctl(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout
    ctl("target", "set", "pool", target(a), "weight=25", "max_connections=9")
    ctl("target", "add", "pool", target(c), "weight=10", "--for", "10m")
    ctl("target", "delete", "pool", target(b))
    ctl("service", "set", "s", "host=green")
    table = ctl("targets", "pool")
    assert "25" in table and "deleted" in table and target(c) in table
    overrides = ctl("override", "list")
    assert all(word in overrides for word in ("weight", "max_connections", "added", "deleted", "host", "green", "uid="))
    printed = ctl("override", "commit")
    assert f'target = "{target(a)}"; weight = 25; max_connections = 9;' in printed
    assert f'target = "{target(c)}"; weight = 10;' in printed and target(b) not in printed and 'host = "green"' in printed
    ctl("target", "set", "pool", target(a), "weight=")
    assert listed(gateway)[target(a)]["weight"] == 100
    ctl("override", "drop", "pool", target(b))
    assert listed(gateway)[target(b)]["deleted"] is False
    ctl("override", "drop", code=2)
    ctl("override", "drop", "--all")
    assert gateway.control("GET", "/overrides").json()["overrides"] == []
    assert shares(gateway, 20) == {"a": 10, "b": 10}
    ctl("target", "set", "pool", target(a), "wieght=1", code=2)
    ctl("target", "set", "pool", "127.0.0.1:1", "drain", code=1)


@pytest.mark.parametrize("body", [{"weight": -1}, {"weight": 65536}, {"weight": "x"}, {"drain": 1}, {"wieght": 5}, {"for": 0}, {"for": "10m"},
                                  {"weight": 5, "for": "soon"}, {"max_connections": 1.5}, [], "text"])
def test_mistakes_change_nothing(three, start, body):
    gateway = pool(start, three[:1])
    answer = gateway.control("PATCH", path(three[0]), json.dumps(body).encode())
    assert answer.status == 400 and answer.json()["message"]
    assert gateway.control("GET", "/overrides").json()["overrides"] == []


def test_committed_configuration_is_one(three, start):
    """What `override commit` prints loads, when it takes the place of what it stands for."""
    gateway = pool(start, three[:2])
    change(gateway, "PATCH", path(three[0]), weight=25)
    printed = gateway.ctl("override", "commit").stdout
    text = "upstreams = (\n" + "".join(line + "\n" for line in printed.splitlines() if not line.startswith("#")) + ");\n"
    done = check(text)
    assert done.returncode == 0, done.stderr


def test_committed_configuration_of_a_host_that_a_service_names_itself(three, start):
    """What was added beside it by hand becomes an upstream of the host's name; targets see the same Host as before."""
    a, b, _ = three
    gateway = start([service(a.port, name="s")])
    change(gateway, "POST", f"/upstreams/{target(a)}/targets", 201, target=target(b), weight=300)
    assert shares(gateway, 40) == {"a": 10, "b": 30}
    hosts = {gateway.get("/").get("X-Host") for _ in range(8)}
    printed = gateway.ctl("override", "commit").stdout
    assert gateway.ctl("override", "drop", "--all").returncode == 0
    gateway.write(conf_text(gateway.settings) + f"upstreams = (\n{printed});\n")
    gateway.reload()
    assert shares(gateway, 40) == {"a": 10, "b": 30}
    assert {gateway.get("/").get("X-Host") for _ in range(8)} == hosts == {target(a)}


def test_committed_configuration_of_two_ports_of_a_host(three, start):
    """Each is an upstream of its own, whose name its services, which are told, have to say. Neither takes the other's."""
    a, b, c = three
    gateway = start([service(a.port, route(paths=["/a"]), name="first"), service(b.port, route(name="r2", paths=["/b"]), name="second")])
    for one in (a, b):
        change(gateway, "POST", f"/upstreams/{target(one)}/targets", 201, target=target(c), weight=100)
    printed = gateway.ctl("override", "commit").stdout
    names = dict(re.findall(r'^# the service "(\w+)" has to name it: host = "([^"]+)"$', printed, re.M))
    assert sorted(names) == ["first", "second"] and len(set(names.values())) == 2
    assert gateway.ctl("override", "drop", "--all").returncode == 0
    for entry in gateway.settings["services"]:
        entry["url"] = f"http://{names[entry['name']]}/"
    lists = ",\n".join(part for part in printed.split("# in upstreams:\n") if part.strip())
    gateway.write(conf_text(gateway.settings) + f"upstreams = (\n{lists});\n")
    gateway.reload()
    for name, one in (("a", a), ("b", b)):
        answers = [gateway.get(f"/{name}") for _ in range(20)]
        assert collections.Counter(x.body.decode() for x in answers) == {name: 10, "c": 10}
        assert {x.get("X-Host") for x in answers} == {target(one)}


@pytest.mark.parametrize("query", ["upstream=" + 400 * "x", "upstrem=pool", "upstream=%zz", "upstream=", "thing=wait", "target=x%20y"])
def test_a_filter_that_is_not_understood_drops_nothing(three, start, query):
    gateway = pool(start, three[:1])
    change(gateway, "PATCH", path(three[0]), weight=5)
    assert gateway.control("DELETE", f"/overrides?{query}").status == 400
    assert len(gateway.control("GET", "/overrides").json()["overrides"]) == 1
    assert gateway.control("DELETE", f"/overrides?upstream=pool&target={target(three[0])}&thing=weight").json() == {"dropped": 1}
