# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""The plans of a whole batch, and what its servers share: pure functions of what was read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._clones import clones
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._connected import agents_wanted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import account_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import cluster_name
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leave_plan import is_leaving
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leave_plan import is_out_of_reach
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leave_plan import known_id
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leave_plan import leave_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import by_cluster
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import advised
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import is_missing
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import no_cluster_problem
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import wants_cluster
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import Plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import Read
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import registration_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import role_name_problem
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name

# RegistrationLimit of CreateActivation, from botocore's model of it.
REGISTRATIONS_OF_AN_ACTIVATION = 1000


def group_key(wanted: Read, *names: str) -> str:
    """One string for the values of *names*; equal strings may share an AWS call."""
    return "|".join(repr(wanted[name]) for name in names)


# What AWS is known to have when it was not asked.
NOBODY: Read = {"error": None, "account": None, "instances": {}}

# Steps that need a registration of an activation.
REGISTERING = ("register", "replace_registration")

# What may share a look at the fleet, a node role, a repair of nodes that lost it, a move from a cluster, a way to
# leave, an activation.
FLEET = ("profile", "region", "cluster")
NODE_ROLE = ("profile", "region", "iam_role", "manage_iam_role", "iam_role_options")
REPAIR = ("profile", "region", "iam_role")
MOVE = ("profile", "region", "cluster", "move_options")
LEAVE = ("profile", "region", "cluster", "force", "drain_timeout", "stop_standalone_tasks", "restore_on_timeout")
LABEL = ("profile", "region", "cluster", "attributes", "tags")
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
    """A host that was skipped, failed or could not be reached has no read. What is wanted comes as one text."""
    known = {host: read for host, read in reads.items() if read and read.get("wanted")}
    return {host: {**read, "wanted": json.loads(read["wanted"])} for host, read in known.items()}


def _staying(reads: Mapping[str, Read]) -> dict[str, Read]:
    """Those that are to be external instances: the others need neither node role nor activation."""
    return {host: read for host, read in reads.items() if not is_leaving(read)}


def _managed_roles(reads: Mapping[str, Read]) -> list[dict[str, Any]]:
    """The node roles to keep right. Servers of several Regions may share one: each group knows all Regions of it."""
    groups = [group for group in _groups(reads, NODE_ROLE) if group["manage_iam_role"]]
    groups = [group for group in groups if not role_name_problem(group)]
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


def _brought_activations(reads: Mapping[str, Read]) -> list[dict[str, Any]]:
    """Activations of the user's own that a server still needs."""
    brought = {
        host: read
        for host, read in reads.items()
        if read["wanted"]["activation_id"] and not read["ssm_agent"]["registration"]["managed_instance_id"]
    }
    return _groups(brought, ACTIVATION)


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


def batch_groups(
    reads: Mapping[str, Read | None], kind: str, registered: Mapping[str, Read | None] | None = None
) -> list[dict[str, Any]]:
    """What "once per batch" means: one entry for each set of servers that share everything that matters to *kind*.

    C(fleet): whom to ask AWS about, with the mi- ids known there, whether C(cluster_must_exist), which it need not if
    one of its servers has it created, and with the C(roles) and C(activations) of its servers. C(role): the node roles
    to manage. C(activation): activations that the caller brought and that a server will need. With *registered*,
    results of M(ssm_agent_registration) by host, only those hosts count and a new mi- id comes from there.
    """
    usable = _usable(reads)
    staying = _staying(usable)
    if registered is not None:
        usable = staying = {host: read for host, read in staying.items() if host in registered}
    managed, brought = _managed_roles(staying), _brought_activations(staying)
    if kind == "role":
        return managed
    if kind == "activation":
        return brought
    groups = _groups(usable, FLEET)
    for group in groups:
        ids = [
            ((registered or {}).get(host) or {}).get("managed_instance_id")
            or usable[host]["ssm_agent"]["registration"]["managed_instance_id"]
            or usable[host]["ssm_agent"]["registration"]["former_managed_instance_id"]
            for host in group["hosts"]
            if host in staying
        ]
        leaving = {host: known_id(usable[host]) for host in group["hosts"] if host not in staying}
        group["managed_instance_ids"] = sorted({i for i in [*ids, *leaving.values()] if i})
        group["cluster_must_exist"] = not any(wants_cluster(usable[host]["wanted"]) for host in group["hosts"])
        # What AWS has to say of the agents of those that were changed.
        group["agent_versions"] = {
            ((registered or {}).get(host) or {}).get("managed_instance_id")
            or usable[host]["ssm_agent"]["registration"]["managed_instance_id"]: agents_wanted(usable[host]["wanted"])
            for host in (group["hosts"] if registered is not None else ())
        }
        # Of a server that nobody can look at, and of which nobody said what it was, the name is all there is.
        group["computer_names"] = sorted(h for h, i in leaving.items() if not i and is_out_of_reach(usable[h]))
        # One that is to be as AWS's guide has it can be looked at by the way.
        hosts = set(group["hosts"])
        group["roles"] = [role for role in managed if hosts & set(role["hosts"])]
        group["activations"] = [activation for activation in brought if hosts & set(activation["hosts"])]
        roles = {role["key"]: role["iam_role"] for role in group["roles"]}
        plain = len(roles) == 1 and not any(usable[host]["wanted"]["iam_role_options"] for host in group["hosts"])
        group["role_key"], group["iam_role"] = next(iter(roles.items())) if plain else (None, None)
    return groups


