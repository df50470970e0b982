# SPDX-License-Identifier: Apache-2.0
"""Addresses of IPv6 and Unix sockets, wherever one is read, compared, shown or sent."""
import binascii
import json
import re
import shutil
import socket

import pytest

from harness import (NameServer, Server, ask, free_port, make_certificates, plugin, proxy_cache, raw, reply, route, scratch, server_tls,
                     service, token, wait_until)
from redis_servers import Redis, read_reply


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


def listening(gateway, **settings):
    """Reloads with a port of IPv6 and a Unix socket beside the first listener: the port and the socket's path."""
    port, path = free_port(), gateway.dir / "in.sock"
    gateway.dir.chmod(0o777)
    gateway.write(proxy_listen=({"address": f"127.0.0.1:{gateway.port}"}, {"address": f"[::]:{port}"}, {"address": f"0.0.0.0:{port}"},
                                {"address": f"unix:{path}"}), **settings)
    gateway.reload()
    return port, path


def by_six(port, target="/", *fields, host="[::1]"):
    """Over ::1; returns the answer."""
    sock = socket.create_connection(("::1", port), timeout=60)
    lines = "".join(f"{field}\r\n" for field in fields)
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n".encode())
    data = b""
    while more := sock.recv(65536):
        data += more
    sock.close()
    return data.decode()


