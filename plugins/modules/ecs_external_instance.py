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
  - Drains, activates and removes external instances of a cluster. Removing goes from draining over ECS to Systems
    Manager, and goes on where an earlier run stopped, whatever is left.
  - Sets the attributes by which tasks find their servers, and tags on both sides. The ECS agent sends attributes at
    its first registration only, and the tags of an activation are for nodes that register later.
  - What is not given stays as it is.
  - All instances are read in as few calls as AWS's pages allow - one per 80 to list container instances, one per 100
    to describe them, one per 50 managed nodes - and only those that differ are changed. A side that is not concerned
    is not asked.
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
  cluster:
    description:
      - Name or ARN of the cluster. Without it, only the managed nodes are looked at.
    type: str
  state:
    description:
      - V(active) with O(cluster) makes container instances that are draining ready for tasks again.
      - V(draining) needs O(cluster). ECS then places no tasks there any more, and starts those of services elsewhere.
      - >-
        V(absent) drains, waits until no tasks are left, deregisters the container instance, and then the managed
        node. What is not there (any more) is no failure, so it can be run again at any point.
      - A server that has several container instances in the cluster is changed with all of them.
    type: str
    choices: [active, draining, absent]
    default: active
  drain_reason:
    description:
      - Why instances are drained, in a word of the user's own. It is kept with the container instance, in the attribute
        C(hybrid.ecs_anywhere.draining), so that a later run can tell whose work it has to end. Needs O(cluster).
      - With O(state=draining), what is about to be drained gets it first. What is draining already keeps what it has,
        or has not. As ECS takes at most 10 attributes for an instance, one that has 10 of its own is not drained, and
        fails.
      - With O(state=active), only instances that have this very reason are made active, and lose the attribute. All
        others stay as they are, which is no failure.
      - Without it, O(state=active) makes all of them active, and O(state=draining) drains for no reason. Both remove
        the attribute where it is.
    type: str
  sides:
    description:
      - What O(state=absent) removes. V(ecs) alone keeps the managed node, as a move to another cluster needs it; V(ssm)
        alone removes the managed node of what is in no cluster any more.
    type: list
    elements: str
    choices: [ecs, ssm]
    default: [ecs, ssm]
  wait:
    description:
      - With O(state=draining) and O(state=absent), look every five seconds until the tasks have ended, and do what
        can be done then. Whenever it changes, one line tells how many are finished and what the others wait for.
      - The controller does this between executions of the module.
      - Without it, O(state=absent) leaves an instance that has tasks draining, and RV(unfinished) names it. Run again.
    type: bool
    default: true
  wait_timeout:
    description: Seconds after which waiting fails, for all instances together.
    type: int
    default: 600
  restore_on_timeout:
    description:
      - Whether instances that were active before, and whose tasks did not end in time, are made active again.
    type: bool
    default: false
  stop_standalone_tasks:
    description:
      - Draining ends tasks of services only. This stops the others as well, while the instance is draining.
      - Without it, such a task is waited for.
    type: bool
    default: false
  force:
    description:
      - With O(state=absent), deregister at once, without draining, whatever tasks there are. Containers that still run
        then go on running, unknown to ECS. This is for servers that are gone, as nobody can end their tasks.
    type: bool
    default: false
  attributes:
    description:
      - Attributes that the container instances should have, which placement constraints can ask for. Needs O(cluster).
      - At most 10 for an instance. What the ECS agent sets itself (V(ecs.), V(com.amazonaws.ecs.)) is left alone.
    type: dict
  purge_attributes:
    description: Whether attributes that O(attributes) does not name are removed.
    type: bool
    default: false
  tags:
    description:
      - Tags that the managed nodes should have, and with O(cluster) the container instances as well.
      - No list of AWS shows the tags of managed nodes. Those that have all O(tags) are found by the page; each other
        one costs a call, and so does each with O(purge_tags).
    type: dict
    aliases: [resource_tags]
  purge_tags:
    description: Whether tags that O(tags) does not name are removed. Those of AWS (V(aws:)) are left alone.
    type: bool
    default: false
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
    With O(cluster) C(ecs:ListContainerInstances), C(ecs:DescribeContainerInstances),
    C(ecs:UpdateContainerInstancesState); to remove C(ecs:DeregisterContainerInstance) and
    C(ssm:DeregisterManagedInstance); to stop tasks C(ecs:ListTasks), C(ecs:DescribeTasks), C(ecs:StopTask).
    With O(attributes) and O(drain_reason) C(ecs:PutAttributes) and C(ecs:DeleteAttributes), the latter also where an
    instance has a reason that is to go; with O(tags) C(ssm:ListTagsForResource),
    C(ssm:AddTagsToResource), C(ssm:RemoveTagsFromResource), C(ecs:TagResource) and C(ecs:UntagResource).
  - >-
    AWS's documentation: "UpdateManagedInstanceRole"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateManagedInstanceRole.html)),
    "DescribeInstanceInformation"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html)),
    "UpdateContainerInstancesState"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateContainerInstancesState.html)).
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
      - Whether AWS would take the role is not known before it is asked to, nor whether tasks end in time.
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

