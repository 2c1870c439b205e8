# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The websockets that agents hold open: ACS (work for the ECS agent), TCS (its telemetry), the SSM control channel."""

from __future__ import annotations

import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any

from moto.ecs.models import ecs_backends

from .auth import Principal
from .call import Call
from .errors import ApiError
from .runtime import runtime
from .websocket import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ecs_models import HybridEcsBackend


def frame(kind: str, message: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "message": message})


class AgentHub:
    """Who is connected now. Not part of the state: after a restart the agents connect again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, set[Channel]] = defaultdict(set)

    @contextmanager
    def joined(self, key: str, channel: Channel) -> Iterator[None]:
        with self._lock:
            self._channels[key].add(channel)
        try:
            yield
        finally:
            with self._lock:
                self._channels[key].discard(channel)
                if not self._channels[key]:
                    del self._channels[key]

    def _of(self, key: str) -> list[Channel]:
        with self._lock:
            return list(self._channels.get(key, ()))

    def connected(self, container_instance_arn: str) -> bool:
        return bool(self._of(f"acs:{container_instance_arn}"))

    def has_control_channel(self, node_id: str) -> bool:
        return bool(self._of(f"control:{node_id}"))

    def push(self, container_instance_arn: str, kind: str, message: dict[str, Any]) -> bool:
        channels = self._of(f"acs:{container_instance_arn}")
        for channel in channels:
            channel.send(frame(kind, message))
        return bool(channels)

    def disconnect_all(self) -> None:
        with self._lock:
            channels = [c for group in self._channels.values() for c in group]
        for channel in channels:
            channel.close()

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {"acs": 0, "tcs": 0, "control": 0}
        with self._lock:
            for key, group in self._channels.items():
                found[key.split(":", 1)[0]] += len(group)
        return found


def _backend(call: Call, principal: Principal) -> HybridEcsBackend:
    return ecs_backends[principal.account][call.region]  # type: ignore[return-value]


def _heartbeat(channel: Channel) -> Callable[[], None]:
    return lambda: channel.send(frame("HeartbeatMessage", {"healthy": True, "messageId": str(uuid.uuid4())}))


def check_acs(call: Call, principal: Principal) -> None:
    """Before the handshake: the instance must be the caller's own."""
    arn = call.arguments.get("containerInstanceArn") or call.arguments.get("containerInstance") or ""
    with runtime.lock:
        instance = _backend(call, principal).instances.get(arn)
    if instance is None:
        raise ApiError("InvalidParameterException", f"Container instance {arn} does not exist.")
    if principal.node_id and instance.ec2_instance_id != principal.node_id:
        raise ApiError("AccessDeniedException", f"{arn} is not the container instance of {principal.node_id}.")


def serve_acs(call: Call, principal: Principal) -> None:
    arguments = call.arguments
    arn = arguments["containerInstanceArn"]
    backend = _backend(call, principal)
    channel = Channel(call.environ)
    instance = backend.instances[arn]
    if instance.status == "INACTIVE":
        channel.send(frame("InactiveInstanceException", {"message": "Container instance is inactive."}))
        channel.close()
        channel.run(lambda _: None, lambda: None, 1)
        return
    with runtime.lock:
        instance.version_info = {
            "agentVersion": arguments.get("agentVersion", ""),
            "agentHash": arguments.get("agentHash", ""),
            "dockerVersion": arguments.get("dockerVersion", ""),
        }
        runtime.state.touch()

    def hear(text: str) -> None:
        try:
            heard = json.loads(text)
        except ValueError:
            return
        if heard.get("type") == "AckRequest":
            with runtime.lock:
                backend.acknowledge(arn, heard.get("message", {}).get("messageId", ""))

    with runtime.hub.joined(f"acs:{arn}", channel):
        with runtime.lock:
            backend.push_pending(arn)
            backend.schedule(backend._get_cluster(instance.cluster_name))
        channel.run(hear, _heartbeat(channel), runtime.settings.heartbeat_seconds)


TCS_ANSWERS = {
    "PublishMetricsRequest": "AckPublishMetric",
    "PublishInstanceStatusRequest": "AckPublishInstanceStatus",
    "PublishHealthRequest": "AckPublishHealth",
}


def serve_tcs(call: Call, principal: Principal) -> None:
    """Each frame is a signed HTTP-like header, an empty line and JSON; only the kind matters here."""
    channel = Channel(call.environ)

    def hear(text: str) -> None:
        body = text.replace("\r\n", "\n").partition("\n\n")[2] or text
        try:
            kind = json.loads(body).get("type", "")
        except (ValueError, AttributeError):
            return
        if kind in TCS_ANSWERS:
            channel.send(frame(TCS_ANSWERS[kind], {"message": "ok"}))

    arn = call.arguments.get("containerInstance", "")
    with runtime.hub.joined(f"tcs:{arn}", channel):
        channel.run(hear, _heartbeat(channel), runtime.settings.heartbeat_seconds)


def serve_control_channel(call: Call, principal: Principal) -> None:
    node_id = call.path.rstrip("/").rsplit("/", 1)[-1]
    channel = Channel(call.environ)
    with runtime.hub.joined(f"control:{node_id}", channel):
        channel.run(lambda _: None, lambda: None, runtime.settings.heartbeat_seconds * 30)
