# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""What has to be done to a server, and why: a pure function of (host, AWS, wanted), and the same for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import is_replaced
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name

Read = Mapping[str, Any]
Plan = dict[str, Any]

# Distributions whose packages and paths the role knows, with the versions AWS names for ECS Anywhere (and Debian 13,
# which it does not name yet but which has the same packages).
SUPPORTED_SYSTEMS = {
    "debian": ("11", "12", "13"),
    "ubuntu": ("20.04", "22.04", "24.04"),
}
SUPPORTED_ARCHITECTURES = ("x86_64", "aarch64")

# The newest Docker API that the ECS agent speaks (its own list of client versions ends there, agent 1.105). An engine
# whose oldest API is newer than this leaves the agent without any client.
NEWEST_API_OF_ECS_AGENT = (1, 44)

# RegistrationLimit of CreateActivation, from botocore's model of it.
REGISTRATIONS_OF_AN_ACTIVATION = 1000

# With this status the ECS agent ends when to try again is useless.
TERMINAL_EXIT = 5

# Seconds after which a new managed node has certainly called Systems Manager, and is listed there.
FIRST_CALL = 300

SSM_UNIT = "amazon-ssm-agent.service"
ECS_UNIT = "ecs.service"
DOCKER_UNIT = "docker.service"


def _version(text: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in (text or "").split(".") if part.isdigit())


def _is_pinned_version(installed: str | None, pin: str) -> bool:
    """A pin names the upstream version; a Debian package adds a revision (1.105.1-1)."""
    return installed == pin or (installed or "").startswith(pin + "-")


def _cluster_name(cluster: str | None) -> str:
    return (cluster or "").rsplit("/", 1)[-1]


def host_problems(host: Read, wanted: Read) -> list[str]:
    """Everything about the server itself that stands in the way, each with the way out."""
    problems = []
    system = host["os"]
    if not host["effective_user_is_root"]:
        problems.append("the role needs root on the server: set `become: true` and a user who may use it")
    supported = SUPPORTED_SYSTEMS.get(system["id"] or "", ())
    if system["version_id"] not in supported:
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
    docker = host["docker"]
    if docker["podman_shim"]:
        problems.append(
            "`docker` is podman's compatibility shim, which the ECS agent cannot work with: remove podman-docker, then "
            "let the role install Docker (ecs_anywhere_docker_source)"
        )
    elif not docker["installed"] and wanted["docker_source"] == "none":
        problems.append("Docker is not installed and ecs_anywhere_docker_source is `none`: install Docker, or set it")
    elif docker["min_api_version"] and _version(docker["min_api_version"]) > NEWEST_API_OF_ECS_AGENT:
        newest = ".".join(str(part) for part in NEWEST_API_OF_ECS_AGENT)
        problems.append(
            f"Docker {docker['engine_version']} speaks API {docker['min_api_version']} and newer, the ECS agent at "
            f"most {newest}: install an older Docker, or set its min-api-version"
        )
    imds = host["imds"]
    if imds["reachable"] and imds["role"]:
        problems.append(
            f"this is an EC2 instance with the role {imds['role']}, whose credentials both agents would take for "
            "their own: detach its instance profile, or register it as an ordinary EC2 container instance"
        )
    return problems


def identity_problems(host: Read, aws: Read, wanted: Read) -> list[str]:
    """States in which going on would cost the server its identity or move it: never done by the way."""
    problems = []
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    if registration["problem"]:
        problems.append(
            f"nobody can tell whether it is registered ({registration['problem']}): repair or remove "
            "/var/lib/amazon/ssm/Vault, or restore it from a backup"
        )
    if instance_id and registration["region"] not in (None, "", wanted["region"]):
        problems.append(
            f"it is registered as {instance_id} in {registration['region']}, not in {wanted['region']}: check "
            "ecs_anywhere_region, or deregister it there first"
        )
    cluster = _cluster_name(wanted["cluster"])
    introspection = host["ecs_agent"]["introspection"] or {}
    configured = host["ecs_config"]["/etc/ecs/ecs.config"]["settings"].get("ECS_CLUSTER")
    joined = _cluster_name(introspection.get("cluster"))
    if not joined and host["ecs_agent"]["saved_state"]:
        joined = _cluster_name(configured)
    if joined and joined != cluster:
        problems.append(
            f"it is a container instance of the cluster {joined}, not of {cluster}: check ecs_anywhere_cluster, or "
            "drain and deregister it there and remove /var/lib/ecs/data/agent.db"
        )
    node = _node(aws, instance_id)
    ecs = node.get("ecs") or {}
    if ecs.get("status") == "DRAINING":
        problems.append(
            f"its container instance {ecs['container_instance_arn']} is DRAINING: somebody drained it on purpose. Set "
            "it ACTIVE in ECS, or leave the server out of the run"
        )
    return problems


