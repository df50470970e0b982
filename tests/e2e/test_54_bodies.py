# SPDX-License-Identifier: Apache-2.0
"""Plugins that look at bodies: request-transformer on JSON and forms, response-transformer on JSON, hmac-auth on digests."""
import base64
import gzip
import hashlib
import hmac
import json
from email.utils import formatdate

import pytest

from harness import ask, check, conf_text, plugin, proxy_cache, reply, route, service, wait_until

JSON, FORM = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"


def gateway_with(start, origin, *plugins, fields=None, **settings):
    return start([service(origin.port, route(plugins=plugins, **(fields or {})))], **settings)


def transformer(**config):
    return plugin("request-transformer", **config)


def everything():
    return transformer(remove={"body": ["secret"]}, rename={"body": ["old:new"]}, replace={"body": ["there:other", "absent:no"]},
                       add={"body": ["tenant:$(headers.x_org)", "there:no"]}, append={"body": ["tags:last"]})


def chunks(data, size=7):
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# ---- request-transformer: JSON

def test_every_change_of_json(origin, start):
    gateway = gateway_with(start, origin, everything())
    body = b'{"secret": 1, "old": [1, 2], "there": {"a": 1}, "tags": ["first"], "big": 12345678901234567890}'
    assert gateway.ask("POST", "/", JSON, "X-Org: acme", body=body).status == 200
    got = origin.last
    assert json.loads(got.body) == {"new": [1, 2], "there": "other", "tags": ["first", "last"], "tenant": "acme",
                                    "big": 12345678901234567890}
    assert got.all("Content-Length") == [str(len(got.body))] and "Transfer-Encoding" not in got


def test_chunked_json_gets_a_length(origin, start):
    gateway = gateway_with(start, origin, everything())
    client = gateway.client()
    for _ in range(2):  # the connection lives on
        client.request("POST", "/", JSON, "Transfer-Encoding: chunked", "X-Org: o", "Trailer: X-T")
        client.send(chunks(b'{"secret":1,"text":"0123456789"}'))
        assert client.response().status == 200
        assert json.loads(origin.last.body) == {"text": "0123456789", "tenant": "o", "there": "no", "tags": ["last"]}
        assert origin.last.all("Content-Length") == [str(len(origin.last.body))] and "Transfer-Encoding" not in origin.last


def test_an_empty_body_is_filled(origin, start):
    gateway = gateway_with(start, origin, transformer(remove={"body": ["x"]}, add={"body": ["a:b"]}))
    assert gateway.ask("POST", "/", JSON, body=b"").status == 200 and origin.last.body == b'{"a":"b"}'
    assert gateway.ask("POST", "/", JSON, "Transfer-Encoding: chunked", body=b"0\r\n\r\n").status == 200 and origin.last.body == b'{"a":"b"}'
    assert gateway.ask("POST", "/", FORM, body=b"").status == 200 and origin.last.body == b"a=b"
    gateway = gateway_with(start, origin, transformer(remove={"body": ["x"]}))
    assert gateway.ask("POST", "/", JSON, body=b"").status == 200
    assert origin.last.body == b"" and origin.last.get("Content-Length") == "0"


def test_what_cannot_be_changed_goes_on_as_it_is(origin, start):
    gateway = gateway_with(start, origin, everything())
    for text in (b'{"secret": 1', b'{"secret": NaN}', b'[{"secret": 1}]', b'"secret"', b" ", b'{"secret":' + b"[" * 1100 + b"]" * 1100 + b"}"):
        assert gateway.ask("POST", "/", JSON, "Digest: x", body=text).status == 200
        assert origin.last.body == text and origin.last.get("Digest") == "x"
    body = b'{"secret":1}'
    for fields in ((), ("Content-Type: text/plain",), ("Content-Type: application/jsonp",), (JSON, "Content-Encoding: gzip"),
                   ("Content-Type: multipart/form-data",), ("Content-Type: multipart/mixed; boundary=x",)):
        assert gateway.ask("POST", "/", *fields, body=body).status == 200 and origin.last.body == body
        assert gateway.ask("POST", "/", *fields, "Transfer-Encoding: chunked", body=chunks(body)).status == 200
        assert origin.last.body == body and origin.last.get("Transfer-Encoding") == "chunked"  # it streams


