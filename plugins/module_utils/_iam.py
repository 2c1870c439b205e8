# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IAM calls beside those that amazon.aws has: one function per call. Private to this collection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from ._retries import retry_idempotent

Client = Any
Role = dict[str, Any]


# amazon.aws has the like of these two in its module_utils.iam, which costs more time to import than a call takes.
class IamError(AnsibleAWSError):
    service = "iam"


class IamErrorHandler(AWSErrorHandler):
    _CUSTOM_EXCEPTION = IamError

    @classmethod
    def _is_missing(cls) -> Any:
        return is_boto3_error_code("NoSuchEntity")


def _pages(call: Callable[..., dict[str, Any]], key: str, **params: Any) -> list[Any]:
    """All pages, nearly always one. botocore's paginator would first look through the data of all services."""
    answer = call(**params)
    found: list[Any] = list(answer[key])
    while answer.get("IsTruncated"):
        answer = call(Marker=answer["Marker"], **params)
        found += answer[key]
    return found


@IamErrorHandler.list_error_handler("read the role")
@retry_idempotent
def get_role(client: Client, name: str) -> Role | None:
    role: Role = client.get_role(RoleName=name)["Role"]
    return role


@IamErrorHandler.list_error_handler("list the policies attached to the role", [])
@retry_idempotent
def list_attached_policies(client: Client, name: str) -> list[dict[str, str]]:
    return _pages(client.list_attached_role_policies, "AttachedPolicies", RoleName=name)


@IamErrorHandler.list_error_handler("list the inline policies of the role", [])
@retry_idempotent
def list_inline_policies(client: Client, name: str) -> list[str]:
    return _pages(client.list_role_policies, "PolicyNames", RoleName=name)


@IamErrorHandler.list_error_handler("read an inline policy of the role")
@retry_idempotent
def get_inline_policy(client: Client, name: str, policy: str) -> dict[str, Any] | None:
    document: dict[str, Any] = client.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    return document


@IamErrorHandler.common_error_handler("write an inline policy of the role")
@retry_idempotent
def put_inline_policy(client: Client, name: str, policy: str, document: str) -> None:
    client.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)


@IamErrorHandler.list_error_handler("list the instance profiles of the role", [])
@retry_idempotent
def list_instance_profiles(client: Client, name: str) -> list[str]:
    profiles = _pages(client.list_instance_profiles_for_role, "InstanceProfiles", RoleName=name)
    return [p["InstanceProfileName"] for p in profiles]


@IamErrorHandler.common_error_handler("list the managed policies of the account")
@retry_idempotent
def list_policies(client: Client) -> list[dict[str, Any]]:
    # AWS has far more than a thousand of its own, and would answer in pages of a hundred.
    pages = client.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 1000})
    policies: list[dict[str, Any]] = pages.build_full_result()["Policies"]
    return policies


@IamErrorHandler.common_error_handler("create the role")
@retry_idempotent
def create_role(client: Client, **params: Any) -> Role:
    role: Role = client.create_role(**params)["Role"]
    return role


def wait_for_role(client: Client, name: str, timeout: int) -> None:
    """Nearly always the first look finds it, so botocore's waiter is not worth the time that making it takes."""
    deadline = time.monotonic() + timeout
    while get_role(client, name) is None:
        if time.monotonic() >= deadline:
            raise IamError(
                message=f"The role {name} was created, but IAM does not show it after {timeout} seconds. Likely cause: "
                "IAM is slow to spread it. Next: run again, with a longer wait_timeout."
            )
        time.sleep(2)


@IamErrorHandler.common_error_handler("write the trust policy of the role")
@retry_idempotent
def update_trust(client: Client, name: str, document: str) -> None:
    client.update_assume_role_policy(RoleName=name, PolicyDocument=document)


@IamErrorHandler.common_error_handler("change the role")
@retry_idempotent
def update_role(client: Client, name: str, **params: Any) -> None:
    client.update_role(RoleName=name, **params)


@IamErrorHandler.common_error_handler("set the permissions boundary of the role")
@retry_idempotent
def put_boundary(client: Client, name: str, arn: str) -> None:
    client.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn)


@IamErrorHandler.deletion_error_handler("remove the permissions boundary of the role")
@retry_idempotent
def delete_boundary(client: Client, name: str) -> None:
    client.delete_role_permissions_boundary(RoleName=name)


@IamErrorHandler.common_error_handler("attach a policy to the role")
@retry_idempotent
def attach_policy(client: Client, name: str, arn: str) -> None:
    client.attach_role_policy(RoleName=name, PolicyArn=arn)


@IamErrorHandler.deletion_error_handler("detach a policy from the role")
@retry_idempotent
def detach_policy(client: Client, name: str, arn: str) -> None:
    client.detach_role_policy(RoleName=name, PolicyArn=arn)


@IamErrorHandler.common_error_handler("tag the role")
@retry_idempotent
def tag_role(client: Client, name: str, tags: list[dict[str, str]]) -> None:
    client.tag_role(RoleName=name, Tags=tags)


@IamErrorHandler.common_error_handler("remove tags from the role")
@retry_idempotent
def untag_role(client: Client, name: str, keys: list[str]) -> None:
    client.untag_role(RoleName=name, TagKeys=keys)


@IamErrorHandler.deletion_error_handler("take the role out of an instance profile")
@retry_idempotent
def remove_from_instance_profile(client: Client, name: str, profile: str) -> None:
    client.remove_role_from_instance_profile(RoleName=name, InstanceProfileName=profile)


@IamErrorHandler.deletion_error_handler("delete an inline policy of the role")
@retry_idempotent
def delete_inline_policy(client: Client, name: str, policy: str) -> None:
    client.delete_role_policy(RoleName=name, PolicyName=policy)


@IamErrorHandler.deletion_error_handler("delete the role")
@retry_idempotent
def delete_role(client: Client, name: str) -> None:
    client.delete_role(RoleName=name)


@IamErrorHandler.common_error_handler("list the roles of the account")
@retry_idempotent
def list_roles(client: Client) -> list[Role]:
    pages = client.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1000})
    roles: list[Role] = pages.build_full_result()["Roles"]
    return roles


@IamErrorHandler.list_error_handler("read a managed policy")
@retry_idempotent
def get_policy(client: Client, arn: str) -> dict[str, Any] | None:
    policy: dict[str, Any] = client.get_policy(PolicyArn=arn)["Policy"]
    return policy


@IamErrorHandler.list_error_handler("read the document of a managed policy")
@retry_idempotent
def get_policy_document(client: Client, arn: str, version: str) -> dict[str, Any] | None:
    answer = client.get_policy_version(PolicyArn=arn, VersionId=version)
    document: dict[str, Any] = answer["PolicyVersion"]["Document"]
    return document
