# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""ECS calls about what runs on the instances: task definitions, tasks, services. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_message

from ._ecs import TASKS_PER_CALL
from ._ecs import EcsErrorHandler
from ._retries import retry_idempotent
from ._retries import retry_throttled

Client = Any

STARTS_PER_CALL = 10


class _DefinitionErrorHandler(EcsErrorHandler):
    """ECS has one code for everything that is wrong with a task definition, so its words must tell."""

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_message("Unable to describe task definition")


class _ServiceErrorHandler(EcsErrorHandler):
    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_code("ServiceNotFoundException")


def input_shape(client: Client, operation: str) -> Any:
    """What botocore's model says of the parameters of a call."""
    return client.meta.service_model.operation_model(operation).input_shape


@EcsErrorHandler.common_error_handler("understand the task definition")
def validate_task_definition(client: Client, document: dict[str, Any]) -> None:
    """Names and types, as botocore would check them before the call. Asks nobody, so it serves in check mode, too."""
    from botocore.validate import validate_parameters

    validate_parameters(document, input_shape(client, "RegisterTaskDefinition"))


@_DefinitionErrorHandler.list_error_handler("read the task definition")
@retry_idempotent
def describe_task_definition(client: Client, given: str) -> dict[str, Any] | None:
    """The newest ACTIVE revision of a family, or the one that is named."""
    definition: dict[str, Any] = client.describe_task_definition(taskDefinition=given)["taskDefinition"]
    return definition


@EcsErrorHandler.common_error_handler("register the task definition")
@retry_throttled
def register_task_definition(client: Client, document: dict[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = client.register_task_definition(**document)["taskDefinition"]
    return definition


@_DefinitionErrorHandler.deletion_error_handler("deregister the task definition")
@retry_idempotent
def deregister_task_definition(client: Client, arn: str) -> bool:
    client.deregister_task_definition(taskDefinition=arn)
    return True


@EcsErrorHandler.common_error_handler("start tasks on the container instances")
@retry_throttled
def start_task(client: Client, **params: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The tasks, and why there are not more of them. ECS knows no token for this call: a second one starts more."""
    answer = client.start_task(**params)
    return answer.get("tasks") or [], answer.get("failures") or []


@EcsErrorHandler.common_error_handler("run tasks")
@retry_idempotent
def run_task(client: Client, token: str, **params: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """As above; with the same token it is the same call, however often it is sent."""
    answer = client.run_task(clientToken=token, launchType="EXTERNAL", **params)
    return answer.get("tasks") or [], answer.get("failures") or []


@EcsErrorHandler.common_error_handler("list the tasks")
@retry_idempotent
def find_tasks(client: Client, cluster: str, desired_status: str, **member: str) -> list[str]:
    """ARNs by startedBy or serviceName. Those that have ended are known for about an hour."""
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster, desiredStatus=desired_status, PaginationConfig={"PageSize": TASKS_PER_CALL}, **member
    )
    arns: list[str] = pages.build_full_result()["taskArns"]
    return arns


@EcsErrorHandler.common_error_handler("read the service")
@retry_idempotent
def describe_service(client: Client, cluster: str, name: str) -> dict[str, Any] | None:
    """None if the cluster never had it. One that was deleted is INACTIVE for a while."""
    services: list[dict[str, Any]] = client.describe_services(cluster=cluster, services=[name], include=["TAGS"])[
        "services"
    ]
    return services[0] if services else None


@EcsErrorHandler.common_error_handler("create the service")
@retry_idempotent
def create_service(client: Client, token: str, **params: Any) -> dict[str, Any]:
    """With the same token it is the same service, however often it is sent."""
    service: dict[str, Any] = client.create_service(clientToken=token, launchType="EXTERNAL", **params)["service"]
    return service


@EcsErrorHandler.common_error_handler("update the service")
@retry_idempotent
def update_service(client: Client, **params: Any) -> dict[str, Any]:
    service: dict[str, Any] = client.update_service(**params)["service"]
    return service


@EcsErrorHandler.common_error_handler("deploy the service anew")
@retry_throttled
def deploy_service(client: Client, **params: Any) -> dict[str, Any]:
    """Each such call makes a deployment, so only what AWS did not take is sent again."""
    service: dict[str, Any] = client.update_service(forceNewDeployment=True, **params)["service"]
    return service


@_ServiceErrorHandler.deletion_error_handler("delete the service")
@retry_idempotent
def delete_service(client: Client, cluster: str, name: str) -> bool:
    """Its tasks are stopped, whatever it is scaled to."""
    client.delete_service(cluster=cluster, service=name, force=True)
    return True