def test_no_spelling_hides_a_member(origin, start):
    gateway = gateway_with(start, origin, transformer(remove={"body": ["admin"]}))
    for text in (b'{"admin":1,"x":2}', b'{"\\u0061dmin":1,"x":2}', b'{"admin":0,"x":2,"admin":1}'):
        assert gateway.ask("POST", "/", "Content-Type: Application/JSON; charset=utf-8", "Content-MD5: x", "Digest: x", body=text).status == 200
        assert origin.last.body == b'{"x":2}' and "Content-MD5" not in origin.last and "Digest" not in origin.last


def test_nested_names_and_types(origin, start):
    change = transformer(remove={"body": ["user.role"]}, add={"body": ["user.id:7", "a.b.c:true", "n:$(headers.x_n)"],
                                                             "json_types": ["number", "boolean", "number"]}, dots_in_keys=False)
    gateway = gateway_with(start, origin, change)
    body = b'{"user": {"name": "u", "role": "root"}, "user.role": "stays"}'
    assert gateway.ask("POST", "/", JSON, "X-N: 1.50", body=body).status == 200
    assert json.loads(origin.last.body) == {"user": {"name": "u", "id": 7}, "user.role": "stays", "a": {"b": {"c": True}}, "n": 1.5}
    assert gateway.ask("POST", "/", JSON, 'X-N: 1,"role":"root"', body=b"{}").status == 200
    assert json.loads(origin.last.body) == {"user": {"id": 7}, "a": {"b": {"c": True}}}  # no number: not set
    gateway = gateway_with(start, origin, transformer(allow={"body": ["a", "c"]}, add={"body": ["c:1", "d:2"]}))
    assert gateway.ask("POST", "/", JSON, body=b'{"a":1,"b":2}').status == 200 and origin.last.body == b'{"a":1,"c":"1"}'


ORDERS = {"orders": [{"id": 1, "cost": 3, "lines": [{"sku": "a", "cost": 1}, {"sku": "b", "cost": 2}]}, {"id": 2, "lines": []}], "n": 2}


def test_elements_of_arrays(origin, origins, start):
    change = {"remove": {"CALLED": ["orders[*].cost", "orders[*].lines[*].cost"]}, "rename": {"CALLED": ["orders[1].id:number"]},
              "replace": {"CALLED": ["orders[*].lines[2].sku:B"]}, "add": {"CALLED": ["orders[*].seen.by:us"]},
              "append": {"CALLED": ["orders[2].lines:new"]}}
    wanted = {"orders": [{"number": 1, "lines": [{"sku": "a"}, {"sku": "B"}], "seen": {"by": "us"}},
                         {"id": 2, "lines": ["new"], "seen": {"by": "us"}}], "n": 2}

    def named(called):
        return {kind: {called: lists["CALLED"]} for kind, lists in change.items()}
    gateway = gateway_with(start, origin, transformer(**named("body"), dots_in_keys=False))
    assert gateway.ask("POST", "/", JSON, body=json.dumps(ORDERS).encode()).status == 200
    assert json.loads(origin.last.body) == wanted
    told = origins(lambda connection, request: connection.send(reply(200, JSON, body=json.dumps(ORDERS))))
    gateway = gateway_with(start, told, plugin("response-transformer", **named("json"), dots_in_keys=False))
    answer = gateway.get("/")
    assert answer.json() == wanted and "Content-Length" in answer
    many = b'{"orders":[' + b",".join([b"{}"] * 100000) + b"]}"     # a little more in each would be very much
    change = transformer(add={"body": ["orders[*].x:" + "y" * 200]}, dots_in_keys=False)
    gateway = gateway_with(start, origin, change)
    assert gateway.ask("POST", "/", JSON, body=many).status == 500 and gateway.ask("POST", "/", JSON, body=b"{}").status == 200


@pytest.mark.parametrize("config, reason", [
    ({"remove": {"body": ["a[0].b"]}}, "1 is the first"), ({"remove": {"body": ["a[].b"]}}, "1 is the first"),
    ({"rename": {"body": ["a[1]:b"]}}, "has no name")])
