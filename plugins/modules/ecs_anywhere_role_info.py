#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_anywhere_role_info
short_description: Show and judge the IAM roles of ECS Anywhere servers
version_added: 0.1.0
description:
  - Shows the roles that external instances work under, with the documents of all their policies, and says what is wrong
    with each, what it allows beyond need, and how that can be repaired.
  - Without O(name) it finds every role of the account that trusts Systems Manager (C(ssm.amazonaws.com)), which answers
    the question of AWS's guide whether the account has such a role already. Roles of AWS's own services are left out.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  name:
    description:
      - Only these roles, each given as name, path and name, or ARN. Roles that do not exist are left out of the result.
      - Not given means every role that trusts Systems Manager. Of those, a role that allows the agents nothing at all
        is taken for one of Automation or maintenance windows, and not blamed for what it lacks.
      - An empty list means none, and nothing is called.
    type: list
    elements: str
    aliases: [names, role_name]
  clusters:
    description:
      - The clusters that the servers join, as names or ARNs. The agents must be allowed what they need in each.
      - Not given means that a role which serves any cluster is fine.
    type: list
    elements: str
    default: []
  regions:
    description:
      - The Regions that the servers are in. The agents must be allowed what they need in each, and the managed nodes of
        each are listed to tell who uses a role.
      - Not given means that the rights are judged for O(region), or the Regions of clusters given by ARN, and that
        nodes are not looked at.
    type: list
    elements: str
  features:
    description:
      - What the servers are used for beside running tasks. A finding is what a feature needs and is not allowed, and
        what is allowed and belongs to a feature that is not in this list.
      - Not given means that nobody knows. Then rights that belong to a feature are mentioned, and not called a fault.
      - What each of them allows is in the collection's C(docs/permissions.md).
    type: list
    elements: str
    choices:
      - cloudwatch_logs
      - distributor
      - ecr_pull
      - ecs_exec
      - instance_tags
      - inventory
      - patch_manager
      - run_command
      - session_manager
      - state_manager
notes:
  - >-
    Calls: for each role 3 (C(GetRole), C(ListAttachedRolePolicies), C(ListRolePolicies)) and one for each of its inline
    policies (C(GetRolePolicy)); for each managed policy, boundaries included, 2 (C(GetPolicy), C(GetPolicyVersion)),
    once however many roles have it; without O(name) one for each 1,000 roles of the account (C(ListRoles)); with
    O(regions) one for each 50 managed nodes (C(DescribeInstanceInformation)).
  - >-
    How rights are judged: as IAM does for identity policies and permissions boundaries, with wildcards, C(NotAction),
    C(NotResource), C(Deny), conditions and policy variables. What depends on a condition that only the moment of the
    call can tell is said to depend on it. Session policies, resource policies and the policies of an organization
    are not looked at.
  - >-
    How actions are counted: a pattern such as C(ecs:*) counts as the operations that botocore knows of the service and
    the actions beside them that only agents use. Of V(*) only services that matter to servers are counted.
seealso:
  - module: hybrid.ecs_anywhere.ecs_anywhere_role
  - module: hybrid.ecs_anywhere.ecs_external_instance
  - plugin: hybrid.ecs_anywhere.operator_policy
    plugin_type: filter
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.info_module
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
"""

EXAMPLES = r"""
- name: Does the account have a role for ECS Anywhere already?
  hybrid.ecs_anywhere.ecs_anywhere_role_info:
  register: audit

- name: One role, for what its servers do
  hybrid.ecs_anywhere.ecs_anywhere_role_info:
    name: ecsAnywhereRole
    clusters: [edge]
    regions: [eu-west-1]
    features: [session_manager, ecr_pull]
  register: audit

- name: Fail for whatever is severe
  ansible.builtin.assert:
    that: audit.roles | map(attribute='findings') | flatten | selectattr('severity', 'eq', 'high') | length == 0
