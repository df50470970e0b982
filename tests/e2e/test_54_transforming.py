# SPDX-License-Identifier: Apache-2.0
"""Plugins about what is sent: request-size-limiting, request-transformer, response-transformer."""
from harness import plugin, proxy_cache, reply, route, service, wait_until


def gateway_with(start, origin, *plugins, **settings):
    return start([service(origin.port, route(plugins=plugins))], **settings)


# ---- request-size-limiting

def test_size_by_length(origin, start):
    gateway = gateway_with(start, origin, plugin("request-size-limiting", allowed_payload_size=1, size_unit="kilobytes"))
    assert gateway.ask("POST", "/", body=b"x" * 1024).status == 200 and len(origin.last.body) == 1024
    origin.requests.clear()
    answer = gateway.ask("POST", "/", body=b"x" * 1025)
    assert answer.status == 413 and answer.json()["message"] == "Request size limit exceeded" and origin.requests == []
    client = gateway.client()
    client.request("POST", "/", "Content-Length: 1025", "Expect: 100-continue")
    answer = client.response()
    assert answer.status == 417 and answer.interim == [] and client.at_end()
    assert gateway.get("/").status == 200


def test_size_of_chunked_bodies(origin, start):
    gateway = gateway_with(start, origin, plugin("request-size-limiting", allowed_payload_size=100, size_unit="kilobytes"))
    client = gateway.client()
    client.request("POST", "/", "Transfer-Encoding: chunked")
    for _ in range(100):
        client.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
    client.send(b"0\r\n\r\n")
    assert client.response().status == 200 and len(origin.last.body) == 102400
    origin.requests.clear()
    client.request("POST", "/", "Transfer-Encoding: chunked")
    client.send((b"400\r\n" + b"x" * 1024 + b"\r\n") * 100 + b"1\r\nx\r\n")  # the end never comes
    answer = client.response()
    assert answer.status == 413 and answer.json()["message"] == "Request size limit exceeded" and client.at_end()
    assert origin.requests == []  # never a complete one
    gateway = gateway_with(start, origin, plugin("request-size-limiting", require_content_length=True))
    client = gateway.client()
    client.request("POST", "/", "Transfer-Encoding: chunked")
    answer = client.response()
    assert answer.status == 411 and answer.json()["message"] == "A valid Content-Length header is required"
    assert gateway.get("/").status == 200


def test_size_of_buffered_bodies(origin, start):
    limit = plugin("request-size-limiting", allowed_payload_size=10, size_unit="bytes")
    gateway = start([service(origin.port, route(plugins=(limit,), request_buffering=True))], request_body_max_size="5")
    assert gateway.ask("POST", "/", body=b"x" * 6).json()["message"] == "Payload too large"  # the smaller one holds
    gateway = start([service(origin.port, route(plugins=(limit,), request_buffering=True))])
    client = gateway.client()
    client.request("POST", "/", "Transfer-Encoding: chunked")
    client.send(b"b\r\n01234567890\r\n0\r\n\r\n")
    answer = client.response()
    assert answer.status == 413 and answer.json()["message"] == "Request size limit exceeded" and origin.requests == []


# ---- request-transformer

def test_transformed_fields(origin, start):
    gateway = gateway_with(start, origin, plugin(
        "request-transformer", remove={"headers": ["X-Secret", "User-Agent"]}, rename={"headers": ["X-Old:X-New"]},
        replace={"headers": ["X-There:other", "X-Absent:no", "Host:inner.example"]},
        add={"headers": ["X-Tenant:$(headers.x_org or \"none\")", "X-There:no"]}, append={"headers": ["X-List:$(query_params.q)"]}))
    assert gateway.get("/?q=a%20b", "X-Secret: s", "X-Old: o", "X-There: t", "X-Org: acme", "X-List: 1").status == 200
    got = origin.last
    assert "X-Secret" not in got and "X-Old" not in got and "User-Agent" not in got and "X-Absent" not in got
    assert got.all("X-New") == ["o"] and got.all("X-There") == ["other"] and got.all("Host") == ["inner.example"]
    assert got.all("X-Tenant") == ["acme"] and got.get("X-List") == "1, a b" and got.target == "/?q=a%20b"
    gateway.get("/")
    assert origin.last.get("X-Tenant") == "none"


