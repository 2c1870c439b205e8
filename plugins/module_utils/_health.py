# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How an external instance fares, why, and what repairs it. Pure functions, private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import NamedTuple

from ._drain_mark import UPGRADE
from ._drain_mark import drain_reason

HEALTHY = "healthy"
# The worst first: the first that holds is the state. A cause stands before what it makes happen.
SEVERITIES = {
    "zombie": "error",
    "unknown": "error",
    "ecs_only": "error",
    "ssm_only": "error",
    "role_replaced": "error",
    "disconnected": "error",
    "duplicate": "warning",
    "flapping": "warning",
    "draining": "warning",
    "agent_outdated": "warning",
    HEALTHY: "ok",
}
# On healthy servers the ECS agent is not connected for moments, several times an hour. One that is seen like that
# twice, so many seconds apart or more, is away.
DEBOUNCE = 60
# One that was away at an earlier look and is back flaps, if that look is not older.
RECENTLY = 900

REGISTER = "Run the playbook hybrid.ecs_anywhere.register for it"
DEREGISTER = "run the playbook hybrid.ecs_anywhere.deregister, which takes it out of ECS and Systems Manager"
PRUNE = "Run the playbook hybrid.ecs_anywhere.prune, which takes it out of ECS and Systems Manager"


class Norm(NamedTuple):
    """What the instances are measured by."""

    now: datetime
    zombie_days: float = 7
    ecs_agent_version: str = ""
    ssm_agent_version: str = ""


class Trouble(NamedTuple):
    state: str
    message: str
    repair: str
    since: str | None = None


