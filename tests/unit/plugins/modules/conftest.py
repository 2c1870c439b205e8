# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Fixtures that drive a module's own main(), with AWS played by botocore's Stubber or by moto."""

from __future__ import annotations

import functools
import http.server
import importlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

import boto3
import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from botocore.stub import Stubber

REGION = "eu-west-1"
CREDENTIALS = {"access_key": "AKIAEXAMPLE000000000", "secret_key": "example", "region": REGION}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    """No profile, key or endpoint of the person who runs the tests takes part in them, and no other test's warning."""
    warnings._global_warnings.clear()
    for name in (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_URL",
        "AWS_CA_BUNDLE",
        "AWS_SESSION_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _on_a_server(monkeypatch):
    """A module speaks as on a server, though tests of actions brought Ansible's controller side into this process."""
    from ansible.module_utils import _internal

    monkeypatch.setattr(_internal, "is_controller", False)


@pytest.fixture(autouse=True)
def _nothing_was_warned():
    """Ansible keeps warnings for the life of a process, which here is that of many modules."""
    from ansible.module_utils.common import warnings

    warnings._global_warnings.clear()


@pytest.fixture
def run(capsys):
    """run("ssm_activation", check=True, state="present", ...) -> what main() printed, as a dictionary."""

    def _run(name, /, *, check=False, diff=False, aws=True, **args):
        module = importlib.import_module(f"ansible_collections.hybrid.ecs_anywhere.plugins.modules.{name}")
        given = {**(CREDENTIALS if aws else {}), **args, "_ansible_check_mode": check, "_ansible_diff": diff}
        capsys.readouterr()
        with patch_module_args(given), pytest.raises(SystemExit) as end:
            module.main()
        out = capsys.readouterr().out.strip().splitlines()
        result = json.loads(out[-1])
        assert bool(end.value.code) == bool(result.get("failed", False))
        return result

    return _run


@pytest.fixture
def no_sleep(monkeypatch):
    """Pauses that take no time but move the clock; their lengths are returned."""
    pauses = []
    start = time.monotonic()
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: start + sum(pauses))
    return pauses


@pytest.fixture
def stub(monkeypatch):
    """Real clients of botocore with stubbed answers, by service: stub("ssm").add_response(...).

    Everything that was stubbed must have been called when the test ends.
    """
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    stubbers = {}

    def _stub(service):
        if service not in stubbers:
            client = boto3.client(service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
            stubbers[service] = Stubber(client)
            stubbers[service].activate()
        return stubbers[service]

    def _client(self, service, *args, **kwargs):
        return _stub(service).client

    monkeypatch.setattr(AnsibleAWSModule, "client", _client)
    yield _stub
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()


@pytest.fixture
def calls(monkeypatch):
    """The operations that clients of the modules send, in order (for tests in which moto answers)."""
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    real = AnsibleAWSModule.client
    sent = []

    def _client(self, service, *args, **kwargs):
        client = real(self, service, *args, **kwargs)
        client.meta.events.register("before-call", lambda model, **_rest: sent.append(model.name))
        return client

    monkeypatch.setattr(AnsibleAWSModule, "client", _client)
    return sent


class Keys:
    """Keys of a temporary GnuPG home."""

    def __init__(self, home):
        self._home = home

    def gpg(self, *args, at=None, text=None):
        faked = ["--faked-system-time", at] if at else []
        command = [
            "gpg",
            "--homedir",
            self._home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        return subprocess.run(
            [*command, *faked, *args], check=True, capture_output=True, input=text, env={**os.environ, "LC_ALL": "C"}
        ).stdout

    def make(self, name, *, expires="never", algorithm="ed25519", at=None):
        user = f"{name} <{name}@example.com>"
        self.gpg("--quick-gen-key", user, algorithm, "cert,sign", expires, at=at)
        return self.fingerprint(name)

    def fingerprint(self, name):
        return next(line for line in self.listing(name) if line[0] == "fpr")[9]

    def listing(self, name):
        output = self.gpg("--with-colons", "--list-keys", f"{name}@example.com").decode()
        return [line.split(":") for line in output.splitlines()]

    def public(self, *names, armour=True):
        return self.gpg(*(["--armor"] if armour else []), "--export", *(f"{name}@example.com" for name in names))

    def sign(self, name, content, *, at=None, options=("--detach-sign",)):
        return self.gpg("--local-user", f"{name}@example.com", *options, at=at, text=content)


@pytest.fixture(scope="session")
def keys():
    home = tempfile.mkdtemp(prefix="gpg")  # short: sockets lie in it
    keys = Keys(home)
    keys.make("ours")
    keys.make("theirs")
    keys.make("soon", expires="30d", algorithm="rsa2048")
    keys.make("expired", expires="20200601T000000", at="20200101T000000")
    with_subkey = keys.make("subkey")
    keys.gpg("--quick-add-key", with_subkey, "ed25519", "sign", "never")
    keys.make("revoked")
    yield keys
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)  # the sockets of gpg's agent go by themselves


class Served:
    def __init__(self, directory):
        self.directory = directory
        self.requests = []
        self.url = ""

    def put(self, name, content):
        (self.directory / name).write_bytes(content)
        return f"{self.url}/{name}"


@pytest.fixture
def served(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    served = Served(tmp_path / "www")
    served.directory.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            served.requests.append(self.path)

    handler = functools.partial(Handler, directory=str(served.directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