"""

RETURN = r"""
roles:
  description:
    - The roles, sorted by name. Beside what is listed here, each has all that M(hybrid.ecs_anywhere.ecs_anywhere_role)
      returns.
  returned: always
  type: list
  elements: dict
  contains:
    role_name:
      description: The name of the role.
      type: str
      returned: always
      sample: ecsAnywhereRole
    arn:
      description: The ARN of the role.
      type: str
      returned: always
      sample: arn:aws:iam::123456789012:role/ecsAnywhereRole
    assume_role_policy_document:
      description: The trust policy, keys as AWS spells them.
      type: dict
      returned: always
      sample: {"Version": "2012-10-17", "Statement": []}
    attached_policies:
      description: The attached managed policies, sorted by ARN.
      type: list
      elements: dict
      returned: always
      sample: [{"policy_arn": "arn:aws:iam::aws:policy/X", "policy_name": "X"}]
    inline_policies:
      description: The inline policies, sorted by name.
      type: list
      elements: dict
      returned: always
      contains: &policy
        policy_name:
          description: The name of the policy.
          type: str
          returned: always
          sample: ECSAnywhereLeastPrivilege
        policy_arn:
          description: The ARN of the policy.
          type: str
          returned: for managed policies
          sample: arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore
        policy_document:
          description: The document, keys as AWS spells them.
          type: dict
          returned: always
          sample: {"Version": "2012-10-17", "Statement": []}
    managed_policies:
      description: The attached managed policies with their documents.
      type: list
      elements: dict
      returned: always
      contains: *policy
    boundary:
      description: The permissions boundary with its document, null if the role has none.
      type: dict
      returned: always
      contains: *policy
    managed_instance_ids:
      description: The managed nodes that work under the role, null unless O(regions) is given.
      type: list
      elements: str
      returned: always
      sample: [mi-0123456789abcdef0]
    findings:
      description: What there is to say about the role, the severe first.
      type: list
      elements: dict
      returned: always
      contains: &finding
        id:
          description:
            - V(trust_wrong), Systems Manager cannot assume the role.
            - V(trust_unrestricted), the trust says neither account nor Region.
            - V(trust_others), somebody else may assume the role.
            - V(action_missing), something that is needed is not allowed.
            - V(action_conditional), whether something needed is allowed depends on a condition.
            - V(action_beyond_need), something is allowed that servers do not need.
            - V(scope_beyond_need), something needed is allowed on more than need be.
            - V(feature_unused), what a feature needs is allowed, and O(features) does not have it.
            - V(not_a_node_role), the role seems to be for something else.
            - V(role_replaced), managed nodes work under another role.
          type: str
          returned: always
          sample: action_missing
        severity:
          description: V(high), V(medium), V(low) or V(info).
          type: str
          returned: always
          sample: high
        message:
          description: What is the matter, in a sentence.
          type: str
          returned: always
          sample: every external instance needs ecs:Poll, which the role ecsAnywhereRole lacks - no policy allows it
        evidence:
          description: What it was seen from, a statement, a list of actions or the like.
          type: raw
          returned: always
          sample: [{"action": "ecs:Poll", "resource": "*", "reason": "no policy allows it"}]
        repair:
          description: What to do about it.
          type: str
          returned: always
          sample: hybrid.ecs_anywhere.ecs_anywhere_role with name=ecsAnywhereRole
    summary:
      description: How much the role allows, beside the least that would do for O(clusters), O(regions) and O(features).
      type: dict
      returned: always
      contains:
        allowed_actions: &allowed
          description: Number of actions that are allowed on anything.
          type: int
          returned: always
          sample: 44
        on_any_resource: &any
          description: Number of those that are allowed on the resource V(*).
          type: int
          returned: always
          sample: 43
        least_privilege:
          description: The same of the policy that C(policy_mode=least_privilege) would write.
          type: dict
          returned: always
          contains:
            allowed_actions: *allowed
            on_any_resource: *any
findings:
  description:
    - What there is to say about managed nodes, empty unless O(regions) is given. Nodes that work under none of the
      RV(roles) are V(role_replaced).
  returned: always
  type: list
  elements: dict
  contains: *finding
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _iam
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_excess
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_findings
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import Policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import load
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_excess import Wanted
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import is_replaced
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name


