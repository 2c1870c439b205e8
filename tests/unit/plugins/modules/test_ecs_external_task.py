# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from botocore.stub import ANY

ARN = "arn:aws:ecs:eu-west-1:123456789012"
DEFINITION = {
    "taskDefinitionArn": f"{ARN}:task-definition/job:3",
    "family": "job",
    "status": "ACTIVE",
    "compatibilities": ["EC2", "EXTERNAL"],
    "requiresCompatibilities": ["EXTERNAL"],
    "containerDefinitions": [{"name": "job", "image": "busybox", "memory": 16}],
}
DOCUMENT = {"family": "job", "containerDefinitions": [{"name": "job", "image": "busybox", "memory": 16}]}


def mi(n):
    return f"mi-{n:017x}"


def instance(n, **more):
    return {
        "containerInstanceArn": f"{ARN}:container-instance/edge/{n:032x}",
        "ec2InstanceId": mi(n),
        "status": "ACTIVE",
        "agentConnected": True,
        **more,
    }


def task(n, number=0, **more):
    return {
        "taskArn": f"{ARN}:task/edge/{n:016x}{number:016x}",
        "taskDefinitionArn": DEFINITION["taskDefinitionArn"],
        "containerInstanceArn": instance(n)["containerInstanceArn"],
        "lastStatus": "PENDING",
        "containers": [{"name": "job", "lastStatus": "PENDING"}],
        **more,
    }


def ended(n, code=0, **more):
    containers = [{"name": "job", "lastStatus": "STOPPED", "exitCode": code, "runtimeId": "abc"}]
    return task(n, lastStatus="STOPPED", stopCode="EssentialContainerExited", containers=containers, **more)


@pytest.fixture
def ecs(stub):
    return Ecs(stub("ecs"))


class Ecs:
    """What ECS answers, in the order in which it is asked."""

    def __init__(self, stubber):
        self.stubber = stubber

    def knows(self, *instances):
        arns = [i["containerInstanceArn"] for i in instances]
        self.stubber.add_response("list_container_instances", {"containerInstanceArns": arns})
        if arns:
            self.describes(*instances)

    def describes(self, *instances):
        self.stubber.add_response("describe_container_instances", {"containerInstances": list(instances)})

    def defines(self, **more):
        self.stubber.add_response("describe_task_definition", {"taskDefinition": {**DEFINITION, **more}})

    def registers(self):
        self.stubber.add_response(
            "register_task_definition",
            {"taskDefinition": DEFINITION},
            {**DOCUMENT, "requiresCompatibilities": ["EXTERNAL"]},
        )

    def starts(self, *tasks, failures=(), **expected):
        expected = {"cluster": "edge", "taskDefinition": ANY, "startedBy": ANY, "containerInstances": ANY, **expected}
        self.stubber.add_response("start_task", {"tasks": list(tasks), "failures": list(failures)}, expected)

    def breaks(self, operation, code="ServerException", status=500, words=""):
        self.stubber.add_client_error(operation, code, words, status)

    def lists(self, running=(), stopped=(), **expected):
        for status, tasks in (("RUNNING", running), ("STOPPED", stopped)):
            expected = {"cluster": "edge", "desiredStatus": status, "startedBy": ANY, "maxResults": 100, **expected}
            self.stubber.add_response("list_tasks", {"taskArns": [t["taskArn"] for t in tasks]},
                                      {**expected, "desiredStatus": status})  # fmt: skip

    def describes_tasks(self, *tasks):
        self.stubber.add_response("describe_tasks", {"tasks": list(tasks)})


def result_of(run, *numbers, **args):
    given = {"cluster": "edge", "task_definition": "job", **args}
    if numbers:
        given["managed_instance_ids"] = [mi(n) for n in numbers]
    return run("ecs_external_task", **{name: value for name, value in given.items() if value is not None})


def test_a_task_on_each_in_the_order_of_the_names(ecs, run):
    ecs.knows(instance(2), instance(1))
    ecs.defines()
    ecs.starts(ended(2), task(1), containerInstances=[instance(n)["containerInstanceArn"] for n in (1, 2)])
    result = result_of(run, 1, 2, 1)
    assert result["changed"] and not result["registered"]
    assert [t["managed_instance_id"] for t in result["tasks"]] == [mi(1), mi(2)]
    assert [t["exit_code"] for t in result["tasks"]] == [None, 0]
    assert result["tasks"][1]["logs"][0]["command"] == "docker logs abc"
    assert result["unfinished"] == [task(1)["taskArn"]]


def test_ten_in_a_call(ecs, run):
    ecs.knows(*[instance(n) for n in range(12)])
    ecs.defines()
    ecs.starts(*[task(n) for n in range(10)])
    ecs.starts(*[task(n) for n in (10, 11)])
    assert len(result_of(run, *range(12))["unfinished"]) == 12


