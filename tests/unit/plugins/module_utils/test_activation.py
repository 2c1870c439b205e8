# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _activation
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_refused
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name
from botocore.exceptions import ClientError
from botocore.exceptions import ConnectTimeoutError
from botocore.exceptions import ReadTimeoutError

NOW = datetime(2026, 11, 23, 20, 44, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ecsAnywhereRole", "ecsAnywhereRole"),
        (" ecsAnywhereRole ", "ecsAnywhereRole"),
        ("service-role/R", "service-role/R"),
        ("/service-role/R", "service-role/R"),
        ("arn:aws:iam::123456789012:role/R", "R"),
        ("arn:aws:iam::123456789012:role/a/b/R", "a/b/R"),
        ("arn:aws-us-gov:iam::123456789012:role/R", "R"),
        ("arn:aws-eusc:iam::123456789012:role/R", "R"),
        ("AROA", "AROA"),
        ("AROArole", "AROArole"),
        ("x" * 64, "x" * 64),
    ],
)
def test_role_name(given, expected):
    assert role_name(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "/",
        "a//b",
        "role with spaces",
        "AROAEXAMPLEEXAMPLE123",
        "AIDAEXAMPLEEXAMPLE123",
        "arn:aws:iam::123456789012:role/AROAEXAMPLEEXAMPLE123",
        "arn:aws:iam::123456789012:instance-profile/R",
        "arn:aws:sts::123456789012:assumed-role/R/session",
        "arn:aws:iam::12:role/R",
        "aws-service-role/ssm.amazonaws.com/X",
        "x" * 65,
    ],
)
def test_what_is_no_role_name(given):
    with pytest.raises(ValueError, match="iam_role: "):
        role_name(given)


def activation(**changes):
    return {
        "expired": False,
        "expiration_date": (NOW + timedelta(hours=1)).isoformat(),
        "registration_limit": 3,
        "registrations_left": 2,
        "iam_role": "r",
        "default_instance_name": "edge",
        "tags": {"a": "1", "hybrid.ecs_anywhere/request": "x"},
        **changes,
    }


@pytest.mark.parametrize(
    ("found", "needed", "name", "tags", "why"),
    [
        (activation(), 1, None, None, None),
        (activation(), 2, "edge", {"a": "1"}, None),
        (activation(), 2, "edge", {}, None),
        (activation(iam_role="/r"), 1, None, None, None),
        (activation(expiration_date=None), 1, None, None, None),
        (None, 1, None, None, "does not exist"),
        (activation(expired=True), 1, None, None, "expired"),
        (activation(expiration_date=NOW.isoformat()), 1, None, None, "expired"),
        (activation(), 3, None, None, "2 of 3 registrations left, 3 needed"),
        (activation(registrations_left=0), 1, None, None, "0 of 3"),
        (activation(iam_role="s/r"), 1, None, None, "role s/r, not r"),
        (activation(), 1, "other", None, "names servers"),
        (activation(), 1, "", None, "names servers"),
        (activation(), 1, None, {"a": "2"}, "other tags"),
        (activation(), 1, None, {"b": "1"}, "other tags"),
    ],
)
def test_why_not_usable(found, needed, name, tags, why):
    reason = _activation.why_not_usable(found, "r", needed, name, tags, NOW)
    assert reason is None if why is None else why in reason


def test_an_activation_is_shown_without_a_code():
    shown = _activation.shown(
        {"ActivationId": "i", "ActivationCode": "secret", "ExpirationDate": NOW, "RegistrationLimit": 2}
    )
    assert "secret" not in str(shown)
    assert shown["expiration_date"] == "2026-11-23T20:44:00+00:00"
    assert (shown["registrations_left"], shown["registrations_count"], shown["tags"]) == (2, 0, {})


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (None, None),
        ({}, None),
        ({"site": "Köln 1_.:/=+-@"}, None),
        ({str(n): "" for n in range(49)}, None),
        ({str(n): "" for n in range(50)}, "50 tags"),
        ({"": "x"}, "not a tag"),
        ({"k" * 129: "x"}, "not a tag"),
        ({"k": "v" * 257}, "not a tag"),
        ({"k": "a,b"}, "not a tag"),
        ({"AWS:k": "v"}, "reserved"),
        ({_activation.REQUEST_TAG: "v"}, "reserved"),
    ],
)
def test_tags(tags, words):
    problem = _activation.problem_of_tags(tags)
    assert problem is None if words is None else words in problem


@pytest.mark.parametrize(
    ("value", "ok"),
    [
        ('{"activation_id": "i", "activation_code": "c", "expiration_date": null}', True),
        ('{"activation_id": "i"}', False),
        ('"activation_id"', False),
        ("null", False),
        ("", False),
    ],
)
def test_what_is_kept(value, ok):
    parameter = {"Type": "SecureString", "Value": value}
    if ok:
        assert _activation.read_kept("/p", parameter) == ("i", "c")
    else:
        with pytest.raises(ValueError, match="not touched"):
            _activation.read_kept("/p", parameter)


def test_what_is_kept_can_be_read_again():
    value = _activation.kept_value({"activation_id": "i", "expiration_date": "e"}, "c")
    assert _activation.read_kept("/p", {"Type": "SecureString", "Value": value}) == ("i", "c")
    assert _activation.read_kept("/p", None) is None


def client_error(code, message="", status=400):
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "CreateActivation",
    )


@pytest.mark.parametrize(
    ("exception", "lost", "refused"),
    [
        (
            client_error("ValidationException", "Nonexistent role or missing ssm service principal in trust policy"),
            False,
            True,
        ),
        (client_error("ValidationException", "Not existing role: arn:aws:iam::1:role/R"), False, True),
        (client_error("ValidationException", "1 validation error detected"), False, False),
        (client_error("InvalidParameters", "Nonexistent role"), False, False),
        (client_error("AccessDeniedException"), False, False),
        (client_error("ThrottlingException", status=400), False, False),
        (client_error("ThrottlingException", status=503), False, False),
        (client_error("InternalServerError", status=500), True, False),
        (client_error("InternalFailure", status=500), True, False),
        (client_error("502", status=502), True, False),
        (ReadTimeoutError(endpoint_url="x"), True, False),
        (ConnectTimeoutError(endpoint_url="x"), False, False),
    ],
)
def test_which_failures_may_have_made_one(exception, lost, refused):
    error = AnsibleAWSError("Failed to create the activation", exception)
    assert _activation.is_answer_lost(error) is lost
    assert _role_refused.is_role_refused(error) is refused
