#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_anywhere_role
short_description: Manage the IAM role of ECS Anywhere servers
version_added: 0.1.0
description:
  - Manages the IAM role that external instances of Amazon ECS work under, usually C(ecsAnywhereRole).
  - The default result is what AWS's guide and the ECS console make. Systems Manager (C(ssm.amazonaws.com)) may assume
    the role, and C(AmazonSSMManagedInstanceCore) and C(service-role/AmazonEC2ContainerServiceforEC2Role) are attached,
    with the ARNs of the right partition.
  - Only the role's meaning counts. A role made by the console or by hand that does the same is adopted
    without a change.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  state:
    description:
      - Whether the role shall exist.
      - With V(absent), managed policies are detached, inline policies deleted, and the role is taken out of instance
        profiles before it is deleted. The profiles themselves stay.
      - Servers that are registered under a deleted role lose their credentials within the hour.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The name of the role, unique in the account whatever its path.
    type: str
    default: ecsAnywhereRole
    aliases: [role_name]
  path:
    description:
      - The path of the role. A new role gets V(/) when this is not given.
      - A path cannot be changed. If the role exists with another path, the module fails before it changes anything.
    type: str
    aliases: [prefix, path_prefix]
  description:
    description:
      - The description of the role. Not given means that an existing one stays.
    type: str
  max_session_duration:
    description:
      - The longest session of the role in seconds, V(3600) to V(43200). Not given means that an existing value stays.
    type: int
  boundary:
    description:
      - ARN of the managed policy that is the role's permissions boundary.
      - An empty string removes the boundary. Not given means that an existing one stays.
    type: str
    aliases: [boundary_policy_arn]
  managed_policies:
    description:
      - Managed policies to attach beside the two that ECS Anywhere needs, as ARN, name, or path and name such as
        V(service-role/AmazonECSTaskExecutionRolePolicy).
      - Names of policies that are not attached yet cost a listing of all policies (C(iam:ListPolicies)). ARNs do not.
    type: list
    elements: str
    default: []
    aliases: [managed_policy]
  purge_policies:
    description:
      - Whether to detach managed policies other than the two and those in O(managed_policies).
      - Unlike in M(amazon.aws.iam_role) the default is V(false), so that adopting a role never takes a permission
        from servers that already work under it.
      - Inline policies are left alone in any case.
    type: bool
    default: false
    aliases: [purge_policy, purge_managed_policies]
  wait:
    description:
      - Whether to wait until IAM shows a role that was just created.
    type: bool
    default: true
  wait_timeout:
    description:
      - How long to wait in seconds.
    type: int
    default: 120
notes:
  - >-
    How trust is compared: the trust is right if some statement lets C(ssm.amazonaws.com) do C(sts:AssumeRole), however
    it is written (object or list, order, C(Sid), C(Version), wildcards in the action). Conditions on
    C(aws:SourceAccount), C(aws:SourceArn) and the like make a trust stricter; such a trust is right too and is not
    loosened, unless its conditions name other accounts only, or C(sts:ExternalId), which Systems Manager never meets.
  - >-
    Further statements and principals of a trust stay, because others may rely on them. They are drift only if they
    defeat the trust, which is an unconditional C(Deny) of the same. A repair adds AWS's plain statement, removes the
    statements that defeat it or that try the same and fail, and keeps all others.
  - >-
    Calls: 2 without a change (C(GetRole), C(ListAttachedRolePolicies)), 5 to create the default role.
  - >-
    AWS's documentation: "Amazon ECS Anywhere IAM role"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/iam-role-ecsanywhere.html)), "Create the IAM service
    role required for Systems Manager in hybrid and multicloud environments"
    (U(https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-multicloud-service-role.html)).
seealso:
  - module: amazon.aws.iam_role
  - module: hybrid.ecs_anywhere.ssm_activation
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
attributes:
  check_mode:
    support: full
    details:
      - The predicted role is returned. What only AWS can tell of a role that does not exist yet is null
        (C(role_id), C(create_date)), and its ARN carries the account V(000000000000).
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
# Credentials and region come from the environment here; see the options of the same name.

- name: The role of AWS's guide
  hybrid.ecs_anywhere.ecs_anywhere_role:
  register: node_role

- name: One that may also send logs and is bound by a boundary
  hybrid.ecs_anywhere.ecs_anywhere_role:
    name: edge-nodes
    path: /edge/
    description: External instances of the cluster edge
    managed_policies:
      - CloudWatchAgentServerPolicy
    boundary: arn:aws:iam::123456789012:policy/edge-boundary
    tags:
      team: edge

- name: Exactly the two policies and no other
  hybrid.ecs_anywhere.ecs_anywhere_role:
    purge_policies: true

- name: Remove it
  hybrid.ecs_anywhere.ecs_anywhere_role:
    state: absent
