"""Stands between a client and the backend as a peer that PINGs, closes, and sees what the client does then."""

import socket
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PING = 0x6
ACK = 0x1
FRAME_HEAD = 9


class Relay:
    """Forwards connections to a port."""

    def __init__(self, port):
        self._target = port
        self._lock = threading.Lock()
        self._client = None
        self.connections = 0
        self.closed_by_client = 0
        # The payloads of the PINGs that the client acknowledged.
        self.acknowledged = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def ping(self, payload):
        """Sends a PING on the last connection. The backend must be silent: frames must not mix."""
        with self._lock:
            self._client.sendall(bytes([0, 0, 8, PING, 0, 0, 0, 0, 0]) + payload)

    def close(self):
        """Ends our side of the last connection."""
        self._client.shutdown(socket.SHUT_WR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target), timeout=20)
            except OSError:
                return
            server.settimeout(None)
            self._client = client
            self.connections += 1
            for pump in (self._from_client, self._from_server):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _from_server(self, client, server):
        try:
            while data := server.recv(65536):
                with self._lock:
                    client.sendall(data)
        except OSError:
            pass

    def _from_client(self, client, server):
        """Takes the answers to our PINGs out: the backend did not send them and would be right to complain."""
        seen, preface = bytearray(), len(PREFACE)
        try:
            while data := client.recv(65536):
                seen += data
                if preface and len(seen) >= preface:
                    server.sendall(seen[:preface])
                    del seen[:preface]
                    preface = 0
                while not preface and len(seen) >= FRAME_HEAD:
                    end = FRAME_HEAD + int.from_bytes(seen[:3], "big")
                    if len(seen) < end:
                        break
                    if seen[3] == PING and seen[4] & ACK and bytes(seen[FRAME_HEAD:end]).startswith(b"relay"):
                        self.acknowledged.append(bytes(seen[FRAME_HEAD:end]))
                    else:
                        server.sendall(seen[:end])
                    del seen[:end]
        except OSError:
            pass
        self.closed_by_client += 1
        client.close()
        server.close()
