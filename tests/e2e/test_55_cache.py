# SPDX-License-Identifier: Apache-2.0
"""proxy-cache: what is stored and what is not, what a client sees of it, what all workers share."""
import email.utils
import re
import threading
import time

import pytest

from harness import HELD, SANITIZED, plugin, proxy_cache, reply, route, service, wait_until

JSON = "Content-Type: application/json"


class Cached:
    """A gateway with one cached route; the origin answers what .fields and .body say and counts."""

    def __init__(self, origins, start, *plugins, settings=None, **config):
        self.status, self.fields, self.body = 200, [JSON], None
        self.origin = origins(self.answer)
        self.gateway = start([service(self.origin.port, route(plugins=[proxy_cache(**config), *plugins]))], **(settings or {}))

    def answer(self, connection, request):
        body = self.body if self.body is not None else b'{"n": %d}' % (len(self.origin.requests))
        if request.method == "HEAD":
            connection.send(reply(self.status, *self.fields, f"Content-Length: {len(body)}", length=False))
        else:
            connection.send(reply(self.status, *self.fields, body=body))

    def state(self, target="/x", *fields, method="GET", **options):
        return self.gateway.ask(method, target, *fields, **options).get("X-Cache-Status")

    @property
    def count(self):
        return len(self.origin.requests)


@pytest.fixture
def cached(origins, start):
    return lambda *plugins, **config: Cached(origins, start, *plugins, **config)


def test_miss_then_hit(cached):
    it = cached()
    first, second = it.gateway.get("/x"), it.gateway.get("/x")
    assert (first.get("X-Cache-Status"), second.get("X-Cache-Status")) == ("Miss", "Hit")
    assert first.body == second.body and second.get("Content-Type") == "application/json"
    assert re.fullmatch(r"[0-9a-f]{32}", first.get("X-Cache-Key")) and first.get("X-Cache-Key") == second.get("X-Cache-Key")
    assert "Age" not in first and second.get("Age").isdigit()
    assert "X-Gateway-Upstream-Latency" not in second
    assert it.count == 1


def test_hit_in_every_worker(cached):
    it = cached(settings={"workers": 4})
    assert it.state() == "Miss"
    assert {it.state() for _ in range(40)} == {"Hit"} and it.count == 1


def test_age_grows_and_ttl_ends_it(cached):
    it = cached(cache_ttl=4)
    began = time.monotonic()
    it.gateway.get("/x")
    ages = [0]

    def is_over():
        answer = it.gateway.get("/x")
        if answer.get("X-Cache-Status") == "Hit":
            ages.append(int(answer.get("Age")))
            assert ages[-1] <= time.monotonic() - began + 1      # whole seconds, either side of a tick
            return False
        return answer.get("X-Cache-Status") in ("Miss", "Refresh")
    wait_until(is_over, "the end of its time")
    assert time.monotonic() - began >= 3 and ages[-1] < 4
    wait_until(lambda: it.state() == "Hit", "the new one")


def test_age_is_counted_from_when_it_was_stored(cached):
    it = cached(cache_ttl=600)
    it.gateway.get("/x")
    wait_until(lambda: int(it.gateway.get("/x").get("Age")) >= 2, "its age")
    assert it.count == 1


def test_key_of_method_path_query_host(cached):
    it = cached()
    for target, host in (("/x", "a"), ("/x", "b"), ("/y", "a"), ("/x?q=1", "a"), ("/x?q=2", "a"), ("/X", "a")):
        assert it.state(target, host=host) == "Miss", (target, host)
        assert it.state(target, host=host) == "Hit", (target, host)


def test_ignore_uri_case(cached):
    it = cached(ignore_uri_case=True)
    assert it.state("/Ab") == "Miss" and it.state("/aB") == "Hit"


def test_ignore_uri_case_leaves_the_query_alone(cached):
    """As Kong's: ids and tokens in a query mean something else in another case."""
    it = cached(ignore_uri_case=True)
    assert it.state("/Ab?id=xY") == "Miss" and it.state("/ab?id=Xy") == "Miss" and it.state("/aB?id=xY") == "Hit"
    for purge in (("--url", "http://localhost/AB?id=xY"), ("--prefix", "/AB?id=x")):
        done = it.gateway.ctl("purge", *purge)
        assert done.returncode == 0, done.stderr
        assert it.state("/ab?id=xY") == "Miss" and it.state("/ab?id=Xy") == "Hit"


def test_one_object_for_spellings_of_one_path(cached):
    it = cached()
    assert it.state("/a/b") == "Miss"
    assert it.state("/a/./b") == "Hit" and it.state("/a/%62") == "Hit" and it.state("/c/../a/b") == "Hit"


