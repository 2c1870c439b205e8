# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""What has to be done to a server, and why: a pure function of (host, AWS, wanted)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._agent_versions import upstream as agent_version
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import agents_wanted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import other_versions
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import serves
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._docker import pin_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._docker import upstream
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import UPGRADE
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import drain_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import mark_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._exec_plan import capability_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._exec_plan import exec_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._host_problems import host_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import account_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import cluster_to_leave
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import elsewhere_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import give_up_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import mismatch_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import move_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._labels import Labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._labels import missing_labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import noted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import orphaned
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import retire_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import creation_problems
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import creation_reason
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._proxy_plan import agent_settings
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._proxy_plan import proxy_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import is_replaced
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_config import config_reason

Read = Mapping[str, Any]
Plan = dict[str, Any]

# With this status the ECS agent ends when to try again is useless.
TERMINAL_EXIT = 5

# Seconds after which a new managed node has certainly called Systems Manager, and is listed there.
FIRST_CALL = 300

SSM_UNIT = "amazon-ssm-agent.service"
ECS_UNIT = "ecs.service"
DOCKER_UNIT = "docker.service"


def _is_pinned_version(installed: str | None, pin: str) -> bool:
    """A pin names the upstream version; a Debian package adds a revision (1.105.1-1)."""
    return installed == pin or (installed or "").startswith(pin + "-")


def identity_problems(host: Read, aws: Read, wanted: Read) -> list[str]:
    """States in which going on would cost the server its identity: never done by the way."""
    problems = []
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    if registration["problem"]:
        problems.append(
            f"nobody can tell whether it is registered ({registration['problem']}): repair or remove "
            "/var/lib/amazon/ssm/Vault, or restore it from a backup"
        )
    problems += elsewhere_problems(host, aws, wanted)
    leaving = cluster_to_leave(host, aws, wanted)
    if leaving and not instance_id:
        problems.append(
            f"it is a container instance of the cluster {leaving} under an id that it lost: set ecs_anywhere_cluster "
            f"to {leaving} and run first, which gives it a new id there; it can be moved then"
        )
    if wanted.get("upgrade") and leaving:
        problems.append(
            f"it is a container instance of the cluster {leaving}, and an upgrade moves nobody: check "
            "ecs_anywhere_cluster"
        )
    if wanted.get("upgrade") and not instance_id and not registration["interrupted"]:
        problems.append(
            "it is no external instance, so there is nothing to upgrade: make it one with the playbook "
            "hybrid.ecs_anywhere.register, or leave it out of the run"
        )
    drained = _drained_problem(_node(aws, instance_id).get("ecs") or {}, wanted)
    return problems + ([drained] if drained else [])


def _drained_problem(ecs: Read, wanted: Read) -> str | None:
    """What an upgrade drained is made active by the next one, and what anybody else drained by nobody."""
    if ecs.get("status") != "DRAINING":
        return None
    if drain_reason(ecs) != UPGRADE:
        return (
            f"its container instance {ecs['container_instance_arn']} is DRAINING: somebody drained it on purpose. Set "
            "it ACTIVE in ECS, or leave the server out of the run"
        )
    if wanted.get("upgrade"):
        return None
    return (
        f"its container instance {ecs['container_instance_arn']} is DRAINING: an upgrade that did not end drained it. "
        "Run the playbook hybrid.ecs_anywhere.upgrade again for it, which makes it active"
    )


def _node(aws: Read, instance_id: str | None) -> Read:
    return aws["instances"].get(instance_id) or {}


def _config_reason(host: Read, wanted: Read) -> str | None:
    reasons = []
    for path, settings in sorted(wanted["ecs_config"].items()):
        if path == "/etc/ecs/ecs.config":
            settings = agent_settings(wanted.get("proxy") or {}, settings, host)
        read = host["ecs_config"][path]
        if not read["exists"]:
            reasons.append(f"{path} does not exist")
            continue
        if not read["canonical"]:
            reasons.append(f"{path} has duplicate, quoted, commented or empty lines")
        different = sorted(k for k, v in settings.items() if read["settings"].get(k) != v)
        if different:
            reasons.append(f"{path} has other values for {', '.join(different)}")
    return "; ".join(reasons) or None


def _unit_reason(name: str, unit: Read) -> str | None:
    trouble = [
        word
        for word, good in (
            (_activity(unit), unit["active_state"] == "active"),
            # `static` and friends cannot be enabled and need not be
            (unit["unit_file_state"], unit["unit_file_state"] not in ("disabled", "masked")),
        )
        if not good
    ]
    return f"{name} is {', '.join(str(word) for word in trouble)}" if trouble else None


