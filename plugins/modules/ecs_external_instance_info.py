#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_external_instance_info
short_description: Show external instances of ECS clusters joined with their managed nodes, and how they fare
version_added: 0.1.0
description:
  - An external instance is two things to AWS, a managed node of Systems Manager and a container instance of an ECS
    cluster. This module shows them joined by their managed instance id (C(mi-...)).
  - Any number of instances is read in as few calls as AWS's pages allow - one for the cluster, one per 100 instances
    to list them (80 when O(managed_instance_ids) names them), one per 100 to describe them, one per 50 managed nodes.
  - It says how each fares, and what repairs it (RV(instances[].health)). That costs no calls.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  cluster:
    description:
      - Name or ARN of the cluster. It must be active, and exist if O(cluster_must_exist).
      - Not given means every cluster of the Region that has container instances, and every managed node of the Region
        that is not of EC2, be it in a cluster or not. With O(iam_role), of the nodes in no cluster only those that have
        this role.
    type: str
  cluster_must_exist:
    description:
      - Whether it is an error that there is no such O(cluster), or that it was deleted (its status is V(INACTIVE)).
      - With V(false) such a cluster is one without container instances, which RV(cluster_exists) tells. Which account
        it would be in is asked by one more call, which needs no permission.
    type: bool
    default: true
  managed_instance_ids:
    description:
      - Only these instances, each of which gets an entry in the result even if neither side knows it.
      - Not given means all external instances of the cluster.
      - An empty list means none. Then only the cluster is looked up.
      - Needs O(cluster).
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
  zombie_days:
    description:
      - An instance that neither side has heard of for more days than this is dead (V(zombie)), not just disconnected.
    type: float
    default: 7
  ecs_agent_version:
    description:
      - An ECS agent older than this is outdated. By default one that is older than the newest of the instances shown.
    type: str
    default: ""
  ssm_agent_version:
    description:
      - An SSM agent older than this is outdated. By default one that is older than the newest of the instances shown.
    type: str
    default: ""
  seen:
    description:
      - An earlier result of this module (of its instances C(managed_instance_id) and C(health) are enough).
      - On healthy servers the ECS agent is not connected for moments, several times an hour, and AWS does not tell
        since when. So at one look it is V(flapping), and V(disconnected) only if it is seen so again 60 seconds later
        or more.
    type: dict
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
      - With V(true) as C(draining), a container instance may be DRAINING as well as ACTIVE.
      - With V(true) as C(exec), ECS has to list the capability C(ecs.capability.execute-command) of it as well.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds after which waiting fails. The result then has all that was seen, and RV(missing).
    type: int
    default: 300
notes:
  - >-
    Permissions: C(ecs:DescribeClusters), C(ecs:ListContainerInstances), C(ecs:DescribeContainerInstances),
    C(ssm:DescribeInstanceInformation). Without O(cluster) also C(ecs:ListClusters).
    With O(look_at_iam_role) C(iam:GetRole), C(iam:ListAttachedRolePolicies) and C(iam:ListRolePolicies).
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

- name: Everything of a Region that is not as it should be, and what repairs it
  hybrid.ecs_anywhere.ecs_external_instance_info:
    region: eu-west-1
    iam_role: ecsAnywhereRole
  register: region

- name: Say it
  ansible.builtin.debug:
    msg: "{{ item.health.state }}: {{ item.health.message }}. {{ item.health.repair }}"
  loop: "{{ region.instances | rejectattr('health.state', 'eq', 'healthy') }}"
  loop_control:
    label: "{{ item.managed_instance_id }}"

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
looked_at:
  description: When it was looked, as the controller's clock says.
  returned: success
  type: str
  sample: "2026-11-23T20:45:00+00:00"
measured_by:
  description: What RV(instances[].health) was measured by, which is to be given again at a second look at some of them.
  returned: success
  type: dict
  contains:
    zombie_days:
      description: As O(zombie_days).
      type: float
      returned: always
      sample: 7.0
    ecs_agent_version:
      description: As O(ecs_agent_version), or the newest that was seen; empty if none was.
      type: str
      returned: always
      sample: 1.105.1
    ssm_agent_version:
      description: As O(ssm_agent_version), or the newest that was seen; empty if none was.
      type: str
      returned: always
      sample: 3.3.4108.0
