#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Side by side: the gateway, its peers and the floor, on the same work, in one run.

    bench.py [--gateway PATH] [--only hit-1k,proxy-1k] [--peers nginx,haproxy] [--rounds 3] [--seconds 4] [--json F]

The figure that counts is CPU per request: user + system time of the whole process tree of the server under test,
divided by the requests that the client saw answered. It holds on a noisy machine where requests per second do not.
Each server has CPU 0; the client (wrk) and the origin have CPU 1. The servers of a scenario take turns, round by
round, and the median round is printed with its ratio to the floor (floor.c: the bare socket calls) and to the best
peer. Peers come from Debian: nginx libnginx-mod-http-lua haproxy varnish h2o wrk. A peer that is not installed is
left out and named. Nothing here listens outside 127.0.0.1.
"""
import argparse, json, os, re, resource, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")
ORIGIN, FLOOR, PORT = 17000, 17001, 17100        # a server under test listens on PORT (plain) and PORT+1 (TLS)

NGINX_HEAD = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.err; worker_rlimit_nofile 20000;
events {{ worker_connections 18000; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; client_body_temp_path {dir}/body;
 proxy_temp_path {dir}/ptmp; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
 open_file_cache max=10000 inactive=1h;
 upstream be {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 1000000000; }}
 ssl_certificate {dir}/server.crt; ssl_certificate_key {dir}/server.key; ssl_session_cache shared:S:10m;
"""
NGINX_PASS = 'proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection "";'

CONFIGS = {
    "nginx": NGINX_HEAD + """
 proxy_cache_path {dir}/cache levels=1:2 keys_zone=c:64m;
 server {{ listen 127.0.0.1:{port} backlog=4096; listen 127.0.0.1:{tls} ssl;
  location /hit {{ """ + NGINX_PASS + """ proxy_cache c; proxy_cache_valid 200 1h; }}
  location / {{ """ + NGINX_PASS + """ }} }} }}""",
    # What Kong and OpenResty users run: a Lua phase that answers from lua_shared_dict.
    "nginx-lua": "load_module /usr/lib/nginx/modules/ndk_http_module.so;"
                 "load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;" + NGINX_HEAD + """
 lua_shared_dict c 64m;
 server {{ listen 127.0.0.1:{port} backlog=4096;
  location /hit {{
   access_by_lua_block {{
    local key = ngx.md5(ngx.req.get_method() .. "|" .. ngx.var.request_uri)
    local body = ngx.shared.c:get(key)
    if body then
      ngx.header["Content-Type"] = "application/json"; ngx.header["Content-Length"] = #body
      ngx.header["X-Cache-Status"] = "Hit"; ngx.header["X-Cache-Key"] = key; ngx.header["Age"] = 1
      ngx.print(body); return ngx.exit(200)
    end
    ngx.ctx.key = key; ngx.ctx.parts = {{}} }}
   body_filter_by_lua_block {{
    if ngx.ctx.key then
      local parts = ngx.ctx.parts; parts[#parts + 1] = ngx.arg[1]
      if ngx.arg[2] then ngx.shared.c:set(ngx.ctx.key, table.concat(parts), 3600) end
    end }}
   """ + NGINX_PASS + """ }} }} }}""",
    "haproxy": """
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout client 300s
  timeout server 60s
  timeout connect 5s
  http-reuse always
cache c
  total-max-size 256
  max-object-size 1000000
  max-age 3600
frontend f
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls} ssl crt {dir}/server.pem
  use_backend cached if {{ path_beg /hit }}
  default_backend plain
backend cached
  http-request cache-use c
  http-response cache-store c
  server s 127.0.0.1:{origin}
backend plain
  server s 127.0.0.1:{origin}
""",
    "varnish": """vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{ if (req.url !~ "^/hit") {{ return (pass); }} }}
sub vcl_backend_response {{ set beresp.ttl = 1h; }}
""",
    "h2o": """
num-threads: 1
max-connections: 10000
listen: {{port: {port}, host: 127.0.0.1}}
listen: {{port: {tls}, host: 127.0.0.1, ssl: {{certificate-file: {dir}/server.crt, key-file: {dir}/server.key}}}}
hosts:
  default:
    paths:
      "/":
        proxy.reverse.url: "http://127.0.0.1:{origin}/"
        proxy.timeout.keepalive: 10000
""",
    "gateway": """
workers = 1; worker_connections = 18000; user = "root"; prefix = "{dir}"; log_level = "error";
error_log = "{dir}/gateway.err"; status_listen = "off"; keepalive_requests = 1000000000; keepalive_timeout = 300000;
proxy_listen = ( {{ address = "127.0.0.1:{port}"; backlog = 4096; }},
                 {{ address = "127.0.0.1:{tls}"; ssl = true; }} );
certificates = ( {{ cert = "{dir}/server.crt"; key = "{dir}/server.key"; }} );
shared_dicts = ( {{ name = "gateway_cache"; size = "256m"; }} );
upstreams = ( {{ name = "be"; keepalive_pool_size = 512; targets = ( {{ target = "127.0.0.1:{origin}"; weight = 100; }} ); }} );
services = ( {{ name = "be"; url = "http://be/"; routes = (
  {{ name = "hit"; paths = [ "/hit" ]; strip_path = false; plugins = (
    {{ name = "proxy-cache"; config = {{ strategy = "memory"; cache_ttl = 3600; }}; }} ); }},
  {{ name = "plain"; paths = [ "/" ]; strip_path = false; }} ); }} );
""",
}
COMMANDS = {
    "nginx": ["nginx", "-p", "{dir}", "-c", "{conf}"],
    "nginx-lua": ["nginx", "-p", "{dir}", "-c", "{conf}"],
    "haproxy": ["haproxy", "-db", "-f", "{conf}"],
    "varnish": ["varnishd", "-F", "-a", "127.0.0.1:{port}", "-f", "{conf}", "-s", "malloc,256m", "-n", "{dir}/vn"],
    "h2o": ["h2o", "-c", "{conf}"],
    "gateway": ["{gateway}", "-c", "{conf}"],
}
# name: (path, tls, body bytes, connections, extra wrk arguments, floor mode, servers)
SCENARIOS = {
    "hit-1k":      ("/hit/a", False, 1024, 64, [], "respond", ["gateway", "nginx-lua", "haproxy", "nginx", "varnish"]),
    "hit-64k":     ("/hit/a", False, 65536, 64, [], "respond", ["gateway", "nginx-lua", "haproxy", "nginx", "varnish"]),
    "proxy-1k":    ("/a", False, 1024, 64, [], "relay", ["gateway", "nginx", "haproxy", "h2o"]),
    "proxy-64k":   ("/a", False, 65536, 64, [], "relay", ["gateway", "nginx", "haproxy", "h2o"]),
    "proxy-close": ("/a", False, 1024, 64, ["-H", "Connection: close"], None, ["gateway", "nginx", "haproxy", "h2o"]),
    "tls-hit-1k":  ("/hit/a", True, 1024, 64, [], None, ["gateway", "haproxy", "nginx"]),
    "tls-proxy-1k": ("/a", True, 1024, 64, [], None, ["gateway", "nginx", "haproxy", "h2o"]),
    "idle-8k":     ("/a", False, 1024, 8000, [], None, ["gateway", "nginx", "haproxy", "h2o"]),
}


