# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A role that one AWS service may assume, with its policies: find and wanted. Private to this collection.

Roles are dictionaries as IAM spells them, plus AttachedPolicies as ListAttachedRolePolicies spells it, plus
InlinePolicies (see _inline_policy), of which there are only those that were read. Policies and tags are sorted, so that
two roles can be compared as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict
from ansible_collections.amazon.aws.plugins.module_utils.tagging import compare_aws_tags
from ansible_collections.amazon.aws.plugins.module_utils.transformation import boto3_resource_to_ansible_dict

from . import _iam
from . import _trust_policy

UNKNOWN_ACCOUNT = "000000000000"
NOTHING: Mapping[str, Any] = MappingProxyType({})
# Compiled when they are used, which few are in most runs.
_NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"
_PATH = r"/([A-Za-z0-9_+=,.@-]+/)*"
_REGION = r"[a-z]{2,}(-[a-z]+)+-\d+"
_ARN = r"arn:(?P<partition>aws[\w-]*):iam::(?P<account>\d{12}|aws)?:policy/(?P<name>.+)"

Role = dict[str, Any]
Document = Mapping[str, Any]


class Wish(NamedTuple):
    """What was asked for. None means: leave it as it is."""

    name: str
    service: str
    base_policies: tuple[str, ...]  # path and name of AWS's own policies that the role cannot do without
    managed_policies: tuple[str, ...] = ()
    retired_policies: tuple[str, ...] = ()  # spelled as base_policies: they go, unless managed_policies names them
    purge_policies: bool = False
    inline_policies: Mapping[str, Document] = NOTHING
    generated_policies: Mapping[str, Callable[[str, str], Document]] = NOTHING  # of the partition and the account
    retired_inline_policies: tuple[str, ...] = ()
    purge_inline_policies: bool = False
    yields_to: str = ""  # a retired inline policy that stays if it is there, and base_policies are then not needed
    trust: str | None = None  # plain, restricted; None is plain, but leaves a stricter one
    regions: tuple[str, ...] = ()  # for which a restricted trust is valid
    path: str | None = None
    description: str | None = None
    max_session_duration: int | None = None
    boundary: str | None = None
    tags: dict[str, str] | None = None
    purge_tags: bool = True


def problem_of(wish: Wish) -> str | None:
    """What is wrong with a wish that can be told without asking AWS."""
    if not re.fullmatch(_NAME, wish.name):
        return f"name: {wish.name!r} is no name of a role, which has 1 to 64 of A-Z a-z 0-9 + = , . @ _ -"
    if wish.path is not None and (len(wish.path) > 512 or not re.fullmatch(_PATH, wish.path)):
        return f"path: {wish.path!r} is no path of a role, which begins and ends with /, such as /edge/"
    if wish.max_session_duration is not None and not 3600 <= wish.max_session_duration <= 43200:
        return "max_session_duration must be between 3600 and 43200 seconds (1 to 12 hours)"
    if wish.boundary and not re.fullmatch(_ARN, wish.boundary):
        return f"boundary must be the ARN of a managed policy, not {wish.boundary}"
    for policy in wish.managed_policies:
        if not policy.strip("/") or (policy.startswith("arn:") and not re.fullmatch(_ARN, policy)):
            return f"managed_policies: {policy!r} is neither the ARN nor the name of a managed policy"
    if wish.trust == "restricted" and not wish.regions:
        return "trust=restricted wants to know for which Regions: set regions, or the region of the module"
    for region in wish.regions:
        if not re.fullmatch(_REGION, region):
            return f"regions: {region!r} is not the name of a Region such as eu-west-1"
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