def test_transformed_query_method_and_uri(origin, start):
    change = plugin("request-transformer", http_method="POST", remove={"querystring": ["debug"]}, rename={"querystring": ["u:user"]},
                    add={"querystring": ["v:$(uri_captures.v)"]}, replace={"uri": "/api/$(uri_captures[2])/$(headers.x_org)"})
    routes = route(paths=("~/(?<v>v\\d+)/(.*)$",), plugins=(change,))
    gateway = start([service(origin.port, routes, url=f"http://127.0.0.1:{origin.port}/base/")])
    assert gateway.get("/v2/things/7?u=a%26b&debug=1", "X-Org: a/../c?d").status == 200
    assert origin.last.method == "POST" and origin.last.get("Content-Length") == "0"
    assert origin.last.target == "/api/things/7/a%2F..%2Fc%3Fd?user=a%26b&v=v2"
    assert gateway.ask("PUT", "/v2/x", "X-Org: o", body=b"body").status == 200
    assert origin.last.method == "POST" and origin.last.body == b"body"
    answer = gateway.ask("HEAD", "/v2/x", "X-Org: o")
    assert answer.status == 200 and origin.last.method == "HEAD"
    origin.requests.clear()
    assert gateway.get("/v2/x", "X-Org: ..").status == 400 and origin.requests == []


def test_new_names_are_filled_in(origin, start):
    change = {"querystring": ["u:$(headers.x_name)"], "body": ["u:$(headers.x_name)"]}
    gateway = gateway_with(start, origin, plugin("request-transformer", rename=change))
    kinds = (("application/x-www-form-urlencoded", b"u=1", b"a%26b%3D%22=1"), ("application/json", b'{"u":1}', b'{"a&b=\\"":1}'),
             ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="u"\r\n\r\n1\r\n--x--\r\n',
              b'--x\r\nContent-Disposition: form-data; name="a&b=%22"\r\n\r\n1\r\n--x--\r\n'))
    for kind, body, changed in kinds:
        assert gateway.ask("POST", "/?u=1", f"Content-Type: {kind}", 'X-Name: a&b="', body=body).status == 200
        assert origin.last.target == "/?a%26b%3D%22=1" and origin.last.body == changed
        assert gateway.ask("POST", "/?u=1", f"Content-Type: {kind}", body=body).status == 200      # no name: it stays
        assert origin.last.target == "/?u=1" and origin.last.body == body


def test_nothing_breaks_out_of_a_template(origin, start):
    gateway = gateway_with(start, origin, plugin("request-transformer", add={"headers": ["X-Q:$(query_params.q)"]}))
    for evil in ("a%0d%0aX-Evil:1", "a%0aX-Evil:1", "a%00b", "%0d%0a%0d%0aGET%20/evil%20HTTP/1.1"):
        assert gateway.get(f"/?q={evil}").status == 400, evil
    assert origin.requests == []
    assert gateway.get("/?q=fine").status == 200 and origin.last.get("X-Q") == "fine"


def test_the_cache_tells_apart_what_fields_chose(origin, start):
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body=request.target))
    gateway = gateway_with(start, origin, plugin("request-transformer", replace={"uri": "/$(headers.x_org)"}), proxy_cache())
    for org, state in (("a", "Miss"), ("b", "Miss"), ("a", "Hit"), ("b", "Hit")):
        answer = gateway.get("/same", f"X-Org: {org}")
        assert answer.body == b"/" + org.encode() and answer.get("X-Cache-Status") == state


