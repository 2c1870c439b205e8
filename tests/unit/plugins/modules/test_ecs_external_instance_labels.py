# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Attributes and tags of many instances, against botocore's models."""

from __future__ import annotations

import pytest


def mi(n):
    return f"mi-{n:017x}"


def arn(n):
    return f"arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/{n:032x}"


def ci(n, attributes=None, tags=None):
    return {
        "containerInstanceArn": arn(n),
        "ec2InstanceId": mi(n),
        "status": "ACTIVE",
        "agentConnected": True,
        "attributes": [{"name": "ecs.os-type", "value": "linux"}]
        + [{"name": k, "value": v} for k, v in (attributes or {}).items()],
        "tags": [{"key": k, "value": v} for k, v in (tags or {}).items()],
    }


def target(n, name, value=None):
    found = {"targetType": "container-instance", "targetId": arn(n), "name": name}
    return found if value is None else {**found, "value": value}


class World:
    def __init__(self, stub):
        self.ecs, self.ssm = stub("ecs"), stub("ssm")

    def read(self, *instances):
        self.ecs.add_response("list_container_instances", {"containerInstanceArns": [arn(0)]})
        self.ecs.add_response("describe_container_instances", {"containerInstances": list(instances)})

    def nodes(self, *numbers, sent=None):
        found = {"InstanceInformationList": [{"InstanceId": mi(n), "IamRole": "r"} for n in numbers]}
        self.ssm.add_response("describe_instance_information", found, sent)

    def put(self, *attributes):
        self.ecs.add_response("put_attributes", {}, {"cluster": "edge", "attributes": list(attributes)})

    def node_tags(self, n, **tags):
        self.ssm.add_response(
            "list_tags_for_resource",
            {"TagList": [{"Key": k, "Value": v} for k, v in tags.items()]},
            {"ResourceType": "ManagedInstance", "ResourceId": mi(n)},
        )


@pytest.fixture
def world(stub):
    return World(stub)


@pytest.fixture
def act(run):
    def _act(*numbers, **args):
        return run("ecs_external_instance", managed_instance_ids=[mi(n) for n in numbers], cluster="edge", **args)

    return _act


def test_attributes_that_differ_are_set_ten_a_call(world, act):
    world.read(*[ci(n, {"hall": "4"} if n == 0 else {}) for n in range(13)])
    world.put(*[target(n, "hall", "4") for n in range(1, 11)])
    world.put(*[target(n, "hall", "4") for n in range(11, 13)])
    result = act(*range(13), attributes={"hall": 4}, diff=True)
    assert [i["changed"] for i in result["instances"]] == [False] + [True] * 12
    assert result["instances"][5]["attributes"] == {arn(5): {"hall": "4"}}
    assert result["diff"]["before"][mi(5)]["attributes"] == {arn(5): {}}


def test_attributes_are_purged_first_and_the_agent_s_own_stay(world, act):
    world.read(ci(1, {str(n): "x" for n in range(10)}))
    sent = {"cluster": "edge", "attributes": [target(1, str(n)) for n in range(10)]}
    world.ecs.add_response("delete_attributes", {}, sent)
    world.put(target(1, "hall", "4"))
    result = act(1, attributes={"hall": "4"}, purge_attributes=True)
    assert result["instances"][0]["attributes"] == {arn(1): {"hall": "4"}}


def test_the_mark_of_what_is_drained_is_no_attribute_of_the_user(world, act):
    full = {str(n): "x" for n in range(9)}
    world.read({**ci(1, {**full, "hybrid.ecs_anywhere.draining": "upgrade"}), "status": "DRAINING"})
    world.put(target(1, "hall", "4"))
    reason = {"drain_reason": "other"}  # so that the state is left alone
    result = act(1, attributes={**full, "hall": "4"}, purge_attributes=True, **reason)
    assert result["instances"][0]["attributes"] == {arn(1): {**full, "hall": "4"}}
    assert result["instances"][0]["drain_reason"] == "upgrade"


def test_one_that_is_full_fails_alone_before_anything_is_asked(world, act):
    world.read(ci(1, {str(n): "x" for n in range(10)}), ci(2))
    world.put(target(2, "hall", "4"))
    result = act(1, 2, attributes={"hall": "4"})
    assert [i["failed"] for i in result["instances"]] == [True, False]
    assert "would have 11 attributes" in result["msg"] and "set purge_attributes" in result["msg"]


def test_one_that_spoils_the_call_fails_alone(world, act):
    world.read(ci(1), ci(2))
    world.ecs.add_client_error("put_attributes", "TargetNotFoundException", "no")
    world.ecs.add_client_error("put_attributes", "TargetNotFoundException", "no")
    world.put(target(2, "hall", "4"))
    result = act(1, 2, attributes={"hall": "4"})
    assert [(i["failed"], i["changed"]) for i in result["instances"]] == [(True, False), (False, True)]
    assert "Failed to set the attributes of container instances" in result["instances"][0]["msg"]


