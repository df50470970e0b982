# SPDX-License-Identifier: Apache-2.0
"""Dictionaries in huge pages: where the machine has none to give, ordinary memory serves, and the log says so."""
import re

import pytest

from harness import check, proxy_cache, reply, route, service, wait_until


def dicts(size, huge_pages="try"):
    return ({"name": "gateway_cache", "size": size, "huge_pages": huge_pages},)


def size_of(gateway):
    """None while the control process is being replaced."""
    try:
        return gateway.control("GET", "/cache").json()["dicts"][0]["size"]
    except (OSError, EOFError):
        return None


def test_huge_pages_or_ordinary_ones(origins, start):
    origin = origins(lambda connection, _request: connection.send(reply(200, "Content-Type: text/plain", body=b"x" * 1000)))
    gateway = start([service(origin.port, route(plugins=[proxy_cache()]))], workers=2, shared_dicts=dicts("3m"))
    said = re.findall(r"shared dict gateway_cache(: 2 huge pages| gets ordinary memory: no 2 free huge pages)", gateway.log())
    assert len(said) == 1
    assert size_of(gateway) == 4 << 20                      # whole huge pages, whichever it got
    assert [gateway.get("/x").get("X-Cache-Status") for _ in range(2)] == ["Miss", "Hit"]
    gateway.reload()                                        # the same size again: it stays
    assert gateway.get("/x").get("X-Cache-Status") == "Hit"
    gateway.write(shared_dicts=dicts("7m"))                 # another one: what fits comes along
    gateway.reload()
    wait_until(lambda: size_of(gateway) == 8 << 20, "a control process that knows the new one")
    assert gateway.get("/x").get("X-Cache-Status") == "Hit"


@pytest.mark.parametrize("value", ["on", "always", ""])
def test_what_it_cannot_be(value):
    done = check(f'shared_dicts = ( {{ name = "a"; size = "4m"; huge_pages = "{value}"; }} );')
    assert done.returncode != 0 and "huge_pages" in done.stdout + done.stderr
