"""Cases: list, describe, health, and the ways to a server."""

import contextlib
import socket
import subprocess
import threading

from kit import (
    ECHO, HERE, PYTHON, SECONDS, Done, Server, case, certificates, failed, holds, next_line, same,
    started, succeeded, viaduct,
)  # fmt: skip

# Reflection: list and describe


@case
def list_services(servers):
    for options in ((), ("--reflection", "v1alpha")):
        done = viaduct("list", servers.get(*options).target)
        succeeded(done)
        same(sorted(done.out.split()), ["grpc.health.v1.Health", "kinds.Kinds"], done)


@case
def list_methods(servers):
    done = viaduct("list", servers.target, "kinds.Kinds")
    succeeded(done)
    methods = "Echo Repeat Collect Chat Wait Wrapped Old".split()
    same(done.out.split(), [f"kinds.Kinds/{method}" for method in methods], done)


@case
def list_unknown_service(servers):
    for options in ((), ("--reflection", "v1alpha")):
        done = viaduct("list", servers.get(*options).target, "kinds.Nothing")
        failed(done, 64 + 5, 'no symbol "kinds.Nothing"', "NOT_FOUND (5)")
    failed(viaduct("list", servers.target, "kinds.All"), 64 + 5, "kinds.All is not a service")


@case
def list_without_reflection(servers):
    done = viaduct("list", servers.get("--reflection", "none", "--no-health").target)
    failed(done, 64 + 12, "does not describe its services", "neither v1 nor v1alpha", "--protoset")


@case
def reflection_that_is_broken(servers):
    target = servers.get("--reflection", "broken").target
    for arguments in (("list", target, "kinds.Kinds"), ("call", target, ECHO)):
        failed(viaduct(*arguments), 64 + 13, "does not fit together", "parts.proto")


@case
def describe_service(servers):
    done = viaduct("describe", servers.target, "kinds.Kinds")
    succeeded(done)
    holds(done.out.startswith("// kinds.Kinds, in kinds.proto\nservice Kinds {\n"), done)
    for line in (
        "  rpc Echo(kinds.All) returns (kinds.All);",
        "  rpc Repeat(kinds.All) returns (stream kinds.All);",
        "  rpc Collect(stream kinds.All) returns (kinds.All);",
        "  rpc Chat(stream kinds.All) returns (stream kinds.All);",
        "  rpc Old(kinds.All) returns (kinds.All) {\n    option deprecated = true;\n  }",
    ):
        holds(f"{line}\n" in done.out, (line, done))


@case
def describe_message(servers):
    done = viaduct("describe", servers.target, "kinds.All")
    succeeded(done)
    for line in (
        "message All {",
        "  enum Color {\n    COLOR_UNSPECIFIED = 0;\n    COLOR_RED = 1;\n  }",
        "  message Fail {\n    int32 code = 1;",
        "  string text = 1;",
        "  repeated parts.Part parts = 5;",
        "  map<string, int32> numbers = 6;",
        "  oneof choice {\n    string left = 7;\n    parts.Part right = 8;\n  }",
        "  optional bool maybe = 9;",
        "  google.protobuf.Any any = 10;",
        "  kinds.All.Color color = 12;",
        '  string named = 14 [deprecated = true, json_name = "otherName"];',
        "  reserved 20;\n  reserved 30 to 39;\n  reserved \"gone\";",
    ):
        holds(f"{line}\n" in done.out, (line, done))
    # What it says is what protoc understands: types, numbers and all.
    text = done.out.replace("// kinds.All", 'syntax = "proto3"; package kinds; ' + "".join(
        f'import "{name}.proto"; ' for name in ("google/protobuf/any", "google/protobuf/duration", "parts")
    ) + "// kinds.All")  # fmt: skip
    folder = servers.scratch / "described"
    folder.mkdir()
    (folder / "again.proto").write_text(text)
    subprocess.run(
        [PYTHON, "-m", "grpc_tools.protoc", f"-I{folder}", f"-I{HERE}", f"--python_out={folder}", "again.proto"],
        check=True,
    )


