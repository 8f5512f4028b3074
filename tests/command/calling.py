"""Cases: call."""

import json
import subprocess

from kit import ECHO, HERE, SECONDS, case, failed, holds, next_line, same, started, succeeded, viaduct

INFO = {"reason": "BROKEN", "domain": "kinds", "metadata": {"a": "b"}}

# Calls


@case
def call_unary(servers):
    request = {
        "text": "ä\n", "count": -5, "big": "9007199254740993", "raw": "AAH/", "numbers": {"one": 1},
        "parts": [{"name": "wheel", "parts": [{"weight": 2}]}], "right": {"name": "r"}, "maybe": False,
        "span": "1.500s", "color": "COLOR_RED", "otherName": "n",
    }  # fmt: skip
    for options in ((), ("--reflection", "v1alpha")):
        succeeded(viaduct("call", servers.get(*options).target, ECHO, "-d", json.dumps(request)), request)
    # The names and the numbers of the .proto file are understood, too.
    done = viaduct("call", servers.target, f"/{ECHO}", "-d", '{"big": 5, "color": 1, "named": "n"}')
    succeeded(done, {"big": "5", "color": "COLOR_RED", "otherName": "n"})


@case
def call_without_data(servers):
    succeeded(viaduct("call", servers.target, ECHO), {})
    succeeded(viaduct("call", servers.target, "kinds.Kinds/Collect"), {})
    succeeded(viaduct("call", servers.target, "kinds.Kinds/Wrapped"), "")
    succeeded(viaduct("call", servers.target, "kinds.Kinds/Chat"))


@case
def call_well_known(servers):
    succeeded(viaduct("call", servers.target, "kinds.Kinds/Wrapped", "-d", '"abc"'), "ABC")


@case
def call_server_stream(servers):
    done = viaduct("call", servers.target, "kinds.Kinds/Repeat", "-d", '{"text": "x", "count": 3}')
    succeeded(done, {"text": "x"}, {"text": "x", "count": 1}, {"text": "x", "count": 2})


@case
def call_client_stream(servers):
    done = viaduct("call", servers.target, "kinds.Kinds/Collect", "-d", '{"text": "a"} {"text": "b"}{"text": "c"}')
    succeeded(done, {"text": "a b c", "count": 3})


@case
def call_bidi(servers):
    done = viaduct("call", servers.target, "kinds.Kinds/Chat", "-d", '{"count": 1}\n{"count": 2}')
    succeeded(done, {"count": 1}, {"count": 2})


@case
def call_many_both_ways(servers):
    requests = "".join(f'{{"count": {n}}}\n' for n in range(1, 2001))
    done = viaduct("call", servers.target, "kinds.Kinds/Chat", "--json-lines", "-d", "-", input=requests)
    succeeded(done)
    same(done.out, "".join(f'{{"count":{n}}}\n' for n in range(1, 2001)), "in their order")


@case
def call_interactive(servers):
    """Each request is sent as soon as it is there, and each response written."""
    command = ("call", servers.target, "kinds.Kinds/Chat", "--json-lines", "-d", "-")
    with started(*command, stdin=subprocess.PIPE) as process:
        for n in range(1, 4):
            process.stdin.write(f'{{"count": {n}}}'.encode())
            same(next_line(process.stdout, "no response"), f'{{"count":{n}}}', n)
        process.stdin.close()
        same(process.wait(SECONDS), 0, "the end of the input ends the call")


@case
def call_ends_while_input_is_open(servers):
    command = ("call", servers.target, "kinds.Kinds/Chat", "-d", "-")
    with started(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b'{"fail": {"code": 9, "message": "enough"}}')
        same(process.wait(SECONDS), 64 + 9, "the server ended the call")
        same(process.stderr.read(), b"viaduct: the call ended FAILED_PRECONDITION (9): enough\n", "")


@case
def call_data_from_file_and_input(servers):
    file = servers.scratch / "request.json"
    file.write_text('{"text": "from a file"}')
    succeeded(viaduct("call", servers.target, ECHO, "-d", f"@{file}"), {"text": "from a file"})
    succeeded(viaduct("call", servers.target, ECHO, "-d", "-", input='{"text": "in"}'), {"text": "in"})
    failed(viaduct("call", servers.target, ECHO, "-d", f"@{file}.not"), 2, "request.json.not", "cannot be read")


@case
def call_output(servers):
    done = viaduct("call", servers.target, ECHO, "-d", '{"text": "x"}')
    same(done.out, '{\n  "text": "x"\n}\n', done)
    done = viaduct("call", servers.target, ECHO, "-d", '{"text": "x"}', "--json-lines")
    same(done.out, '{"text":"x"}\n', done)
    done = viaduct("call", servers.target, ECHO, "--defaults")
    holds(done.messages()[0]["count"] == 0 and done.messages()[0]["parts"] == [], done)


