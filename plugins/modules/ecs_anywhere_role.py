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
  - With O(policy_mode=least_privilege) the role may do what the agents do for the clusters, Regions and features that
    you name, and nothing else.
  - Only the role's meaning counts. A role made by the console or by hand that does the same is adopted
    without a change.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  name:
    description:
      - The name of the role, unique in the account whatever its path.
    type: str
    default: ecsAnywhereRole
    aliases: [role_name]
  policy_mode:
    description:
      - Where the permissions of the agents come from. Changing it later takes away what the former mode put there, once
        the new permissions are written.
      - Not given means V(managed), but a role that V(least_privilege) was given before is left with it, so that a run
        that does not care does not loosen what another tightened.
    type: str
    choices:
      managed: >-
        AWS's two managed policies, as in its guide, which says of the second that it likely provides more access than
        you need. With the first, every server can read every parameter of Systems Manager that is not encrypted with a
        KMS key of yours.
      least_privilege: >-
        One inline policy, C(ECSAnywhereLeastPrivilege), made from O(clusters), O(regions) and O(features). AWS's two
        managed policies are detached, unless O(managed_policies) names them.
      custom: >-
        What O(managed_policies) and O(inline_policies) say. The policies of the other modes are neither added nor taken
        away, unless O(purge_policies) and O(purge_inline_policies) say so.
  clusters:
    description:
      - For O(policy_mode=least_privilege), the clusters that servers may join, as names or ARNs. A name means the
        cluster of that name in each of O(regions).
      - None means every cluster of the account in O(regions).
    type: list
    elements: str
    default: []
  regions:
    description:
      - The Regions where servers are registered, for O(policy_mode=least_privilege) and for O(trust=restricted).
      - Not given means the Regions of O(clusters) if these are all ARNs, and otherwise the Region of the module itself.
    type: list
    elements: str
  features:
    description:
      - For O(policy_mode=least_privilege), what servers may do beside running tasks and staying connected.
      - Tasks that use C(awslogs), private images or secrets are better given a task execution role. See
        M(hybrid.ecs_anywhere.ecs_task_execution_role).
    type: list
    elements: str
    choices:
      cloudwatch_logs: >-
        Containers with the log driver awslogs write to existing log groups, though their task has no
        execution role.
      distributor: >-
        Packages are installed by AWS-ConfigureAWSPackage. Implies run_command.
      ecr_pull: >-
        Images of the account's private repositories are pulled for tasks that have no execution role.
      ecs_exec: >-
        Adds nothing: the agent inside a container works with the task role, which is what must be allowed ECS
        Exec.
      instance_tags: >-
        The ECS agent tags its container instance when it registers (ECS_CONTAINER_INSTANCE_TAGS), and only
        then.
      inventory: >-
        Systems Manager collects an inventory, by an association. Implies state_manager.
      patch_manager: >-
        Patch Manager scans and installs, by a command or an association. Implies run_command and
        state_manager.
      run_command: >-
        Run Command, also on agents that have no channel and poll for messages.
      session_manager: >-
        Session Manager opens shells and forwards ports. Logging sessions to S3 or CloudWatch needs more.
      state_manager: >-
        State Manager applies associations and learns how they went.
    default: []
notes:
  - >-
    Calls: 3 without a change (C(GetRole), C(ListAttachedRolePolicies), and C(ListRolePolicies) or with
    O(policy_mode=least_privilege) C(GetRolePolicy)), 5 to create the default role. Each of O(inline_policies)
    costs one more (C(GetRolePolicy)). The account is asked for (C(sts:GetCallerIdentity)) only to create a
    role with O(policy_mode=least_privilege) or O(trust=restricted).
  - >-
    The agents repeat what was denied, except that the ECS agent gives up if that is C(RegisterContainerInstance). So
    change O(policy_mode) while no server is being registered.
  - >-
    AWS's documentation: "Amazon ECS Anywhere IAM role"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/iam-role-ecsanywhere.html)), "Create the IAM service
    role required for Systems Manager in hybrid and multicloud environments"
    (U(https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-multicloud-service-role.html)), "The confused
    deputy problem" (U(https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html)).
seealso:
  - module: amazon.aws.iam_role
  - module: hybrid.ecs_anywhere.ecs_task_execution_role
  - module: hybrid.ecs_anywhere.ssm_activation
extends_documentation_fragment:
  - hybrid.ecs_anywhere._role
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.tags
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
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