def test_who_comes_over_ipv6_ipv4_and_a_unix_socket(origin, start):
    gateway = start([service(origin.port)])
    port, path = listening(gateway)
    assert by_six(port, host=f"[0:0::1]:{port}").startswith("HTTP/1.1 200 ")
    seen = {name: origin.last.get(name) for name in ("X-Forwarded-For", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port")}
    assert seen == {"X-Forwarded-For": "::1", "X-Real-IP": "::1", "X-Forwarded-Host": "[::1]", "X-Forwarded-Port": str(port)}
    assert ask(port).status == 200 and origin.last.get("X-Forwarded-For") == "127.0.0.1"    # [::] takes no IPv4
    assert ask(None, "GET", "/", "X-Forwarded-Port: 99", "X-Forwarded-For: 6.6.6.6", unix=path).status == 200
    assert origin.last.get("X-Forwarded-For") == "unix:" == origin.last.get("X-Real-IP")
    assert origin.last.all("X-Forwarded-Port") == [], "a Unix socket has none"
    assert b" 200 " in raw(gateway.port, b"GET / HTTP/1.0\r\n\r\n")
    assert origin.last.all("X-Forwarded-Host") == [], "the client has said none"


def test_a_trusted_unix_socket(origin, start):
    """A proxy on the same machine: as "unix:" in Kong's trusted_ips and nginx's set_real_ip_from."""
    gateway = start([service(origin.port, route(plugins=[plugin("ip-restriction", allow=["2001:db8::/32"])]))])
    client = "X-Forwarded-For: 2001:db8::7, unix:"

    def asked(trusted):
        _, path = listening(gateway, trusted_ips=trusted, real_ip_header="X-Forwarded-For")
        answer = ask(None, "GET", "/", client, "X-Forwarded-Port: 99", unix=path)
        return answer.status
    assert asked(["unix:"]) == 200
    assert origin.last.get("X-Real-IP") == "2001:db8::7" and origin.last.get("X-Forwarded-Port") == "99"
    assert asked([]) == 403
    assert asked(["::/0", "0.0.0.0/0"]) == 403, "no network holds it"


def test_a_network_of_ipv6_trusts_nobody_of_ipv4(origin, start):
    gateway = start([service(origin.port)], trusted_ips=["::/0"])
    port, _ = listening(gateway)
    gateway.get("/", "X-Real-IP: 6.6.6.6")
    assert origin.last.get("X-Real-IP") == "127.0.0.1"
    by_six(port, "/", "X-Real-IP: [2001:db8::9]:80")
    assert origin.last.get("X-Real-IP") == "2001:db8::9"
    for nobody in ("::", "[::]:80", "fe80::1%eth0", "[fe80::1%25eth0]", "unknown"):
        by_six(port, "/", f"X-Real-IP: {nobody}")
        assert origin.last.get("X-Real-IP") == "::1", nobody


def test_the_client_in_forwarded(origin, start):
    """RFC 7239: what the trusted proxies in front say, from the last to the first that is not one of them."""
    gateway = start([service(origin.port)], trusted_ips=["127.0.0.1", "2001:db8:1::/48", "10.0.0.0/8"], real_ip_header="Forwarded")
    for lines, client in (
            (['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
            (["For=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            (["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
            (["for=6.6.6.6", "for=192.0.2.43, for=10.1.1.1", 'for="[2001:db8:1::5]"'], "192.0.2.43"),
            (['for=10.2.2.2, for="[2001:db8:1::5]:_p"'], "10.2.2.2"),
            (["for=6.6.6.6, for=unknown, for=10.1.1.1"], "10.1.1.1"),
            (['for=6.6.6.6, for="_hidden"'], "127.0.0.1"),
            (['for=192.0.2.9, by="a, for=6.6.6.6"'], "127.0.0.1"),
            (['for="6.6.6.6'], "127.0.0.1"),
            (['for=6.6.6.6;x=", for=192.0.2.9'], "127.0.0.1"),      # a client's quote left open
            (['for=6.6.6.6;x=", for="[2001:db8::7]"'], "127.0.0.1"),
            (['for=6.6.6.6;x="', "for=192.0.2.9"], "192.0.2.9")):
        assert gateway.get("/", *(f"Forwarded: {line}" for line in lines)).status == 200
        assert origin.last.get("X-Real-IP") == client, lines
    gateway.get("/", "X-Real-IP: 6.6.6.6", "X-Forwarded-For: 6.6.6.6")
    assert origin.last.get("X-Real-IP") == "127.0.0.1"


def test_hosts_that_are_addresses(origin, start):
    """Routes, caches and purges know an address in all its spellings."""
    gateway = start([service(origin.port, route("six", None, hosts=["[2001:DB8:0::1]"], plugins=[proxy_cache()]), route("others"))])
    port, _ = listening(gateway)
    assert "X-Cache-Status: Miss" in by_six(port, "/x", host="[2001:db8::1]")
    assert "X-Cache-Status: Hit" in by_six(port, "/x", host=f"[2001:0DB8:0:0:0::1]:{port}")
    assert "X-Cache-Status" not in by_six(port, "/x", host="[2001:db8::2]")
    key = gateway.ctl("cache", "key", f"http://[2001:db8:0::1]:{port}/x").stdout.split()
    assert [k in gateway.ctl("cache", "ls").stdout for k in key] == [True]
    assert gateway.ctl("cache", "get", "http://[2001:db8:0:0:0:0:0:1]/x").returncode == 0
    for purge in (("--host", "[2001:db8:0::1]:80"), ("--url", "http://[2001:DB8::1]/x"), ("--prefix", "http://[2001:db8:0::1]/")):
        assert gateway.ctl("purge", *purge).returncode == 0
        assert "X-Cache-Status: Miss" in by_six(port, "/x", host="[2001:db8::1]"), purge
        assert "X-Cache-Status: Hit" in by_six(port, "/x", host="[2001:db8::1]")
    assert len(origin.requests) == 5


def test_a_host_header_that_is_an_address(origin, start):
    gateway = start([service(0, url="http://be/")], upstreams=({
        "name": "be", "host_header": "[2001:db8::1]:8080", "targets": ({"target": f"127.0.0.1:{origin.port}"},),
        "healthchecks": {"active": {"http_path": "/probe", "healthy": {"interval": 0.1, "successes": 1}}}},))
    assert gateway.get("/x").status == 200
    wait_until(lambda: {"/x", "/probe"} <= {r.target for r in origin.requests}, "a request and a probe")
    assert {r.get("Host") for r in origin.requests} == {"[2001:db8::1]:8080"}


@pytest.fixture(scope="module")
def certs():
    """For localhost, 127.0.0.1 and ::1."""
    directory = make_certificates(scratch() / "certs")
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory.parent)


@pytest.mark.parametrize("family, host, other", [(socket.AF_INET, "127.0.0.1", "127.0.0.2"), (socket.AF_INET6, "[::1]", "[::ffff:127.0.0.1]")])
def test_certificates_of_addresses(certs, origins, start, family, host, other):
    """By the address in them (subjectAltName iPAddress); SNI is for names (RFC 6066 section 3)."""
    names = []
    context = server_tls(certs / "server.crt", certs / "server.key")
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    server = origins(tls=context, family=family)
    stranger = origins(tls=context, address="127.0.0.2" if family == socket.AF_INET else "127.0.0.1")
    trust = {"ca_certificates": str(certs / "ca.crt"), "retries": 0}
    gateway = start([service(0, route("a", ["/a"]), url=f"https://{host}:{server.port}/", name="a", **trust),
                     service(0, route("b", ["/b"], preserve_host=True), url=f"https://{host}:{server.port}/", name="b", **trust),
                     service(0, route("c", ["/c"]), url=f"https://{other}:{stranger.port}/", name="c", **trust)])
    assert gateway.get("/a").status == 200
    for client_asks in ("[2001:db8::1]:80", "[2001:db8::1]", "192.0.2.1:80"):
        assert gateway.get("/b", host=client_asks).status == 200
        assert server.last.get("Host") == client_asks
    assert gateway.get("/c").status == 502
    gateway.wait_log("mismatch")
    assert names and set(names) == {None}


def test_https_probes_of_an_address(certs, origins, start):
    names = []
    context = server_tls(certs / "server.crt", certs / "server.key")
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    six = origins(tls=context, family=socket.AF_INET6)
    gateway = start([service(0, url="https://be/", ca_certificates=str(certs / "ca.crt"))], upstreams=({
        "name": "be", "targets": ({"target": f"[0:0::1]:{six.port}"},),
        "healthchecks": {"active": {"type": "https", "http_path": "/probe", "healthy": {"interval": 0.1, "successes": 1}}}},))
    wait_until(lambda: len(six.requests) > 1, "probes")
    assert set(names) == {None} and gateway.ctl("probe", f"[::1]:{six.port}").returncode == 0


def test_cors_of_origins_that_are_addresses(origin, start):
    """Brackets do not make a pattern of an address, which is the same in all its spellings."""
    gateway = start([service(origin.port, route("a", ["/a"], plugins=[plugin("cors", origins=["http://[2001:db8::1]:3000", "https://x.example"])]),
                             route("b", ["/b"], plugins=[plugin("cors", origins=["[::1]", "[a-c].example"])]),
                             route("c", ["/c"], plugins=[plugin("cors", origins=["http://[2001:DB8:0::1]:3000", "[0:0::1]"])]),
                             route("d", ["/d"], plugins=[plugin("cors", origins=["http://[2001:DB8:0::1]"])]))])
    for path, asks, allowed in (("/a", "http://[2001:db8::1]:3000", True), ("/a", "http://[2001:db8::1]:3001", False), ("/a", "http://2:3000", False),
                                ("/b", "http://[::1]:8080", True), ("/b", "https://[::1]", True), ("/b", "http://1", False),
                                ("/b", "http://b.example:1", True),
                                ("/c", "http://[2001:db8::1]:3000", True), ("/c", "https://[::1]:8080", True), ("/c", "http://[2001:db8::1]", False),
                                ("/d", "http://[2001:db8::1]", True)):
        assert gateway.get(path, f"Origin: {asks}").get("Access-Control-Allow-Origin") == (asks if allowed else None), asks


def test_redirects_to_addresses(origin, start):
    gateway = start([service(origin.port, route("a", ["/a"], plugins=[plugin("redirect", location="https://[2001:db8::1]:8443/x",
                                                                         keep_incoming_path=True)]),
                             route("s", ["/s"], protocols=["https"], https_redirect_status_code=308))])
    assert gateway.get("/a/b?c").get("Location") == "https://[2001:db8::1]:8443/a/b?c"
    assert gateway.get("/s/x?y", host="[2001:DB8::1]:8000").get("Location") == "https://[2001:db8::1]/s/x?y"


def test_clients_over_ipv6_are_counted_and_hashed_each(origins, start):
    servers = [origins() for _ in range(2)]
    limit = plugin("rate-limiting", year=1, limit_by="ip", policy="local")
    gateway = start([service(0, route(plugins=[limit]), route("hashed", ["/hashed"]), url="http://be/")], trusted_ips=["127.0.0.1"],
                    upstreams=({"name": "be", "algorithm": "consistent-hashing", "hash_on": "ip",
                                "targets": tuple({"target": f"127.0.0.1:{s.port}"} for s in servers)},))
    for client, status in (("2001:db8::1", 200), ("[2001:DB8:0::1]:99", 429), ("2001:db8::2", 200), ("192.0.2.1", 200), ("::ffff:192.0.2.1", 429),
                           ("::ffff:c000:201", 429), ("192.0.2.1:80", 429)):
        assert gateway.get("/", f"X-Real-IP: {client}").status == status, client
    for server in servers:
        server.requests.clear()
    for client in ("192.0.2.7", "::ffff:192.0.2.7", "[::ffff:c000:207]:80"):
        gateway.get("/hashed", f"X-Real-IP: {client}")
    assert sorted(len(s.requests) for s in servers) == [0, 3]


def test_warming_and_explaining_by_address(certs, origin, start, tmp_path):
    gateway = start([service(origin.port, route("six", None, hosts=["[::1]"], plugins=[
        plugin("ip-restriction", deny=["2001:db8::/32"]), proxy_cache()]))],
        certificates=({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},))
    ports = free_port(), free_port()
    gateway.write(proxy_listen=({"address": f"[::]:{ports[0]}"}, {"address": f"[::1]:{ports[1]}", "ssl": True}))
    gateway.reload()
    (tmp_path / "urls").write_text(f"http://[::1]:{ports[0]}/a\nhttps://[0:0::1]:{ports[1]}/b\nhttp://[::1]/a\n")
    done = gateway.ctl("cache", "warm", "-f", str(tmp_path / "urls"), "--concurrency", "1")
    assert done.stdout.startswith("3 requests: 1 hits, 2 filled"), done
    for client, status in (("2001:db8::1", 403), ("::1", None), ("unix:", 403)):
        done = gateway.ctl("-o", "json", "routes", "-m", f"http://[0:0::1]:{ports[0]}/a", "--from", client)
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        assert told["route"] == "six" and told.get("status") == status, client


def test_names_over_ipv6(origins, start):
    """A name server at ::1, and names that have addresses of IPv6 alone."""
    six = origins(family=socket.AF_INET6)
    dns = NameServer({"web.test": ["::1"]}, host="::1")
    try:
        gateway = start([service(0, url=f"http://web.test:{six.port}/")], dns_resolver=[dns.address])
        wait_until(lambda: gateway.get("/").status == 200, "the name to be known")
        assert six.last.get("Host") == f"web.test:{six.port}"
    finally:
        dns.end()


@pytest.mark.parametrize("host", ["::1", "[::1]", "0:0::1"])
def test_redis_over_ipv6(origin, start, host):
    with Redis(bind="127.0.0.1 ::1") as server:
        limit = plugin("rate-limiting", year=9, limit_by="ip", policy="redis", redis={"host": host, "port": server.port, "timeout": 600000})
        gateway = start([service(origin.port, route(plugins=[limit]))], trusted_ips=["127.0.0.1"])
        assert gateway.get("/", "X-Real-IP: [2001:DB8::1]:5").get("X-RateLimit-Remaining-Year") == "8"
        assert gateway.get("/", "X-Real-IP: 2001:db8:0::1").get("X-RateLimit-Remaining-Year") == "7"
        assert [key for key in server.ask("KEYS", "*") if "2001:db8::1" in key]


def test_a_redis_cluster_over_ipv6(origin, start):
    """Its nodes are told with colons and no brackets, in CLUSTER SLOTS and behind MOVED."""
    asked = []

    def node(sock):
        stream = sock.makefile("rb")
        while words := read_reply(stream):
            if words[0] == "CLUSTER":
                sock.sendall(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$3\r\n::1\r\n:%d\r\n" % one.port)
            elif not words[0].startswith("EVAL"):
                sock.sendall(b"+OK\r\n")
            elif sock.getsockname()[1] == one.port:
                asked.append("one")
                slot = binascii.crc_hqx(words[3].split("{")[1].split("}")[0].encode(), 0) % 16384
                sock.sendall(b"-MOVED %d ::1:%d\r\n" % (slot, two.port))
            else:
                asked.append("two")
                sock.sendall(b"-ERR enough\r\n")
    with Server(node, address="::1") as one, Server(node, address="::1") as two:
        limit = plugin("rate-limiting", year=9, limit_by="ip", policy="redis",
                       redis={"cluster_addresses": [f"[::1]:{one.port}"], "timeout": 600000})
        gateway = start([service(origin.port, route(plugins=[limit]))], workers=1)
        assert gateway.get("/").status == 200
        assert asked[:2] == ["one", "two"]


def test_issuers_and_authorities_over_ipv6(origins, start, origin):
    def answer(connection, request):
        connection.send(reply(200, "Content-Type: application/json", body=json.dumps({"active": True, "keys": [
            {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "a"}]}).encode()))
    six = origins(answer, family=socket.AF_INET6)
    gateway = start([service(origin.port, route("i", ["/i"], plugins=[plugin(
        "oauth2-introspection", introspection_url=f"http://[::1]:{six.port}/ask", authorization_value="Basic eDp5", timeout=600000)]),
        route("j", ["/j"], plugins=[plugin("jwt", jwks_uri=f"http://[::1]:{six.port}/keys")]))])
    assert gateway.get("/i", "Authorization: Bearer x").status == 200
    gateway.get("/j", "Authorization: Bearer " + token({"iss": "a"}, "secret", header={"typ": "JWT", "alg": "HS256", "kid": "a"}))
    wait_until(lambda: {"/ask", "/keys"} <= {r.target for r in six.requests}, "both to be asked")
    assert {r.get("Host") for r in six.requests} == {f"[::1]:{six.port}"}


@pytest.mark.parametrize("form, expected", [("combined", r"^2001:db8::1 - "), ("json", r'"client_ip":"2001:db8::1"')])
def test_access_log(origin, start, form, expected):
    gateway = start([service(origin.port)], trusted_ips=["unix:"], access_log="stdout", access_log_format=form)
    _, path = listening(gateway)
    assert ask(None, "GET", "/", "X-Real-IP: [2001:DB8::1]:80", unix=path).status == 200
    wait_until(lambda: re.search(expected, gateway.output.read_text(), re.M), "its line")


def test_probes_tell_the_port_of_a_target_without_one(origin, start):
    """Here by SRV: as for the 8000 of others, Host is where it leads to (RFC 9110 section 7.2)."""
    dns = NameServer({"web.test": ["127.0.0.1"], "_http._tcp.web.test": [(1, 1, origin.port, "web.test")]})
    try:
        start([service(0, url="http://be/")], dns_resolver=[dns.address], upstreams=({
            "name": "be", "targets": ({"target": "_http._tcp.web.test"},),
            "healthchecks": {"active": {"http_path": "/probe", "healthy": {"interval": 0.1, "successes": 1}}}},))
        wait_until(lambda: origin.requests, "a probe")
        assert origin.requests[0].get("Host") == f"_http._tcp.web.test:{origin.port}"
    finally:
        dns.end()
