# SPDX-License-Identifier: Apache-2.0
"""TLS on both sides: certificates by name, versions, ALPN, tickets over workers and reloads, verified origins."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import (PATIENCE, ROOT, SANITIZED, Client, Gateway, Origin, ask, client_tls, make_certificates, proxy_cache, raw, reply,
                     route, scratch, server_tls, service, wait_until)


@pytest.fixture(scope="module")
def pki():
    """Two servers' certificates of one authority, and another authority."""
    top = scratch()
    made = {}
    made["main"] = make_certificates(top / "main", "localhost", "*.example.com")
    (top / "other").mkdir()
    for name in ("ca.crt", "ca.key"):
        shutil.copy(top / "main" / name, top / "other" / name)
    made["other"] = make_certificates(top / "other", "other.test")
    made["stranger"] = make_certificates(top / "stranger", "localhost")
    made["main"].chmod(0o755)
    yield made
    shutil.rmtree(top)


def certificates(pki):
    return ({"cert": str(pki["main"] / "server.crt"), "key": str(pki["main"] / "server.key"),
             "snis": ["localhost", "*.example.com"]},
            {"cert": str(pki["other"] / "server.crt"), "key": str(pki["other"] / "server.key"), "snis": ["other.test"]})


@pytest.fixture(scope="module")
def gateway(pki):
    origin = Origin()
    with Gateway([service(origin.port)], tls=certificates(pki)) as running:
        running.origin = origin
        yield running
    origin.stop()


def test_request_over_tls(gateway, pki):
    answer = ask(gateway.tls_port, tls=client_tls(pki["main"] / "ca.crt"))
    assert answer.status == 200
    assert gateway.origin.last.get("X-Forwarded-Proto") == "https"
    assert gateway.origin.last.get("X-Forwarded-Port") == str(gateway.tls_port)


@pytest.mark.parametrize("name,expected", [("localhost", "localhost"), ("a.example.com", "localhost"), ("other.test", "other.test"),
                                           ("A.EXAMPLE.COM", "localhost"), ("OTHER.test", "other.test")])
def test_certificate_by_sni(gateway, pki, name, expected):
    client = Client(gateway.tls_port, tls=client_tls(), name=name)
    leaf = client.sock.getpeercert(binary_form=True)
    client.close()
    directory = {"localhost": "main", "other.test": "other"}[expected]
    assert leaf == ssl.PEM_cert_to_DER_cert((pki[directory] / "server.crt").read_text())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_offered(gateway, version):
    client = Client(gateway.tls_port, tls=client_tls(minimum=version, maximum=version))
    assert client.sock.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert client.ask().status == 200
    client.close()


def openssl(gateway, *arguments, data=""):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", *arguments],
                          input=data, capture_output=True, text=True, timeout=2 * PATIENCE)


def test_old_versions_are_refused_with_a_reason_in_the_log(gateway):
    def refused_and_logged():
        done = openssl(gateway, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert "Cipher is (NONE)" in done.stdout or "no peer certificate" in done.stdout
        return re.search(r"(?i)handshake.*(version|protocol)|(version|protocol).*handshake", gateway.log())
    # Lines of one kind are written once a second.
    wait_until(refused_and_logged, "the reason in the log")
    assert ask(gateway.tls_port, tls=client_tls()).status == 200


def test_alpn(gateway):
    client = Client(gateway.tls_port, tls=client_tls(alpn=["http/1.1"]))
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    client.close()
    client = Client(gateway.tls_port, tls=client_tls(alpn=["h2", "http/1.1"]))
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    client.close()


def test_renegotiation_is_refused(gateway):
    done = openssl(gateway, "-tls1_2", data="R\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "HTTP/1.1 200" not in done.stdout
    assert ask(gateway.tls_port, tls=client_tls()).status == 200


def test_bytes_that_are_no_handshake(gateway):
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x00", b"\x80\x2e\x01\x00\x02"):
        raw(gateway.tls_port, data, seconds=2, finish=True)
    assert ask(gateway.tls_port, tls=client_tls()).status == 200
    gateway.wait_log(r"(?i)handshake")


def test_reset_in_the_middle_of_a_handshake(gateway):
    for _ in range(20):
        client = Client(gateway.tls_port)
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32))
        client.reset()
    assert ask(gateway.tls_port, tls=client_tls()).status == 200


