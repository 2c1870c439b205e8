# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

CLUSTER = {"clusterName": "edge", "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/edge", "status": "ACTIVE"}
WHEN = datetime(2026, 11, 23, 20, 44, tzinfo=UTC)


def mi(n):
    return f"mi-{n:017x}"


def arn(n, copy=""):
    return f"arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/{n:032x}{copy}"


def container_instance(n, **changes):
    return {
        "containerInstanceArn": arn(n),
        "ec2InstanceId": mi(n),
        "status": "ACTIVE",
        "agentConnected": True,
        "versionInfo": {"agentVersion": "1.105.1", "dockerVersion": "DockerVersion: 28.0.1"},
        "attributes": [{"name": "ecs.capability.external"}, {"name": "rack", "value": "4"}],
        "tags": [{"key": "site", "value": "hh"}],
        "runningTasksCount": 2,
        "pendingTasksCount": 0,
        "registeredAt": WHEN,
        **changes,
    }


def node(n, **changes):
    return {
        "InstanceId": mi(n),
        "PingStatus": "Online",
        "LastPingDateTime": WHEN,
        "AgentVersion": "3.3.4108.0",
        "IPAddress": "192.0.2.7",
        "ComputerName": "n",
        "IamRole": "ecsAnywhereRole",
        "ResourceType": "ManagedInstance",
        **changes,
    }


class Fleet:
    """ECS and SSM with so many external instances and AWS's page sizes. It counts calls, botocore checks parameters."""

    def __init__(self, stub, count, *, known_to_ssm=None):
        self.count, self.calls = count, []
        self.known_to_ssm = range(count) if known_to_ssm is None else known_to_ssm
        self.refused = None
        self.changes = {}
        for service in ("ecs", "ssm"):
            client = stub(service).client
            stub(service).deactivate()
            client.meta.events.register("before-call", self.answer)
            client.meta.events.register("before-parameter-build", lambda params, model, **_: self.seen(model, params))

    def seen(self, model, params):
        self.params = params

    def answer(self, model, **_rest):
        self.calls.append(model.name)

        class Answer:
            status_code = 200

        parsed = getattr(self, model.name)(**self.params)
        if "Error" in parsed:
            Answer.status_code = 400
        return Answer, {"ResponseMetadata": {"HTTPStatusCode": Answer.status_code}, **parsed}

    def DescribeClusters(self, clusters):
        return {"clusters": [{**CLUSTER, "registeredContainerInstancesCount": self.count}]}

    def ListContainerInstances(self, cluster, filter, maxResults, nextToken="0"):
        assert maxResults == 100
        chosen = range(self.count)
        if filter.startswith("ec2InstanceId in ["):
            assert len(filter) < 2000
            chosen = [n for n in (int(i, 16) for i in re.findall(r"mi-([0-9a-f]{17})", filter)) if n < self.count]
        else:
            assert filter == "attribute:ecs.capability.external exists"
        start = int(nextToken)
        more = {"nextToken": str(start + 100)} if start + 100 < len(chosen) else {}
        return {"containerInstanceArns": [arn(n) for n in chosen[start : start + 100]], **more}

    def DescribeContainerInstances(self, cluster, containerInstances, include):
        assert len(containerInstances) <= 100 and include == ["TAGS"]
        return {"containerInstances": [container_instance(int(a.rsplit("/", 1)[1], 16)) for a in containerInstances]}

    def ListClusters(self, maxResults):
        return {"clusterArns": [CLUSTER["clusterArn"], f"{CLUSTER['clusterArn']}-empty"]}

    def DescribeInstanceInformation(self, Filters, MaxResults, NextToken="0"):
        ids = Filters[0]["Values"]
        if Filters[0]["Key"] == "ResourceType":
            assert ids == ["ManagedInstance"]
            start = int(NextToken)
            more = {"NextToken": str(start + 50)} if start + 50 < len(self.known_to_ssm) else {}
            nodes = [node(n, **self.changes.get(n, {})) for n in self.known_to_ssm[start : start + 50]]
            return {"InstanceInformationList": nodes, **more}
        assert Filters[0]["Key"] == "InstanceIds" and len(ids) <= MaxResults == 50
        if self.refused in ids:
            return {"Error": {"Code": "InvalidInstanceId", "Message": ""}}
        return {"InstanceInformationList": [node(n) for n in (int(i[3:], 16) for i in ids) if n in self.known_to_ssm]}

    def counted(self):
        return {name: self.calls.count(name) for name in sorted(set(self.calls))}


