# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who calls: looks the key up, verifies the signature, gives a principal or AWS's error."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.iam.models import iam_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from .call import Call
from .errors import ApiError
from .runtime import runtime
from .sigv4 import payload_is_true
from .sigv4 import string_to_sign
from .sigv4 import verify_hmac

# The agent has no credentials of the usual kind for these: the first is unsigned, the others carry an RSA signature.
UNSIGNED = {"ssm:RegisterManagedInstance"}
NODE_SIGNED = {"ssm:RequestManagedInstanceRoleToken", "ssm:UpdateManagedInstancePublicKey"}


@dataclass(frozen=True)
class Principal:
    arn: str
    account: str
    partition: str
    user_name: str = ""
    role_arn: str = ""
    session_name: str = ""
    user_id: str = ""

    @property
    def node_id(self) -> str:
        """The mi- id, when the caller is a node with the credentials of its role."""
        return self.session_name if self.session_name.startswith("mi-") else ""


ANONYMOUS = Principal("anonymous", "", "aws")


def _token_invalid() -> ApiError:
    return ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")


def _signature_wrong() -> ApiError:
    return ApiError(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
    )


def _session(call: Call, key_id: str, account: str, partition: str) -> tuple[Principal, str]:
    role = sts_backends[account][partition].get_assumed_role_from_access_key(key_id)
    if role is None or call.header("X-Amz-Security-Token") != role.session_token:
        raise _token_invalid()
    expires = role.expiration
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    if expires <= runtime.clock.now():
        raise ApiError("ExpiredTokenException", "The security token included in the request is expired")
    principal = Principal(
        role.arn, account, partition, role_arn=role.role_arn, session_name=role.session_name, user_id=role.user_id
    )
    return principal, role.secret_access_key


def _user(key_id: str, account: str, partition: str) -> tuple[Principal, str]:
    iam = iam_backends[account][partition]
    key = iam.access_keys.get(key_id)
    if key is None or key.user_name is None or key.status != "Active" or key.user_name not in iam.users:
        raise _token_invalid()
    user = iam.users[key.user_name]
    return Principal(user.arn, account, partition, user_name=user.name, user_id=user.id), key.secret_access_key


def _node(call: Call, account: str) -> Principal:
    """A request that the SSM agent signed with its own key, before it has any credentials."""
    signature = call.signature
    assert signature
    nodes: dict[str, Any] = ssm_backends[account][call.region].nodes  # type: ignore[attr-defined]
    node = nodes.get(signature.key_id)
    if node is None:
        raise ApiError("AccessDeniedException", f"Instance {signature.key_id} is not registered.")
    try:
        key = serialization.load_der_public_key(base64.b64decode(node.public_key))
        assert isinstance(key, rsa.RSAPublicKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        value = base64.b64decode(signature.value, validate=True)
        key.verify(value, string_to_sign(call, signature).encode(), pss, hashes.SHA256())
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise _signature_wrong() from error
    if not payload_is_true(call):
        raise _signature_wrong()
    partition = get_partition(call.region)
    arn = f"arn:{partition}:sts::{account}:assumed-role/{node.iam_role.split('/')[-1]}/{node.id}"
    return Principal(arn, account, partition, session_name=node.id)


def authenticate(call: Call) -> Principal:
    account = runtime.options.account
    if call.name in UNSIGNED:
        return ANONYMOUS
    if call.signature is None:
        if call.header("Authorization"):
            raise ApiError("IncompleteSignatureException", "Authorization header is not a Signature Version 4 header.")
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    key_id = call.signature.key_id
    if call.name in NODE_SIGNED:
        if not key_id.startswith("mi-"):
            raise ApiError("AccessDeniedException", f"{call.operation} is signed with the key of a managed instance.")
        return _node(call, account)
    partition = get_partition(call.region)
    lookup = _session(call, key_id, account, partition) if key_id.startswith("ASIA") else None
    principal, secret = lookup or _user(key_id, account, partition)
    if not verify_hmac(call, call.signature, secret):
        raise _signature_wrong()
    return principal


def expiry(seconds: float) -> datetime:
    return datetime.fromtimestamp(runtime.clock.time() + seconds, UTC)