def test_elements_that_cannot_be(config, reason):
    text = conf_text({"plugins": (plugin("request-transformer", dots_in_keys=False, **config),)})
    refused = check(text)
    assert refused.returncode != 0 and reason in refused.stderr, refused.stderr


def test_values_break_out_of_nothing(origin, start):
    change = transformer(add={"body": ["v:$(query_params.v)"], "headers": ["X-Fixed:1"]})
    gateway = gateway_with(start, origin, change)
    evil = "%22,%22admin%22:1,%22%0d%0aX-Evil:%201%0d%0a%0d%0aGET%20/evil%20HTTP/1.1%0d%0a%00%26x=1"
    text = '","admin":1,"\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n\0&x=1'
    assert gateway.ask("POST", f"/?v={evil}", JSON, body=b"{}").status == 200
    assert json.loads(origin.last.body) == {"v": text} and "X-Evil" not in origin.last
    assert gateway.ask("POST", f"/?v={evil}", FORM, body=b"").status == 200
    assert origin.last.body.startswith(b"v=%22%2C%22admin") and b"&" not in origin.last.body and "X-Evil" not in origin.last
    assert len(origin.requests) == 2


# ---- request-transformer: forms

def test_every_change_of_forms(origin, start):
    gateway = gateway_with(start, origin, everything())
    assert gateway.ask("POST", "/", FORM + "; charset=utf-8", "X-Org: a&b=c", body=b"s%65cret=1&old=a+b&x=%20&there=1&there=2&tags=1").status == 200
    assert origin.last.body == b"new=a+b&x=%20&there=other&tags=1&tenant=a%26b%3Dc&tags=last"
    assert origin.last.get("Content-Length") == str(len(origin.last.body))
    gateway = gateway_with(start, origin, transformer(remove={"body": ["a"]}))
    assert gateway.ask("POST", "/", FORM, body=b"a=1&a").status == 200
    assert origin.last.body == b"" and origin.last.get("Content-Length") == "0"


def test_a_form_becomes_a_query(origin, start):
    gateway = gateway_with(start, origin, transformer(http_method="GET"))
    client = gateway.client()
    for fields, body in (((), b"b=2&c=x+y%26&d"), (("Transfer-Encoding: chunked",), chunks(b"b=2&c=x+y%26&d"))):
        client.request("POST", "/p?a=1", FORM + "; charset=utf-8", *fields, **({} if fields else {"body": body}))
        if fields:
            client.send(body)
        assert client.response().status == 200
        got = origin.last
        assert (got.method, got.target) == ("GET", "/p?a=1&b=2&c=x+y%26&d")
        assert got.body == b"" and "Content-Type" not in got and got.get("Content-Length", "0") == "0"
        assert "Transfer-Encoding" not in got
    client.close()
    assert gateway.ask("POST", "/", FORM, body=b"evil=1 HTTP/1.1\r\nX-Evil: 1\r\n\r\n#").status == 200
    assert origin.last.target == "/?evil=1%20HTTP%2F1.1%0D%0AX-Evil%3A%201%0D%0A%0D%0A%23" and "X-Evil" not in origin.last
    for fields in ((JSON,), (FORM, "Content-Encoding: gzip"), ("Content-Type: text/plain",)):    # others stay where they are
        assert gateway.ask("POST", "/?a", *fields, body=b"b=2").status == 200
        assert (origin.last.method, origin.last.target, origin.last.body) == ("GET", "/?a", b"b=2")
    assert gateway.ask("POST", "/?a", FORM, body=b"").status == 200 and origin.last.target == "/?a"
    assert gateway.ask("POST", "/", FORM, body=b"x" * 16384).status == 200 and len(origin.last.target) == 16386
    assert gateway.ask("POST", "/", FORM, body=b"x" * 16385).status == 413


def test_a_form_is_changed_and_becomes_a_query_that_is_changed(origin, start):
    change = transformer(http_method="GET", remove={"body": ["secret"], "querystring": ["debug"]}, add={"querystring": ["b:none", "org:$(headers.x_org)"]},
                         append={"body": ["t:1"]})
    gateway = gateway_with(start, origin, change)
    assert gateway.ask("PUT", "/?a=1&debug", FORM, "X-Org: o", body=b"b=2&secret=1&debug=2").status == 200
    assert (origin.last.method, origin.last.target) == ("GET", "/?a=1&b=2&t=1&org=o")
    assert gateway.ask("PUT", "/", FORM, "X-Org: o").status == 200 and origin.last.target == "/?t=1&b=none&org=o"


