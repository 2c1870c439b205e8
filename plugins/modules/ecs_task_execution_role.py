#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_task_execution_role
short_description: Manage the IAM role that starts ECS tasks
version_added: 0.1.0
description:
  - Manages the task execution role of Amazon ECS, usually C(ecsTaskExecutionRole). ECS assumes it to start a task, and
    its agent works with it around the containers. The containers themselves work with the task role.
  - ECS (C(ecs-tasks.amazonaws.com)) may assume the role, and C(service-role/AmazonECSTaskExecutionRolePolicy) is
    attached, with the ARN of the right partition. It allows to pull from private ECR repositories, and to write to
    log groups that exist.
  - >-
    On external instances a task needs it (C(executionRoleArn) in its definition) if its containers log with the driver
    C(awslogs), if an image is in a private ECR repository and the node role may not pull from there (with
    AWS's managed policies it may, with O(hybrid.ecs_anywhere.ecs_anywhere_role#module:policy_mode=least_privilege) only
    if C(ecr_pull) is among the features), or if the definition has secrets.
  - For secrets, list them in O(secrets). AWS's policy does not allow to read any.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  name:
    description:
      - The name of the role, unique in the account whatever its path.
    type: str
    default: ecsTaskExecutionRole
    aliases: [role_name]
  secrets:
    description:
      - ARNs of what tasks are given as secrets. Secrets Manager secrets, Systems Manager parameters, and the KMS
        keys that these are encrypted with, unless that is AWS's own key of the service.
      - They become one inline policy, C(ECSTaskExecutionSecrets), which allows C(secretsmanager:GetSecretValue),
        C(ssm:GetParameters) and C(kms:Decrypt) on them and nothing else.
      - Names of secrets and parameters may contain the wildcards C(*) and C(?). A secret's ARN ends with its name and
        six random characters. What C(valueFrom) has behind that (JSON key, version) does not belong here.
      - An empty list removes the policy. Not given means that an existing one stays.
    type: list
    elements: str
  regions:
    description:
      - The Regions where tasks run, for O(trust=restricted). Not given means the Region of the module itself.
    type: list
    elements: str
notes:
  - >-
    Calls: 2 without a change (C(GetRole), C(ListAttachedRolePolicies)), one more for each of O(inline_policies) and one
    for O(secrets), 4 to create the default role. The account is asked for (C(sts:GetCallerIdentity)) only to
    create a role with O(trust=restricted).
  - >-
    AWS's documentation: "Amazon ECS task execution IAM role"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html)).
seealso:
  - module: amazon.aws.iam_role
  - module: hybrid.ecs_anywhere.ecs_anywhere_role
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
  hybrid.ecs_anywhere.ecs_task_execution_role:
  register: execution_role

- name: One for tasks with a database password, only for ECS in this account and Region
  hybrid.ecs_anywhere.ecs_task_execution_role:
    name: edge-task-execution
    secrets:
      - arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge/database-a1B2c3
      - arn:aws:ssm:eu-west-1:123456789012:parameter/edge/*
      - arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-4333-8444-555555555555
    trust: restricted

- name: No secrets any more
  hybrid.ecs_anywhere.ecs_task_execution_role:
    name: edge-task-execution
    secrets: []
"""

RETURN = r"""
iam_role:
  description:
    - The role as it is, or in check mode as it would be.
    - Same keys as M(hybrid.ecs_anywhere.ecs_anywhere_role) returns. Here are those that other tasks want most.
  returned: when O(state=present)
  type: dict
  contains:
    arn:
      description: The ARN of the role, for C(executionRoleArn) of a task definition.
      type: str
      returned: always
      sample: arn:aws:iam::123456789012:role/ecsTaskExecutionRole
    assume_role_policy_document:
      description: The trust policy, keys as AWS spells them.
      type: dict
      returned: always
    attached_policies:
      description: The attached managed policies, sorted by ARN.
      type: list
      elements: dict
      returned: always
      sample:
        - policy_arn: arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy
          policy_name: AmazonECSTaskExecutionRolePolicy
    inline_policies:
      description: The inline policies that the options are about, sorted by name.
      type: list
      elements: dict
      returned: when the options are about inline policies
      sample:
        - policy_name: ECSTaskExecutionSecrets
          policy_document:
            Version: "2012-10-17"
            Statement:
              - Sid: Secrets
                Effect: Allow
                Action: secretsmanager:GetSecretValue
                Resource: [arn:aws:secretsmanager:eu-west-1:123456789012:secret:edge/database-a1B2c3]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _execution_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_module
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule

SERVICE = "ecs-tasks.amazonaws.com"
AWS_POLICY = "service-role/AmazonECSTaskExecutionRolePolicy"


def wish_of(p: dict[str, Any], own_region: Callable[[], str | None]) -> _role.Wish:
    """What the options ask for. ValueError says what is wrong with them."""
    secrets = p["secrets"]
    problem = _execution_policy.problem_of(secrets or [])
    if problem:
        raise ValueError(problem)
    regions = p["regions"]
    if p["trust"] != "restricted":
        if regions:
            raise ValueError("regions is for trust=restricted only")
    elif regions is None:
        regions = [own_region()]
    wish = _role_module.wish_of(
        p,
        SERVICE,
        base_policies=(AWS_POLICY,),
        own_policy=_execution_policy.POLICY_NAME,
        regions=tuple(filter(None, regions or [])),
    )
    if secrets is None:
        return wish
    if not secrets:
        return wish._replace(retired_inline_policies=(_execution_policy.POLICY_NAME,))
    document = _execution_policy.secrets_policy(secrets)
    return wish._replace(inline_policies={**wish.inline_policies, _execution_policy.POLICY_NAME: document})


def main() -> None:
    module = AwsModule(
        argument_spec={
            **_role_module.ARGUMENTS,
            "name": {"type": "str", "default": "ecsTaskExecutionRole", "aliases": ["role_name"]},
            "secrets": {"type": "list", "elements": "str", "no_log": False},
        },
        supports_check_mode=True,
    )
    _role_module.run(module, lambda: wish_of(module.params, lambda: module.region))


if __name__ == "__main__":
    main()
