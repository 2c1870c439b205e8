# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hybrid activations and managed nodes: what they are, and the backend that keeps them. moto keeps the rest of SSM."""

from __future__ import annotations

import base64
import binascii
import secrets
import string
import uuid
from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.iam.models import iam_backends
from moto.ssm.models import SimpleSystemManagerBackend
from moto.sts.models import sts_backends

from .auth import expiry
from .authorize import role_by_name
from .authorize import trusted_by_ssm
from .errors import ApiError
from .iam_policy import trusts
from .runtime import runtime

CODE_ALPHABET = string.ascii_letters + string.digits + "/+"
FORGET_AFTER = 3600  # seconds that an expired token is still told from an unknown one
NODE_ROLE_MESSAGE = "Nonexistent role or missing ssm service principal in trust policy"


@dataclass
class Activation:
    id: str
    code: str
    iam_role: str
    limit: int
    expires: datetime
    created: datetime
    default_instance_name: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    registrations: int = 0

    @property
    def expired(self) -> bool:
        return runtime.clock.now() >= self.expires

    def describe(self) -> dict[str, Any]:
        return {
            "ActivationId": self.id,
            "Description": self.description,
            "DefaultInstanceName": self.default_instance_name,
            "IamRole": self.iam_role,
            "RegistrationLimit": self.limit,
            "RegistrationsCount": self.registrations,
            "ExpirationDate": self.expires,
            "Expired": self.expired,
            "CreatedDate": self.created,
            "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()],
        }


@dataclass
class ManagedNode:
    id: str
    activation_id: str
    iam_role: str
    registered: datetime
    public_key: str
    fingerprint: str
    name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    information: dict[str, str] = field(default_factory=dict)
    last_ping: datetime | None = None
    always_online: bool = False
    role_in_use: str = ""

    @property
    def ping_status(self) -> str:
        if self.always_online:
            return "Online"
        if self.last_ping is None:
            return "ConnectionLost"
        age = (runtime.clock.now() - self.last_ping).total_seconds()
        return "Online" if age < runtime.settings.ping_timeout else "ConnectionLost"

    def describe(self) -> dict[str, Any]:
        info = self.information
        seen = runtime.clock.now() if self.always_online else self.last_ping
        return {
            "InstanceId": self.id,
            "PingStatus": self.ping_status,
            "LastPingDateTime": seen or self.registered,
            "AgentVersion": info.get("AgentVersion", ""),
            "IsLatestVersion": False,
            "PlatformType": info.get("PlatformType"),
            "PlatformName": info.get("PlatformName"),
            "PlatformVersion": info.get("PlatformVersion"),
            "ActivationId": self.activation_id,
            "IamRole": self.iam_role,
            "RegistrationDate": self.registered,
            "ResourceType": "ManagedInstance",
            "Name": self.name,
            "IPAddress": info.get("IPAddress"),
            "ComputerName": info.get("ComputerName"),
            "SourceId": self.id,
            "SourceType": "AWS::SSM::ManagedInstance",
        }


def new_node_id() -> str:
    return "mi-" + secrets.token_hex(9)[:17]


def check_public_key(text: str, kind: str) -> None:
    try:
        key = serialization.load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ApiError("InvalidPublicKey", "The public key is not valid.") from error
    if kind != "Rsa" or not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ApiError("InvalidPublicKey", "The public key is not an RSA key of at least 2048 bits.")


def _tag_table() -> defaultdict[str, dict[str, str]]:
    return defaultdict(dict)