def test_head_from_a_stored_get(cached):
    it = cached()
    stored = it.gateway.get("/x")
    answer = it.gateway.ask("HEAD", "/x")
    assert answer.get("X-Cache-Status") == "Hit" and answer.get("Content-Length") == str(len(stored.body)) and it.count == 1


def test_head_does_not_poison_get(cached):
    it = cached()
    it.gateway.ask("HEAD", "/x")
    answer = it.gateway.get("/x")
    assert answer.body and answer.status == 200
    assert it.state() == "Hit"


def test_bypass(cached):
    it = cached()
    assert it.state(method="POST") == "Bypass" and it.state(method="POST") == "Bypass"
    it.status = 500
    assert it.state("/500") == "Bypass" and it.state("/500") == "Bypass"
    it.status, it.fields = 200, ["Content-Type: text/html"]
    assert it.state("/html") == "Bypass" and it.state("/html") == "Bypass"
    it.fields = []
    assert it.state("/typeless") == "Bypass"
    assert it.count == 7


@pytest.mark.parametrize("listed,sent,hit", [
    (["application/json; charset=utf-8"], "application/json; charset=utf-8", True),
    (["application/json;charset=UTF-8"], "Application/JSON ;  charset=utf-8", True),
    (["application/json"], "application/json; charset=utf-8", False),
    (["application/json; charset=utf-8"], "application/json", False),
    (["*/*"], "image/png", True), (["image/*"], "image/png", True), (["image/*"], "text/plain", False),
])
def test_content_type(cached, listed, sent, hit):
    it = cached(content_type=listed)
    it.fields = [f"Content-Type: {sent}"]
    it.gateway.get("/x")
    assert it.state() == ("Hit" if hit else "Bypass")


def test_response_code_and_request_method(cached):
    it = cached(response_code=[418], request_method=["POST"])
    it.status = 418
    assert it.state(method="POST") == "Miss" and it.state(method="POST") == "Hit"
    assert it.state() == "Bypass"
    it.status = 200
    assert it.state("/y", method="POST") == "Bypass"


def test_vary_headers(cached):
    it = cached(vary_headers=["Accept-Language"])
    for language in ("de", "en"):
        assert it.state("/x", f"Accept-Language: {language}") == "Miss"
        assert it.state("/x", f"accept-language: {language}", "X-Other: 1") == "Hit"
    assert it.state("/x") == "Miss"


def test_vary_query_params(cached):
    it = cached(vary_query_params=["page"])
    assert it.state("/x?page=1&session=a") == "Miss" and it.state("/x?session=b&page=1") == "Hit"
    assert it.state("/x?page=2") == "Miss"


def test_vary_query_params_where_paths_have_no_case(cached):
    it = cached(vary_query_params=["Page"], ignore_uri_case=True)
    assert it.state("/x?Page=1&s=a") == "Miss" and it.state("/X?s=b&Page=1") == "Hit"
    assert it.state("/x?Page=2") == "Miss" and it.state("/x?%50age=3") == "Miss" and it.state("/x") == "Miss"
    assert it.state("/x?page=7") == "Hit"      # which is another parameter, and not chosen


def test_response_headers_switches(cached):
    it = cached(response_headers={"age": False, "X-Cache-Status": False, "X-Cache-Key": False})
    it.gateway.get("/x")
    answer = it.gateway.get("/x")
    assert it.count == 1 and not [n for n in ("Age", "X-Cache-Status", "X-Cache-Key") if n in answer]


# ---- never shared -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("field", ["Cache-Control: private", "Cache-Control: no-store", "Set-Cookie: id=1",
                                   "Cache-Control: no-store, must-understand",
                                   "Cache-Control: max-age=100, PRIVATE", "Cache-Control: private=\"x\", max-age=5"])
def test_private_answers_are_never_stored(cached, field):
    it = cached()
    it.fields = [JSON, field]
    it.gateway.get("/x")
    assert it.state() == "Bypass" and it.count == 2


def test_store_set_cookie_on_request(cached):
    it = cached(store_set_cookie=True)
    it.fields = [JSON, "Set-Cookie: lang=de"]
    it.gateway.get("/x")
    assert it.state() == "Hit"


@pytest.mark.parametrize("obey", [False, True])
def test_authorization(cached, obey):
    """Without cache_control the response cannot allow it to be shared: nobody looks at what it says."""
    it = cached(cache_control=obey, cache_ttl=60)
    it.gateway.get("/x", "Authorization: Basic abc")
    assert it.state("/x", "Authorization: Basic abc") == "Bypass"
    it.fields = [JSON, "Cache-Control: public, max-age=60"]
    it.gateway.get("/public", "Authorization: Basic abc")
    assert it.state("/public", "Authorization: Basic abc") == ("Hit" if obey else "Bypass")
    it.gateway.get("/other")
    assert it.state("/other") == "Hit" and it.state("/other", "Authorization: Basic abc") == ("Hit" if obey else "Bypass")


