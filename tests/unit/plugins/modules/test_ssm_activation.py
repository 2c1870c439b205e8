# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY

OLD = "11111111-1111-4111-8111-111111111111"
NEW = "22222222-2222-4222-8222-222222222222"
CODE = "CodeNeverToBeSeen000"
KEPT = "KeptCodeNeverToBeSeen"
NOT_USABLE = "Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::123456789012:role/r"
NOW = datetime.now(UTC)


def activation(activation_id=OLD, **changes):
    return {
        "ActivationId": activation_id,
        "IamRole": "r",
        "RegistrationLimit": 5,
        "RegistrationsCount": 1,
        "ExpirationDate": NOW + timedelta(hours=3),
        "Expired": False,
        "CreatedDate": NOW - timedelta(hours=1),
        "Tags": [{"Key": "hybrid.ecs_anywhere/request", "Value": "x"}],
        **changes,
    }


def by_id(activation_id=OLD):
    return {"Filters": [{"FilterKey": "ActivationIds", "FilterValues": [activation_id]}], "MaxResults": 50}


def will_describe(ssm, *found, activation_id=OLD):
    ssm.add_response("describe_activations", {"ActivationList": list(found)}, by_id(activation_id))


def will_create(ssm, **asked):
    expected = {"IamRole": "r", "RegistrationLimit": 1, "ExpirationDate": ANY, "Tags": ANY, **asked}
    ssm.add_response("create_activation", {"ActivationId": NEW, "ActivationCode": CODE}, expected)


def will_delete(ssm, activation_id=OLD):
    ssm.add_response("delete_activation", {}, {"ActivationId": activation_id})


def refused(ssm, message=NOT_USABLE, code="ValidationException"):
    ssm.add_client_error("create_activation", code, message, 400)


def role_answer(trust="ssm.amazonaws.com", path="/"):
    document = {"Statement": {"Effect": "Allow", "Principal": {"Service": trust}, "Action": "sts:AssumeRole"}}
    return {
        "Role": {
            "Path": path,
            "RoleName": "r",
            "RoleId": "AROAEXAMPLEEXAMPLE12",
            "Arn": f"arn:aws:iam::123456789012:role{path}r",
            "CreateDate": NOW,
            "AssumeRolePolicyDocument": json.dumps(document),
        }
    }


def secret_free(result, *but):
    shown = {key: value for key, value in result.items() if key not in but}
    return CODE not in json.dumps(shown) and KEPT not in json.dumps(shown)


# ---- present, nothing held


def test_create_is_one_call_and_shows_the_code_once(stub, run):
    will_create(stub("ssm"), RegistrationLimit=3, DefaultInstanceName="edge", Description="d")
    result = run(
        "ssm_activation",
        diff=True,
        iam_role="arn:aws:iam::123456789012:role/r",
        registration_limit=3,
        default_instance_name="edge",
        description="d",
        tags={"site": "hh"},
        expiration="2h",
    )
    assert result["changed"] and result["activation_code"] == CODE
    assert secret_free(result, "activation_code")
    made = result["activation"]
    assert (made["activation_id"], made["registrations_left"], made["expired"]) == (NEW, 3, False)
    assert made["tags"]["site"] == "hh" and set(made["tags"]) == {"site", "hybrid.ecs_anywhere/request"}
    ends_in = datetime.fromisoformat(made["expiration_date"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ends_in <= timedelta(hours=2)


def test_check_mode_predicts_and_calls_nothing(stub, run):
    result = run("ssm_activation", check=True, diff=True, iam_role="/service-role/r", tags={"a": "b"})
    assert result["changed"] and "activation_code" not in result
    assert result["activation"]["iam_role"] == "service-role/r" and result["activation"]["activation_id"] is None
    assert result["diff"]["before"] == {} and result["diff"]["after"]["tags"] == {"a": "b"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"iam_role": "AROAEXAMPLEEXAMPLE12"}, "unique id"),
        ({"iam_role": "arn:aws:iam::123456789012:role/AROAEXAMPLEEXAMPLE12"}, "unique id"),
        ({"iam_role": "arn:aws:iam::123456789012:user/r"}, "not the ARN of an IAM role"),
        ({"iam_role": "a/" * 30 + "name!"}, "not the name of a role"),
        ({"iam_role": "p/" * 32 + "r"}, "65 characters"),
        ({"iam_role": "aws-service-role/ssm.amazonaws.com/AWSServiceRoleForAmazonSSM"}, "service-linked"),
        ({"expiration": "31d"}, "30 days"),
        ({"expiration": "0"}, "longer than nothing"),
        ({"expiration": "soon"}, "no duration"),
        ({"expiration": "2020-01-01T00:00:00Z"}, "not in the future"),
        ({"registration_limit": 0}, "between 1 and 1000"),
        ({"registration_limit": 1001}, "between 1 and 1000"),
        ({"registrations_needed": 2}, "registrations_needed must be between"),
        ({"default_instance_name": "a*b"}, "default_instance_name may have"),
        ({"tags": {"aws:x": "y"}}, "reserved"),
        ({"activation_id": "not-a-uuid", "activation_code": "c" * 20}, "is not the id of an activation"),
        ({"activation_id": OLD}, "needs activation_code"),
        ({"activation_code": "c" * 20}, "activation_id"),
        ({"activation_id": OLD, "activation_code": "c" * 20, "code_parameter": "/p"}, "mutually exclusive"),
        ({"iam_role": None}, "iam_role"),
    ],
)
def test_bad_input_fails_before_any_call(stub, run, monkeypatch, args, words):
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    monkeypatch.setattr(AnsibleAWSModule, "client", None)
    result = run("ssm_activation", **{"iam_role": "r", **args})
    assert result["failed"] and words in result["msg"]