clusters:
  description: The clusters that were looked at.
  returned: success
  type: list
  elements: dict
  contains: &cluster
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
cluster_exists:
  description: Whether there is such a cluster. One that was deleted (V(INACTIVE)) is not there.
  returned: when O(cluster) is given, also if the module fails because it is not there
  type: bool
  sample: true
account:
  description: The account in which the cluster is, or in which it would be created by its name.
  returned: when O(cluster) is given
  type: str
  sample: "123456789012"
cluster:
  description: The cluster, null if it does not exist and need not.
  returned: when O(cluster) is given
  type: dict
  contains: *cluster
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
        cluster:
          description: The name of its cluster.
          type: str
          returned: always
          sample: edge
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
      description: ARNs of further container instances, of any cluster shown, that carry the same managed instance id.
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
    health:
      description: How it fares. What is the matter is sorted, the worst first; the first is told here too.
      type: dict
      returned: always
      contains:
        state:
          description:
            - V(zombie), neither side has heard of it for more than O(zombie_days).
            - V(unknown), neither side knows it, though it was asked for.
            - V(ecs_only) and V(ssm_only), one side knows it only.
            - V(role_replaced), its managed node works under another role than O(iam_role).
            - V(disconnected), one side does not hear of it.
            - V(duplicate), ECS has it more than once.
            - V(flapping), its ECS agent is not connected at this moment, or was not at the look that O(seen) is of.
            - V(draining), it gets no tasks any more.
            - V(agent_outdated), one of its agents is older than O(ecs_agent_version) or O(ssm_agent_version) say.
            - V(healthy), nothing of these.
          type: str
          returned: always
          sample: disconnected
        severity:
          description: V(error), V(warning) or V(ok).
          type: str
          returned: always
          sample: error
        message:
          description: What is the matter, empty if nothing is.
          type: str
          returned: always
          sample: Systems Manager says ConnectionLost and does not hear of it; ECS neither
        repair:
          description: What to do about it, empty if nothing is the matter.
          type: str
          returned: always
          sample: Run the playbook hybrid.ecs_anywhere.upgrade for it.
        since:
          description: Since when, null if nobody can tell.
          type: str
          returned: always
          sample: "2026-11-23T20:44:00+00:00"
        troubles:
          description: All that is the matter, each with C(state), C(message), C(repair) and C(since).
          type: list
          elements: dict
          returned: always
          sample: []
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is to be imported takes less time, and there is little to collect in so short a life

from datetime import UTC
from datetime import datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _fleet
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _health
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._identity import account_of
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


def is_there(found: dict[str, Any] | None) -> bool:
    """ECS shows a deleted cluster as INACTIVE for a while, and creates one of its name anew."""
    return found is not None and found.get("status") != "INACTIVE"


def account_of_credentials(module: AwsModule) -> str:
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _sts

    try:
        return _sts.get_account(module.client("sts"))
    except _sts.StsError as error:
        _errors.fail(module, error, _errors.place(module))


def problem_of_cluster_name(cluster: str | None, region: str) -> str | None:
    if cluster is None:
        return None
    arn = cluster.split(":")
    if not cluster.strip():
        return "cluster must not be empty: AWS would take it for the cluster named default"
    if cluster.startswith("arn:") and (len(arn) != 6 or not arn[5].startswith("cluster/")):
        return f"cluster: {cluster} is not the ARN of an ECS cluster"
    if cluster.startswith("arn:") and region and arn[3] != region:
        return f"The cluster {cluster} is in region {arn[3]}, but the region asked is {region}. Set region={arn[3]}."
    return None


def ids_of_names(module: AwsModule, names: list[str]) -> list[str]:
    nodes = _ssm.list_managed_nodes(module.client("ssm"))
    return sorted(n["InstanceId"] for n in nodes if any(is_name_of(name, n.get("ComputerName")) for name in names))


