# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the role's variables want of a server. Private to this collection.

As an expression of Jinja this would be compiled, and every filter plugin be loaded, anew for each server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_config

Options = dict[str, Any]

PREFIX = "ecs_anywhere_"
# What a plan depends on, by the name that it has there. The rest of the variables only matter to who carries it out.
NAMES = {
    "state": "state",
    "region": "region",
    "cluster": "cluster",
    "manage_cluster": "manage_cluster",
    "profile": "aws_profile",
    "iam_role": "iam_role",
    "manage_iam_role": "manage_iam_role",
    "iam_role_options": "iam_role_options",
    "activation_id": "activation_id",
    "activation_lifetime": "activation_lifetime",
    "instance_name": "instance_name",
    "tags": "tags",
    "attributes": "attributes",
    "ssm_agent_version": "ssm_agent_version",
    "ecs_agent_version": "ecs_agent_version",
    "docker_source": "docker_source",
    "docker_version": "docker_version",
    "docker_base_url": "docker_base_url",
    "agent_config": "agent_config",
    "move_options": "move_options",
    "repair_clones": "repair_clones",
    "proxy": "proxy",
    "ssm_agent_config": "ssm_agent_config",
    "credentials_profile": "credentials_profile",
    "similarity_threshold": "similarity_threshold",
    "gpu": "gpu",
    "exec": "exec",
    "preflight": "preflight",
    "package_base_url": "package_base_url",
    "ec2_as_external": "ec2_as_external",
}
# How a server is to leave.
LEAVE = (
    "managed_instance_id",
    "unreachable",
    "drain_timeout",
    "stop_standalone_tasks",
    "restore_on_timeout",
    "force",
    "remove_packages",
)
VARIABLES = tuple(f"{PREFIX}{name}" for name in (*NAMES.values(), *LEAVE))
# Set by the role alone.
UPGRADE = f"__{PREFIX}upgrade"


def options_of(role: Path, entry: str = "main") -> Options:
    """What the role documents. C's loader, where PyYAML has it, needs 3 ms for what takes the other 40."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec = yaml.load((role / "meta" / "argument_specs.yml").read_text(), Loader=loader)
    options: Options = spec["argument_specs"][entry]["options"]
    return options


def wanted_of(values: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """What is wanted, from the *values* of the role's variables. A ValueError tells all that is wrong with them.

    The settings of the ECS agent are as its files would hold them, secrets masked as a server masks its own.
    """
    spec = {name: options[name] for name in VARIABLES}
    # With defaults: the validator would fill in those of the specification itself, and leave what it did in them.
    chosen = {name: options[name].get("default") if values.get(name) is None else values[name] for name in VARIABLES}
    given = {name: value for name, value in chosen.items() if value is not None}
    # Plain values: Ansible's own remember where they were written, and every later copy of them pays for that.
    result = ArgumentSpecValidator(spec).validate(json.loads(json.dumps(given)))
    # the validator leaves this word to whom it tells
    wrong = [f"unknown is {e.msg}" if isinstance(e, UnsupportedError) else str(e.msg) for e in result.errors]
    if wrong:
        raise ValueError(f"The role's variables: {'; '.join(wrong)}")
    valid = result.validated_parameters
    wanted = {key: valid[f"{PREFIX}{name}"] for key, name in NAMES.items()}
    wanted["upgrade"] = bool(values.get(UPGRADE))
    wanted["leave"] = {name: valid[f"{PREFIX}{name}"] for name in LEAVE} if wanted["state"] == "absent" else None
    for key, name in NAMES.items():
        if "options" in spec[f"{PREFIX}{name}"]:  # of such the validator fills in what was not given
            wanted[key] = {option: value for option, value in wanted[key].items() if value is not None}
    for name in ("attributes", "tags"):
        wanted[name] = _labels.as_texts(wanted[name])
    wrong_label = _labels.problem_of(_labels.Labels(attributes=wanted["attributes"], tags=wanted["tags"]))
    if wrong_label:
        raise ValueError(f"The role's variables: {PREFIX}{wrong_label}")
    try:
        wanted["ecs_config"] = {
            path: {
                key: None if value is None else _ecs_config.masked(key, value)
                for key, value in _ecs_config.wanted_settings(settings).items()
            }
            for path, settings in _ecs_config_of(wanted.pop("agent_config"), wanted).items()
        }
    except ValueError as error:
        raise ValueError(f"The settings of the ECS agent: {error}") from error
    wanted["proxy"] = _ecs_config.masked_settings(_proxy_plan.environment(wanted["proxy"]))
    wanted["ssm_config"] = _ssm_config.wanted_config(
        wanted["ssm_agent_config"], wanted["credentials_profile"], wanted["ec2_as_external"]
    )
    return wanted


def _ecs_config_of(agent_config: dict[str, Any], wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Divided among two files as AWS's own installer does it."""
    profile = wanted["credentials_profile"]
    return {
        "/etc/ecs/ecs.config": {
            **agent_config,
            "ECS_CLUSTER": wanted["cluster"].split("/")[-1],
            **({"ECS_ALTERNATE_CREDENTIAL_PROFILE": profile} if profile else {}),
        },
        "/var/lib/ecs/ecs.config": {
            "AWS_DEFAULT_REGION": wanted["region"],
            "ECS_EXTERNAL": "true",
            **({"ECS_ENABLE_GPU_SUPPORT": "true"} if wanted["gpu"] else {}),
        },
    }
