# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS credentials that are on a server: pure functions. Private to this collection.

The SSM agent writes the node's credentials into a profile of root's credentials file, and the ECS agent reads them
there. Others win over them, or are overwritten by them.
"""

from __future__ import annotations

import configparser
import re
from typing import Any
from typing import Iterable
from typing import Mapping

FILE = "/root/.aws/credentials"
DEFAULT = "default"

_VARIABLES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
}


def variables(names: Iterable[str]) -> list[str]:
    """Those that bring credentials, or say where some are."""
    return sorted({n for n in names if n in _VARIABLES or n.startswith("AWS_CONTAINER_CREDENTIALS_")})


def of_environment(text: str) -> list[str]:
    """The same of a unit's Environment as systemctl shows it, or as its files have it."""
    return variables(re.findall(r"(?:^|[\s\"'=])(AWS_\w+)=", text) if "AWS_" in text else ())


def read_profiles(text: str) -> dict[str, bool] | None:
    """The profiles that have a key, and whether it is one of a role, with a token. None: the file is garbled."""
    parser = configparser.RawConfigParser(strict=False, default_section="", allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {
        name: bool(parser.get(name, "aws_session_token", fallback=None))
        for name in parser.sections()
        if parser.get(name, "aws_access_key_id", fallback=None)
    }


def default_owner(profiles: Mapping[str, bool] | None, record: Mapping[str, Any], registered: bool) -> str | None:
    """Whose the default profile is: the SSM agent's, when its record says that it writes there and there is a token.

    A registered agent may have no record: that is removed to make it ask for new credentials at once.
    """
    if not profiles or DEFAULT not in profiles:
        return None
    writes_there = record.get("ShareProfile") in ("", DEFAULT) if record.get("InstanceId") else registered
    return "agent" if writes_there and profiles[DEFAULT] else "foreign"