def read(
    module: AwsModule, cluster: str | None, ids: list[str] | None, iam_role: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The clusters, and their instances. One that is asked for by name has none if it is not active.

    One that does not exist and need not is no cluster, but there may be managed nodes that are asked for.
    """
    ecs = module.client("ecs")
    if cluster is None:
        return _fleet.of_region(ecs, lambda: module.client("ssm"), iam_role)
    found = _ecs.describe_cluster(ecs, cluster)
    may_be_missing = not module.params["cluster_must_exist"] and not is_there(found)
    if not may_be_missing and (found is None or found.get("status") != "ACTIVE"):
        return [found] if found else [], []
    clusters = [found] if found and not may_be_missing else []
    if ids is not None and module.params["computer_names"]:
        ids = list(dict.fromkeys([*ids, *ids_of_names(module, module.params["computer_names"])]))
    if ids == []:
        return clusters, []
    arn = clusters[0]["clusterArn"] if clusters else None
    return clusters, _fleet.of_cluster(ecs, lambda: module.client("ssm"), arn, ids, iam_role)


def seen_of_cluster(module: AwsModule, found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {"cluster": None, "cluster_exists": False, "account": account_of_credentials(module)}
    return {
        "cluster": _fleet.shown_cluster(found),
        "cluster_exists": True,
        "account": account_of(found["clusterArn"]),
    }


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
            "cluster": {"type": "str"},
            "cluster_must_exist": {"type": "bool", "default": True},
            "managed_instance_ids": {"type": "list", "elements": "str"},
            "computer_names": {"type": "list", "elements": "str", "default": []},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "look_at_iam_role": {"type": "bool", "default": False},
            "zombie_days": {"type": "float", "default": 7},
            "ecs_agent_version": {"type": "str", "default": ""},
            "ssm_agent_version": {"type": "str", "default": ""},
            "seen": {"type": "dict"},
            # the action plugin's, which calls this module as often as it takes
            "wait": {"type": "bool", "default": False},
            "agent_versions": {"type": "dict", "default": {}},
            "wait_timeout": {"type": "int", "default": 300},
        },
        required_if=[("look_at_iam_role", True, ("iam_role",))],
        required_by={"managed_instance_ids": ("cluster",)},
        supports_check_mode=True,
    )
    cluster, ids = module.params["cluster"], module.params["managed_instance_ids"]
    region = module.region or ""
    problem = problem_of_cluster_name(cluster, region) or _external_instance.problem_of_ids(ids or [])
    problem = problem or _health.problem_of_seen(module.params["seen"])
    role = module.params["iam_role"]
    try:
        role = role if role is None else role_name(role)
    except ValueError as error:
        problem = str(error)
    if problem:
        module.fail_json(msg=problem)

    failure: AnsibleAWSError | None = None
    clusters: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    try:
        clusters, instances = read(module, cluster, list(dict.fromkeys(ids)) if ids is not None else None, role)
    except (_ecs.EcsError, _ssm.SsmError) as error:
        failure = error
    if failure:
        _errors.fail(module, failure, _errors.place(module, cluster=cluster))
    found = clusters[0] if clusters else None
    must_be_active = cluster and (found or module.params["cluster_must_exist"])
    problem = problem_of_cluster(found, cluster, region) if must_be_active else None
    if problem:
        module.fail_json(msg=problem, cluster_exists=is_there(found))
    looked = {"iam_role_right": is_role_right(module, role)} if role and module.params["look_at_iam_role"] else {}
    shown = [_fleet.shown_cluster(found) for found in clusters]
    now = datetime.now(UTC)
    given = (module.params[name] for name in ("zombie_days", "ecs_agent_version", "ssm_agent_version"))
    norm = _health.completed(_health.Norm(now, *given), instances)
    module.exit_json(
        **looked,
        **(seen_of_cluster(module, found) if cluster else {}),
        changed=False,
        looked_at=now.isoformat(timespec="seconds"),
        measured_by={key: value for key, value in norm._asdict().items() if key != "now"},
        clusters=shown,
        instances=_health.with_health(instances, norm, module.params["seen"]),
    )


if __name__ == "__main__":
    main()
