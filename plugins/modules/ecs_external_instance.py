#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_external_instance
short_description: Manage external instances, many in one call
version_added: 0.1.0
description:
  - Gives the managed nodes of external instances the IAM role they should work under. Quick Setup of Systems Manager
    (and Patch Manager, which it sets up) replaces the role of managed nodes, after which the ECS agents of a whole
    fleet are denied. This repairs it, and nothing has to be registered again.
  - What is not given stays as it is.
  - All instances are read in one call per 50, and only those that differ are changed.
  - Each instance has its own result. One that fails does not keep the others from being changed; the module fails at
    the end, with all results.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  managed_instance_ids:
    description:
      - The instances, by their managed instance ids (V(mi-) and 17 hexadecimal digits).
      - An id that Systems Manager does not know in this Region and account is a failure of that instance.
      - An empty list changes nothing and calls nothing.
    type: list
    elements: str
    required: true
  iam_role:
    description:
      - The IAM role that the managed nodes should have, as name, path and name (V(service-role/MyRole)) or ARN.
        AWS wants path and name, at most 64 characters; the module makes that of what is given.
      - Unique ids (V(AROA...)) are refused, as AWS does not take them.
      - Roles are compared by name, which is unique in an account whatever the path.
    type: str
    aliases: [role]
  iam_propagation_timeout:
    description:
      - Seconds to go on trying while Systems Manager says that the role does not exist or does not trust it, which it
        also says of a role that was created or changed a moment ago. It is the time for all instances together.
      - A role whose trust policy is wrong is given up after 15 seconds, one whose path was not given at once.
    type: int
    default: 120
notes:
  - A node gets credentials of its new role with its next token, which its SSM agent asks for when half the life of the
    present one is over, up to 30 minutes later. The role P(hybrid.ecs_anywhere.ecs_anywhere#role) makes the agents of
    its servers ask at once.
  - >-
    Permissions: C(ssm:DescribeInstanceInformation); to change a role C(ssm:UpdateManagedInstanceRole) and
    C(iam:PassRole) on the role. C(iam:GetRole) is used only to explain why Systems Manager refuses a role.
  - >-
    AWS's documentation: "UpdateManagedInstanceRole"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateManagedInstanceRole.html)),
    "DescribeInstanceInformation"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html)).
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
  - module: hybrid.ecs_anywhere.ecs_anywhere_role
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
attributes:
  check_mode:
    support: full
    details:
      - Whether AWS would take the role is not known before it is asked to.
  diff_mode:
    support: full
    details:
      - Shows the instances that change.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Which instances have lost their role
  hybrid.ecs_anywhere.ecs_external_instance_info:
    cluster: edge
    region: eu-west-1
    iam_role: ecsAnywhereRole
  register: fleet

- name: Give it back to them
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: >-
      {{ fleet.instances | selectattr('role_replaced', 'true') | map(attribute='managed_instance_id') }}
    iam_role: ecsAnywhereRole
    region: eu-west-1
"""

RETURN = r"""
instances:
  description:
    - The result of each instance, in the order of O(managed_instance_ids).
    - Also returned when some of them failed.
  returned: when the instances could be read
  type: list
  elements: dict
  contains:
    managed_instance_id:
      description: The managed instance id.
      type: str
      returned: always
      sample: mi-0123456789abcdef0
    changed:
      description: Whether this instance was changed, or would be.
      type: bool
      returned: always
      sample: true
    failed:
      description: Whether this instance could not be made what it should be.
      type: bool
      returned: always
      sample: false
    msg:
      description: Why it failed. Empty if it did not.
      type: str
      returned: always
      sample: ""
    iam_role:
      description:
        - Path and name of the role that its managed node has now, or would have.
        - Null if Systems Manager does not know the instance.
      type: str
      returned: always
      sample: ecsAnywhereRole
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_refused
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._external_instance import Wish
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name

State = dict[str, Any]


