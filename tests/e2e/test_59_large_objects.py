# SPDX-License-Identifier: Apache-2.0
"""Objects far larger than any buffer: what they cost a worker beside their own bytes in the dictionary, and that those too large
for the cache leave no trace in it."""
import hashlib
import json
import threading

import pytest

from harness import HELD, PATIENCE, SANITIZED, proxy_cache, route, service

OPEN = {"cache_control": True, "cache_ttl": 0, "response_code": [], "content_type": []}
MEGABYTE = 1 << 20
PIECE = bytes(range(256)) * 1024
PIECES = 256                                          # 64 MB in all
HEAD = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
BOUND = (32 if SANITIZED else 4) * MEGABYTE


@pytest.fixture
def large(origins, start):
    def make(length, **config):
        held, go = threading.Event(), threading.Event()

        def handler(connection, _request):
            connection.send(HEAD + (f"Content-Length: {len(PIECE) * PIECES}\r\n\r\n" if length else "Transfer-Encoding: chunked\r\n\r\n"))
            for i in range(PIECES):
                connection.send(PIECE if length else b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
                if i == PIECES // 2:                  # half of it is on its way: a moment to look at memory
                    held.set()
                    go.wait(HELD)
            if not length:
                connection.send(b"0\r\n\r\n")
        origin = origins(handler)
        gateway = start([service(origin.port, route(plugins=[proxy_cache(**OPEN, **config)]), read_timeout=int(1000 * HELD))], workers=2,
                        shared_dicts=({"name": "gateway_cache", "size": "128m"},))
        return gateway, origin, held, go
    return make


def in_cache(gateway):
    return json.loads(gateway.ctl("-o", "json", "cache", "stat").stdout)["dicts"][0]


def fetch(gateway):
    """State, digest, and the most private memory that the workers had while the body passed through."""
    most, digest, seen = 0, hashlib.sha256(), 0

    def sink(data):
        nonlocal most, seen
        digest.update(data)
        if seen // (8 * MEGABYTE) != (seen + len(data)) // (8 * MEGABYTE):
            most = max(most, gateway.memory())
        seen += len(data)
    client = gateway.client()
    client.request("GET", "/large")
    answer = client.response(sink=sink)
    client.close()
    assert answer.complete and seen == len(PIECE) * PIECES
    return answer.get("X-Cache-Status"), digest.hexdigest(), most


@pytest.mark.parametrize("length", [True, False])
def test_streams_through_a_fill(large, length):
    gateway, origin, _, go = large(length)
    go.set()
    before = gateway.memory()
    first = fetch(gateway)
    second = fetch(gateway)
    assert (first[0], second[0]) == ("Miss", "Hit") and len(origin.requests) == 1
    assert first[1] == second[1] == hashlib.sha256(PIECE * PIECES).hexdigest()
    assert max(first[2], second[2]) - before < BOUND
    used = in_cache(gateway)["used"]
    assert 64 * MEGABYTE < used < 70 * MEGABYTE       # its own bytes, and a share for the tables


@pytest.mark.parametrize("length", [True, False])
def test_past_max_object_size_nothing_stays(large, length):
    gateway, origin, held, go = large(length, max_object_size="1m")
    before, empty = gateway.memory(), in_cache(gateway)
    got = []
    thread = threading.Thread(target=lambda: got.append(fetch(gateway)))
    thread.start()
    assert held.wait(PATIENCE)
    meanwhile = in_cache(gateway)                     # half of it has passed: at most what was taken before the limit is there
    go.set()
    thread.join()
    assert got[0][2] - before < BOUND
    assert meanwhile["used"] - empty["used"] < 2 * MEGABYTE
    after = in_cache(gateway)
    assert after["objects"] == 0 and after["used"] - empty["used"] < MEGABYTE // 4
    assert fetch(gateway)[0] in ("Miss", "Bypass") and len(origin.requests) == 2
