# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

import pytest

ROLE = "ecsAnywhereRole"
QUICK_SETUP = "AmazonSSMRoleForInstancesQuickSetup"
REFUSED = "Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::123456789012:role/r"


def mi(n):
    return f"mi-{n:017x}"


def read(stub, roles, ids=None):
    """The answer to the one read: *roles* by number of the instance."""
    stub("ssm").add_response(
        "describe_instance_information",
        {"InstanceInformationList": [{"InstanceId": mi(n), "IamRole": role} for n, role in roles.items()]},
        {"Filters": [{"Key": "InstanceIds", "Values": ids or [mi(n) for n in roles]}], "MaxResults": 50},
    )


def update(stub, n, role=ROLE):
    stub("ssm").add_response("update_managed_instance_role", {}, {"InstanceId": mi(n), "IamRole": role})


def refuse(stub, code="ValidationException", words=REFUSED):
    stub("ssm").add_client_error("update_managed_instance_role", code, words, 400)


def role_answer(trust="ssm.amazonaws.com", path="/"):
    statement = {"Effect": "Allow", "Principal": {"Service": trust}, "Action": "sts:AssumeRole"}
    return {
        "Role": {
            "Path": path,
            "RoleName": ROLE,
            "RoleId": "AROAEXAMPLEEXAMPLE123",
            "Arn": f"arn:aws:iam::123456789012:role{path}{ROLE}",
            "CreateDate": "2026-11-23T20:44:00Z",
            "AssumeRolePolicyDocument": json.dumps({"Statement": [statement]}),
        }
    }


def result_of(run, *numbers, **args):
    return run("ecs_external_instance", managed_instance_ids=[mi(n) for n in numbers], iam_role=ROLE, **args)


def test_only_nodes_that_differ_are_changed(stub, run):
    read(stub, {1: ROLE, 2: QUICK_SETUP, 3: f"edge/{ROLE}"})
    update(stub, 2)
    result = result_of(run, 1, 2, 3, diff=True)
    assert result["changed"]
    assert [(i["managed_instance_id"], i["changed"], i["failed"], i["msg"], i["iam_role"]) for i in
            result["instances"]] == [
        (mi(1), False, False, "", ROLE),
        (mi(2), True, False, "", ROLE),
        (mi(3), False, False, "", f"edge/{ROLE}"),
    ]  # fmt: skip
    assert result["diff"] == {
        "before": {mi(2): {"iam_role": QUICK_SETUP}},
        "after": {mi(2): {"iam_role": ROLE}},
    }


def test_what_is_right_costs_one_read(stub, run):
    read(stub, {1: ROLE, 2: ROLE})
    result = result_of(run, 1, 2, 1, diff=True)
    assert not result["changed"] and len(result["instances"]) == 2
    assert result["diff"] == {"before": {}, "after": {}}


def test_check_mode_predicts_and_only_reads(stub, run):
    read(stub, {1: QUICK_SETUP})
    result = result_of(run, 1, check=True, diff=True)
    assert result["changed"] and result["instances"][0]["changed"]
    assert result["instances"][0]["iam_role"] == ROLE
    assert result["diff"]["after"] == {mi(1): {"iam_role": ROLE}}


def test_what_is_not_given_stays(stub, run):
    read(stub, {1: QUICK_SETUP})
    result = run("ecs_external_instance", managed_instance_ids=[mi(1)])
    assert not result["changed"] and result["instances"][0]["iam_role"] == QUICK_SETUP


def test_no_instances_no_calls(stub, run):
    result = result_of(run)
    assert not result["changed"] and result["instances"] == []


def test_the_role_is_given_in_any_way_and_sent_as_path_and_name(stub, run):
    read(stub, {1: ROLE})
    update(stub, 1, "edge/r")
    arn = "arn:aws:iam::123456789012:role/edge/r"
    assert run("ecs_external_instance", managed_instance_ids=[mi(1)], role=arn)["changed"]


@pytest.mark.parametrize("check", [False, True])
def test_an_unknown_instance_is_named_and_hides_no_other(stub, run, check):
    read(stub, {2: QUICK_SETUP}, ids=[mi(1), mi(2)])
    if not check:
        update(stub, 2)
    result = result_of(run, 1, 2, check=check)
    assert result["failed"] and result["changed"]
    assert "1 of 2 instances failed" in result["msg"] and f"{mi(1)}: Systems Manager knows no" in result["msg"]
    assert mi(2) not in result["msg"] and "region eu-west-1" in result["msg"]
    assert [(i["changed"], i["failed"], i["iam_role"]) for i in result["instances"]] == [
        (False, True, None),
        (True, False, ROLE),
    ]


