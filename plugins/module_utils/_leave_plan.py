# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""What takes a server out of ECS Anywhere, and why: a pure function of (host, AWS, wanted)."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import noted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import retire_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._server_name import is_name_of

Read = Mapping[str, Any]
Plan = dict[str, Any]

STOPPED = ("inactive", "failed")


def is_leaving(read: Read) -> bool:
    return bool(read["wanted"].get("state") == "absent")


def is_out_of_reach(read: Read) -> bool:
    """Nobody could look at the server, but what is wanted of it is known."""
    return "ssm_agent" not in read


def known_id(read: Read) -> str | None:
    """The id to ask AWS about: what the server says comes before what the play says of it."""
    given = read["wanted"]["leave"]["managed_instance_id"] or None
    if is_out_of_reach(read):
        return given
    registration = read["ssm_agent"]["registration"]
    kept = (registration["interrupted"] or {}).get("backup_managed_instance_id")
    return registration["managed_instance_id"] or kept or given or registration["former_managed_instance_id"]


def _cluster_name(cluster: str | None) -> str:
    return (cluster or "").rsplit("/", 1)[-1]


def _problems_of_server(host: Read, wanted: Read) -> list[str]:
    """States in which something else would be taken away than what was meant."""
    problems = []
    if not host["effective_user_is_root"]:
        problems.append("root is needed on the server: set become")
    if not host["systemd"]:
        problems.append("systemd is not its init, so its services cannot be stopped")
    registration = host["ssm_agent"]["registration"]
    found, given = registration["managed_instance_id"], wanted["leave"]["managed_instance_id"]
    if registration["problem"] and not given:
        problems.append(
            f"nobody can tell whether it is registered ({registration['problem']}): say which managed node it was with "
            "ecs_anywhere_managed_instance_id"
        )
    if found and given and found != given:
        problems.append(f"it is registered as {found}, but ecs_anywhere_managed_instance_id says {given}")
    if found and registration["region"] not in (None, "", wanted["region"]):
        problems.append(f"it is registered as {found} in {registration['region']}: check ecs_anywhere_region")
    joined = _cluster_name((host["ecs_agent"]["introspection"] or {}).get("cluster"))
    if joined and joined != _cluster_name(wanted["cluster"]):
        problems.append(f"it is a container instance of the cluster {joined}: check ecs_anywhere_cluster")
    return problems


def _is_proven(host: Read, instance: Read) -> bool:
    """Whether a former id, which may have come with an image of a server that lives, was this server's own."""
    own = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
    arns = [(instance["ecs"] or {}).get("container_instance_arn"), *instance["duplicates"]]
    return (own is not None and own in arns) or is_name_of(
        host["hostname"], (instance["ssm"] or {}).get("computer_name")
    )


def _instance_of_server(host: Read, aws: Read, wanted: Read) -> Read | None:
    instance: Read | None = aws["instances"].get(known_id({**host, "wanted": wanted}))
    if instance is None:
        return None
    registration = host["ssm_agent"]["registration"]
    only_former = (
        not registration["managed_instance_id"]
        and not registration["interrupted"]
        and not wanted["leave"]["managed_instance_id"]
    )
    return None if only_former and not _is_proven(host, instance) else instance


def _instance_out_of_reach(name: str, aws: Read, wanted: Read) -> tuple[Read | None, list[str]]:
    """The instance of a server that nobody can look at: by its id, or by its name in Systems Manager."""
    given = wanted["leave"]["managed_instance_id"]
    if given:
        return aws["instances"].get(given), []
    named = [i for i in aws["instances"].values() if is_name_of(name, (i["ssm"] or {}).get("computer_name"))]
    if len(named) > 1:
        ids = ", ".join(sorted(i["managed_instance_id"] for i in named))
        return None, [
            f"it cannot be reached, and {len(named)} managed nodes have its name ({ids}): say which it was with "
            "ecs_anywhere_managed_instance_id"
        ]
    return (named[0] if named else None), []


def _alive_problem(instance: Read | None, force: bool) -> str | None:
    """Ansible may have lost a server that works: its tasks would be orphaned."""
    if instance is None or force:
        return None
    ecs, ssm = instance["ecs"], instance["ssm"]
    if ecs and ecs["agent_connected"]:
        how = "its ECS agent is connected"
    elif not ecs and ssm and ssm["ping_status"] == "Online":
        how = "Systems Manager says Online"
    else:
        return None
    return (
        f"it cannot be reached, but {how}: {instance['managed_instance_id']} lives. Repair the way to it, or set "
        "ecs_anywhere_force to deregister it at AWS all the same"
    )


