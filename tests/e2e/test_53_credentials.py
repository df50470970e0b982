# SPDX-License-Identifier: Apache-2.0
"""Plugins that know a consumer by a name: basic-auth, hmac-auth; and secrets that are kept elsewhere."""
import base64
import hashlib
import hmac
import subprocess
import time
from email.utils import formatdate

import pytest
from harness import check, conf_text, free_port, plugin, route, service, stat_of, token, wait_until

ID = "6f2a3c1e-0d5b-4f7a-9c52-0a1b2c3d4e5f"


def basic(name, password):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def basic_gateway(start, origin, *credentials, **config):
    consumers = ({"username": "alice", "id": ID, "basicauth_credentials": credentials}, {"username": "guest"})
    return start([service(origin.port, route(plugins=(plugin("basic-auth", **config),)))], consumers=consumers, workers=1)


def test_basic_auth(origin, start):
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "p:w d"})
    assert gateway.get("/", basic("ali", "p:w d"), "X-Consumer-Username: root").status == 200
    assert origin.last.all("X-Consumer-Username") == ["alice"] and origin.last.get("X-Consumer-ID") == ID
    assert origin.last.get("X-Credential-Identifier") == "ali" and "Authorization" in origin.last
    origin.requests.clear()
    for fields in ((), (basic("ali", "p:w"),), (basic("bob", "p:w d"),), ("Authorization: Basic !!",),
                   (basic("ali", "p:w d"), basic("ali", "p:w d"))):
        answer = gateway.get("/", *fields)
        assert answer.status == 401 and answer.json()["message"] == "Unauthorized", fields
        assert answer.get("WWW-Authenticate") == 'Basic realm="service"'
    assert origin.requests == []


def test_basic_auth_fields(origin, start):
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "pw"}, hide_credentials=True, realm="mine", anonymous="guest")
    assert gateway.get("/", basic("ali", "pw")).status == 200
    assert "Authorization" not in origin.last and origin.last.get("X-Consumer-Username") == "alice"
    assert gateway.get("/", basic("ali", "wrong")).status == 200
    assert origin.last.get("X-Consumer-Username") == "guest" and origin.last.get("X-Anonymous-Consumer") == "true"
    assert "Authorization" not in origin.last
    gateway = basic_gateway(start, origin, {"username": "ali", "password": "pw"}, realm="mine")
    assert gateway.get("/").get("WWW-Authenticate") == 'Basic realm="mine"'


def test_basic_auth_of_hashes(origin, start):
    sha512 = subprocess.run(["openssl", "passwd", "-6", "pw"], capture_output=True, text=True, check=True).stdout.strip()
    gateway = basic_gateway(start, origin, {"username": "k", "password": hashlib.sha1(f"pw{ID}".encode()).hexdigest(),
                                            "password_format": "kong"}, {"username": "c", "password": sha512})
    def says(status, name, password):   # 503 on a machine that is slow at it: enough of wrong ones was computed
        return wait_until(lambda: (code := gateway.get("/", basic(name, password)).status) != 503 and code, "a verdict") == status
    for name in ("k", "c"):
        for _ in range(2):
            assert says(200, name, "pw") and says(401, name, "wrong")
        assert says(401, name, sha512)


def cpu(gateway):
    """Clock ticks that the workers have used."""
    return sum(int(tick) for pid in gateway.pids() for tick in stat_of(pid)[11:13])


