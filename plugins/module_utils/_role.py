# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A role that one AWS service may assume, with managed policies: find, wanted, apply. Private to this collection.

Roles are dictionaries as IAM spells them, plus AttachedPolicies as ListAttachedRolePolicies spells it. Policies and
tags are sorted, so that two roles can be compared as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.iam import normalize_iam_role
from ansible_collections.amazon.aws.plugins.module_utils.iam import validate_iam_identifiers
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags

from . import _iam
from . import _trust_policy

UNKNOWN_ACCOUNT = "000000000000"
_ARN = re.compile(r"arn:(?P<partition>aws[\w-]*):iam::(?P<account>\d{12}|aws)?:policy/(?P<name>.+)")

Client = Any
Role = dict[str, Any]


class Wish(NamedTuple):
    """What was asked for. None means: leave it as it is."""

    name: str
    service: str
    base_policies: tuple[str, ...]  # path and name of AWS's own policies that the role cannot do without
    managed_policies: tuple[str, ...] = ()
    purge_policies: bool = False
    path: str | None = None
    description: str | None = None
    max_session_duration: int | None = None
    boundary: str | None = None
    tags: dict[str, str] | None = None
    purge_tags: bool = True


def problem_of(wish: Wish) -> str | None:
    """What is wrong with a wish that can be told without asking AWS."""
    problem = validate_iam_identifiers("role", name=wish.name, path=wish.path)
    if problem:
        return str(problem)
    if wish.max_session_duration is not None and not 3600 <= wish.max_session_duration <= 43200:
        return "max_session_duration must be between 3600 and 43200 seconds (1 to 12 hours)"
    if wish.boundary and not _ARN.fullmatch(wish.boundary):
        return f"boundary must be the ARN of a managed policy, not {wish.boundary}"
    for policy in wish.managed_policies:
        if not policy.strip("/") or (policy.startswith("arn:") and not _ARN.fullmatch(policy)):
            return f"managed_policies: {policy!r} is neither the ARN nor the name of a managed policy"
    return None


def conflict_of(current: Role | None, wish: Wish) -> str | None:
    """Why an existing role cannot become what was asked for."""
    if current is None or wish.path is None or current["Path"] == wish.path:
        return None
    return (
        f"The role {wish.name} exists with the path {current['Path']}, and IAM cannot change a path to {wish.path}. "
        f"Leave path out to use the role as it is, choose another name, or delete the role first."
    )


def _policy(arn: str) -> dict[str, str]:
    return {"PolicyName": arn.rsplit("/", maxsplit=1)[-1], "PolicyArn": arn}


def _sorted_policies(policies: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(policies, key=lambda p: p["PolicyArn"])


def _path_and_name(arn: str) -> str:
    found = _ARN.fullmatch(arn)
    return found.group("name") if found else arn


def _matches(entry: str, arn: str) -> bool:
    """Whether a name, or path and name, means this policy. A bare name means a policy of that name at any path."""
    known = _path_and_name(arn)
    entry = entry.strip("/")
    return entry == known or ("/" not in entry and entry == known.rsplit("/", maxsplit=1)[-1])


def find(client: Client, name: str, with_policies: bool = True) -> Role | None:
    role = _iam.get_role(client, name)
    if role is None:
        return None
    role["Tags"] = sorted(role.get("Tags", []), key=lambda t: t["Key"])
    if with_policies:
        role["AttachedPolicies"] = _sorted_policies(_iam.list_attached_policies(client, name))
    return role


def partition_of(current: Role | None, client: Client) -> str:
    """The role tells its partition; before it exists, the client's Region does."""
    return str(current["Arn"].split(":")[1] if current else client.meta.partition)


def resolve_policies(
    wish: Wish, current: Role | None, partition: str, list_policies: Callable[[], list[dict[str, Any]]]
) -> list[str]:
    """The ARNs of the wanted policies. ValueError names what cannot be resolved.

    All policies are listed only for a name that is not among those known: the service's own and the attached ones.
    """
    base = [f"arn:{partition}:iam::aws:policy/{name}" for name in wish.base_policies]
    attached = [p["PolicyArn"] for p in current.get("AttachedPolicies", [])] if current else []
    resolved = list(base)
    listed: list[str] | None = None
    for entry in wish.managed_policies:
        arn = _ARN.fullmatch(entry)
        if arn:
            if arn.group("partition") != partition:
                raise ValueError(
                    f"managed_policies: {entry} is of the partition {arn.group('partition')}, the role of {partition}. "
                    "Give the policy by name, or check the region."
                )
            resolved.append(entry)
            continue
        found = [a for a in [*base, *attached] if _matches(entry, a)]
        if not found:
            listed = listed if listed is not None else [p["Arn"] for p in list_policies()]
            found = [a for a in listed if _matches(entry, a)]
        if not found:
            raise ValueError(f"managed_policies: there is no managed policy {entry} in this account")
        if len(set(found)) > 1:
            raise ValueError(f"managed_policies: {entry} may be any of {', '.join(sorted(set(found)))}. Give the ARN.")
        resolved.append(found[0])
    return list(dict.fromkeys(resolved))


def wanted(current: Role | None, wish: Wish, policy_arns: list[str], partition: str) -> Role:
    """What the role should become: a pure function of what it is and what was asked."""
    account = ""
    if current is None:
        path = wish.path or "/"
        after: Role = {
            "Path": path,
            "RoleName": wish.name,
            "RoleId": None,
            "Arn": f"arn:{partition}:iam::{UNKNOWN_ACCOUNT}:role{path}{wish.name}",
            "CreateDate": None,
            "MaxSessionDuration": 3600,
            "Tags": [],
            "AttachedPolicies": [],
        }
    else:
        after = dict(current)
        account = current["Arn"].split(":")[4]

    after["AssumeRolePolicyDocument"] = _trust_policy.repaired(
        after.get("AssumeRolePolicyDocument"), wish.service, account
    )
    if wish.description is not None and wish.description != after.get("Description", ""):
        after["Description"] = wish.description
    if wish.max_session_duration is not None:
        after["MaxSessionDuration"] = wish.max_session_duration
    if wish.boundary == "":
        after.pop("PermissionsBoundary", None)
    elif wish.boundary and wish.boundary != _boundary(after):
        after["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": wish.boundary,
        }
    if wish.tags is not None:
        tags = boto3_tag_list_to_ansible_dict(after["Tags"])
        to_set, to_unset = compare_aws_tags(tags, wish.tags, wish.purge_tags)
        tags = {k: v for k, v in {**tags, **to_set}.items() if k not in to_unset}
        after["Tags"] = sorted(ansible_dict_to_boto3_tag_list(tags), key=lambda t: t["Key"])
    policies = {p["PolicyArn"]: p for p in after["AttachedPolicies"] if not wish.purge_policies}
    attached = {p["PolicyArn"]: p for p in after["AttachedPolicies"]}
    policies.update({arn: attached.get(arn) or _policy(arn) for arn in policy_arns})
    after["AttachedPolicies"] = _sorted_policies(list(policies.values()))
    return after


def _boundary(role: Role) -> str:
    return str(role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))


