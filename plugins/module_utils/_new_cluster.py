# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""A cluster that does not exist: who wants it, and what stands in its way: pure functions of (AWS, wanted)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import account_of
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import cluster_name

Read = Mapping[str, Any]

# From the API reference of CreateCluster.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


def wants_cluster(wanted: Read) -> bool:
    """Nobody creates a cluster to leave it, and an upgrade makes nobody an external instance."""
    return bool(wanted.get("manage_cluster")) and wanted.get("state") != "absent" and not wanted.get("upgrade")


def advised(error: str) -> str:
    """The error of a cluster that does not exist, to somebody who could have it created."""
    return f"{error.rstrip('.')}; with ecs_anywhere_manage_cluster set to true the role creates it"


def is_missing(aws: Read) -> bool:
    return not aws.get("cluster_exists", True)


def no_cluster_problem(aws: Read, wanted: Read) -> str | None:
    """For servers that need it to be there, though others of their batch have it created."""
    if aws["error"] or not is_missing(aws):
        return None
    return f"there is no ECS cluster {wanted['cluster']} in {wanted['region']}: check ecs_anywhere_cluster"


def creation_problems(aws: Read, wanted: Read) -> list[str]:
    """What AWS would refuse, or do elsewhere than meant. aws has C(can_create_cluster) where somebody looked."""
    cluster, name = wanted["cluster"], cluster_name(wanted["cluster"])
    if not is_missing(aws):
        return []
    if wanted.get("upgrade"):
        problem = no_cluster_problem(aws, wanted)
        return [problem] if problem else []
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(
            f"there is no ECS cluster {name!r}, and none can be created by that name: it has to be up to 255 letters, "
            "digits, hyphens and underscores. Correct ecs_anywhere_cluster"
        )
    if cluster.startswith("arn:") and aws["account"] and account_of(cluster) != aws["account"]:
        problems.append(
            f"there is no {cluster}, and it cannot be created: it is of the account {account_of(cluster)}, but the "
            f"credentials are of the account {aws['account']}. Check ecs_anywhere_cluster and ecs_anywhere_aws_profile"
        )
    if not aws.get("can_create_cluster", True):
        problems.append(
            f"there is no ECS cluster {name} in {wanted['region']}, and to create it the collection community.aws is "
            "missing on the controller: install it (ansible-galaxy collection install community.aws), or create the "
            "cluster yourself"
        )
    return problems


def creation_reason(aws: Read, wanted: Read) -> str | None:
    if not is_missing(aws):
        return None
    return f"the cluster {cluster_name(wanted['cluster'])} does not exist in {wanted['region']}"