def _node(aws: Read, instance_id: str | None) -> Read:
    return aws["instances"].get(instance_id) or {}


def _config_reason(host: Read, wanted: Read) -> str | None:
    reasons = []
    for path, settings in sorted(wanted["ecs_config"].items()):
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


def _account(arn: str | None) -> str | None:
    return arn.split(":")[4] if arn and arn.count(":") > 4 else None


def _lost_reason(host: Read, aws: Read) -> str | None:
    """Somebody deregistered the managed node. That Systems Manager does not list it is not enough to give it up: it may
    be of another account, or not have called yet. The cluster, or the agent, has to say that it is of this account."""
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    node = aws["instances"].get(instance_id)
    if not node or node["ssm"] or (registration["age"] or 0) < FIRST_CALL:
        return None
    seen = _account((host["ecs_agent"]["introspection"] or {}).get("container_instance_arn"))
    if not node["ecs"] and (seen is None or seen != aws["account"]):
        return None
    return (
        f"Systems Manager does not know {instance_id} any more, though ECS knows the server by it in this account: it "
        "was deregistered there, which cannot be undone. The server gets a new id and a new container instance"
    )


def _leftovers(host: Read, aws: Read, lost: bool) -> list[str]:
    """Container instances of this server as which nobody works, or will work once it is registered anew.

    What the agent on the server says it is belongs to the server. That the remains of a registration name an id does
    not: they may have come with an image of a server that lives.
    """
    registration = host["ssm_agent"]["registration"]
    instance_id = registration["managed_instance_id"]
    node = _node(aws, instance_id or registration["former_managed_instance_id"])
    if not node.get("ecs") or registration["interrupted"]:
        return []
    arns = {node["ecs"]["container_instance_arn"], *node["duplicates"]}
    if lost:
        return sorted(arns)
    own = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
    if own not in arns:
        return []
    return sorted(arns - {own}) if instance_id else [str(own)]


def _retire_reason(leftovers: list[str], replaced: bool) -> str | None:
    if not leftovers:
        return None
    names = ", ".join(arn.rsplit("/", 1)[-1] for arn in leftovers)
    why = "it was of its former id" if replaced else "its ECS agent works as another one"
    return f"the cluster still has its container instance {names}: {why}, and ECS would never remove it by itself"


def _install_reason(what: str, part: Read, unfinished: bool, pin: str = "") -> str | None:
    if unfinished:
        return f"the installation of {what} was interrupted"
    if not part["installed"]:
        return f"{what} is not installed"
    if pin and not _is_pinned_version(part["version"], pin):
        return f"{what} is {part['version']}, wanted is {pin}"
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


