"""What the cases of the command have in common: running it, servers to run it against, what is expected of it."""

import json
import os
import pathlib
import re
import selectors
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
VIADUCT = pathlib.Path(os.environ.get("VIADUCT", TARGET / "debug/viaduct")).resolve()
PYTHON = ROOT / ".venv/bin/python"
# A proxy of the user's has no part in this.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
# For what is expected to come at once. Where it is reached, the case has failed.
SECONDS = 60

ECHO = "kinds.Kinds/Echo"
CASES = []


def case(function):
    CASES.append(function)
    return function


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}, output {self.out!r}, errors {self.err!r}"

    def messages(self):
        """The output as a list of JSON values."""
        decoder, text, values = json.JSONDecoder(), self.out.strip(), []
        while text:
            value, end = decoder.raw_decode(text)
            values.append(value)
            text = text[end:].strip()
        return values


def viaduct(*arguments, input=""):
    done = subprocess.run(
        [VIADUCT, *arguments], input=input, capture_output=True, text=True, timeout=SECONDS, env=ENVIRONMENT
    )
    return Done(done.returncode, done.stdout, done.stderr)


def started(*arguments, **streams):
    """The command, to be talked to while it runs. Its output is read without a buffer."""
    return subprocess.Popen([VIADUCT, *arguments], stdout=subprocess.PIPE, env=ENVIRONMENT, bufsize=0, **streams)


def same(got, expected, what):
    if got != expected:
        raise AssertionError(f"expected {expected!r}, got {got!r} ({what})")


def holds(condition, what):
    if not condition:
        raise AssertionError(repr(what))


def succeeded(done, *messages):
    same(done.code, 0, done)
    same(done.err, "", done)
    if messages:
        same(done.messages(), list(messages), done)


def failed(done, code, *parts):
    """It ended with this code, has printed nothing, and its sentence has these parts."""
    same(done.code, code, done)
    same(done.out, "", done)
    holds(done.err.startswith("viaduct: "), done)
    for part in parts:
        holds(part in done.err, (part, done))


def next_line(stream, what):
    """A line of a process that runs on, as bytes that are read without a buffer."""
    seen = b""
    deadline = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not seen.endswith(b"\n") and (left := deadline - time.monotonic()) > 0 and selector.select(left):
            data = os.read(stream.fileno(), 1)
            if not data:
                break
            seen += data
    holds(seen.endswith(b"\n"), (what, seen))
    return seen.decode().rstrip("\n")


class Server:
    def __init__(self, generated, *options):
        self._process = subprocess.Popen(
            [PYTHON, HERE / "server.py", generated, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            # Handshakes that are meant to fail are no news.
            env=ENVIRONMENT | {"GRPC_VERBOSITY": "NONE"},
        )  # fmt: skip
        self.port = int(re.fullmatch(r"port (\d+)", next_line(self._process.stdout, "the server did not start"))[1])
        self.target = f"http://127.0.0.1:{self.port}"

    def health(self, status):
        self._process.stdin.write(f"{status}\n".encode())

    def stop(self):
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Servers:
    """The servers that cases share, each started when it is first asked for."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.generated = scratch / "python"
        self.protoset = scratch / "kinds.protoset"
        self._running = {}
        self.generated.mkdir()
        subprocess.run(
            [PYTHON, "-m", "grpc_tools.protoc", f"-I{HERE}", f"--python_out={self.generated}",
             f"--grpc_python_out={self.generated}", f"--descriptor_set_out={self.protoset}", "--include_imports",
             "kinds.proto", "parts.proto"],
            check=True, cwd=HERE,
        )  # fmt: skip

    def get(self, *options):
        if options not in self._running:
            self._running[options] = Server(self.generated, *options)
        return self._running[options]

    @property
    def target(self):
        return self.get().target

    def stop(self):
        for server in self._running.values():
            server.stop()


def certificates(scratch):
    """A CA, and a server's and a client's certificate that it signed."""
    folder = scratch / "certificates"
    folder.mkdir()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True, timeout=60)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
    return {file.name: str(file) for file in folder.iterdir()}
