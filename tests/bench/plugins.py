#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What plugins cost: CPU per request of a proxied 1 KB answer with them, less that of one without.

    plugins.py --gateway PATH [--rounds 5] [--seconds 2] [--consumers 1,100000] [--only four,jwt]

One gateway with a route for each row, which take turns, round by round; the median of what each adds to the plain
route is printed. As bench.py does it: the gateway has CPU 0, client and origin have CPU 1.
"""
import argparse, base64, hashlib, hmac, json, os, statistics, subprocess, tempfile
import bench

SECRET = "a-secret-of-at-least-thirty-two-bytes"
FOUR = """{ name = "key-auth"; }, { name = "acl"; config = { allow = [ "staff" ]; }; },
    { name = "rate-limiting"; config = { minute = 100000000; hour = 1000000000; }; }, { name = "correlation-id"; }"""


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(number):
    parts = encoded(b'{"alg":"HS256","typ":"JWT"}') + "." + encoded(json.dumps({"iss": f"i{number}", "exp": 4000000000}).encode())
    return parts + "." + encoded(hmac.new(SECRET.encode(), parts.encode(), hashlib.sha256).digest())


# name: (plugins, request fields by consumer number)
ROWS = {
    "plain": ("", lambda n: []),
    "four": (FOUR, lambda n: [f"apikey: k{n}"]),
    "jwt": ('{ name = "jwt"; }', lambda n: [f"Authorization: Bearer {token(n)}"]),
    "key-auth": ('{ name = "key-auth"; }', lambda n: [f"apikey: k{n}"]),
    "basic-auth": ('{ name = "basic-auth"; }', lambda n: ["Authorization: Basic " + base64.b64encode(f"b{n}:pw".encode()).decode()]),
    "acl": ('{ name = "key-auth"; }, { name = "acl"; config = { allow = [ "staff" ]; }; }', lambda n: [f"apikey: k{n}"]),
    "rate-limiting": ('{ name = "rate-limiting"; config = { minute = 100000000; hour = 1000000000; }; }', lambda n: []),
    "correlation-id": ('{ name = "correlation-id"; }', lambda n: []),
    "ip-restriction": ('{ name = "ip-restriction"; config = { allow = [ "10.0.0.0/8", "127.0.0.0/8" ]; }; }', lambda n: []),
    "bot-detection": ('{ name = "bot-detection"; }', lambda n: ["User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"]),
    "cors": ('{ name = "cors"; config = { origins = [ "https://a.example" ]; }; }', lambda n: ["Origin: https://a.example"]),
    "security-headers": ('{ name = "security-headers"; }', lambda n: []),
    "request-transformer": ('{ name = "request-transformer"; config = { add = { headers = [ "X-A:1", "X-B:$(headers.host)" ]; }; }; }',
                            lambda n: []),
    "response-transformer": ('{ name = "response-transformer"; config = { add = { headers = [ "X-A:1" ]; }; }; }', lambda n: []),
}


def configuration(work, gateway_rows, consumers):
    routes = ",\n".join(f'{{ name = "{name}"; paths = [ "/{name}" ]; plugins = ( {ROWS[name][0]} ); }}' for name in gateway_rows)
    people = ",\n".join(
        f'{{ username = "u{n}"; acls = ( {{ group = "staff"; }} ); keyauth_credentials = ( {{ key = "k{n}"; }} ); '
        f'basicauth_credentials = ( {{ username = "b{n}"; password = "pw"; }} ); '
        f'jwt_secrets = ( {{ key = "i{n}"; secret = "{SECRET}"; }} ); }}' for n in range(consumers))
    return f"""workers = 1; worker_connections = 18000; prefix = "{work}"; log_level = "error"; user = "root";
error_log = "{work}/gateway.err"; status_listen = "off"; keepalive_requests = 1000000000;
proxy_listen = ( {{ address = "127.0.0.1:{bench.PORT}"; }} );
services = ( {{ name = "be"; url = "http://127.0.0.1:{bench.ORIGIN}/"; routes = ( {routes} ); }} );
consumers = ( {people} );
"""


def run(args, names, consumers, work):
    path = f"{work}/plugins-{consumers}.conf"
    with open(path, "w") as out:
        out.write(configuration(work, names, consumers))
    with open(f"{work}/gateway.log", "wb") as log:
        gateway = bench.start([args.gateway, "-c", path], 0, bench.PORT, log)
    rounds = {name: [] for name in names}
    try:
        for _ in range(args.rounds):
            for name in names:
                fields = [word for field in ROWS[name][1](consumers // 2) for word in ("-H", field)]
                url = f"http://127.0.0.1:{bench.PORT}/{name}"
                rounds[name].append(bench.measure(gateway, url, 64, args.seconds, fields)["us"])
    finally:
        bench.stop(gateway)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--consumers", default="1,100000")
    parser.add_argument("--only", default=",".join(ROWS))
    args = parser.parse_args()
    names = ["plain"] + [name for name in args.only.split(",") if name != "plain"]
    counts = [int(n) for n in args.consumers.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench.") as work:
        os.chmod(work, 0o777)
        subprocess.run(["cc", "-O2", "-o", f"{work}/floor", f"{bench.HERE}/floor.c"], check=True)
        with open(f"{work}/origin.log", "wb") as log:
            origin = bench.start([f"{work}/floor", "respond", str(bench.ORIGIN), "1024"], 1, bench.ORIGIN, log)
        try:
            figures = {n: run(args, names, n, work) for n in counts}
        finally:
            bench.stop(origin)
    print("CPU us per request" + "".join(f"   {n:>7d} consumers" for n in counts) + "   (beyond the plain route)")
    for name in names:
        line = f"{name:22s}"
        for n in counts:
            own = statistics.median(figures[n][name])
            more = statistics.median(a - b for a, b in zip(figures[n][name], figures[n]["plain"]))
            line += f"{own:11.2f} ({more:+5.2f})"
        print(line)


if __name__ == "__main__":
    main()
