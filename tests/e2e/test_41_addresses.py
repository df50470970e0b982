# SPDX-License-Identifier: Apache-2.0
"""Addresses of IPv6 and Unix sockets, wherever one is read, compared, shown or sent."""
import json
import socket

from harness import route, service


def test_an_address_of_version_6_is_one_target_however_it_is_written(origins, start):
    """Two spellings would be two targets, with twice the share and a health each."""
    six = origins(family=socket.AF_INET6)
    gateway = start([service(0, url="http://be/"), service(0, route("own", ["/own"]), url=f"http://[0:0::1]:{six.port}/", name="own")],
                    upstreams=({"name": "be", "targets": ({"target": f"[0::0:1]:{six.port}", "weight": 10},)},))
    assert gateway.get("/").status == 200
    for path in (f"[::1]:{six.port}", f"%5B0:0:0:0:0:0:0:1%5D%3A{six.port}", f"[0:0::1]:{six.port}"):
        answer = gateway.control("PATCH", f"/upstreams/be/targets/{path}", json.dumps({"weight": 20}).encode())
        assert answer.status == 200 and answer.json()["target"] == f"[::1]:{six.port}", path
    for text in ("[2001:db8:0::2]:80", "[2001:DB8::2]:80"):
        assert gateway.ctl("target", "add", "be", text).returncode == 0
    listed = json.loads(gateway.ctl("upstreams", "-o", "json").stdout)["upstreams"]
    weights = {t["address"]: t["weight"] for t in listed[0]["targets"]}
    assert weights == {f"[::1]:{six.port}": 20, "[2001:db8::2]:80": 100}
    assert listed[1]["name"] == f"[::1]:{six.port}"


def test_an_address_of_a_link_is_refused(origin, start):
    """It would be found out by no sooner than the first request, as "Invalid argument"."""
    gateway = start([service(0, url="http://be/")], upstreams=({"name": "be", "targets": ({"target": f"127.0.0.1:{origin.port}"},)},))
    for text in ("[fe80::1]:80", "[fe80::1%lo]:80"):
        done = gateway.ctl("target", "add", "be", text)
        assert done.returncode == 1, done.stdout
        gateway.write(upstreams=({"name": "be", "targets": ({"target": text},)},))
        done = gateway.ctl("reload")
        assert done.returncode == 1 and f'"{text}" is an address of one link' in done.stderr + done.stdout
    assert gateway.get("/").status == 200
