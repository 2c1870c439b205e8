#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_external_task
short_description: Run tasks once on external instances
version_added: 0.1.0
description:
  - Runs a task on each of the instances that are named, or as many as O(count) says wherever there is room, waits until
    they have ended and tells how, with the exit code of each container and where its logs are.
  - Tasks are started by the ten, as AWS's calls take them. Each has its own result. One that fails or cannot be started
    does not keep the others from running; the module fails at the end, with all results.
  - If the answer of AWS is lost, what was started is found again and not started twice.
  - M(community.aws.ecs_task) knows no launch type V(EXTERNAL).
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  deregister:
    description:
      - Whether the revision is deregistered as soon as the tasks are started, if this run registered it. Tasks that are
        started run on.
    type: bool
    default: false
  managed_instance_ids:
    description:
      - The instances to run a task on, by their managed instance ids (V(mi-) and 17 hexadecimal digits).
      - An empty list starts nothing.
    type: list
    elements: str
  container_instances:
    description: The instances to run a task on, by ids or ARNs of container instances.
    type: list
    elements: str
  count:
    description:
      - How many tasks to run, each on an instance that ECS chooses by O(placement_constraints) and
        O(placement_strategy).
      - One if no instances are named either.
    type: int
  overrides:
    description:
      - What is different from the task definition, with AWS's own keys, for example
        C({containerOverrides:[{name:app,command:[backup]}]}).
    type: dict
  started_by:
    description:
      - A mark that the tasks carry, at most 128 letters, digits, hyphens and underscores. Without it, a unique one is
        made.
    type: str
  group:
    description: The task group. AWS makes it C(family:) and the family.
    type: str
  enable_execute_command:
    description: Whether ECS Exec may be used in the tasks.
    type: bool
    default: false
  propagate_tags:
    description: Whether the tasks get the tags of the task definition.
    type: bool
    default: false
  tags:
    description: Tags of the tasks.
    type: dict
    aliases: [resource_tags]
  tasks:
    description:
      - ARNs of tasks that were started before. They are looked at, and waited for with O(wait); nothing is started.
    type: list
    elements: str
  wait:
    description:
      - Look every five seconds until the tasks have ended. Whenever it changes, one line tells how far they are.
      - The controller does this between executions of the module.
      - Without it, RV(unfinished) names those that run, for O(tasks).
    type: bool
    default: true
  wait_timeout:
    description: Seconds after which waiting fails. The tasks are left alone.
    type: int
    default: 600
notes:
  - Running a task is an order and not a state, so each execution runs it again.
  - >-
    Permissions: C(ecs:StartTask) or C(ecs:RunTask), C(ecs:DescribeTasks), C(ecs:ListContainerInstances) and
    C(ecs:DescribeContainerInstances), C(ecs:DescribeTaskDefinition); with a document C(ecs:RegisterTaskDefinition),
    C(ecs:DeregisterTaskDefinition), and C(iam:PassRole) on its roles; with tags C(ecs:TagResource).
    C(ecs:ListTasks) with O(started_by), and when an answer of AWS was lost.
  - >-
    AWS's documentation: "StartTask"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StartTask.html)), "RunTask"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html)).
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_service
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
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
      - Tells which of the named instances could not take a task now. Where AWS would place those of O(count) it alone
        knows.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each execution runs the tasks.
"""

EXAMPLES = r"""
- name: Run the backup on two servers, and wait for it
  hybrid.ecs_anywhere.ecs_external_task:
    cluster: edge
    task_definition: backup
    managed_instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    region: eu-west-1

- name: Run a migration once, wherever the database is near
  hybrid.ecs_anywhere.ecs_external_task:
    cluster: edge
    region: eu-west-1
    placement_constraints:
      - {type: memberOf, expression: "attribute:hall == north"}
    task_definition_document:
      family: migration
      containerDefinitions:
        - name: migrate
          image: registry.example.com/shop:1.7
          command: [migrate]
          memory: 256
          environment: [{name: DRY_RUN, value: "no"}]
  register: migration

- name: Start something long, do something else, and wait then
  hybrid.ecs_anywhere.ecs_external_task:
    cluster: edge
    task_definition: index
    count: 12
    wait: false
    region: eu-west-1
  register: index

