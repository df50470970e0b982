# SPDX-License-Identifier: Apache-2.0
"""Which route takes a request, and what of its path and host reaches the origin."""
import pytest

from harness import Origin, ask, client_tls, plugin, route, service


class Table:
    """One origin a service; says which service saw a request and as what."""

    def __init__(self, make, start, *rows, **settings):
        self.origin = make(self.answer)
        services = []
        for i, fields in enumerate(rows):
            fields = dict(fields)
            name = fields.pop("name", f"r{i}")
            path = fields.pop("service_path", f"/{name}")
            services.append(service(self.origin.port, route(name, fields.pop("paths", None), **fields),
                                    name=name, url=f"http://127.0.0.1:{self.origin.port}{path}"))
        self.gateway = start(services, **settings)

    @staticmethod
    def answer(connection, request):
        body = request.target.encode()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (b"" if request.method == "HEAD" else body))

    def took(self, target="/", host="localhost", method="GET", fields=()):
        answer = self.gateway.ask(method, target, *fields, host=host)
        if answer.status != 200:
            return answer.status
        return self.origin.last.target.split("/")[1]


def test_all_fields_must_match_one_value_each(origins, start):
    table = Table(origins, start, {"hosts": ["a.test", "b.test"], "paths": ["/x", "/y"], "methods": ["GET", "PUT"]})
    assert table.took("/x", "a.test") == "r0" and table.took("/y/z", "b.test", "PUT") == "r0"
    for target, host, method in (("/z", "a.test", "GET"), ("/x", "c.test", "GET"), ("/x", "a.test", "POST")):
        assert table.took(target, host, method) == 404


def test_no_route(origins, start):
    table = Table(origins, start, {"paths": ["/x"]})
    answer = table.gateway.get("/nothing")
    assert answer.status == 404 and answer.json()["message"] == "no Route matched with those values"


def test_hosts_exact_and_wildcards(origins, start):
    table = Table(origins, start, {"hosts": ["*.example.com"]}, {"hosts": ["exact.example.com"]}, {"hosts": ["example.*"]})
    assert table.took(host="exact.example.com") == "r1"
    assert table.took(host="a.example.com") == "r0" and table.took(host="a.b.example.com") == "r0"
    assert table.took(host="example.org") == "r2" and table.took(host="EXAMPLE.org") == "r2"
    assert table.took(host="A.Example.COM:8000") == "r0"
    assert table.took(host="example.com") in ("r2",) and table.took(host="notexample.net") == 404


def test_longest_prefix_wins(origins, start):
    table = Table(origins, start, {"paths": ["/service"]}, {"paths": ["/service/resource"]}, {"paths": ["/"]})
    assert table.took("/service/resource/1") == "r1" and table.took("/service/other") == "r0" and table.took("/else") == "r2"
    assert table.took("/servicex") == "r0", "a prefix is bytes, as in Kong"


def test_regex_paths(origins, start):
    table = Table(origins, start, {"paths": ["/v1/orders"]}, {"paths": [r"~/v\d+/orders$"]}, {"paths": ["/v"]})
    assert table.took("/v1/orders") == "r1", "a regex goes before a prefix"
    assert table.took("/v1/orders/5") == "r0" and table.took("/v22/orders") == "r1" and table.took("/vx") == "r2"
    assert table.took("/x/v1/orders") == 404, "anchored at the start"


def test_regex_priority(origins, start):
    table = Table(origins, start, {"paths": [r"~/a/\d+"], "regex_priority": 1}, {"paths": [r"~/a/\d+"], "regex_priority": 5})
    assert table.took("/a/1") == "r1"


def test_headers_and_over_names_or_over_values(origins, start):
    table = Table(origins, start, {"paths": ["/"], "headers": {"version": ["v1", "v2"], "region": ["eu"]}}, {"paths": ["/"]})
    assert table.took(fields=["Version: v2", "Region: eu"]) == "r0"
    assert table.took(fields=["version: v1"]) == "r1" and table.took(fields=["Version: v3", "Region: eu"]) == "r1"


def test_more_kinds_of_fields_win(origins, start):
    table = Table(origins, start, {"paths": ["/a/long/prefix"]}, {"paths": ["/a"], "hosts": ["h.test"]},
                  {"paths": ["/a"], "hosts": ["h.test"], "methods": ["GET"]})
    assert table.took("/a/long/prefix", "h.test") == "r2"
    assert table.took("/a/long/prefix", "h.test", "POST") == "r1"
    assert table.took("/a/long/prefix", "i.test") == "r0"


def test_ties(origins, start):
    # Plain host before wildcard host, then more headers, then the longer path, then the earlier in the file.
    table = Table(origins, start, {"hosts": ["*.t.test"], "paths": ["/long/path"]}, {"hosts": ["p.t.test"], "paths": ["/"]})
    assert table.took("/long/path", "p.t.test") == "r1"
    table = Table(origins, start, {"paths": ["/a/b"], "headers": {"x": ["1"]}}, {"paths": ["/a"], "headers": {"x": ["1"], "y": ["1"]}})
    assert table.took("/a/b", fields=["X: 1", "Y: 1"]) == "r1"
    table = Table(origins, start, {"paths": ["/same"]}, {"paths": ["/same"]})
    assert table.took("/same") == "r0"


