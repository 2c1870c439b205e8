# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSM agent's own configuration file: pure functions. Private to this collection.

The agent takes its defaults where it cannot read the file, and says so in its log only. So what is written there is
looked at before, and a file that is broken already is told.
"""

from __future__ import annotations

import json
from typing import Any
from typing import Mapping

PATH = "/etc/amazon/ssm/amazon-ssm-agent.json"

# What the agent reads a setting as. Its other settings are not looked at, but for their section.
_TYPES: dict[str, dict[str, type]] = {
    "Profile": {"ShareCreds": bool, "ShareProfile": str},
    "Mds": {"Endpoint": str},
    "Ssm": {"Endpoint": str, "HealthFrequencyMinutes": int, "CredentialRetryMaxSleepSeconds": int},
    "Mgs": {"Endpoint": str, "Region": str},
    "Agent": {"Region": str, "ServiceDomain": str, "UseDualStackEndpoint": bool},
    "S3": {"Endpoint": str},
    "Kms": {"Endpoint": str},
    "Identity": {"ConsumptionOrder": list},
}
_WORDS = {bool: "true or false", str: "a text", int: "a whole number", list: "a list"}


def _is_a(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def type_problem(settings: Mapping[str, Any]) -> str | None:
    for section, values in settings.items():
        if not isinstance(values, Mapping):
            return f"{section} is no section: its settings have to be below it, as in Profile: {{ShareProfile: ecs}}"
        for name, value in values.items():
            kind = _TYPES.get(section, {}).get(name)
            if value is None or (kind and not _is_a(value, kind)):
                return f"{section}.{name} has to be {_WORDS[kind] if kind else 'a value'}"
    return None


def wanted_config(given: Mapping[str, Any] | None, profile: str | None, ec2_as_external: bool) -> dict[str, Any]:
    """The settings that the role's variables ask for. Raises ValueError with a sentence."""
    result = dict(given or {})
    problem = type_problem(result)
    if problem:
        raise ValueError(f"ecs_anywhere_ssm_agent_config: {problem}")
    if profile:
        result["Profile"] = {"ShareProfile": profile, **result.get("Profile", {})}
        if result["Profile"]["ShareProfile"] != profile:
            raise ValueError(
                "ecs_anywhere_ssm_agent_config has another Profile.ShareProfile than ecs_anywhere_credentials_profile: "
                "leave it to the latter, which tells the ECS agent as well"
            )
    if ec2_as_external:
        result["Identity"] = {"ConsumptionOrder": ["OnPrem"], **result.get("Identity", {})}
    return result


def parse(text: str | None) -> tuple[dict[str, Any], str | None]:
    """The settings of a file, and why the agent does not understand it."""
    if text is None:
        return {}, None
    try:
        settings = json.loads(text)
    except ValueError as error:
        return {}, f"it is no valid JSON ({error})"
    if not isinstance(settings, dict):
        return {}, "it is no JSON object"
    return settings, type_problem({name: values for name, values in settings.items() if values is not None})


def different(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The wanted settings that the file has not, or has otherwise."""
    return sorted(
        f"{section}.{name}"
        for section, values in wanted.items()
        for name, value in values.items()
        if (settings.get(section) or {}).get(name) != value
    )


def config_problem(config: Mapping[str, Any] | None) -> str | None:
    if not config or not config["problem"]:
        return None
    return (
        f"{PATH} is not what the SSM agent understands: {config['problem']}. It takes its defaults instead without a "
        "word: repair the file, or remove it"
    )


def config_reason(config: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str | None:
    names = different((config or {}).get("settings") or {}, wanted)
    return f"{PATH} has other values for {', '.join(names)}" if names else None