- name: Wait for it
  hybrid.ecs_anywhere.ecs_external_task:
    cluster: edge
    tasks: "{{ index.unfinished }}"
    wait_timeout: 7200
    region: eu-west-1
"""

RETURN = r"""
tasks:
  description:
    - The result of each task, in the order of the instances that were named.
    - Also returned when some of them failed.
  returned: when tasks were to be started or looked at, and not in check mode for O(count)
  type: list
  elements: dict
  contains:
    task_arn:
      description: ARN of the task. Null if it was not started.
      type: str
      returned: always
      sample: arn:aws:ecs:eu-west-1:123456789012:task/edge/0123456789abcdef0123456789abcdef
    task_definition_arn:
      description: ARN of its task definition.
      type: str
      returned: always
      sample: arn:aws:ecs:eu-west-1:123456789012:task-definition/backup:4
    container_instance_arn:
      description: ARN of the container instance it runs on, or was to run on.
      type: str
      returned: always
      sample: arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef
    managed_instance_id:
      description: The managed instance id of that server.
      type: str
      returned: always
      sample: mi-0123456789abcdef0
    last_status:
      description: C(PENDING), C(RUNNING), C(STOPPED) or another status of ECS. Null if there is no task.
      type: str
      returned: always
      sample: STOPPED
    exit_code:
      description: The exit code of its containers, of several the first that is not 0. Null if none has ended.
      type: int
      returned: always
      sample: 0
    stop_code:
      description: AWS's code for why it ended.
      type: str
      returned: always
      sample: EssentialContainerExited
    stopped_reason:
      description: AWS's words for why it ended, or why it was not started.
      type: str
      returned: always
      sample: Essential container in task exited
    started_by:
      description: The mark that it carries.
      type: str
      returned: always
      sample: ansible-0123456789abcdef01234567
    started_at:
      description: When it began to run.
      type: str
      returned: always
      sample: "2026-01-01T00:00:00+00:00"
    stopped_at:
      description: When it had ended.
      type: str
      returned: always
      sample: "2026-01-01T00:00:09+00:00"
    containers:
      description: >-
        Its containers, each with C(name), C(image), C(last_status), C(exit_code), C(reason) and C(runtime_id).
      type: list
      elements: dict
      returned: always
      sample: [{name: app, image: busybox, last_status: STOPPED, exit_code: 0, reason: "", runtime_id: 0123456789ab}]
    logs:
      description:
        - Where the output of each container is. C(driver) is the log driver.
        - For C(awslogs) there are C(group), C(region) and C(stream), for logs on the server its C(managed_instance_id),
          the C(runtime_id) of the container and the C(command) that shows them there.
      type: list
      elements: dict
      returned: always
      sample: [{container: app, driver: awslogs, group: /edge, region: eu-west-1, stream: backup/app/0123456789abcdef}]
    failed:
      description: Whether it was not started, or did not end well.
      type: bool
      returned: always
      sample: false
    msg:
      description: Why it failed. Empty if it did not.
      type: str
      returned: always
      sample: ""
unfinished:
  description: ARNs of the tasks that have not ended, which is a failure if O(wait) was given.
  returned: with RV(tasks)
  type: list
  elements: str
  sample: []
task_definition_arn:
  description: ARN of the revision. In check mode C(FAMILY:(new\)) stands for one that would be registered.
  returned: unless O(tasks) is given
  type: str
  sample: arn:aws:ecs:eu-west-1:123456789012:task-definition/backup:4
registered:
  description: Whether that revision was registered by this run, or would be.
  returned: unless O(tasks) is given
  type: bool
  sample: false
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _definition_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_workloads
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _placement
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_definition
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_passes
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_result
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._definition_run import MissingDefinition
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._definition_run import Revision
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_run import Outcome
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._task_run import Starter


