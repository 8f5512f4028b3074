"""The interop test server on grpcio.

    server.py [--tls CERT KEY [--ca CA]]

Prints "port N" once it serves, and serves until SIGTERM. What each method does:
https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#server
"""

import argparse
import signal
import time
from concurrent import futures

import grpc
from generated import empty_pb2, helloworld_pb2, helloworld_pb2_grpc, messages_pb2, test_pb2_grpc

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}


def payload(size):
    return messages_pb2.Payload(body=bytes(size))


def echo_metadata(context):
    for key, value in context.invocation_metadata():
        if key == ECHO_INITIAL:
            context.send_initial_metadata(((key, value),))
        elif key == ECHO_TRAILING:
            context.set_trailing_metadata(((key, value),))


def echo_status(request, context):
    if request.response_status.code:
        context.abort(CODES[request.response_status.code], request.response_status.message)


def user(context):
    """Whom the call's credentials name."""
    authorizations = [value for key, value in context.invocation_metadata() if key == "authorization"]
    return ", ".join(value.removeprefix("Bearer ") for value in authorizations)


def outputs(request):
    for parameters in request.response_parameters:
        time.sleep(parameters.interval_us / 1e6)
        yield messages_pb2.StreamingOutputCallResponse(payload=payload(parameters.size))


class TestService(test_pb2_grpc.TestServiceServicer):
    """UnimplementedCall is left to the base class, which answers UNIMPLEMENTED."""

    def EmptyCall(self, request, context):
        echo_metadata(context)
        return empty_pb2.Empty()

    def UnaryCall(self, request, context):
        # Before the headers are sent: they name the encoding.
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        echo_metadata(context)
        echo_status(request, context)
        username = user(context) if request.fill_username else ""
        return messages_pb2.SimpleResponse(payload=payload(request.response_size), username=username)

    def CacheableUnaryCall(self, request, context):
        context.send_initial_metadata((("cache-control", "max-age=60, public"),))
        return messages_pb2.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        echo_metadata(context)
        echo_status(request, context)
        yield from outputs(request)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            echo_status(request, context)
            yield from outputs(request)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from outputs(request)


class Greeter(helloworld_pb2_grpc.GreeterServicer):
    def SayHello(self, request, context):
        return helloworld_pb2.HelloReply(message=f"Hello {request.name}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--ca", help="ask clients for a certificate that this one has signed")
    options = parser.parse_args()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    test_pb2_grpc.add_TestServiceServicer_to_server(TestService(), server)
    helloworld_pb2_grpc.add_GreeterServicer_to_server(Greeter(), server)
    if options.tls:
        cert, key = map(read, options.tls)
        ca = read(options.ca) if options.ca else None
        credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=ca is not None)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=2))
    print("port", port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