- name: Drain two servers before their kernels are updated
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    cluster: edge
    state: draining
    stop_standalone_tasks: true
    restore_on_timeout: true
    region: eu-west-1

- name: Use them again
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    cluster: edge
    region: eu-west-1

- name: Drain a whole hall, and leave alone later what somebody else had drained there
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: "{{ hall_4 }}"
    cluster: edge
    state: "{{ 'draining' if works_begin else 'active' }}"
    drain_reason: works in hall 4
    region: eu-west-1

- name: Say where two servers are, for tasks that must run in that hall
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: [mi-0123456789abcdef0, mi-0123456789abcdef1]
    cluster: edge
    attributes: {hall: "4", gpu: none}
    tags: {cost-centre: "4711"}
    region: eu-west-1

- name: Take a server that burned down out of ECS and Systems Manager
  hybrid.ecs_anywhere.ecs_external_instance:
    managed_instance_ids: [mi-0123456789abcdef0]
    cluster: edge
    state: absent
    force: true
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
      returned: when Systems Manager was asked
      sample: ecsAnywhereRole
    managed_node:
      description: Whether Systems Manager has a managed node of the id, or would have.
      type: bool
      returned: with O(state=absent), when Systems Manager was asked
      sample: false
    status:
      description:
        - Status of its container instance, or what it would be. Of several, that of the connected one.
        - Null if there is none, or O(cluster) was not given.
      type: str
      returned: always
      sample: DRAINING
    status_before:
      description: The status of its container instance that was found, in the same way.
      type: str
      returned: always
      sample: ACTIVE
    drain_reason:
      description:
        - What its container instance is draining for, or would be, as O(drain_reason) told it. Of several, that of the
          connected one.
        - Null if it is not draining, or nobody told why.
      type: str
      returned: always
      sample: upgrade
    container_instances:
      description: Its container instances by ARN, each with its status. Usually one.
      type: dict
      returned: when ECS was asked
      sample:
        "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef": DRAINING
    attributes:
      description:
        - The attributes of its container instances by ARN, without those that the agent sets, and that of
          O(drain_reason).
      type: dict
      returned: when O(attributes) is given
      sample:
        "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef": {"hall": "4"}
    tags:
      description:
        - The tags of its managed node (by its id) and of its container instances (by ARN), without those of AWS.
        - Of a managed node that has O(tags) no others are shown, unless O(purge_tags) made them known.
      type: dict
      returned: when O(tags) is given
      sample: {"mi-0123456789abcdef0": {"cost-centre": "4711"}}
    waits_for:
      description: What has to happen before it is finished. Empty if nothing.
      type: str
      returned: always
      sample: 2 tasks to end
    stopped_tasks:
      description: ARNs of the standalone tasks that were stopped.
      type: list
      elements: str
      returned: always
      sample: []
unfinished:
  description: The managed instance ids of those that wait for something, which is a failure if O(wait) was given.
  returned: when the instances could be read
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _instance_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _label_run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_refused
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._external_instance import Wish
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_run import Server
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._instance_steps import Goal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._labels import Labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name

State = dict[str, Any]
# The reasons by ARN, whatever the status. Only the diff shows them.
MARKS = "drain_reasons"


def problem_of(params: dict[str, Any]) -> str | None:
    """What no AWS call could make right."""
    state, cluster, sides = params["state"], params["cluster"], params["sides"]
    if cluster is not None and not cluster.strip():
        return "cluster must not be empty: AWS would take it for the cluster named default"
    if state == "draining" and not cluster:
        return "state=draining needs cluster: draining is done in a cluster"
    if state == "absent" and not sides:
        return "sides must name ecs, ssm or both"
    if state == "absent" and "ecs" in sides and not cluster:
        return "state=absent needs cluster, or sides=ssm to remove nothing but the managed nodes"
    if state == "absent" and params["iam_role"] is not None:
        return "iam_role is of no use with state=absent"
    if state == "absent" and (params["attributes"] is not None or params["tags"] is not None):
        return "attributes and tags are of no use with state=absent"
    if params["drain_reason"] is not None:
        wrong = _labels.problem_of_value(params["drain_reason"])
        if wrong:
            return f"drain_reason: {params['drain_reason']!r} {wrong}"
        if state == "absent":
            return "drain_reason is of no use with state=absent"
        if not cluster:
            return "drain_reason needs cluster: draining is done in a cluster"
    if params["attributes"] is not None and not cluster:
        return "attributes needs cluster: they are of container instances"
    return _external_instance.problem_of_ids(params["managed_instance_ids"])


def state_of(server: Server, asked_ecs: bool, asked_ssm: bool, goal: Goal, labels: Labels) -> State:
    """What may change of a server, as far as it was looked at."""
    state: State = {}
    if asked_ssm:
        state["iam_role"] = server.node["iam_role"] if server.node else None
    if asked_ssm and goal.state == "absent":
        state["managed_node"] = server.node is not None
    if asked_ecs:
        state["container_instances"] = server.statuses()
        marks = server.marks()
        if marks:
            state[MARKS] = marks
    there = dict(sorted(server.instances.items()))
    if labels.attributes is not None:
        state["attributes"] = {arn: _labels.custom(i["attributes"]) for arn, i in there.items()}
    if labels.tags is not None:
        node = {server.id: server.node["tags"]} if server.node and "tags" in server.node else {}
        state["tags"] = {**node, **{arn: _labels.users(i["tags"]) for arn, i in there.items()}}
    return state


