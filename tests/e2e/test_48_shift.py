# SPDX-License-Identifier: Apache-2.0
"""A service is shifted to another upstream: an exact share of its requests, step by step, watched, undone when it goes wrong."""
import collections
import json
import os
import signal
import threading
import time

import pytest

from harness import PATIENCE, free_port, reply, service, stat_of, wait_until


class Server:
    """An origin that says who it is, with a status that can be changed."""

    def __init__(self, origins, name):
        self.name, self.status, self.delay = name, 200, 0
        self.origin = origins(self.answer)

    def answer(self, connection, _request):
        time.sleep(self.delay)
        connection.send(reply(self.status, body=self.name))

    @property
    def target(self):
        return f"127.0.0.1:{self.origin.port}"


@pytest.fixture
def sides(origins):
    return Server(origins, "blue"), Server(origins, "green")


def upstreams(blue, green):
    return ({"name": "blue", "targets": ({"target": blue.target},)}, {"name": "green", "targets": ({"target": green.target},)})


def begin(start, sides, **settings):
    return start([service(0, name="s", url="http://blue/")], **{"upstreams": upstreams(*sides), "workers": 4, **settings})


def send(gateway, n, threads=4):
    """n requests from several threads on connections of their own: how often each body came, and each other status."""
    seen, lock = collections.Counter(), threading.Lock()

    def run(count):
        mine = collections.Counter()
        for _ in range(count):
            answer = gateway.get("/")
            mine[answer.body.decode() if answer.status == 200 else answer.status] += 1
        with lock:
            seen.update(mine)
    workers = [threading.Thread(target=run, args=(n // threads,)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return seen


def shift(gateway, *words, code=0):
    done = gateway.ctl("shift", "s", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def call(gateway, method, status, **body):
    answer = gateway.control(method, "/services/s/shift", json.dumps(body).encode() if body else None)
    assert answer.status == status, answer
    return answer.json() if answer.body else None


def state(gateway):
    answer = gateway.control("GET", "/services/s/shift")
    return answer.json() if answer.status == 200 else {"percent": None, "state": None}


def leads_to(gateway):
    row, = gateway.control("GET", "/services").json()["services"]
    return row["upstream"]


class Load:
    """Requests until it ends; the bodies that came with another status than 200 are kept."""

    def __init__(self, gateway):
        self.gateway, self.stopping, self.wrong = gateway, False, []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping:
            try:
                answer = self.gateway.get("/")
                self.wrong += [answer] if answer.status != 200 else []
            except (EOFError, OSError) as error:
                self.wrong.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()


# ---- the share ----------------------------------------------------------------------------------------------------

def test_share_is_exact_over_all_workers(sides, start):
    gateway = begin(start, sides)
    assert send(gateway, 40) == {"blue": 40}
    table = shift(gateway, "--to", "green", "--percent", "10")
    assert "green" in table and "steady" in table
    assert send(gateway, 1000) == {"blue": 900, "green": 100}
    shift(gateway, "--percent", "0.5")
    assert send(gateway, 1000) == {"blue": 995, "green": 5}
    shift(gateway, "--cancel")
    assert send(gateway, 40) == {"blue": 40} and state(gateway)["state"] is None
    assert "not being shifted" in shift(gateway, code=1)


def test_it_is_shown(sides, start):
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "10", "--step", "10/1h", "--abort-if", "5xx>1%", "--for", "2h")
    now = state(gateway)
    assert (now["from"], now["to"], now["percent"], now["state"]) == ("blue", "green", 10.0, "stepping")
    assert (now["step"], now["abort_if"], now["requests"]) == ("10/3600s", "5xx>1%", 20)
    assert "uid=" in now["who"] and now["until"] > now["since"]
    send(gateway, 40)
    wait_until(lambda: (state(gateway)["answered"], state(gateway)["failed"]) == (4, 0), "the answers to be counted")
    assert "blue, 10% green" in gateway.ctl("services").stdout
    listed = gateway.ctl("override", "list").stdout
    assert "shift" in listed and '"green" 10 %, stepping' in listed
    assert gateway.ctl("override", "commit").stdout == ""       # nothing is for good yet
    assert gateway.ctl("override", "drop", "--all").returncode == 0
    assert send(gateway, 40) == {"blue": 40}


def test_finished_by_hand(sides, start):
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50")
    assert send(gateway, 40) == {"blue": 20, "green": 20}
    shift(gateway, "--finish")
    assert send(gateway, 40) == {"green": 40} and leads_to(gateway) == "green" and state(gateway)["state"] is None
    assert 'host = "green"' in gateway.ctl("override", "commit").stdout
    call(gateway, "PUT", 400, to="green", percent=10)           # it leads there already
    assert call(gateway, "PUT", 200, to="blue", percent=100)["state"] == "finished"
    assert send(gateway, 40) == {"blue": 40}
    assert gateway.control("GET", "/overrides").json()["overrides"] == []       # as the file has it


def test_tries_stay_where_the_request_began(sides, start):
    """One target of green is dead: its requests are retried at green, and the split stays exact."""
    blue, green = sides
    both = ({"name": "blue", "targets": ({"target": blue.target},)},
            {"name": "green", "targets": ({"target": f"127.0.0.1:{free_port()}"}, {"target": green.target})})
    gateway = begin(start, sides, upstreams=both)
    shift(gateway, "--to", "green", "--percent", "50")
    assert send(gateway, 200) == {"blue": 100, "green": 100}


# ---- steps --------------------------------------------------------------------------------------------------------

def test_step_by_step(sides, start):
    gateway = begin(start, sides)
    with Load(gateway) as load:
        shift(gateway, "--to", "green", "--step", "25/1s", "--abort-if", "5xx>1%", "--requests", "2")
        wait_until(lambda: state(gateway)["state"] is None, "the shift to be complete", 2 * PATIENCE)
        assert leads_to(gateway) == "green"
    assert load.wrong == []
    log = gateway.log()
    places = [log.index(f"service s: {share} % go to green") for share in (25, 50, 75, 100)]
    assert places == sorted(places) and log.index("the shift to green is complete") > places[-1]
    assert send(gateway, 40) == {"green": 40}
    row, = gateway.control("GET", "/overrides").json()["overrides"]
    assert (row["thing"], row["value"]) == ("host", "green") and "uid=" in row["who"]


def test_no_step_without_evidence(sides, start):
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--step", "50/1s", "--abort-if", "5xx>1%", "--requests", "5")
    wait_until(lambda: state(gateway)["state"] == "waiting", "the step to be over")
    assert state(gateway)["percent"] == 50.0
    send(gateway, 12)
    wait_until(lambda: state(gateway)["percent"] == 100.0, "the next step")


def test_undone_when_it_is_slow(sides, start):
    """Every answer is a 200; more than half of them take longer than is allowed, which no machine's sluggishness does."""
    _, green = sides
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50", "--abort-if", "p50>5s", "--requests", "4")
    assert state(gateway)["abort_if"] == "p50>5000ms"
    send(gateway, 40)
    wait_until(lambda: state(gateway)["answered"] == 20, "the answers to be counted")
    assert state(gateway)["state"] == "steady"
    green.delay = 5.2
    shift(gateway, "--percent", "60")           # a new step: what was counted is forgotten, the limit stays
    wait_until(lambda: send(gateway, 8).keys() <= {"blue", "green"} and state(gateway)["state"] == "undone", "the end of it", 3 * PATIENCE)
    now = state(gateway)
    assert now["undone_at"] == 60.0 and 4 <= now["failed"] <= now["answered"]
    assert now["why"].startswith(f"5xx or over 5000 ms: {now['failed']} of ") and "are more than 50 %" in now["why"]
    assert send(gateway, 40) == {"blue": 40}


@pytest.mark.parametrize("how", ["answers", "dies"])
def test_undone_when_it_goes_wrong(sides, start, how):
    blue, green = sides
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "20", "--step", "10/1h", "--abort-if", "5xx > 2.5%")
    send(gateway, 100)
    wait_until(lambda: state(gateway)["answered"] == 20, "the answers to be counted")
    assert state(gateway)["percent"] == 20.0
    if how == "dies":
        green.origin.stop()
    else:
        green.status = 500
    wait_until(lambda: send(gateway, 20) and state(gateway)["state"] == "undone", "the shift to be undone")
    assert send(gateway, 100) == {"blue": 100}
    now = state(gateway)
    assert now["percent"] == 0 and now["undone_at"] == 20.0 and now["failed"] > 0 and "are more than 2.5 %" in now["why"]
    gateway.wait_log(rf"the shift to green was undone at 20 %, 5xx: {now['failed']} of {now['answered']}")
    assert "undone: 5xx" in gateway.ctl("override", "list").stdout
    assert "undone" in shift(gateway) and leads_to(gateway) == "blue"
    call(gateway, "PATCH", 409, percent=50)
    green.status = 200
    if how == "answers":
        shift(gateway, "--to", "green", "--percent", "50")      # another try
        assert send(gateway, 40) == {"blue": 20, "green": 20}


def test_failures_below_the_limit_do_not_matter(sides, start):
    blue, green = sides
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50", "--step", "50/1s", "--abort-if", "5xx>50%", "--requests", "8")
    green.status = 503
    assert send(gateway, 4)[503] == 2
    green.status = 200
    send(gateway, 12)
    wait_until(lambda: state(gateway)["percent"] == 100.0, "the next step")


# ---- what comes between -------------------------------------------------------------------------------------------

def test_it_outlives_reloads_and_deaths(sides, start):
    gateway = begin(start, sides, workers=2)
    shift(gateway, "--to", "green", "--percent", "10", "--step", "0.2/1s", "--abort-if", "5xx>99%", "--requests", "1")

    def percent():
        try:
            return state(gateway)["percent"]
        except (OSError, EOFError):         # of a control process that is just going
            return None
    with Load(gateway):
        for what in ("reload", "worker", "control", "checker"):
            before = wait_until(percent, "the share")
            if what == "reload":
                gateway.reload()
            else:
                pid = gateway.pids(what)[0]
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: pid not in gateway.children(), f"the {what} to be gone")
            wait_until(lambda: (percent() or 0) > before + 0.3, f"two steps after {what}", 2 * PATIENCE)
    call(gateway, "PATCH", 200, percent=50, step=None)
    wait_until(lambda: gateway.control("GET", "/status").json()["workers"]["running"] == 2, "both workers")
    assert send(gateway, 100)["green"] == 50


def test_undone_by_a_successor(sides, start):
    """What was counted is there for a new control process, which finds that it is too much."""
    blue, green = sides
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50", "--abort-if", "5xx>1%", "--requests", "30")
    green.status = 500
    assert send(gateway, 40)[500] == 20
    wait_until(lambda: state(gateway)["failed"] == 20, "the answers to be counted")
    pid = gateway.pids("control")[0]
    wait_until(lambda: stat_of(pid)[0] == "S", "it to be through with its turn")
    os.kill(pid, signal.SIGSTOP)
    try:
        send(gateway, 40)
    finally:
        os.kill(pid, signal.SIGKILL)

    def undone():
        try:
            return state(gateway)["state"] == "undone"
        except (OSError, EOFError):
            return False
    wait_until(undone, "the successor to undo it")
    assert send(gateway, 40) == {"blue": 40}


def test_shift_ends_by_itself(sides, start):
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50", "--for", "1s")
    wait_until(lambda: state(gateway)["state"] is None, "the end of the shift")
    assert send(gateway, 40) == {"blue": 40}
    gateway.wait_log("override dropped, its time is over: shift green of s")


@pytest.mark.parametrize("what", ["host", "upstream"])
def test_file_overtakes_it(sides, start, what):
    blue, green = sides
    gateway = begin(start, sides)
    shift(gateway, "--to", "green", "--percent", "50")
    if what == "host":
        gateway.write(services=(service(0, name="s", url="http://green/"),))
    else:
        gateway.write(upstreams=upstreams(blue, green)[:1])
    gateway.reload()
    wait_until(lambda: state(gateway)["state"] is None, "the shift to be dropped")
    assert send(gateway, 40) == {"green" if what == "host" else "blue": 40}


# ---- mistakes -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [
    ("--to", "nobody", "--percent", "10"), ("--to", "blue", "--percent", "10"), ("--to", "green"),
    ("--to", "green", "--percent", "0"), ("--to", "green", "--percent", "101"), ("--to", "green", "--percent", "ten"),
    ("--to", "green", "--percent", "0.05"), ("--to", "green", "--percent", "-5"), ("--to", "green", "--percent", "nan"),
    ("--to", "green", "--step", "10"), ("--to", "green", "--step", "10/"), ("--to", "green", "--step", "10/0s"),
    ("--to", "green", "--step", "0/30s"), ("--to", "green", "--step", "10/30x"),
    ("--to", "green", "--percent", "5", "--abort-if", "4xx>1%"), ("--to", "green", "--percent", "5", "--abort-if", "5xx"),
    ("--to", "green", "--percent", "5", "--abort-if", "5xx>1"), ("--to", "green", "--percent", "5", "--abort-if", "5xx>101%"),
    ("--to", "green", "--percent", "5", "--requests", "0"), ("--to", "green", "--percent", "5", "--for", "soon"),
    ("--percent", "10"), ("--finish",), ("--cancel",)])
def test_mistakes_change_nothing(sides, start, words):
    gateway = begin(start, sides, workers=1)
    assert shift(gateway, *words, code=1).strip()
    assert gateway.control("GET", "/overrides").json()["overrides"] == []


def test_mistakes_of_usage(sides, start):
    gateway = begin(start, sides, workers=1)
    shift(gateway, "--cancel", "--percent", "10", code=2)
    shift(gateway, "--finish", "--percent", "10", code=2)
    shift(gateway, "--to", "green", "--percent", "1", "--requests", "many", code=2)
    assert gateway.ctl("shift").returncode == 2
    assert gateway.ctl("shift", "nobody", "--to", "green", "--percent", "10").returncode == 1
    call(gateway, "PUT", 400, to="green", percent=10, sped=1)
    call(gateway, "PUT", 400, to=5, percent=10)
    call(gateway, "PUT", 200, to="green", percent=10)
    call(gateway, "PATCH", 400, to="green")
    assert gateway.control("POST", "/services/s/shift").status == 405