# ---- present, held by the caller


def test_a_usable_activation_stays(stub, run):
    will_describe(stub("ssm"), activation())
    result = run("ssm_activation", iam_role="r", activation_id=OLD, activation_code=KEPT, registration_limit=9)
    assert not result["changed"] and result["activation"]["registrations_left"] == 4
    assert "activation_code" not in result and secret_free(result)


@pytest.mark.parametrize(
    ("changes", "args", "reason"),
    [
        ({"Expired": True}, {}, "expired at"),
        ({"ExpirationDate": NOW - timedelta(seconds=5)}, {}, "expired at"),
        ({"RegistrationsCount": 5}, {}, "0 of 5 registrations left, 1 needed"),
        ({}, {"registration_limit": 5, "registrations_needed": 5}, "4 of 5 registrations left, 5 needed"),
        ({"IamRole": "other"}, {}, "for the role other, not r"),
        ({"DefaultInstanceName": "a"}, {"default_instance_name": "b"}, "names servers 'a', not 'b'"),
        ({}, {"tags": {"site": "hh"}}, "other tags"),
    ],
)
def test_one_that_is_not_usable_is_replaced_and_then_deleted(stub, run, changes, args, reason):
    asked = {"activation_id": OLD, "activation_code": KEPT, "iam_role": "r", **args}
    ssm = stub("ssm")
    will_describe(ssm, activation(**changes))
    check = run("ssm_activation", check=True, **asked)
    assert check["changed"] and reason in check["reason"] and check["replaced_activation_id"] == OLD
    will_describe(ssm, activation(**changes))
    name = {"DefaultInstanceName": "b"} if "default_instance_name" in args else {}
    will_create(ssm, RegistrationLimit=args.get("registration_limit", 1), **name)
    will_delete(ssm)
    result = run("ssm_activation", diff=True, **asked)
    assert result["changed"] and reason in result["reason"] and result["replaced_activation_id"] == OLD
    assert result["activation_code"] == CODE and secret_free(result, "activation_code")
    assert result["diff"]["before"]["activation_id"] == OLD


@pytest.mark.parametrize("gone", ["empty", "InvalidActivation", "InvalidActivationId"])
def test_one_that_is_gone_is_replaced_and_nothing_deleted(stub, run, gone):
    ssm = stub("ssm")
    if gone == "empty":
        will_describe(ssm)
    else:
        ssm.add_client_error("describe_activations", gone)
    will_create(ssm)
    result = run("ssm_activation", iam_role="r", activation_id=OLD, activation_code=KEPT)
    assert result["changed"] and "does not exist" in result["reason"] and "replaced_activation_id" not in result


def test_an_old_one_that_cannot_be_deleted_does_not_cost_the_new_code(stub, run):
    ssm = stub("ssm")
    will_describe(ssm, activation(Expired=True))
    will_create(ssm)
    ssm.add_client_error(
        "delete_activation", "AccessDeniedException", "not authorized to perform: ssm:DeleteActivation"
    )
    result = run("ssm_activation", iam_role="r", activation_id=OLD, activation_code=KEPT)
    assert result["activation_code"] == CODE
    assert "ssm:DeleteActivation" in json.dumps(result["warnings"]) and OLD in json.dumps(result["warnings"])


# ---- present, kept in a parameter


def kept(activation_id=OLD, **changes):
    value = json.dumps({"activation_id": activation_id, "activation_code": KEPT, "expiration_date": None})
    return {"Parameter": {"Name": "/edge", "Type": "SecureString", "Value": value, **changes}}