def test_a_thousand_instances_cost_one_call_per_page(stub, run):
    fleet = Fleet(stub, 1000)
    result = run("ecs_external_instance_info", cluster="edge")
    assert fleet.counted() == {
        "DescribeClusters": 1,
        "ListContainerInstances": 10,
        "DescribeContainerInstances": 10,
        "DescribeInstanceInformation": 20,
    }
    assert [i["managed_instance_id"] for i in result["instances"]] == [mi(n) for n in range(1000)]
    assert all(i["ssm"]["ping_status"] == "Online" and i["ecs"]["agent_connected"] for i in result["instances"])


def test_a_whole_region_costs_one_call_per_page_too(stub, run):
    fleet = Fleet(stub, 1000, known_to_ssm=range(5, 1005))
    fleet.changes = {1000: {"IamRole": "Other"}, 1001: {"IamRole": ""}, 999: {"IamRole": "Other"}}
    result = run("ecs_external_instance_info", iam_role="ecsAnywhereRole")
    assert fleet.counted() == {
        "ListClusters": 1,
        "DescribeClusters": 1,
        "ListContainerInstances": 10,
        "DescribeContainerInstances": 10,
        "DescribeInstanceInformation": 20,
    }
    assert result["clusters"] == [{"name": "edge", "arn": CLUSTER["clusterArn"], "status": "ACTIVE"}]
    assert "cluster" not in result
    states = {i["managed_instance_id"]: i["health"]["troubles"] for i in result["instances"]}
    by_state = {}
    for n in range(1005):
        if mi(n) in states:
            by_state.setdefault(" ".join(t["state"] for t in states[mi(n)][:1]), []).append(n)
    # that nodes of another role are of no cluster is nobody's business
    assert by_state["ecs_only"] == [0, 1, 2, 3, 4]
    assert by_state["ssm_only"] == [1002, 1003, 1004]
    assert by_state["role_replaced"] == [999]
    assert len(by_state[""]) == 994


def test_without_a_role_every_managed_node_of_the_region_is_shown(stub, run):
    Fleet(stub, 1, known_to_ssm=[0, 1]).changes = {1: {"IamRole": "Other"}}
    result = run("ecs_external_instance_info")
    assert [i["health"]["state"] for i in result["instances"]] == ["healthy", "ssm_only"]


def test_health_is_measured_by_what_is_given_and_was_seen(stub, run):
    fleet = Fleet(stub, 2)
    fleet.DescribeContainerInstances = lambda **_: {
        "containerInstances": [container_instance(0, agentConnected=False), container_instance(1)]
    }
    first = run("ecs_external_instance_info", cluster="edge", ssm_agent_version="3.4")
    assert [i["health"]["state"] for i in first["instances"]] == ["flapping", "agent_outdated"]
    looked = (datetime.fromisoformat(first["looked_at"]) - timedelta(seconds=61)).isoformat()
    first["instances"][0]["health"]["since"] = looked
    second = run("ecs_external_instance_info", cluster="edge", seen={**first, "looked_at": looked})
    assert [i["health"]["state"] for i in second["instances"]] == ["disconnected", "healthy"]
    assert second["instances"][0]["health"]["since"] == looked


def test_a_zombie_is_as_old_as_is_said(stub, run):
    fleet = Fleet(stub, 1)
    fleet.DescribeContainerInstances = lambda **_: {"containerInstances": [container_instance(0, agentConnected=False)]}
    old = datetime.now(UTC) - timedelta(days=3)
    lost = {"InstanceInformationList": [node(0, PingStatus="ConnectionLost", LastPingDateTime=old)]}
    fleet.DescribeInstanceInformation = lambda **_: lost
    for days, state in ((2.5, "zombie"), (3.5, "disconnected")):
        result = run("ecs_external_instance_info", cluster="edge", zombie_days=days)
        assert result["instances"][0]["health"]["state"] == state


def test_a_hundred_of_a_thousand_cost_what_a_hundred_cost(stub, run):
    fleet = Fleet(stub, 1000)
    result = run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[mi(n) for n in range(100)])
    assert fleet.counted() == {
        "DescribeClusters": 1,
        "ListContainerInstances": 2,
        "DescribeContainerInstances": 1,
        "DescribeInstanceInformation": 2,
    }
    assert len(result["instances"]) == 100


def test_everything_asked_for_is_answered(stub, run):
    Fleet(stub, 2, known_to_ssm=[0, 5])
    result = run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[mi(9), mi(5), mi(1), mi(0), mi(0)])
    seen = [(i["managed_instance_id"], bool(i["ssm"]), bool(i["ecs"])) for i in result["instances"]]
    assert seen == [(mi(0), True, True), (mi(1), False, True), (mi(5), True, False), (mi(9), False, False)]


def test_an_id_that_ssm_refuses_does_not_hide_the_others(stub, run):
    fleet = Fleet(stub, 50)
    fleet.refused = mi(7)
    result = run("ecs_external_instance_info", cluster="edge")
    assert [i["managed_instance_id"] for i in result["instances"] if i["ssm"] is None] == [mi(7)]


