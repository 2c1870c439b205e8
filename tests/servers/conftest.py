# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs of the register playbook on real servers, and what AWS and the servers say afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import Namespace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec
from importlib.util import spec_from_loader
from pathlib import Path

import boto3
import matrix
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CALLBACKS = CHECKOUT / "tests" / "servers" / "callback"
PLAYBOOK = "hybrid.ecs_anywhere.register"


def pytest_addoption(parser):
    parser.addoption("--matrix", action="store_true", help="print the table of states; one without a test is a failure")


def pytest_configure(config):
    config.addinivalue_line("markers", "state(name): the state of tests/servers/states.py that it makes")


def _table(config):
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    return list(matrix.rows(r for kind in ("passed", "failed", "error") for r in stats.get(kind, ())))


def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workerinput"):
        return  # of pytest-xdist: it knows a part of the tests only
    if session.config.getoption("--matrix") and exitstatus == 0 and matrix.is_red(_table(session.config)):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--matrix"):
        for line in matrix.lines(_table(config)):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _state(request, record_property):
    for mark in request.node.iter_markers("state"):
        record_property("state", mark.args[0])


def _load_testbed():
    # each worker of pytest-xdist has a bed of its own
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.environ["TESTBED_NUMBER"] = str(int(os.environ.get("TESTBED_NUMBER", "77")) + int(worker.removeprefix("gw")))
    loader = SourceFileLoader("testbed", str(CHECKOUT / "tests" / "hosts" / "testbed"))
    module = module_from_spec(spec_from_loader("testbed", loader))
    loader.exec_module(module)
    return module


testbed = _load_testbed()


class Emulator:
    url = f"http://{testbed.EMULATOR_ADDRESS}"

    def control(self, method: str, path: str, body: dict | None = None):
        request = urllib.request.Request(
            f"{self.url}/_emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def calls(self, **query: str) -> list[dict]:
        answer = self.control("GET", "calls?" + "&".join(f"{k}={v}" for k, v in query.items()))
        return answer["calls"] if isinstance(answer, dict) else answer

    def operations(self, *, writes: bool = False, after: int = 0) -> list[str]:
        """The operator's calls, by name; with *writes* only those that could change something."""
        names = [
            c["operation"]
            for c in self.calls(after=str(after))
            if "/operator" in str(c["principal"]) or ":user/" in str(c["principal"])
        ]
        reads = ("Describe", "List", "Get")
        return [n for n in names if not (writes and n.split(":")[-1].startswith(reads))]

    def forget_calls(self) -> None:
        self.control("DELETE", "calls")

    def client(self, service: str, region: str = "us-east-1"):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=testbed.OPERATOR[0],
            aws_secret_access_key=testbed.OPERATOR[1],
        )

    def nodes(self) -> list[dict]:
        pages = self.client("ssm").get_paginator("describe_instance_information").paginate()
        return [node for page in pages for node in page["InstanceInformationList"]]

    def container_instances(self, cluster: str = "edge") -> list[dict]:
        ecs = self.client("ecs")
        arns = ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
        if not arns:
            return []
        return ecs.describe_container_instances(cluster=cluster, containerInstances=arns)["containerInstances"]

    def activations(self) -> list[dict]:
        return self.client("ssm").describe_activations()["ActivationList"]


class Run:
    """One ansible-playbook, ended."""

    def __init__(self, returncode: int, output: str, seconds: float, aws_calls: int, executions: dict) -> None:
        self.returncode = returncode
        self.output = output
        self.seconds = seconds
        self.aws_calls = aws_calls
        self.executions = executions
        # a message may be folded by the callback: compare it without white space at line ends
        self.text = " ".join(output.split())

    def note(self, record_property, host: str) -> None:
        """What `make matrix` prints of it."""
        record_property("aws_calls", self.aws_calls)
        record_property("executions", self.executions.get(host, 0))
        record_property("seconds", round(self.seconds))

    def recap(self, host: str) -> dict[str, int]:
        line = next(line for line in self.output.splitlines() if line.startswith(f"{host} ") and "ok=" in line)
        return {k: int(v) for k, v in (word.split("=") for word in line.split(":", 1)[1].split())}


def ended(process: subprocess.Popen, timeout: int) -> str:
    """The output of a play, which must end in *timeout* seconds."""
    try:
        return process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"the run did not end in {timeout} seconds:\n{process.communicate()[0]}")


