# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""STS calls: one function per call. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.errors import AWSErrorHandler
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from ._retries import retry_idempotent


class StsError(AnsibleAWSError):
    service = "sts"


class StsErrorHandler(AWSErrorHandler):
    _CUSTOM_EXCEPTION = StsError


@StsErrorHandler.common_error_handler("ask which account the credentials are of")
@retry_idempotent
def get_account(client: Any) -> str:
    return str(client.get_caller_identity()["Account"])