def stat(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()


def tree(root):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(stat(name)[1]), []).append(int(name))
            except OSError:
                pass
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            fields = stat(pid)
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def pss_kib(pids):
    total = 0
    for pid in pids:
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{pid}/smaps_rollup").read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total


def wait_for(port, process):
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(f"exited with {process.returncode} before listening")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("did not listen within 10 s")


def stop(process):
    for pid in reversed(tree(process.pid)):
        try:
            os.kill(pid, signal.SIGTERM)
        except OSError:
            pass
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    time.sleep(0.2)


def start(command, cpu, port, log):
    process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=log, stderr=log)
    try:
        wait_for(port, process)
    except RuntimeError:
        stop(process)
        raise
    return process


def wrk(url, connections, seconds, extra):
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *extra, url],
                         capture_output=True, text=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad or not re.search(r"[1-9]\d* requests in", out):
        raise RuntimeError(f"wrong answers: {bad.group(0) if bad else out.strip()[-200:]}")
    return (int(re.search(r"(\d+) requests in", out).group(1)),
            float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
            re.search(r"99%\s+(\S+)", out).group(1))


def measure(process, url, connections, seconds, extra):
    wrk(url, connections, 1, extra)
    pids = tree(process.pid)
    before = cpu_seconds(pids)
    requests, rps, p99 = wrk(url, connections, seconds, extra)
    return {"us": 1e6 * (cpu_seconds(pids) - before) / requests, "rps": rps, "p99": p99}