class Outcome(NamedTuple):
    before: State | None
    after: State | None
    problem: str

    def shown(self, managed_instance_id: str) -> dict[str, Any]:
        return {
            "managed_instance_id": managed_instance_id,
            "changed": self.before != self.after,
            "failed": bool(self.problem),
            "msg": self.problem,
            **(self.after or {"iam_role": None}),
        }


def find(client: Any, ids: list[str]) -> dict[str, State]:
    nodes = _ssm.describe_nodes(client, ids)
    return {node["InstanceId"]: _external_instance.state_of(_external_instance.node_of(node)) for node in nodes}


def apply(client: Any, managed_instance_id: str, after: State, patience: _role_refused.Patience) -> None:
    """Make the instance what it should be. The only function here that writes."""
    while True:
        try:
            _ssm.update_node_role(client, managed_instance_id, after["iam_role"])
            return
        except _ssm.SsmError as error:
            if not _role_refused.is_role_refused(error):
                raise
            patience.wait(error)


def ensure(
    ids: list[str],
    current: dict[str, State],
    wish: Wish,
    write: Callable[[str, State], None],
    where: str,
) -> dict[str, Outcome]:
    """One instance after the other. *write* is called for those that differ only."""
    outcomes = {}
    refused = ""
    for managed_instance_id in ids:
        before = current.get(managed_instance_id)
        if before is None:
            problem = (
                f"Systems Manager knows no managed node of that id ({where}): it was deregistered, or is of another "
                "region or account."
            )
            outcomes[managed_instance_id] = Outcome(None, None, problem)
            continue
        after = _external_instance.wanted(before, wish)
        problem = refused if after != before else ""
        if after != before and not problem:
            try:
                write(managed_instance_id, after)
            except _ssm.SsmError as error:
                problem = _errors.sentence(error, where, error.service)
                if _role_refused.is_role_refused(error):
                    refused = problem  # it concerns the role, so no other instance would fare better
        outcomes[managed_instance_id] = Outcome(before, before if problem else after, problem)
    return outcomes


def report(module: AwsModule, outcomes: dict[str, Outcome]) -> None:
    changes = {i: outcome for i, outcome in outcomes.items() if outcome.before != outcome.after}
    problems = {i: outcome.problem for i, outcome in outcomes.items() if outcome.problem}
    result: dict[str, Any] = {
        "changed": bool(changes),
        "instances": [outcome.shown(i) for i, outcome in outcomes.items()],
    }
    if module._diff:
        result["diff"] = {
            "before": {i: outcome.before for i, outcome in changes.items()},
            "after": {i: outcome.after for i, outcome in changes.items()},
        }
    if problems:
        module.fail_json(msg=_external_instance.summary(problems, len(outcomes)), **result)
    module.exit_json(**result)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "managed_instance_ids": {"type": "list", "elements": "str", "required": True},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "iam_propagation_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    p = module.params
    ids = list(dict.fromkeys(p["managed_instance_ids"]))
    problem = _external_instance.problem_of_ids(ids)
    wish = Wish()
    try:
        wish = Wish(iam_role=None if p["iam_role"] is None else role_name(p["iam_role"]))
    except ValueError as error:
        problem = str(error)
    if problem:
        module.fail_json(msg=problem)
    if not ids:
        report(module, {})

    client = module.client("ssm")
    where = _errors.place(module, role=wish.iam_role)
    patience = _role_refused.Patience(
        lambda: _role_refused.look_at_role(module, wish.iam_role or ""), p["iam_propagation_timeout"]
    )

    def write(managed_instance_id: str, after: State) -> None:
        if not module.check_mode:  # the only place that asks
            apply(client, managed_instance_id, after, patience)

    failure: _ssm.SsmError | None = None
    current: dict[str, State] = {}
    try:
        current = find(client, ids)
    except _ssm.SsmError as error:
        failure = error
    if failure:
        _errors.fail(module, failure, where)
    report(module, ensure(ids, current, wish, write, where))


if __name__ == "__main__":
    main()
