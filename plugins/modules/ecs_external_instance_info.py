#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_external_instance_info
short_description: Show external instances of an ECS cluster joined with their managed nodes
version_added: 0.1.0
description:
  - An external instance is two things to AWS, a managed node of Systems Manager and a container instance of an ECS
    cluster. This module shows them joined by their managed instance id (C(mi-...)).
  - Any number of instances is read in as few calls as AWS's pages allow - one for the cluster, one per 100 instances
    to list them (80 when O(managed_instance_ids) names them), one per 100 to describe them, one per 50 managed nodes.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  cluster:
    description:
      - Name or ARN of the cluster. It must exist and be active.
    type: str
    required: true
  managed_instance_ids:
    description:
      - Only these instances, each of which gets an entry in the result even if neither side knows it.
      - Not given means all external instances of the cluster.
      - An empty list means none. Then only the cluster is looked up.
    type: list
    elements: str
  computer_names:
    description:
      - Also these servers, by the names that Systems Manager knows them by. A name matches with or without its domain.
        Names that no managed node has are left out.
      - All managed nodes of the Region are read for it, in one call per 50. It finds those that are in no cluster any
        more, too.
    type: list
    elements: str
    default: []
  iam_role:
    description:
      - The IAM role that the managed nodes should have, as name, path and name, or ARN. Each instance then tells
        whether it has another one (RV(instances[].role_replaced)).
      - Quick Setup of Systems Manager replaces the role of managed nodes, after which the ECS agent is denied.
        M(hybrid.ecs_anywhere.ecs_external_instance) repairs that.
    type: str
    aliases: [role]
  look_at_iam_role:
    description:
      - Look at O(iam_role) itself too, and say in RV(iam_role_right) whether
        M(hybrid.ecs_anywhere.ecs_anywhere_role), with no other options, would leave it as it is.
      - It costs three calls, and spares the start of another module where the role is right.
    type: bool
    default: false
  wait:
    description:
      - Look every five seconds until every instance is V(Online) to Systems Manager, and V(ACTIVE) and connected
        to ECS. Whenever it changes, one line tells how many are there and which are not.
      - The controller does this between executions of the module.
    type: bool
    default: false
  agent_versions:
    description:
      - With O(wait), versions of agents that have to be seen before an instance counts as there, by managed instance
        id. Each is a dictionary with C(ssm), C(ecs) or both. An upgrade is over when the new agents are connected.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds after which waiting fails. The result then has all that was seen, and RV(missing).
    type: int
    default: 300
notes:
  - >-
    Permissions: C(ecs:DescribeClusters), C(ecs:ListContainerInstances), C(ecs:DescribeContainerInstances),
    C(ssm:DescribeInstanceInformation). With O(look_at_iam_role) C(iam:GetRole), C(iam:ListAttachedRolePolicies) and
    C(iam:ListRolePolicies).
  - >-
    AWS's documentation: "Cluster query language"
    (U(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cluster-query-language.html)),
    "DescribeInstanceInformation"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html)).
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance
  - module: hybrid.ecs_anywhere.ssm_activation_info
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.info_module
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
"""

EXAMPLES = r"""
- name: All external instances of a cluster
  hybrid.ecs_anywhere.ecs_external_instance_info:
    cluster: edge
    region: eu-west-1
  register: fleet

- name: Those that ECS cannot reach
  ansible.builtin.debug:
    msg: "{{ fleet.instances | rejectattr('ecs.agent_connected') | map(attribute='managed_instance_id') }}"

- name: Two of them
  hybrid.ecs_anywhere.ecs_external_instance_info:
    cluster: edge
    region: eu-west-1
    managed_instance_ids:
      - mi-0123456789abcdef0
      - mi-0123456789abcdef1

- name: Those whose role was replaced
  hybrid.ecs_anywhere.ecs_external_instance_info:
    cluster: edge
    region: eu-west-1
    iam_role: ecsAnywhereRole
  register: audited
  failed_when: audited.instances | selectattr('role_replaced', 'true') | length > 0
"""

RETURN = r"""
iam_role_right:
  description:
    - Whether O(iam_role) exists and needs no repair. False also where IAM could not be asked;
      M(hybrid.ecs_anywhere.ecs_anywhere_role) says why.
  type: bool
  returned: when O(look_at_iam_role) is set
  sample: true
