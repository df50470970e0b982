# SPDX-License-Identifier: Apache-2.0
"""The control socket, gatewayctl, status and metrics, logs."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness import PATIENCE, Client, ask, free_port, proxy_cache, raw, reply, route, service, status_of, wait_until

JSON = "Content-Type: application/json"


@pytest.fixture
def gateway(origins, start):
    server = origins(lambda c, r: c.send(reply(200, JSON, body=b'{"n": %d}' % len(server.requests))))
    running = start([service(server.port, route("cached", ["/c"], plugins=[proxy_cache(cache_ttl=3600)]), route("plain", ["/"]))])
    running.server = server
    return running


# ---- the socket -----------------------------------------------------------------------------------------------------------

def test_socket_mode(origin, start):
    assert stat.S_IMODE(os.stat(start([service(origin.port)], control_socket_mode="0600").socket).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(start([service(origin.port)]).socket).st_mode) == 0o660


def test_curl_speaks_to_it(gateway):
    done = subprocess.run(["curl", "-sS", "--unix-socket", str(gateway.socket), "http://gateway/status"], capture_output=True)
    assert done.returncode == 0 and json.loads(done.stdout)["generation"] == 1


def test_who_changed_something_is_logged(gateway):
    gateway.control("DELETE", "/proxy-cache/")
    gateway.wait_log(rf"uid={os.getuid()} pid=\d+")


def test_unknown_paths_and_methods(gateway):
    assert gateway.control("GET", "/nothing").status == 404
    answer = gateway.control("DELETE", "/status")
    assert answer.status == 405 and "GET" in answer.get("Allow")


NONSENSE = {
    "zeros": b"\0" * 1000,
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "endless head": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50000,
    "no JSON": b"POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{{{{{",
    "endless body": b"POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
    "length and chunked": b"POST /purge HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_does_no_harm(gateway, name):
    data = NONSENSE[name]
    client = Client(None, unix=gateway.socket)
    try:
        client.send(data)
        client.sock.shutdown(socket.SHUT_WR)
        while client.fill():
            pass
    except OSError:
        pass
    assert status_of(client.buffer) is None or status_of(client.buffer) >= 400
    client.close()
    assert gateway.control("GET", "/status").status == 200


def test_silent_callers_do_not_block_others(gateway):
    idle = [Client(None, unix=gateway.socket) for _ in range(50)]
    idle[0].send(b"GET /sta")
    assert gateway.control("GET", "/status").status == 200
    for client in idle:
        client.close()


def test_admin_listener(origin, start):
    port = free_port()
    gateway = start([service(origin.port)], admin_listen=f"127.0.0.1:{port}")
    assert ask(port, "GET", "/status", host=f"127.0.0.1:{port}").status == 200
    assert ask(port, "DELETE", "/proxy-cache/", host=f"127.0.0.1:{port}").status == 204
    # No page in a browser may use it.
    assert ask(port, "DELETE", "/proxy-cache/", "Origin: http://evil.test", host=f"127.0.0.1:{port}").status == 403
    assert ask(port, "GET", "/status", host="evil.test").status == 403
    assert ask(gateway.status_port, "DELETE", "/proxy-cache/").status in (403, 404, 405), "the status listener changes nothing"


# ---- Kong's cache paths ------------------------------------------------------------------------------------------------------

def test_cache_by_key(gateway):
    key = gateway.get("/c/x").get("X-Cache-Key")
    answer = gateway.control("GET", f"/proxy-cache/{key}")
    assert answer.status == 200 and answer.json()["key"] == key
    assert gateway.control("GET", f"/proxy-cache/{'0' * 32}").status == 404
    assert gateway.control("GET", "/proxy-cache/nonsense").status == 404
    assert gateway.control("DELETE", f"/proxy-cache/{key}").status == 204
    assert gateway.control("DELETE", f"/proxy-cache/{key}").status == 404
    assert gateway.control("GET", f"/proxy-cache/{key}").status == 404
    assert gateway.get("/c/x").get("X-Cache-Status") == "Miss"


def test_cache_by_plugin_and_key(gateway):
    key = gateway.get("/c/x").get("X-Cache-Key")
    plugin_id = gateway.control("GET", f"/proxy-cache/{key}").json()["plugin"]
    assert gateway.control("GET", f"/proxy-cache/{plugin_id}/caches/{key}").status == 200
    other = "00000000-0000-0000-0000-000000000000"
    assert gateway.control("GET", f"/proxy-cache/{other}/caches/{key}").status == 404
    assert gateway.control("DELETE", f"/proxy-cache/{plugin_id}/caches/{key}").status == 204
    assert gateway.get("/c/x").get("X-Cache-Status") == "Miss"


def test_purge_all(gateway):
    for i in range(20):
        gateway.get(f"/c/{i}")
    assert gateway.control("DELETE", "/proxy-cache/").status == 204
    assert {gateway.get(f"/c/{i}").get("X-Cache-Status") for i in range(20)} == {"Miss"}


# ---- gatewayctl ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", [["status"], ["workers"], ["routes"], ["upstreams"], ["stat"], ["version"], ["cache", "stat"],
                                     ["cache", "ls"]])
def test_ctl_reads(gateway, command):
    gateway.get("/c/x")
    plain = gateway.ctl(*command)
    assert plain.returncode == 0 and plain.stdout.strip(), plain.stderr
    as_json = gateway.ctl("-o", "json", *command)
    assert as_json.returncode == 0, as_json.stderr
    json.loads(as_json.stdout)


def test_ctl_workers_and_routes_show_what_there_is(gateway):
    text = gateway.ctl("workers").stdout
    assert all(str(pid) in text for pid in gateway.pids())
    text = gateway.ctl("routes").stdout
    assert "cached" in text and "plain" in text and text.index("cached") < text.index("plain")
    assert "/c" in text


def test_ctl_help_and_usage(gateway):
    done = gateway.ctl("help")
    assert done.returncode == 0
    for verb in ("status", "workers", "reload", "stop", "quit", "check", "routes", "upstreams", "purge", "cache", "stat", "version"):
        assert re.search(rf"\b{verb}\b", done.stdout), verb
    for arguments in (["nonsense"], ["purge"], ["cache", "nonsense"], ["check"], ["-x"], ["-o", "yaml", "status"], []):
        assert gateway.ctl(*arguments).returncode == 2, arguments


def test_ctl_unreachable(gateway):
    done = gateway.ctl("status", socket_path="/nonexistent/control.sock")
    assert done.returncode == 3 and "/nonexistent/control.sock" in done.stderr


def test_ctl_check(gateway):
    assert gateway.ctl("check", str(gateway.path)).returncode == 0
    bad = gateway.dir / "bad.conf"
    bad.write_text("worker = 1;\n")
    done = gateway.ctl("check", str(bad))
    assert done.returncode == 1 and re.search(r"bad\.conf:1: ", done.stdout + done.stderr)


def test_ctl_purge(gateway):
    key = gateway.get("/c/x").get("X-Cache-Key")
    assert gateway.ctl("purge", key).returncode == 0 and gateway.ctl("purge", key).returncode == 1
    gateway.get("/c/x")
    gateway.get("/c/y")
    assert gateway.ctl("purge", "--url", "http://localhost/c/x").returncode == 0
    assert gateway.get("/c/x").get("X-Cache-Status") == "Miss" and gateway.get("/c/y").get("X-Cache-Status") == "Hit"
    assert gateway.ctl("purge", "--all").returncode == 0
    assert gateway.get("/c/y").get("X-Cache-Status") == "Miss"


def test_ctl_cache(gateway):
    key = gateway.get("/c/x?a=1").get("X-Cache-Key")
    assert key in gateway.ctl("cache", "ls").stdout
    done = gateway.ctl("cache", "get", key)
    assert done.returncode == 0 and "/c/x?a=1" in done.stdout
    assert gateway.ctl("cache", "get", "0" * 32).returncode == 1
    done = gateway.ctl("cache", "key", "http://localhost/c/x?a=1")
    assert done.returncode == 0 and key in done.stdout


def test_ctl_cache_stat(gateway):
    """Every number that the operator asks for, in the table, as JSON and for Prometheus."""
    for _ in range(3):
        gateway.get("/c/x")
    gateway.ask("POST", "/c/x", body=b"")

    def counted():      # a request is, once its answer has gone
        value = json.loads(gateway.ctl("-o", "json", "cache", "stat").stdout)
        return value if sum(value["requests"][kind] for kind in ("hit", "miss", "bypass")) == 4 else None
    value = wait_until(counted, "each of the four to be counted")
    assert (value["requests"]["hit"], value["requests"]["miss"], value["requests"]["bypass"]) == (2, 1, 1)
    one = value["dicts"][0]
    assert one["objects"] == one["fills"] == one["queues"]["small"]["objects"] == 1 and one["waits"] == 0
    assert 0 < one["fragmentation"] < 1 and sum(c["used"] for c in one["classes"]) >= 1
    assert one["pages"] == one["free_pages"] + one["slab_pages"] + one["index_pages"] + one["ledger_pages"]
    text = gateway.ctl("cache", "stat").stdout
    assert re.search(r"hit +2 +50\.0%", text) and "WAITS" in text and "CHUNK" not in text
    assert re.search(r"CHUNK +PAGES", gateway.ctl("cache", "stat", "--dict", one["name"]).stdout)
    metrics = gateway.status("/metrics").body.decode()
    for wanted in (f'gateway_shared_dict_queue_objects{{dict="{one["name"]}",queue="small"}} 1',
                   f'gateway_shared_dict_pages{{dict="{one["name"]}",kind="objects"}} {one["slab_pages"]}',
                   f'gateway_shared_dict_waits_total{{dict="{one["name"]}"}} 0'):
        assert wanted in metrics, wanted


def test_cache_listing(origins, start):
    """Over the API: by tag, prefix, host and status, in order, and never more than was asked for."""
    def answer(connection, request):
        number = int(re.search(r"\d+", request.target).group())
        status = 404 if request.target.startswith("/gone") else 200
        connection.send(reply(status, JSON, f"Cache-Tag: all, t{number % 2}", body=b"x" * (number * 10)))
    gateway = start([service(origins(answer).port, route(plugins=[proxy_cache(response_code=[200, 404], cache_ttl=3600)]))])
    for number in range(1, 9):
        for _ in range(number):
            gateway.get(f"/shop/{number}")
    gateway.get("/gone/9", host="other.example")

    def listed(query):
        found = gateway.control("GET", f"/cache/keys?{query}")
        assert found.status == 200, found.body
        return [int(re.search(r"/(\d+)", one["url"]).group(1)) for one in found.json()["keys"]]
    assert listed("sort=size") == [9, 8, 7, 6, 5, 4, 3, 2, 1] and listed("sort=hits&limit=3") == [8, 7, 6]
    assert listed("sort=size&tag=t1") == [9, 7, 5, 3, 1] and listed("sort=size&tag=t0&limit=2") == [8, 6]
    assert listed("prefix=/gone") == [9] == listed("host=other.example") == listed("status=4xx")
    assert listed("sort=hits&prefix=localhost/shop&status=200&tag=all&limit=1") == [8]
    text = gateway.ctl("cache", "ls", "--sort", "size", "--tag", "t1", "--limit", "2", "--status", "200").stdout.splitlines()
    assert len(text) == 3 and text[1].endswith("localhost/shop/7") and text[2].endswith("localhost/shop/5"), text
    assert gateway.ctl("cache", "ls", "--sort", "name").returncode == 1
    assert len(listed("limit=5")) == 5 and sorted(listed("sort=age")) == list(range(1, 10))
    assert gateway.control("GET", "/cache/keys?sort=name").status == 400


def test_ctl_cache_warm(origins, start, tmp_path):
    """A list of URLs with fields is asked for over http and https: fills, then hits; what failed is named."""
    def answer(connection, request):
        connection.send(reply(500 if request.target == "/bad" else 200, JSON, "Vary: Accept-Language",
                              *(["Cache-Control: private"] if request.target == "/private" else []), body=b"x" * 100))
    origin = origins(answer)
    gateway = start([service(origin.port, route(plugins=[proxy_cache(cache_control=True, cache_ttl=3600, lock_timeout=3600000)]))])
    urls = tmp_path / "urls"
    urls.write_text("# to be warm\n" + "".join(f"http://localhost/{n}\n" for n in range(30)) +
                    "http://localhost/0\n  Accept-Language: de\n\nhttp://localhost/private\n")
    done = gateway.ctl("cache", "warm", "-f", str(urls))
    assert done.returncode == 0 and done.stdout == "32 requests: 0 hits, 31 filled, 1 not stored, 0 failed\n", done
    done = gateway.ctl("-o", "json", "cache", "warm", "--file", str(urls), "--concurrency", "3")
    value = json.loads(done.stdout)
    assert (value["hits"], value["fills"], value["not_stored"], value["failed"]) == (31, 0, 1, 0) and value["bytes"] == 3200
    assert gateway.get("/0", "Accept-Language: de").get("X-Cache-Status") == "Hit"
    urls.write_text("http://localhost/1\nhttp://localhost/bad\nhttps://localhost/1\n")
    done = gateway.ctl("cache", "warm", "-f", str(urls))
    assert done.returncode == 1 and done.stdout == "3 requests: 1 hits, 0 filled, 0 not stored, 2 failed\n"
    assert "http://localhost/bad: status 500" in done.stderr and "https://localhost/1: the gateway does not" in done.stderr
    urls.write_text("http://localhost/1\nnonsense\n")
    done = gateway.ctl("cache", "warm", "-f", str(urls))
    assert done.returncode == 2 and f"{urls}:2: " in done.stderr
    assert gateway.ctl("cache", "warm").returncode == 2 and gateway.ctl("cache", "warm", "-f", "/nonexistent").returncode == 2


def test_ctl_cache_get_spells_it_out(origins, start):
    """Variants of one URL, and for each the sum that says whether it is fresh, why, and until when."""
    origin = origins(lambda c, r: c.send(reply(200, JSON, "Vary: X-V", "Age: 5", "ETag: \"e\"", "Cache-Control: max-age=3000, "
                                               "stale-while-revalidate=30, stale-if-error=600", body=b"x" * 1000)))
    gateway = start([service(origin.port, route(plugins=[proxy_cache(cache_control=True)]))])
    for value in ("one", "two", "two"):
        gateway.get("/p?q=1", f"X-V: {value}")
    found = json.loads(gateway.ctl("-o", "json", "cache", "get", "http://localhost/p?q=1").stdout)["keys"]
    assert len(found) == 2 and sum(one["hits"] for one in found) == 1
    for one in found:
        f = one["freshness"]
        assert f["age_at_store"] == 5 and f["lifetime"] == 3000 and f["lifetime_from"] == "max-age" and f["state"] == "fresh"
        assert f["age"] == 5 + f["since_stored"] and f["fresh_until"] == f["stored"] + 2995
        assert f["stale_while_until"] == f["fresh_until"] + 30 and f["stale_error_until"] == f["fresh_until"] + 600
        assert f["kept_until"] >= f["stale_error_until"] and one["validators"]["etag"] == '"e"'
        s = one["sizes"]
        assert s["body"] == 1000 and s["key"] + s["head"] + s["body"] + s["overhead"] == s["total"] and 0 < s["overhead"] < 400
    text = gateway.ctl("cache", "get", "http://localhost/p?q=1").stdout
    assert text.count("lifetime        3000s, from max-age") == 2 and "5s at store + " in text and "2 of 2" in text
    assert re.search(r"stale while +30s, until 20\d\d-\d\d-\d\d .* UTC \(in [45]\dm\d\ds\)", text)
    text = gateway.ctl("cache", "get", found[0]["key"]).stdout
    assert text.count("lifetime") == 1 and "  Content-Type: application/json" in text
    assert {list(one["selected_by"].values())[0] for one in found} == {"one", "two"}
    assert gateway.ctl("cache", "get", "http://localhost/other").returncode == 1


def test_ctl_cache_advise(origins, start):
    """Requests in turn for 40 % more objects than fit: twice the memory would hold them all. That is seen by samples: of
    some 6,400 objects one in 16, and the verdict holds while they are between 280 and 530, which is six deviations."""
    origin = origins(lambda c, r: c.send(reply(200, JSON, body=b"x" * 100)))
    gateway = start([service(origin.port, route(plugins=[proxy_cache(cache_ttl=86400)]))],
                    shared_dicts=({"name": "gateway_cache", "size": "2m"},))
    before = json.loads(gateway.ctl("-o", "json", "cache", "advise").stdout)["dicts"][0]
    assert before["sizes"] == [] and "nothing was asked" in gateway.ctl("cache", "advise").stdout
    began = time.monotonic()

    def ask_for(what, count):
        client = gateway.client()
        for begin in range(0, count, 50):
            numbers = range(begin, min(begin + 50, count))
            for number in numbers:
                client.request("GET", f"/{what}/{number}")
            for number in numbers:
                client.response()
            if begin % 1000 == 0:                                       # samples that are not read in time are lost
                assert gateway.control("GET", "/cache/advise").status == 200
                client.close()
                client = gateway.client()
        client.close()
    ask_for("first", 6000)
    fit = json.loads(gateway.ctl("-o", "json", "cache", "stat").stdout)["dicts"][0]["objects"]
    assert 4000 < fit < 6000
    count = fit * 7 // 5
    for _ in range(2):
        ask_for("then", count)
    one = json.loads(gateway.ctl("-o", "json", "cache", "advise").stdout)["dicts"][0]
    sizes = {s["percent"]: s for s in one["sizes"]}
    assert sorted(sizes) == [75, 100, 125, 150, 200] and sizes[200]["bytes"] == 4 << 20 and one["lost"] < one["events"]
    assert sizes[100]["fewer_misses"] == 0 and sizes[200]["ready"] and sizes[100]["ready"]
    gained, expected = sizes[200]["fewer_misses"], count / (6000 + 2 * count)
    assert abs(gained - expected) < 0.2, (gained, expected, json.dumps(one))
    assert sizes[200]["hit_ratio"] > sizes[100]["hit_ratio"] and sizes[200]["hits_per_hour"] > 0
    assert sizes[75]["fewer_misses"] <= 0.02
    text = gateway.ctl("cache", "advise", "--dict", "gateway_cache").stdout
    assert re.search(r"200 +4.0M +\d+\.\d% +\d+\.\d% ", text), text
    idle = json.loads(gateway.ctl("-o", "json", "cache", "stat").stdout)["dicts"][0]["evicted_age"]["idle"]
    assert idle is not None and 0 <= idle <= time.monotonic() - began + 1


def test_ctl_stop_and_quit(origin, start):
    for verb in ("stop", "quit"):
        gateway = start([service(origin.port)])
        assert gateway.ctl(verb).returncode == 0
        assert gateway.process.wait(PATIENCE) == 0


def test_quit_lets_open_requests_finish(origins, start):
    told = threading.Event()

    def handler(connection, request):
        assert told.wait(PATIENCE)
        connection.send(reply(200, body=b"late but whole"))
    origin = origins(handler)
    gateway = start([service(origin.port, read_timeout=120000)], shutdown_timeout=120000)
    client = gateway.client()
    client.request()
    wait_until(lambda: origin.requests, "the request at the origin")
    assert gateway.ctl("quit").returncode == 0
    gateway.wait_log("graceful stop")
    told.set()
    assert client.response().body == b"late but whole"
    client.close()
    assert gateway.process.wait(PATIENCE) == 0


# ---- status and metrics ----------------------------------------------------------------------------------------------------------

def test_status_listener(gateway):
    gateway.get("/")
    answer = gateway.status()
    assert answer.status == 200 and answer.json()["workers"]["running"] == 2
    assert gateway.status("/workers").status in (403, 404)
    assert gateway.status("/nothing").status == 404


def total(metrics, name, *labels):
    """Sum of a family's samples that have these labels."""
    return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(label in k for label in labels))


