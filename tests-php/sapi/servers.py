"""The processes of the test: the backend, FPM, nginx, PHP's own server. Each is stopped by its id."""

import http.client
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
EXTENSION = pathlib.Path(os.environ.get("EXTENSION", TARGET / "release/libgrpc.so")).resolve()
WWW = HERE / "www"
PATIENCE = 60


class Broken(Exception):
    """A part of the test that does not work; the text is for people."""


def eventually(what, holds, seconds=PATIENCE):
    """Waits until something holds; gives what `holds` gave."""
    deadline = time.monotonic() + seconds
    while not (result := holds()):
        if time.monotonic() > deadline:
            raise Broken(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return result


def program(*names):
    for name in names:
        if found := shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"):
            return found
    raise Broken(f"{names[0]} is missing: run 'scripts/setup test' first")


def php_fpm():
    version = subprocess.run(
        ["php", "-n", "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"], check=True, capture_output=True, text=True
    ).stdout
    return program(f"php-fpm{version}", "php-fpm")


def alive(pid):
    try:
        return (pathlib.Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    # The second where it ends between being opened and being read.
    except (FileNotFoundError, ProcessLookupError):
        return False


def status(pid, name):
    """A number out of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])


def connections(port):
    """How many connections to a port of this machine stand, seen from the clients."""
    rows = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[3] == "01" and row[2].endswith(f":{port:04X}") for row in rows)


class Running:
    """A process that ends with the block."""

    def __init__(self, command, log, **options):
        self.log = log
        self.name = pathlib.Path(command[0]).name
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [*map(str, command)], **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, **options}
            )
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Broken(f"{self.name} still ran {PATIENCE} s after {how.name}") from None

    def up(self, socket_path):
        def answers():
            if self.process.poll() is not None:
                raise Broken(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
            with socket.socket(socket.AF_UNIX) as s:
                return s.connect_ex(str(socket_path)) == 0

        eventually(f"{self.name} listens", answers)
        return self


class Backend(Running):
    def __init__(self, directory, port=0):
        command = [ROOT / ".venv/bin/python", HERE / "backend.py", port]
        super().__init__(command, directory / "backend.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.port = int(self._line().split()[1])
        except (Broken, IndexError):
            self.stop()
            raise Broken(f"the backend did not start: {self.log.read_text()[-2000:]}") from None

    def _line(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE):
                raise Broken("the backend says nothing")
        return self.process.stdout.readline().decode()

    def seen(self):
        self.process.stdin.write(b"seen\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def end(self):
        """Lets running calls end."""
        self.process.stdin.write(b"stop\n")
        self.process.stdin.flush()
        self.process.wait(PATIENCE)

    def __exit__(self, *_):
        self.stop()
        self.process.stdin.close()
        self.process.stdout.close()


# pm, settings: what each pool is for stands in the test.
POOLS = {
    "load": {"pm.max_children": 4},
    "one": {"pm.max_children": 1},
    "recycle": {"pm.max_children": 1, "pm.max_requests": 10},
    "timed": {"pm.max_children": 1, "request_terminate_timeout": "1s"},
}


class Fpm(Running):
    """php-fpm with a pool on a Unix socket each. Its log tells how each child ended."""

    def __init__(self, directory):
        self._directory = directory
        user = "user = root\n" if os.geteuid() == 0 else ""
        pools = "".join(
            f"[{name}]\nlisten = {directory}/{name}.sock\nlisten.backlog = 1024\n{user}pm = static\n"
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
            for name, settings in POOLS.items()
        )
        config = directory / "fpm.conf"
        config.write_text(
            f"[global]\npid = {directory}/fpm.pid\nerror_log = {directory}/fpm.log\nlog_level = debug\n"
            # Children may end their requests. Without this FPM kills them.
            f"process_control_timeout = {PATIENCE}s\ndaemonize = no\n{pools}"
        )
        command = [php_fpm(), "-n", "-y", config, "-d", f"extension={EXTENSION}", "-d", "display_errors=0"]
        if os.geteuid() == 0:
            command.append("-R")
        super().__init__(command, directory / "fpm.out")
        self.up(directory / f"{list(POOLS)[-1]}.sock")

    def children(self, pool):
        """The processes of a pool."""
        of = f"php-fpm: pool {pool}"
        tasks = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in tasks if of in command_line(pid)]

    def ended(self, pid):
        """How a child ended, in FPM's words; "" where it has not. E.g. "with code 0"."""
        log = (self._directory / "fpm.log").read_text(errors="replace")
        found = re.search(rf"child {pid} exited (with code \d+|on signal \d+)", log)
        return found[1] if found else ""

    def reload(self):
        os.kill(self.pid, signal.SIGUSR2)


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Nginx(Running):
    """nginx on a Unix socket: /POOL/SCRIPT.php goes to that pool of FPM."""

    def __init__(self, directory, backend, calls):
        self.socket = directory / "nginx.sock"
        locations = "".join(
            f"location ~ ^/{pool}/(?<script>[a-z]+[.]php)$ {{ fastcgi_pass unix:{directory}/{pool}.sock; }}\n"
            for pool in POOLS
        )
        config = directory / "nginx.conf"
        config.write_text(f"""
            {"user root;" if os.geteuid() == 0 else ""}
            daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; keepalive_requests 1000000; keepalive_timeout 600s; fastcgi_read_timeout 600s;
                client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
                fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
                scgi_temp_path {directory}/scgi;
                server {{
                    listen unix:{self.socket};
                    fastcgi_param SCRIPT_FILENAME {WWW}/$script;
                    fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
                    fastcgi_param BACKEND 127.0.0.1:{backend.port}; fastcgi_param CALLS {calls};
                    {locations}
                }}
            }}""")
        super().__init__([program("nginx"), "-p", directory, "-e", directory / "nginx.log", "-c", config], directory / "nginx.out")
        self.up(self.socket)

    def get(self, path):
        """Code and body of one request, on a connection of its own."""
        connection = UnixConnection(self.socket)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def one(self, do, pool="one", **parameters):
        """What www/one.php answers: {"pid": …, "result": …}."""
        query = "".join(f"&{key}={value}" for key, value in parameters.items())
        code, body = self.get(f"/{pool}/one.php?do={do}{query}")
        if code != 200:
            raise Broken(f"the request for {do} ended with {code}: {body.decode(errors='replace')}")
        return json.loads(body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Apache(Running):
    """Apache with its prefork MPM and PHP as a module, on a port of its own. Its log tells of children that crash."""

    def __init__(self, directory, backend, calls, children=4):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        home = directory / "apache"
        # Apache's children are never root: what they read and write is in reach of anybody.
        shutil.copytree(WWW, home / "www")
        calls.touch()
        calls.chmod(0o666)
        (home / "php.ini").write_text(f"extension={EXTENSION}\ndisplay_errors=0\n")
        modules = pathlib.Path("/usr/lib/apache2/modules")
        php = sorted(modules.glob("libphp*.so"))
        if not php:
            raise Broken("Apache's PHP module is missing: run 'scripts/setup test' first")
        config = home / "apache.conf"
        config.write_text(f"""
            ServerRoot {home}
            ServerName localhost
            Listen 127.0.0.1:{self.port}
            PidFile {home}/pid
            Mutex file:{home}
            ErrorLog {directory}/apache.log
            LogLevel info
            LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
            LoadModule authz_core_module {modules}/mod_authz_core.so
            LoadModule env_module {modules}/mod_env.so
            LoadModule php_module {php[-1]}
            {"User nobody" if os.geteuid() == 0 else ""}
            {"Group nogroup" if os.geteuid() == 0 else ""}
            StartServers {children}
            MinSpareServers {children}
            MaxSpareServers {children}
            MaxRequestWorkers {children}
            KeepAlive Off
            PHPIniDir {home}
            SetEnv BACKEND 127.0.0.1:{backend.port}
            SetEnv CALLS {calls}
            DocumentRoot {home}/www
            <Directory {home}/www>
                SetHandler application/x-httpd-php
                Require all granted
            </Directory>""")
        # No other ini files than its own.
        environment = {**os.environ, "PHP_INI_SCAN_DIR": ""}
        command = [program("apache2"), "-f", config, "-DFOREGROUND"]
        # It ends with a signal to its whole group.
        super().__init__(command, directory / "apache.out", env=environment, start_new_session=True)

    def children(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in tasks if alive(pid)]

    def graceful(self):
        os.kill(self.pid, signal.SIGUSR1)


class Load:
    """h2load over nginx's socket, in the background; `codes` waits for it and counts the answers by class."""

    def __init__(self, nginx, path, requests, clients=8):
        self._requests = requests
        self._process = subprocess.Popen(
            [program("h2load"), "--h1", "-n", str(requests), "-c", str(clients), "-B", f"unix:{nginx.socket}",
             f"http://localhost{path}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def running(self):
        return self._process.poll() is None

    def codes(self):
        try:
            said, _ = self._process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise Broken("h2load did not end") from None
        found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
        if not found:
            raise Broken(f"h2load: {said}")
        codes = dict(zip(("2xx", "3xx", "4xx", "5xx"), map(int, found.groups())))
        codes["none"] = self._requests - sum(codes.values())
        return codes

    def stop(self):
        if self.running():
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