def test_code_parameter_is_written_encrypted(stub, run):
    ssm = stub("ssm")
    ssm.add_client_error("get_parameter", "ParameterNotFound")
    will_create(ssm)
    written = {
        "Name": "/edge",
        "Value": ANY,
        "Description": ANY,
        "Type": "SecureString",
        "Overwrite": False,
        "KeyId": "alias/edge",
    }
    ssm.add_response("put_parameter", {"Version": 1}, written)
    sent = []
    ssm.client.meta.events.register("before-parameter-build.ssm.PutParameter", lambda params, **_: sent.append(params))
    result = run("ssm_activation", iam_role="r", code_parameter="/edge", kms_key_id="alias/edge")
    assert result["changed"] and result["activation_code"] == CODE and secret_free(result, "activation_code")
    value = json.loads(sent[0]["Value"])
    assert value["activation_id"] == NEW and value["activation_code"] == CODE and value["expiration_date"]
    assert CODE not in sent[0]["Description"]


def test_code_parameter_is_read_again(stub, run):
    ssm = stub("ssm")
    ssm.add_response("get_parameter", kept(), {"Name": "/edge", "WithDecryption": True})
    will_describe(ssm, activation())
    result = run("ssm_activation", iam_role="r", code_parameter="/edge", diff=True)
    assert not result["changed"] and result["activation_code"] == KEPT and secret_free(result, "activation_code")


def test_code_parameter_is_renewed_before_the_old_one_goes(stub, run):
    ssm = stub("ssm")
    ssm.add_response("get_parameter", kept())
    will_describe(ssm, activation(Expired=True))
    will_create(ssm)
    ssm.add_response(
        "put_parameter",
        {"Version": 2},
        {"Name": "/edge", "Value": ANY, "Description": ANY, "Type": "SecureString", "Overwrite": True},
    )
    will_delete(ssm)
    result = run("ssm_activation", iam_role="r", code_parameter="/edge")
    assert result["changed"] and result["activation_code"] == CODE and result["replaced_activation_id"] == OLD


@pytest.mark.parametrize(
    "changes", [{"Type": "String"}, {"Value": "my password"}, {"Value": '{"x": 1}'}, {"Value": '["activation_id"]'}]
)
def test_a_foreign_parameter_is_never_touched_or_quoted(stub, run, changes):
    for state in ("present", "absent"):
        stub("ssm").add_response("get_parameter", kept(**changes))
        result = run("ssm_activation", state=state, iam_role="r", code_parameter="/edge")
        assert result["failed"] and "not touched" in result["msg"]
        assert "my password" not in json.dumps(result) and KEPT not in json.dumps(result)


def test_if_the_code_cannot_be_kept_the_activation_is_deleted(stub, run):
    ssm = stub("ssm")
    ssm.add_client_error("get_parameter", "ParameterNotFound")
    will_create(ssm)
    ssm.add_client_error("put_parameter", "AccessDeniedException", "not authorized to perform: ssm:PutParameter")
    will_delete(ssm, NEW)
    result = run("ssm_activation", iam_role="r", code_parameter="/edge")
    assert result["failed"] and "lack the permission ssm:PutParameter" in result["msg"] and secret_free(result)


def test_of_two_runs_that_make_the_parameter_one_activation_is_left(stub, run):
    ssm = stub("ssm")
    ssm.add_client_error("get_parameter", "ParameterNotFound")
    will_create(ssm)
    ssm.add_client_error("put_parameter", "ParameterAlreadyExists")
    ssm.add_response("get_parameter", kept())
    will_delete(ssm, NEW)
    will_describe(ssm, activation())
    result = run("ssm_activation", iam_role="r", code_parameter="/edge")
    assert result["activation"]["activation_id"] == OLD and result["activation_code"] == KEPT


# ---- absent


def test_absent_deletes_without_looking(stub, run):
    will_delete(stub("ssm"))
    assert run("ssm_activation", state="absent", activation_id=OLD)["changed"]


@pytest.mark.parametrize("code", ["InvalidActivation", "InvalidActivationId"])
def test_absent_of_a_missing_one_changes_nothing(stub, run, code):
    stub("ssm").add_client_error("delete_activation", code)
    assert not run("ssm_activation", state="absent", activation_id=OLD)["changed"]


@pytest.mark.parametrize("there", [True, False])
def test_absent_in_check_mode_only_looks(stub, run, there):
    will_describe(stub("ssm"), *([activation()] if there else []))
    result = run("ssm_activation", check=True, diff=True, state="absent", activation_id=OLD)
    assert result["changed"] is there
    assert result["diff"] == {"before": {"activation_id": OLD} if there else {}, "after": {}}