def _activity(unit: Read) -> str:
    """What the unit does, with the status its program ended with; 5 is how the ECS agent gives up."""
    state, status = unit["active_state"], unit.get("exec_main_status")
    return f"{state} (its program ended with status {status})" if state != "active" and status else str(state)


def _gave_up(unit: Read) -> bool:
    """The ECS agent ended for good, and Debian's unit starts it again and again."""
    return unit["active_state"] == "activating" and unit.get("exec_main_status") == TERMINAL_EXIT


def _reset_reason(host: Read, aws: Read) -> str | None:
    """The saved state of the ECS agent names a container instance that is no more.

    A managed node that AWS does not list tells nothing: it may be of another account, which nobody has asked.
    """
    instance_id = host["ssm_agent"]["registration"]["managed_instance_id"]
    node = _node(aws, instance_id)
    if not host["ecs_agent"]["saved_state"] or not node.get("ssm") or node.get("ecs"):
        return None
    return (
        f"it has the state of a container instance, but the cluster has none of {instance_id}: that was deregistered, "
        "and the ECS agent would ask for it for ever. It joins anew, its managed node stays"
    )


def _lost_reason(host: Read, aws: Read) -> str | None:
    """Somebody deregistered the managed node. That Systems Manager does not list it is not enough to give it up: it may
    be of another account, or not have called yet. The cluster, or the agent, has to say that it is of this account."""
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    node = aws["instances"].get(instance_id)
    if not node or node["ssm"] or (registration["age"] or 0) < FIRST_CALL:
        return None
    seen = account_of((host["ecs_agent"]["introspection"] or {}).get("container_instance_arn"))
    if not node["ecs"] and (seen is None or seen != aws["account"]):
        return None
    return (
        f"Systems Manager does not know {instance_id} any more, though ECS knows the server by it in this account: it "
        "was deregistered there, which cannot be undone. The server gets a new id and a new container instance"
    )


def _install_reason(what: str, part: Read, unfinished: bool, pin: str = "") -> str | None:
    if unfinished:
        return f"the installation of {what} was interrupted"
    if not part["installed"]:
        return f"{what} is not installed"
    if pin and not _is_pinned_version(part["version"], pin):
        return f"{what} is {part['version']}, wanted is {pin}"
    return None


def _old_agent_reason(ecs_agent: Read, pin: str, upgraded: bool) -> str | None:
    """The package of the ECS agent leaves the agent that runs alone."""
    if upgraded:
        return "a new package leaves the agent that runs alone"
    running = (ecs_agent["introspection"] or {}).get("version")
    if pin and running and not _is_pinned_version(running, pin):
        return f"{ecs_agent['version']} is installed, but the agent that runs is {running} still"
    return None


def _node_role_reason(host: Read, aws: Read, wanted: Read) -> str | None:
    instance_id = host["ssm_agent"]["registration"]["managed_instance_id"]
    ssm = _node(aws, instance_id).get("ssm") or {}
    name = role_name(wanted["iam_role"])
    if not is_replaced(ssm.get("iam_role"), name):
        return None
    return (
        f"its managed node {instance_id} has the role {ssm['iam_role']}, wanted is {name}: Quick Setup and Patch "
        "Manager of Systems Manager replace the roles of managed nodes, and the ECS agent works with its node's role"
    )


def _label_reason(ecs: Read | None, wanted: Read) -> str | None:
    """ecs: the container instance that stays, None where there is to be a new one."""
    labels = Labels(attributes=wanted.get("attributes") or {}, tags=wanted.get("tags") or {})
    if wanted.get("upgrade") or not (labels.attributes or labels.tags):
        return None
    if not ecs:
        return "a new container instance has none of its attributes and tags"
    missing = missing_labels(ecs["attributes"], ecs["tags"], labels)
    return f"its container instance has other values for {', '.join(missing)}" if missing else None


def _activate_reason(ecs: Read, wanted: Read) -> str | None:
    """Whether there is something to take back of what an upgrade did to get rid of the server's tasks."""
    if not wanted.get("upgrade") or mark_of(ecs) != UPGRADE:
        return None
    if ecs["status"] == "DRAINING":
        return "an upgrade drained it, this one or one that did not end"
    return f"it is {ecs['status']}, but has the mark of an upgrade that did not end"