@case
def call_any(servers):
    for options in ((), ("--reflection", "v1alpha")):
        target = servers.get(*options).target
        part = {"any": {"@type": "type.googleapis.com/parts.Part", "name": "in"}}
        succeeded(viaduct("call", target, ECHO, "-d", json.dumps(part)), part)
    done = viaduct("call", servers.target, ECHO, "-d", json.dumps({"any": {"@type": "type.googleapis.com/x.Y"}}))
    failed(done, 2, '"any"', "x.Y")


@case
def call_any_in_response(servers):
    """google.rpc's types are known, the server's own are asked for, and of others the type is shown."""
    for options in ((), ("--reflection", "v1alpha")):
        for text, any in (
            ("known", {"@type": "type.googleapis.com/google.rpc.ErrorInfo", **INFO}),
            ("own", {"@type": "type.googleapis.com/parts.Part", "name": "wheel", "weight": 3}),
            ("unknown", {"@type": "type.googleapis.com/nobody.Knows"}),
        ):
            done = viaduct("call", servers.get(*options).target, ECHO, "-d", json.dumps({"text": text}))
            succeeded(done, {"text": text, "any": any})


@case
def call_protoset(servers):
    target = servers.get("--reflection", "none", "--no-health").target
    failed(viaduct("call", target, ECHO), 64 + 12, "--protoset")
    succeeded(viaduct("call", target, ECHO, "--protoset", servers.protoset, "-d", '{"count": 7}'), {"count": 7})
    done = viaduct("call", target, "kinds.Other/Echo", "--protoset", servers.protoset)
    failed(done, 64 + 5, "kinds.protoset", '"kinds.Other"')
    failed(viaduct("call", target, ECHO, "--protoset", HERE / "kinds.proto"), 2, "--descriptor_set_out")


# Metadata


@case
def metadata_both_ways(servers):
    headers = ("-H", "x-echo: a: b", "-H", "X-Echo-Bin: AP8K")
    done = viaduct("call", servers.target, ECHO, "-v", *headers[:2])
    same((done.code, done.err), (0, "header x-echo: a: b\ntrailer x-trailing: a: b\n"), done)
    done = viaduct("call", servers.target, ECHO, "-v", *headers[2:])
    same((done.code, done.err), (0, "header x-echo-bin: AP8K\ntrailer x-trailing-bin: AP8K\n"), done)
    done = viaduct("call", servers.target, ECHO, "--verbose", "-H", "x-echo-bin:AQ==")
    holds("x-echo-bin: AQ==\n" in done.err, done)


@case
def metadata_that_is_wrong(servers):
    failed(viaduct("call", servers.target, ECHO, "-H", "no colon"), 2, '"no colon"', 'expected "key: value"')
    failed(viaduct("call", servers.target, ECHO, "-H", "a-bin: ?"), 2, '"a-bin"', "base64")
    failed(viaduct("list", servers.target, "-H", "te: x"), 2, '"te"', "belongs to the protocol")


# Calls that fail