class HybridSsmBackend(SimpleSystemManagerBackend):
    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._resource_tags = defaultdict(_tag_table)  # moto's has a lambda, which no state file can keep
        self.activations: dict[str, Activation] = {}
        self.codes: dict[str, str] = {}  # every code ever given out, so that tests can look where it went
        self.nodes: dict[str, ManagedNode] = {}
        self.settings_changed: dict[str, str] = {}

    def check_role(self, name: str) -> None:
        if not trusted_by_ssm(self.account_id, self.partition, name):
            raise ApiError("ValidationException", NODE_ROLE_MESSAGE)

    def create_activation(self, params: dict[str, Any]) -> Activation:
        now = runtime.clock.now()
        expires = now + timedelta(hours=24)
        if "ExpirationDate" in params:
            expires = datetime.fromtimestamp(float(params["ExpirationDate"]), now.tzinfo)
            if expires <= now:
                raise ApiError("ValidationException", "ExpirationDate must be in the future.")
            if expires > now + timedelta(days=30):
                raise ApiError("ValidationException", "ExpirationDate must be within 30 days.")
        tags = params.get("Tags") or []
        if len(tags) > 50:
            raise ApiError("ValidationException", "An activation can have at most 50 tags.")
        self.check_role(params["IamRole"])
        activation = Activation(
            id=str(uuid.uuid4()),
            code="".join(secrets.choice(CODE_ALPHABET) for _ in range(20)),
            iam_role=params["IamRole"],
            limit=int(params.get("RegistrationLimit", 1)),
            expires=expires,
            created=now,
            default_instance_name=params.get("DefaultInstanceName"),
            description=params.get("Description"),
            tags={t["Key"]: t["Value"] for t in tags},
        )
        self.activations[activation.id] = activation
        self.codes[activation.id] = activation.code
        return activation

    def delete_activation(self, activation_id: str) -> None:
        if activation_id not in self.codes:
            raise ApiError("InvalidActivationId", "The activation ID is not valid.")
        if self.activations.pop(activation_id, None) is None:
            raise ApiError("InvalidActivation", "The activation is not valid. It might have been deleted.")

    def register_managed_instance(self, params: dict[str, Any]) -> ManagedNode:
        activation = self.activations.get(str(params.get("ActivationId")))
        if activation is None or not secrets.compare_digest(activation.code, str(params.get("ActivationCode"))):
            raise ApiError("InvalidActivation", "The activation ID or the activation code is not valid.")
        if activation.expired:
            raise ApiError("ActivationExpired", f"Activation {activation.id} has expired.")
        if activation.registrations >= activation.limit:
            raise ApiError(
                "RegistrationLimitExceeded", f"Activation {activation.id} has reached its registration limit."
            )
        check_public_key(str(params.get("PublicKey", "")), str(params.get("PublicKeyType", "Rsa")))
        activation.registrations += 1
        node = ManagedNode(
            id=new_node_id(),
            activation_id=activation.id,
            iam_role=activation.iam_role,
            registered=runtime.clock.now(),
            public_key=params["PublicKey"],
            fingerprint=str(params.get("Fingerprint", "")),
            name=activation.default_instance_name,
            tags=dict(activation.tags),
        )
        self.nodes[node.id] = node
        return node

    def get_node(self, node_id: str) -> ManagedNode:
        if node_id not in self.nodes:
            raise ApiError("InvalidInstanceId", f"Instance {node_id} is not valid or does not exist.")
        return self.nodes[node_id]

    def role_token(self, node: ManagedNode, fingerprint: str) -> dict[str, Any]:
        if node.fingerprint != fingerprint:
            raise ApiError(
                "MachineFingerprintDoesNotMatch",
                f"The machine fingerprint of {node.id} does not match the one it was registered with.",
            )
        role = role_by_name(self.account_id, self.partition, node.iam_role)
        source = f"arn:{self.partition}:ssm:{self.region_name}:{self.account_id}:managed-instance/{node.id}"
        context = {"aws:SourceAccount": self.account_id, "aws:SourceArn": source}
        if role is None or not trusts(role.assume_role_policy_document, "Service:ssm.amazonaws.com", context=context):
            raise ApiError(
                "AccessDeniedException", f"Systems Manager can not assume the role {node.iam_role} for {node.id}."
            )
        self._forget_old_tokens(node.id)
        ttl = runtime.settings.token_ttl
        sts = sts_backends[self.account_id][self.partition]
        session = sts.assume_role(self.region_name, node.id, role.arn, None, int(ttl), None)  # type: ignore[arg-type]
        session.expiration = expiry(ttl)
        node.role_in_use = role.arn
        return {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            # The agent compares this with the real time of its host.
            "TokenExpirationDate": round(session.expiration.timestamp() - runtime.clock.offset, 3),
            "UpdateKeyPair": runtime.settings.key_rotation,
        }

    def _forget_old_tokens(self, node_id: str) -> None:
        sts = sts_backends[self.account_id][self.partition]
        keys = iam_backends[self.account_id][self.partition].access_keys
        limit = runtime.clock.time() - FORGET_AFTER
        kept = []
        for session in sts.assumed_roles:
            if session.session_name == node_id and session.expiration.timestamp() <= limit:
                keys.pop(session.access_key_id, None)
            else:
                kept.append(session)
        sts.assumed_roles = kept

    def deregister(self, node_id: str) -> None:
        self.get_node(node_id)
        del self.nodes[node_id]

    # Tags of managed nodes live on the node; moto refuses them.

    def add_tags_to_resource(self, resource_type: str, resource_id: str, tags: dict[str, str]) -> None:
        if resource_type != "ManagedInstance":
            super().add_tags_to_resource(resource_type, resource_id, tags)
            return
        node = self._node_for_tags(resource_id)
        if any(k.lower().startswith("aws:") for k in tags):
            raise ApiError("ValidationException", "aws: prefixed tag key names are not allowed.")
        if len({**node.tags, **tags}) > 50:
            raise ApiError("TooManyTagsError", "A resource can have at most 50 tags.")
        node.tags.update(tags)

    def remove_tags_from_resource(self, resource_type: str, resource_id: str, keys: list[str]) -> None:
        if resource_type != "ManagedInstance":
            super().remove_tags_from_resource(resource_type, resource_id, keys)
            return
        node = self._node_for_tags(resource_id)
        for key in keys:
            node.tags.pop(key, None)

    def list_tags_for_resource(self, resource_type: str, resource_id: str) -> dict[str, str]:
        if resource_type != "ManagedInstance":
            return super().list_tags_for_resource(resource_type, resource_id)
        return self._node_for_tags(resource_id).tags

    def _node_for_tags(self, resource_id: str) -> ManagedNode:
        if resource_id not in self.nodes:
            raise ApiError("InvalidResourceId", "The resource ID is not valid.")
        return self.nodes[resource_id]
