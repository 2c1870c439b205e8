# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of the ECS agent, as text: pure functions. Private to this collection."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from typing import Dict
from typing import Mapping
from typing import NamedTuple

_SECRETS = ("PASSWORD", "SECRET", "TOKEN", "AUTH", "ACCESS_KEY")
_PROXY_USER = r"(?i)^((?:[a-z][a-z0-9+.-]*://)?)([^/]*)@"

Settings = Dict[str, str]


class Rewritten(NamedTuple):
    text: str
    settings: Settings
    dropped: list[str]


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def masked(key: str, value: str) -> str:
    """*value*, or its digest when *key* says that it is a secret. Equal values are masked alike."""
    if value and any(word in key.upper() for word in _SECRETS):
        return _digest(value)
    if key.strip("# ").upper().endswith("_PROXY"):
        return re.sub(_PROXY_USER, lambda found: f"{found.group(1)}{_digest(found.group(2))}@", value)
    return value


def masked_settings(settings: Mapping[str, str]) -> Settings:
    return {key: masked(key, value) for key, value in settings.items()}


def masked_line(line: str) -> str:
    """A line of a file as it may be shown. What is neither variable nor comment may be the rest of a secret."""
    key, equals, value = line.partition("=")
    if equals:
        return f"{key}={masked(key, value)}"
    return line if line.startswith(("#", ";")) or not line else _digest(line)


def _is_name(text: str) -> bool:
    """Whether a variable may be called so: printable, no space, no "="."""
    return bool(text) and all("!" <= char <= "~" and char != "=" for char in text)


def _ends_in_backslash(value: str) -> bool:
    """Whether the last backslash of *value* is not itself escaped by one."""
    return (len(value) - len(value.rstrip("\\"))) % 2 == 1


def _variable(line: str) -> tuple[str, str] | None:
    """The variable that systemd and ecs-init both see in a line, or None when one of them sees something else."""
    key, equals, value = line.strip().partition("=")
    if not equals or key.startswith(("#", ";")) or not _is_name(key) or _ends_in_backslash(value):
        return None  # a backslash at the end makes systemd read the next line as part of this one
    return key, value


def _bare(value: str) -> str:
    """The value without the quotes and the leading space that systemd takes off and ecs-init does not."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        if value[0] not in inner and "\\" not in inner:
            return inner.strip()
    return value


def parse(text: str) -> Settings:
    """The variables of a file, literally as ecs-init hands them to the agent. Of duplicates the last one counts."""
    found = (_variable(line) for line in text.split("\n"))
    return dict(filter(None, found))


def rewrite(text: str, wanted: Mapping[str, str | None]) -> Rewritten:
    """The file with the *wanted* variables set (None: removed), the others kept in their order, and nothing else."""
    lines = text.split("\n")
    if lines[-1] == "":  # what follows the last line's end is no line
        lines.pop()
    settings: Settings = {}
    source: dict[str, str] = {}
    dropped = []
    for line in lines:
        variable = _variable(line)
        if variable is None:
            dropped.append(line)
            continue
        key, value = variable
        if key in settings:
            dropped.append(source[key])
        settings[key] = _bare(value)
        source[key] = line
    for key in sorted(wanted):
        target = wanted[key]
        if target is None:
            settings.pop(key, None)
        else:
            settings[key] = target
    return Rewritten("".join(f"{key}={value}\n" for key, value in settings.items()), settings, dropped)


def is_canonical(text: str) -> bool:
    """Whether both readers see the same in each line, and nothing is said twice."""
    return rewrite(text, {}).text == text


def as_text(value: Any) -> str | None:
    """A value of a playbook as the agent expects it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return str(value)


def wanted_settings(settings: Mapping[Any, Any]) -> dict[str, str | None]:
    """The settings of a playbook as variables. Raises ValueError, with a sentence that holds no value."""
    wanted: dict[str, str | None] = {}
    for name, given in settings.items():
        key, value = str(name), as_text(given)
        if not _is_name(key) or key.startswith(("#", ";")):
            raise ValueError(
                f"{key!r} cannot be the name of a variable: it must not hold '=', spaces or begin with '#'."
            )
        if value is not None:
            value = value.strip()
            if re.search(r"[\r\n\0]", value):
                raise ValueError(f"The value of {key} holds a line break, which the file cannot express.")
            if _bare(value) != value:
                raise ValueError(f"The value of {key} is wrapped in quotes, which the agent would take as part of it.")
            if _ends_in_backslash(value):
                raise ValueError(f"The value of {key} ends in a backslash, which would swallow the next line.")
        wanted[key] = value
    return wanted