def test_tags_go_to_both_sides_and_those_that_have_them_are_found_by_the_page(world, act):
    world.nodes(1, 2)
    world.read(ci(1, tags={"site": "hh"}), ci(2, tags={"old": "1", "aws:x": "y"}))
    filters = [{"Key": "tag:site", "Values": ["hh"]}]
    world.nodes(1, 9, sent={"Filters": filters, "MaxResults": 50})
    world.node_tags(2, old="1")
    node = {"ResourceType": "ManagedInstance", "ResourceId": mi(2)}
    world.ssm.add_response("add_tags_to_resource", {}, {**node, "Tags": [{"Key": "site", "Value": "hh"}]})
    world.ecs.add_response(
        "tag_resource", {}, {"resourceArn": arn(2), "tags": [{"key": "site", "value": "hh"}]}
    )  # fmt: skip
    result = act(1, 2, tags={"site": "hh"}, diff=True)
    assert [i["changed"] for i in result["instances"]] == [False, True]
    assert result["instances"][1]["tags"] == {
        mi(2): {"old": "1", "site": "hh"},
        arn(2): {"old": "1", "site": "hh"},
    }
    assert result["diff"]["before"][mi(2)]["tags"] == {mi(2): {"old": "1"}, arn(2): {"old": "1"}}


def test_purged_tags_leave_those_of_aws(world, act):
    world.nodes(1)
    world.read(ci(1, tags={"old": "1", "aws:x": "y"}))
    world.node_tags(1, old="1", **{"aws:x": "y"})
    node = {"ResourceType": "ManagedInstance", "ResourceId": mi(1)}
    world.ssm.add_response("remove_tags_from_resource", {}, {**node, "TagKeys": ["old"]})
    world.ecs.add_response("untag_resource", {}, {"resourceArn": arn(1), "tagKeys": ["old"]})
    result = act(1, tags={}, purge_tags=True)
    assert result["instances"][0]["tags"] == {mi(1): {}, arn(1): {}}


def test_without_a_cluster_only_managed_nodes_are_tagged(world, run):
    world.nodes(1)
    world.node_tags(1)  # an empty value cannot be looked for
    node = {"ResourceType": "ManagedInstance", "ResourceId": mi(1)}
    world.ssm.add_response("add_tags_to_resource", {}, {**node, "Tags": [{"Key": "a", "Value": ""}]})
    assert run("ecs_external_instance", managed_instance_ids=[mi(1)], tags={"a": None})["changed"]


def test_check_mode_reads_and_predicts(world, act):
    world.nodes(1)
    world.read(ci(1, {"old": "x"}))
    world.nodes(sent={"Filters": [{"Key": "tag:a", "Values": ["1"]}], "MaxResults": 50})
    world.node_tags(1)
    result = act(1, attributes={"hall": "4"}, purge_attributes=True, tags={"a": "1"}, check=True, diff=True)
    assert result["changed"] and result["instances"][0]["attributes"] == {arn(1): {"hall": "4"}}
    assert result["diff"]["after"][mi(1)]["tags"] == {mi(1): {"a": "1"}, arn(1): {"a": "1"}}


@pytest.mark.parametrize("side", ["ecs", "ssm"])
def test_a_tag_that_is_refused_is_told_of_its_server(world, act, side):
    world.nodes(1)
    world.read(ci(1))
    world.nodes()
    world.node_tags(1)
    if side == "ssm":
        world.ssm.add_client_error("add_tags_to_resource", "AccessDeniedException", "no")
    else:
        world.ssm.add_response("add_tags_to_resource", {})
        world.ecs.add_client_error("tag_resource", "AccessDeniedException", "no")
    result = act(1, tags={"a": "1"})
    action = {"ssm": "ssm:AddTagsToResource", "ecs": "ecs:TagResource"}[side]
    assert f"lack the permission {action}" in result["msg"]
    assert result["changed"] is (side == "ecs")  # what was done is told


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"attributes": {"ecs.x": "1"}}, "the ECS agent sets itself"),
        ({"tags": {"aws:x": "1"}}, "for AWS alone"),
        ({"attributes": {"hybrid.ecs_anywhere.draining": "1"}}, "is what drain_reason sets"),
        ({"attributes": {"a": "1"}, "cluster": None}, "attributes needs cluster"),
        ({"tags": {"a": "1"}, "state": "absent"}, "of no use with state=absent"),
    ],
)
def test_bad_input_fails_before_any_call(run, args, words):
    result = run("ecs_external_instance", **{"managed_instance_ids": [mi(1)], "cluster": "edge", **args})
    assert result["failed"] and words in result["msg"]
