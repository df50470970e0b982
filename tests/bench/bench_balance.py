#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What balancing and health add to the cost of a proxied request, within one gateway.

    bench_balance.py [--gateway PATH] [--rounds 7] [--seconds 1]

One worker serves services that differ in their upstream alone: one fixed address (no upstream of its own), 2 targets and
1,000 targets by each algorithm, all of them with active and passive checks. A thousand targets are a thousand
connections, whose state the kernel and the worker do not have at hand whoever chooses: what they are compared with is a
thousand services of one fixed address each, asked in turn. The kinds take turns, round by round; each figure is the
median of the rounds, its ratio that to its base in the same round: instructions and cycles in user space, all of them, and
CPU time. They come from perf; without it there is the time alone, of the kernel's clock. The targets are addresses of
nginx in 127.0.0.0/8. Needs: nginx wrk, and perf if there is one.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
ORIGIN, PORT, MANY = 17200, 17300, 1000
ALGORITHMS = ("round-robin", "least-connections", "latency", "consistent-hashing")
KINDS = {"k000": (None, 1), **{f"k{i:03}": (a, 2) for i, a in enumerate(ALGORITHMS, 1)},    # names of one length: they are sent
         "f%03d": (None, MANY), **{f"k{i:03}": (a, MANY) for i, a in enumerate(ALGORITHMS, 5)}}
SCRIPT = """local n = 0
request = function() n = n + 1; return wrk.format("GET", string.format("/{path}/a", n % {many})) end
"""
COLUMNS = (("instructions:u", "user instr."), ("instructions", "all instr."), ("cycles:u", "user cycles"), ("cycles", "all cycles"),
           ("time", "CPU us"))
NGINX = """daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.err; worker_rlimit_nofile 20000;
events {{ worker_connections 18000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
 fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
 server {{ {listen} location / {{ default_type text/plain; return 200 "{body}"; }} }} }}
"""
CONF = """workers = 1; worker_connections = 18000; user = "root"; prefix = "{dir}"; log_level = "error"; error_log = "{dir}/gateway.err";
status_listen = "off"; keepalive_requests = 1000000000; proxy_listen = ( {{ address = "127.0.0.1:{port}"; }} );
upstreams = ( {upstreams} );
services = ( {services} );
"""
CHECKS = """healthchecks = { active = { type = "http"; http_path = "/"; healthy = { interval = 30.0; successes = 2; };
 unhealthy = { interval = 30.0; http_failures = 3; tcp_failures = 3; timeouts = 3; }; };
 passive = { unhealthy = { tcp_failures = 3; http_failures = 3; timeouts = 3; }; }; };"""


def addresses(n):
    return [f"127.1.{i // 250}.{i % 250 + 1}" for i in range(n)]


def configuration(directory):
    def upstream(name, algorithm, n):
        targets = ", ".join(f'{{ target = "{a}:{ORIGIN}"; }}' for a in addresses(n))
        key = 'hash_on = "path"; ' if algorithm == "consistent-hashing" else ""
        return f'{{ name = "{name}"; algorithm = "{algorithm}"; {key}keepalive_pool_size = 4096; {CHECKS} targets = ( {targets} ); }}'
    def service(name, host):
        return f'{{ name = "{name}"; url = "http://{host}/"; routes = ( {{ name = "{name}"; paths = [ "/{name}/" ]; strip_path = false; }} ); }}'
    upstreams = [upstream(name, *what) for name, what in KINDS.items() if what[0]]
    services = [service(name, name) for name, what in KINDS.items() if what[0]]
    services += [service(f"f{i:03}", f"{a}:{ORIGIN}") for i, a in enumerate(addresses(MANY))]
    services += [service("k000", f"{addresses(1)[0]}:{ORIGIN}")]
    return CONF.format(dir=directory, port=PORT, upstreams=",\n".join(upstreams), services=",\n".join(services))


def wait_for(address, port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {address}:{port}")


def fields_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu(pid):
    return sum(int(x) for x in fields_of(pid)[11:13]) / TICK


def worker_of(master):
    """The busiest child after some requests."""
    children = [int(p) for p in os.listdir("/proc") if p.isdigit() and os.path.exists(f"/proc/{p}/stat")]
    mine = []
    for pid in children:
        try:
            mine += [pid] if int(fields_of(pid)[1]) == master else []
        except OSError:
            continue
    return max(mine, key=cpu)


def load(directory, name, seconds):
    """How many requests were answered, all of them well."""
    script = pathlib.Path(directory, "wrk.lua")
    script.write_text(SCRIPT.format(path=name, many=MANY))
    text = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{PORT}"],
                          capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{name}: not all requests were answered well\n{text}")
    return int(re.search(r"(\d+) requests in", text).group(1))


def measure(pid, directory, name, seconds):
    """What each request cost, by the names of COLUMNS; without perf the time alone."""
    events = "instructions:u,instructions:k,cycles:u,cycles:k,task-clock"
    perf = shutil.which("perf") and subprocess.Popen(["perf", "stat", "-x,", "-e", events, "-p", str(pid)],
                                                     stderr=subprocess.PIPE, text=True)
    if perf:
        time.sleep(0.3)
    before = cpu(pid)
    n = load(directory, name, seconds)
    cost = {"time": (cpu(pid) - before) * 1e6 / n}
    if perf:
        perf.send_signal(signal.SIGINT)
        rows = re.findall(r"^([\d.]+),[^,]*,([\w:-]+)", perf.communicate()[1], re.M)
        found = {event: float(value) for value, event in rows}
        if all(event in found for event in events.split(",")):
            cost = {"time": found["task-clock"] * 1e3 / n,
                    "instructions:u": found["instructions:u"] / n, "cycles:u": found["cycles:u"] / n,
                    "instructions": (found["instructions:u"] + found["instructions:k"]) / n,
                    "cycles": (found["cycles:u"] + found["cycles:k"]) / n}
    return cost


def show(results):
    """Ratios are taken within a round, where neighbours had the same machine."""
    print(f"{'':28}" + "".join(f"{title:>20}" for _, title in COLUMNS))
    base = None
    for name, rows in results.items():
        algorithm, n = KINDS[name]
        if not algorithm:
            base = rows
        line = f"{f'{n:,} ' + (algorithm or 'fixed'):28}"
        for column, _ in COLUMNS:
            pairs = [(r[column], b[column]) for r, b in zip(rows, base) if column in r and column in b]
            line += f"{statistics.median(r for r, _ in pairs):12.2f} {statistics.median(r / b for r, b in pairs):7.3f}" if pairs \
                else f"{'-':>20}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default="build/gateway")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=1)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bench-balance.")
    listen = "".join(f"listen {a}:{ORIGIN};" for a in addresses(MANY))
    pathlib.Path(directory, "nginx.conf").write_text(NGINX.format(dir=directory, listen=listen, body="x" * 1024))
    pathlib.Path(directory, "gateway.conf").write_text(configuration(directory))
    started = []
    try:
        started.append(subprocess.Popen(["nginx", "-p", directory, "-c", f"{directory}/nginx.conf"]))
        started.append(subprocess.Popen([args.gateway, "-c", f"{directory}/gateway.conf"]))
        wait_for(addresses(MANY)[-1], ORIGIN)
        wait_for("127.0.0.1", PORT)
        for name in KINDS:
            load(directory, name, 1)       # connections to all targets
        pid, results = worker_of(started[1].pid), {name: [] for name in KINDS}
        for _ in range(args.rounds):
            for name in KINDS:
                results[name].append(measure(pid, directory, name, args.seconds))
        show(results)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
