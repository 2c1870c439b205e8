#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_container_instance
short_description: Deregister container instances that no server works as any more
version_added: 0.1.0
description:
  - A server that registers anew leaves its former container instance behind, ACTIVE and disconnected for ever. This
    module removes such remains from the cluster, named by ARN.
  - A container instance whose agent is connected is never deregistered. Some server works as it.
  - To take external instances out of a cluster, see M(hybrid.ecs_anywhere.ecs_external_instance).
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  cluster:
    description: Name or ARN of the cluster.
    type: str
    required: true
  container_instances:
    description:
      - ARNs of the container instances. Those that the cluster does not have are right already.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(absent) deregisters them, also when ECS believes that tasks run there. Their agent is gone, so that nobody
        can tell.
    type: str
    choices: [absent]
    default: absent
  wait_timeout:
    description: Seconds to wait until ECS has seen that an agent is gone.
    type: int
    default: 60
notes:
  - "Permissions: C(ecs:DescribeContainerInstances), C(ecs:DeregisterContainerInstance)."
  - >-
    AWS's documentation: "DeregisterContainerInstance"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterContainerInstance.html)).
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Look for servers that are several container instances
  hybrid.ecs_anywhere.ecs_external_instance_info:
    cluster: edge
    region: eu-west-1
  register: fleet

- name: Remove those that nobody works as
  hybrid.ecs_anywhere.ecs_container_instance:
    cluster: edge
    region: eu-west-1
    container_instances: "{{ fleet.instances | map(attribute='duplicates') | flatten }}"
"""

RETURN = r"""
instances:
  description: What became of each of O(container_instances).
  returned: always
  type: list
  elements: dict
  contains:
    container_instance_arn:
      description: Its ARN.
      type: str
      returned: always
      sample: arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef
    changed:
      description: Whether it was, or would be, deregistered.
      type: bool
      returned: always
      sample: true
    failed:
      description: Whether it is still there against the wish.
      type: bool
      returned: always
      sample: false
    msg:
      description: Why, or an empty string.
      type: str
      returned: always
      sample: ""
"""

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule

PAUSE = 2


def find(client: Any, cluster: str, arns: list[str]) -> dict[str, bool]:
    """Those that are there, and whether their agent is connected."""
    found = {}
    for start in range(0, len(arns), _ecs.INSTANCES_PER_CALL):
        for raw in _ecs.describe_container_instances(client, cluster, arns[start : start + _ecs.INSTANCES_PER_CALL]):
            if raw.get("status") != "INACTIVE":
                found[raw["containerInstanceArn"]] = bool(raw.get("agentConnected"))
    return found


def find_quiet(client: Any, cluster: str, arns: list[str], timeout: int) -> dict[str, bool]:
    """As above, once ECS has seen all their agents gone, or after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = find(client, cluster, arns)
        if not any(found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE)


def ensure(arns: list[str], found: dict[str, bool], write: Callable[[str], None], where: str) -> list[dict[str, Any]]:
    outcomes = []
    for arn in arns:
        there, problem = arn in found, ""
        if found.get(arn):
            problem = (
                f"The ECS agent of the container instance is connected ({where}): a server works as it, perhaps a "
                "clone. Find that server (the same managed instance id is in its vault) and run again."
            )
        elif there:
            try:
                write(arn)
            except _ecs.EcsError as error:
                problem = _errors.sentence(error, where, error.service)
        changed = there and not problem
        outcomes.append({"container_instance_arn": arn, "changed": changed, "failed": bool(problem), "msg": problem})
    return outcomes


def report(module: AwsModule, outcomes: list[dict[str, Any]]) -> None:
    gone = [o["container_instance_arn"] for o in outcomes if o["changed"]]
    problems = {o["container_instance_arn"]: o["msg"] for o in outcomes if o["failed"]}
    result: dict[str, Any] = {"changed": bool(gone), "instances": outcomes}
    if module._diff:
        result["diff"] = {"before": {"container_instances": gone}, "after": {"container_instances": []}}
    if problems:
        module.fail_json(msg=_external_instance.summary(problems, len(outcomes)), **result)
    module.exit_json(**result)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "container_instances": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
            "wait_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    p = module.params
    cluster, arns = p["cluster"], list(dict.fromkeys(p["container_instances"]))
    if not arns:
        report(module, [])
    client = module.client("ecs")
    where = _errors.place(module, cluster=cluster)

    def write(arn: str) -> None:
        if not module.check_mode:  # the only place that asks
            _ecs.deregister_container_instance(client, cluster, arn, True)

    failure: _ecs.EcsError | None = None
    found: dict[str, bool] = {}
    try:
        found = find_quiet(client, cluster, arns, 0 if module.check_mode else p["wait_timeout"])
    except _ecs.EcsError as error:
        failure = error
    if failure:
        _errors.fail(module, failure, where)
    report(module, ensure(arns, found, write, where))


if __name__ == "__main__":
    main()
