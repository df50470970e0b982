# SPDX-License-Identifier: Apache-2.0
"""One test for each fault that a review of routes, plugins, TLS, the configuration and the master found."""
import os
import shutil
import signal
import stat
import subprocess

import pytest

from harness import GATEWAY, conf_text, free_port, make_certificates, plugin, route, scratch, server_tls, service, wait_until

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs a master with rights that its children lack")
ALICE = {"username": "alice", "keyauth_credentials": ({"key": "key-of-alice"},)}





# ---- routes ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pattern, target", [
    (r"~/private/(?:\w|-)+$", "/private/" + "a" * 4000),
    (r"~/private/(a*)*(a*)*(a*)*(a*)*[bc]", "/private/" + "a" * 60),
], ids=["long", "exponential"])
def test_a_pattern_that_gives_up_does_not_open_the_next_route(origin, start, pattern, target):
    gateway = start([service(origin.port, route("private", paths=(pattern,), plugins=(plugin("key-auth"),)), route("rest"))],
                    consumers=(ALICE,))
    assert gateway.get("/private/ab").status == 401
    assert gateway.get(target).status in (401, 500)
    assert gateway.get("/else").status == 200
    assert len(origin.requests) == 1


# ---- certificates ---------------------------------------------------------------------------------------------------

@ROOT_ONLY
def test_authorities_are_read_by_the_master_and_once(origins, start):
    """Workers have no right to read the file, and their successors find that it is gone."""
    directory = scratch()
    try:
        made = make_certificates(directory / "pki", "localhost")
        origin = origins(tls=server_tls(made / "server.crt", made / "server.key"))
        authorities = directory / "authorities.pem"
        shutil.copy(made / "ca.crt", authorities)
        authorities.chmod(0o600)
        gateway = start([service(0, url=f"https://localhost:{origin.port}/", ca_certificates=str(authorities))], workers=1)
        assert gateway.get("/").status == 200
        authorities.unlink()
        worker, = gateway.pids()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: gateway.pids() not in ([], [worker]), "the worker's successor", 3)
        assert gateway.get("/").status == 200
    finally:
        shutil.rmtree(directory)
