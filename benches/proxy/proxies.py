"""The proxies that benches/proxy compares: how each is started, and what its processes use."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from measure import RELEASE, ROOT, Broken, certificate, pin, running, stop  # noqa: E402

HERE = Path(__file__).resolve().parent
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CORE = 0
START_SECONDS = 10
BINARIES = {
    # Debian has it where only root's PATH looks.
    "nginx": shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
    "haproxy": shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
    "envoy": ROOT / "build" / "envoy" / "bin" / "envoy",
    "viaduct": RELEASE / "viaduct",
    "bare h2": RELEASE / "h2-forward",
}
CONFIGS = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "envoy": "envoy.yaml", "viaduct": "viaduct.toml"}
# Forwards and does nothing else: what it uses is the floor.
BARE = "bare h2"


def command(name, config, scratch):
    binary = BINARIES[name]
    return {
        "nginx": [binary, "-p", scratch, "-e", "stderr", "-c", config],
        "haproxy": [binary, "-q", "-db", "-f", config],
        "envoy": [binary, "-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "critical"],
        "viaduct": [binary, "proxy", "--config", config],
    }[name]


def why_not(name):
    """A sentence where a proxy is not here, else None."""
    binary = BINARIES[name]
    if name == BARE:
        return None
    if not binary or not Path(binary).exists():
        return f"{name} is not installed (scripts/setup proxies)" if name != "viaduct" else f"there is no {binary}"
    asked = [binary, "proxy", "--help"] if name == "viaduct" else [binary, "-v" if name != "envoy" else "--version"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return f"{' '.join(map(str, asked))} ended with {done.returncode}" if done.returncode else None


def free_port():
    """A port that nobody has now: the other proxies do not tell which one they were given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """A proxy that runs; where its configuration has no listener with TLS, `tls_port` is None."""

    def __init__(self, port, tls_port, process):
        self.port = port
        self.tls_port = tls_port
        self.process = process

    def stats(self):
        """What /proc/PID/stat says of the process and its descendants, as lists that begin with the state."""
        of, children = {}, {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue  # it has ended
                of[int(entry)] = fields
                children.setdefault(int(fields[1]), []).append(int(entry))
        found, left = [], [self.process.pid]
        while left:
            pid = left.pop()
            left += children.get(pid, [])
            if pid in of:
                found.append(of[pid])
        return found

    def cpu_us(self):
        return sum(int(fields[11]) + int(fields[12]) for fields in self.stats()) * TICK_US

    def rss_mib(self):
        return sum(int(fields[21]) for fields in self.stats()) * PAGE / (1 << 20)


@contextmanager
def proxy(name, backend):
    """Runs a proxy before the backend's port as long as it is needed; it accepts connections from the first."""
    if name == BARE:
        with running(CORE, [BINARIES[BARE], backend]) as (port, process):
            yield Running(int(port), None, process)
        return
    port, tls_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)  # nginx's worker is another user
        text = (HERE / CONFIGS[name]).read_text()
        values = {"port": port, "backend": backend, "admin": free_port(), "scratch": scratch}
        if "{tls}" in text:
            cert, key = certificate(scratch)
            both = Path(scratch) / "both.pem"  # as HAProxy wants it
            both.write_text(Path(cert).read_text() + Path(key).read_text())
            values |= {"tls": tls_port, "cert": cert, "key": key, "both": both}
        else:
            tls_port = None
        for placeholder, value in values.items():
            text = text.replace(f"{{{placeholder}}}", str(value))
        config = Path(scratch) / CONFIGS[name]
        config.write_text(text)
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(pin(CORE, command(name, config, scratch)), stdout=said, stderr=said)
            try:
                if not accepts(port, process):
                    said.seek(0)
                    raise Broken(f"{name} does not accept connections: {said.read().strip()[-2000:]}")
                yield Running(port, tls_port, process)
            finally:
                stop(process)


def accepts(port, process):
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False
