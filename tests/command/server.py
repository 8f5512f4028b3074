"""The server that the tests of the command talk to, on grpcio.

    server.py GENERATED [--reflection v1|v1alpha|none|silent|broken] [--no-health] [--tls CERT KEY CA] [--unix PATH]

GENERATED is the folder with the code made from kinds.proto and parts.proto. Prints "port N" once it serves. Each
line on its standard input is a health status for the service "kinds.Kinds"; it serves until that input ends.

Its reflection in v1 is as sparse as the specification allows: one file for each question, without the well-known
types. That in v1alpha is grpcio's own, which sends all imports at once. The silent one never answers, and the broken
one leaves out an import that is needed.
"""

import argparse
import sys
import threading
from concurrent import futures

sys.path.insert(0, sys.argv[1])

import grpc  # noqa: E402
import kinds_pb2  # noqa: E402
import kinds_pb2_grpc  # noqa: E402
import parts_pb2  # noqa: E402
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, wrappers_pb2  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # noqa: E402
from grpc_reflection.v1alpha import reflection, reflection_pb2  # noqa: E402
from grpc_status import rpc_status  # noqa: E402

SERVICES = ("kinds.Kinds", "grpc.health.v1.Health")
CODES = {code.value[0]: code for code in grpc.StatusCode}
stopped = threading.Event()


def packed(message):
    any = any_pb2.Any()
    any.Pack(message)
    return any


DETAILS = {
    "known": packed(error_details_pb2.ErrorInfo(reason="BROKEN", domain="kinds", metadata={"a": "b"})),
    "own": packed(parts_pb2.Part(name="wheel", weight=3)),
    "unknown": any_pb2.Any(type_url="type.googleapis.com/nobody.Knows", value=b"\x08\x01"),
}


def begin(request, context):
    """Sends back x-echo… metadata, and ends the call where the request says so."""
    for key, value in context.invocation_metadata():
        if key in ("x-echo", "x-echo-bin"):
            context.send_initial_metadata(((key, value),))
            context.set_trailing_metadata(((key.replace("echo", "trailing"), value),))
    fail = request.fail
    if fail.code:
        status = status_pb2.Status(code=fail.code, message=fail.message, details=[DETAILS[d] for d in fail.details])
        if fail.details:
            context.abort_with_status(rpc_status.to_status(status))
        context.abort(CODES[fail.code], fail.message)


class Kinds(kinds_pb2_grpc.KindsServicer):
    def Echo(self, request, context):
        begin(request, context)
        if request.text in DETAILS:
            request.any.CopyFrom(DETAILS[request.text])
        return request

    def Repeat(self, request, context):
        for n in range(request.count):
            yield kinds_pb2.All(text=request.text, count=n)
        begin(request, context)

    def Collect(self, requests, context):
        all = list(requests)
        return kinds_pb2.All(text=" ".join(request.text for request in all), count=len(all))

    def Chat(self, requests, context):
        for request in requests:
            begin(request, context)
            yield request

    def Wait(self, request, context):
        done = threading.Event()
        context.add_callback(done.set)
        while not done.wait(0.05) and not stopped.is_set():
            pass
        return request

    def Wrapped(self, request, context):
        return wrappers_pb2.StringValue(value=request.value.upper())


class Sparse:
    """Reflection in v1. Its messages are those of v1alpha."""

    def __init__(self, kind):
        self._kind = kind

    def handlers(self):
        method = grpc.stream_stream_rpc_method_handler(
            self.info,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        service = "grpc.reflection.v1.ServerReflection"
        return grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": method})

    def info(self, requests, context):
        for request in requests:
            if self._kind == "silent":
                stopped.wait()
            yield self.answer(request)

    def answer(self, request):
        response = reflection_pb2.ServerReflectionResponse(original_request=request)
        if request.HasField("list_services"):
            response.list_services_response.service.extend(
                reflection_pb2.ServiceResponse(name=name) for name in SERVICES
            )
            return response
        pool = descriptor_pool.Default()
        try:
            if request.HasField("file_by_filename"):
                file = pool.FindFileByName(request.file_by_filename)
            else:
                file = pool.FindFileContainingSymbol(request.file_containing_symbol)
            if file.name.startswith("google/") or self._kind == "broken" and file.name == "parts.proto":
                raise KeyError(file.name)
        except KeyError as error:
            response.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
            response.error_response.error_message = f"not here: {error}"
            return response
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        response.file_descriptor_response.file_descriptor_proto.append(proto.SerializeToString())
        return response


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("generated")
    parser.add_argument("--reflection", default="v1", choices=("v1", "v1alpha", "none", "silent", "broken"))
    parser.add_argument("--no-health", action="store_true")
    parser.add_argument("--tls", nargs=3, metavar=("CERT", "KEY", "CA"), help="asks for a client's certificate, too")
    parser.add_argument("--unix", metavar="PATH", help="listens there, too")
    options = parser.parse_args()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    kinds_pb2_grpc.add_KindsServicer_to_server(Kinds(), server)
    states = health.HealthServicer()
    states.set("kinds.Kinds", health_pb2.HealthCheckResponse.SERVING)
    if not options.no_health:
        health_pb2_grpc.add_HealthServicer_to_server(states, server)
    if options.reflection == "v1alpha":
        reflection.enable_server_reflection(SERVICES, server)
    elif options.reflection != "none":
        server.add_generic_rpc_handlers((Sparse(options.reflection).handlers(),))
    if options.tls:
        cert, key, ca = map(read, options.tls)
        credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    if options.unix:
        server.add_insecure_port(f"unix:{options.unix}")
    server.start()
    print("port", port, flush=True)
    for line in sys.stdin:
        states.set("kinds.Kinds", health_pb2.HealthCheckResponse.ServingStatus.Value(line.strip()))
    stopped.set()
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
