# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the agents leave goes, and nothing else: the module over a directory that plays the server."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _remains
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import ecs_anywhere_remains as module

CREDENTIALS = "/root/.aws/credentials"
AGENTS = "[default]\naws_access_key_id     = ASIA1\naws_secret_access_key = x\naws_session_token     = y\n"
OWN = "[backup]\naws_access_key_id = AKIA1\naws_secret_access_key = z\n"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with an SSM agent. Returns what writes a file below its root."""
    root = tmp_path / "root"

    def write(name, content=""):
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    monkeypatch.setattr(module, "ROOT", str(root))
    monkeypatch.setattr(_ssm_vault, "ROOT", str(root / "var/lib/amazon/ssm"))
    monkeypatch.setattr(_ssm_vault, "BINARIES", {"package": str(root / "usr/bin/amazon-ssm-agent")})
    write("/usr/bin/amazon-ssm-agent")
    write.root = root
    write.path = lambda name: root / name.lstrip("/")
    return write


@pytest.fixture
def clean(run, server):
    return lambda **how: run("ecs_anywhere_remains", aws=False, _ansible_tmpdir=str(server.root), **how)


def record(**changes):
    return json.dumps({"IdentityType": "OnPrem", "ShareFile": CREDENTIALS, "ShareProfile": "", **changes})


def test_check_tells_it_the_run_removes_it_and_the_next_has_nothing_to_do(server, clean):
    server(_remains.RECORD, record())
    server(CREDENTIALS, AGENTS)
    server("/etc/ecs/ecs.config")
    server("/etc/ecs/ecs.config.before-ecs_anywhere")
    server("/var/cache/apt/archives/ecs_anywhere-amazon-ssm-agent.deb", "deb")
    server(_remains.LOCK)
    server("/var/lib/amazon/ssm/.ecs_anywhere_former", "arn:aws:ecs:x")
    kept = [
        server("/var/cache/apt/archives/other.deb", "deb"),
        server("/var/lib/ecs/ecs.config", "MINE=1\n"),
        server("/var/lib/ecs/ecs.config.before-ecs_anywhere", "# mine\n"),
        server("/var/lib/amazon/ssm/Vault/Manifest", "{}"),
    ]
    expected = [
        CREDENTIALS,
        "/var/cache/apt/archives/ecs_anywhere-amazon-ssm-agent.deb",
        "/etc/ecs/ecs.config",
        "/etc/ecs/ecs.config.before-ecs_anywhere",
        _remains.LOCK,
        "/var/lib/amazon/ssm/.ecs_anywhere_former",
        _remains.RECORD,  # last, as it tells whose the credentials are
    ]
    checked = clean(check=True)
    assert (checked["changed"], checked["removed"]) == (True, expected)
    assert all(server.path(name).exists() for name in expected)
    assert clean()["removed"] == expected
    assert not any(server.path(name).exists() for name in expected)
    assert not server.path("/root/.aws").exists()
    assert all(path.exists() for path in kept)
    assert clean() == {**clean(), "changed": False, "removed": []}


def test_what_ecs_exec_needed_goes(server, clean):
    server("/var/lib/ecs/deps/execute-command/bin/3.3.4108.0/ssm-agent-worker")
    kept = server("/var/lib/ecs/deps/other/file")
    directory = str(server.path("/var/lib/ecs/deps/execute-command"))
    assert clean(check=True)["removed"] == [directory] == clean()["removed"]
    assert kept.exists() and not server.path("/var/lib/ecs/deps/execute-command").exists()
    assert not clean()["changed"]


def test_what_was_downloaded_where_there_is_no_apt_goes(server, clean):
    server("/var/cache/ecs_anywhere/ecs_anywhere-amazon-ecs-agent.rpm", "rpm")
    kept = server("/var/cache/dnf/x.rpm", "rpm")
    directory = str(server.path("/var/cache/ecs_anywhere"))
    assert clean(check=True)["removed"] == [directory] == clean()["removed"]
    assert kept.exists() and not server.path("/var/cache/ecs_anywhere").exists()
    assert not clean()["changed"]


def test_a_file_of_credentials_keeps_what_others_wrote_and_its_mode(server, clean):
    server(_remains.RECORD, record())
    path = server(CREDENTIALS, AGENTS + OWN)
    path.chmod(0o640)
    assert clean()["removed"] == [CREDENTIALS, _remains.RECORD]
    assert path.read_text() == OWN
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_credentials_that_are_a_link_stay_one(server, clean):
    server(_remains.RECORD, record())
    target = server("/elsewhere", AGENTS + OWN)
    server.path("/root/.aws").mkdir(parents=True)
    server.path(CREDENTIALS).symlink_to(target)
    clean()
    assert server.path(CREDENTIALS).is_symlink() and target.read_text() == OWN


@pytest.mark.parametrize(
    "said", ["", "no JSON", "[]", record(IdentityType="EC2"), record(ShareFile=""), record(ShareFile="relative")]
)
def test_credentials_stay_if_the_agent_does_not_say_that_it_wrote_them(server, clean, said):
    server(_remains.RECORD, said)
    path = server(CREDENTIALS, AGENTS)
    assert CREDENTIALS not in clean()["removed"]
    assert path.read_text() == AGENTS


def test_the_vault_of_an_agent_that_is_not_there_any_more_is_removed(server, clean):
    server("/var/lib/amazon/ssm/Vault/Store/RegistrationKey", "{}")
    server.path("/usr/bin/amazon-ssm-agent").unlink()
    vault = _ssm_vault.path("Vault")
    assert clean()["removed"] == [vault]
    assert not server.path("/var/lib/amazon/ssm/Vault").exists()


def test_what_cannot_be_removed_is_told(server, clean, monkeypatch):
    server("/etc/ecs/ecs.config")

    def refuse(name):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(module.os, "unlink", refuse)
    result = clean()
    assert result["failed"]
    assert "/etc/ecs/ecs.config: Permission denied" in result["msg"]


@pytest.mark.parametrize(
    "text, section, after",
    [
        (AGENTS, "default", ""),
        (AGENTS, "edge", AGENTS),
        (OWN, "backup", OWN),  # no session token: an administrator's own
        ("# mine\n" + AGENTS + "\n" + OWN, "default", "# mine\n" + OWN),
        (AGENTS + "region = eu-west-1\n", "default", "[default]\nregion = eu-west-1\n"),
        (OWN + "[ default ]\naws_session_token=t\n", "default", OWN),
        ("", "default", ""),
        ("no section\n", "default", "no section\n"),
    ],
)
def test_sections(text, section, after):
    assert _remains.without_credentials(text, section) == after
