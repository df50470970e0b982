# SPDX-License-Identifier: Apache-2.0
"""Reload: everything can change, nothing is lost, a broken file changes nothing."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import (GATEWAYCTL, SANITIZED, Client, ask, client_tls, descriptors, free_port, private_bytes, proxy_cache, reply, route,
                     service, wait_until)


PATIENT = 120000     # ms of shutdown_timeout: no client is so slow that its idle connection is closed before it asks again


class Load:
    """Persistent clients that ask without a pause. A lost request is an answer that does not come, comes short, or is
    not 200; a new connection is only opened after `Connection: close` or after the first one. The gateway should be
    PATIENT: it may close what is idle for shutdown_timeout."""

    def __init__(self, port, clients=8, target="/load"):
        self.port, self.target, self.stopping = port, target, threading.Event()
        self.done, self.failures, self.closes = [0] * clients, [], 0
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, index):
        client = None
        while not self.stopping.is_set():
            try:
                client = client or Client(self.port)
                answer = client.ask("GET", self.target)
                if answer.status != 200 or not answer.complete or not answer.body:
                    self.failures.append(repr(answer))
                self.done[index] += 1
                if "close" in answer.get("Connection", "").lower():
                    self.closes += 1
                    client.close()
                    client = None
            except (OSError, EOFError) as error:
                self.failures.append(repr(error))
                client = None
        if client:
            client.close()

    def wait(self, each=1):
        """Until every client has had so many answers."""
        wait_until(lambda: self.failures or min(self.done) >= each, f"{each} answers to each client")

    def stop(self):
        self.wait()
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.failures == [], f"{len(self.failures)} of {sum(self.done)} failed: {self.failures[:5]}"
        return sum(self.done)


def settled(gateway, workers):
    """With these workers, a checker and a control process, all of one generation."""
    wait_until(lambda: len(gateway.processes()) == len(gateway.children()) == workers + 2 and len(gateway.pids()) == workers,
               "the old generation to be gone")


def test_nobody_meets_a_configuration_before_all_can_serve_it(origins, start):
    """Its workers wait for each other: while one of them is stopped, the others accept nothing, and what is given up
    then has lost no client."""
    old, new = (origins(lambda c, r, text=text: c.send(reply(200, body=text))) for text in ("old", "new"))
    gateway = start([service(old.port)], workers=3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))       # whoever starts waits a while for the name of a service
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        gateway.write(services=(service(new.port), service(0, route(name="r2", paths=["/other"]), name="other", url="http://nobody.test/")),
                      dns_resolver=[address])

        def coming(state):
            answer = gateway.control("GET", "/workers").json()
            return [p["pid"] for p in answer["workers"] if p["role"] == "worker" and p["generation"] != first and
                    p["state"] == state and p["pid"]]
        first = gateway.control("GET", "/workers").json()["generation"]
        reload = subprocess.Popen([GATEWAYCTL, "-s", str(gateway.socket), "reload"], stdout=subprocess.DEVNULL)
        stopped = wait_until(lambda: coming("starting"), "a new worker that starts")[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            if stopped in coming("starting"):       # else it was quick, and nothing can be seen this time
                wait_until(lambda: len(coming("running")) == 2 or reload.poll() is not None, "the others to be ready")
                bodies = [gateway.get("/").body for _ in range(60)]
                assert reload.poll() is not None or set(bodies) == {b"old"}
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert reload.wait(300) == 0
        assert {gateway.get("/").body for _ in range(20)} == {b"new"}


@pytest.mark.seconds(360)
def test_hundred_reloads_lose_nothing(origin, start):
    gateway = start([service(origin.port)], workers=2, shutdown_timeout=PATIENT)
    master = gateway.process.pid
    load = Load(gateway.port)

    def five():
        for _ in range(5):
            gateway.reload()
        settled(gateway, 2)
    five()
    before = (descriptors(master), private_bytes(master))
    for _ in range(19 if not SANITIZED else 3):
        five()
    load.wait(60)
    load.stop()
    settled(gateway, 2)
    wait_until(lambda: descriptors(master) <= before[0] + 2, "the master to let go of what it holds")
    if not SANITIZED:
        assert private_bytes(master) - before[1] < 1 << 20, "the master's memory grows with each reload"


@pytest.mark.seconds(120)
def test_idle_persistent_clients_do_not_lose_their_next_request(origin, start):
    """The keep-alive race: a client that was idle while its worker was retired asks again."""
    gateway = start([service(origin.port)], workers=2, shutdown_timeout=PATIENT)
    clients = [gateway.client() for _ in range(8)]
    for client in clients:
        client.ask()
    lost = 0
    for turn in range(10):
        gateway.reload()
        for i, client in enumerate(clients):
            try:
                answer = client.ask("GET", f"/{turn}/{i}")
                assert answer.status == 200
                closing = "close" in answer.get("Connection", "").lower()
            except (OSError, EOFError):
                lost += 1
                closing = True
            if closing:
                client.close()
                clients[i] = gateway.client()
                clients[i].ask()
    for client in clients:
        client.close()
    assert lost == 0


def test_signal_reloads_too(origins, start):
    one, two = origins(), origins()
    gateway = start([service(one.port)])
    gateway.get("/")
    gateway.write(services=(service(two.port),))
    gateway.kill(signal.SIGHUP)
    wait_until(lambda: (gateway.get("/"), len(two.requests))[1], "the new configuration")
    wait_until(lambda: gateway.status().json()["generation"] == 2, "the new generation in the status")


def test_everything_can_change(origins, start, certs):
    one, two = origins(), origins()
    gateway = start([service(one.port, route("a", ["/a"]))], workers=1)
    assert gateway.get("/a").status == 200 and gateway.get("/b").status == 404
    port, secure, status = free_port(), free_port(), free_port()
    old_port = gateway.port
    gateway.write(services=(service(two.port, route("b", ["/b"])),), workers=3,
                  proxy_listen=({"address": f"127.0.0.1:{port}"}, {"address": f"127.0.0.1:{secure}", "ssl": True}),
                  certificates=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},),
                  shared_dicts=({"name": "gateway_cache", "size": "8m"}, {"name": "second", "size": "4m"}),
                  status_listen=f"127.0.0.1:{status}", log_level="debug")
    gateway.reload()
    assert ask(port, "GET", "/b").status == 200 and ask(port, "GET", "/a").status == 404
    assert ask(secure, "GET", "/b", tls=client_tls()).status == 200
    assert ask(status, "GET", "/status").json()["workers"]["running"] == 3
    assert len(gateway.pids()) == 3
    assert {d["name"]: d["size"] for d in gateway.control("GET", "/cache").json()["dicts"]} == \
        {"gateway_cache": 8 << 20, "second": 4 << 20}

    def old_port_is_closed():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", old_port)) != 0
    wait_until(old_port_is_closed, "the old listener to go")


BROKEN = {
    "syntax": "workers = ;\n",
    "unknown key": "worker = 1;\n",
    "certificate": 'certificates = ( { cert = "/nonexistent"; key = "/nonexistent"; } );\n',
    "address": 'proxy_listen = ( { address = "192.0.2.1:80"; } );\n',
    "nothing there": None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_changes_nothing_under_load(origin, start, name):
    gateway = start([service(origin.port)], shutdown_timeout=PATIENT)
    pids = sorted(gateway.children())
    load = Load(gateway.port, clients=4)
    load.wait()
    if BROKEN[name] is None:
        gateway.path.unlink()
    else:
        gateway.write(BROKEN[name])
    done = gateway.ctl("reload")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "gateway.conf" in said if name in ("syntax", "unknown key", "certificate", "nothing there") else "192.0.2.1" in said
    assert sorted(gateway.children()) == pids
    assert gateway.status().json()["generation"] == 1
    load.stop()
    gateway.write()
    gateway.reload()


def test_signal_with_a_broken_file_is_logged(origin, start):
    gateway = start([service(origin.port)])
    gateway.write("worker = 1;\n")
    gateway.kill(signal.SIGHUP)
    gateway.wait_log(r"gateway\.conf:1: .*worker")
    assert gateway.get("/").status == 200


def test_cache_stays(origins, start):
    server = origins(lambda c, r: c.send(reply(200, "Content-Type: text/plain", body=b"x")))
    gateway = start([service(server.port, route(plugins=[proxy_cache(cache_ttl=3600)]))])
    for i in range(20):
        gateway.get(f"/{i}")
    gateway.write(workers=3)
    gateway.reload()
    assert {gateway.get(f"/{i}").get("X-Cache-Status") for i in range(20)} == {"Hit"} and len(server.requests) == 20


def test_open_requests_finish_in_the_old_generation(origins, start):
    reloaded = threading.Event()

    def handler(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
        assert reloaded.wait(150)
        for i in range(5, 10):
            connection.send(b"%d" % i)
            time.sleep(0.05)
    server = origins(handler)
    gateway = start([service(server.port, read_timeout=PATIENT)], shutdown_timeout=PATIENT)
    client = gateway.client()
    client.request()
    wait_until(lambda: server.requests, "the request at the origin")
    gateway.reload()
    reloaded.set()
    answer = client.response()
    assert answer.complete and answer.body == b"0123456789"
    client.close()


def test_upload_survives_a_reload(origin, start):
    gateway = start([service(origin.port)], shutdown_timeout=PATIENT)
    client = gateway.client()
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
    for i in range(10):
        client.send(b"x" * 100000)
        if i == 4:
            wait_until(lambda: origin.connections, "the upload at the origin")
            gateway.reload()
    assert client.response().status == 200 and len(origin.last.body) == 1000000
    client.close()


@pytest.mark.parametrize("timeout", [PATIENT, 1500])
def test_tunnel_lives_until_shutdown_timeout(origins, start, timeout):
    def echo(connection, request):
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := connection.read_some(65536):
            connection.send(data)
        return False
    gateway = start([service(origins(echo).port)], shutdown_timeout=timeout)
    client = gateway.client()
    client.request("GET", "/", "Connection: Upgrade", "Upgrade: websocket")
    assert client.response().status == 101
    gateway.reload()
    if timeout == PATIENT:
        for _ in range(5):
            client.send(b"still here")
            assert client.read_exactly(10) == b"still here"
        client.close()
    else:
        assert client.at_end()
        gateway.wait_log(r"still had work after 1500 ms and are ended")
    settled(gateway, 2)
    client.close()


def test_connections_that_wait_are_not_lost(origin, start):
    """Sockets are inherited by every generation: what is in an accept queue is served by the next."""
    gateway = start([service(origin.port)], workers=1, shutdown_timeout=PATIENT)
    lost = []

    def connect():
        while not stop.is_set():
            try:
                if ask(gateway.port).status != 200:
                    lost.append("status")
            except (OSError, EOFError) as error:
                lost.append(repr(error))
    stop = threading.Event()
    threads = [threading.Thread(target=connect, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        gateway.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert lost == []


def test_replaced_worker_has_the_newest_configuration(origins, start):
    one, two = origins(), origins()
    gateway = start([service(one.port)], workers=1)
    gateway.write(services=(service(two.port),))
    gateway.reload()
    worker = gateway.pids()[0]
    os.kill(worker, signal.SIGKILL)
    gateway.replaced(worker)
    assert gateway.get("/").status == 200 and len(two.requests) == 1 and not one.requests


def test_worker_count_down_and_up_again(origin, start):
    gateway = start([service(origin.port)], workers=3)
    for count in (1, 4, 2):
        gateway.write(workers=count)
        gateway.reload()
        assert gateway.get("/").status == 200
        settled(gateway, count)


def test_reloads_at_the_same_moment(origin, start):
    gateway = start([service(origin.port)])
    results = []
    threads = [threading.Thread(target=lambda: results.append(gateway.ctl("reload").returncode), daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(0) >= 1 and set(results) <= {0, 1}
    assert gateway.get("/").status == 200
    settled(gateway, 2)


def test_removed_listener_with_an_open_client(origin, start):
    port = free_port()
    gateway = start([service(origin.port)], shutdown_timeout=PATIENT)
    gateway.write(proxy_listen=({"address": f"127.0.0.1:{gateway.port}"}, {"address": f"127.0.0.1:{port}"}))
    gateway.reload()
    client = Client(port)
    assert client.ask().status == 200
    gateway.write(proxy_listen=({"address": f"127.0.0.1:{gateway.port}"},))
    gateway.reload()
    answer = client.ask()
    assert answer.status == 200 and "close" in answer.get("Connection", "").lower()
    client.close()
    assert re.search(r"reload", gateway.log())