def test_an_authorization_that_is_made_here_is_one(origin, start):
    """What an upstream says to one client's token is for no other, wherever the client sent it; the gateway's own is everybody's."""
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", *(["Cache-Control: public"] if "public" in request.target else []),
              body=request.get("Authorization")))
    for change in ({"add": {"headers": ["Authorization:Bearer $(headers.x_token)"]}}, {"rename": {"headers": ["X-Token:Authorization"]}},
                   {"append": {"headers": ["Authorization:$(query_params.t or headers.x_token)"]}}):
        gateway = gateway_with(start, origin, plugin("request-transformer", **change), proxy_cache(cache_control=True))
        for token in ("one", "two"):
            answer = gateway.get("/", f"X-Token: {token}")
            assert answer.body.endswith(token.encode()) and answer.get("X-Cache-Status") == "Bypass", change
        assert [gateway.get("/public", f"X-Token: {token}").get("X-Cache-Status") for token in ("one", "two")] == ["Miss", "Hit"]
    gateway = gateway_with(start, origin, plugin("request-transformer", add={"headers": ["Authorization:Basic $(env:WORD)"]}), proxy_cache(),
                           environment={"WORD": "abc"})
    assert [gateway.get("/").get("X-Cache-Status") for _ in range(2)] == ["Miss", "Hit"]


def test_an_altered_get_is_not_repeated(origins, start):
    """A GET that goes out as a POST has the dangers of a POST: a connection that breaks behind it is no reason to try again."""
    def cut(connection, request):
        connection.reset()
        return False
    origin = origins(cut)
    gateway = gateway_with(start, origin, plugin("request-transformer", http_method="POST"))
    assert gateway.get("/").status == 502 and len(origin.requests) == 1
    gateway = gateway_with(start, origin)
    origin.requests.clear()
    assert gateway.get("/").status == 502 and len(origin.requests) > 1


# ---- response-transformer

def test_transformed_responses(origin, start):
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", "Server: origin/1.0", "X-Old: o", "X-There: t", "Set-Cookie: a=1", "Set-Cookie: b=2",
              "X-Internal: 10.0.0.1", body="x"))
    change = plugin("response-transformer", remove={"headers": ["X-Internal", "Server", "Via"]}, rename={"headers": ["X-Old:X-New"]},
                    replace={"headers": ["X-There:other", "X-Absent:no"]}, add={"headers": ["X-Added:yes", "X-There:no"]},
                    append={"headers": ["Set-Cookie:c=3"]})
    gateway = gateway_with(start, origin, change, proxy_cache(store_set_cookie=True))
    for state in ("Miss", "Hit", "Hit"):
        answer = gateway.get("/")
        assert answer.status == 200 and answer.body == b"x" and answer.get("X-Cache-Status") == state
        for name in ("X-Internal", "Server", "Via", "X-Old", "X-Absent"):
            assert name not in answer, name
        assert answer.all("X-New") == ["o"] and answer.all("X-There") == ["other"] and answer.all("X-Added") == ["yes"]
        assert sorted(answer.all("Set-Cookie")) == ["a=1", "b=2", "c=3"]
    gateway = gateway_with(start, origin, plugin("request-termination", status_code=503),
                           plugin("response-transformer", remove={"headers": ["Server"]}, add={"headers": ["X-Added:yes"]}))
    answer = gateway.get("/")
    assert answer.status == 503 and "Server" not in answer and answer.get("X-Added") == "yes"


def test_a_refresh_in_the_background_asks_for_what_was_chosen(origin, start):
    origin.handler = lambda connection, request: connection.send(
        reply(200, "Content-Type: text/plain", "Age: 10", "Cache-Control: max-age=5, stale-while-revalidate=100", body=request.target))
    change = plugin("request-transformer", replace={"uri": "/$(headers.x_org)"}, add={"querystring": ["a:b"]})
    gateway = gateway_with(start, origin, change, proxy_cache(cache_control=True))
    assert gateway.get("/same", "X-Org: a").body == b"/a?a=b"
    assert gateway.get("/same", "X-Org: a").body == b"/a?a=b"
    wait_until(lambda: len(origin.requests) >= 2, "the refresh")
    assert {request.target for request in origin.requests} == {"/a?a=b"}