def _wait_reason(host: Read, aws: Read, wanted: Read) -> str | None:
    """Why AWS does not see this server as it should, though nothing may be left to do on it."""
    node = _node(aws, host["ssm_agent"]["registration"]["managed_instance_id"])
    ssm = node.get("ssm")
    ecs = node.get("ecs")
    reasons = []
    if not ssm:
        reasons.append(
            "Systems Manager does not list the managed node (it has not called yet, was deregistered, or is of another "
            "account)"
        )
    elif ssm["ping_status"] != "Online":
        reasons.append(f"Systems Manager says {ssm['ping_status']}")
    if not ecs:
        reasons.append("the cluster does not list the container instance")
    elif not serves(ecs, agents_wanted(wanted)) or not ecs["agent_connected"]:
        connected = "connected" if ecs["agent_connected"] else "not connected"
        reasons.append(f"ECS says {ecs['status']}, agent {connected}")
    else:
        seen = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
        if seen != ecs["container_instance_arn"]:
            reasons.append(f"the agent on the server says it is {seen or 'not registered'}")
    reasons += other_versions(ssm, ecs, agents_wanted(wanted))
    return "; ".join(reasons) or None


def role_name_problem(wanted: Read) -> str | None:
    try:
        role_name(wanted["iam_role"])
    except ValueError as error:
        return f"ecs_anywhere_{error}"
    return None