def _deregister_reason(instance: Read | None) -> str | None:
    if instance is None or not (instance["ssm"] or instance["ecs"]):
        return None
    parts = []
    ecs, ssm = instance["ecs"], instance["ssm"]
    if ecs:
        tasks = int(ecs["running_tasks_count"]) + int(ecs["pending_tasks_count"])
        name = ecs["container_instance_arn"].rsplit("/", 1)[-1]
        what = (
            f"the cluster has its container instance {name} ({ecs['status']}, {tasks} task{'' if tasks == 1 else 's'})"
        )
        if instance["duplicates"]:
            what += f" and {len(instance['duplicates'])} more of it"
        parts.append(what)
    if ssm:
        parts.append(f"Systems Manager has its managed node {instance['managed_instance_id']} ({ssm['ping_status']})")
    return " and ".join(parts)


def _stop_reason(units: Iterable[Read | None]) -> str | None:
    found = []
    for unit in units:
        if not unit or unit["load_state"] in ("not-found", "masked"):
            continue
        words = [unit["active_state"]] if unit["active_state"] not in STOPPED else []
        words += ["enabled"] if str(unit["unit_file_state"]).startswith("enabled") else []
        if words:
            found.append(f"{unit['name']} is {', '.join(words)}")
    return "; ".join(found) or None


def _clear_reason(host: Read) -> str | None:
    registration = host["ssm_agent"]["registration"]
    reasons = []
    # Without the agent nobody can clear its vault: then it is among the remains.
    if registration["interrupted"]:
        reasons.append("a registration was interrupted")
    elif host["ssm_agent"]["binary"] and registration["problem"]:
        reasons.append("its vault cannot be understood")
    elif host["ssm_agent"]["binary"] and registration["managed_instance_id"]:
        reasons.append(f"the server says it is {registration['managed_instance_id']}")
    elif registration["stale"]:
        reasons.append(f"a file still names {registration['former_managed_instance_id']}")
    if host["ecs_agent"]["saved_state"]:
        reasons.append("the ECS agent has the state of a container instance")
    return "; ".join(reasons) or None


def settings_of_ours(host: Read, wanted: Read) -> dict[str, list[str]]:
    """The settings that a registration with the same variables would write, as far as they are there."""
    found = {p: sorted(set(s) & set(host["ecs_config"][p]["settings"])) for p, s in wanted["ecs_config"].items()}
    return {path: keys for path, keys in found.items() if keys}


def leave_plan(name: str, host: Read, aws: Read, wanted: Read) -> Plan:
    """Decide what is left to do until *host* is nothing to ECS Anywhere.

    As the registration plan, with C(managed_instance_id), what is to be deregistered at AWS, C(force), and C(settings),
    what is to be taken out of the configuration files. The order is that of the steps: what tells who the server was
    goes last, so that a run that was killed is finished by the next.
    """
    out_of_reach = is_out_of_reach(host)
    problems = [] if out_of_reach else _problems_of_server(host, wanted)
    instance: Read | None = None
    force = bool(wanted["leave"]["force"])
    if aws["error"]:
        problems.append(aws["error"])
    elif out_of_reach:
        instance, found = _instance_out_of_reach(name, aws, wanted)
        alive = _alive_problem(instance, force)
        problems += found + ([alive] if alive else [])
        force = True  # nobody can end the tasks of a server that is gone
    else:
        instance = _instance_of_server(host, aws, wanted)
    plan: Plan = {
        "problems": problems,
        "steps": [],
        "leftovers": [],
        "managed_instance_id": None,
        "force": force,
        "settings": {},
    }
    if problems:
        return plan

    def step(step_name: str, reason: str | None) -> None:
        if reason:
            plan["steps"].append({"name": step_name, "reason": reason})

    deregister = _deregister_reason(instance)
    step("deregister", f"it cannot be reached, and {deregister}" if deregister and out_of_reach else deregister)
    plan["managed_instance_id"] = instance["managed_instance_id"] if instance and deregister else None
    if out_of_reach:
        return plan
    plan["leftovers"] = noted(host, aws, wanted)
    step("retire", retire_reason([], plan["leftovers"], True))
    step("stop", _stop_reason([host["ecs_agent"]["unit"], host["ssm_agent"]["unit"]]))
    step("clear_registration", _clear_reason(host))
    plan["settings"] = settings_of_ours(host, wanted)
    step("remove_settings", "; ".join(f"{path} has {', '.join(keys)}" for path, keys in plan["settings"].items()))
    installed = [
        what
        for what, part in (("SSM", "ssm_agent"), ("ECS", "ecs_agent"))
        if host[part]["installed"] and host[part].get("source") != "snap"
    ]
    if wanted["leave"]["remove_packages"] and installed:
        step("remove_packages", f"the {' and the '.join(f'{what} agent' for what in installed)} is to be removed")
    step("remove_remains", f"there is {', '.join(host['remains'])}" if host["remains"] else None)
    return plan
