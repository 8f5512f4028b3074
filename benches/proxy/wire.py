"""As much of HTTP/2 as it takes to be a client that stops reading, and a server that never stops sending.

Both ends count what they do themselves; what the kernel holds is read from /proc/net/tcp. So what is left is the
proxy's.
"""

import socket
import struct
import threading
from pathlib import Path

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535
OPEN_WINDOW = (1 << 31) - 1
FRAME = 16_384
SECONDS = 10


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def headers(flags, stream, fields):
    """Fields as literals without a table and without Huffman; all are shorter than 127 bytes."""
    text = lambda value: bytes((len(value),)) + value.encode()
    block = b"".join(b"\0" + text(name) + text(value) for name, value in fields)
    return frame(HEADERS, flags | END_HEADERS, stream, block)


def message(payload):
    return b"\0" + len(payload).to_bytes(4, "big") + payload


class Ended(Exception):
    """The peer closed the connection."""


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        part = sock.recv(count - len(got))
        if not part:
            raise Ended
        got += part
    return bytes(got)


def receive(sock):
    """The next frame: kind, flags, stream, payload."""
    head = exactly(sock, 9)
    stream, size = int.from_bytes(head[5:9], "big") & 0x7FFF_FFFF, int.from_bytes(head[:3], "big")
    return head[3], head[4], stream, exactly(sock, size)


def acknowledge(sock, kind, flags, payload):
    if kind in (SETTINGS, PING) and not flags & ACK:
        sock.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))


class Client:
    """A connection with calls to one method, all kept open."""

    def __init__(self, port, window=DEFAULT_WINDOW):
        self.authority = f"127.0.0.1:{port}"
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window)))
        if window > DEFAULT_WINDOW:
            self.sock.sendall(frame(WINDOW_UPDATE, 0, 0, (window - DEFAULT_WINDOW).to_bytes(4, "big")))
        self.next = 1

    def greet(self):
        """Acknowledges the server's SETTINGS: from then on nothing need be answered."""
        kind = None
        while kind != SETTINGS:
            kind, flags, _, payload = receive(self.sock)
            acknowledge(self.sock, kind, flags, payload)

    def call(self, method, payload, end):
        stream, self.next = self.next, self.next + 2
        self.sock.sendall(headers(0, stream, [
            (":method", "POST"), (":scheme", "http"), (":authority", self.authority),
            (":path", f"/bench.Echo/{method}"), ("content-type", "application/grpc"), ("te", "trailers"),
        ]) + frame(DATA, END_STREAM if end else 0, stream, message(payload)))  # fmt: skip
        return stream

    def answered(self, streams):
        """Waits until a message has come on each of these streams."""
        missing = set(streams)
        while missing:
            kind, flags, stream, payload = receive(self.sock)
            acknowledge(self.sock, kind, flags, payload)
            if kind == DATA and payload:
                missing.discard(stream)
            if kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM and stream in missing):
                raise Ended

    def close(self):
        self.sock.close()


class Fountain:
    """A server that answers its calls with 1 KiB messages without end, as fast as windows and socket allow."""

    BLOCK = message(b"x" * 1019) * 32

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = 0
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        windows, initial, turn = {0: DEFAULT_WINDOW}, DEFAULT_WINDOW, threading.Condition()
        writing = threading.Lock()  # an ACK must not fall into a frame

        def write(data):
            with writing:
                while data:
                    count = sock.send(data)
                    self.sent += count
                    data = data[count:]

        def pour(stream):
            at = 0
            write(headers(0, stream, [(":status", "200"), ("content-type", "application/grpc")]))
            while True:
                with turn:
                    turn.wait_for(lambda: min(windows[0], windows[stream]) > 0)
                    size = min(windows[0], windows[stream], FRAME)
                    windows[0] -= size
                    windows[stream] -= size
                write(frame(DATA, 0, stream, self.BLOCK[at : at + size]))
                at = (at + size) % 1024

        def guarded(stream):
            try:
                pour(stream)
            except OSError:
                pass  # the proxy is gone

        try:
            exactly(sock, len(PREFACE))
            write(frame(SETTINGS, 0, 0))
            while True:
                kind, flags, stream, payload = receive(sock)
                with turn:
                    if kind == SETTINGS and not flags & ACK:
                        for name, value in struct.iter_unpack(">HI", payload):
                            if name == INITIAL_WINDOW_SIZE:
                                for each in windows:
                                    windows[each] += value - initial if each else 0
                                initial = value
                    if kind == WINDOW_UPDATE:
                        windows[stream] = windows.get(stream, initial) + int.from_bytes(payload, "big")
                    turn.notify_all()
                if kind in (SETTINGS, PING) and not flags & ACK:
                    write(frame(kind, ACK, 0, payload if kind == PING else b""))
                if kind == HEADERS:
                    with turn:
                        windows.setdefault(stream, initial)
                    threading.Thread(target=guarded, args=(stream,), daemon=True).start()
        except (Ended, OSError):
            pass

    def close(self):
        self.listener.close()
        for sock in self.sockets:
            sock.close()


def connections(port):
    """Of each established socket of loopback that has this port: whether the port is its own, what it has to send
    and what its owner has not read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues = line.split()[:5]
        ports = [int(address.partition(":")[2], 16) for address in (local, remote)]
        if state == "01" and port in ports:
            to_send, unread = (int(count, 16) for count in queues.split(":"))
            yield ports[0] == port, to_send, unread


def established(port):
    """How many connections a server has."""
    return sum(own for own, _, _ in connections(port))


def underway(port):
    """Bytes that have left a server and that its clients have not read: the kernel's, on both sides."""
    return sum(to_send if own else unread for own, to_send, unread in connections(port))
