# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Servers of a cluster that does not exist: it is created for all of them at once, if the user says so."""

from __future__ import annotations

import json

import pytest
from conftest import CHECKOUT
from test_leave import operator

UPGRADE, DEREGISTER = "hybrid.ecs_anywhere.upgrade", "hybrid.ecs_anywhere.deregister"
CREATED = {"ecs_anywhere_manage_cluster": True}
READS = [{"Effect": "Allow", "Action": ["ecs:Describe*", "ecs:List*"], "Resource": "*"}]
REASON = "create_cluster: the cluster edge does not exist in us-east-1"


@pytest.fixture
def two(bed):
    bed.add("d1", "d2", docker=True)
    yield "d1", "d2"
    bed.remove("d1", "d2")


@pytest.fixture
def nowhere(bed, aws):
    """An account without a cluster."""
    aws.control("POST", "reset")
    yield aws
    bed.aws.control("POST", "reset")


def clusters(aws):
    return [arn.rsplit("/", 1)[-1] for arn in aws.client("ecs").list_clusters()["clusterArns"]]


def untouched(bed, name):
    return bed.on(
        name, "find / -xdev -newer /stamp -type f | grep -E '^/(etc|opt|usr|var/(lib/(ecs|amazon)|cache))/' || :"
    )


def test_a_cluster_is_created_once_for_its_servers(bed, nowhere, two):
    aws = nowhere
    for name in two:
        bed.on(name, "touch /stamp")

    refused = bed.register(*two)
    assert refused.returncode != 0
    assert [refused.recap(name)["failed"] for name in two] == [1, 1]
    assert "with ecs_anywhere_manage_cluster set to true the role creates it. Nothing was changed." in refused.text

    aws.forget_calls()
    checked = bed.register(*two, variables=CREATED, options=["--check", "--diff"])
    assert checked.returncode == 0
    assert checked.text.count(REASON) == 2
    assert aws.operations(writes=True) == [] and clusters(aws) == []

    denied = bed.register(*two, variables=CREATED, environment=operator(aws, "register"), options=["-vvv"])
    assert denied.returncode != 0
    for name in two:
        assert denied.recap(name)["failed"] == 1
        assert (
            f"{name}: the cluster edge could not be created in us-east-1: AccessDeniedException, User: " in denied.text
        )
        assert untouched(bed, name) == ""
    assert "lack the permission ecs:CreateCluster" in denied.text and "Traceback" not in denied.output
    assert "could not be created" in denied.text and clusters(aws) == []
    assert aws.calls(operation="CreateActivation") == []

    aws.forget_calls()
    limited = operator(aws, "register", user="creator", manage_cluster=True)
    first = bed.register(*two, variables=CREATED, environment=limited, options=["-vvv"])
    assert first.returncode == 0
    assert limited["TESTBED_ACCESS_KEY_ID"] not in first.output
    assert len(aws.calls(operation="CreateCluster")) == 1
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)] * 2

    without = bed.register(*two)
    second = bed.register(*two, variables=CREATED)
    assert [second.recap(name)["changed"] for name in two] == [0, 0]
    assert second.aws_calls == without.aws_calls
    assert second.executions == without.executions == dict.fromkeys(two, 1)

    # Somebody deletes it. Neither who leaves nor who is upgraded has it created.
    ecs = aws.client("ecs")
    for instance in aws.container_instances():
        ecs.deregister_container_instance(
            cluster="edge", containerInstance=instance["containerInstanceArn"], force=True
        )
    ecs.delete_cluster(cluster="edge")
    for playbook in (UPGRADE, DEREGISTER):
        aws.forget_calls()
        run = bed.register(*two, playbook=playbook, variables=CREATED)
        assert run.returncode != 0 and "The ECS cluster edge in region us-east-1 is INACTIVE" in run.text
        assert "ecs_anywhere_manage_cluster set" not in run.text
        assert aws.operations(writes=True) == []

    again = bed.register(*two, variables=CREATED)
    assert again.returncode == 0
    assert again.text.count(REASON) == 2 and len(aws.calls(operation="CreateCluster")) == 1
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)] * 2


def test_one_clusters_failure_concerns_its_servers_alone(bed, nowhere, two):
    """One is given as ARN; the other the operator may not create."""
    aws = nowhere
    iam = aws.client("iam")
    limited = operator(aws, "register", manage_cluster=True)
    iam.put_user_policy(
        UserName="register",
        PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": READS}),
    )
    edge = "arn:aws:ecs:us-east-1:123456789012:cluster/edge"
    inventory = {"d1": edge, "d2": "other"}
    variables = {
        **CREATED,
        "ecs_anywhere_cluster": "{{ clusters_of_servers[inventory_hostname] }}",
        "clusters_of_servers": inventory,
    }
    run = bed.register(*two, variables=variables, environment=limited)
    assert run.recap("d1")["failed"] == 0 and run.recap("d2")["failed"] == 1
    assert "d2: the cluster other could not be created in us-east-1: AccessDeniedException" in run.text
    assert "allows the ecs:CreateCluster action. Likely cause: " in run.text
    assert clusters(aws) == ["edge"]
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)]
    assert bed.register("d1", variables=variables, environment=limited).recap("d1")["changed"] == 0

    foreign = bed.register(
        "d1", variables={**CREATED, "ecs_anywhere_cluster": f"{edge.replace('1234', '9999')}-abroad"}
    )
    assert foreign.returncode != 0 and "credentials are of the account 123456789012" in foreign.text


def test_who_creates_no_cluster_does_not_need_the_collection_for_it(bed, nowhere, two, tmp_path):
    aws, name = nowhere, two[0]
    (bundle,) = (CHECKOUT / ".cache" / "venv" / "lib").glob("python*/site-packages/ansible_collections")
    ours = CHECKOUT / ".cache" / "collections" / "ansible_collections"
    for source in (ours / "hybrid", bundle / "amazon", bundle / "containers", bundle / "community" / "general"):
        link = tmp_path / "ansible_collections" / source.relative_to(ours if source.is_relative_to(ours) else bundle)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(source)
    without = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    refused = bed.register(name, variables=CREATED, environment=without)
    assert refused.recap(name)["failed"] == 1
    assert "the collection community.aws is missing on the controller: install it" in refused.text
    assert clusters(aws) == [] and aws.calls(operation="CreateActivation") == []
    aws.client("ecs").create_cluster(clusterName="edge")
    for variables in ({}, CREATED):
        assert bed.register(name, variables=variables, environment=without).recap(name)["failed"] == 0
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)]