def measure_idle(process, port, connections):
    """Bytes of memory (PSS) that one idle keep-alive connection costs, after it has carried one request."""
    pids = tree(process.pid)
    before, clients = pss_kib(pids), []
    for _ in range(connections):
        s = socket.create_connection(("127.0.0.1", port), 10)
        s.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        clients.append(s)
        data = b""
        while b"\r\n\r\n" not in data:
            data += s.recv(4096)
        left = int(re.search(rb"(?i)content-length: (\d+)", data).group(1)) - len(data.split(b"\r\n\r\n", 1)[1])
        while left > 0:
            left -= len(s.recv(65536))
    time.sleep(1)
    used = pss_kib(tree(process.pid)) - before
    for s in clients:
        s.close()
    return {"bytes": 1024 * used / connections}


def run_server(name, scenario, args, work):
    path, tls, body, connections, extra, floor_mode, _ = scenario
    values = dict(dir=work, port=PORT, tls=PORT + 1, origin=ORIGIN, gateway=args.gateway)
    if name == "floor":
        command = [f"{work}/floor", floor_mode, str(PORT), str(body if floor_mode == "respond" else ORIGIN)]
    else:
        values["conf"] = f"{work}/{name}.conf"
        with open(values["conf"], "w") as f:
            f.write(CONFIGS[name].format(**values))
        command = [part.format(**values) for part in COMMANDS[name]]
    with open(f"{work}/{name}.log", "wb") as log:
        process = start(command, 0, PORT, log)
    try:
        if connections > 1000:
            return measure_idle(process, PORT, connections)
        url = f"{'https' if tls else 'http'}://127.0.0.1:{PORT + 1 if tls else PORT}{path}"
        return measure(process, url, connections, args.seconds, extra)
    finally:
        stop(process)
        shutil.rmtree(f"{work}/cache", ignore_errors=True)


def run_scenario(name, args, work):
    scenario = SCENARIOS[name]
    servers = [s for s in scenario[6] if s == "gateway" and args.gateway or s != "gateway" and s in args.peers]
    servers += ["floor"] if scenario[5] else []
    rounds = {s: [] for s in servers}
    origin = start([f"{work}/floor", "respond", str(ORIGIN), str(scenario[2])], 1, ORIGIN, subprocess.DEVNULL)
    try:
        for _ in range(1 if scenario[3] > 1000 else args.rounds):
            for server in list(rounds):
                try:
                    rounds[server].append(run_server(server, scenario, args, work))
                except (RuntimeError, OSError) as error:
                    print(f"{name}: {server}: {error}", file=sys.stderr)
                    del rounds[server]
    finally:
        stop(origin)
    unit = "bytes" if scenario[3] > 1000 else "us"
    figures = {s: sorted(r, key=lambda x: x[unit])[len(r) // 2] for s, r in rounds.items() if r}
    peers = [v[unit] for s, v in figures.items() if s not in ("gateway", "floor")]
    floor = figures.get("floor", {}).get(unit)
    print(f"\n{name}: {'PSS bytes per idle connection' if unit == 'bytes' else 'CPU us per request'}")
    for server, v in sorted(figures.items(), key=lambda item: item[1][unit]):
        v["vs_floor"] = v[unit] / floor if floor else None
        v["vs_best_peer"] = v[unit] / min(peers) if peers and min(peers) > 0 else None
        print(f"  {server:10s} {v[unit]:10.2f}"
              + (f"  x floor {v['vs_floor']:.2f}" if floor else "")
              + (f"  x best peer {v['vs_best_peer']:.2f}" if v["vs_best_peer"] else "")
              + (f"  {v['rps']:9.0f}/s  p99 {v['p99']}" if "rps" in v else ""), flush=True)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", help="the gateway's binary; without it, only the peers")
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--peers", default="nginx,nginx-lua,haproxy,varnish,h2o")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--json")
    args = parser.parse_args()
    args.gateway = args.gateway and os.path.abspath(args.gateway)
    args.peers = args.peers.split(",")
    for peer in list(args.peers):
        if not shutil.which(COMMANDS[peer][0]):
            print(f"{peer} is not installed: left out", file=sys.stderr)
            args.peers.remove(peer)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory(prefix="bench.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        os.chmod(work, 0o777)
        subprocess.run(["cc", "-O2", "-o", f"{work}/floor", f"{HERE}/floor.c"], check=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-keyout", f"{work}/server.key", "-out", f"{work}/server.crt"],
                       check=True, capture_output=True)
        with open(f"{work}/server.pem", "w") as pem:
            pem.write(open(f"{work}/server.crt").read() + open(f"{work}/server.key").read())
        for name in ("server.key", "server.pem"):
            os.chmod(f"{work}/{name}", 0o644)
        figures = {name: run_scenario(name, args, work) for name in args.only.split(",")}
    if args.json:
        json.dump(figures, open(args.json, "w"), indent=1)


if __name__ == "__main__":
    main()