def test_vary_of_the_origin_is_not_mixed(cached):
    """Whatever is done with Vary, a client never gets another's variant."""
    it = cached()
    it.fields = [JSON, "Vary: Accept-Encoding", "Content-Encoding: gzip"]
    it.body = b"gzipped"
    it.gateway.get("/x", "Accept-Encoding: gzip")
    it.fields, it.body = [JSON, "Vary: Accept-Encoding"], b"plain"
    assert it.gateway.get("/x").body == b"plain"
    it.fields = [JSON, "Vary: *"]
    it.gateway.get("/star")
    assert it.state("/star") != "Hit"


def test_consumers_do_not_share(cached):
    consumers = tuple({"username": n, "keyauth_credentials": ({"key": f"{n}-key"},)} for n in ("alice", "bob"))
    it = cached(plugin("key-auth"), settings={"consumers": consumers})
    assert it.state("/x", "apikey: alice-key") == "Miss" and it.state("/x", "apikey: bob-key") == "Miss"
    assert it.state("/x", "apikey: alice-key") == "Hit"
    assert it.gateway.get("/x").status == 401, "the cache comes after authentication"


def test_interrupted_fill_is_not_stored(origins, start):
    end = threading.Event()

    def handler(connection, request):
        if request.number == 1:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\nhalf")
            end.wait(HELD)               # a head that comes together with the end is answered by a 502
            return False
        connection.send(reply(200, JSON, body=b"whole"))
        return None
    server = origins(handler)
    gateway = start([service(server.port, route(plugins=[proxy_cache()]))])
    client = gateway.client()
    client.request("GET", "/x")
    half = client.response(body=False)
    end.set()
    client.read_body(half)
    assert not half.complete
    client.close()
    answer = gateway.get("/x")
    assert answer.body == b"whole" and answer.get("X-Cache-Status") == "Miss"


# ---- Cache-Control ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fields,hit", [
    (["Cache-Control: max-age=60"], True), (["Cache-Control: s-maxage=60, max-age=0"], True),
    (["Cache-Control: no-cache"], False), (["Cache-Control: no-store"], False), (["Cache-Control: max-age=0"], False),
    (["Cache-Control: s-maxage=0, max-age=60"], False),
    ([f"Expires: {email.utils.formatdate(time.time() + 864000, usegmt=True)}"], True),
    ([f"Expires: {email.utils.formatdate(time.time() - 600, usegmt=True)}"], False),
])
def test_cache_control_of_the_response(cached, fields, hit):
    it = cached(cache_control=True)
    it.fields = [JSON, *fields]
    it.gateway.get("/x")
    assert (it.state() == "Hit") == hit


def test_cache_control_of_the_request(cached):
    it = cached(cache_control=True)
    it.fields = [JSON, "Cache-Control: max-age=60"]
    it.gateway.get("/x")
    assert it.state("/x", "Cache-Control: no-store") == "Bypass"
    assert it.state("/x", "Cache-Control: no-cache") in ("Refresh", "Bypass", "Miss")
    time.sleep(1.1)
    assert it.state("/x", "Cache-Control: max-age=0") in ("Refresh", "Miss")
    answer = it.gateway.get("/never", "Cache-Control: only-if-cached")
    assert answer.status == 504
    assert it.state("/x", "Cache-Control: only-if-cached") == "Hit"


def test_cache_control_is_not_obeyed_unless_asked_for(cached):
    it = cached()
    it.fields = [JSON, "Cache-Control: max-age=0"]
    it.gateway.get("/x")
    assert it.state() == "Hit"


# ---- many at once, and size ------------------------------------------------------------------------------------------------

def test_many_misses_at_once_all_get_the_whole_body(origins, start):
    def handler(connection, request):
        time.sleep(0.5)
        connection.send(reply(200, JSON, body=b"x" * 200000))
    server = origins(handler)
    gateway = start([service(server.port, route(plugins=[proxy_cache()]))], workers=3)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(gateway.get("/x")), daemon=True) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(a.body) for a in answers] == [200000] * 30 and {a.status for a in answers} == {200}
    assert gateway.get("/x").get("X-Cache-Status") == "Hit"


