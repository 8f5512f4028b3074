"""The interop test client on grpcio.

    client.py [--tls --ca CA [--cert CERT --key KEY]] HOST:PORT CASE…

Prints "ok CASE" or "FAIL CASE reason" for each; exits 1 if any failed. The cases:
https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#client
"""

import argparse
import queue
import sys

import grpc
from generated import empty_pb2, helloworld_pb2, helloworld_pb2_grpc, messages_pb2, test_pb2_grpc

LARGE_REQUEST = 271828
LARGE_RESPONSE = 314159
REQUEST_SIZES = [27182, 8, 1828, 45904]
RESPONSE_SIZES = [31415, 9, 2653, 58979]
ECHO_INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
ECHO_TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
# No call of a case that passes takes as long; none hangs longer.
PATIENCE = 20


class Requests:
    """The requests of a streaming call, sent as they are put in."""

    def __init__(self):
        self._queue = queue.SimpleQueue()

    def send(self, message):
        self._queue.put(message)

    def half_close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def same(expected, actual, what):
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def fails(call):
    """The grpc.RpcError that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call ended OK")


def payload(size):
    return messages_pb2.Payload(body=bytes(size))


def large_request(**fields):
    return messages_pb2.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST), **fields)


def output_request(response_size, request_size, interval_us=0):
    return messages_pb2.StreamingOutputCallRequest(
        response_parameters=[messages_pb2.ResponseParameters(size=response_size, interval_us=interval_us)],
        payload=payload(request_size),
    )


def large_response(response):
    same(bytes(LARGE_RESPONSE), response.payload.body, "the payload")


def empty_unary(stub, _):
    same(empty_pb2.Empty(), stub.EmptyCall(empty_pb2.Empty(), timeout=PATIENCE), "the response")


def large_unary(stub, _):
    large_response(stub.UnaryCall(large_request(), timeout=PATIENCE))


def client_streaming(stub, _):
    requests = (messages_pb2.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES)
    response = stub.StreamingInputCall(requests, timeout=PATIENCE)
    same(74922, response.aggregated_payload_size, "the sum of the sizes")


def server_streaming(stub, _):
    request = messages_pb2.StreamingOutputCallRequest(
        response_parameters=[messages_pb2.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    )
    responses = stub.StreamingOutputCall(request, timeout=PATIENCE)
    same(RESPONSE_SIZES, [len(response.payload.body) for response in responses], "the sizes")


def ping_pong(stub, _):
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=PATIENCE)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.send(output_request(response_size, request_size))
        same(response_size, len(next(call).payload.body), "the size")
    requests.half_close()
    same([], list(call), "the responses after the half-close")


def empty_stream(stub, _):
    same([], list(stub.FullDuplexCall(iter(()), timeout=PATIENCE)), "the responses")


def custom_metadata(stub, _):
    metadata = (ECHO_INITIAL, ECHO_TRAILING)

    response, call = stub.UnaryCall.with_call(large_request(), metadata=metadata, timeout=PATIENCE)
    large_response(response)
    same(ECHO_INITIAL[1], dict(call.initial_metadata()).get(ECHO_INITIAL[0]), "the unary call's header")
    same(ECHO_TRAILING[1], dict(call.trailing_metadata()).get(ECHO_TRAILING[0]), "the unary call's trailer")

    requests = iter([output_request(LARGE_RESPONSE, LARGE_REQUEST)])
    call = stub.FullDuplexCall(requests, metadata=metadata, timeout=PATIENCE)
    same([LARGE_RESPONSE], [len(response.payload.body) for response in call], "the sizes")
    same(ECHO_INITIAL[1], dict(call.initial_metadata()).get(ECHO_INITIAL[0]), "the stream's header")
    same(ECHO_TRAILING[1], dict(call.trailing_metadata()).get(ECHO_TRAILING[0]), "the stream's trailer")


def status_code_and_message(stub, _):
    status = messages_pb2.EchoStatus(code=2, message="test status message")

    request = messages_pb2.SimpleRequest(response_status=status)
    error = fails(lambda: stub.UnaryCall(request, timeout=PATIENCE))
    same((grpc.StatusCode.UNKNOWN, status.message), (error.code(), error.details()), "the unary call's status")

    requests = iter([messages_pb2.StreamingOutputCallRequest(response_status=status)])
    error = fails(lambda: list(stub.FullDuplexCall(requests, timeout=PATIENCE)))
    same((grpc.StatusCode.UNKNOWN, status.message), (error.code(), error.details()), "the stream's status")


def special_status_message(stub, _):
    status = messages_pb2.EchoStatus(code=2, message=SPECIAL_MESSAGE)
    error = fails(lambda: stub.UnaryCall(messages_pb2.SimpleRequest(response_status=status), timeout=PATIENCE))
    same((grpc.StatusCode.UNKNOWN, SPECIAL_MESSAGE), (error.code(), error.details()), "the status")


def unimplemented_method(stub, _):
    error = fails(lambda: stub.UnimplementedCall(empty_pb2.Empty(), timeout=PATIENCE))
    same(grpc.StatusCode.UNIMPLEMENTED, error.code(), "the status code")


def unimplemented_service(_, channel):
    stub = test_pb2_grpc.UnimplementedServiceStub(channel)
    error = fails(lambda: stub.UnimplementedCall(empty_pb2.Empty(), timeout=PATIENCE))
    same(grpc.StatusCode.UNIMPLEMENTED, error.code(), "the status code")


def cancel_after_begin(stub, _):
    call = stub.StreamingInputCall.future(iter(Requests()), timeout=PATIENCE)
    call.cancel()
    same((True, grpc.StatusCode.CANCELLED), (call.cancelled(), call.code()), "whether it is cancelled, and its code")


def cancel_after_first_response(stub, _):
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=PATIENCE)
    requests.send(output_request(31415, 27182))
    same(31415, len(next(call).payload.body), "the size")
    call.cancel()
    same(grpc.StatusCode.CANCELLED, fails(lambda: next(call)).code(), "the status code")


def timeout_on_sleeping_server(stub, _):
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=0.001)
    requests.send(output_request(31415, 27182, interval_us=200_000))
    same(grpc.StatusCode.DEADLINE_EXCEEDED, fails(lambda: next(call)).code(), "the status code")


def client_compressed_unary(stub, _):
    """Whether the first request is compressed and the second is not is seen on the wire: see run."""
    for compressed in (True, False):
        request = large_request(expect_compressed=messages_pb2.BoolValue(value=compressed))
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        large_response(stub.UnaryCall(request, compression=compression, timeout=PATIENCE))


def server_compressed_unary(stub, _):
    """Whether the first response is compressed and the second is not is seen on the wire: see run."""
    for compressed in (True, False):
        request = large_request(response_compressed=messages_pb2.BoolValue(value=compressed))
        large_response(stub.UnaryCall(request, timeout=PATIENCE))


def hello(_, channel):
    stub = helloworld_pb2_grpc.GreeterStub(channel)
    reply = stub.SayHello(helloworld_pb2.HelloRequest(name="wörld"), timeout=PATIENCE)
    same("Hello wörld", reply.message, "the greeting")


def connect(options):
    if not options.tls:
        return grpc.insecure_channel(options.target)
    ca, key, cert = (open(path, "rb").read() if path else None for path in (options.ca, options.key, options.cert))
    return grpc.secure_channel(options.target, grpc.ssl_channel_credentials(ca, key, cert))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", action="store_true")
    for name in ("--ca", "--cert", "--key"):
        parser.add_argument(name)
    parser.add_argument("target")
    parser.add_argument("cases", nargs="+")
    options = parser.parse_args()

    failed = False
    with connect(options) as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        for case in options.cases:
            try:
                globals()[case](stub, channel)
                print("ok", case, flush=True)
            except Exception as error:
                reason = f"{error.code()} {error.details()}" if isinstance(error, grpc.RpcError) else repr(error)
                print("FAIL", case, " ".join(reason.split())[:500], flush=True)
                failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