def _arns(role: Role) -> list[str]:
    return [p["PolicyArn"] for p in role["AttachedPolicies"]]


def create(client: Client, after: Role, wait_timeout: int | None) -> Role:
    """Make a role that does not exist. The IamError of a quicker creator is the caller's to understand."""
    name = after["RoleName"]
    params = {
        "Path": after["Path"],
        "RoleName": name,
        "AssumeRolePolicyDocument": json.dumps(after["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": after["MaxSessionDuration"],
        "Tags": after["Tags"],
    }
    if "Description" in after:
        params["Description"] = after["Description"]
    if _boundary(after):
        params["PermissionsBoundary"] = _boundary(after)
    created = _iam.create_role(client, **params)
    if wait_timeout:
        _iam.wait_for_role(client, name, wait_timeout)
    for arn in _arns(after):
        _iam.attach_policy(client, name, arn)
    return {**after, **{key: created[key] for key in ("RoleId", "Arn", "CreateDate") if key in created}}


def update(client: Client, current: Role, after: Role) -> None:
    """Make *current* into *after*. Policies are attached before others go, so that agents never have neither."""
    name = current["RoleName"]
    if after["AssumeRolePolicyDocument"] != current["AssumeRolePolicyDocument"]:
        _iam.update_trust(client, name, json.dumps(after["AssumeRolePolicyDocument"]))
    changed = {
        key: after[key]
        for key in ("Description", "MaxSessionDuration")
        if key in after and after[key] != current.get(key)
    }
    if changed:
        _iam.update_role(client, name, **changed)
    if _boundary(after) != _boundary(current):
        if _boundary(after):
            _iam.put_boundary(client, name, _boundary(after))
        else:
            _iam.delete_boundary(client, name)
    for arn in _arns(after):
        if arn not in _arns(current):
            _iam.attach_policy(client, name, arn)
    for arn in _arns(current):
        if arn not in _arns(after):
            _iam.detach_policy(client, name, arn)
    old = boto3_tag_list_to_ansible_dict(current["Tags"])
    new = boto3_tag_list_to_ansible_dict(after["Tags"])
    gone = [key for key in old if key not in new]
    if gone:
        _iam.untag_role(client, name, gone)
    fresh = {key: value for key, value in new.items() if old.get(key) != value}
    if fresh:
        _iam.tag_role(client, name, ansible_dict_to_boto3_tag_list(fresh))


def delete(client: Client, name: str) -> None:
    """Delete a role with everything that keeps IAM from deleting it."""
    for profile in _iam.list_instance_profiles(client, name):
        _iam.remove_from_instance_profile(client, name, profile)
    for policy in _iam.list_attached_policies(client, name):
        _iam.detach_policy(client, name, policy["PolicyArn"])
    for inline in _iam.list_inline_policies(client, name):
        _iam.delete_inline_policy(client, name, inline)
    _iam.delete_role(client, name)


def is_quicker_creator(error: _iam.IamError) -> bool:
    return getattr(error.exception, "response", {}).get("Error", {}).get("Code") == "EntityAlreadyExists"


def shown(role: Role | None) -> dict[str, Any]:
    """The role as modules return it."""
    if role is None:
        return {}
    result: dict[str, Any] = dict(normalize_iam_role(role) or {})
    return result


def compared(role: Role | None) -> dict[str, Any]:
    """The role as a diff shows it: what this collection manages."""
    keys = (
        "arn",
        "path",
        "description",
        "max_session_duration",
        "permissions_boundary",
        "assume_role_policy_document",
        "attached_policies",
        "tags",
    )
    return {key: value for key, value in shown(role).items() if key in keys}