@case
def describe_parts(servers):
    for symbol, line in (
        ("kinds.Kinds/Echo", "rpc Echo(kinds.All) returns (kinds.All);"),
        (".kinds.Kinds.Echo", "rpc Echo(kinds.All) returns (kinds.All);"),
        ("kinds.All.numbers", "map<string, int32> numbers = 6;"),
        ("kinds.All.Color", "enum Color {\n  COLOR_UNSPECIFIED = 0;\n  COLOR_RED = 1;\n}"),
        ("kinds.All.COLOR_RED", "COLOR_RED = 1; // of enum kinds.All.Color"),
    ):
        done = viaduct("describe", servers.target, symbol)
        succeeded(done)
        holds(done.out.endswith(f", in kinds.proto\n{line}\n"), (symbol, done))


@case
def through_a_proxy(servers):
    """grpcio's reflection does not name itself among the services. One server, one in each version, and two proxies."""
    one, other = servers.get(), servers.get("--reflection", "v1alpha")
    both = ["grpc.health.v1.Health", "kinds.Kinds"]
    with contextlib.ExitStack() as stack:

        def proxy(*backends):
            backends = [word for backend in backends for word in ("--backend", backend.removeprefix("http://"))]
            process = started("proxy", "--listen", "127.0.0.1:0", *backends, "--log", "error")
            stack.callback(process.stdout.close)
            stack.callback(process.wait, SECONDS)
            # Asked twice, it ends at once.
            stack.callback(process.kill)
            return next_line(process.stdout, "the proxy did not start").removeprefix("listening on ")

        alone, mixed = proxy(one.target), proxy(one.target, other.target)
        for target in (alone, mixed, proxy(alone), proxy(mixed)):
            done = viaduct("list", target)
            succeeded(done)
            same(sorted(done.out.split()), both, done)
            described = [viaduct("describe", at, "kinds.Kinds").out for at in (target, one.target)]
            same(described[0], described[1], target)
            succeeded(viaduct("call", target, ECHO, "-d", '{"text": "a"}'), {"text": "a"})
            failed(viaduct("list", target, "kinds.Nothing"), 64 + 5, "NOT_FOUND (5)")
            same(viaduct("health", target).out, "SERVING\n", target)


@case
def describe_all(servers):
    done = viaduct("describe", servers.get("--reflection", "v1alpha").target)
    succeeded(done)
    holds("\nservice Kinds {\n" in done.out and "\nservice Health {\n" in done.out, done)


@case
def describe_unknown(servers):
    failed(viaduct("describe", servers.target, "kinds.Nothing"), 64 + 5, '"kinds.Nothing"', "not here")
    failed(viaduct("describe", servers.target, "kinds.All.nothing"), 64 + 5, '"kinds.All.nothing"')


# Health


@case
def health_once(servers):
    server = servers.get("--reflection", "v1alpha")
    same(repr(viaduct("health", server.target)), repr(Done(0, "SERVING\n", "")), "")
    same(repr(viaduct("health", server.target, "kinds.Kinds")), repr(Done(0, "SERVING\n", "")), "")
    failed(viaduct("health", server.target, "kinds.Nothing"), 64 + 5, "for its health", "NOT_FOUND (5)")
    none = servers.get("--reflection", "none", "--no-health")
    failed(viaduct("health", none.target), 64 + 12, "has no health service")


@case
def health_watch(servers):
    server = Server(servers.generated)
    command = ("health", server.target, "kinds.Kinds", "--watch")
    with started(*command, stderr=subprocess.PIPE) as process:
        same(next_line(process.stdout, "no status"), "SERVING", "at first")
        for status in ("NOT_SERVING", "SERVING", "NOT_SERVING"):
            server.health(status)
            same(next_line(process.stdout, "no status"), status, "after a change")
        same(repr(viaduct("health", server.target, "kinds.Kinds")), repr(Done(1, "NOT_SERVING\n", "")), "")
        server.stop()
        code, err = process.wait(SECONDS), process.stderr.read().decode()
        holds(code > 64 and err.startswith(f"viaduct: asking {server.target} for its health ended "), (code, err))