def problem_of(p: dict[str, Any]) -> str | None:
    """What no AWS call could make right."""
    if not p["cluster"].strip():
        return "cluster must not be empty: AWS would take it for the cluster named default"
    if p["count"] is not None and p["count"] < 1:
        return f"count is {p['count']}, and at least one task has to be run"
    if p["count"] is None and (p["managed_instance_ids"] is not None or p["container_instances"] is not None):
        for name in ("placement_constraints", "placement_strategy"):
            if p[name]:
                return f"{name} is of no use when the instances are named: AWS places nothing then"
    problem = _labels.problem_of(_labels.Labels(tags=_labels.as_texts(p["tags"])))
    if not problem and p["task_definition_document"] is not None:
        problem = _task_definition.problem_of(p["task_definition_document"])
    return problem or _placement.problem_of(p) or _external_instance.problem_of_ids(p["managed_instance_ids"] or [])


def params_of(p: dict[str, Any], revision: Revision, overrides_shape: Any) -> dict[str, Any]:
    """What StartTask and RunTask both take."""
    params: dict[str, Any] = {"taskDefinition": revision.arn}
    if p["overrides"]:
        params["overrides"] = _task_definition.coerced(p["overrides"], overrides_shape)
    if p["group"]:
        params["group"] = p["group"]
    if p["enable_execute_command"]:
        params["enableExecuteCommand"] = True
    if p["propagate_tags"]:
        params["propagateTags"] = "TASK_DEFINITION"
    if p["tags"]:
        tags = ansible_dict_to_boto3_tag_list(
            _labels.as_texts(p["tags"]), tag_name_key_name="key", tag_value_key_name="value"
        )
        params["tags"] = tags
    return params


def result_of(outcome: Outcome, owners: dict[str, str], revision: Revision) -> dict[str, Any]:
    if outcome.task is None:
        return _task_result.lost(outcome.problem, outcome.arn, owners.get(outcome.arn or ""), reason=outcome.reason)
    return _task_result.shown(outcome.task, owners, revision.definition)


class Starting:
    """What was found and done, in the order in which it has to be."""

    def __init__(self, module: AwsModule, client: Any, where: str) -> None:
        self.module, self.client, self.where, self.p = module, client, where, module.params
        self.cluster = self.p["cluster"]
        self.ids, self.arns = self.p["managed_instance_ids"], self.p["container_instances"]

    def revision(self) -> Revision:
        document = self.p["task_definition_document"]
        if document is not None:
            return _definition_run.ensure(self.client, document, self.module.check_mode)
        return _definition_run.find(self.client, self.p["task_definition"], self.where)

    def _starter(self, revision: Revision) -> Starter:
        overrides = _ecs_workloads.input_shape(self.client, "RunTask").members["overrides"]
        params = params_of(self.p, revision, overrides)
        return Starter(self.client, self.cluster, params, self.where, self.p["started_by"])

    def _quietly(self, what: Callable[[], Any], otherwise: Any) -> Any:
        """What fails after tasks were started must not hide them."""
        try:
            return what()
        except _ecs.EcsError as error:
            self.module.warn(_errors.sentence(error, self.where, error.service))
            return otherwise

    def _done_with(self, revision: Revision) -> None:
        if self.p["deregister"] and revision.registered:
            self._quietly(lambda: _ecs_workloads.deregister_task_definition(self.client, revision.arn), None)

    def on_named(self) -> dict[str, Any]:
        targets = _task_run.find(self.client, self.cluster, self.ids, self.arns, self.where)
        able = [name for name in targets.order if name not in targets.problems]
        shown = {
            name: _task_result.lost(o.problem, o.arn, name if self.ids else None, reason=o.reason)
            for name, o in targets.problems.items()
        }
        if not able:
            return {"tasks": list(shown.values()), "changed": False}
        revision = self.revision()
        if not self.module.check_mode:  # the only place that asks
            try:
                outcomes = self._starter(revision).on([targets.arns[name] for name in able])
            finally:
                self._done_with(revision)
            for name, outcome in zip(able, outcomes):
                shown[name] = result_of(outcome, targets.owners, revision)
        tasks = [shown[name] for name in targets.order if name in shown]
        return {"tasks": tasks, "changed": True, **about(revision)}

    def anywhere(self) -> dict[str, Any]:
        revision = self.revision()
        if self.module.check_mode:
            return {"tasks": [], "changed": True, **about(revision)}
        try:
            outcomes = self._starter(revision).anywhere(self.p["count"] or 1, _placement.params_of(self.p))
        finally:
            self._done_with(revision)
        arns = [o.arn for o in outcomes]
        owners = self._quietly(lambda: _task_run.owners_of(self.client, self.cluster, arns), {})
        return {"tasks": [result_of(o, owners, revision) for o in outcomes], "changed": True, **about(revision)}