def version_key(version: str | None) -> tuple[int, ...]:
    """Versions compare by their numbers, as far as the first word that is none."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version or "")[0]))


def newest_versions(instances: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """The newest ECS agent and the newest SSM agent among the instances."""
    found: dict[str, set[str]] = {"ecs": {""}, "ssm": {""}}
    for instance in instances:
        for side, versions in found.items():
            versions.add((instance[side] or {}).get("agent_version") or "")
    return max(found["ecs"], key=version_key), max(found["ssm"], key=version_key)


def completed(norm: Norm, instances: Iterable[Mapping[str, Any]]) -> Norm:
    """Of versions that are not given, the newest that some instance has."""
    ecs_agent, ssm_agent = newest_versions(instances)
    return norm._replace(
        ecs_agent_version=norm.ecs_agent_version or ecs_agent, ssm_agent_version=norm.ssm_agent_version or ssm_agent
    )


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def age_of(text: str | None, now: datetime) -> timedelta | None:
    return now - _when(text) if text else None


def _outdated(instance: Mapping[str, Any], norm: Norm) -> str:
    reasons = []
    for side, name, norm_version in (
        ("ecs", "ECS", norm.ecs_agent_version),
        ("ssm", "SSM", norm.ssm_agent_version),
    ):
        version = (instance[side] or {}).get("agent_version")
        if version and norm_version and version_key(version) < version_key(norm_version):
            reasons.append(f"its {name} agent is {version}, {norm_version} is known")
    return " and ".join(reasons)


def _is_lost(ssm: Mapping[str, Any] | None) -> bool:
    return ssm is None or ssm["ping_status"] != "Online"


def _connection(
    instance: Mapping[str, Any], norm: Norm, before: Mapping[str, Any] | None, looked_at: str | None
) -> Trouble | None:
    """Whether both sides hear of it. *before* is its health at the earlier look, made at *looked_at*."""
    ssm, ecs = instance["ssm"] or {}, instance["ecs"] or {}
    away = before is not None and before.get("state") in ("flapping", "disconnected")
    if _is_lost(instance["ssm"]) and ssm:
        other = (
            "ECS neither" if ecs and not ecs["agent_connected"] else "ECS does" if ecs else "ECS knows nothing of it"
        )
        return Trouble(
            "disconnected",
            f"Systems Manager says {ssm['ping_status']} and does not hear of it; {other}",
            f"Look whether the server and its network are up. {REGISTER}, which starts its agents; if it is gone, "
            f"{DEREGISTER}.",
            ssm["last_ping_date_time"],
        )
    if not ecs:
        return None
    if ecs["status"] not in ("ACTIVE", "DRAINING"):
        return Trouble("disconnected", f"ECS says {ecs['status']}", f"{REGISTER}.")
    if ecs["agent_connected"]:
        age = age_of(looked_at, norm.now) if away else None
        if age is None or age.total_seconds() > RECENTLY:
            return None
        return Trouble(
            "flapping",
            f"its ECS agent was not connected at {looked_at} and is back",
            "Nothing, if that is rare. Else look at the network between the server and AWS.",
            looked_at,
        )
    since = str((before or {}).get("since") or looked_at) if away else norm.now.isoformat()
    if away and norm.now - _when(since) >= timedelta(seconds=DEBOUNCE):
        return Trouble(
            "disconnected",
            "its ECS agent is not connected, though Systems Manager hears of the server",
            f"{REGISTER}, which starts its ECS agent and tells what that says.",
            since,
        )
    return Trouble(
        "flapping",
        "its ECS agent is not connected at this moment, which may pass",
        f"Look again after {DEBOUNCE} seconds.",
        since,
    )


def _registration(instance: Mapping[str, Any], norm: Norm) -> Trouble | None:
    """Whether both sides know it."""
    ssm, ecs = instance["ssm"], instance["ecs"]
    if ssm is None and ecs is None:
        return Trouble("unknown", "neither Systems Manager nor ECS knows it", f"{REGISTER}.")
    if ssm is None:
        connected = "still connected" if ecs["agent_connected"] else "not connected"
        return Trouble(
            "ecs_only",
            f"ECS knows it ({connected}), but Systems Manager does not: its managed node was deregistered, and its "
            "agents get no new credentials",
            f"{REGISTER}, which registers it anew; if it is gone, {DEREGISTER}.",
        )
    age = age_of(ssm["last_ping_date_time"], norm.now)
    lost = _is_lost(ssm) and not (ecs or {}).get("agent_connected")
    if lost and age is not None and age > timedelta(days=norm.zombie_days):
        where = "and ECS neither" if ecs else "and it is in no cluster that was looked at"
        return Trouble(
            "zombie",
            f"Systems Manager has not heard of it for {age.days} days, {where}",
            f"{PRUNE}, or {REGISTER[0].lower()}{REGISTER[1:]} if the server comes back.",
            ssm["last_ping_date_time"],
        )
    if ecs is None:
        return Trouble(
            "ssm_only",
            "Systems Manager knows it, but no cluster that was looked at does: its ECS agent did not register, or was "
            "deregistered",
            f"{REGISTER}; if it is to leave, {DEREGISTER}.",
        )
    return None


def _draining(ecs: Mapping[str, Any]) -> Trouble:
    tasks = f"it has {ecs['running_tasks_count']} running tasks"
    if drain_reason(ecs) == UPGRADE:
        return Trouble(
            "draining",
            f"an upgrade drained it, which is under way or did not end; {tasks}",
            "If no upgrade is under way, run the playbook hybrid.ecs_anywhere.upgrade again for it, which makes it "
            "active.",
        )
    return Trouble(
        "draining",
        f"somebody drained it; {tasks}",
        f"Make it active with the module ecs_external_instance (state=active), or, if it is to leave, {DEREGISTER}.",
    )


def troubles(
    instance: Mapping[str, Any], norm: Norm, before: Mapping[str, Any] | None = None, looked_at: str | None = None
) -> list[Trouble]:
    """What is the matter with it, the worst first."""
    ssm, ecs = instance["ssm"] or {}, instance["ecs"] or {}
    registration = _registration(instance, norm)
    found = [registration]
    if registration is None or registration.state == "ssm_only":
        found.append(_connection(instance, norm, before, looked_at))
    if instance["role_replaced"]:
        found.append(
            Trouble(
                "role_replaced",
                f"its managed node has another role, {ssm['iam_role']}: Quick Setup of Systems Manager does that, and "
                "the ECS agent is denied",
                f"{REGISTER}, which gives it its role back, or the module ecs_external_instance with iam_role.",
            )
        )
    if instance["duplicates"]:
        found.append(
            Trouble(
                "duplicate",
                f"ECS has {len(instance['duplicates'])} more container instances of it, as which nobody works",
                f"{REGISTER}, which retires them.",
            )
        )
    if ecs.get("status") == "DRAINING":
        found.append(_draining(ecs))
    outdated = _outdated(instance, norm)
    if outdated:
        found.append(Trouble("agent_outdated", outdated, "Run the playbook hybrid.ecs_anywhere.upgrade for it."))
    order = list(SEVERITIES)
    return sorted((t for t in found if t is not None), key=lambda t: order.index(t.state))


def health(
    instance: Mapping[str, Any], norm: Norm, before: Mapping[str, Any] | None = None, looked_at: str | None = None
) -> dict[str, Any]:
    """As modules return it: the worst of its troubles, and all of them."""
    found = [t._asdict() for t in troubles(instance, norm, before, looked_at)]
    worst = found[0] if found else {"state": HEALTHY, "message": "", "repair": "", "since": None}
    return {**worst, "severity": SEVERITIES[str(worst["state"])], "troubles": found}


def with_health(
    instances: Iterable[Mapping[str, Any]], norm: Norm, seen: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The instances, each with its health. *seen* is an earlier answer to the same question."""
    instances = list(instances)
    norm = completed(norm, instances)
    before = {i["managed_instance_id"]: i["health"] for i in (seen or {}).get("instances", ())}
    looked_at = (seen or {}).get("looked_at")
    return [{**i, "health": health(i, norm, before.get(i["managed_instance_id"]), looked_at)} for i in instances]


def problem_of_seen(seen: Mapping[str, Any] | None) -> str | None:
    """What is wrong with what a user gave for an earlier answer."""
    if seen is None:
        return None
    try:
        _when(seen["looked_at"])
        for instance in seen["instances"]:
            if not isinstance(instance["managed_instance_id"], str) or not isinstance(instance["health"], Mapping):
                raise TypeError
            since = instance["health"].get("since")
            if since:
                _when(since)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "seen must be an earlier result of this module, with its looked_at and instances"
    return None
