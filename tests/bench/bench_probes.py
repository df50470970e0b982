#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What probing costs the checker process: 10,000 targets, each asked every 10 s by an HTTP request, all of them well.

    bench_probes.py [--gateway PATH] [--targets 10000] [--seconds 30] [--close] [--floor PATH]

Prints the checker's CPU time (user + system) as a share of one CPU, and how many probes that was by what the targets saw.
The targets are addresses of nginx in 127.0.0.0/8; its own cost is not counted. --close: they close after each answer.
--floor: and what the bare socket calls of so many probes, each on a new connection, cost after that (probes_floor.c).
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

from bench_balance import NGINX, ORIGIN, addresses, cpu, wait_for

EACH = 2500
CONF = """workers = 1; user = "root"; prefix = "{dir}"; log_level = "error"; error_log = "{dir}/gateway.err"; status_listen = "off";
proxy_listen = ( {{ address = "127.0.0.1:17301"; }} );
upstreams = ( {{ name = "many"; healthchecks = {{ active = {{ type = "http"; http_path = "/"; concurrency = 64;
 healthy = {{ interval = 10.0; successes = 1; }}; unhealthy = {{ interval = 10.0; http_failures = 3; tcp_failures = 3; timeouts = 3; }}; }}; }};
 targets = ( {targets} ); }} );
services = ( {{ name = "many"; url = "http://many/"; routes = ( {{ name = "many"; paths = [ "/" ]; }} ); }} );
"""


def ctl(gateway, directory, *words):
    program = pathlib.Path(gateway).with_name("gatewayctl")
    return json.loads(subprocess.run([program, "-s", f"{directory}/control.sock", "-o", "json", *words], capture_output=True,
                                     check=True).stdout)


def asked(origins):
    """(connections, requests) that the origins have seen, their own status pages left out."""
    connections = requests = 0
    for directory, places in origins:
        text = urllib.request.urlopen(f"http://{places[0]}:{ORIGIN}/seen").read().decode()
        _, handled, total = (int(n) for n in text.splitlines()[2].split())
        pages = int((directory / "pages").read_text() or 0) + 1
        (directory / "pages").write_text(str(pages))
        connections, requests = connections + handled - pages, requests + total - pages
    return connections, requests


def start_origins(directory, targets, close):
    """One nginx for each 2,500 targets: a listener and a connection are a descriptor each."""
    origins, started = [], []
    for at in range(0, targets, EACH):
        places, own = addresses(targets)[at:at + EACH], pathlib.Path(directory, f"origin{at}")
        own.mkdir()
        (own / "pages").write_text("")
        listen = "".join(f"listen {a}:{ORIGIN};" for a in places) + "location /seen { stub_status; }"
        text = NGINX.format(dir=own, listen=listen, body="well")
        (own / "nginx.conf").write_text(text.replace("keepalive_timeout 1h", "keepalive_timeout 0") if close else text)
        started.append(subprocess.Popen(["nginx", "-p", own, "-c", own / "nginx.conf"]))
        origins.append((own, places))
    return origins, started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default="build/gateway")
    parser.add_argument("--targets", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--floor")
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bench-probes.")
    targets = ", ".join(f'{{ target = "{a}:{ORIGIN}"; }}' for a in addresses(args.targets))
    pathlib.Path(directory, "gateway.conf").write_text(CONF.format(dir=directory, targets=targets))
    origins, started = start_origins(directory, args.targets, args.close)
    try:
        wait_for(addresses(args.targets)[-1], ORIGIN)
        started.append(subprocess.Popen([args.gateway, "-c", f"{directory}/gateway.conf"]))
        wait_for("127.0.0.1", 17301)
        time.sleep(12)          # every target was asked once
        checker = next(p["pid"] for p in ctl(args.gateway, directory, "workers")["workers"] if p["role"] == "checker")
        seen, before, began = asked(origins), cpu(checker), time.monotonic()
        time.sleep(args.seconds)
        took, spent, now = time.monotonic() - began, cpu(checker) - before, asked(origins)
        connections, probes = now[0] - seen[0], now[1] - seen[1]
        print(f"{args.targets:,} targets every 10 s: {probes / took:.0f} probes a second on {connections / took:.0f} new connections, "
              f"{100 * spent / took:.2f} % of one CPU, {spent * 1e6 / max(probes, 1):.1f} us each")
        if args.floor:
            started.pop().terminate()       # the gateway
            subprocess.run([args.floor, str(ORIGIN), str(args.targets), str(args.targets / 10), str(args.seconds)], check=True)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
