# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


def arn(n):
    return f"arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/{n:032x}"


def read(stub, *instances, asked=None):
    """instances: (number, status, connected)"""
    stub("ecs").add_response(
        "describe_container_instances",
        {
            "containerInstances": [
                {"containerInstanceArn": arn(n), "status": status, "agentConnected": connected}
                for n, status, connected in instances
            ]
        },
        {"cluster": "edge", "containerInstances": [arn(n) for n in asked or [i[0] for i in instances]],
         "include": ["TAGS"]},
    )  # fmt: skip


def deregister(stub, n):
    stub("ecs").add_response(
        "deregister_container_instance", {}, {"cluster": "edge", "containerInstance": arn(n), "force": True}
    )


def result_of(run, *numbers, **args):
    return run("ecs_container_instance", cluster="edge", container_instances=[arn(n) for n in numbers], **args)


def test_those_that_are_there_are_deregistered(stub, run):
    read(stub, (1, "ACTIVE", False), (2, "INACTIVE", False), (3, "DRAINING", False), asked=[1, 2, 3, 4])
    deregister(stub, 1)
    deregister(stub, 3)
    result = result_of(run, 1, 2, 3, 4, 1, diff=True)
    assert result["changed"]
    assert [(i["container_instance_arn"], i["changed"]) for i in result["instances"]] == [
        (arn(1), True), (arn(2), False), (arn(3), True), (arn(4), False),
    ]  # fmt: skip
    assert result["diff"]["before"] == {"container_instances": [arn(1), arn(3)]}


def test_none_of_them_there_is_right(stub, run):
    read(stub, asked=[1])
    assert not result_of(run, 1)["changed"]
    assert not result_of(run)["changed"]


def test_check_mode_predicts_and_only_reads(stub, run):
    read(stub, (1, "ACTIVE", False))
    assert result_of(run, 1, check=True)["changed"]


def test_one_that_a_server_works_as_is_never_deregistered(stub, run):
    read(stub, (1, "ACTIVE", True), (2, "ACTIVE", False))
    deregister(stub, 2)
    result = result_of(run, 1, 2, wait_timeout=-1)
    assert result["failed"] and result["changed"]
    assert f"1 of 2 instances failed. {arn(1)}: The ECS agent of the container instance is connected" in result["msg"]
    assert "cluster edge" in result["msg"]


def test_an_agent_that_was_just_stopped_is_waited_for(stub, run, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    read(stub, (1, "ACTIVE", True))
    read(stub, (1, "ACTIVE", False))
    deregister(stub, 1)
    assert result_of(run, 1)["changed"]


def test_a_failure_is_told_in_a_sentence(stub, run):
    read(stub, (1, "ACTIVE", False))
    words = "User: x is not authorized to perform: ecs:DeregisterContainerInstance on resource: y"
    stub("ecs").add_client_error("deregister_container_instance", "AccessDeniedException", words, 400)
    result = result_of(run, 1)
    assert result["failed"] and not result["changed"]
    assert "lack the permission ecs:DeregisterContainerInstance" in result["msg"]