missing:
  description: The managed instance ids of those that were waited for in vain.
  returned: when O(wait) timed out
  type: list
  elements: str
  sample: [mi-0123456789abcdef0]
cluster:
  description: The cluster.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: edge
    arn:
      description: Its ARN.
      type: str
      returned: always
      sample: arn:aws:ecs:eu-west-1:123456789012:cluster/edge
    status:
      description: Its status, always V(ACTIVE).
      type: str
      returned: always
      sample: ACTIVE
instances:
  description: The external instances, sorted by managed instance id.
  returned: success
  type: list
  elements: dict
  contains:
    managed_instance_id:
      description: The id both sides know the server by.
      type: str
      returned: always
      sample: mi-0123456789abcdef0
    ssm:
      description:
        - The managed node as Systems Manager shows it, null if it knows none.
        - Values that AWS leaves out are null.
      type: dict
      returned: always
      contains:
        ping_status:
          description: V(Online), V(ConnectionLost) or V(Inactive).
          type: str
          returned: always
          sample: Online
        last_ping_date_time:
          description: When the SSM agent was last heard of.
          type: str
          returned: always
          sample: "2026-11-23T20:44:00+00:00"
        agent_version:
          description: Version of the SSM agent.
          type: str
          returned: always
          sample: 3.3.4108.0
        is_latest_version:
          description: Whether that is the newest version.
          type: bool
          returned: always
          sample: true
        iam_role:
          description: Path and name of the role the node works under.
          type: str
          returned: always
          sample: ecsAnywhereRole
        activation_id:
          description: The activation it registered with.
          type: str
          returned: always
          sample: 3a0bf0d3-0d05-4d36-a3f0-97b7a1a1b2c3
        registration_date:
          description: When it registered.
          type: str
          returned: always
          sample: "2026-11-23T20:44:00+00:00"
        name:
          description: The name the activation gave it.
          type: str
          returned: always
          sample: edge
        computer_name:
          description: Its host name.
          type: str
          returned: always
          sample: n1.example.org
        ip_address:
          description: Its address.
          type: str
          returned: always
          sample: 192.0.2.7
        platform_type:
          description: Kind of operating system.
          type: str
          returned: always
          sample: Linux
        platform_name:
          description: Name of the operating system.
          type: str
          returned: always
          sample: Debian GNU/Linux
        platform_version:
          description: Version of the operating system.
          type: str
          returned: always
          sample: "12"
        resource_type:
          description: Always V(ManagedInstance).
          type: str
          returned: always
          sample: ManagedInstance
        association_status:
          description: Status of State Manager associations.
          type: str
          returned: always
          sample: Success
    ecs:
      description:
        - The container instance, null if the cluster has none for the id.
        - If there are several, the connected one; else the active one; else the one that registered last.
      type: dict
      returned: always
      contains:
        container_instance_arn:
          description: The ARN of the container instance.
          type: str
          returned: always
          sample: arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef
        status:
          description: For example V(ACTIVE) or V(DRAINING).
          type: str
          returned: always
          sample: ACTIVE
        agent_connected:
          description: Whether the ECS agent is connected. On healthy servers it is false for moments.
          type: bool
          returned: always
          sample: true
        agent_version:
          description: Version of the ECS agent.
          type: str
          returned: always
          sample: 1.105.1
        docker_version:
          description: Version of Docker.
          type: str
          returned: always
          sample: 28.0.1
        attributes:
          description: The attributes; those without a value have null.
          type: dict
          returned: always
          sample: {"ecs.capability.external": null, "ecs.os-type": "linux"}
        tags:
          description: The tags of the container instance.
          type: dict
          returned: always
          sample: {"rack": "4"}
        running_tasks_count:
          description: Number of running tasks.
          type: int
          returned: always
          sample: 2
        pending_tasks_count:
          description: Number of pending tasks.
          type: int
          returned: always
          sample: 0
        registered_at:
          description: When it registered.
          type: str
          returned: always
          sample: "2026-11-23T20:44:00+00:00"
    duplicates:
      description: ARNs of further container instances of the cluster that carry the same managed instance id.
      type: list
      elements: str
      returned: always
      sample: []
    role_replaced:
      description:
        - Whether the managed node works under another role than O(iam_role), compared by name (unique in an account).
        - Null if O(iam_role) was not given, or Systems Manager knows no such node or tells no role of it.
      type: bool
      returned: always
      sample: false
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._server_name import is_name_of


