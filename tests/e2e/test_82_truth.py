# SPDX-License-Identifier: Apache-2.0
"""Whatever happens at the same time, an answer of the cache is true: it is what the origin said for that URL and these
fields, whole, and not older than the last purge that had been answered when the request began.

Clients, purges of all kinds, changes by POST, an origin that breaks off, clients that leave, workers that are killed and
reloads with dictionaries of other sizes run for some seconds; each answer says in its body what it is."""
import contextlib
import os
import random
import re
import signal
import threading
import time

import pytest

from harness import proxy_cache, reply, route, service, wait_until

SECONDS, ENOUGH = 8, 200         # of answers: a slow machine gets more time for them
KINDS = {            # of resources, and what the origin says of them
    "plain": ["Cache-Control: max-age=100"],
    "tag": ["Cache-Control: max-age=100", "Cache-Tag: a, tag"],
    "big": ["Cache-Control: max-age=100"],
    "vary": ["Cache-Control: max-age=100", "Vary: X-V"],
    "grows": ["Cache-Control: max-age=100", "Vary: X-V"],           # and sometimes X-W
    "mixed": ["Cache-Control: max-age=100", "Vary: X-V"],           # but private with X-V
    "short": ["Cache-Control: max-age=1"],
    "behind": ["Cache-Control: max-age=1, stale-while-revalidate=3"],
    "checked": ["Cache-Control: max-age=0"],                        # with an ETag, as short has one
}
URLS = [f"/{kind}/{i}" for kind in KINDS for i in range(4)]


def kind_of(url):
    return url.split("/")[1]


