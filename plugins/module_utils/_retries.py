# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When AWS calls are repeated. Private to this collection."""

from __future__ import annotations

import contextlib
from typing import Any

try:
    from botocore.exceptions import ClientError
    from botocore.exceptions import HTTPClientError
except ImportError:
    pass  # AnsibleAWSModule says so before anything here is used.

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

THROTTLING_CODES = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "SlowDown",
)

# The request may have been carried out: fine to repeat for a read, not for CreateActivation.
AMBIGUOUS_CODES = (
    "InternalServerError",
    "InternalFailure",
    "InternalError",
    "ServiceUnavailable",
    "Unavailable",
    "ServerException",
)
AMBIGUOUS_EXCEPTIONS = (
    "ConnectionClosedError",
    "ReadTimeoutError",
    "IncompleteReadError",
    "ResponseStreamingError",
    "HTTPClientError",
)


class _ThrottlingRetry(AWSRetry):
    """Throttling only: nothing was done by a call that was throttled."""

    @staticmethod
    def found(response_code: str, catch_extra_error_codes: Any = None) -> bool:
        return response_code in THROTTLING_CODES


class _IdempotentRetry(AWSRetry):
    """Throttling, AWS's own trouble and broken connections: for calls that may safely be made twice."""

    @staticmethod
    def status_code_from_exception(error: Any) -> str:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        return type(error).__name__

    @staticmethod
    def found(response_code: str, catch_extra_error_codes: Any = None) -> bool:
        return AWSRetry.found(
            response_code,
            [*THROTTLING_CODES, *AMBIGUOUS_CODES, *AMBIGUOUS_EXCEPTIONS, *(catch_extra_error_codes or [])],
        )


with contextlib.suppress(NameError):
    _IdempotentRetry.base_class = (ClientError, HTTPClientError)

retry_idempotent = _IdempotentRetry.jittered_backoff(retries=8, delay=1, max_delay=20)
retry_throttled = _ThrottlingRetry.jittered_backoff(retries=8, delay=1, max_delay=20)
