"""What the scripts in www/ call, on grpcio. Prints "port N"; a line on its standard input is a question:

    seen    the answer is one line of JSON: {"calls": {SENDER: N}, "peers": {SENDER: [PEER, …]}, "cancelled": N}
    stop    lets running calls end, then ends the process, as the end of the input does

A request is "SENDER rest"; the sender is what the script wants to be counted by: its process id.
"""

import json
import signal
import sys
import threading
from collections import defaultdict
from concurrent import futures

import grpc

GRACE_SECONDS = 30


class Seen:
    def __init__(self):
        self._lock = threading.Lock()
        self._calls = defaultdict(int)
        self._peers = defaultdict(set)
        self._cancelled = 0

    def call(self, request, context):
        sender = request.decode(errors="replace").split(" ")[0]
        with self._lock:
            self._calls[sender] += 1
            self._peers[sender].add(context.peer())

    def cancelled(self):
        with self._lock:
            self._cancelled += 1

    def as_json(self):
        with self._lock:
            peers = {sender: sorted(peers) for sender, peers in self._peers.items()}
            return json.dumps({"calls": self._calls, "peers": peers, "cancelled": self._cancelled})


class Backend(grpc.GenericRpcHandler):
    def __init__(self, seen):
        self._seen = seen

    def service(self, call):
        method = {"/sapi.Backend/Echo": self.echo, "/sapi.Backend/Hang": self.hang}.get(call.method)
        return method and grpc.unary_unary_rpc_method_handler(method)

    def echo(self, request, context):
        """Answers with what it got and from where."""
        self._seen.call(request, context)
        return request + b" " + context.peer().encode()

    def hang(self, request, context):
        """Sends headers at once, and answers when nobody listens any more."""
        over = threading.Event()
        if not context.add_callback(over.set):
            over.set()
        self._seen.call(request, context)
        context.send_initial_metadata(())
        over.wait()
        self._seen.cancelled()
        return request


def main():
    # Ctrl-C is for the test, which then stops this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seen = Seen()
    server = grpc.server(futures.ThreadPoolExecutor(32))
    server.add_generic_rpc_handlers((Backend(seen),))
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1] if sys.argv[1:] else 0}")
    server.start()
    print("port", port, flush=True)
    for line in sys.stdin:
        if line == "stop\n":
            break
        print(seen.as_json(), flush=True)
    server.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
