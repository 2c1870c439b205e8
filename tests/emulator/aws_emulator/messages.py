# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ec2messages and the HTTP half of ssmmessages: enough for an agent that is idle."""

from __future__ import annotations

import json
import secrets
import uuid
from xml.sax.saxutils import escape

from moto.ssm.models import ssm_backends

from .auth import Principal
from .call import Call
from .errors import JSON_TYPE
from .errors import ApiError
from .runtime import runtime

Answer = tuple[int, dict[str, str], bytes]
POLITE = {"DeleteMessage", "AcknowledgeMessage", "FailMessage", "SendReply"}


def _json(result: dict[str, object], status: int = 200) -> Answer:
    return status, {"Content-Type": JSON_TYPE}, json.dumps(result).encode()


def check_node(call: Call, principal: Principal, node_id: str) -> None:
    if principal.node_id and principal.node_id != node_id:
        raise ApiError("AccessDeniedException", f"{principal.node_id} can not use the channel of {node_id}.")
    with runtime.lock:
        nodes = ssm_backends[principal.account][call.region].nodes  # type: ignore[attr-defined]
    if node_id not in nodes:
        raise ApiError("InvalidInstanceId", f"Instance {node_id} is not registered.")


def ec2messages(call: Call, principal: Principal) -> Answer:
    if call.operation == "GetMessages":
        destination = str(call.params.get("Destination", ""))
        check_node(call, principal, destination)
        runtime.stopping.wait(runtime.settings.long_poll_seconds)  # nothing ever comes: a long poll that ends empty
        return _json({"Destination": "", "Messages": [], "MessagesRequestId": call.params.get("MessagesRequestId", "")})
    if call.operation == "GetEndpoint":
        return _json({"Endpoint": {"Protocol": "", "Endpoint": call.host}})
    if call.operation in POLITE:
        return _json({"MessageRequestId": str(uuid.uuid4())} if call.operation == "AcknowledgeMessage" else {})
    raise ApiError("UnknownOperationException", f"{call.operation} is not an operation of ec2messages.")


def create_control_channel(call: Call, principal: Principal) -> Answer:
    """The agent wants 201 and XML here; JSON or 200 is an error to it."""
    if call.method != "POST":
        raise ApiError("UnknownOperationException", f"{call.method} {call.path} is not an operation of ssmmessages.")
    check_node(call, principal, call.path.rstrip("/").rsplit("/", 1)[-1])
    version = escape(str(call.params.get("MessageSchemaVersion", "1.0")))
    body = (
        '<CreateControlChannelResponse xmlns="http://ssmmessages.amazonaws.com/doc/2017-10-01/">'
        f"<MessageSchemaVersion>{version}</MessageSchemaVersion>"
        f"<TokenValue>{secrets.token_urlsafe(48)}</TokenValue></CreateControlChannelResponse>"
    )
    return 201, {"Content-Type": "application/xml"}, body.encode()
