# SPDX-License-Identifier: Apache-2.0
"""request-transformer beside a slow model of it: many changes, of JSON, forms, multipart forms and queries made by a
random generator with fixed seeds, have the outcome that a few lines of Python give."""
import json
import random
import re
import urllib.parse

import pytest
from harness import plugin, route, service

NAMES = ["a", "b", "c", "d", "é", "x y", 'q"']
VALUES = ["v", 'w"\\', "é:&=", "1"]
GROUPS = ("remove", "rename", "replace", "add", "append")


def some_changes(rng):
    def one(group):
        name = rng.choice(NAMES)
        return name if group == "remove" else name + ":" + rng.choice(NAMES if group == "rename" else VALUES)
    changes = {group: [one(group) for _ in range(rng.randint(0, 3))] for group in GROUPS}
    return {group: texts for group, texts in changes.items() if texts}


def pairs_of(changes, group):
    return [text.split(":", 1) for text in changes.get(group, [])]


def model_of_json(members, changes):
    members = dict(members)     # the last of several counts
    for name in changes.get("remove", []):
        members.pop(name, None)
    for old, new in pairs_of(changes, "rename"):
        if old in members and old != new:
            members[new] = members.pop(old)
    for name, value in pairs_of(changes, "replace"):
        if name in members:
            members[name] = value
    for name, value in pairs_of(changes, "add"):
        members.setdefault(name, value)
    for name, value in pairs_of(changes, "append"):
        old = members.get(name)
        members[name] = [*old, value] if isinstance(old, list) else [old, value] if name in members else [value]
    return members


def model_of_form(items, changes):
    def there(name):
        return any(n == name for n, _ in items)
    items = [item for item in items if item[0] not in changes.get("remove", [])]
    for old, new in pairs_of(changes, "rename"):
        if there(old) and old != new:
            items = [(new if n == old else n, v) for n, v in items if n != new]
    for name, value in pairs_of(changes, "replace"):
        if there(name):
            items = [item for item in items if item[0] != name] + [(name, value)]
    for name, value in pairs_of(changes, "add"):
        if not there(name):
            items = [*items, (name, value)]
    return sorted(items + [tuple(pair) for pair in pairs_of(changes, "append")])


def some_json(rng):
    values = [1, -2.5e3, None, True, "s", 'é\u2028\\"', [], [1, "x", [2]], {"a": 1, "a2": {}}, {}]
    members = [(rng.choice(NAMES), rng.choice(values)) for _ in range(rng.randint(0, 6))]
    texts = [json.dumps(name, ensure_ascii=rng.random() < 0.5) + rng.choice((":", " : ")) + json.dumps(value, ensure_ascii=rng.random() < 0.5)
             for name, value in members]
    return members, ("{" + ",".join(texts) + "}").encode()


def multipart_of(items):
    part = '--xYz\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return ("".join(part.format(name.replace('"', "%22"), value) for name, value in items) + "--xYz--\r\n").encode()


def read_multipart(body):
    part = r'--xYz\r\nContent-Disposition: form-data; name="([^"]*)"\r\n\r\n(.*?)(?=\r\n--xYz)'
    return sorted((name.replace("%22", '"'), value) for name, value in re.findall(part, body.decode(), re.S))


def read_form(text):
    return sorted(urllib.parse.parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize("seed", [1, 2])
def test_changes_are_those_of_the_model(origin, start, seed):
    rng = random.Random(seed)
    sets = [some_changes(rng) for _ in range(15)]
    routes = [route(f"r{i}", [f"/r{i}/"], plugins=[plugin("request-transformer", **{
        group: {"body": texts, "querystring": texts} for group, texts in changes.items()})]) for i, changes in enumerate(sets)]
    client = start([service(origin.port, *routes)], workers=1).client()

    def sent(path, kind, body):
        assert client.ask("POST", path, f"Content-Type: {kind}", body=body).status == 200
        return origin.last
    for i, changes in enumerate(sets):
        for _ in range(8):
            members, text = some_json(rng)
            items = [(rng.choice(NAMES), rng.choice(["1", "é &", "a=b", ""])) for _ in range(rng.randint(0, 5))]
            form = urllib.parse.urlencode(items, quote_via=rng.choice([urllib.parse.quote, urllib.parse.quote_plus]))
            got = sent(f"/r{i}/?{form}", "application/json", text)
            assert json.loads(got.body) == model_of_json(members, changes), (changes, text)
            assert read_form(got.target.partition("?")[2]) == model_of_form(items, changes), (changes, form)
            got = sent(f"/r{i}/", "application/x-www-form-urlencoded", form.encode())
            assert read_form(got.body.decode()) == model_of_form(items, changes), (changes, form)
            got = sent(f"/r{i}/", "multipart/form-data; boundary=xYz", multipart_of(items))
            assert read_multipart(got.body) == model_of_form(items, changes), (changes, items)
