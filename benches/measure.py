"""What benches/run and benches/proxy/run share: programs on a core of their own, and rows with goals."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
H2LOAD_LINE = re.compile(r"finished in [\d.]+m?u?s, ([\d.]+) req/s")
H2LOAD_REQUESTS = re.compile(r"requests: (\d+) total, .* (\d+) succeeded")
H2LOAD_DATA = re.compile(r"traffic: .*\((\d+)\) data")
ROW = "{:<34} {:>13} {:>13} {:>8}  {:<18} {:<5} {:>5}"


class Broken(Exception):
    """A program that did not do what it should; the text is for people."""


def pin(core, command):
    cores = sorted(os.sched_getaffinity(0))
    return [*(["taskset", "-c", str(cores[core])] if len(cores) > 1 else []), *map(str, command)]


def output(command, env=None, stderr=subprocess.PIPE):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env, timeout=900)
    if done.returncode:
        raise Broken(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout or '').strip()}")
    return done.stdout


def figures(core, command):
    return json.loads(output(pin(core, command)))


def certificate(directory):
    """A certificate for localhost that is its own authority: the paths of certificate and key."""
    paths = [str(Path(directory) / name) for name in ("cert.pem", "key.pem")]
    output([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE",
        "-out", paths[0], "-keyout", paths[1],
    ])  # fmt: skip
    return paths


def stop(process):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(core, command, env=None, stderr=None):
    """Runs a server, and gives the port it prints and its process."""
    env = {**os.environ, **(env or {})}
    server = subprocess.Popen(pin(core, command), stdout=subprocess.PIPE, stderr=stderr, text=True, env=env)
    try:
        first = server.stdout.readline().split()
        if first[:1] != ["port"]:
            raise Broken(f"{command[0]} did not say its port")
        yield first[1], server
    finally:
        stop(server)


@contextmanager
def listening(core, command, env=None, stderr=None):
    """Runs a server, and gives the port it prints."""
    with running(core, command, env, stderr) as (port, _):
        yield port


@contextmanager
def message_file(size):
    """The path of a file that holds one gRPC message, as h2load sends it."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + size.to_bytes(4, "big") + b"x" * size)
        body.flush()
        yield body.name


def h2load(core, port, size, requests, latencies=False, scheme="http"):
    """Unary calls on 4 connections with 16 streams each: the rate, and the 99th percentile where asked for."""
    with message_file(size) as body, tempfile.NamedTemporaryFile("r") as log:
        text = output(pin(core, [
            "h2load", "-n", requests, "-c", 4, "-m", 16, "-d", body, *(["--log-file", log.name] if latencies else []),
            "-H", "content-type: application/grpc", "-H", "te: trailers",
            f"{scheme}://127.0.0.1:{port}/bench.Echo/Unary",
        ]))  # fmt: skip
        line, counts, data = (of.search(text) for of in (H2LOAD_LINE, H2LOAD_REQUESTS, H2LOAD_DATA))
        # An error in gRPC is a success in HTTP: the messages that came tell them apart.
        if not line or not counts or not data or counts[1] != counts[2] or int(data[1]) < requests * (5 + size):
            raise Broken(f"h2load: not all requests succeeded\n{text}")
        result = {"rate": float(line[1])}
        if latencies:
            times = sorted(int(row.split("\t")[2]) for row in log)
            result["p99_us"] = times[len(times) * 99 // 100]
        return result


def median_ratio(mine, theirs):
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(mine, theirs))


def met(goal, value):
    """Whether a value meets a goal like "<= 1.15"; None where there is no goal or no value."""
    if not goal or value is None:
        return None
    sign, bound = goal.split()
    return value <= float(bound) if sign == "<=" else value >= float(bound)


def row(name, ours, floor, ratio=None, goal=None, good=None, decimals=1):
    number = lambda value: "-" if value is None else f"{value:,.{decimals}f}"
    verdict = "skip" if ours is None else "" if good is None else "ok" if good else "MISS"
    shown = "-" if ratio is None else f"{ratio:.2f}"
    print(ROW.format(name, number(ours), number(floor), shown, goal or "", verdict, f"{os.getloadavg()[0]:.2f}"))
    sys.stdout.flush()