@pytest.mark.parametrize(
    ("asked", "replaced"),
    [
        ({}, [None, None, None]),
        ({"iam_role": "ecsAnywhereRole"}, [False, False, None]),
        ({"iam_role": "arn:aws:iam::123456789012:role/ecsAnywhereRole"}, [False, False, None]),
        ({"iam_role": "edge/ecsAnywhereRole"}, [False, False, None]),
        ({"role": "Other"}, [True, True, None]),
    ],
)
def test_each_says_whether_its_role_was_replaced(stub, run, asked, replaced):
    fleet = Fleet(stub, 2)
    result = run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[mi(0), mi(1), mi(9)], **asked)
    assert [i["role_replaced"] for i in result["instances"]] == replaced
    assert len(fleet.calls) == 4  # it costs no call of its own


def test_an_empty_list_asks_for_the_cluster_only(stub, run):
    fleet = Fleet(stub, 5)
    result = run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[])
    assert fleet.calls == ["DescribeClusters"] and result["instances"] == []
    assert result["cluster"] == {"name": "edge", "arn": CLUSTER["clusterArn"], "status": "ACTIVE"}


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        ([], "There is no ECS cluster edge in region eu-west-1"),
        ([{**CLUSTER, "status": "INACTIVE"}], "is INACTIVE, not ACTIVE"),
    ],
)
def test_a_cluster_that_is_of_no_use(stub, run, clusters, words):
    stub("ecs").add_response("describe_clusters", {"clusters": clusters}, {"clusters": ["edge"]})
    result = run("ecs_external_instance_info", cluster="edge")
    assert result["failed"] and words in result["msg"]
    assert result["cluster_exists"] is False


DELETED = {**CLUSTER, "status": "INACTIVE"}


@pytest.mark.parametrize("clusters", [[], [DELETED]])
@pytest.mark.parametrize(
    ("asked", "ids", "calls"),
    [
        ({}, [], []),
        ({"managed_instance_ids": []}, [], []),
        ({"managed_instance_ids": [mi(1), mi(9)]}, [mi(1), mi(9)], ["DescribeInstanceInformation"]),
        ({"managed_instance_ids": [], "computer_names": ["n7"]}, [mi(7)], ["DescribeInstanceInformation"] * 2),
    ],
)
def test_a_cluster_that_need_not_exist_is_one_without_container_instances(stub, run, clusters, asked, ids, calls):
    fleet = Fleet(stub, 0, known_to_ssm=range(8))
    fleet.changes = {n: {"ComputerName": f"n{n}"} for n in range(8)}
    fleet.DescribeClusters = lambda clusters, found=clusters: {"clusters": found}
    stub("sts").add_response("get_caller_identity", {"Account": "123456789012"})
    result = run("ecs_external_instance_info", cluster="edge", cluster_must_exist=False, **asked)
    assert fleet.calls == ["DescribeClusters", *calls]
    assert (result["cluster"], result["clusters"], result["cluster_exists"]) == (None, [], False)
    assert result["account"] == "123456789012"
    assert [i["managed_instance_id"] for i in result["instances"]] == ids
    assert [bool(i["ssm"]) for i in result["instances"]] == [i != mi(9) for i in ids]
    assert [i["ecs"] for i in result["instances"]] == [None] * len(ids)


@pytest.mark.parametrize("must_exist", [True, False])
def test_a_cluster_that_exists_costs_no_call_more(stub, run, must_exist):
    fleet = Fleet(stub, 1)
    result = run("ecs_external_instance_info", cluster="edge", cluster_must_exist=must_exist)
    assert len(fleet.calls) == 4 and len(result["instances"]) == 1
    assert (result["cluster_exists"], result["account"]) == (True, "123456789012")


def test_a_cluster_that_is_not_ready_is_not_one_that_does_not_exist(stub, run):
    stub("ecs").add_response("describe_clusters", {"clusters": [{**CLUSTER, "status": "PROVISIONING"}]})
    result = run("ecs_external_instance_info", cluster="edge", cluster_must_exist=False)
    assert result["failed"] and "is PROVISIONING, not ACTIVE" in result["msg"] and result["cluster_exists"] is True


