# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The external instances of a cluster or of a whole Region, read from both sides. Private to this collection."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from . import _ecs
from . import _external_instance
from . import _ssm
from ._role_name import is_replaced

Client = Any
Instances = list[dict[str, Any]]


def shown_cluster(raw: dict[str, Any]) -> dict[str, Any]:
    return {"name": raw["clusterName"], "arn": raw["clusterArn"], "status": raw["status"]}


def of_cluster(
    ecs: Client, ssm: Callable[[], Client], cluster_arn: str | None, ids: list[str] | None, iam_role: str | None
) -> Instances:
    """The second client is made only if there is anything to ask it. A cluster that does not exist has no ARN."""
    container_instances = list(_ecs.external_instances(ecs, cluster_arn, ids)) if cluster_arn else []
    if ids is None:
        ids = sorted(_ids_of(container_instances))
    nodes = _ssm.describe_nodes(ssm(), ids) if ids else []
    return _external_instance.joined(ids, container_instances, nodes, iam_role)


def of_region(ecs: Client, ssm: Callable[[], Client], iam_role: str | None) -> tuple[list[dict[str, Any]], Instances]:
    """Every cluster in use, with everything external that is in one, and every managed node.

    The nodes are listed and not asked for by id, which takes as many pages and finds those that are in no cluster.
    """
    clusters = _ecs.clusters_in_use(ecs)
    container_instances: list[dict[str, Any]] = []
    for cluster in clusters:
        container_instances += _ecs.external_instances(ecs, cluster["clusterArn"], None)
    registered = _ids_of(container_instances)
    nodes = [
        node
        for node in _ssm.list_managed_nodes(ssm())
        if node["InstanceId"] in registered
        or iam_role is None
        or (node.get("IamRole") and not is_replaced(node["IamRole"], iam_role))
    ]
    ids = registered.union(node["InstanceId"] for node in nodes)
    return clusters, _external_instance.joined(ids, container_instances, nodes, iam_role)


def _ids_of(container_instances: Iterable[dict[str, Any]]) -> set[str]:
    return {i["ec2InstanceId"] for i in container_instances if i.get("ec2InstanceId", "").startswith("mi-")}