# ---- request-transformer: multipart forms

def part(name, text, more=""):
    return f'--xYz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{text}\r\n'.encode()


def test_every_change_of_multipart_forms(origin, start):
    gateway = gateway_with(start, origin, everything())
    kind = 'Content-Type: multipart/form-data; boundary="xYz"'
    file = '; filename="f.bin"\r\nContent-Type: image/png'
    body = part("secret", "1") + part("old", "\x01\r\n--x", file) + part("there", "1", file) + part("tags", "1") + b"--xYz--\r\n"
    for fields, text in (((), body), (("Transfer-Encoding: chunked",), chunks(body))):
        assert gateway.ask("POST", "/", kind, "X-Org: acme", *fields, body=text).status == 200
        assert origin.last.body == (part("new", "\x01\r\n--x", file) + part("there", "other") + part("tags", "1") + part("tenant", "acme")
                                    + part("tags", "last") + b"--xYz--\r\n")
        assert origin.last.get("Content-Length") == str(len(origin.last.body)) and "Transfer-Encoding" not in origin.last
    assert gateway.ask("POST", "/", kind, body=body[:-4]).status == 200 and origin.last.body == body[:-4]  # the end is missing


def test_no_value_makes_parts_of_its_own(origin, start):
    gateway = gateway_with(start, origin, transformer(add={"body": ["v:$(query_params.v)"]}))
    evil = "x%0d%0a--xYz%0d%0aContent-Disposition:%20form-data;%20name=admin%0d%0a%0d%0a1"
    kind = "Content-Type: multipart/form-data; boundary=xYz"
    client = gateway.client()
    assert client.ask("POST", f"/?v={evil}", kind, body=b"--xYz--\r\n").status == 400 and origin.requests == []
    assert client.ask("POST", "/?v=fine%0d%0a--x", kind, body=b"--xYz--\r\n").status == 200
    assert origin.last.body == part("v", "fine\r\n--x") + b"--xYz--\r\n"


# ---- buffering

def test_the_limit_of_bodies_that_are_changed(origin, start):
    gateway = gateway_with(start, origin, transformer(remove={"body": ["a"]}, max_body_size=20))
    body = b'{"a":1,"b":"0123456"}'
    assert len(body) == 21
    client = gateway.client()
    client.request("POST", "/", JSON, f"Content-Length: {len(body)}", "Expect: 100-continue")
    answer = client.response()
    assert answer.status == 413 and answer.json()["message"] == "Payload too large" and answer.interim == [] and client.at_end()
    client = gateway.client()
    client.request("POST", "/", JSON, "Transfer-Encoding: chunked", body=chunks(body))
    answer = client.response()
    assert answer.status == 413 and answer.json()["message"] == "Payload too large" and origin.requests == []
    assert gateway.ask("POST", "/", JSON, body=body.replace(b"6", b"")).status == 200 and origin.last.body == b'{"b":"012345"}'
    assert gateway.ask("POST", "/", "Content-Type: text/plain", body=body).status == 200 and origin.last.body == body


def test_large_bodies_and_continue(origin, start):
    gateway = gateway_with(start, origin, transformer(remove={"body": ["a"]}, add={"body": ["z:9"]}, max_body_size="8m"))
    items = {f"key{i}": "x" * 50 for i in range(30000)}
    body = json.dumps({"a": 1, **items}).encode()
    assert len(body) > 1 << 20
    client = gateway.client()
    client.request("PUT", "/", JSON, f"Content-Length: {len(body)}", "Expect: 100-continue")
    assert client.read_head().status == 100  # the gateway asks for it
    client.send(body)
    assert client.response().status == 200 and json.loads(origin.last.body) == {**items, "z": "9"}
    assert client.ask("POST", "/", JSON, body=b'{"a":1}').status == 200 and origin.last.body == b'{"z":"9"}'