def test_slow_handshake_does_not_stop_others_and_is_ended(pki, origin, start):
    gateway = start([service(origin.port)], tls=certificates(pki), workers=1, client_header_timeout=10000)
    slow = Client(gateway.tls_port)
    slow.send(b"\x16\x03\x01")
    assert ask(gateway.tls_port, tls=client_tls()).status == 200
    assert slow.at_end(PATIENCE)
    slow.close()


def test_large_bodies_over_tls(pki, origins, start):
    server = origins(lambda c, r: c.send(reply(200, body=r.body)))
    gateway = start([service(server.port)], tls=certificates(pki))
    body = os.urandom(1 << 20) * 3
    client = Client(gateway.tls_port, tls=client_tls())
    client.request("POST", "/", body=body)       # the origin takes it whole before it answers; one thread a TLS object
    assert client.response().body == body
    client.close()


def test_pipelining_over_tls(gateway):
    client = Client(gateway.tls_port, tls=client_tls())
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % i for i in range(30)))
    for i in range(30):
        assert client.response().body.endswith(b"/%d\n" % i)
    client.close()


def resumes(port, context, session):
    client = Client(port, tls=context, session=session)
    client.ask()
    reused = client.sock.session_reused
    client.close()
    return reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_work_across_workers_and_reloads(pki, origin, start, version):
    gateway = start([service(origin.port)], tls=certificates(pki), workers=3)
    context = client_tls(minimum=version, maximum=version)

    def fresh_session():
        client = Client(gateway.tls_port, tls=context)
        client.ask()
        session = client.sock.session
        client.close()
        assert session.has_ticket
        return session
    # With three workers a ticket is met by another worker than its maker's most of the time.
    assert all(resumes(gateway.tls_port, context, fresh_session()) for _ in range(12))
    kept = [fresh_session() for _ in range(4)]
    gateway.reload()
    assert all(resumes(gateway.tls_port, context, session) for session in kept)


def test_reload_takes_new_certificates(pki, origin, start):
    directory = make_certificates(scratch() / "live", "localhost")
    directory.parent.chmod(0o755)
    files = ({"cert": str(directory / "server.crt"), "key": str(directory / "server.key")},)
    gateway = start([service(origin.port)], tls=files)

    def leaf():
        client = Client(gateway.tls_port, tls=client_tls())
        try:
            return client.sock.getpeercert(binary_form=True)
        finally:
            client.close()
    before = leaf()
    for name in ("server.crt", "server.key"):
        (directory / name).unlink()
    subprocess.run([str(ROOT / "scripts" / "certificates"), str(directory), "localhost"], check=True, capture_output=True)
    gateway.reload()
    after = leaf()
    assert after != before and after == ssl.PEM_cert_to_DER_cert((directory / "server.crt").read_text())
    shutil.rmtree(directory.parent)


# ---- https origins ---------------------------------------------------------------------------------------------------

@pytest.fixture
def secure_origin(pki, origins):
    return origins(tls=server_tls(pki["main"] / "server.crt", pki["main"] / "server.key"))


def https_service(port, host="localhost", **fields):
    return service(port, url=f"https://{host}:{port}/", **fields)


def test_https_origin_is_verified(pki, secure_origin, start):
    gateway = start([https_service(secure_origin.port, ca_certificates=str(pki["main"] / "ca.crt"))])
    assert gateway.get("/secure").status == 200
    assert secure_origin.last.target == "/secure"


def test_https_origin_of_a_stranger_is_refused_by_default(pki, secure_origin, start):
    gateway = start([https_service(secure_origin.port, ca_certificates=str(pki["stranger"] / "ca.crt"))])
    assert gateway.get("/").status == 502
    assert secure_origin.requests == []
    gateway.wait_log(r"(?i)verif|certificate")


def test_https_origin_with_another_name_is_refused(pki, origins, start):
    server = origins(tls=server_tls(pki["other"] / "server.crt", pki["other"] / "server.key"))
    gateway = start([https_service(server.port, ca_certificates=str(pki["other"] / "ca.crt"))])
    assert gateway.get("/").status == 502
    assert server.requests == []