def test_what_is_known_before_is_not_asked_for_and_the_others_run(ecs, run):
    ecs.knows(instance(1), instance(2, agentConnected=False))
    ecs.defines()
    arn = instance(1)["containerInstanceArn"]
    ecs.starts(failures=[{"arn": arn, "reason": "RESOURCE:MEMORY"}], containerInstances=[arn])
    result = result_of(run, 1, 2, 3)
    assert result["failed"] and not result["changed"]
    assert [t["stopped_reason"] for t in result["tasks"]] == ["RESOURCE:MEMORY", "AGENT", "MISSING"]
    assert "3 of 3 tasks failed." in result["msg"] and "not enough memory left" in result["msg"]
    assert [t["managed_instance_id"] for t in result["tasks"]] == [mi(1), mi(2), mi(3)]


def test_nobody_able_costs_no_further_call(ecs, run):
    ecs.knows()
    result = result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT)
    assert result["failed"] and not result["changed"] and "no such container instance" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_revision_is_registered_and_deregistered_at_once(ecs, run, check):
    ecs.knows(instance(1))
    ecs.defines(containerDefinitions=[])
    if not check:
        ecs.registers()
        ecs.starts(task(1), taskDefinition=DEFINITION["taskDefinitionArn"])
        ecs.stubber.add_response("deregister_task_definition", {}, {"taskDefinition": DEFINITION["taskDefinitionArn"]})
    result = result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT, deregister=True, check=check)
    assert result["changed"] and result["registered"]
    assert result["task_definition_arn"] == ("job:(new)" if check else DEFINITION["taskDefinitionArn"])


def test_one_that_means_the_same_is_used_and_stays(ecs, run):
    ecs.knows(instance(1))
    ecs.defines()
    ecs.starts(task(1))
    result = result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT, deregister=True)
    assert not result["registered"]


def test_what_cannot_be_cleaned_up_hides_no_task(ecs, run):
    ecs.knows(instance(1))
    ecs.defines(containerDefinitions=[])
    ecs.registers()
    ecs.starts(task(1))
    ecs.breaks("deregister_task_definition", "AccessDeniedException", 400, "not authorized to perform: ecs:X")
    result = result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT, deregister=True)
    assert len(result["unfinished"]) == 1 and "lack the permission ecs:X" in str(result["warnings"])


def test_a_lost_registration_is_looked_up(ecs, run):
    ecs.knows(instance(1))
    ecs.defines(containerDefinitions=[])
    ecs.breaks("register_task_definition")
    ecs.defines()  # it was registered
    ecs.starts(task(1))
    assert result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT)["registered"]


def test_one_that_did_not_arrive_is_registered_again(ecs, run):
    ecs.knows(instance(1))
    ecs.defines(containerDefinitions=[])
    ecs.breaks("register_task_definition")
    ecs.defines(containerDefinitions=[])
    ecs.registers()
    ecs.starts(task(1))
    assert result_of(run, 1, task_definition=None, task_definition_document=DOCUMENT)["registered"]


def test_after_a_lost_answer_only_what_does_not_run_is_started(ecs, run):
    ecs.knows(instance(1), instance(2))
    ecs.defines()
    ecs.breaks("start_task")
    ecs.lists(running=[task(1)])
    ecs.describes_tasks(task(1))
    ecs.starts(task(2), containerInstances=[instance(2)["containerInstanceArn"]])
    result = result_of(run, 1, 2)
    assert result["unfinished"] == [task(1)["taskArn"], task(2)["taskArn"]]


def test_with_a_mark_of_the_users_own_earlier_tasks_are_not_taken_for_new_ones(ecs, run):
    ecs.knows(instance(1))
    ecs.defines()
    ecs.lists(running=[task(1, 7)], startedBy="nightly")
    ecs.breaks("start_task")
    ecs.lists(running=[task(1, 7)], stopped=[ended(1)], startedBy="nightly")
    ecs.describes_tasks(ended(1))
    result = result_of(run, 1, started_by="nightly")
    assert [t["task_arn"] for t in result["tasks"]] == [task(1)["taskArn"]] and result["unfinished"] == []


def test_an_error_about_all_of_them_is_asked_for_once(ecs, run):
    ecs.knows(*[instance(n) for n in range(12)])
    ecs.defines()
    ecs.breaks("start_task", "AccessDeniedException", 400, "User: x is not authorized to perform: ecs:StartTask")
    result = result_of(run, *range(12))
    assert result["failed"] and "12 of 12 tasks failed." in result["msg"]
    assert "lack the permission ecs:StartTask" in result["msg"]


def run_task(ecs, count, *tasks, failures=()):
    ecs.stubber.add_response(
        "run_task",
        {"tasks": list(tasks), "failures": list(failures)},
        {"cluster": "edge", "taskDefinition": ANY, "startedBy": ANY, "clientToken": ANY, "launchType": "EXTERNAL",
         "count": count, "placementConstraints": [{"type": "distinctInstance"}], "group": "g",
         "tags": [{"key": "n", "value": "1"}], "enableExecuteCommand": True, "propagateTags": "TASK_DEFINITION",
         "overrides": {"containerOverrides": [{"name": "job", "environment": [{"name": "A", "value": "1"}]}]}},
    )  # fmt: skip


