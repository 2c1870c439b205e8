# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Container instances that are drained, activated and deregistered, against botocore's models."""

from __future__ import annotations

import pytest

MARK = "hybrid.ecs_anywhere.draining"
RUNNING = "Found running tasks on the instance."


def mi(n):
    return f"mi-{n:017x}"


def arn(n):
    return f"arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/{n:032x}"


def ci(n, status="ACTIVE", tasks=0, connected=True, mark=None, own=0):
    attributes = [{"name": f"own{i}", "value": "x"} for i in range(own)]
    return {
        "attributes": attributes + ([{"name": MARK, "value": mark}] if mark else []),
        "containerInstanceArn": arn(n),
        "ec2InstanceId": mi(n),
        "status": status,
        "runningTasksCount": tasks,
        "agentConnected": connected,
    }


class World:
    """What is to be called, in order."""

    def __init__(self, stub):
        self.ecs, self.ssm = stub("ecs"), stub("ssm")

    def read(self, *instances):
        self.ecs.add_response("list_container_instances", {"containerInstanceArns": [arn(0)] if instances else []})
        if instances:
            self.ecs.add_response("describe_container_instances", {"containerInstances": list(instances)})

    def nodes(self, *numbers):
        nodes = [{"InstanceId": mi(n), "IamRole": "r"} for n in numbers]
        self.ssm.add_response("describe_instance_information", {"InstanceInformationList": nodes})

    def update(self, status, *numbers, tasks=0, failures=()):
        failed = {f["arn"] for f in failures}
        self.ecs.add_response(
            "update_container_instances_state",
            {
                "containerInstances": [ci(n, status, tasks) for n in numbers if arn(n) not in failed],
                "failures": list(failures),
            },
            {"cluster": "edge", "containerInstances": [arn(n) for n in numbers], "status": status},
        )

    def mark(self, reason, *numbers):
        attributes = [{"targetType": "container-instance", "targetId": arn(n), "name": MARK} for n in numbers]
        if reason is None:
            self.ecs.add_response("delete_attributes", {}, {"cluster": "edge", "attributes": attributes})
        else:
            sent = {"cluster": "edge", "attributes": [{**a, "value": reason} for a in attributes]}
            self.ecs.add_response("put_attributes", {}, sent)

    def deregister(self, n, force=False):
        sent = {"cluster": "edge", "containerInstance": arn(n), "force": force}
        self.ecs.add_response("deregister_container_instance", {}, sent)

    def release(self, n):
        self.ssm.add_response("deregister_managed_instance", {}, {"InstanceId": mi(n)})


@pytest.fixture
def world(stub):
    return World(stub)


@pytest.fixture
def act(run):
    def _act(state, *numbers, **args):
        ids = [mi(n) for n in numbers]
        return run("ecs_external_instance", managed_instance_ids=ids, cluster="edge", state=state, **args)

    return _act


def statuses(result):
    return [i["status"] for i in result["instances"]]


def test_what_differs_is_changed_ten_a_call_and_ssm_is_not_asked(world, act):
    world.read(*[ci(n, "DRAINING" if n == 12 else "ACTIVE") for n in range(13)])
    world.update("DRAINING", *range(10))
    world.update("DRAINING", 10, 11)
    result = act("draining", *range(13), diff=True)
    assert result["changed"] and set(statuses(result)) == {"DRAINING"} and result["unfinished"] == []
    assert [i["changed"] for i in result["instances"]] == [True] * 12 + [False]
    assert result["diff"]["before"][mi(3)] == {"container_instances": {arn(3): "ACTIVE"}}
    assert mi(12) not in result["diff"]["after"]


def test_active_is_the_default_and_undoes_draining(world, act):
    world.read(ci(1, "DRAINING"), ci(2))
    world.update("ACTIVE", 1)
    result = act("active", 1, 2)
    assert statuses(result) == ["ACTIVE", "ACTIVE"] and [i["changed"] for i in result["instances"]] == [True, False]


def test_what_still_has_tasks_is_not_finished(world, act):
    world.read(ci(1))
    world.update("DRAINING", 1, tasks=2)
    result = act("draining", 1)
    assert result["unfinished"] == [mi(1)] and result["instances"][0]["waits_for"] == "2 tasks to end"
    assert "failed" not in result or not result["failed"]