"""

RETURN = r"""
iam_role:
  description: The role as it is, or in check mode as it would be. Same keys as M(amazon.aws.iam_role) returns.
  returned: when O(state=present)
  type: dict
  contains:
    arn:
      description: The ARN of the role.
      type: str
      returned: always
      sample: arn:aws:iam::123456789012:role/ecsAnywhereRole
    role_name:
      description: The name of the role.
      type: str
      returned: always
      sample: ecsAnywhereRole
    role_id:
      description: The unique id of the role, null when predicted.
      type: str
      returned: always
      sample: AROAEXAMPLEEXAMPLE123
    path:
      description: The path of the role.
      type: str
      returned: always
      sample: /
    create_date:
      description: When the role was created, null when predicted.
      type: str
      returned: always
      sample: "2026-11-23T20:44:00+00:00"
    description:
      description: The description of the role, if it has one.
      type: str
      returned: when the role has one
      sample: External instances of the cluster edge
    max_session_duration:
      description: The longest session in seconds.
      type: int
      returned: always
      sample: 3600
    permissions_boundary:
      description: The permissions boundary.
      type: dict
      returned: when the role has one
      contains:
        permissions_boundary_type:
          description: Always V(Policy) (AWS's API reference calls it C(PermissionsBoundaryPolicy)).
          type: str
          returned: always
          sample: Policy
        permissions_boundary_arn:
          description: The ARN of the policy.
          type: str
          returned: always
          sample: arn:aws:iam::123456789012:policy/edge-boundary
    assume_role_policy_document:
      description: The trust policy, keys as AWS spells them.
      type: dict
      returned: always
      sample:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal:
              Service: ssm.amazonaws.com
            Action: sts:AssumeRole
    attached_policies:
      description: The attached managed policies, sorted by ARN.
      type: list
      elements: dict
      returned: always
      contains:
        policy_arn:
          description: The ARN of the policy.
          type: str
          returned: always
          sample: arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore
        policy_name:
          description: The name of the policy.
          type: str
          returned: always
          sample: AmazonSSMManagedInstanceCore
    tags:
      description: The tags of the role.
      type: dict
      returned: always
      sample: {"team": "edge"}
"""

from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _iam
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule

SERVICE = "ssm.amazonaws.com"
BASE_POLICIES = ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role")


def present(
    client: Any, wish: _role.Wish, current: _role.Role | None, wait_timeout: int | None, write: bool
) -> tuple[_role.Role | None, _role.Role]:
    """The role before and after; in between it is written, if it is to be. ValueError says what stands in the way."""
    conflict = _role.conflict_of(current, wish)
    if conflict:
        raise ValueError(conflict)
    partition = _role.partition_of(current, client)
    arns = _role.resolve_policies(wish, current, partition, lambda: _iam.list_policies(client))
    after = _role.wanted(current, wish, arns, partition)
    if not write or after == current:
        return current, after
    if current is not None:
        _role.update(client, current, after)
        return current, after
    try:
        return None, _role.create(client, after, wait_timeout)
    except _iam.IamError as error:
        if not _role.is_quicker_creator(error):
            raise
    # Somebody was quicker. What they made is as good as any other role: look at it and converge.
    _iam.wait_for_role(client, wish.name, wait_timeout or 10)
    return present(client, wish, _role.find(client, wish.name), wait_timeout, write)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str", "default": "ecsAnywhereRole", "aliases": ["role_name"]},
            "path": {"type": "str", "aliases": ["prefix", "path_prefix"]},
            "description": {"type": "str"},
            "max_session_duration": {"type": "int"},
            "boundary": {"type": "str", "aliases": ["boundary_policy_arn"]},
            "managed_policies": {"type": "list", "elements": "str", "default": [], "aliases": ["managed_policy"]},
            "purge_policies": {
                "type": "bool",
                "default": False,
                "aliases": ["purge_policy", "purge_managed_policies"],
            },
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "purge_tags": {"type": "bool", "default": True},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    p = module.params
    wish = _role.Wish(
        name=p["name"],
        service=SERVICE,
        base_policies=BASE_POLICIES,
        managed_policies=tuple(p["managed_policies"]),
        purge_policies=p["purge_policies"],
        path=p["path"],
        description=p["description"],
        max_session_duration=p["max_session_duration"],
        boundary=p["boundary"],
        tags=None if p["tags"] is None else {str(k): str(v) for k, v in p["tags"].items()},
        purge_tags=p["purge_tags"],
    )
    problem = _role.problem_of(wish)
    if problem:
        module.fail_json(msg=problem)

    client = module.client("iam")
    write = not module.check_mode  # the only place that asks
    before: _role.Role | None = None
    after: _role.Role | None = None
    failure: _iam.IamError | None = None
    try:
        current = _role.find(client, wish.name, with_policies=p["state"] == "present" or module._diff)
        if p["state"] == "present":
            before, after = present(client, wish, current, p["wait_timeout"] if p["wait"] else None, write)
        else:
            before = current
            if before is not None and write:
                _role.delete(client, wish.name)
    except ValueError as error:
        problem = str(error)
    except _iam.IamError as error:
        failure = error
    if problem:
        module.fail_json(msg=problem)
    if failure:
        _errors.fail(module, failure, f"role {wish.name}")

    result: dict[str, Any] = {"changed": before != after}
    if p["state"] == "present":
        result["iam_role"] = _role.shown(after)
    if module._diff:
        result["diff"] = {"before": _role.compared(before), "after": _role.compared(after)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