class Documents:
    """The documents of managed policies, each read once."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.known: dict[str, Mapping[str, Any]] = {}

    def of(self, arn: str) -> Mapping[str, Any]:
        if arn not in self.known:
            policy = _iam.get_policy(self.client, arn) or {}
            version = policy.get("DefaultVersionId")
            # A policy that was deleted meanwhile allows nothing.
            self.known[arn] = load((version and _iam.get_policy_document(self.client, arn, version)) or {})
        return self.known[arn]


def read(client: Any, names: list[str] | None) -> list[dict[str, Any]]:
    """The roles as IAM spells them, and the documents of all their policies by name or ARN."""
    if names is None:
        names = [role["RoleName"] for role in _iam.list_roles(client) if _role_findings.is_node_role(role)]
    documents = Documents(client)
    roles = []
    for name in sorted(names):
        role = _iam.get_role(client, name)
        if role is None:
            continue
        attached = sorted(_iam.list_attached_policies(client, name), key=lambda p: p["PolicyArn"])
        inline = sorted(_iam.list_inline_policies(client, name))
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        roles.append(
            {
                **role,
                "Tags": role.get("Tags", []),
                "AttachedPolicies": attached,
                "Inline": {policy: load(_iam.get_inline_policy(client, name, policy) or {}) for policy in inline},
                "Managed": {p["PolicyArn"]: documents.of(p["PolicyArn"]) for p in attached},
                "Boundary": {boundary: documents.of(boundary)} if boundary else {},
            }
        )
    return roles


def managed(documents: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"policy_name": arn.rsplit("/", maxsplit=1)[-1], "policy_arn": arn, "policy_document": document}
        for arn, document in documents.items()
    ]


def shown(role: dict[str, Any], wanted: Wanted, named: bool, nodes: list[dict[str, Any]] | None) -> dict[str, Any]:
    """One role as it is returned, with what there is to say about it."""
    policies = [Policy(name, document) for name, document in {**role["Inline"], **role["Managed"]}.items()]
    boundary = next((Policy(arn, document) for arn, document in role["Boundary"].items()), None)
    users = None if nodes is None else sorted(users_of(role["RoleName"], nodes))
    found = _role_findings.findings(role, policies, boundary, wanted, certain=named or bool(users))
    partition, account = role["Arn"].split(":")[1], role["Arn"].split(":")[4]
    least = _node_policy.node_policy(
        clusters=wanted.clusters,
        regions=wanted.regions,
        features=wanted.features or (),
        partition=partition,
        account=account,
    )
    plain = {key: value for key, value in role.items() if key not in ("Inline", "Managed", "Boundary")}
    return {
        **_role.shown(plain),
        "inline_policies": [{"policy_name": n, "policy_document": d} for n, d in role["Inline"].items()],
        "managed_policies": managed(role["Managed"]),
        "boundary": next(iter(managed(role["Boundary"])), None),
        "managed_instance_ids": users,
        "findings": [_role_findings.shown(f) for f in found],
        "summary": {
            **_role_excess.counts(policies, boundary),
            "least_privilege": _role_excess.counts([Policy(_node_policy.POLICY_NAME, least)], None),
        },
    }


def users_of(name: str, nodes: list[dict[str, Any]]) -> list[str]:
    return [n["InstanceId"] for n in nodes if n.get("IamRole") and not is_replaced(n["IamRole"], name)]


def names_of(given: Sequence[str] | None) -> list[str] | None:
    """What GetRole takes: without the path."""
    if given is None:
        return None
    try:
        return list(dict.fromkeys(role_name(name).rsplit("/", maxsplit=1)[-1] for name in given))
    except ValueError as error:
        raise ValueError(str(error).replace("iam_role:", "name:", 1)) from error


def main() -> None:
    module = AwsModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "aliases": ["names", "role_name"]},
            "clusters": {"type": "list", "elements": "str", "default": []},
            "regions": {"type": "list", "elements": "str"},
            "features": {"type": "list", "elements": "str", "choices": sorted(_node_policy.FEATURES)},
        },
        supports_check_mode=True,
    )
    p = module.params
    regions = p["regions"] or ([module.region] if module.region else [])
    if p["regions"] is None and p["clusters"] and all(c.startswith("arn:") for c in p["clusters"]):
        regions = []  # the clusters tell
    wanted = Wanted(p["clusters"], regions, p["features"])
    problem = _node_policy.problem_of(wanted.clusters, wanted.regions, wanted.features or ())
    failure: AnsibleAWSError | None = None
    roles: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] | None = None
    shown_roles: list[dict[str, Any]] = []
    try:
        names = names_of(p["name"])
        if not problem and names != []:
            roles = read(module.client("iam"), names)
            if p["regions"]:
                nodes = [n for r in regions for n in _ssm.list_managed_nodes(module.client("ssm", region=r))]
            shown_roles = [shown(role, wanted, names is not None, nodes) for role in roles]
    except ValueError as error:
        problem = str(error)
    except (_iam.IamError, _ssm.SsmError) as error:
        failure = error
    if problem:
        module.fail_json(msg=problem)
    if failure:
        _errors.fail(module, failure, _errors.place(module, role=", ".join(p["name"] or [])))

    about_nodes = _role_findings.node_findings(nodes or [], [role["RoleName"] for role in roles])
    module.exit_json(
        changed=False,
        roles=shown_roles,
        findings=[_role_findings.shown(finding) for finding in about_nodes],
    )


if __name__ == "__main__":
    main()
