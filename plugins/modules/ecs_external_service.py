#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_external_service
short_description: Keep tasks running on external instances
version_added: 0.1.0
description:
  - Creates, changes and deletes a service with launch type V(EXTERNAL), and waits until its deployment is completed. If
    it fails, the message says which tasks stopped and why, and what the scheduler of ECS said last.
  - What is not given stays as it is. Only what differs is sent.
  - M(community.aws.ecs_service) knows no launch type V(EXTERNAL). What AWS does not have for external instances has no
    option here, such as load balancers, service discovery, network mode C(awsvpc), capacity providers and the strategy
    C(DAEMON), for which V(distinctInstance) and O(desired_count) come close.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  name:
    description: Name of the service, at most 255 letters, digits, hyphens and underscores.
    type: str
    required: true
  state:
    description:
      - V(present) creates the service or brings it to what is given.
      - V(absent) deletes it, and ECS stops its tasks. Its task definition stays.
    type: str
    choices: [present, absent]
    default: present
  desired_count:
    description: How many tasks are to run. One when the service is created and nothing is said.
    type: int
  deployment_configuration:
    description: How tasks are replaced.
    type: dict
    suboptions:
      minimum_healthy_percent:
        description: How much of O(desired_count) has to run during a deployment, in percent.
        type: int
      maximum_percent:
        description: How much of O(desired_count) may run during a deployment, in percent.
        type: int
      deployment_circuit_breaker:
        description: What becomes of a deployment of which one task after the other does not start.
        type: dict
        suboptions:
          enable:
            description: Whether ECS gives it up.
            type: bool
            required: true
          rollback:
            description: Whether ECS then goes back to the last deployment that was completed.
            type: bool
            required: true
  enable_execute_command:
    description: Whether ECS Exec may be used in tasks. Counts for tasks that are started later.
    type: bool
  propagate_tags:
    description: Whose tags tasks get that are started later.
    type: str
    choices: [TASK_DEFINITION, SERVICE, NONE]
  tags:
    description: Tags that the service should have.
    type: dict
    aliases: [resource_tags]
  purge_tags:
    description: Whether tags that O(tags) does not name are removed. Those of AWS (C(aws:)) are left alone.
    type: bool
    default: false
  force_new_deployment:
    description:
      - Replace all tasks, even if nothing differs. An image that has changed under its tag is pulled that way.
      - With it, each execution changes something.
    type: bool
    default: false
  deployment:
    description:
      - Id of a deployment (RV(deployment.id)). Nothing is changed; it is told how that deployment fares, and waited for
        with O(wait).
    type: str
  wait:
    description:
      - Look every five seconds until the deployment is completed and as many tasks run as are wanted, or until the
        tasks of a service that was deleted have ended. Whenever it changes, one line tells how far it is.
      - What this run did not change is waited for only if a deployment is in progress.
      - A service of that name that was deleted and still has tasks is waited for before it is created anew.
      - The controller does this between executions of the module.
    type: bool
    default: true
  wait_timeout:
    description: Seconds after which waiting fails. The service is left as it is.
    type: int
    default: 600
notes:
  - >-
    Permissions: C(ecs:DescribeServices), C(ecs:CreateService), C(ecs:UpdateService), C(ecs:DeleteService),
    C(ecs:DescribeTaskDefinition); with a document C(ecs:RegisterTaskDefinition), and C(iam:PassRole) on its roles; with
    tags C(ecs:TagResource) and C(ecs:UntagResource). C(ecs:ListTasks), C(ecs:DescribeTasks) and
    C(ecs:DescribeContainerInstances) to tell why tasks stopped.
  - >-
    AWS's documentation: "CreateService"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html)), "UpdateService"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html)).
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_task
  - module: hybrid.ecs_anywhere.ecs_external_instance
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._workload
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
attributes:
  check_mode:
    support: full
    details:
      - Whether tasks find an instance and start is not known before. V(FAMILY:(new\)) stands for a revision that would
        be registered.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Not with O(force_new_deployment).
"""

EXAMPLES = r"""
- name: Two web servers in hall north, never on the same machine
  hybrid.ecs_anywhere.ecs_external_service:
    name: web
    cluster: edge
    region: eu-west-1
    desired_count: 2
    placement_constraints:
      - {type: distinctInstance}
      - {type: memberOf, expression: "attribute:hall == north"}
    deployment_configuration:
      minimum_healthy_percent: 50
      maximum_percent: 100
      deployment_circuit_breaker: {enable: true, rollback: true}
    task_definition_document:
      family: web
      containerDefinitions:
        - name: web
          image: public.ecr.aws/nginx/nginx:1.27
          memory: 128
          portMappings: [{containerPort: 80, hostPort: 8080}]

- name: Go on with the newest revision of a family that something else registers
  hybrid.ecs_anywhere.ecs_external_service:
    name: web
    cluster: edge
    task_definition: web
    region: eu-west-1

