# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hybrid activations through boto3."""

from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest
from agent_client import Node
from agent_client import WireError
from emulator_process import Emulator
from emulator_world import TRUST
from emulator_world import fails
from emulator_world import make_role
from emulator_world import pages

NOT_TRUSTED = "Nonexistent role or missing ssm service principal in trust policy"


def now() -> datetime:
    return datetime.now(UTC)


def test_an_activation_keeps_what_it_was_made_with(ssm: Any, role: str) -> None:
    expires = (now() + timedelta(hours=2)).replace(microsecond=0)
    made = ssm.create_activation(
        IamRole=role,
        Description="batch 7",
        DefaultInstanceName="edge",
        RegistrationLimit=3,
        ExpirationDate=expires,
        Tags=[{"Key": "run", "Value": "7"}],
    )
    assert len(made["ActivationId"]) == 36 and 20 <= len(made["ActivationCode"]) <= 250
    (shown,) = ssm.describe_activations()["ActivationList"]
    assert abs((shown.pop("CreatedDate") - now()).total_seconds()) < 60
    assert shown == {
        "ActivationId": made["ActivationId"],
        "Description": "batch 7",
        "DefaultInstanceName": "edge",
        "IamRole": role,
        "RegistrationLimit": 3,
        "RegistrationsCount": 0,
        "ExpirationDate": expires,
        "Expired": False,
        "Tags": [{"Key": "run", "Value": "7"}],
    }


def test_defaults_are_one_registration_and_a_day(ssm: Any, role: str) -> None:
    ssm.create_activation(IamRole=role)
    (shown,) = ssm.describe_activations()["ActivationList"]
    assert shown["RegistrationLimit"] == 1
    assert abs((shown["ExpirationDate"] - now()).total_seconds() - 86400) < 60


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"RegistrationLimit": 1001}, "less than or equal to 1000"),
        ({"DefaultInstanceName": "x" * 257}, "length less than or equal to 256"),
        ({"Description": "x" * 257}, "length less than or equal to 256"),
        ({"DefaultInstanceName": "no;semicolon"}, "regular expression pattern"),
        ({"ExpirationDate": datetime(2020, 1, 1, tzinfo=UTC)}, "must be in the future"),
        ({"ExpirationDate": datetime.now(UTC) + timedelta(days=31)}, "within 30 days"),
        ({"IamRole": "x" * 65}, "length less than or equal to 64"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "at most 50 tags"),
    ],
)
def test_bounds_of_an_activation(ssm: Any, role: str, sent: dict[str, Any], text: str) -> None:
    with fails("ValidationException", text):
        ssm.create_activation(**{"IamRole": role, **sent})
    assert ssm.describe_activations()["ActivationList"] == []


def test_the_role_must_exist_and_trust_ssm(ssm: Any, iam: Any) -> None:
    with fails("ValidationException", NOT_TRUSTED):
        ssm.create_activation(IamRole="nope")
    other = json.loads(json.dumps(TRUST).replace("ssm.", "ec2."))
    make_role(iam, "other", (), trust=other)
    with fails("ValidationException", NOT_TRUSTED):
        ssm.create_activation(IamRole="other")
    iam.update_assume_role_policy(RoleName="other", PolicyDocument=json.dumps(TRUST))
    ssm.create_activation(IamRole="other")


def test_a_role_is_named_with_its_path_and_not_by_arn(ssm: Any, iam: Any) -> None:
    make_role(iam, "x", (), path="/service-role/")
    arn = iam.get_role(RoleName="x")["Role"]["Arn"]
    for wrong in ("x", "/service-role/x", arn):
        with fails("ValidationException", NOT_TRUSTED):
            ssm.create_activation(IamRole=wrong)
    ssm.create_activation(IamRole="service-role/x")


def test_ssm_sees_a_new_role_later(emulator: Emulator, ssm: Any, iam: Any) -> None:
    emulator.control("PUT", "settings", {"iam_propagation_seconds": 30})
    role = make_role(iam)
    with fails("ValidationException", NOT_TRUSTED):
        ssm.create_activation(IamRole=role)
    emulator.control("POST", "clock", {"advance": 31})
    ssm.create_activation(IamRole=role)
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(TRUST))
    with fails("ValidationException", NOT_TRUSTED):
        ssm.create_activation(IamRole=role)


