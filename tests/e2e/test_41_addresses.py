# SPDX-License-Identifier: Apache-2.0
"""Addresses of IPv6 and Unix sockets, wherever one is read, compared, shown or sent."""
import json
import socket

from harness import ask, free_port, plugin, proxy_cache, route, service, wait_until


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
            (['for="6.6.6.6'], "127.0.0.1")):
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