# Ways to a server


@case
def ways_to_plaintext(servers):
    path = servers.scratch / "socket"
    server = servers.get("--unix", str(path))
    for target in (
        f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"http://localhost:{server.port}", f"unix:{path}",
    ):  # fmt: skip
        succeeded(viaduct("call", target, ECHO, "-d", '{"count": 1}'), {"count": 1})
    for target in (f"dns:///localhost:{server.port}", f"ipv4:127.0.0.1:{server.port}"):
        succeeded(viaduct("call", target, ECHO, "--plaintext"), {})


@case
def ways_to_tls(servers):
    files = certificates(servers.scratch)
    server = servers.get("--tls", files["server.pem"], files["server.key"], files["ca.pem"])
    identity = ("--cert", files["client.pem"], "--key", files["client.key"])
    trusted = ("--ca", files["ca.pem"], *identity)
    for target in (f"https://localhost:{server.port}", f"dns:///localhost:{server.port}"):
        succeeded(viaduct("call", target, ECHO, *trusted, "-d", '{"count": 1}'), {"count": 1})
    target = f"https://127.0.0.1:{server.port}"
    failed(viaduct("list", target, *trusted), 64 + 14, "UNAVAILABLE (14)", "127.0.0.1")
    succeeded(viaduct("call", target, ECHO, *trusted, "--server-name", "localhost"), {})
    succeeded(viaduct("call", target, ECHO, *trusted, "--server-name", "localhost", "--authority", "other:1"), {})
    failed(viaduct("list", f"https://localhost:{server.port}", *identity), 64 + 14, "UNAVAILABLE (14)")
    failed(viaduct("list", f"https://localhost:{server.port}", *trusted[:2]), 64 + 14, "UNAVAILABLE (14)")
    failed(viaduct("list", f"http://localhost:{server.port}", *trusted), 2, "says plaintext")
    failed(viaduct("list", f"http://localhost:{server.port}"), 64 + 14, "UNAVAILABLE (14)")


@case
def unreachable(servers):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    target = f"http://127.0.0.1:{port}"
    failed(viaduct("list", target), 64 + 14, f"{target} about its services ended UNAVAILABLE (14)", "refused")
    failed(viaduct("call", target, ECHO, "--protoset", servers.protoset), 64 + 14, "the call ended UNAVAILABLE (14)")
    failed(viaduct("health", target), 64 + 14, "UNAVAILABLE (14)")
    failed(viaduct("list", f"unix:{servers.scratch}/nobody"), 64 + 14, "UNAVAILABLE (14)")
    failed(viaduct("list", "http://nobody.invalid:1"), 64 + 14, "UNAVAILABLE (14)", "nobody.invalid")


@case
def not_grpc(servers):
    page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    with connection:
                        connection.recv(4096)
                        connection.sendall(page)
                        connection.shutdown(socket.SHUT_WR)
                        # What is left unread would reset the connection, and the page with it.
                        while connection.recv(4096):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = viaduct("list", f"http://127.0.0.1:{listener.getsockname()[1]}")
        failed(done, 64 + 14, "HTTP/1.1 400 Bad Request")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(SECONDS)


@case
def output_that_nobody_reads(servers):
    command = ("call", servers.target, "kinds.Kinds/Repeat", "--json-lines", "-d", '{"count": 100000}')
    with started(*command, stderr=subprocess.PIPE) as process:
        next_line(process.stdout, "no response")
        process.stdout.close()
        same((process.wait(SECONDS), process.stderr.read()), (1, b""), "ends without a word")