def test_pages_and_filters(ssm: Any, iam: Any, role: str) -> None:
    other = make_role(iam, "other", ())
    ids = [ssm.create_activation(IamRole=role, DefaultInstanceName=f"n{n % 2}")["ActivationId"] for n in range(5)]
    ids.append(ssm.create_activation(IamRole=other)["ActivationId"])
    found = pages(ssm.describe_activations, "ActivationList", MaxResults=4)
    assert [len(p) for p in found] == [4, 2]
    assert [a["ActivationId"] for p in found for a in p] == ids

    def filtered(key: str, *values: str) -> list[str]:
        answer = ssm.describe_activations(Filters=[{"FilterKey": key, "FilterValues": list(values)}])
        return [a["ActivationId"] for a in answer["ActivationList"]]

    assert filtered("ActivationIds", ids[0], ids[3]) == [ids[0], ids[3]]
    assert filtered("IamRole", other) == ids[5:]
    assert filtered("DefaultInstanceName", "n1") == [ids[1], ids[3]]
    assert filtered("ActivationIds", "no-such-id") == []
    with fails("ValidationException", "less than or equal to 50"):
        ssm.describe_activations(MaxResults=51)
    with fails("ValidationException", "enum value set"):
        ssm.describe_activations(Filters=[{"FilterKey": "Expired", "FilterValues": ["true"]}])
    with fails("InvalidNextToken"):
        ssm.describe_activations(NextToken="5")


def test_deleting(ssm: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role)["ActivationId"]
    ssm.delete_activation(ActivationId=activation)
    assert ssm.describe_activations()["ActivationList"] == []
    with fails("InvalidActivation"):
        ssm.delete_activation(ActivationId=activation)
    with fails("InvalidActivationId"):
        ssm.delete_activation(ActivationId="00000000-0000-0000-0000-000000000000")
    with fails("ValidationException", "regular expression"):
        ssm.delete_activation(ActivationId="not an id")


def test_registering_counts_and_ends(emulator: Emulator, ssm: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role, RegistrationLimit=2)
    node = Node(emulator.http_port)
    first, second = node.register(activation), node.register(activation)
    assert first != second
    with pytest.raises(WireError, match="RegistrationLimitExceeded") as caught:
        node.register(activation)
    assert caught.value.status == 400
    assert ssm.describe_activations()["ActivationList"][0]["RegistrationsCount"] == 2
    ids = [n["InstanceId"] for n in ssm.describe_instance_information()["InstanceInformationList"]]
    assert ids == [first, second]


def test_registering_with_what_is_not_valid(emulator: Emulator, ssm: Any, role: str) -> None:
    activation = ssm.create_activation(IamRole=role)
    node = Node(emulator.http_port)
    with pytest.raises(WireError, match="InvalidActivation"):
        node.register({**activation, "ActivationCode": "x" * 20})
    with pytest.raises(WireError, match="InvalidActivation"):
        node.register({**activation, "ActivationId": "00000000-0000-0000-0000-000000000000"})
    emulator.control("POST", "clock", {"advance": 86400})
    with pytest.raises(WireError, match="ActivationExpired"):
        node.register(activation)
    assert ssm.describe_activations()["ActivationList"][0]["Expired"] is True
    fresh = ssm.create_activation(IamRole=role)
    ssm.delete_activation(ActivationId=fresh["ActivationId"])
    with pytest.raises(WireError, match="InvalidActivation"):
        node.register(fresh)


def test_deleting_an_activation_leaves_its_nodes(ssm: Any, node: Node) -> None:
    node.ping()
    (shown,) = ssm.describe_instance_information()["InstanceInformationList"]
    ssm.delete_activation(ActivationId=shown["ActivationId"])
    node.ping()
    assert len(ssm.describe_instance_information()["InstanceInformationList"]) == 1


def test_regions_are_apart(emulator: Emulator, ssm: Any, role: str) -> None:
    ssm.create_activation(IamRole=role)
    assert emulator.client("ssm", "us-east-1").describe_activations()["ActivationList"] == []
