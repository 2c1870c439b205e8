# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module with real keys and real signatures, over HTTP on loopback."""

from __future__ import annotations

import errno
import hashlib
import http.server
import json
import os
import resource
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _gpg

CONTENT = b"a package\n" * 1000


@pytest.fixture
def dest(tmp_path):
    directory = tmp_path / "dest"
    directory.mkdir()
    return directory / "file.deb"


@pytest.fixture
def download(run, served, dest, tmp_path):
    def _download(*, check=False, **args):
        given = {"url": f"{served.url}/file.deb", "dest": str(dest), "_ansible_tmpdir": str(tmp_path), **args}
        result = run("signed_download", check=check, aws=False, **given)
        assert list(tmp_path.glob("tmp*")) == []  # nothing is left behind
        return result

    return _download


def pinned(keys, *names):
    return [{"fingerprint": keys.fingerprint(name), "key": keys.public(name).decode()} for name in names]


@pytest.fixture
def signed(served, keys):
    """A served file and what the module needs to verify it."""

    def _signed(name="ours", content=CONTENT, *, pin=None, **how):
        served.put("file.deb", content)
        return {
            "signature_url": served.put("file.deb.sig", keys.sign(name, content, **how)),
            "keys": pinned(keys, *(pin or [name])),
        }

    return _signed


def test_good(download, signed, served, dest, keys):
    args = signed()
    result = download(**args)
    assert result["changed"] and dest.read_bytes() == CONTENT
    assert stat.S_IMODE(dest.stat().st_mode) == 0o644
    assert result["fingerprint"] == keys.fingerprint("ours") and result["key_expires"] is None
    assert result["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert "signing key" not in json.dumps(result)

    served.requests.clear()
    result = download(**args)
    assert not result["changed"] and result["fingerprint"] == keys.fingerprint("ours")
    assert served.requests == ["/file.deb.sig"]


def test_armoured_signature_and_bundle_with_further_keys(download, signed, served, dest, keys):
    args = signed(options=("--detach-sign", "--armor"))
    url = served.put("bundle.gpg", keys.public("theirs", "ours", "soon", armour=False))
    spaced = " ".join(keys.fingerprint("ours")[at : at + 4] for at in range(0, 40, 4)).lower()
    result = download(**{**args, "keys": [{"fingerprint": spaced, "url": url}]})
    assert result["changed"] and dest.exists()


def test_a_key_of_the_bundle_that_is_not_pinned_does_not_count(download, signed, served, dest, keys):
    args = signed("theirs")
    bundle = keys.public("theirs", "ours").decode()
    result = download(**{**args, "keys": [{"fingerprint": keys.fingerprint("ours"), "key": bundle}]})
    assert result["failed"] and "none of the pinned keys" in result["msg"] and not dest.exists()


def test_signed_by_a_subkey(download, signed, keys):
    result = download(**signed("subkey"))
    signer = next(line for line in keys.listing("subkey") if line[0] == "sub")[4]
    assert result["fingerprint"] == keys.fingerprint("subkey")
    assert not result["fingerprint"].endswith(signer)


def test_newer_file_replaces_older_one(download, signed, dest):
    download(**signed())
    result = download(**signed(content=b"newer"))
    assert result["changed"] and dest.read_bytes() == b"newer"


@pytest.mark.parametrize("only_gpg", [False, True])
@pytest.mark.parametrize("old", [None, b"an older, verified file"])
@pytest.mark.parametrize(
    "case, said",
    [
        ("tampered", "does not fit the file"),
        ("wrong key", "none of the pinned keys"),
        ("expired key", "which has expired"),
        ("revoked key", "has revoked"),
        ("signature of html", "no detached OpenPGP signature"),
        ("signed message", "no detached OpenPGP signature"),
        ("no signature", "There is no signature at http://127.0.0.1"),
        ("no file", "There is no file at http://127.0.0.1"),
        ("key without the pinned fingerprint", "does not hold the key with the pinned fingerprint"),
        ("key of html", "cannot be read"),
        ("short fingerprint", "is not the fingerprint of a key"),
        ("checksum", "Its SHA-256 is"),
    ],
)
def test_everything_else_fails_closed(
    download, signed, served, dest, keys, monkeypatch, tmp_path, case, said, old, only_gpg
):
    if only_gpg:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "gpg").symlink_to(shutil.which("gpg"))
    if old:
        dest.write_bytes(old)
    args = signed()
    if case == "tampered":
        served.put("file.deb", CONTENT + b"!")
    elif case == "wrong key":
        args = signed("theirs", pin=["ours"])
    elif case == "expired key":
        args = signed("expired", at="20200201T000000")
    elif case == "revoked key":
        args = signed("revoked")
        args["keys"][0]["key"] = revoked_key(keys)
    elif case == "signature of html":
        served.put("file.deb.sig", b"<html>Please log in</html>")
    elif case == "signed message":
        served.put("file.deb.sig", keys.sign("ours", b"something else", options=("--sign",)))
    elif case == "no signature":
        (served.directory / "file.deb.sig").unlink()
    elif case == "no file":
        (served.directory / "file.deb").unlink()
    elif case == "key without the pinned fingerprint":
        args["keys"][0]["key"] = keys.public("theirs").decode()
    elif case == "key of html":
        args["keys"][0]["key"] = "<html>Please log in</html>"
    elif case == "short fingerprint":
        args["keys"][0]["fingerprint"] = args["keys"][0]["fingerprint"][-16:]
    elif case == "checksum":
        args["checksum"] = "sha256:" + "0" * 64
    if only_gpg:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = download(**args)
    assert result["failed"] and said in result["msg"], result["msg"]
    assert (dest.read_bytes() if dest.exists() else None) == old
    assert os.listdir(dest.parent) == (["file.deb"] if old else [])


