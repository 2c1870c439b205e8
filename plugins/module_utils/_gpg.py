# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenPGP keys and what gpg says of a signature: pure functions. Private to this collection.

Keys are read here to find the pinned ones in a file and to tell when they expire. Signatures are verified by gpg alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from typing import Iterator
from typing import NamedTuple

_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
_SIGNATURE, _PUBLIC_KEY = 2, 6  # packets
_CREATED, _KEY_LIFETIME, _ISSUER = 2, 9, 16  # subpackets of a signature


class Key(NamedTuple):
    fingerprint: str
    created: int
    expires: int | None
    data: bytes  # the key with all that belongs to it


class Verdict(NamedTuple):
    fingerprint: str | None  # of the primary key that made the signature, None when the signature is not good
    problem: str


def iso_time(seconds: int | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def normal_fingerprint(text: str) -> str | None:
    """A fingerprint as gpg prints it to programs, or None when it is none."""
    digits = re.sub(r"\s", "", text).upper()
    return digits if re.fullmatch(r"[0-9A-F]{40}", digits) else None


def dearmour(data: bytes) -> bytes:
    """All blocks of armoured keys as binary. What is not armoured stays. Raises ValueError."""
    blocks = _ARMOUR.findall(data)
    if not blocks:
        return data
    result = b""
    for block in blocks:
        text = block.replace(b"\r\n", b"\n")
        head, blank, body = text.partition(b"\n\n")
        if text.startswith(b"\n") or not blank or b": " not in head:
            body = text  # no header lines
        lines = [line.strip() for line in body.split(b"\n")]
        encoded = b"".join(line for line in lines if line and not line.startswith(b"="))  # "=": the checksum
        try:
            result += base64.b64decode(encoded, validate=True)
        except binascii.Error as e:
            raise ValueError("the armour is broken") from e
    return result


def armour(data: bytes) -> str:
    """Keys in the form that apt and rpm both read."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _unused in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    checksum = "=" + base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    head, foot = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
    return "\n".join([head, "", *lines, checksum, foot, ""])


def _packets(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, body and whole of each packet. Raises ValueError where it is no OpenPGP."""
    at = 0
    while at < len(data):
        start = at
        first = data[at]
        if not first & 0x80 or at + 1 >= len(data):
            raise ValueError("it is no OpenPGP key")
        length_byte = data[at + 1]
        if first & 0x40:  # new format
            tag = first & 0x3F
            if length_byte < 192:
                size, length = 1, length_byte
            elif length_byte < 224:
                size, length = 2, ((length_byte - 192) << 8) + int.from_bytes(data[at + 2 : at + 3], "big") + 192
            elif length_byte == 255:
                size, length = 5, int.from_bytes(data[at + 2 : at + 6], "big")
            else:
                raise ValueError("it is no OpenPGP key")
        else:
            tag = (first >> 2) & 0x0F
            if first & 3 == 3:
                raise ValueError("it is no OpenPGP key")
            size = 1 << (first & 3)
            length = int.from_bytes(data[at + 1 : at + 1 + size], "big")
        at += 1 + size + length
        if at > len(data):
            raise ValueError("it is cut off")
        yield tag, data[at - length : at], data[start:at]


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(area):
        length = area[at]
        at += 1
        if length == 255:
            length = int.from_bytes(area[at : at + 4], "big")
            at += 4
        elif length >= 192:
            length = ((length - 192) << 8) + int.from_bytes(area[at : at + 1], "big") + 192
            at += 1
        if not length or at + length > len(area):
            return
        yield area[at] & 0x7F, area[at + 1 : at + length]
        at += length


def _lifetime(signature: bytes, fingerprint: bytes) -> tuple[int, int] | None:
    """When a self-signature was made and how long it lets the key live (0: for ever), None for other signatures."""
    if len(signature) < 6 or signature[0] != 4 or signature[1] not in (0x10, 0x11, 0x12, 0x13, 0x1F):
        return None
    middle = 6 + int.from_bytes(signature[4:6], "big")
    hashed = dict(_subpackets(signature[6:middle]))
    size = int.from_bytes(signature[middle : middle + 2], "big")
    unhashed = dict(_subpackets(signature[middle + 2 : middle + 2 + size]))
    issuer = {**unhashed, **hashed}.get(_ISSUER, fingerprint[-8:])
    if _CREATED not in hashed or issuer != fingerprint[-8:]:
        return None
    return int.from_bytes(hashed[_CREATED], "big"), int.from_bytes(hashed.get(_KEY_LIFETIME, b""), "big")


def _key(packets: list[tuple[int, bytes, bytes]]) -> Key | None:
    """A primary key and what follows it. None for versions whose fingerprints are no SHA-1."""
    body = packets[0][1]
    if len(body) < 6 or body[0] != 4:
        return None
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).digest()
    created = int.from_bytes(body[1:5], "big")
    own = [_lifetime(body, fingerprint) for tag, body, _unused in packets if tag == _SIGNATURE]
    lifetime = max((found for found in own if found), default=(0, 0))[1]  # the newest one counts
    return Key(
        fingerprint=fingerprint.hex().upper(),
        created=created,
        expires=created + lifetime if lifetime else None,
        data=b"".join(packet[2] for packet in packets),
    )


