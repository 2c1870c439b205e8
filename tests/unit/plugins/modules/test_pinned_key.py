# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module with real keys, over HTTP on loopback, and gpg as the reader of what it writes."""

from __future__ import annotations

import stat

import pytest


@pytest.fixture
def dest(tmp_path):
    (tmp_path / "keyrings").mkdir()
    return tmp_path / "keyrings" / "docker.asc"


@pytest.fixture
def keep(run, served, dest, tmp_path):
    def _keep(*fingerprints, name="gpg", check=False, **args):
        given = {"url": f"{served.url}/{name}", "dest": str(dest), "fingerprints": list(fingerprints), **args}
        result = run("pinned_key", check=check, aws=False, _ansible_tmpdir=str(tmp_path), **given)
        assert list(tmp_path.glob("tmp*")) == []  # nothing is left behind
        return result

    return _keep


def read_by_gpg(keys, dest):
    listing = keys.gpg("--with-colons", "--show-keys", str(dest)).decode()
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]


def spaced(fingerprint):
    return " ".join(fingerprint[at : at + 4] for at in range(0, 40, 4)).lower()


@pytest.mark.parametrize("armour", [True, False])
def test_only_pinned_keys_get_there(keep, served, dest, keys, armour):
    served.put("gpg", keys.public("theirs", "ours", armour=armour))
    ours = keys.fingerprint("ours")
    checked = keep(spaced(ours), check=True)
    assert checked["changed"] and not dest.exists()
    assert checked["diff"]["after"].startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n")

    kept = keep(spaced(ours))
    assert kept["changed"] and kept["fingerprints"] == [ours]
    assert dest.read_text() == checked["diff"]["after"]
    assert read_by_gpg(keys, dest) == [ours]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o644

    assert not keep(ours, check=True)["changed"]
    assert not keep(ours)["changed"]


def test_several_pinned_ones_are_all_kept_and_an_absent_one_is_no_trouble(keep, served, dest, keys):
    served.put("gpg", keys.public("ours", "subkey"))
    pins = [keys.fingerprint(name) for name in ("subkey", "soon", "ours")]
    assert keep(*pins)["fingerprints"] == [pins[0], pins[2]]
    found = read_by_gpg(keys, dest)
    assert set(found) >= {pins[0], pins[2]} and pins[1] not in found


def test_a_key_that_is_not_pinned_is_refused_and_what_is_there_stays(keep, served, dest, keys):
    dest.write_text("before")
    served.put("gpg", keys.public("theirs"))
    ours, theirs = keys.fingerprint("ours"), keys.fingerprint("theirs")
    failed = keep(ours)
    assert failed["failed"]
    assert f"holds none of the pinned keys ({ours}), but {theirs}. When the source has a new key" in failed["msg"]
    assert dest.read_text() == "before"


@pytest.mark.parametrize(
    "served_as, pins, sentence",
    [
        (b"<html>no key</html>", ["A" * 40], "cannot be read: it is no OpenPGP key."),
        (None, ["A" * 40], "There is no key at http"),
        (b"", ["abc"], "'abc' is not the fingerprint of a key, which is 40 hexadecimal digits."),
        (b"", [], "no key is pinned"),
        (b"", ["A" * 40], "holds none of the pinned keys"),
    ],
)
def test_bad_input_is_told_in_a_sentence(keep, served, dest, served_as, pins, sentence):
    if served_as is not None:
        served.put("gpg", served_as)
    failed = keep(*pins)
    assert failed["failed"] and sentence in failed["msg"]
    assert not dest.exists()


def test_places_that_are_none(keep, served, dest, keys):
    served.put("gpg", keys.public("ours"))
    ours = keys.fingerprint("ours")
    assert "The directory of" in keep(ours, dest=str(dest.parent / "none" / "docker.asc"))["msg"]
    dest.mkdir()
    assert "is there and is no file" in keep(ours)["msg"]


def test_a_key_that_is_about_to_expire_is_told(keep, served, keys):
    served.put("gpg", keys.public("soon"))
    assert "Get its successor in time." in str(keep(keys.fingerprint("soon")))


def test_another_mode_is_a_change(keep, served, dest, keys):
    served.put("gpg", keys.public("ours"))
    keep(keys.fingerprint("ours"))
    assert keep(keys.fingerprint("ours"), mode="0600")["changed"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
