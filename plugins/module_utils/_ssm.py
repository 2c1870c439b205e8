# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Systems Manager calls: one function per call. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from ._retries import retry_idempotent
from ._retries import retry_throttled

Client = Any
Activation = dict[str, Any]

NODES_PER_CALL = 50


class SsmError(AnsibleAWSError):
    service = "ssm"


class SsmErrorHandler(AWSErrorHandler):
    _CUSTOM_EXCEPTION = SsmError

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_code(
            [
                "InvalidActivation",
                "InvalidActivationId",
                "InvalidInstanceId",
                "ParameterNotFound",
                "ParameterVersionNotFound",
            ]
        )


@SsmErrorHandler.common_error_handler("create the activation")
@retry_throttled
def create_activation(client: Client, **params: Any) -> dict[str, str]:
    answer = client.create_activation(**params)
    return {"ActivationId": answer["ActivationId"], "ActivationCode": answer["ActivationCode"]}


@SsmErrorHandler.list_error_handler("read the activations", [])
@retry_idempotent
def describe_activations(client: Client, filters: dict[str, list[str]] | None = None) -> list[Activation]:
    wanted = [{"FilterKey": key, "FilterValues": values} for key, values in (filters or {}).items()]
    pages = client.get_paginator("describe_activations").paginate(
        **({"Filters": wanted} if wanted else {}), PaginationConfig={"PageSize": 50}
    )
    activations: list[Activation] = pages.build_full_result()["ActivationList"]
    return activations


@SsmErrorHandler.deletion_error_handler("delete the activation")
@retry_idempotent
def delete_activation(client: Client, activation_id: str) -> bool:
    client.delete_activation(ActivationId=activation_id)
    return True


@SsmErrorHandler.list_error_handler("read the parameter that keeps the activation")
@retry_idempotent
def get_parameter(client: Client, name: str) -> dict[str, Any] | None:
    parameter: dict[str, Any] = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return parameter


@SsmErrorHandler.common_error_handler("write the parameter that keeps the activation")
@retry_idempotent
def put_secure_parameter(
    client: Client, name: str, value: str, description: str, key_id: str | None, overwrite: bool
) -> None:
    key = {"KeyId": key_id} if key_id else {}
    client.put_parameter(
        Name=name, Value=value, Description=description, Type="SecureString", Overwrite=overwrite, **key
    )


@SsmErrorHandler.deletion_error_handler("delete the parameter that keeps the activation")
@retry_idempotent
def delete_parameter(client: Client, name: str) -> bool:
    client.delete_parameter(Name=name)
    return True


@SsmErrorHandler.common_error_handler("read the managed nodes")
@retry_idempotent
def _describe_nodes(client: Client, ids: list[str]) -> list[dict[str, Any]]:
    # Filters and not the list of ids: an id that is not known is left out of the answer and fails nothing.
    pages = client.get_paginator("describe_instance_information").paginate(
        Filters=[{"Key": "InstanceIds", "Values": ids}], PaginationConfig={"PageSize": NODES_PER_CALL}
    )
    nodes: list[dict[str, Any]] = pages.build_full_result()["InstanceInformationList"]
    return nodes


def describe_nodes(client: Client, ids: list[str]) -> Iterator[dict[str, Any]]:
    """The managed nodes of these ids, in one call per page of 50. Unknown ids are left out."""
    for start in range(0, len(ids), NODES_PER_CALL):
        yield from _describe_known(client, ids[start : start + NODES_PER_CALL])


def _describe_known(client: Client, ids: list[str]) -> list[dict[str, Any]]:
    """If AWS refuses a whole page for one id, ask for its halves."""
    try:
        return _describe_nodes(client, ids)
    except SsmError as error:
        if getattr(error.exception, "response", {}).get("Error", {}).get("Code") != "InvalidInstanceId":
            raise
    if len(ids) == 1:
        return []
    half = len(ids) // 2
    return _describe_known(client, ids[:half]) + _describe_known(client, ids[half:])


@SsmErrorHandler.common_error_handler("change the role of the managed node")
@retry_idempotent
def update_node_role(client: Client, managed_instance_id: str, role: str) -> None:
    client.update_managed_instance_role(InstanceId=managed_instance_id, IamRole=role)


@SsmErrorHandler.deletion_error_handler("deregister the managed node")
@retry_idempotent
def deregister_node(client: Client, managed_instance_id: str) -> bool:
    client.deregister_managed_instance(InstanceId=managed_instance_id)
    return True


@SsmErrorHandler.common_error_handler("list the managed nodes")
@retry_idempotent
def list_managed_nodes(client: Client) -> list[dict[str, Any]]:
    """All managed nodes of the Region that are not of EC2, in one call per page of 50."""
    pages = client.get_paginator("describe_instance_information").paginate(
        Filters=[{"Key": "ResourceType", "Values": ["ManagedInstance"]}],
        PaginationConfig={"PageSize": NODES_PER_CALL},
    )
    nodes: list[dict[str, Any]] = pages.build_full_result()["InstanceInformationList"]
    return nodes


@SsmErrorHandler.common_error_handler("list the managed nodes by their tags")
@retry_idempotent
def nodes_with_tags(client: Client, tags: dict[str, str]) -> set[str]:
    """The ids of all managed nodes of the Region that have every one of *tags*, in one call per page of 50."""
    pages = client.get_paginator("describe_instance_information").paginate(
        Filters=[{"Key": f"tag:{key}", "Values": [value]} for key, value in tags.items()],
        PaginationConfig={"PageSize": NODES_PER_CALL},
    )
    return {node["InstanceId"] for node in pages.build_full_result()["InstanceInformationList"]}


@SsmErrorHandler.common_error_handler("read the tags of the managed node")
@retry_idempotent
def list_node_tags(client: Client, managed_instance_id: str) -> dict[str, str]:
    answer = client.list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=managed_instance_id)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagList", [])}


@SsmErrorHandler.common_error_handler("tag the managed node")
@retry_idempotent
def add_node_tags(client: Client, managed_instance_id: str, tags: dict[str, str]) -> None:
    client.add_tags_to_resource(
        ResourceType="ManagedInstance",
        ResourceId=managed_instance_id,
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )


@SsmErrorHandler.common_error_handler("remove tags of the managed node")
@retry_idempotent
def remove_node_tags(client: Client, managed_instance_id: str, keys: list[str]) -> None:
    client.remove_tags_from_resource(ResourceType="ManagedInstance", ResourceId=managed_instance_id, TagKeys=keys)