def revoked_key(keys):
    """The key together with its revocation, made in another home so that it can sign on."""
    home = tempfile.mkdtemp(prefix="gpg")
    try:
        other = type(keys)(home)
        certificate = Path(keys._home, "openpgp-revocs.d", f"{keys.fingerprint('revoked')}.rev").read_text()
        other.gpg("--import", text=keys.public("revoked"))
        other.gpg("--import", text=certificate.replace(":-----BEGIN", "-----BEGIN").encode())
        return other.public("revoked").decode()
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)  # the sockets of gpg's agent go by themselves


def test_gpg_serves_where_gpgv_is_absent(download, signed, dest, monkeypatch, tmp_path):
    args = signed()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gpg").symlink_to(shutil.which("gpg"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert download(**args)["changed"] and dest.read_bytes() == CONTENT


def test_no_gpg(download, signed, served, dest, monkeypatch, tmp_path):
    args = signed()
    monkeypatch.setenv("PATH", str(tmp_path))
    result = download(**args)
    assert result["failed"] and "neither gpgv nor gpg" in result["msg"]
    assert not dest.exists() and served.requests == []


def test_a_download_that_breaks_off_is_told_as_that(download, signed, served, dest, monkeypatch):
    args = signed()
    real = http.server.SimpleHTTPRequestHandler.copyfile

    def broken(self, source, outputfile):
        if self.path == "/file.deb":
            outputfile.write(source.read(100))
        else:
            real(self, source, outputfile)

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "copyfile", broken)
    result = download(**args)
    assert result["failed"] and "broke off after 100 of 10000 bytes" in result["msg"] and not dest.exists()