def test_strip_path_and_service_path(origins, start):
    cases = [
        ({"paths": ["/api"], "strip_path": True, "service_path": "/base"}, "/api/x?q=1", "/base/x?q=1"),
        ({"paths": ["/api"], "strip_path": True, "service_path": "/"}, "/api", "/"),
        ({"paths": ["/api/"], "strip_path": True, "service_path": "/base/"}, "/api/x", "/base/x"),
        ({"paths": ["/api"], "strip_path": False, "service_path": "/base"}, "/api/x", "/base/api/x"),
        ({"paths": [r"~/version/\d+/service"], "strip_path": True, "service_path": "/"}, "/version/1/service/path/to/resource",
         "/path/to/resource"),
    ]
    for fields, target, expected in cases:
        table = Table(origins, start, fields)
        table.gateway.get(target)
        assert table.origin.last.target == expected, fields


def test_strip_path_is_the_default(origin, start):
    entry = route("r", ["/api"])
    del entry["strip_path"]
    gateway = start([service(origin.port, entry)])
    gateway.get("/api/x")
    assert origin.last.target == "/x"


def test_preserve_host(origin, start):
    gateway = start([service(origin.port, route("keep", ["/keep"], preserve_host=True), route("own", ["/own"]))])
    gateway.get("/keep", host="client.test:81")
    assert origin.last.all("Host") in (["client.test:81"], ["client.test"])
    gateway.get("/own", host="client.test")
    assert origin.last.all("Host") == [f"127.0.0.1:{origin.port}"]


@pytest.mark.parametrize("target,seen", [
    ("/a/../secret", "/secret"), ("/a/./b", "/a/b"), ("/./secret", "/secret"), ("/%73ecret", "/secret"),
    ("/a/%2e%2e/secret", "/secret"), ("/a/%2E%2e/%73ecret", "/secret"), ("//secret", "/secret"), ("/x/..//secret", "/secret"),
    ("/../../secret", "/secret"), ("/a/b/../../secret/..;/", None),
])
def test_no_route_can_be_dodged(origins, start, target, seen):
    """A path is made normal once, before it is matched; what was matched is what the origin sees."""
    table = Table(origins, start, {"paths": ["/secret"], "name": "secret", "service_path": "/"},
                  {"paths": ["/"], "name": "open", "service_path": "/"})
    answer = table.gateway.get(target)
    if answer.status == 400:
        return
    assert answer.status == 200
    if seen:
        assert table.origin.last.target == seen
    assert "/../" not in table.origin.last.target and "%2e%2e" not in table.origin.last.target.lower()


def test_reserved_characters_stay_encoded(origins, start):
    table = Table(origins, start, {"paths": ["/"], "name": "r", "service_path": "/"})
    table.gateway.get("/a%2Fb%3Fc%20d?x=%2F&y=a%20b")
    assert table.origin.last.target == "/a%2Fb%3Fc%20d?x=%2F&y=a%20b"


def test_https_only_route_over_http(origin, start, certs):
    pair = ({"cert": str(certs / "server.crt"), "key": str(certs / "server.key")},)
    gateway = start([service(origin.port, route("secure", ["/s"], protocols=["https"]),
                             route("moved", ["/m"], protocols=["https"], https_redirect_status_code=301))], tls=pair)
    answer = gateway.get("/s")
    assert answer.status == 426 and answer.json()["message"] == "Please use HTTPS protocol"
    assert "upgrade" in answer.get("Connection", "").lower() and "TLS" in answer.get("Upgrade", "")
    answer = gateway.get("/m/x?y=1")
    assert answer.status == 301 and answer.get("Location").startswith("https://localhost") and answer.get("Location").endswith("/m/x?y=1")
    assert ask(gateway.tls_port, "GET", "/s", tls=client_tls()).status == 200
    assert origin.last.target == "/s" and len(origin.requests) == 1


def test_fallback_route_with_another_answer(origins, start):
    server = origins()
    gateway = start([service(server.port, route("api", ["/api"]), route("rest", ["/"], plugins=[
        plugin("request-termination", status_code=410, message="gone for good")]))])
    assert gateway.get("/api").status == 200
    answer = gateway.get("/else")
    assert answer.status == 410 and answer.json()["message"] == "gone for good"


@pytest.mark.seconds(120)
def test_ten_thousand_routes(start):
    origin = Origin()
    try:
        routes = [route(f"r{i}", [f"/p{i}/"], hosts=[f"h{i}.test"]) for i in range(10000)]
        gateway = start([service(origin.port, *routes)])
        for i in (0, 5000, 9999):
            assert gateway.get(f"/p{i}/x", host=f"h{i}.test").status == 200
            assert gateway.get(f"/p{i}/x", host=f"h{i + 1}.test").status == 404
    finally:
        origin.stop()