@case
def status_is_the_exit_code(servers):
    for code, name in ((1, "CANCELLED"), (5, "NOT_FOUND"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED")):
        request = json.dumps({"fail": {"code": code, "message": "as you wish ☺"}})
        done = viaduct("call", servers.target, ECHO, "-d", request)
        failed(done, 64 + code)
        same(done.err, f"viaduct: the call ended {name} ({code}): as you wish ☺\n", done)


@case
def status_details(servers):
    for options in ((), ("--reflection", "v1alpha")):
        request = json.dumps({"fail": {"code": 3, "message": "no", "details": ["known", "own", "unknown"]}})
        done = viaduct("call", servers.get(*options).target, ECHO, "-d", request, "--json-lines")
        failed(done, 64 + 3)
        known, own, unknown = map(json.loads, done.err.splitlines()[1:])
        same(known, {"@type": "type.googleapis.com/google.rpc.ErrorInfo", **INFO}, done)
        same(own, {"@type": "type.googleapis.com/parts.Part", "name": "wheel", "weight": 3}, done)
        same(unknown, {"@type": "type.googleapis.com/nobody.Knows"}, done)


@case
def status_after_responses(servers):
    request = json.dumps({"count": 2, "fail": {"code": 10, "message": "then"}})
    done = viaduct("call", servers.target, "kinds.Kinds/Repeat", "-d", request)
    same((done.code, done.err), (64 + 10, "viaduct: the call ended ABORTED (10): then\n"), done)
    same(done.messages(), [{}, {"count": 1}], done)


@case
def deadline(servers):
    done = viaduct("call", servers.target, "kinds.Kinds/Wait", "--timeout", "1s")
    failed(done, 64 + 4, "DEADLINE_EXCEEDED (4)")
    # A server whose reflection does not answer.
    done = viaduct("list", servers.get("--reflection", "silent").target, "--timeout", "500ms")
    failed(done, 64 + 4, "about its services ended DEADLINE_EXCEEDED (4)")
    failed(viaduct("call", servers.target, "kinds.Kinds/Wait", "--timeout", "0"), 64 + 4)


@case
def method_that_is_not_there(servers):
    done = viaduct("call", servers.target, "kinds.Kinds/Nothing")
    failed(done, 64 + 5, 'no method "Nothing"', "it has Echo, Repeat, Collect, Chat, Wait, Wrapped, Old")
    failed(viaduct("call", servers.target, "kinds.Nothing/Echo"), 64 + 5, '"kinds.Nothing"')
    # It is described, but not there.
    failed(viaduct("call", servers.target, "kinds.Kinds/Old"), 64 + 12, "UNIMPLEMENTED (12)")


# Wrong input


@case
def wrong_json_names_the_field(servers):
    for request, parts in (
        ({"cuont": 1}, ['"cuont" is not known', "kinds.All has text, count, big"]),
        ({"count": "many"}, ['the field "count" (int32) cannot be "many": ']),
        ({"count": 2**31}, ['"count"']),
        ({"parts": [{"name": "a"}, {"name": 5}]}, ['the field "parts[1].name" (string) cannot be 5: ']),
        ({"parts": [{"parts": [{"size": 5}]}]}, ['"parts[0].parts[0].size" is not known', "parts.Part has name"]),
        ({"numbers": {"a": 1, "b": "x"}}, ['the field "numbers.b" (int32) cannot be "x": ']),
        ({"color": "COLOR_BLUE"}, ['"color"', "COLOR_BLUE"]),
        ({"span": "soon"}, ['"span"']),
        ({"raw": "?"}, ['"raw"']),
        ({"left": "a", "right": {}}, ["choice"]),
        ([], ["not a kinds.All"]),
    ):
        failed(viaduct("call", servers.target, ECHO, "-d", json.dumps(request)), 2, "--data: ", *parts)


@case
def wrong_json_is_placed(servers):
    failed(viaduct("call", servers.target, ECHO, "-d", '{"text": }'), 2, "not JSON", "line 1 column 10")
    failed(viaduct("call", servers.target, ECHO, "-d", "-", input="{"), 2, "not JSON")
    done = viaduct("call", servers.target, "kinds.Kinds/Collect", "-d", '{"text": "a"} {"txet": "b"}')
    failed(done, 2, "value 2", '"txet"')
    done = viaduct("call", servers.target, "kinds.Kinds/Collect", "-d", "-", input='{"text": "a"} {"txet": "b"}')
    failed(done, 2, "standard input, value 2", '"txet"')
    done = viaduct("call", servers.target, "kinds.Kinds/Collect", "-d", "-", input='{"text": "a"} {"text"')
    failed(done, 2, "standard input, value 2", "not JSON")


@case
def wrong_number_of_requests(servers):
    failed(viaduct("call", servers.target, ECHO, "-d", "{} {}"), 2, "2 JSON values", "kinds.Kinds.Echo takes one")
    failed(viaduct("call", servers.target, ECHO, "-d", ""), 2, "no JSON values", "expected one")


@case
def wrong_arguments(servers):
    failed(viaduct("call", servers.target, "Echo"), 2, '"Echo" is not a method', "package.Service/Method")
    failed(viaduct("list", "example.com:50051"), 2, "example.com:50051", "http://host:port")
    failed(viaduct("list", "10.0.0.1:50051"), 2, 'for plaintext write "http://10.0.0.1:50051"')
    failed(viaduct("list", "https://localhost:1", "--plaintext"), 2, "--plaintext does not go with https://")
    failed(viaduct("list", servers.target, "--ca", HERE / "no.pem"), 2, "no.pem", "cannot be read")
    failed(viaduct("list", servers.target, "--ca", HERE / "run"), 2, "the CA certificates")
    for arguments in ((), ("nothing",), ("list",), ("list", servers.target, "--timeout", "soon"), ("call", "--cert")):
        same(viaduct(*arguments).code, 2, arguments)
    done = viaduct("--help")
    same(done.code, 0, done)
    holds(all(name in done.out for name in ("call", "list", "describe", "health")), done)