def test_a_slow_hash_is_paid_once_a_worker(origin, start):
    """SHA-512 of 1,500,000 rounds takes a good part of a second; fifty requests cost less than three of them."""
    slow = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c",
                           "import crypt; print(crypt.crypt('pw', '$6$rounds=1500000$saltsalt'))"],
                          capture_output=True, text=True, check=True).stdout.strip()
    gateway = basic_gateway(start, origin, {"username": "ali", "password": slow})
    began = cpu(gateway)
    assert gateway.get("/", basic("ali", "pw")).status == 200
    once = cpu(gateway) - began
    for _ in range(50):
        assert gateway.get("/", basic("ali", "pw")).status == 200
    assert cpu(gateway) - began < 4 * once
    assert gateway.get("/", basic("ali", "wrong")).status == 401

    def refused():  # guessing does not hold up the others; who takes his time may guess again
        answer = gateway.get("/", basic("ali", "wrong again"))
        assert answer.status in (401, 503)
        return answer.status == 503 and answer
    assert wait_until(refused, "the bound on wrong passwords").get("Retry-After") == "1"
    assert gateway.get("/", basic("ali", "pw")).status == 200
    gateway.reload()
    assert gateway.get("/", basic("ali", "pw")).status == 200


def test_a_name_that_is_not_there_costs_a_hash_too(origin, start):
    """By how long the answer takes nobody learns which names there are: also the bound on wrong passwords holds for both."""
    slow = subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c",
                           "import crypt; print(crypt.crypt('pw', '$6$rounds=1500000$saltsalt'))"],
                          capture_output=True, text=True, check=True).stdout.strip()
    gateway = basic_gateway(start, origin, {"username": "plain", "password": "pw"}, {"username": "ali", "password": slow})
    assert gateway.get("/", basic("plain", "pw")).status == 200
    began = cpu(gateway)
    assert gateway.get("/", basic("nobody", "pw")).status == 401
    assert cpu(gateway) - began >= 5     # ticks of 10 ms; without a hash it is none
    for name in ("nobody else", "plain"):    # each that is computed makes the next one less likely to be
        wait_until(lambda name=name: gateway.get("/", basic(name, "wrong")).status == 503, "the bound on wrong passwords")
    assert gateway.get("/", basic("plain", "pw")).status == 200


# ---- hmac-auth

def sign(method, target, *fields, secret="shared", algorithm="sha256", headers="date request-line", user="ali"):
    """The request's fields with a signature over those that `headers` names."""
    known = dict(field.split(": ", 1) for field in fields)
    known["@request-target"] = f"{method.lower()} {target}"
    lines = [f"{method} {target} HTTP/1.1" if name == "request-line" else f"{name}: {known.get(name, '')}" for name in headers.split()]
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), algorithm).digest()
    return (*fields, f'Authorization: hmac username="{user}", algorithm="hmac-{algorithm}", headers="{headers}", '
                     f'signature="{base64.b64encode(digest).decode()}"')


def hmac_gateway(start, origin, **config):
    consumers = ({"username": "alice", "hmacauth_credentials": ({"username": "ali", "secret": "shared"},)}, {"username": "guest"})
    return start([service(origin.port, route(plugins=(plugin("hmac-auth", **config),)))], consumers=consumers)


def test_hmac_auth(origin, start):
    gateway = hmac_gateway(start, origin)
    date = f"date: {formatdate(usegmt=True)}"
    for algorithm in ("sha1", "sha256", "sha384", "sha512"):
        assert gateway.get("/a?b=c", *sign("GET", "/a?b=c", date, algorithm=algorithm)).status == 200
    assert origin.last.all("X-Consumer-Username") == ["alice"] and origin.last.get("X-Credential-Identifier") == "ali"
    assert "Authorization" in origin.last
    whole = sign("GET", "/a?b=c", date, headers="date @request-target")
    assert gateway.get("/a?b=c", *whole).status == 200
    origin.requests.clear()
    for target, fields, message in (
            ("/a?b=d", sign("GET", "/a?b=c", date), "HMAC signature does not match"),
            ("/a?b=d", whole, "HMAC signature does not match"),
            ("/", sign("GET", "/", date, secret="other"), "HMAC signature does not match"),
            ("/", sign("GET", "/", date, user="bob"), "HMAC signature cannot be verified"),
            ("/", (date, "Authorization: hmac x"), "HMAC signature cannot be verified"),
            ("/", (date,), "Unauthorized"),
            ("/", sign("GET", "/", "date: Sun, 06 Nov 1994 08:49:37 GMT"), "HMAC signature cannot be verified, a valid date or x-date "
                                                                         "header is required for HMAC Authentication")):
        answer = gateway.get(target, *fields)
        assert answer.status == 401 and answer.json()["message"] == message and answer.get("WWW-Authenticate") == "hmac"
    assert origin.requests == []


