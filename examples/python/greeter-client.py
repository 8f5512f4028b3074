"""Calls greeter.Greeter with grpcio: a foreign client of the server in ../php.

    greeter-client.py [HOST:PORT]
"""

import pathlib
import sys

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "build/python"))
from greeter_pb2 import HelloRequest  # noqa: E402
from greeter_pb2_grpc import GreeterStub  # noqa: E402

NAMES = ["Ada", "Grace", "Alan"]


def requests():
    return (HelloRequest(name=name) for name in NAMES)


target = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
with grpc.insecure_channel(target) as channel:
    greeter = GreeterStub(channel)

    print("SayHello:", greeter.SayHello(HelloRequest(name="Ada"), timeout=5).message)
    try:
        greeter.SayHello(HelloRequest(), timeout=5)
    except grpc.RpcError as error:
        print(f"SayHello to nobody: {error.code().name}: {error.details()}")
    for reply in greeter.LotsOfReplies(HelloRequest(name="Ada"), timeout=5):
        print("LotsOfReplies:", reply.message)
    print("LotsOfGreetings:", greeter.LotsOfGreetings(requests(), timeout=5).message)
    for reply in greeter.BidiHello(requests(), timeout=5):
        print("BidiHello:", reply.message)