def test_absent_by_parameter_deletes_both(stub, run):
    ssm = stub("ssm")
    ssm.add_response("get_parameter", kept())
    ssm.add_client_error("delete_activation", "InvalidActivation")
    ssm.add_response("delete_parameter", {}, {"Name": "/edge"})
    assert run("ssm_activation", state="absent", code_parameter="/edge")["changed"]
    ssm.add_client_error("get_parameter", "ParameterNotFound")
    assert not run("ssm_activation", state="absent", code_parameter="/edge")["changed"]


def test_absent_by_parameter_in_check_mode_writes_nothing(stub, run):
    ssm = stub("ssm")
    ssm.add_response("get_parameter", kept())
    will_describe(ssm, activation())
    assert run("ssm_activation", check=True, state="absent", code_parameter="/edge")["changed"]


# ---- what may go wrong while creating


def test_iam_propagation_is_waited_for(stub, run, no_sleep):
    ssm, iam = stub("ssm"), stub("iam")
    for message in (NOT_USABLE, "Not existing role: arn:aws:iam::123456789012:role/r"):
        refused(ssm, message)
        iam.add_response("get_role", role_answer(), {"RoleName": "r"})
    will_create(ssm)
    assert run("ssm_activation", iam_role="r")["activation_code"] == CODE
    assert len(no_sleep) == 2 and all(0 < pause <= 8 for pause in no_sleep)


def test_waiting_for_iam_ends(stub, run, no_sleep):
    ssm, iam = stub("ssm"), stub("iam")
    for _try in range(60):
        refused(ssm)
        iam.add_response("get_role", role_answer())
    result = run("ssm_activation", iam_role="r", iam_propagation_timeout=60)
    assert result["failed"] and sum(no_sleep) == pytest.approx(60)
    assert "raise iam_propagation_timeout" in result["msg"] and "right trust" in result["msg"]
    for stubber in (ssm, iam):
        stubber._queue.clear()


def test_a_role_without_trust_is_shown_and_given_up_soon(stub, run, no_sleep):
    ssm, iam = stub("ssm"), stub("iam")
    for _try in range(60):
        refused(ssm)
        iam.add_response("get_role", role_answer(trust="ecs-tasks.amazonaws.com"))
    result = run("ssm_activation", iam_role="r")
    assert result["failed"] and sum(no_sleep) == pytest.approx(15)
    assert "ecs-tasks.amazonaws.com" in result["msg"] and "ecs_anywhere_role repairs" in result["msg"]
    assert result["error"]["code"] == "ValidationException"
    for stubber in (ssm, iam):
        stubber._queue.clear()


def test_a_role_with_another_path_is_told_at_once(stub, run, no_sleep):
    refused(stub("ssm"))
    stub("iam").add_response("get_role", role_answer(path="/service-role/"))
    result = run("ssm_activation", iam_role="r")
    assert result["failed"] and "give iam_role=service-role/r" in result["msg"] and no_sleep == []


def test_a_role_that_does_not_exist(stub, run):
    refused(stub("ssm"))
    stub("iam").add_client_error("get_role", "NoSuchEntity")
    result = run("ssm_activation", iam_role="r", iam_propagation_timeout=0)
    assert result["failed"] and "IAM knows no role r" in result["msg"]


def test_missing_permission_to_look_at_the_role_does_not_hide_the_error(stub, run):
    refused(stub("ssm"))
    stub("iam").add_client_error("get_role", "AccessDenied", "not authorized to perform: iam:GetRole")
    result = run("ssm_activation", iam_role="r", iam_propagation_timeout=0)
    assert NOT_USABLE in result["msg"] and "one of four" in result["msg"] and "iam:GetRole" in result["msg"]
    assert "Traceback" not in json.dumps(result)


def test_another_validation_error_is_not_waited_for(stub, run, no_sleep):
    refused(stub("ssm"), "1 validation error detected: something else")
    assert run("ssm_activation", iam_role="r")["failed"] and no_sleep == []


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyUpdates"])
def test_throttling_is_repeated(stub, run, no_sleep, code):
    ssm = stub("ssm")
    ssm.add_client_error("create_activation", code, "Rate exceeded")
    will_create(ssm)
    assert run("ssm_activation", iam_role="r")["activation_code"] == CODE
    assert len(no_sleep) == 1


