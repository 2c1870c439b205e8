# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Which Docker a server may get, and what is wrong with the one it has: pure functions of (host, wanted)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Read = Mapping[str, Any]

# They have Podman and no Docker of their own.
WITHOUT_DOCKER = ("almalinux", "centos", "ol", "rhel", "rocky")
# Docker's own repository has no packages for them.
WITHOUT_DOCKER_CE = ("amzn", "opensuse-leap", "opensuse-tumbleweed", "sles")

# The newest Docker API that the ECS agent speaks (its own list of client versions ends there, agent 1.105). An engine
# whose oldest API is newer than this leaves the agent without any client.
NEWEST_API_OF_ECS_AGENT = (1, 44)
# The oldest API that an engine speaks, by the first version with it.
OLDEST_API_OF_ENGINES = {0: (1, 12), 25: (1, 24), 29: (1, 44)}
# What newer engines than this speak is not known here.
NEWEST_ENGINE = 29

_PIN = re.compile(r"\d+\.\d+(\.\d+)*")


def numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in (text or "").split(".") if part.isdigit())


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def upstream(version: str | None) -> str:
    """The version of a package without what Debian puts before it (5:27.5.1-1~debian.12~bookworm)."""
    return (version or "").rpartition(":")[2]


def pin_of(wanted: Read) -> str:
    """The version that docker-ce must have, empty when any will do."""
    return str(wanted.get("docker_version") or "") if wanted["docker_source"] == "docker" else ""


def too_new(version: str) -> str | None:
    """Why the ECS agent may not find a common language with an engine, by the engine's version alone."""
    major = numbers(version)[0]
    if major > NEWEST_ENGINE:
        return f"which API it speaks is not known; the newest that is known to work is Docker {NEWEST_ENGINE}"
    oldest = OLDEST_API_OF_ENGINES[max(first for first in OLDEST_API_OF_ENGINES if first <= major)]
    if oldest > NEWEST_API_OF_ECS_AGENT:
        return f"it speaks API {dotted(oldest)} and newer, the ECS agent at most {dotted(NEWEST_API_OF_ECS_AGENT)}"
    return None


def _pin_problem(docker: Read, wanted: Read) -> str | None:
    pin = str(wanted.get("docker_version") or "")
    if not pin:
        return None
    if wanted["docker_source"] != "docker":
        return (
            "ecs_anywhere_docker_version names a version of docker-ce, which comes from Docker's own repository: set "
            "ecs_anywhere_docker_source to `docker`, or empty the version"
        )
    if not _PIN.fullmatch(pin):
        return f"ecs_anywhere_docker_version is {pin!r}: name a version of Docker as 27.5.1"
    why = too_new(pin)
    if why:
        return f"ecs_anywhere_docker_version is {pin}, and {why}: name an older one"
    if docker["installed"] and docker["package"] != "docker-ce":
        return (
            f"its Docker is {docker['package'] or 'of no package'}, which docker-ce cannot be installed beside: remove "
            "it first (its containers stop), or empty ecs_anywhere_docker_version, and the server keeps what it has"
        )
    return None


def _missing_problem(system: Read, source: str) -> str | None:
    name = system["pretty_name"] or system["id"]
    if source == "none":
        return "Docker is not installed and ecs_anywhere_docker_source is `none`: install Docker, or set it"
    if source == "distro" and system["id"] in WITHOUT_DOCKER:
        return (
            f"Docker is not installed, and {name} has none of its own: set ecs_anywhere_docker_source to `docker`, or "
            "install docker-ce first"
        )
    if source == "docker" and system["id"] in WITHOUT_DOCKER_CE:
        return (
            f"Docker is not installed, and Docker's own repository has none for {name}: set ecs_anywhere_docker_source "
            "to `distro`"
        )
    return None


def docker_problems(host: Read, wanted: Read) -> list[str]:
    docker = host["docker"]
    if docker["podman_shim"]:
        return [
            "`docker` is podman's compatibility shim, which the ECS agent cannot work with: remove podman-docker, then "
            "let the role install Docker (ecs_anywhere_docker_source)"
        ]
    found = [_pin_problem(docker, wanted)]
    if not docker["installed"]:
        found.append(_missing_problem(host["os"], wanted["docker_source"]))
    elif numbers(docker["min_api_version"]) > NEWEST_API_OF_ECS_AGENT and not pin_of(wanted):
        found.append(
            f"Docker {docker['engine_version']} speaks API {docker['min_api_version']} and newer, the ECS agent at "
            f"most {dotted(NEWEST_API_OF_ECS_AGENT)}: install an older Docker, or set its min-api-version"
        )
    return [problem for problem in found if problem]