class Bed:
    def __init__(self) -> None:
        self.aws = Emulator()
        self.servers: list[str] = []

    def add(self, *names: str, docker: bool = False, image: str = "") -> None:
        ca = (testbed.BED / "aws" / "ca.pem").read_text()
        for name in names:
            testbed.start_server(name, image or ("bookworm-docker" if docker else "bookworm"))
        for name in names:
            testbed.settle_server(name, ca)
        self.servers += names

    def remove(self, *names: str) -> None:
        testbed.remove(*(f"{testbed.NETWORK}-{name}" for name in names))
        self.servers = [name for name in self.servers if name not in names]

    packages = testbed.CACHE / "agents" / "packages"

    def put(self, name: str, file: Path, target: str) -> None:
        testbed.podman("cp", str(file), f"{testbed.NETWORK}-{name}:{target}")

    def on(self, name: str, script: str, check: bool = True) -> str:
        return testbed.in_server(name, script, check=check)

    def start(
        self, *hosts: str, options=(), variables=None, playbook=PLAYBOOK, environment=None, without=""
    ) -> subprocess.Popen:
        testbed.write_inventory(list(hosts), [], without)
        command = [
            str(CHECKOUT / "tests" / "hosts" / "testbed"), "run", "ansible-playbook", playbook, "-i",
            str(testbed.BED / "inventory.json"), "-e", json.dumps(variables or {}), *options,
        ]  # fmt: skip
        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={
                **os.environ,
                "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
                "ANSIBLE_CALLBACKS_ENABLED": "executions",
                "EXECUTIONS": str(testbed.BED / "executions.json"),
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def register(self, *hosts: str, timeout: int = 300, **how) -> Run:
        counted = testbed.BED / "executions.json"
        counted.unlink(missing_ok=True)
        last = max((call["n"] for call in self.aws.calls()), default=0)
        began = time.monotonic()
        process = self.start(*hosts, **how)
        output = ended(process, timeout)
        sys.stdout.write(output)
        executions = json.loads(counted.read_text()) if counted.exists() else {}
        return Run(
            process.returncode, output, time.monotonic() - began, len(self.aws.operations(after=last)), executions
        )

    def kill_when(self, process: subprocess.Popen, happened, timeout: int = 180) -> None:
        """SIGKILL the play and all its workers at the moment *happened* first says so."""
        deadline = time.monotonic() + timeout
        while not happened():
            assert process.poll() is None, f"the run ended before:\n{process.communicate()[0]}"
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def bed():
    args = Namespace(server=[], docker=[], ssh=[], suite="bookworm", token_ttl=3600)
    testbed.up(args)
    bed = Bed()
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    yield bed
    if not os.environ.get("KEEP"):
        testbed.down(args)


@pytest.fixture
def aws(bed):
    bed.aws.control("DELETE", "faults")
    bed.aws.forget_calls()
    yield bed.aws
    bed.aws.control("DELETE", "faults")


class Signer:
    """Keys that expire, in a GnuPG home of their own."""

    def __init__(self, home):
        self._command = [
            "gpg",
            "--homedir",
            home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]

    def gpg(self, *args, at=None):
        faked = ["--faked-system-time", at] if at else []
        return subprocess.run([*self._command, *faked, *args], check=True, stdout=subprocess.PIPE).stdout.decode()

    def make(self, name, expires, at=None):
        self.gpg("--quick-gen-key", f"{name}@example.com", "rsa2048", "cert,sign", expires, at=at)
        listing = self.gpg("--with-colons", "--list-keys", f"{name}@example.com").splitlines()
        fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        return {"fingerprint": fingerprint, "key": self.gpg("--armor", "--export", fingerprint)}

    def clear_sign(self, name, file, signed):
        self.gpg("--local-user", f"{name}@example.com", "--yes", "--output", str(signed), "--clear-sign", str(file))


@pytest.fixture(scope="module")
def signer():
    home = tempfile.mkdtemp(prefix="gpg")  # short: sockets lie in it
    yield Signer(home)
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)  # the sockets of gpg's agent go by themselves


@pytest.fixture
def pinned():
    """The keys of the stand-in agents, as the inventory has them."""
    group = json.loads((testbed.BED / "inventory.json").read_text())["all"]["children"]["edge_servers"]
    return group["vars"]["ecs_anywhere_gpg_keys"]
