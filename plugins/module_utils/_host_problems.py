# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""What is wrong with a server itself, whatever AWS says: a pure function of (host, wanted)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._credential_problems import credential_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._docker import docker_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._preflight import preflight_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_config import config_problem

Read = Mapping[str, Any]

# Distributions whose packages and paths the role knows, with the versions AWS names for ECS Anywhere (and Debian 13 and
# rebuilds of RHEL, which it does not name but which have the same packages). Where a number alone stands, it is the
# first part of the version; "*" are those that roll.
SUPPORTED_SYSTEMS = {
    "almalinux": ("8", "9"),
    "amzn": ("2023",),
    "centos": ("8", "9"),
    "debian": ("11", "12", "13"),
    "fedora": ("40", "41", "42", "43"),
    "ol": ("8", "9"),
    "opensuse-leap": ("15",),
    "opensuse-tumbleweed": ("*",),
    "rhel": ("8", "9"),
    "rocky": ("8", "9"),
    "sles": ("15",),
    "ubuntu": ("20.04", "22.04", "24.04"),
}
SUPPORTED_ARCHITECTURES = ("x86_64", "aarch64")


def host_problems(host: Read, wanted: Read) -> list[str]:
    """Everything about the server itself that stands in the way, each with the way out."""
    problems = []
    system = host["os"]
    if not host["effective_user_is_root"]:
        problems.append("the role needs root on the server: set `become: true` and a user who may use it")
    supported = SUPPORTED_SYSTEMS.get(system["id"] or "", ())
    version = system["version_id"] or ""
    if not {version, version.split(".")[0], "*"} & set(supported):
        names = ", ".join(f"{name} {'/'.join(versions)}" for name, versions in sorted(SUPPORTED_SYSTEMS.items()))
        what = system["pretty_name"] or f"{system['id']} {system['version_id']}"
        problems.append(f"{what} is not supported; supported are {names}")
    if host["architecture"] not in SUPPORTED_ARCHITECTURES:
        problems.append(
            f"the architecture {host['architecture']} is not supported: AWS builds the agents for "
            + " and ".join(SUPPORTED_ARCHITECTURES)
        )
    if not host["systemd"]:
        problems.append("systemd does not run here (no /run/systemd/system): the agents are systemd services")
    problems += docker_problems(host, wanted)
    ssm_agent, pin = host.get("ssm_agent") or {}, wanted.get("ssm_agent_version") or ""
    if ssm_agent.get("source") == "snap" and pin not in ("", ssm_agent["version"]):
        problems.append(
            f"its SSM agent is a snap of version {ssm_agent['version']}, and ecs_anywhere_ssm_agent_version is {pin}: "
            "snapd chooses the version of a snap. Empty the variable for this server, or remove the snap (`snap remove "
            "amazon-ssm-agent`), by which it loses its registration, and run again"
        )
    problems += preflight_problems(host)
    missing = host["gpu"]["missing"] if wanted.get("gpu") else []
    if missing:
        problems.append(
            f"ecs_anywhere_gpu is set, but it has no {', '.join(missing)}: install NVIDIA's driver and its container "
            "toolkit, which the role leaves to you, or unset it for this server"
        )
    threshold = wanted.get("similarity_threshold") or 1
    if threshold != -1 and not 1 <= threshold <= 100:
        problems.append(f"ecs_anywhere_similarity_threshold is {threshold}: it has to be 1 to 100, or -1 for no check")
    broken = config_problem(host.get("ssm_config"))
    problems += [broken] if broken else []
    problems += credential_problems(host, wanted)
    return problems