def test_hmac_auth_fields(origin, start):
    gateway = hmac_gateway(start, origin, hide_credentials=True, enforce_headers=["x-date", "request-line"], algorithms=["hmac-sha512"],
                           clock_skew=100, realm="mine", anonymous="guest")
    date = formatdate(usegmt=True)
    good = {"algorithm": "sha512", "headers": "x-date request-line"}
    for fields, who in ((sign("GET", "/", f"x-date: {date}", **good), "alice"),
                        (sign("GET", "/", f"x-date: {date}", **{**good, "algorithm": "sha256"}), "guest"),
                        (sign("GET", "/", f"x-date: {date}", **{**good, "headers": "x-date"}), "guest"),
                        (sign("GET", "/", f"x-date: {formatdate(time.time() - 200, usegmt=True)}", **good), "guest")):
        assert gateway.get("/", *fields).status == 200
        assert origin.last.get("X-Consumer-Username") == who and "Authorization" not in origin.last
    gateway = hmac_gateway(start, origin, realm="mine")
    assert gateway.get("/").get("WWW-Authenticate") == 'hmac realm="mine"'


# ---- secrets that are kept elsewhere

def test_secrets_from_files(origin, start, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    reference = f"$(file:{secret})"
    consumers = ({"username": "alice", "keyauth_credentials": ({"key": reference},)},)
    change = plugin("request-transformer", add={"headers": [f"X-Token:Bearer {reference}"]})
    gateway = start([service(origin.port, route(plugins=(plugin("key-auth"), change)))], consumers=consumers)
    assert gateway.get("/", "apikey: first").status == 200 and origin.last.get("X-Token") == "Bearer first"
    assert gateway.get("/", f"apikey: {reference}").status == 401
    secret.write_text("second\n")
    assert gateway.get("/", "apikey: first").status == 200  # until it is told
    gateway.reload()
    assert gateway.get("/", "apikey: first").status == 401 and gateway.get("/", "apikey: second").status == 200
    secret.unlink()
    assert gateway.ctl("reload").returncode != 0 and gateway.get("/", "apikey: second").status == 200
    assert "first" not in gateway.log() and "second" not in gateway.log()


def test_secrets_are_not_printed(tmp_path):
    (tmp_path / "secret").write_text("opensesame\n")
    text = ('consumers = ( { username = "a"; keyauth_credentials = ( { key = "$(env:TEST_KEY)"; } ); basicauth_credentials = ( { '
            f'username = "u"; password = "$(file:{tmp_path}/secret)"; }} ); }} );\n')
    done = check(text, "-T", environment={"TEST_KEY": "opensesame"})
    assert done.returncode == 0 and "opensesame" not in done.stdout + done.stderr
    assert 'key = "$(env:TEST_KEY)"' in done.stdout and f'password = "$(file:{tmp_path}/secret)"' in done.stdout
    again = check(done.stdout, "-T", environment={"TEST_KEY": "opensesame"})
    assert again.returncode == 0 and again.stdout == done.stdout
    plain = check(text.replace("$(env:TEST_KEY)", "opensesame").replace(f"$(file:{tmp_path}/secret)", "opensesame"), "-T")
    assert plain.returncode == 0 and "opensesame" not in plain.stdout + plain.stderr
    again = check(plain.stdout, "-T")
    assert again.returncode == 0 and again.stdout == plain.stdout
    told = check(conf_text({"plugins": (plugin("request-transformer", add={"headers": ["Authorization:Bearer opensesame", "X-A:seen"]}),
                                        plugin("oauth2-introspection", introspection_url="http://127.0.0.1/", custom_introspection_headers={
                                            "x-api-key": ["opensesame"]}))}), "-T")
    assert told.returncode == 0 and "opensesame" not in told.stdout and '"Authorization:***", "X-A:seen"' in told.stdout
    assert check(told.stdout, "-T").stdout == told.stdout
    done = check(text)
    assert done.returncode != 0 and '"$(env:TEST_KEY)" is not in the environment' in done.stderr


@pytest.mark.parametrize("config, why", [
    ({"add": {"json": ["x:$(env:TEST_KEY)"], "json_types": ["number"]}}, '"x:$(env:TEST_KEY)" is not a number'),
    ({"add": {"json": ["a..b:$(env:TEST_KEY)"]}, "dots_in_keys": False}, '"a..b:$(env:TEST_KEY)" has a part without a name'),
    ({"add": {"headers": ["a b:$(env:TEST_KEY)"]}}, '"a b:$(env:TEST_KEY)" is not a header\'s name'),
    ({"add": {"headers": ["$(env:TEST_KEY)"]}}, '"$(env:TEST_KEY)" is not "name:value"'),
    ({"rename": {"headers": ["x:$(env:TEST_KEY) y"]}}, '"x:$(env:TEST_KEY) y" is not a header\'s name'),
    ({"replace": {"headers": ["Content-Length:$(env:TEST_KEY)"]}}, '"Content-Length:$(env:TEST_KEY)" is the gateway\'s own business'),
])
def test_errors_show_where_a_secret_is_and_not_what_it_is(config, why):
    done = check(conf_text({"plugins": (plugin("response-transformer", **config),)}), environment={"TEST_KEY": "opensesame"})
    assert done.returncode != 0 and why in done.stderr and "opensesame" not in done.stdout + done.stderr


SECRETS = {name: f"sesame-{name}-0123456789-0123456789" for name in
           ("key", "query", "jwt", "basic", "hmac", "client", "redis", "header", "environment")}


def everything_secret(port, away):
    """A route for each plugin that has a secret; who is asked of tokens, and Redis, are not there."""
    env = "$(env:TEST_SECRET)"
    consumers = ({"username": "alice", "keyauth_credentials": ({"key": SECRETS["key"]}, {"key": SECRETS["query"]}, {"key": env}),
                  "jwt_secrets": ({"key": "issuer", "secret": SECRETS["jwt"]},),
                  "basicauth_credentials": ({"username": "ali", "password": SECRETS["basic"]},),
                  "hmacauth_credentials": ({"username": "ali", "secret": SECRETS["hmac"]},)},)
    asks = {"introspection_url": f"http://127.0.0.1:{away}/", "client_id": "gw", "client_secret": SECRETS["client"],
            "uri_param_names": ["access_token"]}
    redis = {"minute": 9, "policy": "redis", "redis": {"host": "127.0.0.1", "port": away, "password": SECRETS["redis"]}}
    header = {"add": {"headers": [f"Authorization:Bearer {env}"]}}
    kinds = (("key-auth", {}), ("jwt", {}), ("basic-auth", {}), ("hmac-auth", {}), ("oauth2-introspection", asks),
             ("rate-limiting", redis), ("request-transformer", header))
    return [service(port, *(route(name, [f"/{name}"], plugins=(plugin(name, **config),)) for name, config in kinds))], consumers


def test_no_secret_shows_anywhere(origin, start):
    """Logs, what is printed, the status listener, gatewayctl and refusals have neither the gateway's secrets nor its clients'."""
    services, consumers = everything_secret(origin.port, free_port())
    gateway = start(services, consumers=consumers, environment={"TEST_SECRET": SECRETS["environment"]}, access_log="stdout",
                    log_level="debug", workers=1)
    token_of = token({"iss": "issuer"}, SECRETS["jwt"])
    answers = [gateway.get(f"/key-auth?apikey={SECRETS['query']}&x=1", f"Referer: http://h/?apikey={SECRETS['query']}"),
               gateway.get(f"/key-auth?%61pikey={SECRETS['key']}x"), gateway.get("/key-auth", f"apikey: {SECRETS['environment']}"),
               gateway.get(f"/jwt?jwt={token_of}"), gateway.get(f"/jwt?jwt={token_of}x"),
               gateway.get("/basic-auth", basic("ali", SECRETS["basic"])), gateway.get("/basic-auth", basic("al", SECRETS["basic"])),
               gateway.get(f"/oauth2-introspection?access_token={SECRETS['client']}"),
               gateway.get("/rate-limiting"), gateway.get("/request-transformer"), gateway.get(f"/nothing?apikey={SECRETS['key']}")]
    assert [a.status for a in answers] == [200, 401, 200, 200, 401, 200, 401, 503, 200, 200, 404]
    wait_until(lambda: gateway.log().count('"target"') == len(answers), "a line for each request")
    said = [gateway.log(), *(a.body.decode() + str(a.fields) for a in answers if a.status != 200),
            gateway.status().body.decode(), gateway.status("/metrics").body.decode(),
            check(gateway.path.read_text(), "-T", environment={"TEST_SECRET": SECRETS["environment"]}).stdout]
    for words in (["status"], ["workers"], ["routes"], ["services"], ["upstreams"], ["stat"], ["metrics"], ["jwks"], ["cache", "ls"],
                  ["override", "commit"], ["check", str(gateway.path)], ["reload"],
                  ["routes", "-m", "GET http://localhost/key-auth", "-H", "apikey: wrong"]):
        done = gateway.ctl(*words, environment={"TEST_SECRET": SECRETS["environment"]})
        said.append(done.stdout + done.stderr)
    for text in (*SECRETS.values(), token_of.rsplit(".", 1)[1], base64.b64encode(f"ali:{SECRETS['basic']}".encode()).decode()):
        assert [s for s in said if text in s] == []
    assert "/key-auth?apikey=***&x=1" in gateway.log()


def test_a_printed_configuration_lets_nobody_in(origin, start):
    """-T says that there is a key, not which; whoever starts a gateway with that has a key that nobody knows."""
    consumers = ({"username": "alice", "keyauth_credentials": ({"key": "opensesame"},)},)
    gateway = start([service(origin.port, route(plugins=(plugin("key-auth"),)))], consumers=consumers)
    assert gateway.get("/", "apikey: opensesame").status == 200
    printed = check(gateway.path.read_text(), "-T").stdout
    gateway.write(printed)
    gateway.reload()
    for key in ("opensesame", "$(hidden:1)", "hidden:1", "1", ""):
        assert gateway.get("/", f"apikey: {key}").status == 401


def test_references_in_headers(origin, start):
    environment = {"TEST_TOKEN": "s3same"}
    checks = {"active": {"healthy": {"interval": 0.1, "successes": 1, "http_statuses": [200]}, "http_path": "/health",
                         "headers": {"authorization": ["Bearer $(env:TEST_TOKEN)"]}}}
    gateway = start([service(origin.port, route(plugins=(
        plugin("response-transformer", add={"headers": ["X-Token:$(env:TEST_TOKEN)"]}),)), url="http://pool/")], environment=environment,
        upstreams=({"name": "pool", "targets": ({"target": f"127.0.0.1:{origin.port}"},), "healthchecks": checks},))
    wait_until(lambda: any(r.get("Authorization") == "Bearer s3same" for r in origin.requests), "a probe with it")
    assert gateway.get("/").get("X-Token") == "s3same"
    done = check(gateway.path.read_text(), "-T", environment=environment)
    assert done.stdout.count("$(env:TEST_TOKEN)") == 2 and "s3same" not in done.stdout + gateway.log()