def test_a_missing_permission_is_named_and_not_repeated(stub, run, no_sleep):
    message = (
        "User: arn:aws:iam::123456789012:user/x is not authorized to perform: iam:PassRole on resource: "
        "arn:aws:iam::123456789012:role/r because no identity-based policy allows the iam:PassRole action"
    )
    refused(stub("ssm"), message, "AccessDeniedException")
    result = run("ssm_activation", iam_role="r")
    assert "allow iam:PassRole on arn:aws:iam::123456789012:role/r" in result["msg"]
    assert "region eu-west-1" in result["msg"] and "role r" in result["msg"] and no_sleep == []


class Lossy:
    """Loses the answers of the first CreateActivations; remembers the tag each request carried."""

    def __init__(self, ssm, losses):
        self.real, self.losses, self.tags = ssm.client.create_activation, list(losses), []
        ssm.client.create_activation = self

    def __call__(self, **params):
        self.tags.append(next(t["Value"] for t in params["Tags"] if t["Key"] == "hybrid.ecs_anywhere/request"))
        if self.losses:
            raise self.losses.pop(0)
        return self.real(**params)


CLOSED = ConnectionClosedError(endpoint_url="https://ssm")
LOOK = {"MaxResults": 50}


def will_look(ssm, *activations):
    ssm.add_response("describe_activations", {"ActivationList": list(activations)}, LOOK)


def test_an_activation_whose_answer_was_lost_is_deleted_and_made_anew(stub, run, no_sleep, monkeypatch):
    import uuid

    ids = [uuid.UUID(int=1), uuid.UUID(int=2)]
    monkeypatch.setattr(uuid, "uuid4", lambda: ids.pop(0))
    ssm = stub("ssm")
    lossy = Lossy(ssm, [CLOSED])
    mine = [{"Key": "hybrid.ecs_anywhere/request", "Value": str(uuid.UUID(int=1))}]
    will_look(ssm, activation("33333333-3333-4333-8333-333333333333"), activation(OLD, Tags=mine))
    will_delete(ssm, OLD)
    will_create(ssm)
    will_look(ssm)
    result = run("ssm_activation", iam_role="r")
    assert result["activation"]["activation_id"] == NEW and result["activation_code"] == CODE
    assert len(set(lossy.tags)) == 2


def test_one_that_shows_up_only_later_is_deleted_too(stub, run, no_sleep, monkeypatch):
    import uuid

    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=1))
    ssm = stub("ssm")
    Lossy(ssm, [CLOSED])
    for _try in range(3):
        will_look(ssm)
    will_create(ssm)
    will_look(ssm, activation(OLD, Tags=[{"Key": "hybrid.ecs_anywhere/request", "Value": str(uuid.UUID(int=1))}]))
    will_delete(ssm, OLD)
    assert run("ssm_activation", iam_role="r")["activation_code"] == CODE


def test_it_is_made_anew_only_once(stub, run, no_sleep):
    ssm = stub("ssm")
    lossy = Lossy(ssm, [CLOSED, CLOSED, CLOSED])
    for _try in range(6):
        will_look(ssm)
    result = run("ssm_activation", iam_role="r")
    assert result["failed"] and "ConnectionClosedError" in result["msg"] and len(lossy.tags) == 2


def test_if_it_cannot_be_looked_for_the_tag_is_told(stub, run, no_sleep):
    ssm = stub("ssm")
    lossy = Lossy(ssm, [CLOSED])
    ssm.add_client_error(
        "describe_activations", "AccessDeniedException", "not authorized to perform: ssm:DescribeActivations"
    )
    result = run("ssm_activation", iam_role="r")
    assert (
        f"hybrid.ecs_anywhere/request={lossy.tags[0]}" in result["msg"] and "ssm:DescribeActivations" in result["msg"]
    )


def test_a_request_that_never_left_is_not_looked_for(stub, run, no_sleep):
    ssm = stub("ssm")
    lossy = Lossy(ssm, [EndpointConnectionError(endpoint_url="https://ssm.nowhere-1.amazonaws.com")])
    result = run("ssm_activation", iam_role="r")
    assert result["failed"] and "check the region" in result["msg"] and len(lossy.tags) == 1


def test_botocore_repeats_nothing_by_itself_whatever_the_user_configured(run, no_sleep):
    seen = []

    class Broken(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].split(".")[1]
            seen.append(operation)
            body = (
                b'{"ActivationList": []}'
                if operation == "DescribeActivations"
                else b'{"__type": "InternalServerError"}'
            )
            self.send_response(200 if operation == "DescribeActivations" else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        result = run(
            "ssm_activation",
            iam_role="r",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            aws_config={"retries": {"max_attempts": 5, "mode": "standard"}, "connect_timeout": 3},
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert result["failed"] and "InternalServerError" in result["msg"]
    assert seen.count("CreateActivation") == 2  # the first, and the one after looking
