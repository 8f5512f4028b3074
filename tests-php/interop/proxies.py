"""Proxies in a row before a server: `viaduct proxy`, each with the next one as its only backend."""

import os
import pathlib
import re
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
VIADUCT = pathlib.Path(os.environ.get("VIADUCT", TARGET / "debug/viaduct")).resolve()
START_SECONDS = 20
STOP_SECONDS = 15

CONFIG = """
[[listen]]
address = "{scheme}://127.0.0.1:0"
{identity}
[[group]]
name = "next"
members = ["{host}:{port}"]
discover = {discover}
{trust}
[drain]
notice = 0
grace = "5s"
"""


class Proxies:
    """`count` of them; `port` is the first one's, or the server's where there are none.

    With certificates every stretch of the way is TLS. Without `discover` nothing passes but the client's own calls.
    `stopped` says at the end why one did not stop as it should.
    """

    def __init__(self, count, port, directory, files=None, discover=True):
        self.port = port
        self.stopped = None
        self._directory = directory
        self._files = files
        self._discover = "true" if discover else "false"
        self._running = []
        try:
            for number in range(count):
                self._start(number)
        except BaseException:
            self._stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def _start(self, number):
        identity = trust = ""
        if self._files:
            identity = f'certificate = "{self._files["cert"]}"\nkey = "{self._files["key"]}"'
            trust = f'tls = {{ ca = "{self._files["ca"]}" }}'
        file = pathlib.Path(self._directory) / f"proxy-{number}.toml"
        # By name where certificates must hold for it.
        names = {"scheme": "https", "host": "localhost"} if self._files else {"scheme": "http", "host": "127.0.0.1"}
        text = CONFIG.format(port=self.port, identity=identity, trust=trust, discover=self._discover, **names)
        file.write_text(text)
        command = [VIADUCT, "proxy", "--config", file, "--log", "warn"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._running.append(process)
        # A proxy that says nothing is ended, which ends the reading.
        patience = threading.Timer(START_SECONDS, process.kill)
        patience.start()
        line = process.stdout.readline()
        patience.cancel()
        found = re.fullmatch(r"listening on https?://127\.0\.0\.1:(\d+)\n", line)
        if not found:
            raise RuntimeError(f"a proxy did not start; it said {line!r}")
        self.port = int(found[1])

    def _stop(self):
        # The first one first: its connections are the next one's clients.
        for process in reversed(self._running):
            process.terminate()
            try:
                code = process.wait(STOP_SECONDS)
                if code != 0:
                    self.stopped = f"a proxy ended with exit code {code}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self.stopped = f"a proxy still ran {STOP_SECONDS} s after SIGTERM"
            process.stdout.close()
