# SPDX-License-Identifier: Apache-2.0
"""Binary upgrade: another program takes over with the listening sockets and the memory, or nothing changes."""
import contextlib
import os
import re
import shutil
import signal
import socket
import threading

import pytest

from harness import (BUILD, GATEWAY, PATIENCE, Client, is_zombie, plugin, proxy_cache, reply, route, service,
                     wait_until)
from test_70_reload import PATIENT, Load

NEXT, LAYOUT = str(BUILD / "e2e" / "gateway-next"), str(BUILD / "e2e" / "gateway-layout")
pytestmark = pytest.mark.usefixtures("subreaper")


class Master:
    """A master that was not started here, in the place of a subprocess.Popen."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                if not os.path.exists(f"/proc/{self.pid}"):
                    self.returncode = 0
        return self.returncode

    def wait(self, seconds=PATIENCE):
        wait_until(lambda: self.poll() is not None, "the master to end", seconds)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)


def pid_of(gateway, name="gateway.pid"):
    """What the pid file says; None while there is none, or nothing in it yet."""
    with contextlib.suppress(FileNotFoundError):
        said = (gateway.prefix / name).read_text().split()
        return int(said[0]) if said else None
    return None


def follow(gateway, name="gateway.pid"):
    """The gateway's new master is the one that the pid file names; returns the one before."""
    old = gateway.process
    gateway.process = Master(wait_until(lambda: pid_of(gateway, name) not in (None, old.pid) and pid_of(gateway, name),
                                        "the new master's pid file"))
    return old


def upgrade(gateway, binary=NEXT):
    done = gateway.ctl("upgrade", *(["--binary", binary] if binary else []))
    assert done.returncode == 0, done.stdout + done.stderr + gateway.log()
    return follow(gateway), done.stdout


def version(gateway):
    return gateway.control("GET", "/version").json()["version"]


def ended(old):
    wait_until(lambda: old.poll() is not None, "the old master to end")
    return old.returncode


def cached(origin, **more):
    return [service(origin.port, route("cached", ["/cached"], [proxy_cache(cache_ttl=3600)]), route("plain", ["/"]),
                    read_timeout=PATIENT, **more)]


def script(gateway, name, text):
    path = gateway.dir / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def waits_for(gateway, signal_file, binary=NEXT):
    """A program that becomes the new gateway as soon as that file is there."""
    return script(gateway, "slow", f"#!/bin/sh\nwhile [ ! -e {signal_file} ]; do sleep 0.02; done\n"
                                   f"exec {binary} \"$@\"\n")


def works(gateway, origin, generation=1):
    """As if nothing had happened: the same processes, the cache as it was, and it can be reloaded."""
    count = len(origin.requests)
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"
    assert len(origin.requests) == count
    assert gateway.get("/").status == 200
    assert gateway.control("GET", "/version").json()["generation"] == generation
    gateway.reload()
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"


# ---- what it is for -----------------------------------------------------------------------------------------------

def test_what_was_said_of_tokens_is_inherited(origin, origins, start):
    """The next program's digests are under the same key: a token that is known is not asked about again."""
    authority = origins(lambda connection, request: connection.send(
        reply(200, "Content-Type: application/json", body='{"active":true,"sub":"s"}')))
    asks = plugin("oauth2-introspection", introspection_url=f"http://127.0.0.1:{authority.port}/", ttl=3600)
    gateway = start([service(origin.port, route(plugins=[asks]))])
    assert gateway.get("/", "Authorization: Bearer t0k").status == 200
    old, _ = upgrade(gateway)
    assert ended(old) == 0
    assert gateway.get("/", "Authorization: Bearer t0k").status == 200 and len(authority.requests) == 1
    assert origin.last.get("X-Credential-Sub") == "s"


