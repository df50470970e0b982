# SPDX-License-Identifier: Apache-2.0
"""Binary upgrade: what names resolve to and what was changed by hand is there for the new program."""
import os

import pytest

from harness import GATEWAY, NameServer, free_port, reply, route, service, wait_until
from test_75_upgrade import ended, upgrade

pytestmark = pytest.mark.usefixtures("subreaper")


def at_names(origins, port, *addresses):
    """Origins at one port of several addresses, each of which says its address."""
    for address in addresses:
        origins(lambda c, r, a=address: c.send(reply(200, body=a)), address=address, port=port)


def by_name(port):
    return service(port, route("named", ["/"]), name="named", url=f"http://web.test:{port}/")


@pytest.mark.seconds(120)
def test_names_stay_known(origins, start):
    """The name server is gone when the new program comes up: the last answer serves, and is renewed when it is back."""
    port = free_port()
    at_names(origins, port, "127.0.0.2", "127.0.0.3")
    names = NameServer({"web.test": ["127.0.0.2"]})
    try:
        gateway = start([by_name(port)], dns_resolver=[names.address], workers=2)
        wait_until(lambda: gateway.get("/").body == b"127.0.0.2", "the name")
        names.stop()
        old, _ = upgrade(gateway)
        assert {gateway.get("/").body for _ in range(20)} == {b"127.0.0.2"}
        assert ended(old) == 0
        assert gateway.get("/").body == b"127.0.0.2"
        names.set({"web.test": ["127.0.0.3"]})
        wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "the new address", 60)
    finally:
        names.end()


@pytest.mark.seconds(120)
@pytest.mark.skipif(os.getuid() != 0, reason="/etc/resolv.conf is mounted over for the gateway alone")
def test_resolv_conf_is_read_anew(origins, start, tmp_path):
    port = free_port()
    at_names(origins, port, "127.0.0.2", "127.0.0.3")
    host = f"127.{os.getpid() >> 8 & 127}.{os.getpid() & 255}."        # the port has to be 53
    first = NameServer({"web.test": ["127.0.0.2"]}, host=host + "2", port=53)
    second = NameServer({"web.test": ["127.0.0.3"]}, host=host + "3", port=53)
    resolv, runs = tmp_path / "resolv.conf", tmp_path / "runs"
    resolv.write_text(f"nameserver {first.host}\n")
    runs.write_text(f"#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {resolv} /etc/resolv.conf && exec {GATEWAY} \"$@\"' sh \"$@\"\n")
    runs.chmod(0o755)
    resolv.chmod(0o644)
    try:
        gateway = start([by_name(port)], binary=str(runs), workers=2)
        wait_until(lambda: gateway.get("/").body == b"127.0.0.2", "the name")
        resolv.write_text(f"nameserver {second.host}\n")
        first.stop()
        old, _ = upgrade(gateway)
        wait_until(lambda: gateway.get("/").body == b"127.0.0.3", "what the new name server says", 60)
        assert ended(old) == 0
    finally:
        first.end()
        second.end()


def test_shift_goes_on(origins, start):
    """What was begun before the upgrade is continued by the new control process."""
    blue, green = (origins(lambda c, r, n=name: c.send(reply(200, body=n))) for name in ("blue", "green"))
    gateway = start([service(0, name="s", url="http://blue/")], workers=2, upstreams=tuple(
        {"name": name, "targets": ({"target": f"127.0.0.1:{o.port}"},)} for name, o in (("blue", blue), ("green", green))))
    done = gateway.ctl("shift", "s", "--to", "green", "--percent", "10", "--step", "0.1/1s", "--abort-if", "5xx>50%", "--requests", "1")
    assert done.returncode == 0, done.stderr
    old, _ = upgrade(gateway)
    before = wait_until(lambda: gateway.control("GET", "/services/s/shift").json().get("percent"), "what the new one says of it")

    def went_on():
        for _ in range(20):
            gateway.get("/")
        return gateway.control("GET", "/services/s/shift").json()["percent"] > before
    wait_until(went_on, "steps by the new one", 60)
    assert ended(old) == 0
