# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared AWS credentials file: read one profile; write one and leave everything else as it is."""

import os
import re

import aws_http

KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
SECTION = re.compile(r"^\s*\[([^\]]*)\]\s*$")
ENTRY = re.compile(r"^\s*([^=:\s\[][^=:]*?)\s*[=:]\s*(.*?)\s*$")


class Unparsable(Exception):
    """A line that is neither section, comment, blank nor key = value."""


def sections(text):
    """Return [(name or None, [lines])] in the order of the file."""
    found = [(None, [])]
    for line in text.splitlines():
        header = SECTION.match(line)
        if header:
            found.append((header.group(1).strip(), []))
            continue
        if line.strip() and not line.lstrip().startswith(("#", ";")) and not ENTRY.match(line):
            raise Unparsable(f"key-value delimiter not found: {line.strip()[:20]}")
        found[-1][1].append(line)
    return found


def read(path, profile="default"):
    """Return the credentials of a profile, or None when they are not there."""
    try:
        with open(path, encoding="utf-8") as handle:
            parsed = sections(handle.read())
    except (OSError, Unparsable, UnicodeDecodeError):
        return None
    values = {}
    for name, lines in parsed:
        if name == profile:
            values.update(match.groups() for match in map(ENTRY.match, lines) if match)
    if not values.get(KEYS[0]) or not values.get(KEYS[1]):
        return None
    return aws_http.Credentials(values[KEYS[0]], values[KEYS[1]], values.get(KEYS[2], ""))


def merged(text, profile, credentials):
    values = dict(zip(KEYS, (credentials.access_key, credentials.secret_key, credentials.token)))
    out, done = [], False
    parsed = sections(text)
    if not any(name == profile for name, _lines in parsed):
        parsed.append((profile, []))
    for name, lines in parsed:
        if name is not None:
            out.append(f"[{name}]")
        if name != profile:
            out += lines
            continue
        kept = [line for line in lines if not (ENTRY.match(line) and ENTRY.match(line).group(1) in KEYS)]
        while kept and not kept[-1].strip():
            kept.pop()
        if not done:
            out += [f"{key:<21} = {values[key]}" for key in KEYS]
            done = True
        out += [*kept, ""]
    return "\n".join(out).strip("\n") + "\n"


def write(path, profile, credentials, force=False):
    """Put the credentials into the profile; with force an unparsable file is replaced."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700)
    text = ""
    if os.path.exists(path) and not force:
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
    text = merged(text, profile or "default", credentials)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, 0o600)
        stream.write(text)