def test_absent_is_drained_deregistered_and_released_in_this_order(world, act, calls_of):
    world.nodes(1)
    world.read(ci(1))
    world.update("DRAINING", 1)
    world.deregister(1)
    world.release(1)
    result = act("absent", 1, diff=True)
    assert calls_of == [
        "DescribeInstanceInformation",
        "ListContainerInstances",
        "DescribeContainerInstances",
        "UpdateContainerInstancesState",
        "DeregisterContainerInstance",
        "DeregisterManagedInstance",
    ]
    assert statuses(result) == [None] and result["instances"][0]["managed_node"] is False
    assert result["diff"]["after"] == {mi(1): {"iam_role": None, "managed_node": False, "container_instances": {}}}


@pytest.fixture
def calls_of(stub):
    sent = []
    for service in ("ecs", "ssm"):
        events = stub(service).client.meta.events
        events.register("before-parameter-build", lambda model, **_: sent.append(model.name))
    return sent


def test_what_is_absent_stays_so(world, act):
    world.nodes()
    world.read()
    result = act("absent", 1)
    assert not result["changed"] and not result["instances"][0]["failed"]


def test_absent_with_tasks_keeps_both_sides(world, act):
    world.nodes(1)
    world.read(ci(1, "DRAINING", tasks=1, connected=False))
    result = act("absent", 1)
    assert not result["changed"] and result["unfinished"] == [mi(1)]
    assert "agent is not connected" in result["instances"][0]["waits_for"]


def test_a_task_that_came_between_is_waited_for(world, act):
    world.nodes(1)
    world.read(ci(1, "DRAINING"))
    world.ecs.add_client_error("deregister_container_instance", "InvalidParameterException", RUNNING)
    result = act("absent", 1)
    assert result["unfinished"] == [mi(1)] and not result["changed"]


def test_force_deregisters_at_once(world, act):
    world.nodes(1)
    world.read(ci(1, tasks=3))
    world.deregister(1, force=True)
    world.release(1)
    assert act("absent", 1, force=True)["changed"]


@pytest.mark.parametrize(("sides", "keeps_node"), [(["ecs"], True), (["ssm"], False)])
def test_one_side_alone(world, act, sides, keeps_node):
    if keeps_node:
        world.read(ci(1, "DRAINING"))
        world.deregister(1)
    else:
        world.nodes(1)
        world.release(1)
    result = act("absent", 1, sides=sides)
    assert result["changed"] and ("managed_node" in result["instances"][0]) is not keeps_node


def test_standalone_tasks_are_stopped_and_those_of_services_left(world, act):
    world.read(ci(1, "DRAINING", tasks=2), ci(2, "DRAINING"))
    world.ecs.add_response("list_tasks", {"taskArns": ["t1", "t2"]})
    tasks = [
        {"taskArn": "t1", "group": "service:web", "containerInstanceArn": arn(1)},
        {"taskArn": "t2", "group": "family:job", "containerInstanceArn": arn(1)},
    ]
    world.ecs.add_response("describe_tasks", {"tasks": tasks})
    world.ecs.add_response("stop_task", {})
    result = act("draining", 1, 2, stop_standalone_tasks=True)
    assert result["changed"] and result["instances"][0]["stopped_tasks"] == ["t2"]
    assert result["unfinished"] == [mi(1)]


def test_check_mode_only_reads(world, act):
    world.nodes(1)
    world.read(ci(1, tasks=2))
    result = act("absent", 1, check=True, stop_standalone_tasks=True)
    assert result["changed"] and statuses(result) == [None] and result["unfinished"] == []


def test_check_mode_without_wait_tells_what_would_be_left(world, act):
    world.nodes(1)
    world.read(ci(1, tasks=2))
    result = act("absent", 1, check=True, wait=False)
    assert statuses(result) == ["DRAINING"] and result["unfinished"] == [mi(1)]


