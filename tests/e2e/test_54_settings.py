# SPDX-License-Identifier: Apache-2.0
"""Settings of the plugins about limits and changes that make no sense: refused when the file is read, in words that say
which setting it is and why."""
import pytest
from harness import check, conf_text, plugin, route, service

REDIS = {"host": "127.0.0.1"}
REFUSED = (
    ("rate-limiting", {}, "minute: is missing: at least one limit"),
    ("rate-limiting", {"minute": 10, "hour": 5}, "hour: 5 is less than the limit of a minute, 10"),
    ("rate-limiting", {"minute": -1}, "minute: -1 is out of range"),
    ("rate-limiting", {"minute": 1, "policy": "cluster"}, "policy: cannot be \"cluster\": there is no database"),
    ("rate-limiting", {"minute": 1, "policy": "disk"}, "policy"),
    ("rate-limiting", {"minute": 1, "policy": "redis"}, "host: is missing"),
    ("rate-limiting", {"minute": 1, "policy": "redis", "redis": REDIS, "sync_rate": 0.01}, "sync_rate: must be -1, or 0.02 and more"),
    ("rate-limiting", {"minute": 1, "sync_rate": 5.0}, "sync_rate: needs policy = \"redis\""),
    ("rate-limiting", {"minute": 1, "policy": "redis", "redis": REDIS, "redis_host": "h"}, "redis_host: is said by redis.host already"),
    ("rate-limiting", {"minute": 1, "policy": "redis", "redis": {**REDIS, "port": 70000}}, "redis.port: 70000 is out of range"),
    ("rate-limiting", {"minute": 1, "limit_by": "header"}, "header_name: is missing"),
    ("rate-limiting", {"minute": 1, "limit_by": "header", "header_name": "X Y"}, "header_name: \"X Y\" is not a header's name"),
    ("rate-limiting", {"minute": 1, "limit_by": "path"}, "path: is missing"),
    ("rate-limiting", {"minute": 1, "limit_by": "cookie"}, "limit_by"),
    ("rate-limiting", {"minute": 1, "burst": 2}, "burst: needs window_type = \"token-bucket\""),
    ("rate-limiting", {"minute": 1, "error_code": 200}, "error_code: 200 is out of range"),
    ("rate-limiting", {"minute": 1, "error_message": "a\nb"}, "error_message"),
    ("rate-limiting", {"minutes": 1}, "minutes"),
    ("request-size-limiting", {"allowed_payload_size": -1}, "allowed_payload_size: -1 is out of range"),
    ("request-size-limiting", {"size_unit": "gigabytes"}, "size_unit"),
    ("concurrency-limiting", {}, "limit"),
    ("concurrency-limiting", {"limit": 0}, "limit: 0 is out of range"),
    ("concurrency-limiting", {"limit": 1, "limit_by": "header"}, "header_name: is missing"),
    ("request-transformer", {"http_method": "post"}, "http_method: \"post\" is not a method"),
    ("request-transformer", {"http_method": "CONNECT"}, "http_method: \"CONNECT\" is a method whose responses are framed otherwise"),
    ("request-transformer", {"remove": {"headers": ["X-A:1"]}}, "remove.headers: \"X-A:1\" is not a name"),
    ("request-transformer", {"add": {"headers": ["X-A"]}}, "add.headers: \"X-A\" is not \"name:value\""),
    ("request-transformer", {"add": {"headers": ["X A:1"]}}, "add.headers"),
    ("request-transformer", {"add": {"headers": ["X-A:1\r\nX-B:2"]}}, "control character"),
    ("request-transformer", {"rename": {"headers": ["X-A"]}}, "rename.headers: \"X-A\" is not \"old:new\""),
    ("request-transformer", {"rename": {"headers": ["X-A:X B"]}}, "rename.headers"),
    ("request-transformer", {"add": {"headers": ["Content-Length:0"]}}, "the gateway's own business"),
    ("request-transformer", {"remove": {"headers": ["Transfer-Encoding"]}}, "the gateway's own business"),
    ("request-transformer", {"rename": {"headers": ["Connection:X-A"]}}, "the gateway's own business"),
    ("request-transformer", {"rename": {"headers": ["X-A:Content-Length"]}}, "the gateway's own business"),
    ("request-transformer", {"append": {"headers": ["Upgrade:h2c"]}}, "the gateway's own business"),
    ("request-transformer", {"add": {"headers": ["Host:a"]}}, "the gateway's own business, but for replace"),
    ("request-transformer", {"replace": {"uri": "api"}}, "replace.uri: \"api\" does not begin with \"/\""),
    ("request-transformer", {"replace": {"uri": "/$(body.x)"}}, "replace.uri"),
    ("request-transformer", {"add": {"querystring": ["a:$(headers.x"]}}, "add.querystring"),
    ("request-transformer", {"add": {"body": ["a:x"], "json_types": ["number"]}}, "add.body: \"x\" is not a number"),
    ("request-transformer", {"add": {"body": ["a:1"], "json_types": ["integer"]}}, "json_types"),
    ("response-transformer", {"add": {"headers": ["Content-Length:0"]}}, "the gateway's own business"),
    ("response-transformer", {"append": {"headers": ["X-A:1\nX-B:2"]}}, "control character"),
    ("response-transformer", {"replace": {"json": ["a"]}}, "replace.json: \"a\" is not \"name:value\""),
    ("response-transformer", {"add": {"json": ["a:1"], "json_types": ["number", "string"]}}, "json_types: has more elements than json"),
    ("correlation-id", {"header_name": "X Y"}, "header_name"),
    ("correlation-id", {"generator": "counter"}, "generator"),
    ("redirect", {}, "location"),
    ("redirect", {"location": "/relative"}, "location: \"/relative\" is not a URL"),
    ("redirect", {"location": "https://a/\r\nX-B: 1"}, "location"),
    ("redirect", {"location": "https://a/", "status_code": 200}, "status_code: 200 is out of range"),
    ("redirect", {"location": "https://a/", "status_code": 304}, "status_code: 304 leads nowhere"),
    ("request-termination", {"status_code": 100}, "status_code: 100 is out of range"),
    ("request-termination", {"message": "m", "body": "b"}, "message: cannot be used with a body or a content_type"),
    ("request-termination", {"content_type": "text/html"}, "content_type: needs a body"),
    ("request-termination", {"echo": True, "body": "b"}, "echo: cannot be used with a body"),
    ("request-termination", {"trigger": "a b"}, "trigger"),
    ("security-headers", {"frame_options": "ALLOW"}, "frame_options: \"ALLOW\" is not DENY or SAMEORIGIN"),
    ("security-headers", {"content_security_policy": "default-src 'self'\r\nX: 1"}, "content_security_policy"),
    ("proxy-cache", {"strategy": "redis"}, "strategy"),
    ("proxy-cache", {"response_code": [99]}, "response_code: 99 is out of range"),
    ("proxy-cache", {"request_method": ["DELETE"]}, "request_method"),
    ("proxy-cache", {"content_type": ["json"]}, "content_type"),
    ("proxy-cache", {"cache_ttl": -1}, "cache_ttl: -1 is out of range"),
    ("proxy-cache", {"storage_ttl": -1}, "storage_ttl: -1 is out of range"),
    ("proxy-cache", {"vary_headers": ["X Y"]}, "vary_headers"),
    ("proxy-cache", {"memory": {"dictionary_name": "gateway_cach"}}, "the nearest name is \"gateway_cache\""),
)


def said_of(name, config):
    services = (service(1, route(plugins=(plugin(name, **config),))),)
    dicts = ({"name": "gateway_cache", "size": "1m"},)
    return check(conf_text({"services": services, "shared_dicts": dicts}))


@pytest.mark.parametrize("name, config, words", REFUSED, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(REFUSED)])
def test_refused_with_the_reason(name, config, words):
    done = said_of(name, config)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert "plugins[0]" in done.stderr      # and which it is
