# SPDX-License-Identifier: Apache-2.0
"""The command line, the configuration's checks, and what the processes look like once they run."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

import pytest

from harness import (BUILD, GATEWAY, PATIENCE, Gateway, check, conf_text, free_port, is_zombie, proxy_cache, route, scratch, service,
                     wait_until)

HERE = pathlib.Path(__file__).parent


def run(*arguments):
    return subprocess.run([GATEWAY, *arguments], capture_output=True, text=True, timeout=2 * PATIENCE, stdin=subprocess.DEVNULL)


# ---- command line ------------------------------------------------------------------------------------------------

def test_version_and_help():
    version = run("-v")
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout + version.stderr)
    usage = run("-h")
    assert usage.returncode == 0
    for option in ("-t", "-T", "-c", "-v", "-h"):
        assert option in usage.stdout + usage.stderr


@pytest.mark.parametrize("arguments", [["-z"], ["surplus"], ["-c"]])
def test_wrong_usage_is_refused(arguments):
    done = run(*arguments)
    assert done.returncode != 0
    assert done.stderr.strip()


def test_missing_file_is_named():
    done = run("-t", "-c", "/nonexistent/gateway.conf")
    assert done.returncode != 0 and "/nonexistent/gateway.conf" in done.stderr + done.stdout


def full_configuration(directory):
    """The whole contract, on ports of its own."""
    text = (HERE / "full.conf").read_text()
    for port in ("8000", "8443", "8100"):
        text = text.replace(f'"127.0.0.1:{port}"', f'"127.0.0.1:{free_port()}"')
    return text.replace('"/run/gateway"', f'"{directory}"')


def test_full_configuration_is_accepted_and_printed(certs):
    files = {"server.crt": (certs / "server.crt").read_text(), "server.key": (certs / "server.key").read_text()}
    text = full_configuration("{dir}")
    done = check(text, files=files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\bok\b|valid|successful|accepted", done.stdout + done.stderr, re.I)

    printed = check(text, "-T", files=files)
    assert printed.returncode == 0, printed.stderr
    for setting in ("client_body_timeout", "keepalive_requests", "hash_fallback", "retries", "strip_path", "storage_ttl"):
        assert setting in printed.stdout


def test_printed_configuration_loads_again_to_the_same():
    directory = scratch()
    try:
        text = conf_text({"prefix": str(directory), "services": (service(1, route(plugins=[proxy_cache()])),)})
        first = check(text, "-T")
        assert first.returncode == 0, first.stderr
        second = check(first.stdout, "-T")
        assert second.returncode == 0, second.stderr
        assert first.stdout == second.stdout
    finally:
        shutil.rmtree(directory)


SERVICE = 'services = ( { name = "a"; url = "http://127.0.0.1:1/"; routes = (\n  { name = "r"; paths = [ "/" ]; %s } ); } );\n'
MISTAKES = {
    "syntax": ("workers = ;\n", r"gateway\.conf:1: "),
    "unknown key, nearest named": ("worker = 2;\n", r"gateway\.conf:1: .*worker.*workers"),
    "unknown key inside": (SERVICE % 'strip_pth = true;', r"gateway\.conf:2: services\[0\]\.routes\[0\].*strip_pth.*strip_path"),
    "wrong type": ('\nworkers = "two";\n', r"gateway\.conf:2: workers: "),
    "out of range": ("workers = -1;\n", r"gateway\.conf:1: workers: "),
    "duplicate service": ('services = ( { name = "a"; url = "http://127.0.0.1:1/"; },\n'
                          '             { name = "a"; url = "http://127.0.0.1:1/"; } );\n', r"gateway\.conf:2: services\[1\].*a"),
    "route that matches nothing": ('services = ( { name = "a"; url = "http://127.0.0.1:1/"; routes = (\n'
                                   '  { name = "r"; } ); } );\n', r"gateway\.conf:2: services\[0\]\.routes\[0\]"),
    "unknown plugin": (SERVICE % 'plugins = ( { name = "proxy-cash"; } );', r"gateway\.conf:2: .*proxy-cash.*proxy-cache"),
    "unknown plugin field": (SERVICE % 'plugins = ( { name = "proxy-cache"; config = { strategy = "memory"; cache_tl = 1; }; } );',
                             r"gateway\.conf:2: .*cache_tl\b.*cache_ttl"),
    "dangling dictionary": (SERVICE % 'plugins = ( { name = "proxy-cache"; config = { strategy = "memory"; '
                            'memory = { dictionary_name = "nowhere"; }; }; } );', r"gateway\.conf:2: .*nowhere"),
    "missing certificate": ('certificates = ( { cert = "/nonexistent.crt"; key = "/nonexistent.key"; } );\n',
                            r"gateway\.conf:1: certificates\[0\].*/nonexistent\.crt"),
    "bad url": ('services = ( { name = "a"; url = "ftp://127.0.0.1/"; } );\n', r"gateway\.conf:1: services\[0\]\.url"),
    "bad address": ('proxy_listen = ( { address = "127.0.0.1:99999"; } );\n', r"gateway\.conf:1: proxy_listen\[0\]"),
    "address that is nobody's": ('prefix = "run"; proxy_listen = ( { address = "192.0.2.77:80"; } );\n', r"192\.0\.2\.77"),
    "bad size": ('client_header_buffer_size = "16q";\n', r"gateway\.conf:1: client_header_buffer_size"),
    "cache larger than memory": ('shared_dicts = ( { name = "gateway_cache"; size = "900000g"; } );\n',
                                 r"gateway\.conf:1: shared_dicts\[0\]"),
    "bad network": ('trusted_ips = [ "10.0.0.0/33" ];\n', r"gateway\.conf:1: trusted_ips(\[0\])?: "),
    "unknown anonymous": (SERVICE % 'plugins = ( { name = "key-auth"; config = { anonymous = "nobody-known"; }; } );',
                          r"gateway\.conf:2: .*nobody-known"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named_with_its_place(name):
    text, expected = MISTAKES[name]
    done = check(text)
    assert done.returncode != 0
    assert re.search(expected, done.stderr + done.stdout), done.stderr + done.stdout


def test_pattern_error_says_where():
    done = check('services = ( { name = "a"; url = "http://127.0.0.1:1/"; routes = (\n'
                 '  { name = "r"; paths = [ "/" ]; },\n  { name = "s";\n paths = [ "~/v(" ]; } ); } );\n')
    text = done.stderr + done.stdout
    assert done.returncode != 0
    assert re.search(r'gateway\.conf:4: services\[0\]\.routes\[1\]\.paths.*: "~/v\(" is not a valid pattern: '
                     r'missing closing parenthesis at offset \d+', text), text


def test_all_errors_come_in_one_go():
    done = check('workers = -1;\nlog_level = "loud";\n\nkeepalive_timeot = 5;\n')
    text = done.stderr + done.stdout
    for line in (1, 2, 4):
        assert f"gateway.conf:{line}: " in text


def test_key_of_another_certificate_is_refused(certs):
    files = {"server.crt": (certs / "server.crt").read_text(), "server.key": (certs / "client.key").read_text()}
    done = check('certificates = ( { cert = "{dir}/server.crt"; key = "{dir}/server.key"; } );\n', files=files)
    assert done.returncode != 0 and re.search(r"gateway\.conf:1: certificates\[0\].*(match|not the key)", done.stderr + done.stdout)


def test_environment_overrides_scalars():
    done = check("workers = 1;\n", "-T", environment={"GATEWAY_WORKERS": "3", "GATEWAY_LOG_LEVEL": "debug"})
    assert done.returncode == 0, done.stderr
    assert re.search(r"^workers\s*=\s*3;", done.stdout, re.M) and re.search(r'^log_level\s*=\s*"debug";', done.stdout, re.M)
    done = check("workers = 1;\n", environment={"GATEWAY_WORKERS": "many"})
    assert done.returncode != 0 and "GATEWAY_WORKERS" in done.stderr + done.stdout


# ---- a run -------------------------------------------------------------------------------------------------------

def test_first_request(origin, start):
    gateway = start([service(origin.port)])
    answer = gateway.get("/hello")
    assert (answer.status, answer.body) == (200, b"answer 1 to GET /hello\n")
    assert [r.target for r in origin.requests] == ["/hello"]


def test_runs_with_defaults_for_everything_else(origin, start):
    gateway = start([service(origin.port)], log_level=None, worker_connections=None, workers=None, shared_dicts=None)
    assert gateway.get("/").status == 200


def test_roles_rights_and_pid_file(origin, start):
    gateway = start([service(origin.port)], workers=2)
    assert (gateway.prefix / "gateway.pid").read_text().strip() == str(gateway.process.pid)
    assert len(gateway.pids("worker")) == 2 and len(gateway.pids("checker")) == 1 and len(gateway.pids("control")) == 1
    children = gateway.children()
    assert sorted(children) == sorted(gateway.pids("worker") + gateway.pids("checker") + gateway.pids("control"))
    for pid in children:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
        uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1))
        assert uid == (pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else os.getuid())
        if os.getuid() == 0:
            assert re.search(r"^CapEff:\s+0+$", status, re.M)
            assert re.search(r"^Groups:[\s0]*(65534)?\s*$", status, re.M), "supplementary groups are kept"


def test_descriptors_suffice_for_worker_connections(origin, start):
    gateway = start([service(origin.port)], worker_connections=3000)
    limits = pathlib.Path(f"/proc/{gateway.pids()[0]}/limits").read_text()
    soft = int(re.search(r"^Max open files\s+(\d+)", limits, re.M).group(1))
    assert soft >= 3000 or "worker_connections" in gateway.log()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_runs_as_an_ordinary_user(origin):
    gateway = Gateway([service(origin.port)], start=False)
    try:
        nobody = pwd.getpwnam("nobody")
        gateway.write(user=None)
        program = gateway.dir / "gateway"           # the checkout may lie where nobody may look
        shutil.copy(GATEWAY, program)
        for path in (gateway.dir, gateway.path, gateway.error_log, program):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        with open(gateway.output, "ab") as output:
            gateway.process = subprocess.Popen([str(program), "-c", str(gateway.path)], stdin=subprocess.DEVNULL,
                                               stdout=output, stderr=output, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                                               start_new_session=True)
        gateway.wait_ready()
        assert gateway.get("/").status == 200
    finally:
        gateway.stop()


def test_second_start_on_the_same_socket_is_refused(origin, start):
    gateway = start([service(origin.port)])
    text = conf_text({**gateway.settings, "proxy_listen": ({"address": f"127.0.0.1:{free_port()}"},),
                      "status_listen": "off", "error_log": "stderr"})
    other = gateway.dir / "other.conf"
    other.write_text(text)
    done = run("-c", str(other))
    assert done.returncode != 0
    assert "control.sock" in done.stderr and re.search(r"already|running|in use", done.stderr), done.stderr
    assert gateway.get("/").status == 200, "the first one is disturbed"
    assert gateway.ctl("status").returncode == 0


def test_port_in_use_is_named(origin, start):
    gateway = start([service(origin.port)])
    directory = scratch()
    try:
        text = conf_text({**gateway.settings, "prefix": str(directory), "status_listen": "off", "error_log": "stderr"})
        (directory / "gateway.conf").write_text(text)
        done = run("-c", str(directory / "gateway.conf"))
        assert done.returncode != 0 and f"127.0.0.1:{gateway.port}" in done.stderr
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_everything(origin, start, number):
    gateway = start([service(origin.port)])
    children = gateway.children()
    assert gateway.end(number) == 0
    assert all(is_zombie(pid) for pid in children)
    assert not gateway.socket.exists()
    assert not (gateway.prefix / "gateway.pid").exists()


def test_children_end_with_a_killed_master_and_the_next_start_works(origin, start):
    gateway = start([service(origin.port)])
    children = gateway.children()
    gateway.kill(signal.SIGKILL)
    gateway.process.wait()
    wait_until(lambda: all(is_zombie(pid) for pid in children), "the children to end")
    gateway.start()
    assert gateway.get("/").status == 200


def test_unix_socket_as_target(origins, start):
    directory = scratch()
    try:
        server = origins(unix=directory / "origin.sock")
        gateway = start([service(0, url="http://unixes/")], upstreams=(
            {"name": "unixes", "targets": ({"target": f"unix:{directory}/origin.sock", "weight": 100},)},))
        assert gateway.get("/u").status == 200
        assert server.last.target == "/u"
    finally:
        shutil.rmtree(directory)


def test_address_of_another_machine_is_refused():
    directory = scratch()
    try:
        (directory / "gateway.conf").write_text(conf_text({"prefix": f"{directory}/p", "workers": 1, "error_log": "stderr",
                                                           "proxy_listen": ({"address": "192.0.2.1:80"},)}))
        done = run("-c", str(directory / "gateway.conf"))
        assert done.returncode != 0 and "192.0.2.1" in done.stderr
    finally:
        shutil.rmtree(directory)


def test_programs_are_hardened():
    for program in ("gateway", "gatewayctl"):
        out = subprocess.run(["readelf", "-hld", str(BUILD / program)], capture_output=True, text=True).stdout
        assert re.search(r"Type:\s+DYN", out), "not position independent"
        if "asan" not in str(BUILD):
            assert "GNU_RELRO" in out and re.search(r"BIND_NOW|Flags:.*NOW", out)
