# SPDX-License-Identifier: Apache-2.0
"""One test for each fault that a review of routes, plugins, TLS, the configuration and the master found."""
import os
import shutil
import signal
import stat
import subprocess

import pytest

from harness import (GATEWAY, PATIENCE, ask, children_of, conf_text, free_port, make_certificates, plugin, route, scratch, server_tls,
                     service, token, wait_until)

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="needs a master with rights that its children lack")
ALICE = {"username": "alice", "keyauth_credentials": ({"key": "key-of-alice"},)}


def answers(port):
    try:
        return ask(port).status == 200
    except (OSError, EOFError):
        return False


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
        wait_until(lambda: gateway.get("/").status == 200, "the origin's name to be known")
        authorities.unlink()
        worker, = gateway.pids()
        os.kill(worker, signal.SIGKILL)
        gateway.replaced(worker)
        assert gateway.get("/").status == 200
    finally:
        shutil.rmtree(directory)


# ---- files of others ------------------------------------------------------------------------------------------------

@ROOT_ONLY
def test_links_in_the_place_of_its_files_lead_the_master_nowhere(origin, start):
    """The directory is the children's user's: one that was taken over can put links in there."""
    directory = scratch()
    try:
        secret, target = directory / "secret", directory / "created"
        secret.write_text("secret")
        secret.chmod(0o600)
        gateway = start([service(origin.port)], workers=1)
        run, nobody = gateway.prefix, gateway.prefix.stat().st_uid
        listeners = (*gateway.settings["proxy_listen"], {"address": f"unix:{run}/proxy.sock"})
        gateway.write(proxy_listen=listeners, access_log=str(run / "access.log"))
        gateway.reload()
        assert stat.S_IMODE((run / "proxy.sock").stat().st_mode) == 0o666
        assert (run / "access.log").stat().st_uid == nobody != 0
        for name, to in (("proxy.sock", secret), ("access.log", secret), ("other.log", target)):
            (run / name).unlink(missing_ok=True)
            (run / name).symlink_to(to)
        gateway.reload()
        gateway.write(access_log=str(run / "other.log"))
        gateway.ctl("reload")
        os.kill(gateway.process.pid, signal.SIGUSR1)
        assert gateway.get("/").status == 200
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.stat().st_uid == 0
        assert not target.exists()
    finally:
        shutil.rmtree(directory)


def test_a_file_that_is_no_socket_is_not_removed(origin, start):
    directory = scratch()
    try:
        file = directory / "precious"
        file.write_text("precious")
        gateway = start([service(origin.port)], workers=1)
        gateway.write(proxy_listen=(*gateway.settings["proxy_listen"], {"address": f"unix:{file}"}))
        answer = gateway.ctl("reload")
        assert answer.returncode == 1
        assert str(file) in answer.stdout + answer.stderr
        assert file.read_text() == "precious"
        assert gateway.get("/").status == 200
    finally:
        shutil.rmtree(directory)


def test_a_pipe_without_reader_as_the_log_does_not_stop_the_master(origin, start):
    gateway = start([service(origin.port)], workers=1)
    kept = gateway.error_log.with_suffix(".old")
    gateway.error_log.rename(kept)
    os.mkfifo(gateway.error_log)
    try:
        os.kill(gateway.process.pid, signal.SIGUSR1)
        wait_until(lambda: "cannot" in kept.read_text(), "the refusal to open the pipe")
        worker, = gateway.pids()
        os.kill(worker, signal.SIGKILL)
        gateway.replaced(worker)
    finally:
        gateway.error_log.unlink()
        kept.rename(gateway.error_log)