def _wait_reason(host: Read, aws: Read) -> str | None:
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
    elif ecs["status"] != "ACTIVE" or not ecs["agent_connected"]:
        connected = "connected" if ecs["agent_connected"] else "not connected"
        reasons.append(f"ECS says {ecs['status']}, agent {connected}")
    else:
        seen = (host["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
        if seen != ecs["container_instance_arn"]:
            reasons.append(f"the agent on the server says it is {seen or 'not registered'}")
    return "; ".join(reasons) or None


def registration_plan(host: Read, aws: Read, wanted: Read) -> Plan:
    """Decide what turns *host* into what is *wanted*.

    host: what M(ecs_anywhere_host_info) returned. aws: C({"error": str or None, "account": str or None,
    "instances": {mi- id: instance}}).
    wanted: the role's variables, see C(__ecs_anywhere_wanted) in the role. Returns C(problems), sentences that forbid
    to go on, C(steps), each with C(name) and C(reason), in the order in which they are carried out, and C(leftovers),
    the ARNs of container instances to deregister. One that is right has none of these.
    """
    problems = host_problems(host, wanted)
    role = _role_name_problem(wanted)
    if role:
        problems.append(role)
    if aws["error"]:
        problems.append(aws["error"])
    else:
        problems += identity_problems(host, aws, wanted)
    if problems:
        return {"problems": problems, "steps": [], "leftovers": []}

    steps: list[dict[str, str]] = []

    def step(name: str, reason: str | None) -> None:
        if reason:
            steps.append({"name": name, "reason": reason})

    docker = host["docker"]
    ssm_agent = host["ssm_agent"]
    ecs_agent = host["ecs_agent"]
    registration = ssm_agent["registration"]
    interrupted = registration["interrupted"]

    step("recover", "an earlier registration was interrupted" if interrupted else None)
    packages = host["package_manager"]
    half = packages["half_installed"]
    ssm_half = "amazon-ssm-agent" in half
    ecs_half = "amazon-ecs-init" in half
    docker_half = bool(set(half) - {"amazon-ssm-agent", "amazon-ecs-init"})
    step("repair_packages", "dpkg was interrupted" if packages["interrupted"] or half else None)
    step("install_docker", _install_reason("Docker", docker, docker_half))
    step("install_ssm_agent", _install_reason("the SSM agent", ssm_agent, ssm_half, wanted["ssm_agent_version"]))
    step("install_ecs_agent", _install_reason("the ECS agent", ecs_agent, ecs_half, wanted["ecs_agent_version"]))
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

    lost = _lost_reason(host, aws)
    step("replace_registration", lost if kept == instance_id else None)
    leftovers = _leftovers(host, aws, bool(lost))
    step("retire", _retire_reason(leftovers, bool(lost or not instance_id)))

    node_role = _node_role_reason(host, aws, wanted)
    step("repair_node_role", node_role)

    reset = _reset_reason(host, aws)
    step("reset_ecs_agent", reset)

    units = (
        (DOCKER_UNIT, docker, "install_docker"),
        (SSM_UNIT, ssm_agent, "install_ssm_agent"),
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
    unit = ecs_agent["unit"] or {}
    if ecs_agent["installed"] and not reset and unit.get("active_state") in ("active", "activating"):
        causes = ["it reads its settings only when it starts"] if config else []
        causes += ["it has credentials of the former role"] if node_role else []
        causes += ["it gave up, and what made it give up may be over"] if _gave_up(unit) and not causes else []
        step("restart_ecs_agent", "; ".join(causes))

    waiting = _wait_reason(host, aws)
    step("wait", waiting or ("until AWS has seen the change" if steps else None))
    return {"problems": [], "steps": steps, "leftovers": leftovers}


def group_key(wanted: Read, *names: str) -> str:
    """One string for the values of *names*; equal strings may share an AWS call."""
    return "|".join(repr(wanted[name]) for name in names)


# Steps that need a registration of an activation.
REGISTERING = ("register", "replace_registration")

# What may share a look at the fleet, a node role, a repair of managed nodes that lost it, an activation.
FLEET = ("profile", "region", "cluster")
NODE_ROLE = ("profile", "region", "iam_role", "manage_iam_role", "iam_role_options")
REPAIR = ("profile", "region", "iam_role")
ACTIVATION = ("profile", "region", "iam_role", "instance_name", "tags", "activation_lifetime", "activation_id")


def _groups(reads: Mapping[str, Read], names: Iterable[str]) -> list[dict[str, Any]]:
    names = tuple(names)
    groups: dict[str, dict[str, Any]] = {}
    for host, read in reads.items():
        wanted = read["wanted"]
        key = group_key(wanted, *names)
        group = groups.setdefault(key, {**{name: wanted[name] for name in names}, "key": key, "hosts": []})
        group["hosts"].append(host)
    return list(groups.values())


def _usable(reads: Mapping[str, Read | None]) -> dict[str, Read]:
    """A host that was skipped, failed or could not be reached has no read."""
    return {host: read for host, read in reads.items() if read and read.get("wanted")}


def _role_name_problem(wanted: Read) -> str | None:
    try:
        role_name(wanted["iam_role"])
    except ValueError as error:
        return f"ecs_anywhere_{error}"
    return None


def _managed_roles(reads: Mapping[str, Read]) -> list[dict[str, Any]]:
    """The node roles to keep right. Servers of several Regions may share one: each group knows all Regions of it."""
    groups = [group for group in _groups(reads, NODE_ROLE) if group["manage_iam_role"]]
    groups = [group for group in groups if not _role_name_problem(group)]
    for group in groups:
        *path, group["name"] = role_name(group["iam_role"]).split("/")
        group["path"] = "/" + "/".join([*path, ""]) if path else None
    at_odds = _roles_at_odds(groups)
    groups = [group for group in groups if group["key"] not in at_odds]
    for group in groups:
        options = group["iam_role_options"]
        if options.get("policy_mode") == "least_privilege" or options.get("trust") == "restricted":
            shared = {g["region"] for g in groups if _same_role(g) == _same_role(group)}
            group["regions"] = sorted(options.get("regions") or shared)
        else:
            group["regions"] = None
    return groups


def _same_role(group: Read) -> tuple[str, str]:
    return group["profile"], role_name(group["iam_role"])


def _roles_at_odds(groups: Iterable[Read]) -> dict[str, str]:
    """Roles that servers of the batch want in different ways, by group: each run would undo what it just did."""
    wishes: dict[tuple[str, str], set[str]] = {}
    groups = list(groups)
    for group in groups:
        wishes.setdefault(_same_role(group), set()).add(repr(group["iam_role_options"]))
    return {
        group["key"]: f"servers of this batch want the node role {group['iam_role']} with different "
        "ecs_anywhere_iam_role_options: give all of them the same, or each kind a role of its own"
        for group in groups
        if len(wishes[_same_role(group)]) > 1
    }


# Collecting the reads of a large batch costs more than grouping them: all that a plan needs comes from one collection.
KINDS = ("fleet", "role", "activation")


def all_groups(reads: Mapping[str, Read | None]) -> dict[str, list[dict[str, Any]]]:
    return {kind: batch_groups(reads, kind) for kind in KINDS}


def batch_groups(
    reads: Mapping[str, Read | None], kind: str, registered: Mapping[str, Read | None] | None = None
) -> list[dict[str, Any]]:
    """What "once per batch" means: one entry for each set of servers that share everything that matters to *kind*.

    C(fleet): whom to ask AWS about, with the mi- ids known there. C(role): the node roles to manage. C(activation):
    activations that the caller brought and that a server will need. With *registered*, results of
    M(ssm_agent_registration) by host, only those hosts count and a new mi- id comes from there.
    """
    usable = {host: read for host, read in _usable(reads).items() if registered is None or host in registered}
    if kind == "role":
        return _managed_roles(usable)
    if kind == "activation":
        brought = {
            host: read
            for host, read in usable.items()
            if read["wanted"]["activation_id"] and not read["ssm_agent"]["registration"]["managed_instance_id"]
        }
        return _groups(brought, ACTIVATION)
    groups = _groups(usable, FLEET)
    managed = _managed_roles(usable)
    for group in groups:
        ids = (
            ((registered or {}).get(host) or {}).get("managed_instance_id")
            or usable[host]["ssm_agent"]["registration"]["managed_instance_id"]
            or usable[host]["ssm_agent"]["registration"]["former_managed_instance_id"]
            for host in group["hosts"]
        )
        group["managed_instance_ids"] = sorted({i for i in ids if i})
        # One that is to be as AWS's guide has it can be looked at by the way.
        roles = {r["key"]: r["iam_role"] for r in managed if set(r["hosts"]) & set(group["hosts"])}
        plain = len(roles) == 1 and not any(usable[host]["wanted"]["iam_role_options"] for host in group["hosts"])
        group["role_key"], group["iam_role"] = next(iter(roles.items())) if plain else (None, None)
    return groups


def _errors(results: Iterable[Read], answer: str) -> dict[str, str]:
    """The messages of failed items, by group. Their `failed` was taken back so that they stop their own servers only;
    what tells them is that the *answer* of the module is missing."""
    return {r["item"]["key"]: r.get("msg") or "it failed without a message" for r in results if answer not in r}


def _clone_problems(reads: Mapping[str, Read]) -> dict[str, str]:
    owners: dict[str, list[str]] = {}
    for host, read in reads.items():
        instance_id = read["ssm_agent"]["registration"]["managed_instance_id"]
        if instance_id:
            owners.setdefault(instance_id, []).append(host)
    return {
        host: f"{instance_id} is also the identity of {', '.join(h for h in hosts if h != host)}: one was cloned "
        "from the other. Keep one, and clear the registration of the rest with ssm_agent_registration (state: cleared)"
        for instance_id, hosts in owners.items()
        if len(hosts) > 1
        for host in hosts
    }


def _activation_problem(group: Read, result: Read | None, needed: int) -> str | None:
    """Is the caller's own activation good for all servers that need it?"""
    if result is None:  # all of them had an id when the activations were looked at
        return (
            f"its managed node was deregistered at AWS, and the activation {group['activation_id']} was not looked at, "
            "because the server is registered: clear that with ssm_agent_registration (state: cleared), or leave "
            "ecs_anywhere_activation_id empty"
        )
    if "activations" not in result:
        return str(result.get("msg"))
    name = group["activation_id"]
    found = next((a for a in result["activations"] if a["activation_id"] == name), None)
    if found is None:
        return f"the activation {name} does not exist in {group['region']}: it was deleted, or is of another Region"
    if found["expired"]:
        return f"the activation {name} expired at {found['expiration_date']}: make a new one"
    left = found["registration_limit"] - found["registrations_count"]
    if left < needed:
        return f"the activation {name} has {left} registrations left, {needed} servers of this batch need one"
    return None


def _node_roles(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """The repairs of node roles, one entry for each role. Every plan is told which of them is its own."""
    repaired = {h: reads[h] for h, plan in plans.items() if any(s["name"] == "repair_node_role" for s in plan["steps"])}
    groups = _groups(repaired, REPAIR)
    for group in groups:
        group["managed_instance_ids"] = {
            host: repaired[host]["ssm_agent"]["registration"]["managed_instance_id"] for host in group["hosts"]
        }
        for host in group["hosts"]:
            plans[host]["node_role"] = group["key"]
    return groups


def _leftover_groups(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """What is to be deregistered, one entry for each cluster, with the ARNs by host."""
    groups = _groups({host: reads[host] for host, plan in plans.items() if plan["leftovers"]}, FLEET)
    for group in groups:
        group["container_instances"] = {host: plans[host]["leftovers"] for host in group["hosts"]}
    return groups


def batch_plan(
    reads: Mapping[str, Read | None],
    fleet_results: Iterable[Read] = (),
    role_results: Iterable[Read] = (),
    activation_results: Iterable[Read] = (),
) -> dict[str, Any]:
    """The plan of every server of the batch, and the activations and repairs of node roles that they need together.

    The results are those of looped tasks over batch_groups of each kind. Returns C(plans), by host,
    C(todo), the hosts with something to do, C(activations), one entry for each that has to be made, with its
    C(count), C(node_roles), one entry for each role that managed nodes are to get, with their ids by host, and
    C(leftovers), one entry for each cluster that has container instances to deregister.
    """
    usable = _usable(reads)
    fleet_results = list(fleet_results)
    fleet_errors = _errors(fleet_results, "instances")
    fleets = {
        result["item"]["key"]: {
            "error": fleet_errors.get(result["item"]["key"]),
            "account": _account((result.get("cluster") or {}).get("arn")),
            "instances": {i["managed_instance_id"]: i for i in result.get("instances", ())},
        }
        for result in fleet_results
    }
    managed = [group for group in _groups(usable, NODE_ROLE) if group["manage_iam_role"]]
    managed = [group for group in managed if not _role_name_problem(group)]
    role_errors = {**_errors(role_results, "iam_role"), **_roles_at_odds(managed)}
    clones = _clone_problems(usable)
    plans: dict[str, Plan] = {}
    for host, read in usable.items():
        wanted = read["wanted"]
        plan = registration_plan(read, fleets[group_key(wanted, *FLEET)], wanted)
        role_error = role_errors.get(group_key(wanted, *NODE_ROLE))
        plan["problems"] += [problem for problem in (role_error, clones.get(host)) if problem]
        plan["activation"] = plan["node_role"] = None
        plans[host] = plan

    registering = {
        host: usable[host]
        for host, plan in plans.items()
        if not plan["problems"] and any(step["name"] in REGISTERING for step in plan["steps"])
    }
    own = {result["item"]["key"]: result for result in activation_results if "item" in result}
    activations = []
    for group in _groups(registering, ACTIVATION):
        if not group["activation_id"]:
            for start in range(0, len(group["hosts"]), REGISTRATIONS_OF_AN_ACTIVATION):
                hosts = group["hosts"][start : start + REGISTRATIONS_OF_AN_ACTIVATION]
                part = {**group, "key": f"{group['key']}#{start}", "hosts": hosts, "count": len(hosts)}
                activations.append(part)
                for host in hosts:
                    plans[host]["activation"] = part["key"]
            continue
        problem = _activation_problem(group, own.get(group["key"]), len(group["hosts"]))
        for host in group["hosts"] if problem else ():
            plans[host]["problems"].append(problem)
    for plan in plans.values():
        if plan["problems"]:
            plan["steps"], plan["leftovers"] = [], []
    return {
        "plans": plans,
        "todo": [host for host, plan in plans.items() if plan["problems"] or plan["steps"]],
        "activations": activations,
        "node_roles": _node_roles(usable, plans),
        "leftovers": _leftover_groups(usable, plans),
    }
