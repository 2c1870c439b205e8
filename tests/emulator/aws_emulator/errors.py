# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors in the shape in which each protocol of AWS tells them."""

from __future__ import annotations

import json
import uuid
from xml.sax.saxutils import escape

JSON_TYPE = "application/x-amz-json-1.1"


class ApiError(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


# What the query protocol (IAM, STS) and S3 call the errors that the JSON services name otherwise.
QUERY_CODES = {
    "AccessDeniedException": ("AccessDenied", 403),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "UnknownOperationException": ("InvalidAction", 400),
    "ThrottlingException": ("Throttling", 400),
}
S3_CODES = {**QUERY_CODES, "UnrecognizedClientException": ("InvalidAccessKeyId", 403)}


def native_code(error: ApiError, protocol: str, injected: bool = False) -> tuple[str, int]:
    """An injected error keeps the code that the test asked for."""
    if protocol == "json" or injected:
        return error.code, error.status
    table = S3_CODES if protocol == "s3" else QUERY_CODES
    return table.get(error.code, (error.code, error.status))


def render(error: ApiError, protocol: str, injected: bool = False) -> tuple[int, dict[str, str], bytes]:
    code, status = native_code(error, protocol, injected)
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id}
    if protocol == "json":
        headers.update({"Content-Type": JSON_TYPE, "x-amzn-ErrorType": code})
        key = "Message" if code == "AccessDeniedException" else "message"
        return status, headers, json.dumps({"__type": code, key: error.message}).encode()
    headers["Content-Type"] = "text/xml" if protocol == "query" else "application/xml"
    text = escape(error.message)
    if protocol == "s3":
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{text}</Message><RequestId>{request_id}</RequestId></Error>"
        )
    else:
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{text}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return status, headers, body.encode()