def about(revision: Revision) -> dict[str, Any]:
    return {"task_definition_arn": revision.arn, "registered": revision.registered}


def start(module: AwsModule, client: Any, where: str) -> dict[str, Any]:
    starting = Starting(module, client, where)
    named = starting.ids is not None or starting.arns is not None
    result = starting.on_named() if named else starting.anywhere()
    tasks = result["tasks"]
    if not module.check_mode:
        result["changed"] = bool(result.get("registered")) or any(t["task_arn"] for t in tasks)
    return result


def look(module: AwsModule, client: Any, where: str) -> dict[str, Any]:
    """At tasks that were started before. Of those that have ended everything is asked for."""
    p = module.params
    arns = list(dict.fromkeys(p["tasks"]))
    raws = list(_ecs.describe_tasks(client, p["cluster"], arns))
    ended = [raw for raw in raws if raw.get("lastStatus") == _task_result.ENDED]
    owners = _task_run.owners_of(client, p["cluster"], [raw.get("containerInstanceArn") for raw in ended])
    definitions = {
        arn: _ecs_workloads.describe_task_definition(client, arn)
        for arn in sorted({str(raw["taskDefinitionArn"]) for raw in ended})
    }
    known = {}
    for raw in raws:
        known[raw["taskArn"]] = _task_result.shown(raw, owners, definitions.get(str(raw.get("taskDefinitionArn"))))
    gone = (
        f"AWS does not know the task any more ({where}). Likely cause: it ended more than an hour ago. Next: look at "
        "its logs."
    )
    found = {arn: next((t for a, t in known.items() if a.endswith(arn.rsplit("/", 1)[-1])), None) for arn in arns}
    tasks = [task or _task_result.lost(gone, None, None, arn) for arn, task in found.items()]
    return {"changed": False, "tasks": tasks}


def finish(module: AwsModule, result: dict[str, Any]) -> None:
    tasks = result["tasks"]
    running = [t for t in tasks if t["task_arn"] and not t["failed"] and t["last_status"] != _task_result.ENDED]
    told = _task_passes.told({**result, "unfinished": [t["task_arn"] for t in running]})
    if told.pop("failed", False):
        module.fail_json(**told)
    module.exit_json(**told)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "task_definition": {"type": "str"},
            "task_definition_document": {"type": "dict"},
            "deregister": {"type": "bool", "default": False},
            "managed_instance_ids": {"type": "list", "elements": "str"},
            "container_instances": {"type": "list", "elements": "str"},
            "count": {"type": "int"},
            **_placement.ARGUMENTS,
            "overrides": {"type": "dict"},
            "started_by": {"type": "str"},
            "group": {"type": "str"},
            "enable_execute_command": {"type": "bool", "default": False},
            "propagate_tags": {"type": "bool", "default": False},
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "tasks": {"type": "list", "elements": "str"},
            # the action plugin's, which calls this module as often as it takes
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 600},
        },
        mutually_exclusive=[
            ("task_definition", "task_definition_document", "tasks"),
            ("managed_instance_ids", "container_instances", "count", "tasks"),
        ],
        required_one_of=[("task_definition", "task_definition_document", "tasks")],
        supports_check_mode=True,
    )
    problem = problem_of(module.params)
    if problem:
        module.fail_json(msg=problem)
    where = _errors.place(module, cluster=module.params["cluster"])
    client = module.client_that_sends_once("ecs")
    failure: _ecs.EcsError | None = None
    result: dict[str, Any] = {}
    try:
        result = (look if module.params["tasks"] is not None else start)(module, client, where)
    except MissingDefinition as error:
        module.fail_json(msg=str(error))
    except _ecs.EcsError as error:
        failure = error
    if failure:
        _errors.fail(module, failure, where)
    finish(module, result)


if __name__ == "__main__":
    main()
