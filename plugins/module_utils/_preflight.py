# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server needs around it before anything is changed on it: pure functions. Private to this collection."""

from __future__ import annotations

from typing import Any
from typing import Mapping
from urllib.parse import urlsplit

_SUFFIXES = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}
# The SSM agent works with the first and falls back to the second, which newer Regions do not have.
MESSAGES, FALLBACK = "ssmmessages", "ec2messages"
# Names of which AWS has several: the first one is always there.
_NUMBERED = ("ecs-a-1", "ecs-t-1")
PACKAGES, DOCKER = "packages", "docker packages"
SKEW = 300  # seconds after which AWS refuses signatures

MEGABYTE = 1024 * 1024
# Megabytes that each part takes where, with its package while it is installed, rounded up generously.
DISK = {
    "docker": {"/usr": 400, "/var/cache": 100, "/var/lib": 50},
    "ssm_agent": {"/usr": 150, "/var/cache": 50},
    "ecs_agent": {"/usr": 50, "/var/cache": 250, "/var/lib/docker": 250},
}

Read = Mapping[str, Any]


def _endpoint(what: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    plain = parts.scheme == "http"
    return {"what": what, "host": parts.hostname, "port": parts.port or (80 if plain else 443), "plain": plain}


def endpoints(wanted: Read) -> list[dict[str, Any]]:
    """Where the agents will connect to, and where their packages are."""
    region = wanted["region"]
    base = f"{region}.{_SUFFIXES.get(region.split('-')[0], 'amazonaws.com')}"
    config = wanted.get("ssm_config") or {}
    settings = wanted["ecs_config"]["/etc/ecs/ecs.config"]

    def ssm_agent(service: str, section: str) -> str:
        domain = (config.get("Agent") or {}).get("ServiceDomain")
        name = f"{service}.{region}.{domain}" if domain else f"{service}.{base}"
        return str((config.get(section) or {}).get("Endpoint") or name)

    found = {
        "ssm": ssm_agent("ssm", "Ssm"),
        MESSAGES: ssm_agent(MESSAGES, "Mgs"),
        FALLBACK: ssm_agent(FALLBACK, "Mds"),
        "ecs": settings.get("ECS_BACKEND_HOST") or f"ecs.{base}",
        **{name: f"{name}.{base}" for name in _NUMBERED},
        PACKAGES: wanted.get("package_base_url") or f"s3.{base}",
    }
    if wanted.get("docker_source") == "docker":
        found[DOCKER] = wanted["docker_base_url"]
    return [endpoint for endpoint in (_endpoint(what, str(url)) for what, url in found.items()) if endpoint["host"]]


def needed_endpoints(endpoints: list[dict[str, Any]], missing: list[str]) -> list[dict[str, Any]]:
    """Those of the endpoints that will be used when these parts are missing."""
    unused = {*(() if missing else (PACKAGES,)), *(() if "docker" in missing else (DOCKER,))}
    return [endpoint for endpoint in endpoints if endpoint["what"] not in unused]


def needed_space(parts: list[str]) -> dict[str, int]:
    """Bytes by directory."""
    needed: dict[str, int] = {}
    for part in parts:
        for directory, megabytes in DISK[part].items():
            needed[directory] = needed.get(directory, 0) + megabytes * MEGABYTE
    return needed


def _unreachable(found: list[Read]) -> str | None:
    problems = {entry["what"]: entry for entry in found if entry["problem"]}
    if MESSAGES not in problems:
        problems.pop(FALLBACK, None)
    if not problems:
        return None
    names = ", ".join(f"{e['host']}:{e['port']} ({e['problem']})" for e in problems.values())
    return (
        f"it cannot reach {names}: allow these in the firewall, name a proxy (ecs_anywhere_proxy) or a mirror of the "
        "packages (ecs_anywhere_package_base_url, ecs_anywhere_docker_base_url), or look at the server's DNS. "
        "ecs_anywhere_preflight: false goes on regardless"
    )


def _crowded(disk: list[Read]) -> list[str]:
    return [
        f"{' and '.join(entry['directories'])} have {entry['free'] // MEGABYTE} MB left, the installation takes up to "
        f"{entry['needed'] // MEGABYTE} MB: make room"
        for entry in disk
        if entry["free"] < entry["needed"]
    ]


def preflight_problems(host: Read) -> list[str]:
    """What stands in the way around the server; the network only where it was looked at."""
    problems = []
    if host.get("memory_cgroup") is False:
        problems.append(
            "the kernel has no memory controller for control groups, so that no task would start: boot it with "
            "cgroup_enable=memory (on a Raspberry Pi in cmdline.txt)"
        )
    found = host.get("preflight")
    if not found:
        return problems
    unreachable = _unreachable(found["endpoints"])
    problems += [unreachable] if unreachable else []
    problems += _crowded(found["disk"])
    offset = found["clock_offset"]
    if offset is not None and abs(offset) > SKEW:
        problems.append(
            f"its clock is {abs(offset)} seconds {'ahead of' if offset > 0 else 'behind'} AWS's, which refuses "
            f"requests that are off by more than {SKEW}: set up time synchronisation (timedatectl set-ntp true)"
        )
    return problems
