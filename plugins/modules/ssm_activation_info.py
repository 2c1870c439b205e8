#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_activation_info
short_description: List hybrid activations of Systems Manager
version_added: 0.1.0
description:
  - Lists the hybrid activations of an account and Region.
  - The codes of activations are not among what AWS tells. They are shown once, when an activation is created.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  activation_ids:
    description:
      - Only these activations. Those that do not exist are left out of the result.
      - An empty list means none, and nothing is called.
    type: list
    elements: str
    aliases: [activation_id]
  iam_role:
    description:
      - Only activations for this role, given as name, path and name, or ARN.
    type: str
    aliases: [role]
  default_instance_name:
    description:
      - Only activations that give servers this name.
    type: str
  usable:
    description:
      - V(true) shows only activations that have neither expired nor been used up, V(false) only the others.
    type: bool
notes:
  - >-
    AWS's documentation: "DescribeActivations"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeActivations.html)).
seealso:
  - module: hybrid.ecs_anywhere.ssm_activation
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.info_module
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
"""

EXAMPLES = r"""
- name: All activations
  hybrid.ecs_anywhere.ssm_activation_info:

- name: Those that are of no use any more
  hybrid.ecs_anywhere.ssm_activation_info:
    iam_role: ecsAnywhereRole
    usable: false
  register: dead

- name: Delete them
  hybrid.ecs_anywhere.ssm_activation:
    state: absent
    activation_id: "{{ item.activation_id }}"
  loop: "{{ dead.activations }}"
"""

RETURN = r"""
activations:
  description: The activations, the newest first.
  returned: always
  type: list
  elements: dict
  contains:
    activation_id:
      description: The id.
      type: str
      returned: always
      sample: 3a0bf0d3-0d05-4d36-a3f0-97b7a1a1b2c3
    iam_role:
      description: Path and name of the role.
      type: str
      returned: always
      sample: ecsAnywhereRole
    registration_limit:
      description: How many servers may register.
      type: int
      returned: always
      sample: 20
    registrations_count:
      description: How many did.
      type: int
      returned: always
      sample: 3
    registrations_left:
      description: How many still may.
      type: int
      returned: always
      sample: 17
    expiration_date:
      description: When it ends, in UTC.
      type: str
      returned: always
      sample: "2026-11-24T20:44:00+00:00"
    expired:
      description: Whether it has ended.
      type: bool
      returned: always
      sample: false
    created_date:
      description: When it was created.
      type: str
      returned: always
      sample: "2026-11-23T20:44:00+00:00"
    default_instance_name:
      description: Name of the servers in Systems Manager.
      type: str
      returned: always
      sample: edge
    description:
      description: The description.
      type: str
      returned: always
      sample: ""
    tags:
      description: The tags.
      type: dict
      returned: always
      sample: {"site": "hamburg"}
"""

from datetime import UTC
from datetime import datetime
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _activation
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name


def chosen(activations: list[dict[str, Any]], usable: bool | None, now: datetime) -> list[dict[str, Any]]:
    """Those that were asked for, the newest first."""
    if usable is not None:
        activations = [
            a for a in activations if usable == (a["registrations_left"] > 0 and not _activation.has_ended(a, now))
        ]
    return sorted(activations, key=lambda a: (a["created_date"] or "", a["activation_id"] or ""), reverse=True)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "activation_ids": {"type": "list", "elements": "str", "aliases": ["activation_id"]},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "default_instance_name": {"type": "str"},
            "usable": {"type": "bool"},
        },
        supports_check_mode=True,
    )
    p = module.params
    problem: str | None = None
    filters: dict[str, list[str]] = {}
    try:
        if p["iam_role"]:
            filters["IamRole"] = [role_name(p["iam_role"])]
    except ValueError as error:
        problem = str(error)
    if p["default_instance_name"]:
        filters["DefaultInstanceName"] = [p["default_instance_name"]]
    for activation_id in p["activation_ids"] or []:
        problem = problem or _activation.problem_of_id(activation_id)
    if p["activation_ids"]:
        filters["ActivationIds"] = p["activation_ids"]
    if problem:
        module.fail_json(msg=problem)

    failure: _ssm.SsmError | None = None
    found: list[dict[str, Any]] = []
    if p["activation_ids"] != []:
        try:
            found = [
                _activation.shown(a) for a in _ssm.describe_activations(module.client_that_sends_once("ssm"), filters)
            ]
        except _ssm.SsmError as error:
            failure = error
    if failure:
        _errors.fail(module, failure, _errors.place(module))
    module.exit_json(changed=False, activations=chosen(found, p["usable"], datetime.now(UTC)))


if __name__ == "__main__":
    main()
