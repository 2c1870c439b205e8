# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Servers leave: one that works, and one that is gone. A run that was killed is finished by the next."""

from __future__ import annotations

import json
import os
import sys

import pytest

DEREGISTER = "hybrid.ecs_anywhere.deregister"
VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
OWN_SECTION = "[backup]\naws_access_key_id = AKIABACKUP0000000000\naws_secret_access_key = own"
LOOK = (
    f"cat {VAULT} /etc/ecs/ecs.config /var/lib/ecs/ecs.config /root/.aws/credentials 2>&1; "
    "ls /var/lib/ecs/data/agent.db /var/cache/apt/archives 2>&1 || :; "
    "docker ps --all --format '{{.Names}} {{.State}}'; "
    "for unit in docker amazon-ssm-agent ecs; do systemctl is-active $unit || :; systemctl is-enabled $unit || :; done"
)
CONTAINER = (
    "docker run --detach --name mine --volume /usr:/usr:ro --volume /lib:/lib:ro --volume /lib64:/lib64:ro "
    "--entrypoint /usr/bin/sleep amazon/amazon-ecs-agent 100000"
)


def operator(aws, playbook, user="", **wish):
    """The environment of somebody who may do what the documented policy for the playbook allows, and nothing else."""
    sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import operator_policy

    iam = aws.client("iam")
    user = user or playbook
    iam.create_user(UserName=user)
    document = operator_policy(playbook, regions=["us-east-1"], clusters=["edge"], **wish)
    iam.put_user_policy(UserName=user, PolicyName=playbook, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"TESTBED_ACCESS_KEY_ID": key["AccessKeyId"], "TESTBED_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture
def two(bed, aws):
    """One that works, with things of its owner, and one that was registered and is gone."""
    aws.control("POST", "reset")
    aws.client("ecs").create_cluster(clusterName="edge")
    bed.add("leave1", "leave2", docker=True)
    assert bed.register("leave1", "leave2").returncode == 0
    bed.on("leave1", f"{CONTAINER}; echo MINE=1 >> /etc/ecs/ecs.config")
    bed.on("leave1", f"printf '{OWN_SECTION}\\n' >> /root/.aws/credentials")
    ids = [json.loads(bed.on(name, f"cat {VAULT}"))["instanceID"] for name in ("leave1", "leave2")]
    bed.remove("leave2")
    limited = operator(aws, "deregister")
    aws.forget_calls()
    yield ids, limited
    bed.remove("leave1")


def test_one_that_works_and_one_that_is_gone(bed, aws, two):
    (alive, gone), limited = two
    # the one that is gone comes first: what is done once falls to it
    hosts, both = ("leave2", "leave1"), {"ecs_anywhere_unreachable": "aws_side"}
    arns = {i["ec2InstanceId"]: i["containerInstanceArn"].rsplit("/", 1)[-1] for i in aws.container_instances()}

    before = bed.on("leave1", LOOK)
    checked = bed.register(*hosts, playbook=DEREGISTER, variables=both, options=["--check", "--diff"])
    assert checked.returncode == 0
    for reason in (
        f"the cluster has its container instance {arns[alive]} (ACTIVE, 0 tasks)",
        f"it cannot be reached, and the cluster has its container instance {arns[gone]}",
        "stop: ecs.service is active, enabled; amazon-ssm-agent.service is active, enabled",
        f"clear_registration: the server says it is {alive}",
        "remove_settings: /etc/ecs/ecs.config has ECS_CLUSTER;",
        "remove_remains: there is /root/.aws/credentials,",
    ):
        assert reason in checked.text
    assert all(checked.recap(name)["changed"] == 1 for name in hosts)
    assert aws.operations(writes=True) == []
    assert bed.on("leave1", LOOK) == before

    # By default a server that cannot be reached is left as it is. The run is killed when AWS has forgotten the other.
    process = bed.start(*hosts, playbook=DEREGISTER, environment=limited)
    bed.kill_when(process, lambda: aws.calls(operation="DeregisterManagedInstance"))
    assert aws.operations(writes=True) == [
        "UpdateContainerInstancesState",
        "DeregisterContainerInstance",
        "DeregisterManagedInstance",
    ]
    assert [node["InstanceId"] for node in aws.nodes()] == [gone]
    assert json.loads(bed.on("leave1", f"cat {VAULT}"))["instanceID"] == alive

    aws.forget_calls()
    left = bed.register(*hosts, playbook=DEREGISTER, variables=both, environment=limited)
    assert left.returncode == 0
    assert all(left.recap(name)["changed"] > 0 for name in hosts)
    # nobody can end the tasks of the one that is gone
    assert aws.operations(writes=True) == ["DeregisterContainerInstance", "DeregisterManagedInstance"]
    assert aws.nodes() == aws.container_instances() == []
    assert bed.on("leave1", "cat /etc/ecs/ecs.config /root/.aws/credentials") == f"MINE=1\n{OWN_SECTION}"
    assert bed.on("leave1", "docker ps --all --format '{{.Names}} {{.State}}'") == "mine running"
    assert bed.on("leave1", f"ls /var/lib/ecs/ecs.config /var/lib/ecs/data/agent.db {VAULT} 2>/dev/null || :") == VAULT
    assert json.loads(bed.on("leave1", f"cat {VAULT}"))["instanceID"] == ""
    for unit in ("ecs", "amazon-ssm-agent"):
        words = bed.on("leave1", f"systemctl is-active {unit} || :; systemctl is-enabled {unit} || :").split()
        assert words == ["inactive", "disabled"]

    aws.forget_calls()
    again = bed.register(*hosts, playbook=DEREGISTER, variables=both)
    assert again.returncode == 0
    assert aws.operations(writes=True) == []
    recap = again.recap("leave1")
    assert recap["changed"] == again.recap("leave2")["changed"] == 0
    assert recap["ok"] + recap["skipped"] <= 4
