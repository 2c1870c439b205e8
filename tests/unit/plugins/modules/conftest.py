# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Fixtures that drive a module's own main(), with AWS played by botocore's Stubber or by moto."""

from __future__ import annotations

import importlib
import json
import time

import boto3
import pytest
from ansible.module_utils.testing import patch_module_args
from botocore.stub import Stubber

REGION = "eu-west-1"
CREDENTIALS = {"access_key": "AKIAEXAMPLE000000000", "secret_key": "example", "region": REGION}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    """No profile, key or endpoint of the person who runs the tests takes part in them."""
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
