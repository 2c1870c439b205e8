# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""ECS calls: one function per call. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_message
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from ._retries import retry_idempotent

Client = Any

CLUSTERS_PER_CALL = 100
INSTANCES_PER_CALL = 100
# AWS documents no limit for the filter of ListContainerInstances, but 2,000 characters for the same language in
# placement constraints: 80 ids of 20 characters stay below.
IDS_PER_FILTER = 80
STATES_PER_CALL = 10
TASKS_PER_CALL = 100
ATTRIBUTES_PER_CALL = 10


class EcsError(AnsibleAWSError):
    service = "ecs"


class EcsErrorHandler(AWSErrorHandler):
    _CUSTOM_EXCEPTION = EcsError

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_code("ClusterNotFoundException")


class _GoneErrorHandler(EcsErrorHandler):
    """For deletions: ECS has one code for everything that is wrong, so its words must tell."""

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_message("not found")


@EcsErrorHandler.list_error_handler("read the cluster")
@retry_idempotent
def describe_cluster(client: Client, cluster: str) -> dict[str, Any] | None:
    clusters: list[dict[str, Any]] = client.describe_clusters(clusters=[cluster])["clusters"]
    return clusters[0] if clusters else None


@EcsErrorHandler.common_error_handler("list the clusters")
@retry_idempotent
def list_clusters(client: Client) -> list[str]:
    pages = client.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": CLUSTERS_PER_CALL})
    arns: list[str] = pages.build_full_result()["clusterArns"]
    return arns


@EcsErrorHandler.common_error_handler("read the clusters")
@retry_idempotent
def _describe_clusters(client: Client, arns: list[str]) -> list[dict[str, Any]]:
    clusters: list[dict[str, Any]] = client.describe_clusters(clusters=arns)["clusters"]
    return clusters


def clusters_in_use(client: Client) -> list[dict[str, Any]]:
    """All active clusters of the Region that have container instances, in one call per page of 100 and one per 100."""
    arns = list_clusters(client)
    found: list[dict[str, Any]] = []
    for start in range(0, len(arns), CLUSTERS_PER_CALL):
        found += _describe_clusters(client, arns[start : start + CLUSTERS_PER_CALL])
    used = [c for c in found if c.get("status") == "ACTIVE" and c.get("registeredContainerInstancesCount")]
    return sorted(used, key=lambda c: str(c["clusterName"]))


@EcsErrorHandler.common_error_handler("list the container instances")
@retry_idempotent
def list_container_instances(client: Client, cluster: str, expression: str) -> list[str]:
    pages = client.get_paginator("list_container_instances").paginate(
        cluster=cluster, filter=expression, PaginationConfig={"PageSize": INSTANCES_PER_CALL}
    )
    arns: list[str] = pages.build_full_result()["containerInstanceArns"]
    return arns


@EcsErrorHandler.common_error_handler("read the container instances")
@retry_idempotent
def describe_container_instances(client: Client, cluster: str, arns: list[str]) -> list[dict[str, Any]]:
    answer = client.describe_container_instances(cluster=cluster, containerInstances=arns, include=["TAGS"])
    # What is reported as a failure went away between the two calls.
    instances: list[dict[str, Any]] = answer["containerInstances"]
    return instances


def external_instances(client: Client, cluster: str, ids: list[str] | None) -> Iterator[dict[str, Any]]:
    """The external container instances of a cluster, all or those of these managed instance ids."""
    if ids is None:
        arns = list_container_instances(client, cluster, "attribute:ecs.capability.external exists")
    else:
        arns = []
        for start in range(0, len(ids), IDS_PER_FILTER):
            chosen = ", ".join(ids[start : start + IDS_PER_FILTER])
            arns += list_container_instances(client, cluster, f"ec2InstanceId in [{chosen}]")
    for start in range(0, len(arns), INSTANCES_PER_CALL):
        yield from describe_container_instances(client, cluster, arns[start : start + INSTANCES_PER_CALL])


@EcsErrorHandler.common_error_handler("change the state of the container instances")
@retry_idempotent
def update_container_instances_state(
    client: Client, cluster: str, arns: list[str], status: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The instances as they are then, and AWS's failures. At most 10 of them."""
    answer = client.update_container_instances_state(cluster=cluster, containerInstances=arns, status=status)
    return answer.get("containerInstances") or [], answer.get("failures") or []


@_GoneErrorHandler.deletion_error_handler("deregister the container instance")
@retry_idempotent
def deregister_container_instance(client: Client, cluster: str, arn: str, force: bool) -> bool:
    client.deregister_container_instance(cluster=cluster, containerInstance=arn, force=force)
    return True


@EcsErrorHandler.common_error_handler("list the tasks of the container instance")
@retry_idempotent
def list_tasks(client: Client, cluster: str, container_instance: str) -> list[str]:
    """Those that are to run. Those that are stopping are left out."""
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster, containerInstance=container_instance, PaginationConfig={"PageSize": TASKS_PER_CALL}
    )
    arns: list[str] = pages.build_full_result()["taskArns"]
    return arns


@EcsErrorHandler.common_error_handler("read the tasks")
@retry_idempotent
def _describe_tasks(client: Client, cluster: str, arns: list[str]) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return tasks


def describe_tasks(client: Client, cluster: str, arns: list[str]) -> Iterator[dict[str, Any]]:
    """The tasks of these ARNs, in one call per 100. Those that are gone are left out."""
    for start in range(0, len(arns), TASKS_PER_CALL):
        yield from _describe_tasks(client, cluster, arns[start : start + TASKS_PER_CALL])


@_GoneErrorHandler.deletion_error_handler("stop the task")
@retry_idempotent
def stop_task(client: Client, cluster: str, arn: str, reason: str) -> bool:
    client.stop_task(cluster=cluster, task=arn, reason=reason)
    return True


def _target(attribute: tuple[str, str, str]) -> dict[str, str]:
    return {"targetType": "container-instance", "targetId": attribute[0], "name": attribute[1]}


@EcsErrorHandler.common_error_handler("set the attributes of container instances")
@retry_idempotent
def put_attributes(client: Client, cluster: str, attributes: list[tuple[str, str, str]]) -> None:
    """Container instance, name and value of at most 10."""
    client.put_attributes(cluster=cluster, attributes=[{**_target(a), "value": a[2]} for a in attributes])


@EcsErrorHandler.common_error_handler("remove attributes of container instances")
@retry_idempotent
def delete_attributes(client: Client, cluster: str, attributes: list[tuple[str, str, str]]) -> None:
    """Container instance, name and value of at most 10."""
    client.delete_attributes(cluster=cluster, attributes=[_target(a) for a in attributes])


@EcsErrorHandler.common_error_handler("set the tags")
@retry_idempotent
def tag_resource(client: Client, arn: str, tags: dict[str, str]) -> None:
    client.tag_resource(resourceArn=arn, tags=[{"key": k, "value": v} for k, v in tags.items()])


@EcsErrorHandler.common_error_handler("remove tags")
@retry_idempotent
def untag_resource(client: Client, arn: str, keys: list[str]) -> None:
    client.untag_resource(resourceArn=arn, tagKeys=keys)