def test_one_that_is_not_registered_hides_no_other(world, act):
    world.read(ci(2))
    world.update("DRAINING", 2)
    result = act("draining", 1, 2)
    assert result["failed"] and [i["failed"] for i in result["instances"]] == [True, False]
    assert f"{mi(1)}: The cluster has no container instance" in result["msg"] and "cluster edge" in result["msg"]
    assert statuses(result) == [None, "DRAINING"]


def test_one_that_aws_does_not_take_hides_no_other(world, act):
    world.read(ci(1), ci(2), ci(3))
    failure = {"arn": arn(2), "reason": "BUSY"}
    world.update("DRAINING", 1, 2, 3, failures=[failure])
    result = act("draining", 1, 2, 3)
    assert statuses(result) == ["DRAINING", "ACTIVE", "DRAINING"] and "BUSY" in result["msg"]


def test_one_that_spoils_the_call_hides_no_other(world, act):
    world.read(ci(1), ci(2), ci(3))
    for _all_then_the_half_with_two in range(2):
        world.ecs.add_client_error("update_container_instances_state", "InvalidParameterException", "no")
        if not _all_then_the_half_with_two:
            world.update("DRAINING", 1)
    world.update("DRAINING", 2)
    world.ecs.add_client_error("update_container_instances_state", "InvalidParameterException", "no")
    result = act("draining", 1, 2, 3)
    assert statuses(result) == ["DRAINING", "DRAINING", "ACTIVE"]
    assert [i["failed"] for i in result["instances"]] == [False, False, True]


def test_one_that_went_away_meanwhile_is_absent(world, act):
    world.nodes(1)
    world.read(ci(1))
    world.update("DRAINING", 1, failures=[{"arn": arn(1), "reason": "MISSING"}])
    world.release(1)
    assert act("absent", 1)["instances"][0]["status"] is None


def test_ssm_is_left_alone_where_ecs_failed(world, act):
    world.nodes(1)
    world.read(ci(1, "DRAINING"))
    world.ecs.add_client_error("deregister_container_instance", "AccessDeniedException", "no")
    result = act("absent", 1)
    assert "lack the permission ecs:DeregisterContainerInstance" in result["msg"] and not result["changed"]


def reasons(result):
    return [i["drain_reason"] for i in result["instances"]]


def test_the_reason_is_put_before_the_state_is_changed_ten_a_call(world, act):
    """The stub takes the calls in this order only."""
    world.read(*[ci(n) for n in range(11)], ci(11, "DRAINING"), ci(12, "DRAINING", mark="other"))
    world.mark("upgrade", *range(10))
    world.mark("upgrade", 10)
    world.update("DRAINING", *range(10))
    world.update("DRAINING", 10)
    result = act("draining", *range(13), drain_reason="upgrade", diff=True)
    assert set(statuses(result)) == {"DRAINING"} and reasons(result) == ["upgrade"] * 11 + [None, "other"]
    assert [i["changed"] for i in result["instances"]] == [True] * 11 + [False] * 2
    assert result["diff"]["before"][mi(3)] == {"container_instances": {arn(3): "ACTIVE"}}
    assert result["diff"]["after"][mi(3)]["drain_reasons"] == {arn(3): "upgrade"}
    assert "drain_reasons" not in result["instances"][3]


def test_what_a_run_marked_and_had_no_time_to_drain_is_only_drained(world, act):
    world.read(ci(1, mark="upgrade"), ci(2, mark="older"))
    world.mark("upgrade", 2)
    world.update("DRAINING", 1, 2)
    assert reasons(act("draining", 1, 2, drain_reason="upgrade")) == ["upgrade"] * 2


def test_only_what_has_the_reason_is_made_active_and_the_mark_goes_last(world, act):
    drained = [ci(1, "DRAINING", mark="upgrade"), ci(2, "DRAINING"), ci(3, "DRAINING", mark="other")]
    world.read(*drained, ci(4, mark="upgrade"), ci(5))
    world.update("ACTIVE", 1)
    world.mark(None, 1, 4)  # one that is active already has nothing but its mark
    result = act("active", 1, 2, 3, 4, 5, 6, drain_reason="upgrade")
    assert statuses(result) == ["ACTIVE", "DRAINING", "DRAINING", "ACTIVE", "ACTIVE", None]
    assert reasons(result) == [None, None, "other", None, None, None]
    assert [i["changed"] for i in result["instances"]] == [True, False, False, True, False, False]
    assert not any(i["failed"] for i in result["instances"])  # nor is one that is not there