def test_metrics_count_what_happened(gateway):
    for i in range(10):
        gateway.get("/c/same")
        gateway.get(f"/p{i}")
    gateway.get("/", host="a@b")
    expected = {("gateway_http_requests_total", 'route="cached"', '"2'): 10,
                ("gateway_http_requests_total", 'route="plain"', '"2'): 10,
                ("gateway_cache_requests_total", 'route="cached"', '"hit"'): 9,
                ("gateway_cache_requests_total", 'route="cached"', '"miss"'): 1,
                ("gateway_bad_requests_total",): 1,
                ("gateway_http_request_duration_seconds_bucket", 'route="plain"', 'le="+Inf"'): 10,
                ("gateway_http_request_duration_seconds_count", 'route="plain"'): 10,
                ("gateway_shared_dict_objects",): 1, ("gateway_shared_dict_capacity_bytes",): 16 << 20,
                ("gateway_upstream_target_up",): 1}

    def counted():
        metrics = gateway.metrics()
        return {what: total(metrics, *what) for what in expected}
    wait_until(lambda: all(n >= expected[what] for what, n in counted().items()), "everything to be counted")
    assert counted() == expected


def test_connection_gauge_agrees_with_the_counters(gateway):
    clients = [gateway.client() for _ in range(5)]
    for client in clients:
        client.ask()

    def agrees():
        metrics = gateway.metrics()
        return total(metrics, "gateway_connections_accepted_total") - total(metrics, "gateway_connections_closed_total") == \
            total(metrics, "gateway_connections")
    wait_until(agrees, "open client connections to be what was accepted less what was closed")
    for client in clients:
        client.close()
    wait_until(agrees, "the same when they have gone")


