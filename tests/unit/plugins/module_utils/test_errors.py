# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from botocore.exceptions import ClientError
from botocore.exceptions import EndpointConnectionError
from botocore.exceptions import NoCredentialsError

WORDS = (
    "User: arn:aws:iam::123456789012:user/x is not authorized to perform: iam:PassRole on resource: "
    "arn:aws:iam::123456789012:role/r because no identity-based policy allows the iam:PassRole action"
)


@pytest.mark.parametrize(
    ("service", "operation", "code", "message", "cause", "next_step"),
    [
        # AWS's own words name the action, which need not be the call's
        ("ssm", "CreateActivation", "AccessDeniedException", WORDS, "permission iam:PassRole", "role/r to them"),
        (
            "ssm",
            "CreateActivation",
            "AccessDeniedException",
            "",
            "permission ssm:CreateActivation",
            "ssm:CreateActivation",
        ),
        ("iam", "GetRole", "AccessDenied", "", "permission iam:GetRole", "allow iam:GetRole"),
        (
            "iam",
            "GetRole",
            "AccessDenied",
            WORDS.replace("no identity", "explicit deny in an identity"),
            "denies",
            "Deny",
        ),
        ("ssm", "DescribeActivations", "ExpiredTokenException", "", "expired", "log in"),
        ("iam", "GetRole", "InvalidClientTokenId", "", "access key", "profile"),
        ("ssm", "DescribeActivations", "UnrecognizedClientException", "", "access key", "region"),
        ("ssm", "DescribeActivations", "InvalidSignatureException", "", "clock", "time"),
        ("iam", "GetRole", "SignatureDoesNotMatch", "", "secret key", "secret key"),
        ("ssm", "", "NoCredentialsError", "", "no complete AWS credentials", "profile"),
        ("ssm", "CreateActivation", "ThrottlingException", "Rate exceeded", "limits the rate", "later"),
        ("ssm", "CreateActivation", "TooManyUpdates", "", "limits the rate", "later"),
        (
            "ssm",
            "CreateActivation",
            "ValidationException",
            _errors.ROLE_NOT_USABLE[0],
            "does not trust ssm",
            "trust policy",
        ),
        ("ssm", "CreateActivation", "ValidationException", _errors.ROLE_NOT_USABLE[1], "does not exist", "path"),
        ("ssm", "CreateActivation", "ValidationException", "1 validation error", "AWS does not take", "correct"),
        ("ecs", "ListContainerInstances", "ClusterNotFoundException", "", "no such cluster", "region"),
        ("iam", "AttachRolePolicy", "NoSuchEntity", "", "the policy", "managed_policies"),
        ("iam", "PutRolePermissionsBoundary", "NoSuchEntity", "", "boundary", "ARN"),
        ("iam", "UpdateRole", "NoSuchEntity", "", "removed the role", "again"),
        ("iam", "DeleteRole", "DeleteConflict", "", "attached", "again"),
        ("iam", "UpdateRole", "ConcurrentModification", "", "somebody else", "again"),
        ("iam", "AttachRolePolicy", "LimitExceeded", "", "10 if it was not raised", "detach one"),
        ("iam", "PutRolePolicy", "LimitExceeded", "", "10240 characters", "shorten"),
        ("iam", "UpdateAssumeRolePolicy", "LimitExceeded", "", "2048 characters", "fewer regions"),
        ("iam", "CreateRole", "LimitExceeded", "", "quota", "higher quota"),
        ("iam", "UpdateRole", "UnmodifiableEntity", "", "AWS service", "another role"),
        ("iam", "CreateRole", "MalformedPolicyDocument", "", "policy document", "policy"),
        ("ssm", "PutParameter", "InvalidKeyId", "", "KMS key", "kms_key_id"),
        ("ssm", "PutParameter", "ParameterAlreadyExists", "", "another parameter", "code_parameter"),
        ("ssm", "", "EndpointConnectionError", "", "no such region", "region"),
        ("ssm", "", "ReadTimeoutError", "", "connection broke", "again"),
        ("ssm", "", "SSLError", "", "certificate", "aws_ca_bundle"),
        ("ssm", "CreateActivation", "InternalServerError", "", "AWS has a problem", "later"),
        ("iam", "", "WaiterError", "", "longer", "timeout"),
        ("ssm", "CreateActivation", "SomethingNew", "", "not known", "API reference"),
    ],
)
def test_hint(service, operation, code, message, cause, next_step):
    hint = _errors.hint(_errors.Failure(code, message, operation, service))
    assert cause in hint.cause and next_step in hint.next_step


def client_error(code="AccessDenied", message="no."):
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetRole")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            AnsibleAWSError("Failed to read the role", client_error()),
            "Failed to read the role (role r): AccessDenied (no). Likely cause: the credentials lack the permission "
            "iam:GetRole. Next: allow iam:GetRole on the resource to them and run again.",
        ),
        (
            AnsibleAWSError("Failed to read the role", client_error(), hint=_errors.Hint("c", "n")),
            "Failed to read the role (role r): AccessDenied (no). Likely cause: c. Next: n.",
        ),
        (
            AnsibleAWSError("Failed to read the role", NoCredentialsError()),
            "Failed to read the role (role r): NoCredentialsError (Unable to locate credentials). Likely cause: no "
            "complete AWS credentials were found on the controller. Next: give a profile or keys, by option or "
            "environment.",
        ),
        (AnsibleAWSError("Just words"), "Just words"),
    ],
)
def test_one_sentence(error, expected):
    assert _errors.sentence(error, "role r", "iam") == expected


def test_botocore_without_an_answer_is_named_by_its_exception():
    failure = _errors.failure_of(AnsibleAWSError("x", EndpointConnectionError(endpoint_url="https://x")), "ssm")
    assert failure.code == "EndpointConnectionError" and "https://x" in failure.message
