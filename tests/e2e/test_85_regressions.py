# SPDX-License-Identifier: Apache-2.0
"""One test for each fault that was found in the worker after it was written, so that none comes back."""
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import threading
import time

import pytest

from harness import FAULT, SANITIZED, Client, client_tls, plugin, proxy_cache, reply, route, scratch, service, wait_until

MEGABYTE = 1 << 20
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
           "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


# ---- events that never come again -----------------------------------------------------------------------------------

def test_tunnel_passes_on_all_that_lies_in_the_kernel(origins, start):
    """More than one turn's worth waits in the socket when the worker looks, and nothing follows."""
    total, got = 80 * MEGABYTE, [0]

    def handler(connection, request):
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * MEGABYTE)
        connection.send(SWITCH)
        while data := connection.read_some(8 * MEGABYTE):
            got[0] += len(data)
    gateway = start([service(origins(handler).port)], workers=1)
    client = gateway.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * MEGABYTE)
    client.request("GET", "/", *UPGRADE)
    assert client.response().status == 101
    worker = gateway.pids()[0]
    client.send(b"x" * 64 * MEGABYTE)       # lets the kernel's buffers grow
    wait_until(lambda: got[0] == 64 * MEGABYTE, f"the first bytes to pass ({got[0]} did)", 20)
    os.kill(worker, signal.SIGSTOP)
    client.sock.setblocking(False)
    sent = 64 * MEGABYTE
    while sent < total and select.select([], [client.sock], [], 0.5)[1]:
        sent += client.sock.send(b"x" * min(65536, total - sent))
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: got[0] == sent, f"all {sent} bytes to pass the tunnel ({got[0]} did)", 5)
    client.close()
