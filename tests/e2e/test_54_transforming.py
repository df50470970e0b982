# SPDX-License-Identifier: Apache-2.0
"""Plugins about what is sent: request-size-limiting."""
from harness import plugin, route, service


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
