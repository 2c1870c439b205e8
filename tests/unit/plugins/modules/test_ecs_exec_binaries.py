# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module with archives of its own, below a root of its own."""

from __future__ import annotations

import io
import os
import stat
import tarfile

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import ecs_exec_binaries as module

BIN = "var/lib/ecs/deps/execute-command/bin"
CERTIFICATES = "var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    (tmp_path / "etc/ssl/certs").mkdir(parents=True)
    (tmp_path / "etc/ssl/certs/ca-certificates.crt").write_text("authorities\n")
    return tmp_path


@pytest.fixture
def place(run, root):
    def _place(version, src=None, check=False):
        return run("ecs_exec_binaries", check=check, aws=False, _ansible_tmpdir=str(root), version=version, src=src)

    return _place


def archive(root, *names, content=b"new"):
    target = root / "binaries.tar.gz"
    with tarfile.open(target, "w:gz") as tar:
        for name in names or (*_exec.BINARIES, "ssm-document-worker"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(target)


def files(root):
    return sorted(str(path.relative_to(root / BIN)) for path in (root / BIN).rglob("*") if path.is_file())


def whole(version):
    return sorted(f"{version}/{name}" for name in _exec.BINARIES)


def test_check_do_check_and_again(place, root):
    src = archive(root)
    checked = place("3.3.4108.0", src, check=True)
    assert checked["changed"] and not (root / "var").exists()
    assert checked["diff"] == {
        "before": {"versions": [], "ca_bundle": False},
        "after": {"versions": ["3.3.4108.0"], "ca_bundle": True},
    }
    assert place("3.3.4108.0", src)["versions"] == ["3.3.4108.0"]
    assert files(root) == whole("3.3.4108.0")
    assert (root / CERTIFICATES).read_text() == "authorities\n"
    for path in (root / BIN).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert not place("3.3.4108.0", src, check=True)["changed"]
    assert not place("3.3.4108.0")["changed"]  # the archive is not needed any more


def test_newer_ones_go_and_older_ones_stay(place, root):
    src = archive(root)
    for version in ("3.3.3050.0", "3.3.4108.0", "3.3.10000.0"):
        place(version, src)
    assert place("3.3.4108.0", check=True)["diff"]["after"]["versions"] == ["3.3.3050.0", "3.3.4108.0"]
    assert place("3.3.4108.0")["versions"] == ["3.3.3050.0", "3.3.4108.0"]
    assert files(root) == whole("3.3.3050.0") + whole("3.3.4108.0")


def test_what_a_killed_run_left_is_no_version_and_goes(place, root):
    (root / BIN / ".new-x").mkdir(parents=True)
    (root / BIN / "3.3.4108.0").mkdir()
    (root / BIN / "3.3.4108.0" / "amazon-ssm-agent").write_text("cut o")
    assert place("3.3.4108.0", archive(root))["changed"]
    assert files(root) == whole("3.3.4108.0")
    assert os.listdir(root / BIN) == ["3.3.4108.0"]


def test_other_authorities_are_copied_alone(place, root):
    place("3.3.4108.0", archive(root))
    (root / "etc/ssl/certs/ca-certificates.crt").write_text("others\n")
    assert place("3.3.4108.0", check=True)["changed"]
    assert place("3.3.4108.0")["changed"]
    assert (root / CERTIFICATES).read_text() == "others\n"


@pytest.mark.parametrize(
    "version, make, sentence",
    [
        ("latest", archive, "version: 'latest' is no version of the SSM agent, which is as 3.3.4108.0."),
        ("../../3.3", archive, "is no version of the SSM agent"),
        ("3.3.4108.0", lambda root: None, "The binaries of 3.3.4108.0 are not there, so that src is needed."),
        (
            "3.3.4108.0",
            lambda root: archive(root, "amazon-ssm-agent"),
            "it has no ssm-agent-worker, ssm-session-worker.",
        ),
        (
            "3.3.4108.0",
            lambda root: str(root / "etc/ssl/certs/ca-certificates.crt"),
            "is no archive of the SSM agent's",
        ),
        ("3.3.4108.0", lambda root: str(root / "none"), "Cannot read or write"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(place, root, version, make, sentence):
    failed = place(version, make(root))
    assert failed["failed"] and sentence in failed["msg"]
    assert not (root / BIN).exists() or os.listdir(root / BIN) == []


def test_a_server_without_authorities(place, root):
    (root / "etc/ssl/certs/ca-certificates.crt").unlink()
    assert "install the package ca-certificates" in place("3.3.4108.0", archive(root))["msg"]
    assert not (root / BIN).exists()