ANYWHERE = {
    "placement_constraints": [{"type": "distinctInstance"}],
    "group": "g",
    "tags": {"n": 1},
    "enable_execute_command": True,
    "propagate_tags": True,
    "overrides": {"containerOverrides": [{"name": "job", "environment": [{"name": "A", "value": 1}]}]},
}


def test_so_many_anywhere(ecs, run):
    ecs.defines()
    run_task(ecs, 10, *[task(n % 3, n) for n in range(10)])
    run_task(ecs, 2, task(1, 11), task(2, 12))
    ecs.describes(*[instance(n) for n in range(3)])
    result = result_of(run, count=12, **ANYWHERE)
    assert len(result["unfinished"]) == 12 and result["tasks"][1]["managed_instance_id"] == mi(1)


def test_no_room_for_all_of_them(ecs, run):
    ecs.defines()
    run_task(ecs, 10, task(1), failures=[{"arn": "x", "reason": "RESOURCE:CPU"}])
    ecs.describes(instance(1))
    result = result_of(run, count=12, **ANYWHERE)
    assert result["failed"] and result["changed"] and len(result["tasks"]) == 12
    assert "11 of 12 tasks failed." in result["msg"] and "RESOURCE:CPU on 1" in result["msg"]
    assert result["unfinished"] == [task(1)["taskArn"]]


def test_one_if_nothing_is_said_and_check_mode_only_reads(ecs, run):
    ecs.defines()
    result = result_of(run, check=True)
    assert result["changed"] and result["tasks"] == []


def test_an_empty_list_is_nobody(ecs, run):
    ecs_result = run("ecs_external_task", cluster="edge", task_definition="job", managed_instance_ids=[])
    assert not ecs_result["changed"] and ecs_result["tasks"] == []


def test_container_instances_by_id_and_arn(ecs, run):
    arn = instance(1)["containerInstanceArn"]
    ecs.describes(instance(1), instance(2))
    ecs.defines()
    ecs.starts(task(1), task(2), containerInstances=[instance(2)["containerInstanceArn"], arn])
    result = result_of(run, container_instances=[f"{2:032x}", arn])
    assert [t["managed_instance_id"] for t in result["tasks"]] == [mi(2), mi(1)]


def test_a_look_at_earlier_tasks(ecs, run):
    gone = task(3)["taskArn"]
    ecs.describes_tasks(task(2, lastStatus="RUNNING"), ended(1, 5))
    ecs.describes(instance(1))
    ecs.defines()
    result = result_of(run, task_definition=None, tasks=[task(1)["taskArn"], task(2)["taskArn"], gone])
    assert not result["changed"] and result["failed"] and result["unfinished"] == [task(2)["taskArn"]]
    one, two, three = result["tasks"]
    assert (one["exit_code"], one["managed_instance_id"], two["failed"]) == (5, mi(1), False)
    assert "does not know the task any more" in three["msg"] and three["task_arn"] == gone


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"cluster": " "}, "cluster must not be empty"),
        ({"count": 0}, "at least one task"),
        ({"managed_instance_ids": ["i-1"]}, "17 hexadecimal digits"),
        ({"managed_instance_ids": [], "placement_constraints": [{"type": "distinctInstance"}]}, "of no use when"),
        ({"tags": {"aws:x": "y"}}, "begins with aws:"),
        ({"task_definition": None}, "one of the following is required"),
        ({"tasks": ["x"]}, "mutually exclusive"),
        ({"managed_instance_ids": [], "count": 1}, "mutually exclusive"),
        ({"task_definition": None, "task_definition_document": {"family": "x"}}, "no containerDefinitions"),
    ],
)
def test_bad_input_calls_nothing(stub, run, args, words):
    result = result_of(run, **args)
    assert result["failed"] and words in result["msg"]


def test_a_definition_that_is_not_there_or_not_for_external_instances(ecs, run):
    ecs.breaks("describe_task_definition", "ClientException", 400, "Unable to describe task definition.")
    assert "The task definition job does not exist" in result_of(run)["msg"]
    ecs.defines(status="INACTIVE")
    assert "job was deregistered" in result_of(run)["msg"]
    ecs.defines(compatibilities=["EC2", "FARGATE"])
    assert "is for EC2, FARGATE. Next: register it with" in result_of(run)["msg"]


def test_a_bad_document_is_told_in_check_mode_too(ecs, run):
    ecs.knows(instance(1))
    bad = {**DOCUMENT, "colour": "red"}
    result = result_of(run, 1, task_definition=None, task_definition_document=bad, check=True)
    assert result["failed"] and "colour" in result["msg"] and "Next: correct what" in result["msg"]