def test_metrics_follow_the_text_format(gateway):
    gateway.get("/")
    answer = gateway.status("/metrics")
    assert answer.get("Content-Type").startswith("text/plain; version=0.0.4")
    families, seen = {}, set()
    for line in answer.body.decode().splitlines():
        if match := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
            assert match.group(1) not in families, "a family is announced twice"
            families[match.group(1)] = match.group(2)
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'(\w+)(\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? (\S+)', line)
            assert match, line
            assert line.rsplit(" ", 1)[0] not in seen, line
            seen.add(line.rsplit(" ", 1)[0])
            float(match.group(3))
            base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            assert match.group(1) in families or families.get(base) == "histogram", line
            if families.get(match.group(1)) == "counter":
                assert match.group(1).endswith("_total"), line
    assert families


def test_histogram_is_cumulative(gateway):
    for _ in range(20):
        gateway.get("/")

    def values():
        rows = [(float(re.search(r'le="([^"]+)"', k).group(1).replace("+Inf", "inf")), v) for k, v in gateway.metrics().items()
                if k.startswith("gateway_http_request_duration_seconds_bucket") and 'route="plain"' in k]
        return [v for _, v in sorted(rows)]
    wait_until(lambda: max(values()) >= 20, "all to be counted")
    assert values() == sorted(values()) and values()[-1] == 20