def test_without_a_reason_all_are_made_active_and_marks_removed(world, act):
    world.read(ci(1, "DRAINING", mark="upgrade"), ci(2, "DRAINING"))
    world.update("ACTIVE", 1, 2)
    world.mark(None, 1)
    result = act("active", 1, 2)
    assert statuses(result) == ["ACTIVE"] * 2 and reasons(result) == [None] * 2


def test_who_drains_without_a_reason_takes_over(world, act):
    world.read(ci(1, mark="upgrade"), ci(2, "DRAINING", mark="upgrade"))
    world.mark(None, 1, 2)
    world.update("DRAINING", 1)
    result = act("draining", 1, 2, diff=True)
    assert reasons(result) == [None] * 2 and [i["changed"] for i in result["instances"]] == [True] * 2
    assert result["diff"]["before"][mi(2)]["drain_reasons"] == {arn(2): "upgrade"}
    assert "drain_reasons" not in result["diff"]["after"][mi(2)]


def test_marks_are_predicted(world, act):
    world.read(ci(1), ci(2, "DRAINING", mark="x"))
    assert reasons(act("draining", 1, 2, drain_reason="upgrade", check=True)) == ["upgrade", "x"]
    world.read(ci(1, "DRAINING", mark="upgrade"))
    result = act("active", 1, drain_reason="upgrade", check=True)
    assert statuses(result) == ["ACTIVE"] and reasons(result) == [None] and result["changed"]


def test_one_that_cannot_be_marked_is_not_drained_and_hides_no_other(world, act):
    world.read(ci(1, own=10), ci(2), ci(3))
    world.ecs.add_client_error("put_attributes", "TargetNotFoundException", "no")
    world.mark("upgrade", 2)
    world.ecs.add_client_error("put_attributes", "TargetNotFoundException", "no")
    world.update("DRAINING", 2)
    result = act("draining", 1, 2, 3, drain_reason="upgrade")
    assert statuses(result) == ["ACTIVE", "DRAINING", "ACTIVE"] and reasons(result) == [None, "upgrade", None]
    assert [i["failed"] for i in result["instances"]] == [True, False, True]
    assert "it has 10 attributes of its own, which is what ECS takes" in result["instances"][0]["msg"]
    assert "Failed to set the attributes" in result["instances"][2]["msg"]


def test_one_that_has_its_mark_is_not_too_full_for_it(world, act):
    world.read(ci(1, own=9, mark="older"))
    world.mark("upgrade", 1)
    world.update("DRAINING", 1)
    assert reasons(act("draining", 1, drain_reason="upgrade")) == ["upgrade"]


def test_a_mark_that_stays_is_told_though_the_server_is_active(world, act):
    world.read(ci(1, "DRAINING", mark="upgrade"))
    world.update("ACTIVE", 1)
    world.ecs.add_client_error("delete_attributes", "AccessDeniedException", "no")
    result = act("active", 1, drain_reason="upgrade")
    assert statuses(result) == ["ACTIVE"] and "lack the permission ecs:DeleteAttributes" in result["msg"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"state": "draining", "drain_reason": "", "cluster": "edge"}, "drain_reason: '' is not 1 to 128"),
        ({"state": "draining", "drain_reason": "a\nb", "cluster": "edge"}, "letters, digits, spaces"),
        ({"state": "absent", "drain_reason": "x", "cluster": "edge"}, "drain_reason is of no use with state=absent"),
        ({"drain_reason": "x"}, "drain_reason needs cluster"),
        ({"state": "draining"}, "state=draining needs cluster"),
        ({"state": "absent"}, "state=absent needs cluster"),
        ({"state": "absent", "sides": []}, "sides must name"),
        ({"state": "absent", "cluster": "edge", "iam_role": "r"}, "of no use with state=absent"),
        ({"cluster": " "}, "must not be empty"),
    ],
)
def test_bad_input_fails_before_any_call(stub, run, args, words):
    result = run("ecs_external_instance", managed_instance_ids=[mi(1)], **args)
    assert result["failed"] and words in result["msg"]