def test_a_disk_that_is_full_is_no_fault_of_the_other_side(download, signed, dest):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    args = signed()
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limits[1]))  # the next best to a full disk
    try:
        result = download(**args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result["failed"] and result["msg"] == f"Cannot write {dest}: File too large."
    assert not dest.exists()


def test_a_disk_that_is_full_where_the_file_goes_is_told_in_a_sentence(download, signed, dest, monkeypatch):
    def full(self, src, dest):  # as ansible-core 2.19 says it
        raise Exception(f"Failed to replace {dest!r} with {src!r}.") from OSError(
            errno.ENOSPC, os.strerror(errno.ENOSPC)
        )

    monkeypatch.setattr(AnsibleModule, "atomic_move", full)
    result = download(**signed())
    assert result["failed"] and result["msg"] == f"Cannot write {dest}: No space left on device."
    assert "exception" not in result


def test_nobody_answers(download, signed, dest):
    result = download(**{**signed(), "url": "http://127.0.0.1:9/file.deb"})
    assert result["failed"] and "Cannot download the file from http://127.0.0.1:9/file.deb" in result["msg"]
    assert not dest.exists()


def test_warns_when_the_newest_key_is_about_to_expire(download, signed, keys):
    result = download(**signed("soon"))
    assert f"The newest signing key {keys.fingerprint('soon')} expires on" in json.dumps(result["warnings"])
    assert result["key_expires"]


def test_checksum_alone(download, served, dest):
    served.put("file.deb", CONTENT)
    checksum = "sha256:" + hashlib.sha256(CONTENT).hexdigest().upper()
    result = download(checksum=checksum)
    assert result["changed"] and result["fingerprint"] is None and dest.read_bytes() == CONTENT
    served.requests.clear()
    assert not download(checksum=checksum)["changed"] and served.requests == []
    dest.unlink()
    result = download(checksum="sha256:" + "0" * 64)
    assert result["failed"] and "Its SHA-256 is" in result["msg"] and not dest.exists()
    assert "is not a checksum" in download(checksum="md5:0")["msg"]


def test_something_must_verify_it(download, served, keys):
    assert "one of the following" in download()["msg"]
    assert "pinned keys" in download(signature_url=f"{served.url}/x")["msg"]


def test_check_mode(download, signed, served, dest):
    args = signed()
    result = download(check=True, **args)
    assert result["changed"] and result["sha256"] is None and not dest.exists() and served.requests == []
    download(**args)
    served.requests.clear()
    assert not download(check=True, **args)["changed"]
    dest.write_bytes(b"another")
    assert download(check=True, **args)["changed"] and dest.read_bytes() == b"another"
    assert "/file.deb" not in served.requests


def test_a_signature_that_is_kept_serves_where_the_source_is_gone(download, signed, served, dest):
    args = {**signed(), "signature_dest": f"{dest}.sig"}
    signature = dest.with_name("file.deb.sig")
    assert download(check=True, **args)["changed"] and not signature.exists()
    assert download(**args)["changed"]
    assert signature.read_bytes() == (served.directory / "file.deb.sig").read_bytes()
    assert not download(**args)["changed"]
    signature.write_bytes(b"of an older file")
    assert download(check=True, **args)["changed"] and signature.read_bytes() == b"of an older file"
    assert download(**args)["changed"] and not download(**args)["changed"]
    # nothing is kept of what is not accepted
    served.put("file.deb", b"another")
    dest.unlink()
    signature.unlink()
    assert download(**args)["failed"] and os.listdir(dest.parent) == []


def test_mode(download, signed, dest):
    args = signed()
    download(**args)
    assert download(**args, mode="0600")["changed"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ours", "soon", "expired", "subkey", "theirs"])
@pytest.mark.parametrize("armour", [True, False])
def test_keys_are_read_as_gpg_reads_them(keys, name, armour):
    [key] = _gpg.keys(keys.public(name, armour=armour))
    listed = next(line for line in keys.listing(name) if line[0] == "pub")
    assert key.fingerprint == keys.fingerprint(name)
    assert key.created == int(listed[5])
    assert key.expires == (int(listed[6]) if listed[6] else None)


def test_an_expiry_that_was_moved_and_a_signature_of_somebody_else(keys):
    fingerprint = keys.make("moved", expires="20300101T000000")
    keys.gpg("--quick-set-expire", fingerprint, "20310101T000000", at="20290101T000000")
    keys.gpg("--local-user", "theirs@example.com", "--quick-sign-key", fingerprint, at="20290601T000000")
    [key] = _gpg.keys(keys.public("moved"))
    assert _gpg.iso_time(key.expires) == "2031-01-01T00:00:00Z"