# ---- logs ---------------------------------------------------------------------------------------------------------------------------

def log_lines(path, count):
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= count, f"{count} lines in the access log")
    return path.read_text().splitlines()


def access_log(start, port, format):
    gateway = start([service(port)], start=False, access_log_format=format, workers=1)     # one: lines in order
    path = gateway.dir / "access.log"
    path.touch()
    path.chmod(0o666)
    gateway.write(access_log=str(path))
    gateway.start()
    return gateway, path


def test_access_log_json(origin, start):
    gateway, path = access_log(start, origin.port, "json")
    gateway.get('/a"b?q=\\', 'User-Agent: x"\\\t y', host="localhost")
    gateway.ask("POST", "/post", body=b"hello")
    rows = [json.loads(line) for line in log_lines(path, 2)]
    assert rows[0]["status"] == 200 and rows[1]["method"] == "POST"
    assert any("/post" in str(v) for v in rows[1].values())
    assert any('x"\\' in str(v) for v in rows[0].values())
    assert all(isinstance(r["total_ms"], (int, float)) for r in rows)


def test_access_log_combined(origin, start):
    gateway, path = access_log(start, origin.port, "combined")
    gateway.get("/x?y=1", "User-Agent: agent/1.0", "Referer: http://from/")
    gateway.get("/", "User-Agent: inject\"; DROP", host="localhost")
    lines = log_lines(path, 2)
    assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /x\?y=1 HTTP/1\.1" 200 \d+ '
                        r'"http://from/" "agent/1\.0"', lines[0]), lines[0]
    assert re.search(r'inject(\\"|\\x22); DROP"$', lines[1]), "a quote of a client ends the field"