@pytest.mark.seconds(120)
def test_under_load_nothing_is_lost(origin, start):
    gateway = start(cached(origin), workers=2, shutdown_timeout=PATIENT)
    assert gateway.get("/cached").get("X-Cache-Status") == "Miss"
    loads = [Load(gateway.port, 4, "/cached"), Load(gateway.port, 4, "/load")]
    for load in loads:
        load.wait(10)
    old, said = upgrade(gateway)
    assert "0.1.0-next" in said and "generation 2 serves with 2 workers" in said
    assert version(gateway) == "0.1.0-next"
    assert ended(old) == 0
    for load in loads:     # and goes on for a while with the new one alone
        load.wait(min(load.done) + 10)
    total = 1 + sum(load.stop() for load in loads)
    assert sum(r.target == "/cached" for r in origin.requests) == 1, "the cache was lost"
    assert gateway.status().json()["master_pid"] == gateway.process.pid
    wait_until(lambda: gateway.status().json()["requests"]["total"] >= total, "the counters, none of which is lost")
    works(gateway, origin, 2)
    wait_until(lambda: sorted(gateway.children()) == sorted(p["pid"] for p in gateway.processes()),
               "the generation before to be gone")


def test_same_path_by_signal(origin, start, tmp_path):
    """What a package does: the file is replaced, then SIGUSR2."""
    tmp_path.chmod(0o755)
    place = tmp_path / "gateway"
    shutil.copy(GATEWAY, place)
    gateway = start(cached(origin), binary=str(place))
    gateway.get("/cached")
    shutil.copy(NEXT, tmp_path / "new")
    os.replace(tmp_path / "new", place)
    gateway.kill(signal.SIGUSR2)
    old = follow(gateway)
    assert ended(old) == 0
    assert version(gateway) == "0.1.0-next"
    works(gateway, origin, 2)


def test_clients_that_stay_are_told_to_come_back(origin, start):
    gateway = start([service(origin.port)], workers=1)
    idle = gateway.client()
    assert "close" not in idle.ask().get("Connection", "")
    old, _ = upgrade(gateway)
    with contextlib.suppress(EOFError, OSError):     # or was closed while it was idle for long enough
        assert "close" in idle.ask().get("Connection", "")
    idle.close()
    assert ended(old) == 0


@pytest.mark.seconds(90)
def test_two_in_a_row_while_requests_go_on(origins, start):
    """The first master still waits for a slow response when the third one takes over."""
    release = threading.Event()

    def slowly(connection, request):
        if request.target == "/slow":
            release.wait(150)
        connection.send(reply(200, "Content-Type: text/plain", body=f"done {request.target}"))
    origin = origins(slowly)
    gateway = start(cached(origin), workers=2, shutdown_timeout=PATIENT)
    gateway.get("/cached")
    slow = [gateway.client()]
    slow[0].request("GET", "/slow")
    wait_until(lambda: len(origin.requests) == 2, "the slow request")
    first, _ = upgrade(gateway)
    slow.append(gateway.client())
    slow[1].request("GET", "/slow")
    wait_until(lambda: len(origin.requests) == 3, "the second slow request")
    second, said = upgrade(gateway, GATEWAY)
    assert "generation 3" in said
    assert version(gateway) == "0.1.0"
    assert first.poll() is None and second.poll() is None
    rows = gateway.processes()
    assert len({p["slot"] for p in rows}) == len(rows) and len({p["pid"] for p in rows}) == len(rows)
    assert {p["generation"] for p in rows} == {1, 2, 3}
    works(gateway, origin, 3)
    release.set()
    for client in slow:
        assert client.response().body == b"done /slow"
        client.close()
    assert ended(first) == 0 and ended(second) == 0
    wait_until(lambda: len(gateway.processes()) == 4, "slots of the old ones to be free")


def test_configuration_is_read_anew(origins, start):
    one, two = origins(), origins()
    gateway = start([service(one.port)])
    gateway.get("/")
    gateway.write(services=(service(two.port),), pid_file=str(gateway.prefix / "other.pid"),
                  shared_dicts=({"name": "gateway_cache", "size": "16m"}, {"name": "second", "size": "4m"}))
    done = gateway.ctl("upgrade", "--binary", NEXT)
    assert done.returncode == 0, done.stderr
    old = follow(gateway, "other.pid")
    assert gateway.get("/").status == 200 and len(two.requests) == 1
    wait_until(lambda: not (gateway.prefix / "gateway.pid").exists(), "the old pid file to go")
    assert ended(old) == 0
    assert (gateway.prefix / "other.pid").exists() and gateway.socket.exists()


