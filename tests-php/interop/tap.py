"""Sees which gRPC messages are compressed.

Neither side's API tells, but the wire does: the first byte of each message. A Tap stands between client and server
and reads the HTTP/2 DATA frames that pass through it.
"""

import socket
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA = 0x0
PADDED = 0x8


class Direction:
    """One direction of one connection: bytes in, the compressed flag of each message out."""

    def __init__(self, flags, skip):
        self._flags = flags
        self._skip = skip
        self._bytes = bytearray()
        self._streams = {}

    def feed(self, data):
        self._bytes += data
        if len(self._bytes) < self._skip:
            return
        del self._bytes[: self._skip]
        self._skip = 0
        while len(self._bytes) >= 9:
            length = int.from_bytes(self._bytes[:3], "big")
            if len(self._bytes) < 9 + length:
                return
            kind, flags = self._bytes[3], self._bytes[4]
            stream = int.from_bytes(self._bytes[5:9], "big") & 0x7FFFFFFF
            body = self._bytes[9 : 9 + length]
            del self._bytes[: 9 + length]
            if kind == DATA:
                if flags & PADDED:
                    body = body[1 : len(body) - body[0]]
                self._messages(self._streams.setdefault(stream, bytearray()), body)

    def _messages(self, buffer, data):
        buffer += data
        while len(buffer) >= 5:
            length = int.from_bytes(buffer[1:5], "big")
            if len(buffer) < 5 + length:
                return
            self._flags.append(buffer[0])
            del buffer[: 5 + length]


class Tap:
    """Forwards connections to a port; `requests` and `responses` are the compressed flags in their order."""

    def __init__(self, port):
        self.requests = []
        self.responses = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                return
            server.settimeout(None)
            for source, sink, flags, skip in (
                (client, server, self.requests, len(PREFACE)),
                (server, client, self.responses, 0),
            ):
                arguments = (source, sink, Direction(flags, skip))
                threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    @staticmethod
    def _pump(source, sink, direction):
        try:
            while data := source.recv(65536):
                # Before it is sent on: once the client has its answer, the flags are complete.
                direction.feed(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side is gone, which the other will see for itself