def test_access_log_says_why_the_cache_stood_aside(origins, start):
    """Every Bypass has its reason in the log, word for word as in Cache-Status; so has what was not stored."""
    def answer(connection, request):
        fields = {"/private": ["Cache-Control: private"], "/cookie": ["Set-Cookie: a=b"], "/star": ["Vary: *"]}
        body = b"x" * (5000 if request.target == "/large" else 10)
        connection.send(reply(404 if request.target == "/missing" else 200, "Content-Type: text/html" if
                              request.target == "/html" else "Content-Type: text/plain",
                              *fields.get(request.target, []), body=body))
    config = {"cache_control": True, "response_code": [200], "content_type": ["text/plain"], "max_object_size": "1k",
              "bypass": {"headers": ["X-Skip"]}, "no_store": {"query": ["private"]}, "response_headers": {"Cache-Status": True}}
    origin = origins(answer)
    gateway = start([service(origin.port, route(plugins=[proxy_cache(**config)]))], start=False, workers=1)
    path = gateway.dir / "access.log"
    path.touch()
    path.chmod(0o666)
    gateway.write(access_log=str(path))
    gateway.start()
    asked = [("POST", "/x"), ("GET", "/x", "Cache-Control: no-store"), ("GET", "/x", "X-Skip: 1"),
             ("GET", "/x", "If-Match: \"a\""), ("GET", "/missing"), ("GET", "/html"), ("GET", "/large"), ("GET", "/private"),
             ("GET", "/cookie"), ("GET", "/star"), ("GET", "/x?private"), ("HEAD", "/x"), ("GET", "/x", "Authorization: Basic eA==")]
    said = [gateway.ask(*one) for one in asked]
    rows = [json.loads(line) for line in log_lines(path, len(asked))]
    for one, answered, row in zip(asked, said, rows):
        detail = re.search(r'detail="([^"]+)"', answered.get("Cache-Status"))
        assert detail, (one, answered)
        assert (row["cache"], row["cache_reason"]) == (answered.get("X-Cache-Status"), detail.group(1)), (one, row)
        assert row["cache"] == "Bypass", (one, row)
    gateway.get("/x")
    gateway.get("/x")
    assert all("cache_reason" not in json.loads(line) for line in log_lines(path, len(asked) + 2)[len(asked):])


def test_refused_requests_are_logged_too(origin, start):
    gateway, path = access_log(start, origin.port, "json")
    raw(gateway.port, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert json.loads(log_lines(path, 1)[0])["status"] == 400


def test_reopen_logs(origin, start):
    gateway, path = access_log(start, origin.port, "json")
    gateway.get("/before")
    log_lines(path, 1)
    for log in (path, gateway.error_log):
        os.rename(log, f"{log}.1")
        log.touch()
        log.chmod(0o666)
    gateway.kill(signal.SIGUSR1)
    wait_until(lambda: (gateway.get("/after").status, time.sleep(0.05), path.stat().st_size)[2], "the new access log")
    assert "/before" in (gateway.dir / "access.log.1").read_text() and "/before" not in path.read_text()
    gateway.control("DELETE", "/proxy-cache/")
    wait_until(lambda: gateway.error_log.stat().st_size, "the new error log")


def test_error_log_on_standard_error(origin, start):
    gateway = start([service(origin.port)], error_log="stderr")
    gateway.control("DELETE", "/proxy-cache/")
    wait_until(lambda: "uid=" in gateway.output.read_text(), "a line on standard error")
    assert re.search(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} \[\w+\] \d+ ", gateway.output.read_text(), re.M)