def body_of(url, value, version):
    line = f"{url}|{value if kind_of(url) in ('vary', 'grows', 'mixed') else '-'}|{version}|".encode()
    size = 200000 if kind_of(url) == "big" else 900
    return (line * (size // len(line) + 1))[:size]


class Truth:
    """What the origin says now, by URL, and what nobody may get any more an older version of."""

    def __init__(self):
        self.lock = threading.Lock()
        self.version = dict.fromkeys(URLS, 1)
        self.least = dict.fromkeys(URLS, 1)
        self.lies = []
        self.checked = 0
        self.over = threading.Event()

    def change(self, url):
        with self.lock:
            self.version[url] += 1
            return dict(self.version)

    def purged(self, urls, versions):
        with self.lock:
            for url in urls:
                self.least[url] = max(self.least[url], versions[url])

    def check(self, url, value, answer, least):
        if not answer.complete or answer.status in (502, 504):
            return
        part = slice(0, None)
        if answer.status == 206:
            first, last = re.match(r"bytes (\d+)-(\d+)/", answer.get("Content-Range")).groups()
            part = slice(int(first), int(last) + 1)
        with self.lock:
            newest = self.version[url]
            self.checked += 1
        for version in range(newest, least - 1, -1):
            if body_of(url, value, version)[part] == answer.body:
                return
        self.lies.append((url, value, least, newest, answer.status, answer.fields, answer.body[:80]))


def origin_of(truth, dice):
    def head(fields, framing):
        return "\r\n".join(["HTTP/1.1 200 OK", *fields, framing]).encode() + b"\r\n\r\n"

    def answer(connection, request):
        url, value, fate = request.target, request.get("X-V") or "-", dice.random()
        version, fields = truth.version[url], list(KINDS[kind_of(url)])
        if kind_of(url) == "grows" and dice.random() < 0.5:
            fields[1] += ", X-W"
        if kind_of(url) == "mixed" and value != "-":
            fields = ["Cache-Control: private"]
        if kind_of(url) in ("short", "checked"):
            fields.append(f'ETag: "{version}"')
            if request.get("If-None-Match") == f'"{version}"':
                connection.send(reply(304, *fields, length=False))
                return None
        body = body_of(url, value, version)
        if fate < 0.1:
            time.sleep(dice.random() * 0.05)
        if fate < 0.03:                                             # it breaks off
            connection.send(head(fields, f"Content-Length: {len(body)}") + body[:len(body) // 2])
            return False
        if fate > 0.25:
            connection.send(reply(200, *fields, body=body))
            return None
        connection.send(head(fields, "Transfer-Encoding: chunked"))
        for i in range(0, len(body), len(body) // 3):
            piece = body[i:i + len(body) // 3]
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if fate < 0.13:
            return False
        connection.send(b"0\r\n\r\n")
        return None
    return answer


def ask_things(gateway, truth, dice):
    client = None
    while not truth.over.is_set():
        url, value = dice.choice(URLS), dice.choice(["-", "a", "b", "c"])
        fields = [f"X-V: {value}"] if value != "-" else []
        fields += [f"X-W: {dice.choice('xy')}"] if dice.random() < 0.3 else []
        fields += [f"Range: bytes={dice.randrange(200)}-{dice.randrange(200, 800)}"] if dice.random() < 0.15 else []
        fields += ["Cache-Control: no-cache"] if dice.random() < 0.05 else []
        least = truth.least[url]
        try:
            client = client or gateway.client()
            if dice.random() < 0.03:                                # it leaves without its answer
                client.request("GET", url, *fields)
                raise EOFError
            truth.check(url, value, client.ask("GET", url, *fields), least)
        except (OSError, EOFError):
            if client:
                client.close()
            client = None


def change_things(gateway, truth, dice):
    while not truth.over.is_set():
        time.sleep(dice.random() * 0.03)
        url = dice.choice(URLS)
        versions, kind = truth.change(url), kind_of(url)
        by, urls = dice.choice([
            (f'{{"url": "http://localhost{url}"}}', [url]), (f'{{"prefix": "/{kind}"}}', [u for u in URLS if kind_of(u) == kind]),
            ('{"tag": "tag"}', [u for u in URLS if kind_of(u) == "tag"]), ('{"all": true}', URLS),
            (f'{{"url": "http://localhost{url}", "soft": true}}', []), (None, [])])
        try:
            if not by:
                gateway.ask("POST", url, "Content-Length: 0")
            elif gateway.control("POST", "/purge", body=by.encode()).status == 200:
                truth.purged(urls, versions)
        except (OSError, EOFError):
            pass                                                    # a process of it was just killed


def workers(gateway):
    """None while the control process is being replaced."""
    try:
        return gateway.pids()
    except (OSError, EOFError):
        return None


def kill_and_reload(gateway, dice, end):
    for size in ("6m", "3m", "12m", "4m"):
        time.sleep(max(0.0, min(1.5, end - time.monotonic())))
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(wait_until(lambda: workers(gateway), "workers")), signal.SIGKILL)
        time.sleep(0.3)
        gateway.write(shared_dicts=({"name": "gateway_cache", "size": size},))
        gateway.reload()


@pytest.mark.parametrize("seed", [1])
def test_answers_are_true(origins, start, seed):
    truth = Truth()
    origin = origins(origin_of(truth, random.Random(seed)))
    cache = proxy_cache(cache_control=True, cache_ttl=0, response_code=[], content_type=[])
    gateway = start([service(origin.port, route(paths=("/",), plugins=[cache]))], workers=3,
                    shared_dicts=({"name": "gateway_cache", "size": "4m"},))
    threads = [threading.Thread(target=what, args=(gateway, truth, random.Random(seed * 100 + i)), daemon=True)
               for i, what in enumerate([ask_things] * 8 + [change_things] * 2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    try:
        kill_and_reload(gateway, random.Random(seed), end)
        wait_until(lambda: truth.lies or (time.monotonic() >= end and truth.checked > ENOUGH), "enough answers")
    finally:
        truth.over.set()
    for thread in threads:
        thread.join()
    assert not truth.lies, f"{len(truth.lies)} of {truth.checked}: {truth.lies[:3]}"