def report(module: AwsModule, servers: list[Server], before: dict[str, State], after: dict[str, State]) -> None:
    changes = {i: before[i] for i in before if before[i] != after[i]}
    problems = {s.id: " ".join(s.problems) for s in servers if s.problems}
    shown = [
        {
            "managed_instance_id": s.id,
            "changed": s.id in changes or bool(s.stopped),
            "failed": bool(s.problems),
            "msg": " ".join(s.problems),
            "status": s.status,
            "status_before": s.status_before,
            "drain_reason": s.drain_reason,
            "waits_for": s.waits_for,
            "stopped_tasks": s.stopped,
            **{key: value for key, value in after[s.id].items() if key != MARKS},
        }
        for s in servers
    ]
    result: dict[str, Any] = {
        "changed": any(i["changed"] for i in shown),
        "instances": shown,
        "unfinished": [s.id for s in servers if s.waits_for and not s.problems],
    }
    if module._diff:
        result["diff"] = {"before": changes, "after": {i: after[i] for i in changes}}
    if problems:
        module.fail_json(msg=_external_instance.summary(problems, len(servers)), **result)
    module.exit_json(**result)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "managed_instance_ids": {"type": "list", "elements": "str", "required": True},
            "cluster": {"type": "str"},
            "state": {"type": "str", "choices": ["active", "draining", "absent"], "default": "active"},
            "drain_reason": {"type": "str"},
            "sides": {"type": "list", "elements": "str", "choices": ["ecs", "ssm"], "default": ["ecs", "ssm"]},
            "stop_standalone_tasks": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "attributes": {"type": "dict"},
            "purge_attributes": {"type": "bool", "default": False},
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "purge_tags": {"type": "bool", "default": False},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "iam_propagation_timeout": {"type": "int", "default": 120},
            # the action plugin's, which calls this module as often as it takes
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "int", "default": 600},
            "restore_on_timeout": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    p = module.params
    ids = list(dict.fromkeys(p["managed_instance_ids"]))
    labels = Labels(
        _labels.as_texts(p["attributes"]), p["purge_attributes"], _labels.as_texts(p["tags"]), p["purge_tags"]
    )
    problem = problem_of(p) or _labels.problem_of(labels)
    wish = Wish()
    try:
        wish = Wish(iam_role=None if p["iam_role"] is None else role_name(p["iam_role"]))
    except ValueError as error:
        problem = str(error)
    if problem:
        module.fail_json(msg=problem)
    if not ids:
        report(module, [], {}, {})

    goal = Goal(p["state"], p["force"], "ecs" in p["sides"], "ssm" in p["sides"], p["drain_reason"])
    leaving = goal.state == "absent"
    asked_ecs = bool(p["cluster"]) and (goal.ecs or not leaving)
    asked_ssm = goal.ssm if leaving else wish.iam_role is not None or labels.tags is not None or not asked_ecs
    ecs = module.client("ecs") if asked_ecs else None
    ssm = module.client("ssm") if asked_ssm else None
    where = _errors.place(module, cluster=p["cluster"], role=wish.iam_role)
    patience = _role_refused.Patience(
        lambda: _role_refused.look_at_role(module, wish.iam_role or ""), p["iam_propagation_timeout"]
    )

    failure: AnsibleAWSError | None = None
    servers: list[Server] = []
    try:
        servers = _instance_run.find(ecs, ssm, p["cluster"], ids)
        _label_run.read_node_tags(ssm, servers, labels)
    except AnsibleAWSError as error:
        failure = error
    if failure:
        _errors.fail(module, failure, where)

    before = {s.id: state_of(s, asked_ecs, asked_ssm, goal, labels) for s in servers}
    if module.check_mode:  # the only place that asks
        aws: _instance_run.Aws = _instance_run.Prediction(p["wait"])
        writer: _label_run.Writer = _label_run.Prediction()
    else:
        writer = _label_run.Writer(ecs, ssm, p["cluster"])
        aws = _instance_run.Aws(ecs, ssm, p["cluster"], patience)
    run = _instance_run.Run(aws, where)
    if asked_ssm and not leaving:
        run.give_role(servers, wish)
    if asked_ecs or leaving:
        run.settle(servers, goal, p["stop_standalone_tasks"])
    # what is not registered was not drained for a reason either
    if asked_ecs and not leaving and (goal.state == "draining" or goal.drain_reason is None):
        _instance_run.complain_of_missing(servers, where)
    _label_run.label(servers, labels, writer, where)
    report(module, servers, before, {s.id: state_of(s, asked_ecs, asked_ssm, goal, labels) for s in servers})


if __name__ == "__main__":
    main()