def _errors(results: Iterable[Read], answer: str) -> dict[str, str]:
    """The messages of failed items, by group. Their `failed` was taken back so that they stop their own servers only;
    what tells them is that the *answer* of the module is missing."""
    return {r["item"]["key"]: r.get("msg") or "it failed without a message" for r in results if answer not in r}


def _activation_problem(group: Read, result: Read | None, needed: int) -> str | None:
    """Is the caller's own activation good for all servers that need it?"""
    if result is None:  # all of them had an id when the activations were looked at
        return (
            f"it is to be registered anew, and the activation {group['activation_id']} was not looked at, because the "
            "server is registered: clear that with ssm_agent_registration (state: cleared), or leave "
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


def _ids(reads: Mapping[str, Read], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These groups with the ids of their servers by host."""
    for group in groups:
        group["managed_instance_ids"] = {
            host: reads[host]["ssm_agent"]["registration"]["managed_instance_id"] for host in group["hosts"]
        }
    return groups


def _new_clusters(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """The clusters to create, by name. Some of their servers may have given the ARN."""
    wanting = {
        host: {**reads[host]["wanted"], "cluster": cluster_name(reads[host]["wanted"]["cluster"])}
        for host, plan in plans.items()
        if any(step["name"] == "create_cluster" for step in plan["steps"])
    }
    return _groups({host: {"wanted": wanted} for host, wanted in wanting.items()}, FLEET)


def _moves(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """Where servers are drained and deregistered before they join another cluster."""
    leaving = {host: {**reads[host]["wanted"], "cluster": p["leaves"]} for host, p in plans.items() if p.get("leaves")}
    return _ids(reads, _groups({host: {"wanted": wanted} for host, wanted in leaving.items()}, MOVE))


def _give_ups(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """What servers were that AWS does not take for the same machine any more."""
    return _ids(reads, _groups({host: reads[host] for host, plan in plans.items() if plan.get("gives_up")}, FLEET))


def _leftover_groups(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """What is to be deregistered, one entry for each cluster, with the ARNs by host."""
    found = {host: by_cluster(plan["leftovers"], reads[host]["wanted"]["cluster"]) for host, plan in plans.items()}
    result = []
    for cluster in sorted({cluster for arns in found.values() for cluster in arns}):
        there = {host: {**reads[host]["wanted"], "cluster": cluster} for host, arns in found.items() if cluster in arns}
        groups = _groups({host: {"wanted": wanted} for host, wanted in there.items()}, FLEET)
        for group in groups:
            group["container_instances"] = {host: found[host][cluster] for host in group["hosts"]}
        result += groups
    return result


def _labels(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """Whose container instances get attributes and tags. Which these are is known when all are registered."""
    labelled = {h: reads[h] for h, plan in plans.items() if any(s["name"] == "label" for s in plan["steps"])}
    groups = _groups(labelled, LABEL)
    for group in groups:
        for host in group["hosts"]:
            plans[host]["label"] = group["key"]
    return groups


def _leaving_groups(reads: Mapping[str, Read], plans: Mapping[str, Plan]) -> list[dict[str, Any]]:
    """What is to be deregistered on both sides, one entry for each cluster and way to leave, with the ids by host."""
    leaving = {
        host: {"wanted": {**reads[host]["wanted"], **reads[host]["wanted"]["leave"], "force": plan["force"]}}
        for host, plan in plans.items()
        if plan.get("managed_instance_id")
    }
    groups = _groups(leaving, LEAVE)
    for group in groups:
        group["managed_instance_ids"] = {host: plans[host]["managed_instance_id"] for host in group["hosts"]}
        for host in group["hosts"]:
            plans[host]["leaving"] = group["key"]
    return groups


def _node_of(read: Read, fleet: Read) -> Read | None:
    """What Systems Manager says of a server's id."""
    node: Read = fleet["instances"].get(read["ssm_agent"]["registration"]["managed_instance_id"]) or {}
    return node.get("ssm")


def batch_plan(
    reads: Mapping[str, Read | None],
    fleet_results: Iterable[Read] = (),
    role_results: Iterable[Read] = (),
    activation_results: Iterable[Read] = (),
    can_create_clusters: bool = True,
) -> dict[str, Any]:
    """The plan of every server of the batch, and the activations and repairs of node roles that they need together.

    The results are those of looped tasks over batch_groups of each kind. Returns C(plans), by host,
    C(todo), the hosts with something to do, C(activations), one entry for each that has to be made, with its
    C(count), C(node_roles), one entry for each role that managed nodes are to get, with their ids by host,
    C(clusters), one entry for each that is to be created,
    C(leftovers), one entry for each cluster that has container instances to deregister, C(moves), one entry for each
    cluster that servers are moved from, C(give_ups), one entry for each cluster in which they give up what they were,
    and C(leaving), one entry for each cluster that servers leave for good, all with their ids by host. C(labels) has
    one entry for each set of attributes and tags that some get.
    """
    usable = _usable(reads)
    fleet_results = list(fleet_results)
    fleet_errors = _errors(fleet_results, "instances")
    fleets = {
        result["item"]["key"]: {
            "error": fleet_errors.get(result["item"]["key"]),
            "account": account_of((result.get("cluster") or {}).get("arn")) or result.get("account"),
            "cluster_exists": result.get("cluster_exists", True),
            "can_create_cluster": can_create_clusters,
            "instances": {i["managed_instance_id"]: i for i in result.get("instances", ())},
        }
        for result in fleet_results
    }
    managed = [group for group in _groups(_staying(usable), NODE_ROLE) if group["manage_iam_role"]]
    managed = [group for group in managed if not role_name_problem(group)]
    role_errors = {**_errors(role_results, "iam_role"), **_roles_at_odds(managed)}
    seen = {host: read for host, read in usable.items() if not is_out_of_reach(read)}
    nodes = {host: _node_of(read, fleets.get(group_key(read["wanted"], *FLEET), NOBODY)) for host, read in seen.items()}
    clone_problems, clone_reasons = clones(seen, nodes)
    plans: dict[str, Plan] = {}
    for host, read in usable.items():
        wanted = read["wanted"]
        if is_leaving(read):
            fleet = fleets.get(group_key(wanted, *FLEET), NOBODY)
            fleet = {**fleet, "error": fleet["error"] or no_cluster_problem(fleet, wanted)}
            plans[host] = leave_plan(host, read, fleet, wanted)
            plans[host]["problems"] += [clone_problems[host]] if host in clone_problems else []
            continue
        fleet = fleets[group_key(wanted, *FLEET)]
        if fleet["error"] and is_missing(fleet) and not (wanted.get("manage_cluster") or wanted.get("upgrade")):
            fleet = {**fleet, "error": advised(fleet["error"])}
        plan = registration_plan(read, fleet, wanted, clone_reasons.get(host))
        role_error = role_errors.get(group_key(wanted, *NODE_ROLE))
        plan["problems"] += [problem for problem in (role_error, clone_problems.get(host)) if problem]
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
            plan.update(steps=[], leftovers=[], leaves=None, gives_up=False)
            plan.pop("managed_instance_id", None)
    return {
        "plans": plans,
        "todo": [host for host, plan in plans.items() if plan["problems"] or plan["steps"]],
        "activations": activations,
        "clusters": _new_clusters(usable, plans),
        "node_roles": _node_roles(usable, plans),
        "leftovers": _leftover_groups(usable, plans),
        "leaving": _leaving_groups(usable, plans),
        "labels": _labels(usable, plans),
        "moves": _moves(usable, plans),
        "give_ups": _give_ups(usable, plans),
    }