def test_unknown_layout_is_dropped_alone(origin, start):
    gateway = start(cached(origin), shutdown_timeout=PATIENT)
    gateway.get("/cached")
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"
    load = Load(gateway.port, 4, "/load")
    load.wait(10)
    old, said = upgrade(gateway, LAYOUT)
    assert re.search(r"made anew.*gateway_cache", said)
    assert gateway.get("/cached").get("X-Cache-Status") == "Miss"
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"
    total = 4 + load.stop()
    assert ended(old) == 0
    wait_until(lambda: gateway.status().json()["requests"]["total"] >= total, "the counters, whose layout is known")


def test_supervisor_is_told(origin, start, tmp_path):
    tmp_path.chmod(0o777)
    path = tmp_path / "notify"
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(path))
    path.chmod(0o777)
    ear.settimeout(PATIENCE)
    gateway = start([service(origin.port)], environment={"NOTIFY_SOCKET": str(path)})
    first = gateway.process.pid
    assert f"MAINPID={first}\n" in ear.recv(1000).decode()
    old, _ = upgrade(gateway)
    assert "RELOADING=1" in ear.recv(1000).decode()
    message = ear.recv(1000).decode()
    assert "READY=1" in message and f"MAINPID={gateway.process.pid}\n" in message
    assert ended(old) == 0
    done = gateway.ctl("upgrade", "--binary", script(gateway, "ends", "#!/bin/sh\nexit 3\n"))
    assert done.returncode == 1
    assert "RELOADING=1" in ear.recv(1000).decode()
    message = ear.recv(1000).decode()
    assert "READY=1" in message and f"MAINPID={gateway.process.pid}\n" in message
    ear.close()


# ---- the way back -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, text, why", [
    ("garbage", "no program at all\n", "Exec format error"),
    ("ends", "#!/bin/sh\nexit 3\n", "ended with status 3"),
    ("crashes", "#!/bin/sh\nkill -SEGV $$\n", "killed by SIGSEGV"),
    ("other", "#!/bin/sh\nexec sleep 0.3\n", "ended with status 0"),
    ("old", f"#!/bin/sh\nGATEWAY_HANDOVER=\"gateway 99\nlink 1\n\" exec {NEXT} \"$@\"\n", "ended with status 1"),
])
def test_program_that_does_not_come_up(origin, start, name, text, why):
    gateway = start(cached(origin))
    gateway.expect_alarms = name == "crashes"       # it says so in the log
    gateway.get("/cached")
    children = sorted(gateway.children())
    load = Load(gateway.port, 4, "/load")
    load.wait()
    done = gateway.ctl("upgrade", "--binary", script(gateway, name, text))
    assert done.returncode == 1 and why in done.stderr, done.stderr
    load.stop()
    wait_until(lambda: sorted(gateway.children()) == children, "the program to be gone, and nothing else")
    assert gateway.process.poll() is None
    assert pid_of(gateway) == gateway.process.pid
    works(gateway, origin)
    upgrade(gateway)
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"


@pytest.mark.seconds(120)
def test_program_that_never_answers(origin, start):
    gateway = start(cached(origin))
    gateway.get("/cached")
    done = gateway.ctl("upgrade", "--binary", script(gateway, "silent", "#!/bin/sh\nsleep 1000 &\nwait\n"))
    assert done.returncode == 1 and "within 30000 ms" in done.stderr, done.stderr
    wait_until(lambda: len(gateway.children()) == 4, "all of it to be gone")
    works(gateway, origin)


def test_configuration_that_is_refused(origin, start):
    gateway = start(cached(origin))
    gateway.get("/cached")
    good = gateway.path.read_text()
    gateway.write(text=good + "worker_conections = 7;\n")
    done = gateway.ctl("upgrade", "--binary", NEXT)
    assert done.returncode == 1 and "worker_conections" in done.stderr, done.stderr
    gateway.write(text=good)
    works(gateway, origin)


