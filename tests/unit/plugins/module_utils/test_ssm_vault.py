# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_registration
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Journal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Vault

OLD, NEW = Vault(instance_id="mi-old"), Vault(instance_id="mi-new")
EMPTY, GARBLED = Vault(), Vault(problem="it holds no valid JSON")


def journal(step, previous="mi-old", operation="register"):
    return Journal(operation, step, previous, True)


@pytest.mark.parametrize(
    "vault, journal, expected",
    [
        (OLD, None, "none"),
        (EMPTY, None, "none"),
        # Killed before the agent's command ran: nothing happened.
        (OLD, journal("prepared"), "drop"),
        (EMPTY, journal("prepared", None), "drop"),
        # Killed while it ran, or after it.
        (OLD, journal("registering"), "drop"),
        (EMPTY, journal("registering"), "restore"),
        (GARBLED, journal("registering"), "restore"),
        (EMPTY, journal("registering", None), "restore"),
        (NEW, journal("registering"), "finish"),
        (NEW, journal("registering", None), "finish"),
        (NEW, journal("resetting"), "finish"),
        # The ECS agent's state was reset: never again, as it may be the new one's by now.
        (NEW, journal("starting"), "start"),
        # Clearing: an empty vault is what was wanted.
        (OLD, journal("prepared", operation="clear"), "drop"),
        (OLD, journal("registering", operation="clear"), "drop"),
        (EMPTY, journal("registering", operation="clear"), "finish"),
        (EMPTY, journal("resetting", operation="clear"), "finish"),
        (GARBLED, journal("registering", operation="clear"), "drop"),
    ],
)
def test_recovery(vault, journal, expected):
    assert _ssm_registration.recovery(vault, journal) == expected


@pytest.mark.parametrize(
    "state, replace, vault, agent_db, replaced_already, expected",
    [
        ("registered", False, EMPTY, False, False, "register"),
        ("registered", False, EMPTY, True, False, "register"),
        ("registered", False, OLD, True, False, "nothing"),
        ("registered", True, OLD, True, False, "register"),
        ("registered", True, EMPTY, True, False, "register"),
        ("registered", True, NEW, True, True, "nothing"),
        ("registered", False, GARBLED, True, False, "refuse"),
        ("registered", True, GARBLED, True, False, "register"),
        ("cleared", False, OLD, True, False, "clear"),
        ("cleared", False, GARBLED, False, False, "clear"),
        ("cleared", False, EMPTY, False, False, "nothing"),
        ("cleared", False, EMPTY, True, False, "tidy"),
        ("cleared", False, Vault(registration_exists=True), False, False, "tidy"),
        ("recovered", True, EMPTY, True, False, "nothing"),
        ("recovered", True, GARBLED, True, False, "nothing"),
    ],
)
def test_action(state, replace, vault, agent_db, replaced_already, expected):
    assert _ssm_registration.action(state, replace, vault, agent_db, replaced_already) == expected


UUID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    "activation_id, code, region, said",
    [
        (UUID, "x" * 20, "eu-west-1", None),
        (UUID, "x" * 20, "us-gov-west-1", None),
        (UUID, "x" * 20, "eusc-de-east-1", None),
        (None, "x" * 20, None, "needs activation_id, region"),
        (UUID, "", "eu-west-1", "needs activation_code"),
        ("01234567", "x" * 20, "eu-west-1", "activation_id"),
        (UUID, "x" * 19, "eu-west-1", "activation_code"),
        (UUID, "x" * 251, "eu-west-1", "activation_code"),
        (UUID, "x" * 20, "Ireland", "'Ireland' is not the name of a Region"),
    ],
)
def test_complaint(activation_id, code, region, said):
    complaint = _ssm_registration.complaint(activation_id, code, region)
    assert complaint is None if said is None else said in complaint
    assert "xxxx" not in str(complaint)