# ---- the configuration ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, why", [
    ({"proxy_listen": ({"address": "127.0.0.1:{port}"}, {"address": "0.0.0.0:{port}"})}, "overlaps"),
    ({"proxy_listen": ({"address": "0.0.0.0:{port}"},), "status_listen": "127.0.0.1:{port}"}, "overlaps"),
    ({"proxy_listen": ({"address": "unix:{dir}/none/x.sock"},)}, "No such file or directory"),
    ({"proxy_listen": ({"address": "unix:{dir}/file"},)}, "File exists"),
    ({"proxy_listen": ({"address": "unix:{dir}/run/control.sock"},)}, "is a duplicate"),
    ({"error_log": "{dir}/none/error.log"}, "No such file or directory"),
    ({"access_log": "{dir}"}, "Is a directory"),
    ({"pid_file": "{dir}/none/gateway.pid"}, "No such file or directory"),
    ({"control_socket": "{dir}/none/control.sock"}, "No such file or directory"),
    ({"control_socket": "{dir}/file"}, "File exists"),
    ({"prefix": "{dir}/none/run"}, "No such file or directory"),
    ({"prefix": "{dir}/file"}, "is no directory"),
    ({}, None),
], ids=str)
def test_what_would_fail_at_start_fails_the_check(changes, why):
    directory = scratch()
    try:
        (directory / "file").touch()
        settings = {"prefix": "{dir}/run", "error_log": "stderr", "access_log": "off", "status_listen": "off",
                    "proxy_listen": ({"address": "127.0.0.1:{port}"},), "services": (service(1),), **changes}
        text = conf_text(settings).replace("{dir}", str(directory)).replace("{port}", str(free_port()))
        (directory / "gateway.conf").write_text(text)
        done = subprocess.run([GATEWAY, "-t", "-c", directory / "gateway.conf"], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == (1 if why else 0), done.stdout + done.stderr
        assert (why or "is fine") in done.stdout + done.stderr
        assert not (directory / "run").exists()
        if why:
            start = subprocess.run([GATEWAY, "-c", directory / "gateway.conf"], capture_output=True, text=True, timeout=PATIENCE)
            assert start.returncode == 1
    finally:
        shutil.rmtree(directory)


def test_the_admin_socket_is_no_more_open_than_the_control_socket(origin, start):
    directory = scratch()
    try:
        start([service(origin.port)], admin_listen=f"unix:{directory}/admin.sock", control_socket_mode="0600")
        assert stat.S_IMODE((directory / "admin.sock").stat().st_mode) == 0o600
    finally:
        shutil.rmtree(directory)


# ---- plugins --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("target, fields", [
    ("/", ("apikey: key-of-alice", "apikey: key-of-alice")), ("/", ("apikey: key-of-alice", "X-Key: key-of-alice")),
    ("/?X-Key=key-of-alice&%61pikey=key-of-alice", ()), ("/?X-Key=key-of-alice", ("Apikey: wrong",)),
    ("/?apikey&apikey=key-of-alice", ("X-Key: key-of-alice",)),
])
def test_no_copy_of_a_key_goes_upstream(origin, start, target, fields):
    gateway = start([service(origin.port, route(plugins=(plugin(
        "key-auth", key_names=["apikey", "X-Key"], hide_credentials=True, anonymous="guest"),)))],
        consumers=(ALICE, {"username": "guest"}))
    assert gateway.get(target, *fields).status == 200
    assert b"key-of-alice" not in origin.last.raw_head


def test_a_token_with_extensions_that_must_be_understood_is_refused(origin, start):
    secret = "a-secret-of-at-least-thirty-two-bytes"
    gateway = start([service(origin.port, route(plugins=(plugin("jwt"),)))],
                    consumers=({"username": "alice", "jwt_secrets": ({"key": "alice", "secret": secret},)},))
    header = {"typ": "JWT", "alg": "HS256"}
    assert gateway.get("/", f"Authorization: Bearer {token({'iss': 'alice'}, secret, header=header)}").status == 200
    header.update(crit=["b64"], b64=True)
    assert gateway.get("/", f"Authorization: Bearer {token({'iss': 'alice'}, secret, header=header)}").status == 401


# ---- rights ---------------------------------------------------------------------------------------------------------

@ROOT_ONLY
def test_children_of_an_ordinary_master_keep_none_of_its_capabilities(origin):
    """As systemd starts it with User= and AmbientCapabilities=CAP_NET_BIND_SERVICE."""
    directory = scratch()
    try:
        os.chown(directory, 65534, 65534)
        port = free_port()
        (directory / "gateway.conf").write_text(conf_text({
            "prefix": f"{directory}/run", "error_log": "stderr", "access_log": "off", "status_listen": "off", "workers": 1,
            "proxy_listen": ({"address": f"127.0.0.1:{port}"},), "services": (service(origin.port),)}))
        master = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_bind_service",
                                   "--ambient-caps=+net_bind_service", GATEWAY, "-c", directory / "gateway.conf"],
                                  stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(port), "the gateway to answer")

            def sets_of(pid):
                with open(f"/proc/{pid}/status") as status:
                    sets = dict(line.split(":\t") for line in status if line.startswith(("CapPrm", "CapEff", "CapAmb", "CapInh")))
                return {int(value, 16) for value in sets.values()}

            def none_left():
                """Of a worker, a checker and a control process; they drop them when they start."""
                pids = children_of(master.pid)
                return len(pids) == 3 and all(sets_of(pid) == {0} for pid in pids)
            wait_until(none_left, "no child to have a capability")
        finally:
            master.terminate()
            master.wait(PATIENCE)
    finally:
        shutil.rmtree(directory)