def test_address_that_cannot_be_had(origin, start):
    gateway = start(cached(origin))
    gateway.get("/cached")
    listeners = gateway.settings["proxy_listen"]
    gateway.write(proxy_listen=(*listeners, {"address": f"127.0.0.1:{origin.port}"}))
    done = gateway.ctl("upgrade", "--binary", NEXT)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{origin.port}" in done.stderr, done.stderr
    gateway.write(proxy_listen=listeners)
    works(gateway, origin)


def test_program_that_others_could_have_changed(origin, start):
    gateway = start(cached(origin))
    gateway.get("/cached")
    path = script(gateway, "writable", f"#!/bin/sh\nexec {NEXT} \"$@\"\n")
    os.chmod(path, 0o777)
    done = gateway.ctl("upgrade", "--binary", path)
    assert done.returncode == 1 and "could have changed" in done.stderr, done.stderr
    os.chmod(path, 0o644)
    done = gateway.ctl("upgrade", "--binary", path)
    assert done.returncode == 1 and "it is no program" in done.stderr, done.stderr
    assert gateway.ctl("upgrade", "--binary", "/nowhere").returncode == 2
    assert gateway.control("POST", "/upgrade", b'{"binary": "/nowhere"}').status == 422
    works(gateway, origin)


def test_one_thing_at_a_time(origin, start):
    """While a reload is under way, an upgrade is refused; while an upgrade is under way, another one is, and a reload
    waits for its end."""
    gateway = start(cached(origin))
    gateway.get("/cached")
    reload, second = Client(None, unix=gateway.socket), Client(None, unix=gateway.socket)
    gateway.kill(signal.SIGSTOP)
    reload.request("POST", "/reload", "Content-Length: 0")
    assert gateway.control("GET", "/version").status == 200     # by now the reload has been passed on
    second.request("POST", "/upgrade", "Content-Length: 0")
    assert gateway.control("GET", "/version").status == 200
    gateway.kill(signal.SIGCONT)
    answer = second.response()
    assert answer.status == 422 and "a reload is under way" in answer.json()["message"]
    assert reload.response().status == 200
    reload.close(), second.close()

    go = gateway.dir / "go"
    first = threading.Thread(target=gateway.ctl, args=("upgrade", "--binary", waits_for(gateway, go, "false")))
    first.start()
    gateway.wait_log("upgrade: starting")
    done = gateway.ctl("upgrade", "--binary", NEXT)
    assert done.returncode == 1 and "an upgrade is under way" in done.stderr, done.stderr
    reload = Client(None, unix=gateway.socket)
    reload.request("POST", "/reload", "Content-Length: 0")
    assert reload.silent(0.3)
    go.touch()
    first.join()
    assert reload.response().status == 200
    reload.close()
    works(gateway, origin, 3)


# ---- death in the middle ------------------------------------------------------------------------------------------

def begin(gateway, binary):
    result = []
    thread = threading.Thread(target=lambda: result.append(gateway.ctl("upgrade", "--binary", binary)))
    thread.start()
    gateway.wait_log("upgrade: starting")
    thread.result = result
    return thread


def successor(gateway, known):
    """The child of the master that is none of the known ones."""
    return wait_until(lambda: next((p for p in gateway.children() if p not in known), None), "the new master")


@pytest.mark.parametrize("serving", [False, True])
def test_new_master_is_killed(origin, start, serving):
    """Before it has started anything, and when all of its workers serve and wait for the word to take over."""
    gateway = start(cached(origin))
    gateway.get("/cached")
    go, known = gateway.dir / "go", gateway.children()
    thread = begin(gateway, waits_for(gateway, go))
    new = successor(gateway, known)
    load = Load(gateway.port, 2, "/load")
    if serving:
        gateway.kill(signal.SIGSTOP)
        go.touch()
        wait_until(lambda: sum(p["state"] == "running" for p in gateway.processes() if p["role"] == "worker") == 4,
                   "workers of both masters")
    load.stop()
    os.kill(new, signal.SIGKILL)
    wait_until(lambda: is_zombie(new), "the new master to be dead")
    gateway.kill(signal.SIGCONT)
    thread.join()
    done = thread.result[0]
    assert done.returncode == 1 and "killed by SIGKILL" in done.stderr, done.stderr
    wait_until(lambda: len(gateway.processes()) == len(gateway.children()) == 4, "the dead to be gone, and their slots free")
    works(gateway, origin)
    upgrade(gateway)
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"


