# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""AWS's errors, said so that a person knows what to do next. Private to this collection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import NamedTuple
from typing import NoReturn

from ._retries import AMBIGUOUS_CODES
from ._retries import THROTTLING_CODES

if TYPE_CHECKING:
    from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

# What AWS says when CreateActivation cannot use the role (yet): both wordings are in use.
ROLE_NOT_USABLE = ("Nonexistent role or missing ssm service principal", "Not existing role")

_DENIED = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?: on resource: (\S+))?")


class Hint(NamedTuple):
    cause: str
    next_step: str


# What a role may have of everything (IAM User Guide, "IAM and AWS STS quotas").
_QUOTAS = {
    "AttachRolePolicy": Hint(
        "the role has as many managed policies as the quota of the account allows, 10 if it was not raised",
        "detach one that is not needed, put several into one, or ask AWS for a higher quota (up to 20)",
    ),
    "PutRolePolicy": Hint(
        "all inline policies of the role together would have more than 10240 characters, which is IAM's limit",
        "shorten them, delete one that is not needed, or make one a managed policy (6144 characters each)",
    ),
    "UpdateAssumeRolePolicy": Hint(
        "the trust policy would be longer than the quota of the account allows, 2048 characters if it was not raised",
        "name fewer regions, remove statements that are not needed, or ask AWS for a higher quota (up to 4096)",
    ),
}

# ECS has one code for much, so its words must tell.
_ECS_WORDS = {
    "not idempotent": Hint("somebody else created a service of that name at the same moment", "run again"),
    "still Draining": Hint("a service of that name was just deleted, and its tasks have not ended", "run again later"),
    "No Container Instances": Hint(
        "no external instance is registered with the cluster",
        "run the playbook hybrid.ecs_anywhere.register for a server",
    ),
}
_ECS_CODES = {
    "ClientException": Hint("ECS does not take the request as it is", "correct what AWS's words above name"),
    "ConflictException": Hint("the same request is being worked on at this moment", "run again"),
    "ServiceNotFoundException": Hint("somebody else deleted the service meanwhile", "run again"),
    "ServiceNotActiveException": Hint("somebody else deleted the service meanwhile", "run again"),
}


class Failure(NamedTuple):
    """What is known of a failed call: AWS's code and words, or botocore's exception name when AWS did not answer."""

    code: str
    message: str
    operation: str
    service: str


def action_of(service: str, operation: str) -> str:
    """The IAM action of an API operation."""
    return f"{service}:{operation}" if operation else f"{service}:*"


