"""Finds the generated Python code in build/python."""

import pathlib
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "build/python"))
# The .proto files live in grpc/testing and grpc/examples, and so does the code made from them: below a package that
# is grpcio's own. It has neither folder, so both fit in one name.
grpc.__path__.append(str(ROOT / "build/python/grpc"))

from grpc.examples import helloworld_pb2, helloworld_pb2_grpc  # noqa: E402
from grpc.testing import empty_pb2, messages_pb2, test_pb2_grpc  # noqa: E402

__all__ = ["empty_pb2", "messages_pb2", "test_pb2_grpc", "helloworld_pb2", "helloworld_pb2_grpc"]