- name: Scale, and do not wait
  hybrid.ecs_anywhere.ecs_external_service:
    name: web
    cluster: edge
    desired_count: 4
    wait: false
    region: eu-west-1

- name: Delete it, and wait for its tasks to end
  hybrid.ecs_anywhere.ecs_external_service:
    name: web
    cluster: edge
    state: absent
    region: eu-west-1
"""

RETURN = r"""
service:
  description:
    - The service as C(DescribeServices) tells it, with keys in snake case, its tags as a dictionary and its ten newest
      events. Empty if there is none.
    - In check mode what it would be, as far as that is known.
  returned: always
  type: dict
  sample:
    service_name: web
    service_arn: arn:aws:ecs:eu-west-1:123456789012:service/edge/web
    status: ACTIVE
    launch_type: EXTERNAL
    desired_count: 2
    running_count: 2
    pending_count: 0
    task_definition: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:4
    tags: {}
deployment:
  description: Its newest deployment, or the one that O(deployment) names. Empty if there is none.
  returned: when not in check mode
  type: dict
  contains:
    id:
      description: Its id, for O(deployment).
      type: str
      returned: if there is one
      sample: ecs-svc/0123456789012345678
    rollout_state:
      description: C(IN_PROGRESS), C(COMPLETED) or C(FAILED).
      type: str
      returned: if there is one
      sample: COMPLETED
    rollout_state_reason:
      description: AWS's words for it.
      type: str
      returned: if there is one
      sample: ECS deployment ecs-svc/0123456789012345678 completed.
    task_definition:
      description: ARN of the revision that it runs.
      type: str
      returned: if there is one
      sample: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:4
unfinished:
  description: Whether there is something left to wait for. Run again, or give RV(deployment.id) as O(deployment).
  returned: when not in check mode
  type: bool
  sample: false
progress:
  description: How far it is, for people.
  returned: when not in check mode
  type: str
  sample: 2 of 2 tasks running