def test_the_account_of_a_missing_cluster_must_be_known(stub, run):
    stub("ecs").add_response("describe_clusters", {"clusters": []})
    stub("sts").add_client_error("get_caller_identity", "ExpiredToken", "no")
    result = run("ecs_external_instance_info", cluster="edge", cluster_must_exist=False)
    assert result["failed"] and "the credentials have expired" in result["msg"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"cluster": ""}, "must not be empty"),
        ({"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/edge"}, "Set region=us-east-1"),
        ({"cluster": "arn:aws:ecs:eu-west-1:123456789012:service/edge"}, "not the ARN of an ECS cluster"),
        ({"managed_instance_ids": ["i-0123456789abcdef0"]}, "17 hexadecimal"),
        ({"seen": {"instances": []}}, "seen must be an earlier result"),
        ({"cluster": None, "managed_instance_ids": []}, "missing parameter"),
        ({"iam_role": "AROAEXAMPLEEXAMPLE123"}, "is a unique id"),
    ],
)
def test_bad_input_fails_before_any_call(stub, run, args, words):
    result = run("ecs_external_instance_info", **{"cluster": "edge", **args})
    assert result["failed"] and words in result["msg"]


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ecs", "describe_clusters", "ecs:DescribeClusters"),
        ("ecs", "list_container_instances", "ecs:ListContainerInstances"),
        ("ecs", "describe_container_instances", "ecs:DescribeContainerInstances"),
        ("ssm", "describe_instance_information", "ssm:DescribeInstanceInformation"),
    ],
)
def test_a_missing_permission_is_named(stub, run, service, operation, action):
    answers = [
        ("describe_clusters", {"clusters": [CLUSTER]}),
        ("list_container_instances", {"containerInstanceArns": [arn(1)]}),
        ("describe_container_instances", {"containerInstances": [container_instance(1)]}),
        ("describe_instance_information", {}),
    ]
    for name, answer in answers:
        if name == operation:
            break
        stub("ecs").add_response(name, answer)
    stub(service).add_client_error(operation, "AccessDeniedException", "no")
    result = run("ecs_external_instance_info", cluster="edge")
    assert f"lack the permission {action}" in result["msg"] and "cluster edge" in result["msg"]


ROLE = {
    "Path": "/",
    "RoleName": "ecsAnywhereRole",
    "RoleId": "AROAEXAMPLEEXAMPLEID1",
    "Arn": "arn:aws:iam::123456789012:role/ecsAnywhereRole",
    "CreateDate": "2026-01-01T00:00:00Z",
    "AssumeRolePolicyDocument": json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    ),
}
POLICIES = [
    {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": f"arn:aws:iam::aws:policy/{arn}"}
    for arn in ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role")
]


@pytest.mark.parametrize(
    ("policies", "inline", "right"),
    [(POLICIES, [], True), (POLICIES[:1], [], False), (POLICIES, ["Other"], True), ([], ["Other"], False)],
)
def test_the_role_itself_is_looked_at_when_asked(stub, run, policies, inline, right):
    Fleet(stub, 1)
    iam = stub("iam")
    iam.add_response("get_role", {"Role": dict(ROLE)}, {"RoleName": "ecsAnywhereRole"})
    iam.add_response("list_attached_role_policies", {"AttachedPolicies": policies}, {"RoleName": "ecsAnywhereRole"})
    iam.add_response("list_role_policies", {"PolicyNames": inline}, {"RoleName": "ecsAnywhereRole"})
    result = run("ecs_external_instance_info", cluster="edge", iam_role="ecsAnywhereRole", look_at_iam_role=True)
    assert result["iam_role_right"] is right


@pytest.mark.parametrize("code", ["NoSuchEntity", "AccessDenied"])
def test_a_role_that_cannot_be_read_is_not_right(stub, run, code):
    Fleet(stub, 1)
    stub("iam").add_client_error("get_role", code)
    result = run("ecs_external_instance_info", cluster="edge", iam_role="ecsAnywhereRole", look_at_iam_role=True)
    assert result["iam_role_right"] is False


def test_the_role_is_not_looked_at_otherwise(stub, run):
    Fleet(stub, 1)
    assert "iam_role_right" not in run("ecs_external_instance_info", cluster="edge", iam_role="ecsAnywhereRole")
    assert "iam_role" in run("ecs_external_instance_info", cluster="edge", look_at_iam_role=True)["msg"]


def test_names_are_looked_up_among_all_managed_nodes(stub, run):
    fleet = Fleet(stub, 2)
    every = [node(0, ComputerName="n0.example.com"), node(1, ComputerName="n1"), node(7, ComputerName="n7")]
    by_id = fleet.DescribeInstanceInformation

    def describe(Filters, MaxResults):
        if Filters[0]["Key"] == "ResourceType":
            return {"InstanceInformationList": every}
        return by_id(Filters, MaxResults)

    fleet.DescribeInstanceInformation = describe
    names = ["n0", "n7.example.com", "n8"]
    result = run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[mi(1)], computer_names=names)
    # n7 is in no cluster any more
    assert [i["managed_instance_id"] for i in result["instances"]] == [mi(0), mi(1), mi(7)]
    assert [bool(i["ecs"]) for i in result["instances"]] == [True, True, False]
    fleet.calls.clear()
    run("ecs_external_instance_info", cluster="edge", managed_instance_ids=[], computer_names=[])
    assert fleet.counted() == {"DescribeClusters": 1}