@pytest.mark.parametrize(
    "output, said",
    [
        ("ERROR Registration failed ... InvalidActivation: \n\tstatus code: 400", "does not know this activation"),
        ("ActivationExpired: the activation has expired", "has expired. Make a new"),
        ("InvalidActivation: Activation with id x has expired", "has expired. Make a new"),
        ("RegistrationLimitExceeded: x", "no registration left"),
        ("InvalidActivation: registration limit reached", "no registration left"),
        ("InvalidParameter: 1 validation error(s) found.\n- minimum field size of 20", "too short"),
        ("RequestError: send request failed\ncaused by: x509: certificate signed by unknown authority", "trust store"),
        ("RequestError: x509: certificate has expired or is not yet valid", "clock"),
        ("RequestError: dial tcp: lookup ssm.x: no such host", "DNS"),
        ("RequestError: dial tcp 10.0.0.1:443: connect: connection refused", "cannot reach"),
        ("RequestError: dial tcp 10.0.0.1:443: i/o timeout", "cannot reach"),
        ("RequestError: proxyconnect tcp: dial tcp: connection refused", "proxy did not"),
        ("ThrottlingException: Rate exceeded", "fewer servers"),
        ("AccessDeniedException: no", "trusts ssm.amazonaws.com"),
        ("InternalServerError: ...", "internal error"),
        ("Registration failed due to EOF", "registered already"),
        ("something else\nthe end\n\n", "The agent said: the end"),
        ("", "amazon-ssm-agent.log"),
    ],
)
def test_explain(output, said):
    assert said in _ssm_registration.explain(output)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["/usr/bin/amazon-ssm-agent", "-register", "-code", "x"], True),
        (["/usr/bin/python3", "/usr/bin/amazon-ssm-agent", "-register", "-clear"], True),
        (["sudo", "/snap/amazon-ssm-agent/current/amazon-ssm-agent", "--register"], True),
        (["/usr/bin/amazon-ssm-agent"], False),
        (["/usr/bin/ssm-agent-worker", "-register"], False),
        (["grep", "-r", "x", "amazon-ssm-agent", "-register"], False),
    ],
)
def test_is_registration(arguments, expected):
    assert _ssm_vault.is_registration([argument.encode() for argument in arguments]) is expected


def test_registering_pids(tmp_path, monkeypatch):
    """Processes of containers (another pid namespace) do not count."""
    monkeypatch.setattr(_ssm_vault, "PROC", str(tmp_path))
    for name, namespace in [("self", "pid:[1]"), ("7", "pid:[1]"), ("8", "pid:[2]"), ("9", "pid:[1]")]:
        (tmp_path / name / "ns").mkdir(parents=True)
        os.symlink(namespace, tmp_path / name / "ns" / "pid")
        (tmp_path / name / "cmdline").write_bytes(b"/usr/bin/amazon-ssm-agent\0-register\0-code\0x\0")
    (tmp_path / "9" / "cmdline").write_bytes(b"/usr/bin/amazon-ssm-agent\0")
    (tmp_path / "10").mkdir()  # gone while we look
    assert _ssm_vault.registering_pids() == [7]


def test_read_vault(tmp_path, monkeypatch):
    monkeypatch.setattr(_ssm_vault, "ROOT", str(tmp_path))
    assert _ssm_vault.read_vault() == Vault()
    store = tmp_path / "Vault" / "Store"
    store.mkdir(parents=True)
    record = {"instanceID": "mi-1", "region": "eu-west-1", "privateKeyCreatedDate": "2026-11-23 16:51:45.65 +0000 UTC"}
    (store / "RegistrationKey").write_text(json.dumps(record))
    (tmp_path / "registration").write_text('{"ManagedInstanceID":"mi-0","Region":"us-east-1"}')
    vault = _ssm_vault.read_vault()
    assert vault == Vault("mi-1", "eu-west-1", "2026-11-23T16:51:45Z", None, "mi-0", True)
    assert vault.stale

    (store / "RegistrationKey").write_text(json.dumps({"instanceID": "", "region": ""}))
    assert _ssm_vault.read_vault().instance_id is None
    assert _ssm_vault.read_vault().stale
    (store / "RegistrationKey").write_text('{"instanceID": "mi-')
    assert _ssm_vault.read_vault().problem == "it holds no valid JSON"
    (store / "RegistrationKey").write_text("[]")
    assert _ssm_vault.read_vault().problem == "it holds no valid JSON"
    (store / "RegistrationKey").unlink()
    (store / "RegistrationKey").mkdir()
    assert _ssm_vault.read_vault().problem == "Is a directory"
