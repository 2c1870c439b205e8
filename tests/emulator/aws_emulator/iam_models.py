# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""moto's IAM with the checks that it lacks, AWS's policies in every partition, and the operator."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AccessKey
from moto.iam.models import IAMBackend
from moto.iam.models import ManagedPolicy
from moto.iam.models import Role
from moto.iam.models import User

from .config import OPERATOR_KEY
from .config import OPERATOR_SECRET
from .iam_policy import as_list
from .runtime import runtime

AWS_POLICIES: dict[tuple[str, str], list[ManagedPolicy]] = {}


def check_trust_policy(document: str) -> None:
    try:
        loaded = json.loads(document)
    except ValueError as error:
        raise MalformedPolicyDocument("This policy contains invalid Json") from error
    if not isinstance(loaded, dict):
        raise MalformedPolicyDocument("Syntax errors in policy.")
    if loaded.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise MalformedPolicyDocument("The policy must contain a valid version string")
    statements = as_list(loaded.get("Statement"))
    if not statements:
        raise MalformedPolicyDocument("Syntax errors in policy.")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise MalformedPolicyDocument("Syntax errors in policy.")
        if "Resource" in statement or "NotResource" in statement:
            raise MalformedPolicyDocument("Has prohibited field Resource")
        principal = statement.get("Principal", statement.get("NotPrincipal"))
        if principal is None:
            raise MalformedPolicyDocument("Missing required field Principal")
        kinds = {"AWS", "Service", "Federated", "CanonicalUser"}
        if principal != "*" and (not isinstance(principal, dict) or not set(principal) <= kinds or not principal):
            raise MalformedPolicyDocument("Invalid principal in policy.")
        actions = as_list(statement.get("Action", statement.get("NotAction")))
        if not actions:
            raise MalformedPolicyDocument("Missing required field Action")
        if not all(str(a) == "*" or str(a).lower().startswith("sts:") for a in actions):
            raise MalformedPolicyDocument("AssumeRole policy may only specify STS AssumeRole actions.")


class HybridIAMBackend(IAMBackend):
    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._add_operator()

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        """Read once for each partition: a reset need not read 1,500 documents again."""
        key = (self.account_id, self.partition)
        if key not in AWS_POLICIES:
            AWS_POLICIES[key] = super()._init_aws_policies()
            if self.partition != "aws":
                for policy in AWS_POLICIES[key]:
                    for version in policy.versions:
                        version.document = version.document.replace("arn:aws:", f"arn:{self.partition}:")
        for policy in AWS_POLICIES[key]:
            policy.attachment_count = 0
        return AWS_POLICIES[key]

    def _add_operator(self) -> None:
        """The administrator that every test starts with. Same key in every partition."""
        user: User = self.create_user(self.region_name, "operator")
        key = AccessKey("operator", "AKIA", self.account_id)
        key.access_key_id, key.secret_access_key = OPERATOR_KEY, OPERATOR_SECRET
        user.access_keys.append(key)
        self.access_keys[OPERATOR_KEY] = key
        self.attach_user_policy(f"arn:{self.partition}:iam::aws:policy/AdministratorAccess", "operator")

    def _check_boundary(self, arn: str | None) -> None:
        if arn and self.policy_arn_regex.match(arn) and arn not in self.managed_policies:
            raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")

    def create_role(self, *args: Any, **kwargs: Any) -> Role:
        names = ("role_name", "assume_role_policy_document", "path", "permissions_boundary")
        given = dict(zip(names, args, strict=False)) | kwargs
        if not given.get("linked_service"):
            check_trust_policy(given["assume_role_policy_document"])
        self._check_boundary(given.get("permissions_boundary"))
        role = super().create_role(*args, **kwargs)
        role.trust_changed_at = runtime.clock.time()  # type: ignore[attr-defined]
        return role

    def put_role_permissions_boundary(self, role_name: str, permissions_boundary: str) -> None:
        self._check_boundary(permissions_boundary)
        super().put_role_permissions_boundary(role_name, permissions_boundary)

    def update_assume_role_policy(self, role_name: str, policy_document: str) -> None:
        check_trust_policy(policy_document)
        role = self.get_role(role_name)
        super().update_assume_role_policy(role_name, policy_document)
        role.trust_changed_at = runtime.clock.time()  # type: ignore[attr-defined]