@pytest.mark.parametrize("serving", [False, True])
def test_old_master_is_killed(origin, start, serving):
    """Then the new one does not wait for anybody's word; what the dead processes held is given back."""
    gateway = start(cached(origin))
    gateway.get("/cached")
    count = len(origin.requests)
    go, old, known = gateway.dir / "go", gateway.process, gateway.children()
    thread = begin(gateway, waits_for(gateway, go))
    successor(gateway, known)
    if serving:
        gateway.kill(signal.SIGSTOP)
        go.touch()
        wait_until(lambda: sum(p["state"] == "running" for p in gateway.processes() if p["role"] == "worker") == 4,
                   "workers of both masters")
    old.kill()
    old.wait()
    go.touch()
    thread.join()
    wait_until(lambda: all(is_zombie(p) for p in known), "the old processes to be gone")
    follow(gateway)
    wait_until(lambda: len(gateway.processes()) == 4, "slots of the dead to be free")
    gateway.wait_log("the master before, process .*, has ended")
    assert version(gateway) == "0.1.0-next"
    assert len(origin.requests) == count
    works(gateway, origin, 2)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def test_stop_in_the_middle(origin, start):
    gateway = start(cached(origin))
    known = gateway.children()
    thread = begin(gateway, waits_for(gateway, gateway.dir / "never"))
    new = successor(gateway, known)
    assert gateway.end() == 0
    thread.join()
    assert is_zombie(new)


def test_stop_after_it_ends_both(origins, start):
    """The old master, which waits for a slow response, does not outlive the fast stop of the new one."""
    release = threading.Event()

    def slowly(connection, request):
        release.wait(150)
        connection.send(reply(200))
    origin = origins(slowly)
    gateway = start([service(origin.port, read_timeout=PATIENT)], shutdown_timeout=PATIENT)
    slow = gateway.client()
    slow.request("GET", "/slow")
    wait_until(lambda: origin.requests, "the slow request")
    old, _ = upgrade(gateway)
    assert old.poll() is None
    assert gateway.end() == 0
    assert ended(old) == 0
    release.set()
    slow.close()
    assert not gateway.socket.exists() and not (gateway.prefix / "gateway.pid").exists()


def test_another_size_follows_after_the_upgrade(origin, start):
    """The old processes still use the dictionary as it was: it moves when they have ended."""
    gateway = start(cached(origin), shared_dicts=({"name": "gateway_cache", "size": "8m"},))
    gateway.get("/cached")
    gateway.write(shared_dicts=({"name": "gateway_cache", "size": "16m"},))
    old, _ = upgrade(gateway)
    gateway.wait_log("generation 3 serves")
    wait_until(lambda: "16777216" in gateway.ctl("cache", "stat", "-o", "json").stdout, "the new size")
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"
    assert ended(old) == 0


def test_no_upgrade_while_a_dictionary_changes(origins, start):
    """Processes of a third master could not be told of both zones."""
    release = threading.Event()

    def slowly(connection, request):
        if request.target == "/slow":
            release.wait(150)
        connection.send(reply(200, "Content-Type: text/plain", body="x"))
    origin = origins(slowly)
    gateway = start(cached(origin), shared_dicts=({"name": "gateway_cache", "size": "8m"},), shutdown_timeout=PATIENT)
    gateway.get("/cached")
    slow = gateway.client()
    slow.request("GET", "/slow")
    wait_until(lambda: len(origin.requests) == 2, "the slow request")
    gateway.write(shared_dicts=({"name": "gateway_cache", "size": "16m"},))
    gateway.reload()
    done = gateway.ctl("upgrade", "--binary", NEXT)
    assert done.returncode == 1 and "has changed its size" in done.stderr, done.stderr
    release.set()
    assert slow.response().status == 200
    slow.close()
    wait_until(lambda: len(gateway.processes()) == 4, "the old generation to be gone")
    upgrade(gateway)
    assert gateway.get("/cached").get("X-Cache-Status") == "Hit"
