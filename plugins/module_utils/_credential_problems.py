# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS credentials that stand in the way of a managed node's: pure functions. Private to this collection."""

from __future__ import annotations

import re
from typing import Any
from typing import Mapping

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._credentials import DEFAULT
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._credentials import FILE
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._credentials import variables

PROFILE_SETTING = "ECS_ALTERNATE_CREDENTIAL_PROFILE"
# Before this version of the ECS agent a role of EC2 came before the credentials of the managed node.
NODE_FIRST = (1, 100, 0)


def _merged(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {**held, **wanted}


def credential_problems(host: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Credentials that the agents would take instead of the managed node's, or would overwrite."""
    problems = []
    read = host.get("credentials") or {}
    for unit, names in sorted((read.get("unit_variables") or {}).items()):
        if names:
            problems.append(
                f"{', '.join(names)} in the environment of {unit} would give it other credentials than its managed "
                f"node's: remove them from what `systemctl cat {unit}` shows, and restart it"
            )
    settings: dict[str, Any] = {}
    for path, held in host["ecs_config"].items():
        here = _merged(held["settings"], wanted["ecs_config"].get(path) or {})
        names = variables(name for name, value in here.items() if value is not None)
        if names:
            problems.append(
                f"{', '.join(names)} in {path} would give the ECS agent other credentials than its managed node's: "
                "remove them there, or set them to null in ecs_anywhere_agent_config"
            )
        settings.update(here)

    wanted_config = wanted.get("ssm_config") or {}
    profile = _merged(((host.get("ssm_config") or {}).get("settings") or {}).get("Profile") or {}, {})
    profile = _merged(profile, wanted_config.get("Profile") or {})
    shared, looked_for = profile.get("ShareProfile") or DEFAULT, settings.get(PROFILE_SETTING) or DEFAULT
    if profile.get("ShareCreds") is False:
        problems.append(
            "Profile.ShareCreds is false in the SSM agent's configuration, so that the ECS agent gets no credentials: "
            "set it to true with ecs_anywhere_ssm_agent_config"
        )
    elif shared != looked_for:
        problems.append(
            f"the SSM agent writes its credentials into the profile {shared}, the ECS agent looks for them in "
            f"{looked_for}: name the profile of both with ecs_anywhere_credentials_profile"
        )
    if shared == DEFAULT and read.get("default") == "foreign":
        problems.append(
            f"the profile [default] of {FILE} is not the SSM agent's, which would overwrite it: leave it alone by "
            "giving the agents a profile of their own with ecs_anywhere_credentials_profile, or remove it"
        )
    imds = host["imds"]
    if imds["reachable"] and imds["role"] and not wanted.get("ec2_as_external"):
        problems.append(
            f"this is an EC2 instance with the role {imds['role']}, whose credentials both agents would take for "
            "their own: detach its instance profile, register it as an ordinary EC2 container instance, or set "
            "ecs_anywhere_ec2_as_external"
        )
    elif imds["reachable"] and imds["role"]:
        version = wanted["ecs_agent_version"] or host["ecs_agent"]["version"] or ""
        number = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if number and number < NODE_FIRST:
            problems.append(
                f"ECS agents before {'.'.join(map(str, NODE_FIRST))} prefer the EC2 role {imds['role']}, and this one "
                f"is {version}: set ecs_anywhere_ecs_agent_version to a newer one"
            )
    return problems