@pytest.mark.parametrize("size", [0, 1, 4096, 100000, 3000000])
def test_sizes_come_back_as_they_were(cached, size):
    it = cached(settings={"shared_dicts": ({"name": "gateway_cache", "size": "32m"},)})
    it.body = bytes(i % 251 for i in range(min(size, 65536))) * (size // 65536 + 1)
    it.body = it.body[:size]
    assert it.gateway.get("/x").body == it.body
    answer = it.gateway.get("/x")
    assert answer.get("X-Cache-Status") == "Hit" and answer.body == it.body and it.count == 1


def test_object_larger_than_the_cache_passes(cached):
    it = cached(settings={"shared_dicts": ({"name": "gateway_cache", "size": "2m"},)})
    it.body = b"x" * (6 << 20)
    for _ in range(2):
        assert it.gateway.get("/big").body == it.body
    it.body = b"small"
    it.gateway.get("/small")
    assert it.state("/small") == "Hit"


def test_eviction_keeps_it_working(cached):
    it = cached(settings={"shared_dicts": ({"name": "gateway_cache", "size": "2m"},)})
    it.body = b"x" * 20000
    client = it.gateway.client()
    for i in range(400):
        assert client.ask("GET", f"/{i}").status == 200
    assert client.ask("GET", "/399").get("X-Cache-Status") == "Hit"
    assert client.ask("GET", "/0").get("X-Cache-Status") == "Miss"
    client.close()
    stat = it.gateway.control("GET", "/cache").json()["dicts"][0]
    assert stat["evictions"] > 100 and stat["used"] <= 2 << 20


def test_chunked_answer_is_stored_with_its_length(origins, start):
    server = origins(lambda c, r: c.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
                                         b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"))
    gateway = start([service(server.port, route(plugins=[proxy_cache()]))])
    assert gateway.get("/x").body == b"hello world"
    answer = gateway.get("/x")
    assert answer.get("X-Cache-Status") == "Hit" and answer.get("Content-Length") == "11" and answer.body == b"hello world"


def test_hop_by_hop_fields_are_not_stored(cached):
    it = cached()
    it.fields = [JSON, "Connection: X-Once", "X-Once: 1", "Keep-Alive: timeout=1", "Proxy-Authentication-Info: x", "X-Stays: 1"]
    it.gateway.get("/x")
    answer = it.gateway.get("/x")
    assert answer.get("X-Cache-Status") == "Hit" and answer.get("X-Stays") == "1"
    assert not [name for name in ("X-Once", "Keep-Alive", "Proxy-Authentication-Info") if name in answer]


def test_slow_reader_of_a_hit_gets_its_bytes_even_if_purged(cached):
    """A pinned object is not overwritten under a reader."""
    it = cached(settings={"shared_dicts": ({"name": "gateway_cache", "size": "24m"},)})
    it.body = bytes(range(256)) * 32768          # 8 MB: more than sockets hold
    it.gateway.get("/x")
    client = it.gateway.client(receive_buffer=65536)
    client.request("GET", "/x")
    head = client.response(body=False)
    assert head.get("X-Cache-Status") == "Hit"
    assert it.gateway.control("DELETE", "/proxy-cache/").status == 204
    expected, it.body = it.body, b"y" * 100000
    for i in range(120):
        it.gateway.get(f"/other{i}")
    client.read_body(head)
    assert head.body == expected
    client.close()


def test_global_scope(origins, start):
    def handler(connection, request):
        connection.send(reply(200, JSON, body=b"x"))
    one, two = origins(handler), origins(handler)
    gateway = start([service(one.port, route("a", ["/a"]), name="one"), service(two.port, route("b", ["/b"]), name="two")],
                    plugins=(proxy_cache(),))
    for path in ("/a", "/b"):
        assert gateway.get(path).get("X-Cache-Status") == "Miss" and gateway.get(path).get("X-Cache-Status") == "Hit"


def test_storage_ttl_lets_clients_accept_stale(cached):
    it = cached(cache_control=True, storage_ttl=6000)
    it.fields = [JSON, "Cache-Control: max-age=1", 'ETag: "v"']      # what is that old on arrival is stored all the same
    it.gateway.get("/x")
    time.sleep(2.1)
    assert it.gateway.get("/x", "Cache-Control: max-stale=6000").get("X-Cache-Status") in ("Hit", "Stale")
    assert it.count == 1
    assert it.state() in ("Refresh", "Miss", "Revalidated") and it.count == 2


def test_workers_memory_does_not_grow_with_hits(cached):
    if SANITIZED:
        pytest.skip("memory is not comparable under sanitizers")
    it = cached()
    it.body = b"x" * 50000
    it.gateway.get("/x")
    before = it.gateway.memory()
    client = it.gateway.client()
    for _ in range(2000):
        assert len(client.ask("GET", "/x").body) == 50000
    client.close()
    assert it.gateway.memory() - before < 1 << 20
