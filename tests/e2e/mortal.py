# SPDX-License-Identifier: Apache-2.0
"""A target in a process of its own that can die at once and say exactly what it had taken and not answered.

    python3 mortal.py        prints its port, then obeys one line of stdin at a time, each answered by a line of JSON
        count                connections taken and requests answered so far
        die                  from now on connections are refused, and those that stand are reset

What it says of its death: `held`: requests that had come to it and got no answer; `first`: those of them that were the
first of their connection. Nothing comes to it after that: a connection that is shut down takes no more bytes.
"""
import json
import os
import select
import socket
import struct
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
END = b"\r\n\r\n"


class Peer:
    def __init__(self, sock):
        self.sock, self.data, self.answered = sock, b"", 0
        sock.setblocking(False)

    def take(self):
        """False: it ended."""
        try:
            while more := self.sock.recv(65536):
                self.data += more
                if len(more) < 65536:
                    return True
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def whole(self):
        """How many requests are complete."""
        *requests, self.data = self.data.split(END)
        return len(requests)


class Mortal:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.poll, self.peers, self.accepted, self.answered = select.epoll(), {}, 0, 0
        self.poll.register(self.listener, select.EPOLLIN)
        self.poll.register(sys.stdin, select.EPOLLIN)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            self.peers[sock.fileno()] = Peer(sock)
            self.poll.register(sock, select.EPOLLIN)
            self.accepted += 1

    def serve(self, fd):
        peer = self.peers[fd]
        if not peer.take():
            del self.peers[fd]
            peer.sock.close()
            return
        if n := peer.whole():
            peer.sock.send(ANSWER * n)
            peer.answered += n
            self.answered += n

    def die(self):
        self.accept()
        self.listener.close()
        peers, self.peers = list(self.peers.values()), {}
        held = first = 0
        for peer in peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass                        # the other side was faster
        for peer in peers:
            peer.take()
            n = peer.whole()
            held += n
            first += n if not peer.answered else 0
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sock.close()
        return {"held": held, "first": first}

    def obey(self, order):
        said = self.die() if order == b"die" else self.accept() or {}
        print(json.dumps({**said, "accepted": self.accepted, "answered": self.answered}), flush=True)

    def run(self):
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == sys.stdin.fileno():
                    orders = os.read(fd, 4096)
                    if not orders:
                        return
                    for order in orders.split():
                        self.obey(order)
                elif fd in self.peers:
                    self.serve(fd)


if __name__ == "__main__":
    mortal = Mortal()
    print(mortal.listener.getsockname()[1], flush=True)
    mortal.run()
