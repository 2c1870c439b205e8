# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A role made, changed and deleted. What it shall be is decided in _role. Private to this collection."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict

from . import _iam
from ._role import Role
from ._role import boundary_of

Client = Any


def _arns(role: Role) -> list[str]:
    return [p["PolicyArn"] for p in role["AttachedPolicies"]]


def _inline(role: Role) -> dict[str, Any]:
    return {p["PolicyName"]: p["PolicyDocument"] for p in role.get("InlinePolicies", [])}


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
    if boundary_of(after):
        params["PermissionsBoundary"] = boundary_of(after)
    created = _iam.create_role(client, **params)
    if wait_timeout:
        _iam.wait_for_role(client, name, wait_timeout)
    for policy, document in _inline(after).items():
        _iam.put_inline_policy(client, name, policy, _text(document))
    for arn in _arns(after):
        _iam.attach_policy(client, name, arn)
    return {**after, **{key: created[key] for key in ("RoleId", "Arn", "CreateDate") if key in created}}


def update(client: Client, current: Role, after: Role) -> None:
    """Make *current* into *after*. Policies are added before others go, so that agents never have neither."""
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
    if boundary_of(after) != boundary_of(current):
        if boundary_of(after):
            _iam.put_boundary(client, name, boundary_of(after))
        else:
            _iam.delete_boundary(client, name)
    _update_policies(client, current, after)
    old = boto3_tag_list_to_ansible_dict(current["Tags"])
    new = boto3_tag_list_to_ansible_dict(after["Tags"])
    gone = [key for key in old if key not in new]
    if gone:
        _iam.untag_role(client, name, gone)
    fresh = {key: value for key, value in new.items() if old.get(key) != value}
    if fresh:
        _iam.tag_role(client, name, ansible_dict_to_boto3_tag_list(fresh))


def _update_policies(client: Client, current: Role, after: Role) -> None:
    name = current["RoleName"]
    old, new = _inline(current), _inline(after)
    for policy, document in new.items():
        if document != old.get(policy):
            _iam.put_inline_policy(client, name, policy, _text(document))
    for arn in _arns(after):
        if arn not in _arns(current):
            _iam.attach_policy(client, name, arn)
    for arn in _arns(current):
        if arn not in _arns(after):
            _iam.detach_policy(client, name, arn)
    for policy in old:
        if policy not in new:
            _iam.delete_inline_policy(client, name, policy)


def _text(document: Any) -> str:
    """Without blanks, although IAM does not count them, so that the size in an error is the size sent."""
    return json.dumps(document, separators=(",", ":"))


def delete(client: Client, name: str) -> None:
    """Delete a role with everything that keeps IAM from deleting it."""
    for profile in _iam.list_instance_profiles(client, name):
        _iam.remove_from_instance_profile(client, name, profile)
    for policy in _iam.list_attached_policies(client, name):
        _iam.detach_policy(client, name, policy["PolicyArn"])
    for inline in _iam.list_inline_policies(client, name):
        _iam.delete_inline_policy(client, name, inline)
    _iam.delete_role(client, name)
