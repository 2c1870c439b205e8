# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Servers of a batch that share one identity: pure functions of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import is_mismatched
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import is_of

Read = Mapping[str, Any]


def shared(reads: Mapping[str, Read]) -> dict[str, list[str]]:
    """The ids that several servers have, with these."""
    owners: dict[str, list[str]] = {}
    for host, read in reads.items():
        instance_id = read["ssm_agent"]["registration"]["managed_instance_id"]
        if instance_id:
            owners.setdefault(instance_id, []).append(host)
    return {instance_id: hosts for instance_id, hosts in owners.items() if len(hosts) > 1}


def keeper(reads: Mapping[str, Read], ssm: Read | None) -> str | None:
    """The one that AWS knows under the id, by address and name, else by address, else by name.

    None if nobody fits, or several do.
    """
    fits = {host: is_of(read, ssm) for host, read in reads.items() if not is_mismatched(read)}
    for good in (lambda fit: fit == (True, True), lambda fit: fit[0], lambda fit: fit[1]):
        found = [host for host, fit in fits.items() if good(fit)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def clones(reads: Mapping[str, Read], nodes: Mapping[str, Read | None]) -> tuple[dict[str, str], dict[str, str]]:
    """What stands in the way of servers that share an identity, and why others get one of their own, by host.

    nodes: what Systems Manager says of the id of each host.
    """
    problems, reasons = {}, {}
    for instance_id, hosts in shared(reads).items():
        ssm = next((nodes[host] for host in hosts if nodes.get(host)), None)
        kept = keeper({host: reads[host] for host in hosts}, ssm)
        for host in hosts:
            others = ", ".join(h for h in hosts if h != host)
            wanted = reads[host]["wanted"]
            if wanted.get("state") == "absent" or not wanted["repair_clones"]:
                problems[host] = (
                    f"{instance_id} is also the identity of {others}: one was cloned from the other. With "
                    "ecs_anywhere_repair_clones the one that AWS knows keeps it, and the rest get their own"
                )
            elif host != kept:
                whose = f"{kept} keeps that, as AWS knows it by name and address" if kept else "AWS knows none of them"
                reasons[host] = (
                    f"{instance_id} is also the identity of {others}: one was cloned from the other, and {whose}. This "
                    "server gets a new id and a new container instance"
                )
    return problems, reasons