def test_a_retry_sends_the_changed_body(origins, start):
    def cut_first(connection, request):
        if len(origin.requests) == 1:
            connection.reset()
            return False
        return connection.send(reply(200, body="ok"))
    origin = origins(cut_first)
    gateway = gateway_with(start, origin, transformer(remove={"body": ["a"]}, add={"body": ["b:$(headers.x_b)"]}))
    assert gateway.ask("PUT", "/", JSON, "X-B: v", body=b'{"a":1}').status == 200
    assert [r.body for r in origin.requests] == [b'{"b":"v"}'] * 2


def test_bodies_made_of_fields_are_not_cached(origin, start):
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body=request.body))
    gateway = gateway_with(start, origin, transformer(add={"body": ["org:$(headers.x_org)"]}), proxy_cache())
    for org in ("a", "b"):
        answer = gateway.get("/same", JSON, f"X-Org: {org}")
        assert answer.json() == {"org": org} and answer.get("X-Cache-Status") == "Bypass"
    assert gateway.get("/same").get("X-Cache-Status") == "Miss" and gateway.get("/same").get("X-Cache-Status") == "Hit"


def test_what_was_set_before_counts(origin, start):
    """A GET becomes a POST with a body, as Kong's users do."""
    change = transformer(http_method="POST", add={"headers": [JSON], "body": ["id:$(query_params.id)"]})
    gateway = gateway_with(start, origin, change)
    assert gateway.get("/?id=7").status == 200
    got = origin.last
    assert got.method == "POST" and got.body == b'{"id":"7"}' and got.get("Content-Type") == "application/json"


def test_with_request_buffering(origin, start):
    gateway = gateway_with(start, origin, transformer(remove={"body": ["a"]}), fields={"request_buffering": True})
    assert gateway.ask("POST", "/", JSON, body=b'{"a":1,"b":2}').status == 200 and origin.last.body == b'{"b":2}'
    assert ask(gateway.port, "POST", "/", "Content-Type: text/plain", body=b"x").status == 200 and origin.last.body == b"x"


# ---- response-transformer: JSON

def answers(origin, body, *fields, status=200):
    def handler(connection, request):
        if request.method == "HEAD":
            connection.send(reply(status, JSON, *fields, f"Content-Length: {len(body)}", length=False))
        else:
            connection.send(reply(status, JSON, *fields, body=body))
    origin.handler = handler


def answer_transformer(**config):
    return plugin("response-transformer", **config)


def test_every_change_of_an_answer(origin, start):
    gateway = gateway_with(start, origin, answer_transformer(
        remove={"json": ["secret"]}, rename={"json": ["old:new"]}, replace={"json": ["there:2", "absent:1"], "json_types": ["number"]},
        add={"json": ["added:yes", "there:no"]}, append={"json": ["tags:true"], "json_types": ["boolean"]}, allow={"json": ["new", "there", "added", "tags"]}))
    answers(origin, b'{"secret":1,"old":[1.10],"there":"x","tags":[],"other":1}', 'ETag: "v1"', "Content-MD5: x", "Digest: x", "Accept-Ranges: bytes")
    client = gateway.client()
    for _ in range(2):
        answer = client.ask("GET", "/")
        assert answer.body == b'{"new":[1.10],"there":2,"tags":[true],"added":"yes"}'
        assert answer.all("Content-Length") == [str(len(answer.body))] and answer.get("ETag") == 'W/"v1"'
        for name in ("Content-MD5", "Digest", "Accept-Ranges", "Transfer-Encoding"):
            assert name not in answer, name
    answer = client.ask("HEAD", "/")
    assert answer.status == 200 and "Content-Length" not in answer
    assert client.ask("GET", "/").status == 200


def test_what_is_said_without_the_body_is_true_of_the_changed_one(origin, start):
    gateway = gateway_with(start, origin, answer_transformer(remove={"json": ["a"]}), proxy_cache())
    said = ("Content-MD5: x", "Digest: x", "Content-Digest: x", "Repr-Digest: x", "Accept-Ranges: bytes")
    answers(origin, b'{"a":1}', 'ETag: "v1"', *said)
    for state in ("Miss", "Hit"):
        answer = gateway.get("/")
        assert answer.body == b"{}" and answer.get("ETag") == 'W/"v1"' and answer.get("X-Cache-Status") == state
        for answer in (answer, gateway.ask("HEAD", "/")):
            assert answer.get("ETag") == 'W/"v1"' and not [f for f in said if f.split(":")[0] in answer]
    answer = gateway.get("/", 'If-None-Match: W/"v1"')
    assert answer.status == 304 and answer.get("ETag") == 'W/"v1"' and not [f for f in said if "Digest" in f and f.split(":")[0] in answer]


