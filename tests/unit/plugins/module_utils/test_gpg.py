# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What gpg says, and broken keys. Whole keys are read in test_signed_download.py, where gpg makes them."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _gpg

KEY = "A" * 40
SUBKEY = "B" * 40
OTHER = "C" * 40


def status(*lines):
    return "".join(f"[GNUPG:] {line}\n" for line in lines)


def valid(primary, signer=None):
    return f"VALIDSIG {signer or primary} 2026-01-02 1767312000 0 4 0 1 10 00 {primary}"


@pytest.mark.parametrize(
    "lines, fingerprint, said",
    [
        (["NEWSIG", "GOODSIG AAAA me", valid(KEY)], KEY, ""),
        (["NEWSIG", "GOODSIG BBBB me", valid(KEY, SUBKEY)], KEY, ""),
        (["GOODSIG AAAA me", valid(KEY)], KEY, ""),  # as old versions say it
        (["NEWSIG", "ERRSIG x", "NO_PUBKEY x", "NEWSIG", "GOODSIG AAAA me", valid(KEY)], KEY, ""),
        (["NEWSIG", "GOODSIG AAAA me"], None, "no detached OpenPGP signature"),
        (["NEWSIG", valid(KEY)], None, f"key {KEY}, which is not pinned"),  # no GOODSIG
        (["NEWSIG", "GOODSIG CCCC me", valid(OTHER)], None, f"key {OTHER}, which is not pinned"),
        (["NEWSIG", "GOODSIG AAAA me", valid(OTHER, KEY)], None, "not pinned"),  # pinned is the primary key
        (["NEWSIG", "BADSIG AAAA me"], None, "does not fit the file"),
        (["NEWSIG", "GOODSIG AAAA me", valid(KEY), "NEWSIG", "BADSIG AAAA me"], None, "does not fit the file"),
        (["NEWSIG", "KEYEXPIRED 1", "EXPKEYSIG AAAA me", valid(KEY)], None, f"key {KEY}, which has expired"),
        (["NEWSIG", "REVKEYSIG AAAA me", valid(KEY)], None, "has revoked"),
        (["NEWSIG", "EXPSIG AAAA me", valid(KEY)], None, "signature itself has expired"),
        (["NEWSIG", "ERRSIG DDDD 1 10 00 1 9", "NO_PUBKEY DDDD"], None, "key DDDD, which is none of the pinned"),
        (["NEWSIG", "ERRSIG DDDD 99 10 00 1 4"], None, "does not know its algorithm"),
        (["NODATA 1"], None, "no detached OpenPGP signature"),
        ([], None, "no detached OpenPGP signature"),
        (["NEWSIG", "EXPKEYSIG AAAA me", valid(KEY), "NEWSIG", "GOODSIG CCCC me", valid(OTHER)], None, "not pinned"),
    ],
)
def test_verdict(lines, fingerprint, said):
    verdict = _gpg.verdict(status(*lines), [KEY])
    assert verdict.fingerprint == fingerprint
    assert said in verdict.problem and bool(verdict.problem) == (fingerprint is None)


def test_a_name_cannot_forge_a_verdict():
    """gpg escapes line breaks; a name that looks like a status line stays on its line."""
    forged = status("NEWSIG", f"BADSIG AAAA [GNUPG:] GOODSIG x {valid(KEY)}")
    assert _gpg.verdict(forged, [KEY]).fingerprint is None
    assert _gpg.verdict(f"GOODSIG AAAA me\n{valid(KEY)}\n", [KEY]).fingerprint is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1C5B 395C BE5E 74E2 F1CA  2159 2784 DBF3 88D1 9D46", "1C5B395CBE5E74E2F1CA21592784DBF388D19D46"),
        ("1c5b395cbe5e74e2f1ca21592784dbf388d19d46", "1C5B395CBE5E74E2F1CA21592784DBF388D19D46"),
        ("2784DBF388D19D46", None),  # a key id is no fingerprint
        ("x" * 40, None),
        ("", None),
    ],
)
def test_normal_fingerprint(text, expected):
    assert _gpg.normal_fingerprint(text) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"<html>Please log in</html>",
        b"\x99",
        b"\x99\x01\x0d\x04",  # cut off
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----\n",
        b"\xb4\x03abc",  # a user id without a key
    ],
)
def test_no_key(data):
    with pytest.raises(ValueError):
        _gpg.keys(data)


def test_keys_of_other_versions_are_no_pinned_ones():
    assert _gpg.keys(b"") == []
    assert _gpg.keys(b"\x98\x06\x06abcde") == []


@pytest.mark.parametrize("header", [b"", b"Version: GnuPG v2\nComment: x\n"])
def test_dearmour(header):
    encoded = base64.encodebytes(bytes(range(100)))
    block = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
        + header
        + b"\n"
        + encoded
        + b"=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    for text in (block, block.replace(b"\n", b"\r\n")):
        assert _gpg.dearmour(b"two of them:\n" + text + text) == bytes(range(100)) * 2


DAY = 86400


def key(created, expires):
    return _gpg.Key(KEY, created, expires, b"")


@pytest.mark.parametrize(
    "pinned, said",
    [
        ([], None),
        ([key(0, None)], None),
        ([key(0, 161 * DAY)], None),
        ([key(0, 159 * DAY)], "expires on 1970-06-09"),
        ([key(0, 99 * DAY)], "expired on"),
        ([key(0, 99 * DAY), key(1, 500 * DAY)], None),  # the newest one is there already
        ([key(0, 500 * DAY), key(1, 120 * DAY)], "expires on"),
    ],
)
def test_expiry_warning(pinned, said):
    warning = _gpg.expiry_warning(pinned, 100 * DAY)
    assert warning is None if said is None else said in warning


def test_armoured_again_a_key_is_what_it_was():
    for size in (1, 2, 3, 47, 48, 49, 500):
        data = bytes(n % 251 for n in range(size))
        text = _gpg.armour(data)
        assert _gpg.dearmour(text.encode()) == data
        assert max(map(len, text.splitlines())) <= 64