def problem_of_cluster(found: dict[str, Any] | None, given: str, region: str) -> str | None:
    if found is None:
        return (
            f"There is no ECS cluster {given} in region {region}. "
            "Check the cluster's name and the region and account it is in, or create the cluster."
        )
    if found.get("status") != "ACTIVE":
        return (
            f"The ECS cluster {given} in region {region} is {found.get('status')}, not ACTIVE: it was deleted or "
            "is not ready. Create it again, or check the name and the region."
        )
    return None


def ids_of_names(module: AwsModule, names: list[str]) -> list[str]:
    nodes = _ssm.list_managed_nodes(module.client("ssm"))
    return sorted(n["InstanceId"] for n in nodes if any(is_name_of(name, n.get("ComputerName")) for name in names))


def read(
    module: AwsModule, cluster: str, ids: list[str] | None, iam_role: str | None
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The cluster, and the instances if it is active. The second client is made only if there is anything to ask it."""
    client = module.client("ecs")
    found = _ecs.describe_cluster(client, cluster)
    if found is None or found.get("status") != "ACTIVE":
        return found, []
    if ids is not None and module.params["computer_names"]:
        ids = list(dict.fromkeys([*ids, *ids_of_names(module, module.params["computer_names"])]))
    if ids == []:
        return found, []
    container_instances = list(_ecs.external_instances(client, found["clusterArn"], ids))
    if ids is None:
        ids = sorted({i["ec2InstanceId"] for i in container_instances if i.get("ec2InstanceId", "").startswith("mi-")})
    nodes = _ssm.describe_nodes(module.client("ssm"), ids) if ids else []
    return found, _external_instance.joined(ids, container_instances, nodes, iam_role)


def is_role_right(module: AwsModule, name: str) -> bool:
    """Whether ecs_anywhere_role would leave the role as it is."""
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_role

    *path, name = name.split("/")
    wish = _node_role.plain_wish(name, path="/" + "/".join([*path, ""]) if path else None)
    try:
        return _node_role.is_right(module.client("iam"), wish)
    except (AnsibleAWSError, ValueError):
        return False


def main() -> None:
    module = AwsModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "managed_instance_ids": {"type": "list", "elements": "str"},
            "computer_names": {"type": "list", "elements": "str", "default": []},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "look_at_iam_role": {"type": "bool", "default": False},
            # the action plugin's, which calls this module as often as it takes
            "wait": {"type": "bool", "default": False},
            "agent_versions": {"type": "dict", "default": {}},
            "wait_timeout": {"type": "int", "default": 300},
        },
        required_if=[("look_at_iam_role", True, ("iam_role",))],
        supports_check_mode=True,
    )
    cluster, ids = module.params["cluster"], module.params["managed_instance_ids"]
    region = module.region or ""
    arn = cluster.split(":")
    problem = _external_instance.problem_of_ids(ids or [])
    role = module.params["iam_role"]
    try:
        role = role if role is None else role_name(role)
    except ValueError as error:
        problem = str(error)
    if not cluster.strip():
        problem = "cluster must not be empty: AWS would take it for the cluster named default"
    elif cluster.startswith("arn:") and (len(arn) != 6 or not arn[5].startswith("cluster/")):
        problem = f"cluster: {cluster} is not the ARN of an ECS cluster"
    elif cluster.startswith("arn:") and region and arn[3] != region:
        problem = f"The cluster {cluster} is in region {arn[3]}, but the region asked is {region}. Set region={arn[3]}."
    if problem:
        module.fail_json(msg=problem)

    failure: AnsibleAWSError | None = None
    found: dict[str, Any] | None = None
    instances: list[dict[str, Any]] = []
    try:
        found, instances = read(module, cluster, list(dict.fromkeys(ids)) if ids is not None else None, role)
    except (_ecs.EcsError, _ssm.SsmError) as error:
        failure = error
    if failure:
        _errors.fail(module, failure, _errors.place(module, cluster=cluster))
    problem = problem_of_cluster(found, cluster, region)
    if problem:
        module.fail_json(msg=problem)
    found = found or {}
    looked = {"iam_role_right": is_role_right(module, role)} if role and module.params["look_at_iam_role"] else {}
    module.exit_json(
        **looked,
        changed=False,
        cluster={"name": found["clusterName"], "arn": found["clusterArn"], "status": found["status"]},
        instances=instances,
    )


if __name__ == "__main__":
    main()