def test_answers_that_stay_as_they_are(origin, start):
    gateway = gateway_with(start, origin, answer_transformer(remove={"json": ["a"]}))
    for body in (b'{"a":1', b'[{"a":1}]', b"", b'{"b":1}'):
        answers(origin, body, 'ETag: "v1"')
        answer = gateway.get("/")
        assert answer.body == body and answer.get("ETag") == '"v1"'
    for field in ("Content-Encoding: gzip", "Content-Encoding: x"):
        answers(origin, b'{"a":1}', field)
        assert gateway.get("/").body == b'{"a":1}'
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body=b'{"a":1}'))
    assert gateway.get("/").body == b'{"a":1}'
    answers(origin, b"", status=204)
    assert gateway.get("/").status == 204


def test_chunked_answers_and_their_limit(origin, start):
    gateway = gateway_with(start, origin, answer_transformer(remove={"json": ["a"]}, max_body_size=1000))
    text = b'{"a":1,"b":"%s"}'

    def handler(connection, request):
        connection.send(f"HTTP/1.1 200 OK\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(chunks(text % (b"x" * int(request.target[1:])), 100))
    origin.handler = handler
    client = gateway.client()
    assert client.ask("GET", "/980").body == b'{"b":"' + b"x" * 980 + b'"}'
    answer = client.ask("GET", "/990")
    assert answer.status == 502 and "too large" in answer.json()["message"]
    answers(origin, text % (b"x" * 990))
    assert gateway.get("/").status == 502  # nothing of it gets past
    gateway.wait_log("at most 1000 bytes")
    origin.handler = lambda connection, request: connection.send(reply(200, "Content-Type: text/plain", body=b"x" * 5000))
    assert gateway.get("/").body == b"x" * 5000


def test_no_way_around_a_removal(origin, start):
    """A part or an encoded form is not asked for, on a hit neither."""
    answers(origin, b'{"a":1,"b":2}', 'ETag: "v1"', "Cache-Control: max-age=60")
    gateway = gateway_with(start, origin, answer_transformer(remove={"json": ["a"]}), proxy_cache(cache_control=True, content_type=["application/json"]))
    for state in ("Miss", "Hit"):
        answer = gateway.get("/", "Range: bytes=0-5", "Accept-Encoding: gzip")
        assert answer.status == 200 and answer.body == b'{"b":2}' and answer.get("X-Cache-Status") == state
        assert answer.get("ETag") == 'W/"v1"'
    assert "Range" not in origin.requests[0] and "Accept-Encoding" not in origin.requests[0] and len(origin.requests) == 1
    answer = gateway.get("/", 'If-None-Match: W/"v1"')
    assert answer.status == 304 and answer.body == b"" and answer.get("ETag") == 'W/"v1"'
    answer = gateway.get("/", 'If-None-Match: "v0", "v1"')
    assert answer.status == 304 and answer.get("ETag") == '"v1"'  # of what it says that it has


def test_what_is_stored_is_what_came(origin, start):
    answers(origin, b'{"a":1}')
    cache = proxy_cache(content_type=["application/json"])
    routes = [route("plain", paths=("/",), plugins=(cache,)),
              route("changed", paths=("/",), headers={"X-Changed": ["1"]}, plugins=(cache, answer_transformer(add={"json": ["b:2"]})))]
    gateway = start([service(origin.port, *routes)])
    for _ in range(2):
        assert gateway.get("/").body == b'{"a":1}' and gateway.get("/", "X-Changed: 1").body == b'{"a":1,"b":"2"}'
    gateway = gateway_with(start, origin, answer_transformer(add={"json": ["b:2"]}), plugin("request-termination", status_code=403, message="no"))
    answer = gateway.get("/")
    assert answer.status == 403 and answer.json()["message"] == "no" and answer.json()["b"] == "2"  # the gateway's own as well


def test_changed_then_compressed_and_stored_as_it_came(origin, start):
    answers(origin, b'{"a":1,"b":"%s"}' % (b"x" * 5000), 'ETag: "v1"')
    gateway = gateway_with(start, origin, answer_transformer(remove={"json": ["a"]}), plugin("compression", algorithms=["gzip"]),
                           proxy_cache(content_type=["application/json"]))
    for state in ("Miss", "Hit", "Hit"):
        answer = gateway.get("/", "Accept-Encoding: gzip")
        assert answer.get("X-Cache-Status") == state and answer.get("Content-Encoding") == "gzip" and answer.get("ETag") == 'W/"v1"'
        assert json.loads(gzip.decompress(answer.body)) == {"b": "x" * 5000}
        answer = gateway.get("/")
        assert "Content-Encoding" not in answer and answer.json() == {"b": "x" * 5000}


# ---- hmac-auth: validate_request_body

DIFFERS = "HMAC signature does not match"


def digest_of(body):
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()


def signed(digest=None):
    """Fields with a signature over Date and Digest."""
    known = {"date": formatdate(usegmt=True), **({"digest": digest} if digest else {})}
    code = hmac.new(b"shared", "\n".join(f"{name}: {value}" for name, value in known.items()).encode(), "sha256").digest()
    return (*(f"{name}: {value}" for name, value in known.items()),
            f'Authorization: hmac username="ali", algorithm="hmac-sha256", headers="{" ".join(known)}", '
            f'signature="{base64.b64encode(code).decode()}"')


def digest_gateway(start, origin, *plugins, fields=None, **config):
    consumers = ({"username": "alice", "hmacauth_credentials": ({"username": "ali", "secret": "shared"},)}, {"username": "guest"})
    check = plugin("hmac-auth", validate_request_body=True, **config)
    return gateway_with(start, origin, check, *plugins, fields=fields, consumers=consumers)


def test_bodies_that_fit_their_digest(origin, start):
    gateway = digest_gateway(start, origin)
    large = bytes(range(256)) * 16384
    for body in (b"x", b"hello", large):
        client = gateway.client()
        assert client.ask("POST", "/", *signed(digest_of(body)), body=body).status == 200 and origin.last.body == body
        client.request("POST", "/", *signed(digest_of(body)), "Transfer-Encoding: chunked", body=chunks(body, 65536))
        assert client.response().status == 200 and origin.last.body == body and origin.last.get("Digest") == digest_of(body)
    assert gateway.get("/", *signed()).status == 200 and gateway.get("/", *signed(digest_of(b""))).status == 200
    assert gateway.ask("POST", "/", *signed(), "Transfer-Encoding: chunked", body=b"0\r\n\r\n").status == 200


def test_bodies_that_do_not_fit_reach_no_upstream(origin, start):
    gateway = digest_gateway(start, origin, fields={"name": "digest"})
    large = bytes(range(256)) * 16384
    evil = large[:-1] + b"\x00"
    for body, wrong in ((b"hello", b"hullo"), (large, evil), (b"12", b"1")):
        client = gateway.client()
        for fields, text in (((), wrong), (("Transfer-Encoding: chunked",), chunks(wrong, 65536))):
            client.request("POST", "/", *signed(digest_of(body)), *fields, body=text)
            answer = client.response()  # the connection lives on: all of the body was read
            assert answer.status == 401 and answer.json()["message"] == DIFFERS and answer.get("WWW-Authenticate") == "hmac"
        assert client.ask("GET", "/ok", *signed()).status == 200
    assert {request.target for request in origin.requests} == {"/ok"}  # none that was complete


def test_bodies_whose_head_tells(origin, start):
    """What does not need the body to be judged is judged before any of it is asked for."""
    gateway = digest_gateway(start, origin)
    for fields in (signed(), signed("SHA-256=x"), signed("MD5=x")):
        client = gateway.client()
        client.request("POST", "/", *fields, "Content-Length: 5", "Expect: 100-continue")
        answer = client.response()
        assert answer.status == 401 and answer.json()["message"] == DIFFERS and answer.interim == [] and client.at_end()
    assert gateway.get("/", *signed(digest_of(b"x"))).status == 401
    client = gateway.client()
    client.request("POST", "/", *signed(), "Transfer-Encoding: chunked")
    client.send(b"1\r\nx\r\n")  # the end never comes
    answer = client.response()
    assert answer.status == 401 and client.at_end() and origin.requests == []
    gateway = digest_gateway(start, origin, anonymous="guest")
    assert gateway.ask("POST", "/", *signed(), body=b"x").status == 200 and origin.last.get("X-Consumer-Username") == "guest"
    origin.requests.clear()
    assert gateway.ask("POST", "/", *signed(digest_of(b"y")), body=b"x").status == 401 and origin.requests == []


def test_the_last_piece_is_held_back(origins, start):
    """An upstream that answers early keeps what it said, and never gets the end of a request that is none."""
    got = bytearray()

    def early(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        while data := connection.read_some(100):
            got.extend(data)
        ended.append(True)
        return False
    ended = []
    origin = origins(early, streaming=True)
    gateway = digest_gateway(start, origin)
    client = gateway.client()
    client.request("POST", "/", *signed(digest_of(b"abcde")), "Content-Length: 5")
    client.send(b"abc")
    answer = client.response(body=False)
    assert answer.status == 200
    wait_until(lambda: bytes(got) == b"abc", "what came streams on")
    client.send(b"dX")
    wait_until(lambda: ended, "the upstream's connection is broken off")
    assert bytes(got) == b"abc"
    client.read_body(answer)
    assert not answer.complete


def test_digests_of_bodies_that_are_held(origin, start):
    """Buffered by the route, and changed by a plugin behind: the digest is of what the client sent."""
    gateway = digest_gateway(start, origin, transformer(add={"body": ["b:2"]}), fields={"request_buffering": True})
    for fields, framed in (((), lambda text: text), (("Transfer-Encoding: chunked",), chunks)):
        answer = gateway.ask("POST", "/", JSON, *signed(digest_of(b'{"a":1}')), *fields, body=framed(b'{"a":1}'))
        assert answer.status == 200 and origin.last.body == b'{"a":1,"b":"2"}' and "Digest" not in origin.last
        origin.requests.clear()
        answer = gateway.ask("POST", "/", JSON, *signed(digest_of(b'{"a":1}')), *fields, body=framed(b'{"a":2}'))
        assert answer.status == 401 and answer.json()["message"] == DIFFERS and origin.requests == []


def test_a_retry_is_judged_again(origins, start):
    def cut_first(connection, request):
        if len(origin.requests) == 1:
            connection.reset()
            return False
        return connection.send(reply(200, body="ok"))
    origin = origins(cut_first)
    gateway = digest_gateway(start, origin)
    assert gateway.ask("PUT", "/", *signed(digest_of(b"hello")), body=b"hello").status == 200
    assert [r.body for r in origin.requests] == [b"hello"] * 2


# ---- stream = "required"

SERVICE = 'services = ( { name = "s"; url = "http://127.0.0.1:1"; routes = ( { name = "r"; paths = [ "/" ]; stream = "required"; } ); } );\n'


def test_a_route_that_has_to_stream_is_kept_so():
    done = check(SERVICE + 'plugins = ( { name = "request-transformer"; config = { add = { headers = [ "a:b" ]; }; }; } );\n', "-T")
    assert done.returncode == 0 and 'stream = "required"' in done.stdout
    for name, part, held in (("request-transformer", "body", "request"), ("response-transformer", "json", "response")):
        done = check(SERVICE + 'plugins = ( { name = "%s"; config = { remove = { %s = [ "a" ]; }; }; } );\n' % (name, part))
        assert done.returncode != 0 and "services[0].routes[0].stream" in done.stderr
        assert f"{name} at " in done.stderr and f":2 would hold back the {held}'s body" in done.stderr
    for method, status in (("PUT", 0), ("GET", 1)):     # a form would go into the query
        done = check(SERVICE + 'plugins = ( { name = "request-transformer"; config = { http_method = "%s"; }; } );\n' % method)
        assert done.returncode == status and ("would hold back the request's body" in done.stderr) == bool(status)
