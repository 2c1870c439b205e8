# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a request asks for: service, region, operation, protocol. Read from the request alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from .sigv4 import Signature
from .sigv4 import parse_authorization

REGION = re.compile(r"^[a-z]{2,4}(-[a-z]+)+-\d+$")
TARGETS = {
    "AmazonSSM": "ssm",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "EC2WindowsMessageDeliveryService": "ec2messages",
    "TrentService": "kms",
}
QUERY_SERVICES = {"iam", "sts", "ec2"}
MAX_BODY = 32 * 1024 * 1024


@dataclass
class Call:
    environ: dict[str, Any]
    method: str
    host: str
    path: str
    query: str
    body: bytes
    signature: Signature | None
    service: str
    region: str
    operation: str
    protocol: str
    target: str
    extra: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str:
        key = name.upper().replace("-", "_")
        return self.environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")

    @property
    def websocket(self) -> bool:
        return "websocket" in self.header("Upgrade").lower()

    @cached_property
    def params(self) -> dict[str, Any]:
        """JSON body, or the flat members of a query request."""
        if self.protocol == "query":
            return {k: v[0] for k, v in parse_qs(self.body.decode("utf-8", "replace") or self.query).items()}
        try:
            loaded = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def arguments(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.query, keep_blank_values=True).items()}

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


def read_body(environ: dict[str, Any]) -> bytes:
    """The token call of the SSM agent is chunked and has no Content-Length; werkzeug dechunks the stream."""
    stream = environ["wsgi.input"]
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return stream.read(MAX_BODY)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return stream.read(min(length, MAX_BODY)) if length else b""


def _from_host(host: str) -> tuple[str, str]:
    """Service and region of an AWS host name; empty where it does not tell."""
    name = host.rsplit(":", 1)[0].lower()
    match = re.match(r"(.+?)\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws)$", name)
    if not match:
        return "", ""
    labels = match.group(1).split(".")
    region = next((label for label in reversed(labels) if REGION.match(label)), "")
    rest = [label for label in labels if label not in (region, "dualstack")]
    service = rest[-1] if rest else ""
    if service.startswith(("ecs-a", "ecs-t")):
        service = "ecs"
    return service, region


def parse_call(environ: dict[str, Any], default_region: str) -> Call:
    host = environ.get("HTTP_HOST", "")
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    method = environ["REQUEST_METHOD"]
    query = environ.get("QUERY_STRING", "")
    body = read_body(environ)
    signature = parse_authorization(environ.get("HTTP_AUTHORIZATION", ""))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    host_service, host_region = _from_host(host)
    service = (signature.service if signature else "") or TARGETS.get(target.split(".")[0], "") or host_service
    region = (signature.region if signature else "") or host_region or default_region
    websocket = "websocket" in environ.get("HTTP_UPGRADE", "").lower()
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    protocol, operation = "json", target.split(".")[-1]
    if websocket and path.rstrip("/").endswith("/ws"):
        service, operation = "ecs", "Poll" if "containerInstanceArn=" in query else "StartTelemetrySession"
    elif path.startswith("/v1/control-channel/") and not target:
        service, operation = "ssmmessages", "OpenControlChannel" if websocket else "CreateControlChannel"
    elif not target and (service in QUERY_SERVICES or form):
        protocol = "query"
        operation = parse_qs(body.decode("utf-8", "replace") or query).get("Action", [""])[0]
    elif not target and service in ("", "s3"):
        service, protocol, operation = "s3", "s3", method.capitalize()
    return Call(environ, method, host, path, query, body, signature, service, region, operation, protocol, target)
