# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of the agents' packages: pure functions. Private to this collection."""

from __future__ import annotations

import io
import re

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60


def upstream(version: str) -> str:
    """The version without the revision that a package adds (1.105.1-1)."""
    return version.partition("-")[0]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", upstream(version)))


def target(pin: str, installed: str, newest: str | None) -> str:
    """The version to have: what is pinned, or else the newer of what is there and what there is.

    New versions reach the Regions one after the other: nothing is downgraded because of that.
    """
    if pin:
        return pin
    if newest is None or numbers(newest) <= numbers(installed):
        return upstream(installed)
    return upstream(newest)


def _members(archive: bytes) -> dict[str, bytes]:
    """The members of an ar archive that are whole in its beginning."""
    found = {}
    at = len(_AR_MAGIC)
    while archive.startswith(_AR_MAGIC) and at + _AR_HEADER <= len(archive):
        name = archive[at : at + 16].decode("ascii", "replace").rstrip(" /")
        size = archive[at + 48 : at + 58].strip()
        start = at + _AR_HEADER
        if not size.isdigit() or start + int(size) > len(archive):
            break
        found[name] = archive[start : start + int(size)]
        at = start + int(size) + int(size) % 2
    return found


def deb_version(beginning: bytes) -> str:
    """The version of a Debian package, of which the first part is enough. Raises ValueError, with a sentence."""
    import tarfile  # here, as a read of a server compares versions and nothing else

    members = _members(beginning)
    name = next((member for member in members if member.startswith("control.tar")), None)
    if name is None:
        raise ValueError("it does not begin as a Debian package does")
    try:
        with tarfile.open(fileobj=io.BytesIO(members[name])) as control:
            stream = next(control.extractfile(m) for m in control if m.name.rpartition("/")[2] == "control")
            text = stream.read().decode("utf-8", "replace") if stream else ""
    except (tarfile.TarError, EOFError, StopIteration, OSError) as error:
        raise ValueError(f"its {name} cannot be read here ({error or 'it has no control file'})") from error
    found = re.search(r"^Version: (\S+)$", text, re.MULTILINE)
    if not found:
        raise ValueError("it tells no version")
    return found.group(1)