def test_verification_can_be_switched_off(pki, origins, start):
    server = origins(tls=server_tls(pki["stranger"] / "server.crt", pki["stranger"] / "server.key"))
    gateway = start([https_service(server.port, tls_verify=False)])
    assert gateway.get("/").status == 200


def test_sni_goes_to_the_origin(pki, origins, start):
    names = []
    context = server_tls(pki["main"] / "server.crt", pki["main"] / "server.key")
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    server = origins(tls=context)
    gateway = start([https_service(server.port, ca_certificates=str(pki["main"] / "ca.crt"))])
    assert gateway.get("/").status == 200
    assert names == ["localhost"]


def test_client_certificate(pki, origins, start):
    server = origins(tls=server_tls(pki["main"] / "server.crt", pki["main"] / "server.key", client_ca=pki["main"] / "ca.crt"))
    client_pair = {"cert": str(pki["main"] / "client.crt"), "key": str(pki["main"] / "client.key")}
    ca = str(pki["main"] / "ca.crt")
    gateway = start([https_service(server.port, ca_certificates=ca, client_certificate=client_pair)])
    assert gateway.get("/").status == 200
    gateway = start([https_service(server.port, ca_certificates=ca)])
    assert gateway.get("/").status == 502


def test_origin_connections_are_kept_and_sessions_reused(pki, origins, start):
    reused = []

    def handler(connection, request):
        reused.append(connection.sock.session_reused)
        closing = request.target == "/close"
        connection.send(reply(200, *(["Connection: close"] if closing else []), body=b"x"))
        return not closing
    server = origins(handler, tls=server_tls(pki["main"] / "server.crt", pki["main"] / "server.key"))
    gateway = start([https_service(server.port, ca_certificates=str(pki["main"] / "ca.crt"))], workers=1)
    for _ in range(5):
        assert gateway.get("/keep").status == 200
    assert {r.connection for r in server.requests} == {1}
    for _ in range(4):
        assert gateway.get("/close").status == 200
    assert any(reused[6:]), reused


def test_plain_server_behind_https_is_an_error(origin, start):
    gateway = start([https_service(origin.port, tls_verify=False, connect_timeout=300, retries=0)])
    assert gateway.get("/").status in (502, 504)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), daemon=True).start()
    gateway = start([https_service(listener.getsockname()[1], tls_verify=False, retries=0)])
    assert gateway.get("/").status == 502
    listener.close()


@pytest.mark.skipif(SANITIZED, reason="the sanitizer keeps what was freed; it looks for leaks itself")
def test_handshakes_do_not_leak(gateway):
    context = client_tls()
    for _ in range(50):
        Client(gateway.tls_port, tls=context).close()
    before = gateway.memory()
    for _ in range(400):
        Client(gateway.tls_port, tls=context).close()
    # The last ones may not have been given back yet; what has leaked never is.
    wait_until(lambda: gateway.memory() - before < 2 << 20, "the memory of connections that are closed")


def test_sni_condition_of_a_route(pki, origins, start):
    one, two = origins(), origins()
    gateway = start([service(one.port, route("by-sni", snis=["other.test"], protocols=["https"]), name="one"),
                     service(two.port, route("rest"), name="two")], tls=certificates(pki))
    assert ask(gateway.tls_port, tls=client_tls(), name="other.test", host="other.test").status == 200
    assert ask(gateway.tls_port, tls=client_tls(), name="localhost").status == 200
    assert (len(one.requests), len(two.requests)) == (1, 1)


def test_cache_is_warmed_over_tls(pki, start, origin, tmp_path):
    """What https clients get has a key of its own: gatewayctl asks for it over TLS."""
    gateway = start([service(origin.port, route(plugins=[proxy_cache(content_type=[])]))], tls=certificates(pki))
    (tmp_path / "urls").write_text("https://localhost/a\nhttp://localhost/a\n")
    done = gateway.ctl("cache", "warm", "-f", str(tmp_path / "urls"))
    assert done.returncode == 0 and done.stdout == "2 requests: 0 hits, 2 filled, 0 not stored, 0 failed\n", done
    answer = ask(gateway.tls_port, "GET", "/a", tls=client_tls(pki["main"] / "ca.crt"))
    assert answer.get("X-Cache-Status") == "Hit" and gateway.get("/a").get("X-Cache-Status") == "Hit"