def registration_plan(host: Read, aws: Read, wanted: Read, clone: str | None = None) -> Plan:
    """Decide what turns *host* into what is *wanted*.

    host: what M(ecs_anywhere_host_info) returned. aws: C({"error": str or None, "account": str or None,
    "instances": {mi- id: instance}}), with C("cluster_exists": False) if the cluster is to be created.
    wanted: the role's variables, see plugin_utils/_role_options.py. Returns C(problems), sentences that forbid
    to go on, C(steps), each with C(name) and C(reason), in the order in which they are carried out, C(leftovers),
    the ARNs of container instances to deregister, C(leaves), the cluster to move from, and C(gives_up), whether both
    sides of what it was are deregistered. One that is right has none of these. clone: why it is to get an id of its
    own, if another server keeps the one that it has.
    """
    problems = host_problems(host, wanted)
    role = role_name_problem(wanted)
    if role:
        problems.append(role)
    if aws["error"]:
        problems.append(aws["error"])
    else:
        problems += identity_problems(host, aws, wanted) + creation_problems(aws, wanted)
    if problems:
        return {"problems": problems, "steps": [], "leftovers": [], "leaves": None, "gives_up": False}

    steps: list[dict[str, str]] = []

    def step(name: str, reason: str | None) -> None:
        if reason:
            steps.append({"name": name, "reason": reason})

    docker = host["docker"]
    ssm_agent = host["ssm_agent"]
    ecs_agent = host["ecs_agent"]
    registration = ssm_agent["registration"]
    interrupted = registration["interrupted"]

    step("create_cluster", creation_reason(aws, wanted))
    step("recover", "an earlier registration was interrupted" if interrupted else None)
    packages = host["package_manager"]
    half = packages["half_installed"]
    # beside a snap there cannot be a package
    ssm_half = "amazon-ssm-agent" in half and ssm_agent.get("source") != "snap"
    ecs_half = "amazon-ecs-init" in half
    docker_half = bool(set(half) - {"amazon-ssm-agent", "amazon-ecs-init"})
    step("repair_packages", "dpkg was interrupted" if packages["interrupted"] or half else None)
    installed = {**docker, "version": upstream(docker.get("package_version"))}
    step("install_docker", _install_reason("Docker", installed, docker_half, pin_of(wanted)))
    step("install_ssm_agent", _install_reason("the SSM agent", ssm_agent, ssm_half, wanted["ssm_agent_version"]))
    step("install_ecs_agent", _install_reason("the ECS agent", ecs_agent, ecs_half, wanted["ecs_agent_version"]))
    coming = any(s["name"] == "install_ssm_agent" for s in steps)
    version = wanted["ssm_agent_version"] if coming else ssm_agent["version"]
    execution = exec_plan(host, wanted, agent_version(version or "") or None)
    step("install_exec", execution.install)
    leaving = None if clone else cluster_to_leave(host, aws, wanted)
    step("move", move_reason(host, leaving, wanted))
    ssm_config = config_reason(host.get("ssm_config"), wanted.get("ssm_config") or {})
    step("configure_ssm_agent", ssm_config)
    proxy = proxy_plan(host.get("proxy"), wanted.get("proxy") or {})
    step("configure_proxy", proxy.configure)
    config = _config_reason(host, wanted)
    step("configure_ecs_agent", config)

    instance_id = registration["managed_instance_id"]
    kept = instance_id or (interrupted or {}).get("backup_managed_instance_id")
    if interrupted and interrupted["operation"] == "clear":
        kept = None  # ending it ends the identity
    if not kept:
        step(
            "register",
            "its identity in the vault was emptied by a failed registration, and no backup has it"
            if registration["stale"]
            else "it is not registered with Systems Manager",
        )

    node = aws["instances"].get(instance_id)
    lost = mismatched = give_up = None
    if not clone and kept == instance_id:
        lost = _lost_reason(host, aws)
        mismatched = mismatch_reason(host, node, FIRST_CALL)
        give_up = give_up_reason(host, node) if mismatched else None
    step("give_up", give_up)
    replaced = clone or mismatched or lost
    step("replace_registration", replaced)
    former = noted(host, aws, wanted)
    found = [] if clone or give_up else orphaned(host, aws, bool(lost or leaving))
    former = [arn for arn in former if arn not in found]
    step("retire", retire_reason(found, former, bool(lost or not instance_id)))

    threshold = wanted.get("similarity_threshold")
    if threshold and threshold != host.get("similarity_threshold"):
        held = host.get("similarity_threshold")
        step("set_similarity_threshold", f"the SSM agent's similarity threshold is {held}, wanted is {threshold}")

    node_role = None if replaced else _node_role_reason(host, aws, wanted)
    step("repair_node_role", node_role)

    reset = None if leaving or replaced else _reset_reason(host, aws)
    step("reset_ecs_agent", reset)

    units = (
        (DOCKER_UNIT, docker, "install_docker"),
        ((ssm_agent["unit"] or {}).get("name") or SSM_UNIT, ssm_agent, "install_ssm_agent"),
        (ECS_UNIT, ecs_agent, "install_ecs_agent"),
    )
    reasons = []
    for name, part, install in units:
        planned = any(s["name"] == install for s in steps)
        if part["unit"] and not planned:
            reasons.append(_unit_reason(name, part["unit"]))
        elif planned:
            reasons.append(f"{name} is to be enabled and started")
    step("start", "; ".join(reason for reason in reasons if reason))
    late = proxy.restart.get(DOCKER_UNIT)
    step("restart_docker", late and f"{late}. Its containers stop and start, unless its live-restore is on")
    causes = [why for name, why in proxy.restart.items() if name != DOCKER_UNIT]
    if ssm_config or (host.get("ssm_config") or {}).get("newer_than_agent"):
        causes.append("it reads its configuration only when it starts")
    running = (ssm_agent["unit"] or {}).get("active_state") == "active"
    registering = any(s["name"] in ("register", "replace_registration") for s in steps)  # that restarts it
    step("restart_ssm_agent", "; ".join(causes) if running and not registering else None)
    unit = ecs_agent["unit"] or {}
    if (
        ecs_agent["installed"]
        and not (reset or leaving or replaced)
        and unit.get("active_state") in ("active", "activating")
    ):
        # an active one is restarted together with Docker
        with_docker = late and unit["active_state"] == "active"
        causes = ["it reads its settings only when it starts"] if config and not with_docker else []
        causes += ["it has credentials of the former role"] if node_role else []
        upgraded = any(s["name"] == "install_ecs_agent" for s in steps)
        old = _old_agent_reason(ecs_agent, wanted["ecs_agent_version"], upgraded)
        causes += [old] if old else []
        unlisted = execution.restart or capability_reason(wanted, _node(aws, instance_id).get("ecs"))
        causes += [unlisted] if unlisted else []
        causes += ["it gave up, and what made it give up may be over"] if _gave_up(unit) and not causes else []
        step("restart_ecs_agent", "; ".join(causes))

    waiting = _wait_reason(host, aws, wanted)
    step("wait", waiting or ("until AWS has seen the change" if steps else None))
    kept_instance = None if replaced or leaving or reset else (node or {}).get("ecs")
    step("label", _label_reason(kept_instance, wanted))
    step("activate", _activate_reason(kept_instance or {}, wanted))
    return {
        "problems": [],
        "steps": steps,
        "leftovers": sorted(found + former),
        "leaves": leaving,
        "gives_up": bool(give_up),
    }