def sorted_policies(policies: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(policies, key=lambda p: p["PolicyArn"])


def _path_and_name(arn: str) -> str:
    found = re.fullmatch(_ARN, arn)
    return found.group("name") if found else arn


def _matches(entry: str, arn: str) -> bool:
    """Whether a name, or path and name, means this policy. A bare name means a policy of that name at any path."""
    known = _path_and_name(arn)
    entry = entry.strip("/")
    return entry == known or ("/" not in entry and entry == known.rsplit("/", maxsplit=1)[-1])


def find(client: Any, name: str, with_policies: bool = True) -> Role | None:
    role = _iam.get_role(client, name)
    if role is None:
        return None
    role["Tags"] = sorted(role.get("Tags", []), key=lambda t: t["Key"])
    if with_policies:
        role["AttachedPolicies"] = sorted_policies(_iam.list_attached_policies(client, name))
    return role


def read_policies(client: Any, role: Role, wish: Wish) -> Role:
    """The role with its managed policies, and with those inline policies that the wish is about."""
    policies = sorted_policies(_iam.list_attached_policies(client, wish.name))
    inline = _inline_policies(client, wish)
    return {**role, "AttachedPolicies": policies, **({"InlinePolicies": inline} if inline else {})}


def settled(wish: Wish, current: Role | None) -> Wish:
    """The wish about a role that was made the stricter before: it does not loosen what it does not care about."""
    inline = current.get("InlinePolicies", []) if current else []
    if not wish.yields_to or wish.yields_to not in [policy["PolicyName"] for policy in inline]:
        return wish
    return wish._replace(
        base_policies=(),
        retired_inline_policies=tuple(name for name in wish.retired_inline_policies if name != wish.yields_to),
    )


def _inline_policies(client: Any, wish: Wish) -> list[dict[str, Any]]:
    """Each document costs a call, so only those are read that matter; names are listed only if some may have to go."""
    names = {*wish.inline_policies, *wish.generated_policies}
    if wish.purge_inline_policies:
        names = set(_iam.list_inline_policies(client, wish.name))
    elif wish.retired_inline_policies:
        names = set(_iam.list_inline_policies(client, wish.name)) & names.union(wish.retired_inline_policies)
    found = {name: _iam.get_inline_policy(client, wish.name, name) for name in sorted(names)}
    return [{"PolicyName": n, "PolicyDocument": document} for n, document in found.items() if document is not None]


def needs_account(wish: Wish) -> bool:
    """Whether the account must be known before the role exists, whose ARN would tell it."""
    return wish.trust == "restricted" or bool(wish.generated_policies)


def account_of(role: Role | None) -> str:
    return str(role["Arn"].split(":")[4]) if role else ""


def _aws_policies(names: tuple[str, ...], partition: str) -> list[str]:
    return [f"arn:{partition}:iam::aws:policy/{name}" for name in names]


def resolve_policies(
    wish: Wish, current: Role | None, partition: str, list_policies: Callable[[], list[dict[str, Any]]]
) -> list[str]:
    """The ARNs of the wanted policies. ValueError names what cannot be resolved.

    All policies are listed only for a name that is not among those known: the service's own and the attached ones.
    """
    base = _aws_policies(wish.base_policies, partition)
    known = [*base, *_aws_policies(wish.retired_policies, partition)]
    if current:
        known += [p["PolicyArn"] for p in current.get("AttachedPolicies", [])]
    resolved = list(base)
    listed: list[str] | None = None
    for entry in wish.managed_policies:
        arn = re.fullmatch(_ARN, entry)
        if arn:
            if arn.group("partition") != partition:
                raise ValueError(
                    f"managed_policies: {entry} is of the partition {arn.group('partition')}, the role of {partition}. "
                    "Give the policy by name, or check the region."
                )
            resolved.append(entry)
            continue
        found = [a for a in known if _matches(entry, a)]
        if not found:
            listed = listed if listed is not None else [p["Arn"] for p in list_policies()]
            found = [a for a in listed if _matches(entry, a)]
        if not found:
            raise ValueError(f"managed_policies: there is no managed policy {entry} in this account")
        if len(set(found)) > 1:
            raise ValueError(f"managed_policies: {entry} may be any of {', '.join(sorted(set(found)))}. Give the ARN.")
        resolved.append(found[0])
    return list(dict.fromkeys(resolved))


def wanted(current: Role | None, wish: Wish, policy_arns: list[str], partition: str, account: str) -> Role:
    """What the role should become: a pure function of what it is and what was asked.

    The account may be empty for a new role, unless needs_account says otherwise.
    """
    if current is None:
        path = wish.path or "/"
        after: Role = {
            "Path": path,
            "RoleName": wish.name,
            "RoleId": None,
            "Arn": f"arn:{partition}:iam::{account or UNKNOWN_ACCOUNT}:role{path}{wish.name}",
            "CreateDate": None,
            "MaxSessionDuration": 3600,
            "Tags": [],
            "AttachedPolicies": [],
        }
    else:
        after = dict(current)

    after["AssumeRolePolicyDocument"] = _trust(after.get("AssumeRolePolicyDocument"), wish, partition, account)
    if wish.description is not None and wish.description != after.get("Description", ""):
        after["Description"] = wish.description
    if wish.max_session_duration is not None:
        after["MaxSessionDuration"] = wish.max_session_duration
    if wish.boundary == "":
        after.pop("PermissionsBoundary", None)
    elif wish.boundary and wish.boundary != boundary_of(after):
        after["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": wish.boundary,
        }
    if wish.tags is not None:
        tags = boto3_tag_list_to_ansible_dict(after["Tags"])
        to_set, to_unset = compare_aws_tags(tags, wish.tags, wish.purge_tags)
        tags = {k: v for k, v in {**tags, **to_set}.items() if k not in to_unset}
        after["Tags"] = sorted(ansible_dict_to_boto3_tag_list(tags), key=lambda t: t["Key"])
    attached = {p["PolicyArn"]: p for p in after["AttachedPolicies"]}
    retired = _aws_policies(wish.retired_policies, partition)
    policies = {arn: p for arn, p in attached.items() if not (wish.purge_policies or arn in retired)}
    policies.update({arn: attached.get(arn) or _policy(arn) for arn in policy_arns})
    after["AttachedPolicies"] = sorted_policies(list(policies.values()))
    documents = {**wish.inline_policies, **{n: make(partition, account) for n, make in wish.generated_policies.items()}}
    if documents or "InlinePolicies" in after:
        from . import _inline_policy

        after["InlinePolicies"] = _inline_policy.wanted(
            after.get("InlinePolicies", []), documents, wish.retired_inline_policies, wish.purge_inline_policies
        )
    return after


def _trust(document: Any, wish: Wish, partition: str, account: str) -> dict[str, Any]:
    if wish.trust is None:
        return _trust_policy.repaired(document, wish.service, account)
    from . import _trust_scope  # imported by the runs that need it, as it takes its time

    if wish.trust == "plain":
        return _trust_scope.loosened(document, wish.service)
    return _trust_scope.tightened(document, wish.service, partition, account, wish.regions)


def boundary_of(role: Role) -> str:
    return str(role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))


def shown(role: Role | None) -> dict[str, Any]:
    """The role as modules return it."""
    if role is None:
        return {}
    inline = role.get("InlinePolicies")
    plain = {key: value for key, value in role.items() if key != "InlinePolicies"}
    result: dict[str, Any] = dict(boto3_resource_to_ansible_dict(plain, ignore_list=["AssumeRolePolicyDocument"]) or {})
    if inline is not None:  # its documents are the user's own: not even their keys are spelled in another way
        result["inline_policies"] = [
            {"policy_name": p["PolicyName"], "policy_document": p["PolicyDocument"]} for p in inline
        ]
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
        "inline_policies",
        "tags",
    )
    return {key: value for key, value in shown(role).items() if key in keys}