- name: No more than the agents of one cluster need, with Session Manager to log in
  hybrid.ecs_anywhere.ecs_anywhere_role:
    policy_mode: least_privilege
    clusters: [edge]
    regions: [eu-west-1]
    features: [session_manager]
    trust: restricted

- name: With a policy of your own beside it
  hybrid.ecs_anywhere.ecs_anywhere_role:
    inline_policies:
      backups:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: s3:PutObject
            Resource: arn:aws:s3:::edge-backups/*

- name: Exactly the two policies and no other
  hybrid.ecs_anywhere.ecs_anywhere_role:
    purge_policies: true
    purge_inline_policies: true

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
    inline_policies:
      description:
        - The inline policies that the options are about, sorted by name. All of them if O(purge_inline_policies=true).
      type: list
      elements: dict
      returned: when the options are about inline policies, or one of O(policy_mode=least_privilege) was deleted
      contains:
        policy_name:
          description: The name of the policy.
          type: str
          returned: always
          sample: ECSAnywhereLeastPrivilege
        policy_document:
          description: The policy document, keys as AWS spells them.
          type: dict
          returned: always
          sample:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: s3:PutObject
                Resource: arn:aws:s3:::edge-backups/*
    tags:
      description: The tags of the role.
      type: dict
      returned: always
      sample: {"team": "edge"}
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is to be imported takes less time, and there is little to collect in so short a life

from collections.abc import Callable
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_module
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_role import AWS_POLICIES
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_role import OWN_POLICY
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_role import SERVICE

FEATURES = [
    "cloudwatch_logs",
    "distributor",
    "ecr_pull",
    "ecs_exec",
    "instance_tags",
    "inventory",
    "patch_manager",
    "run_command",
    "session_manager",
    "state_manager",
]


def regions_of(given: list[str] | None, clusters: list[str], own_region: Callable[[], str | None]) -> list[str]:
    """The Regions that are meant, as the documentation of regions says."""
    if given is None and not (clusters and all(cluster.startswith("arn:") for cluster in clusters)):
        own = own_region()
        given = [own] if own else []
    if not clusters:
        return sorted(set(given or []))
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy

    return _node_policy.regions_of(clusters, given or [])


def wish_of(p: dict[str, Any], own_region: Callable[[], str | None]) -> _role.Wish:
    """What the options ask for. ValueError says what is wrong with them."""
    mode, clusters, features = p["policy_mode"] or "managed", p["clusters"], p["features"]
    if mode != "least_privilege" and (clusters or features):
        raise ValueError(
            f"{'clusters' if clusters else 'features'} is for policy_mode=least_privilege only, not {mode}"
        )
    wants_regions = mode == "least_privilege" or p["trust"] == "restricted"
    if p["regions"] and not wants_regions:
        raise ValueError("regions is for policy_mode=least_privilege and trust=restricted only")
    regions = regions_of(p["regions"], clusters, own_region) if wants_regions else []
    wish = _role_module.wish_of(
        p,
        SERVICE,
        base_policies=AWS_POLICIES if mode == "managed" else (),
        own_policy=OWN_POLICY,
        regions=tuple(regions),
    )
    if mode == "managed":
        return wish._replace(retired_inline_policies=(OWN_POLICY,), yields_to="" if p["policy_mode"] else OWN_POLICY)
    if mode == "custom":
        return wish
    # The generator is a good part of all that would be imported, and of use in this mode only.
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy

    problem = _node_policy.problem_of(clusters, regions, features)
    if problem:
        raise ValueError(problem)

    def document(partition: str, account: str) -> dict[str, Any]:
        return _node_policy.node_policy(
            clusters=clusters, regions=regions, features=features, partition=partition, account=account
        )

    return wish._replace(retired_policies=AWS_POLICIES, generated_policies={OWN_POLICY: document})


def main() -> None:
    module = AwsModule(
        argument_spec={
            **_role_module.ARGUMENTS,
            "name": {"type": "str", "default": "ecsAnywhereRole", "aliases": ["role_name"]},
            "policy_mode": {
                "type": "str",
                "choices": ["managed", "least_privilege", "custom"],
            },
            "clusters": {"type": "list", "elements": "str", "default": []},
            "features": {
                "type": "list",
                "elements": "str",
                "choices": FEATURES,
                "default": [],
            },
        },
        supports_check_mode=True,
    )
    _role_module.run(module, lambda: wish_of(module.params, lambda: module.region))


if __name__ == "__main__":
    main()
