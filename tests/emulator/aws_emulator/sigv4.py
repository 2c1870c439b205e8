# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signature Version 4: reading the header, rebuilding the string that was signed, checking it."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.parse import unquote

if TYPE_CHECKING:
    from .call import Call

HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,"
    r"\s*Signature=(?P<signature>\S+)\s*$"
)
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Signature:
    key_id: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parse_authorization(header: str) -> Signature | None:
    match = HEADER.match(header)
    parts = match["credential"].split("/") if match else []
    if not match or len(parts) != 5:
        return None
    headers = tuple(match["headers"].lower().split(";"))
    return Signature(parts[0], parts[1], parts[2], parts[3].lower(), headers, match["signature"])


def _canonical_query(query: str) -> str:
    pairs = []
    for item in filter(None, query.split("&")):
        key, _, value = item.partition("=")
        pairs.append((quote(unquote(key), safe="-_.~"), quote(unquote(value), safe="-_.~")))
    return "&".join(f"{k}={v}" for k, v in sorted(pairs))


def _canonical_headers(call: Call, names: tuple[str, ...]) -> str:
    return "".join(f"{name}:{' '.join(call.header(name).split())}\n" for name in names)


def _raw_path(call: Call) -> str:
    raw = call.environ.get("RAW_URI") or call.environ.get("REQUEST_URI") or call.path
    path = re.sub(r"^https?://[^/]*", "", raw).split("?", 1)[0]
    return path or "/"


def payload_hash(call: Call) -> str:
    return call.header("X-Amz-Content-Sha256") or hashlib.sha256(call.body).hexdigest()


def payload_is_true(call: Call) -> bool:
    """A stated hash must be that of the body (unless the client says it did not sign the body)."""
    stated = call.header("X-Amz-Content-Sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", stated):
        return True
    return hmac.compare_digest(stated, hashlib.sha256(call.body).hexdigest())


def string_to_sign(call: Call, signature: Signature) -> str:
    path = _raw_path(call)
    canonical = "\n".join(
        (
            call.method,
            path if signature.service == "s3" else quote(path, safe="/-_.~"),
            _canonical_query(call.query),
            _canonical_headers(call, signature.headers),
            ";".join(signature.headers),
            payload_hash(call),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return "\n".join(("AWS4-HMAC-SHA256", call.header("X-Amz-Date"), signature.scope, digest))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def verify_hmac(call: Call, signature: Signature, secret: str) -> bool:
    key = f"AWS4{secret}".encode()
    for part in (signature.date, signature.region, signature.service, "aws4_request"):
        key = _hmac(key, part)
    expected = hmac.new(key, string_to_sign(call, signature).encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.value) and payload_is_true(call)