def hint(failure: Failure) -> Hint:
    """The likely cause of a failure and what to do about it: a pure function of AWS's answer."""
    code, message, operation = failure.code, failure.message, failure.operation

    if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"):
        said = _DENIED.search(message)
        action = said.group(1) if said else action_of(failure.service, operation)
        resource = said.group(2) if said and said.group(2) else "the resource"
        if "explicit deny" in message:
            return Hint(
                f"a policy denies {action} to these credentials",
                f"find the Deny (identity, boundary, session or organization policy) that covers {action}",
            )
        return Hint(
            f"the credentials lack the permission {action}",
            f"allow {action} on {resource.rstrip('.,')} to them and run again",
        )
    if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"):
        return Hint("the credentials have expired", "log in again and run again")
    if code in ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"):
        return Hint(
            "AWS does not know the access key, or it belongs to another partition",
            "check the profile, the access key and the region",
        )
    if code in ("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"):
        return Hint(
            "the secret key is wrong, or the controller's clock is off",
            "check the secret key and the controller's time",
        )
    if code in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return Hint(
            "no complete AWS credentials were found on the controller",
            "give a profile or keys, by option or environment",
        )
    if code in THROTTLING_CODES:
        return Hint("AWS limits the rate of this call", "run again later or with fewer hosts at once")
    if code in ("ValidationException", "InvalidParameters") and any(text in message for text in ROLE_NOT_USABLE):
        return Hint(
            "the role does not exist, does not trust ssm.amazonaws.com, has a path that was not given, or is too new",
            "check the name, the path and the trust policy of the role",
        )
    if code in ("ClusterNotFoundException", "ClusterNotFound"):
        return Hint(
            "there is no such cluster in this region and account",
            "check the cluster's name and the region, or create the cluster",
        )
    if code == "InvalidParameterException":
        for words, found in _ECS_WORDS.items():
            if words in message:
                return found
    if code in _ECS_CODES:
        return _ECS_CODES[code]
    if code == "NoSuchEntity":
        if operation == "AttachRolePolicy":
            return Hint(
                "the policy, or the role, does not exist in this account and partition",
                "check the names in managed_policies",
            )
        if operation == "PutRolePermissionsBoundary":
            return Hint("the policy named by boundary does not exist", "check the ARN in boundary")
        return Hint("somebody removed the role meanwhile, or IAM has not spread it yet", "run again")
    if code == "DeleteConflict":
        return Hint("something was attached to the role meanwhile", "run again")
    if code in ("ConcurrentModification", "ConcurrentModificationException"):
        return Hint("somebody else is changing the role at this moment", "run again")
    if code == "LimitExceeded" and operation in _QUOTAS:
        return _QUOTAS[operation]
    if code in ("LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"):
        return Hint("an AWS quota of the account is used up", "remove what is not needed or ask AWS for a higher quota")
    if code in ("UnmodifiableEntity", "UnmodifiableEntityException"):
        return Hint("the role belongs to an AWS service, which alone may change it", "choose another role name")
    if code in ("MalformedPolicyDocument", "MalformedPolicyDocumentException"):
        return Hint("IAM does not accept the policy document", "look at the policy in AWS's words above")
    if code == "EntityAlreadyExists":
        return Hint("somebody else created it at the same moment", "run again")
    if code in ("InvalidKeyId", "KMSInvalidStateException", "KMS.NotFoundException", "KMS.DisabledException"):
        return Hint(
            "the KMS key does not exist, is disabled, or may not be used here",
            "check kms_key_id and the key's policy",
        )
    if code in ("ParameterAlreadyExists", "HierarchyTypeMismatch", "UnsupportedParameterType"):
        return Hint("another parameter of that name and another type exists", "choose another code_parameter")
    if code in ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ConnectionError"):
        return Hint(
            "the endpoint cannot be reached: no such region, no network, or a proxy in between",
            "check the region, the network and the proxy settings",
        )
    if code in ("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError"):
        return Hint("the connection broke before AWS's answer came", "run again")
    if code == "SSLError":
        return Hint(
            "the endpoint's certificate is not trusted by the controller",
            "check aws_ca_bundle and the proxy in between",
        )
    if code in (*AMBIGUOUS_CODES, "ServiceFailure"):
        return Hint("AWS has a problem of its own", "run again later")
    if code in (
        "ValidationError",
        "ValidationException",
        "InvalidInput",
        "InvalidParameterException",
        "ParamValidationError",
    ):
        return Hint("an option has a value that AWS does not take", "correct what AWS's words above name")
    if code == "WaiterError":
        return Hint("it took longer than the time allowed", "run again, with a longer timeout")
    return Hint("not known to this collection", "look up the code in AWS's API reference of this call")


def failure_of(error: AnsibleAWSError, service: str = "") -> Failure:
    """Take an error apart, whether AWS answered or botocore gave up."""
    exception = error.exception
    response = getattr(exception, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return Failure(
            code=response["Error"].get("Code", "Unknown"),
            message=response["Error"].get("Message", ""),
            operation=getattr(exception, "operation_name", ""),
            service=service,
        )
    return Failure(type(exception).__name__, str(exception), getattr(exception, "operation_name", ""), service)


def code_of(error: AnsibleAWSError) -> str:
    """The code AWS answered with; empty when the failure is not an answer of AWS."""
    response = getattr(error.exception, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) and "Error" in response else ""


def sentence(error: AnsibleAWSError, where: str, service: str = "") -> str:
    """One message: what failed, where, what AWS said, why that may be, what to do."""
    what = error.message or "Failed to speak to AWS"
    if not error.exception:
        return str(what)
    failure = failure_of(error, service)
    cause, next_step = error.kwargs.get("hint") or hint(failure)
    words = failure.message.strip().rstrip(".")
    words = f" ({words})" if words else ""
    return f"{what} ({where}): {failure.code}{words}. Likely cause: {cause}. Next: {next_step}."


def fail(module: AnsibleAWSModule, error: AnsibleAWSError, where: str, service: str = "") -> NoReturn:
    """End the module with that message. Never a traceback: it would tell a user nothing."""
    msg = sentence(error, where, service or getattr(error, "service", ""))
    extra = {}
    if error.exception:
        failure = failure_of(error)
        extra["error"] = {"code": failure.code, "message": failure.message, "operation": failure.operation}
    module.fail_json(msg=msg, **extra)
    raise SystemExit(1)  # fail_json never returns; the type checker cannot know


def place(module: AnsibleAWSModule, **names: str | None) -> str:
    """Where a call went: the Region and the things it was about."""
    region = module.region
    parts = [f"{key} {value}" for key, value in names.items() if value]
    return ", ".join([f"region {region}" if region else "no region set", *parts])