def keys(data: bytes) -> list[Key]:
    """The keys of a file, armoured or not. Raises ValueError when it is no key file."""
    groups: list[list[tuple[int, bytes, bytes]]] = []
    for packet in _packets(dearmour(data)):
        if packet[0] == _PUBLIC_KEY:
            groups.append([])
        if not groups:
            raise ValueError("it is no OpenPGP key")
        groups[-1].append(packet)
    return [key for key in map(_key, groups) if key]


def expiry_warning(pinned: list[Key], now: float, days: int = 60) -> str | None:
    """What to say when the newest of the keys has expired or is about to."""
    newest = max(pinned, key=lambda key: key.created, default=None)
    if newest is None or newest.expires is None or newest.expires > now + days * 86400:
        return None
    verb = "expires" if newest.expires > now else "expired"
    return (
        f"The newest signing key {newest.fingerprint} {verb} on {iso_time(newest.expires)}. Get its successor in time."
    )


# What gpg says of a signature -> what that means. All of these refuse it.
_REFUSALS = {
    "BADSIG": "The signature does not fit the file: one of them was changed on its way or at its source. Run again, "
    "and distrust the source when that does not help.",
    "EXPKEYSIG": "The signature was made by pinned key {key}, which has expired. Pin its successor.",
    "REVKEYSIG": "The signature was made by pinned key {key}, which its owner has revoked. Do not use the file, and "
    "pin the key's successor.",
    "EXPSIG": "The signature itself has expired. Get a newer one from the source.",
}


def verdict(status: str, pinned: list[str]) -> Verdict:
    """What gpg's status output says of a detached signature. Good is only GOODSIG and VALIDSIG by a pinned key."""
    signatures: list[dict[str, list[str]]] = []
    for line in status.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "[GNUPG:]":
            continue
        if words[1] == "NEWSIG" or not signatures:
            signatures.append({})
        signatures[-1][words[1]] = words[2:]
    if any("BADSIG" in signature for signature in signatures):
        return Verdict(None, _REFUSALS["BADSIG"])
    problem = "It is no detached OpenPGP signature."
    for signature in signatures:
        valid = signature.get("VALIDSIG", [])
        key = (valid[9] if len(valid) > 9 else valid[0] if valid else "").upper()  # the primary key comes last
        refusal = next((name for name in _REFUSALS if name in signature), None)
        if "GOODSIG" in signature and refusal is None and key in pinned:
            return Verdict(key, "")
        if refusal:
            problem = _REFUSALS[refusal].format(key=key)
        elif key:
            problem = f"The signature was made by key {key}, which is not pinned."
        elif "NO_PUBKEY" in signature:
            problem = (
                f"The signature was made by key {' '.join(signature['NO_PUBKEY'])}, which is none of the pinned keys. "
                "When the source has a new key, check its fingerprint and pin it."
            )
        elif "ERRSIG" in signature:
            problem = "The signature cannot be checked: gpg on this server does not know its algorithm."
    return Verdict(None, problem)