def test_a_failure_of_one_leaves_the_others_changed(stub, run):
    read(stub, {1: QUICK_SETUP, 2: QUICK_SETUP, 3: QUICK_SETUP})
    update(stub, 1)
    refuse(stub, "InvalidInstanceId", "gone")
    update(stub, 3)
    result = result_of(run, 1, 2, 3, diff=True)
    assert result["failed"] and result["changed"]
    assert [(i["changed"], i["failed"], i["iam_role"]) for i in result["instances"]] == [
        (True, False, ROLE),
        (False, True, QUICK_SETUP),
        (True, False, ROLE),
    ]
    assert "change the role of the managed node" in result["instances"][1]["msg"]
    assert sorted(result["diff"]["after"]) == [mi(1), mi(3)]


@pytest.mark.parametrize("action", ["iam:PassRole", "ssm:UpdateManagedInstanceRole"])
def test_a_missing_permission_is_named(stub, run, action):
    read(stub, {1: QUICK_SETUP})
    words = f"User: arn:aws:iam::123456789012:user/o is not authorized to perform: {action} on resource: x because"
    refuse(stub, "AccessDeniedException", words)
    result = result_of(run, 1)
    assert f"lack the permission {action}" in result["msg"] and f"role {ROLE}" in result["msg"]


def test_a_missing_permission_to_read_is_named(stub, run):
    stub("ssm").add_client_error("describe_instance_information", "AccessDeniedException", "no")
    result = result_of(run, 1)
    assert "lack the permission ssm:DescribeInstanceInformation" in result["msg"] and "instances" not in result


def test_a_new_role_is_waited_for(stub, run, no_sleep):
    read(stub, {1: QUICK_SETUP, 2: QUICK_SETUP})
    for _try in range(3):
        refuse(stub)
        stub("iam").add_response("get_role", role_answer(), {"RoleName": ROLE})
    update(stub, 1)
    update(stub, 2)
    result = result_of(run, 1, 2)
    assert [i["changed"] for i in result["instances"]] == [True, True]
    assert len(no_sleep) == 3 and all(0 < pause <= 8 for pause in no_sleep)


def test_a_role_that_stays_refused_is_tried_for_one_instance_only(stub, run, no_sleep):
    read(stub, {1: QUICK_SETUP, 2: QUICK_SETUP, 3: ROLE})
    iam = stub("iam")
    for _try in range(60):
        refuse(stub)
        iam.add_response("get_role", role_answer(trust="ec2.amazonaws.com"))
    result = result_of(run, 1, 2, 3)
    assert result["failed"] and not result["changed"] and sum(no_sleep) == pytest.approx(15)
    assert [i["failed"] for i in result["instances"]] == [True, True, False]
    assert result["instances"][0]["msg"] == result["instances"][1]["msg"]
    assert "change the role of the managed node within 15 seconds" in result["msg"]
    assert '"ec2.amazonaws.com"' in result["msg"] and f"{mi(1)}, {mi(2)}: " in result["msg"]
    # no call was made for the second instance, nor beyond the 15 seconds
    assert 60 - len(stub("ssm")._queue) == len(no_sleep) + 1
    stub("ssm")._queue.clear()
    iam._queue.clear()


def test_the_time_for_a_new_role_can_be_set(stub, run, no_sleep):
    read(stub, {1: QUICK_SETUP})
    refuse(stub)
    stub("iam").add_response("get_role", role_answer())
    result = result_of(run, 1, iam_propagation_timeout=0)
    assert result["failed"] and "raise iam_propagation_timeout" in result["msg"] and no_sleep == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"managed_instance_ids": ["i-0123456789abcdef0"]}, "17 hexadecimal"),
        ({"iam_role": "AROAEXAMPLEEXAMPLE123"}, "is a unique id"),
        ({"iam_role": ""}, "iam_role: ''"),
    ],
)
def test_bad_input_fails_before_any_call(stub, run, args, words):
    result = run("ecs_external_instance", **{"managed_instance_ids": [mi(1)], "iam_role": ROLE, **args})
    assert result["failed"] and words in result["msg"]