stopped_tasks:
  description:
    - The tasks of the deployment that have stopped, as long as it is not completed, as
      RV(hybrid.ecs_anywhere.ecs_external_task#module:tasks) tells tasks. At most ten.
  returned: when not in check mode
  type: list
  elements: dict
  sample: []
events:
  description: What the scheduler of ECS said last, the newest first, as long as the deployment is not completed.
  returned: when not in check mode
  type: list
  elements: str
  sample: []
task_definition_arn:
  description: ARN of the task definition that was asked for.
  returned: when O(task_definition) or O(task_definition_document) is given
  type: str
  sample: arn:aws:ecs:eu-west-1:123456789012:task-definition/web:4
registered:
  description: Whether that revision was registered by this run, or would be.
  returned: when O(task_definition) or O(task_definition_document) is given
  type: bool
  sample: false
"""

import uuid
from typing import Any

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _definition_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_workloads
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _placement
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _service_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_definition
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._definition_run import MissingDefinition
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._definition_run import Revision

Raw = dict[str, Any]


def problem_of(p: dict[str, Any]) -> str | None:
    """What no AWS call could make right."""
    if not p["cluster"].strip():
        return "cluster must not be empty: AWS would take it for the cluster named default"
    if p["state"] == "absent" and p["deployment"]:
        return "deployment is of no use with state=absent"
    problem = _labels.problem_of(_labels.Labels(tags=_labels.as_texts(p["tags"])))
    if not problem and p["task_definition_document"] is not None:
        problem = _task_definition.problem_of(p["task_definition_document"])
    return problem or _placement.problem_of(p) or _service.problem_of(p)


def revision_of(client: Any, p: dict[str, Any], current: Raw | None, check_mode: bool, where: str) -> Revision | None:
    """The revision that was asked for. None leaves the service with what it has."""
    if p["task_definition_document"] is not None:
        return _definition_run.ensure(client, p["task_definition_document"], check_mode)
    given = p["task_definition"]
    if given is None:
        return None
    in_use = str((current or {}).get("taskDefinition"))
    if given in (in_use, _task_definition.name_of(in_use)):
        return Revision(in_use, {})  # also if it was deregistered meanwhile
    return _definition_run.find(client, given, where)


def present(module: AwsModule, client: Any, where: str) -> dict[str, Any]:
    p = module.params
    found = _ecs_workloads.describe_service(client, p["cluster"], p["name"])
    left = _service.leaving(found) if found and found["status"] != "ACTIVE" else ""
    if left and not module.check_mode:
        words = f"the former service of that name has {left}"
        if not p["wait"]:
            module.fail_json(msg=f"The service cannot be created yet ({where}): {words}. Next: run again, or set wait.")
        return {"changed": False, "service": _service.shown(found), "unfinished": True, "progress": words}
    current = found if found and found["status"] == "ACTIVE" else None
    if current and current.get("launchType") != "EXTERNAL":
        module.fail_json(
            msg=f"The service exists with launch type {current.get('launchType') or 'of a capacity provider'} "
            f"({where}), and AWS does not change it. Next: choose another name, or delete the service."
        )
    revision = revision_of(client, p, current, module.check_mode, where)
    if current is None and revision is None:
        module.fail_json(
            msg=f"There is no service of that name ({where}), and to create it task_definition or "
            "task_definition_document is needed."
        )
    tags = _labels.as_texts(p["tags"])
    wish = _service.wish_of(p, revision.arn if revision else None)
    before = _service.state_of(current) if current else None
    if before is None:
        made = _service.creation(wish, tags)
        after = _service.state_of(made)
    else:
        after = _service.wanted(before, wish, tags, p["purge_tags"])
    force = bool(p["force_new_deployment"] and current)
    registered = bool(revision and revision.registered)
    changed = before != after or force or registered
    result: dict[str, Any] = {"changed": changed}
    if revision:
        result.update(task_definition_arn=revision.arn, registered=revision.registered)
    if module._diff:
        result["diff"] = {"before": _service.snake(before), "after": _service.snake(after)}
    if module.check_mode:
        predicted = {**_service.shown(current), "service_name": p["name"], **_service.snake(after)}
        return {**result, "service": predicted}
    if before is None:
        raw = _ecs_workloads.create_service(
            client, uuid.uuid4().hex, cluster=p["cluster"], serviceName=p["name"], **made
        )
    else:
        raw = _service_run.change(client, p["cluster"], current or {}, before, after, force)
    return {**result, **_service_run.told(client, p["cluster"], raw, None, changed)}


def absent(module: AwsModule, client: Any) -> dict[str, Any]:
    p = module.params
    raw = _ecs_workloads.describe_service(client, p["cluster"], p["name"])
    there = raw is not None and raw["status"] == "ACTIVE"
    result: dict[str, Any] = {"changed": there}
    if module._diff:
        before = _service.snake(_service.state_of(raw)) if raw and there else {}
        result["diff"] = {"before": before, "after": {}}
    if module.check_mode:
        return {**result, "service": {}}
    if there:
        _ecs_workloads.delete_service(client, p["cluster"], p["name"])
        raw = _ecs_workloads.describe_service(client, p["cluster"], p["name"])
    left = _service.leaving(raw)
    gone = not left
    return {
        **result,
        "service": {} if gone else _service.shown(raw),
        "deployment": {},
        "unfinished": not gone,
        "progress": left or "its tasks have ended",
        "stopped_tasks": [],
        "events": [],
    }


def look(module: AwsModule, client: Any, where: str) -> dict[str, Any]:
    p = module.params
    raw = _ecs_workloads.describe_service(client, p["cluster"], p["name"])
    if raw is None:
        module.fail_json(
            msg=f"There is no service of that name ({where}), and so no deployment of it.", unfinished=False
        )
    return {"changed": False, **_service_run.told(client, p["cluster"], raw or {}, p["deployment"], True)}


def finish(module: AwsModule, result: dict[str, Any], where: str) -> None:
    words = result.pop("problem", "")
    if words and (module.params["wait"] or module.params["deployment"]):
        module.fail_json(**_service_passes.failed(words, where, result))
    module.exit_json(**result)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "cluster": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "task_definition": {"type": "str"},
            "task_definition_document": {"type": "dict"},
            "desired_count": {"type": "int"},
            **_placement.ARGUMENTS,
            "deployment_configuration": {
                "type": "dict",
                "options": {
                    "minimum_healthy_percent": {"type": "int"},
                    "maximum_percent": {"type": "int"},
                    "deployment_circuit_breaker": {
                        "type": "dict",
                        "options": {
                            "enable": {"type": "bool", "required": True},
                            "rollback": {"type": "bool", "required": True},
                        },
                    },
                },
            },
            "enable_execute_command": {"type": "bool"},
            "propagate_tags": {"type": "str", "choices": ["TASK_DEFINITION", "SERVICE", "NONE"]},
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "purge_tags": {"type": "bool", "default": False},
            "force_new_deployment": {"type": "bool", "default": False},
            "deployment": {"type": "str"},
            # the action plugin's, which calls this module as often as it takes
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 600},
        },
        mutually_exclusive=[("task_definition", "task_definition_document")],
        supports_check_mode=True,
    )
    p = module.params
    problem = problem_of(p)
    if problem:
        module.fail_json(msg=problem)
    where = _errors.place(module, cluster=p["cluster"], service=p["name"])
    client = module.client_that_sends_once("ecs")
    failure: _ecs.EcsError | None = None
    result: dict[str, Any] = {}
    try:
        if p["deployment"]:
            result = look(module, client, where)
        elif p["state"] == "absent":
            result = absent(module, client)
        else:
            result = present(module, client, where)
    except MissingDefinition as error:
        module.fail_json(msg=str(error))
    except _ecs.EcsError as error:
        failure = error
    if failure:
        _errors.fail(module, failure, where)
    finish(module, result, where)


if __name__ == "__main__":
    main()
