# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest

IDS = [f"{n:08d}-1111-4111-8111-111111111111" for n in range(4)]
NOW = datetime.now(UTC)


def activation(n, **changes):
    return {
        "ActivationId": IDS[n],
        "IamRole": "service-role/r",
        "RegistrationLimit": 3,
        "RegistrationsCount": 1,
        "ExpirationDate": NOW + timedelta(hours=1),
        "Expired": False,
        "CreatedDate": NOW - timedelta(hours=n + 1),
        **changes,
    }


ALL = [activation(2), activation(0), activation(1, Expired=True), activation(3, RegistrationsCount=3)]


def ids(result):
    return [IDS.index(a["activation_id"]) for a in result["activations"]]


@pytest.mark.parametrize(("usable", "expected"), [(None, [0, 1, 2, 3]), (True, [0, 2]), (False, [1, 3])])
def test_newest_first_and_filtered(stub, run, usable, expected):
    stub("ssm").add_response("describe_activations", {"ActivationList": ALL}, {"MaxResults": 50})
    result = run("ssm_activation_info", **({} if usable is None else {"usable": usable}))
    assert ids(result) == expected and not result["changed"]
    assert "activation_code" not in json.dumps(result["activations"])


def test_filters_are_aws_own_and_the_role_is_normalised(stub, run):
    filters = [
        {"FilterKey": "IamRole", "FilterValues": ["service-role/r"]},
        {"FilterKey": "DefaultInstanceName", "FilterValues": ["edge"]},
        {"FilterKey": "ActivationIds", "FilterValues": [IDS[0]]},
    ]
    stub("ssm").add_response(
        "describe_activations", {"ActivationList": ALL[1:2]}, {"Filters": filters, "MaxResults": 50}
    )
    result = run(
        "ssm_activation_info",
        iam_role="arn:aws:iam::123456789012:role/service-role/r",
        default_instance_name="edge",
        activation_ids=[IDS[0]],
    )
    assert ids(result) == [0]


def test_all_pages_are_read(stub, run):
    ssm = stub("ssm")
    ssm.add_response("describe_activations", {"ActivationList": ALL[:2], "NextToken": "t"}, {"MaxResults": 50})
    ssm.add_response("describe_activations", {"ActivationList": ALL[2:]}, {"MaxResults": 50, "NextToken": "t"})
    assert len(run("ssm_activation_info")["activations"]) == 4


def test_none_asked_for_costs_no_call(stub, run):
    assert run("ssm_activation_info", activation_ids=[])["activations"] == []


@pytest.mark.parametrize(
    ("args", "words"), [({"activation_ids": ["x"]}, "not the id"), ({"iam_role": "AROAEXAMPLEEXAMPLE12"}, "unique id")]
)
def test_bad_input_fails_before_any_call(stub, run, args, words):
    result = run("ssm_activation_info", **args)
    assert result["failed"] and words in result["msg"]


def test_a_missing_permission_is_named(stub, run):
    stub("ssm").add_client_error("describe_activations", "AccessDeniedException", "no")
    result = run("ssm_activation_info")
    assert "lack the permission ssm:DescribeActivations" in result["msg"] and "region eu-west-1" in result["msg"]
