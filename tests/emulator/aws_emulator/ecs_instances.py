# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container instance that is an external server, and a task that runs on it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import Any

from .runtime import runtime

Attribute = dict[str, str]
TAKEN = ("CPU", "MEMORY")


def new_id() -> str:
    return secrets.token_hex(16)


@dataclass
class ExternalInstance:
    arn: str
    cluster_name: str
    ec2_instance_id: str
    registered: datetime
    attributes: list[Attribute] = field(default_factory=list)
    custom: set[str] = field(default_factory=set)
    resources: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    version_info: dict[str, str] = field(default_factory=dict)
    status: str = "ACTIVE"
    version: int = 1
    client_token: str = ""
    always_connected: bool = False
    outcomes: list[dict[str, Any]] = field(default_factory=list)  # of tasks, where no agent runs them

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[-1]

    @property
    def connected(self) -> bool:
        if self.status == "INACTIVE":
            return False
        return self.always_connected or runtime.hub.connected(self.arn)

    def set_attribute(self, name: str, value: str | None) -> None:
        self.attributes = [a for a in self.attributes if a["name"] != name]
        self.attributes.append({"name": name, **({"value": value} if value is not None else {})})

    def facts(self, running: int, pending: int) -> dict[str, Any]:
        """What the query language can ask for."""
        return {
            "ec2InstanceId": self.ec2_instance_id,
            "agentConnected": self.connected,
            "agentVersion": self.version_info.get("agentVersion"),
            "registeredAt": self.registered.isoformat(),
            "runningTasksCount": running,
            "pendingTasksCount": pending,
            "status": self.status,
            **{f"attribute:{a['name']}": a.get("value", "") for a in self.attributes},
        }

    def remaining(self, tasks: list[ExternalTask]) -> list[dict[str, Any]]:
        left = []
        for resource in self.resources:
            copy = dict(resource)
            if copy.get("name") in TAKEN and copy.get("type") == "INTEGER":
                copy["integerValue"] = copy.get("integerValue", 0) - sum(t.needs(copy["name"]) for t in tasks)
            left.append(copy)
        return left

    def free(self, name: str, tasks: list[ExternalTask]) -> int:
        return next((r.get("integerValue", 0) for r in self.remaining(tasks) if r.get("name") == name), 0)

    def describe(self, tasks: list[ExternalTask], include: list[str]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "containerInstanceArn": self.arn,
            "ec2InstanceId": self.ec2_instance_id,
            "version": self.version,
            "versionInfo": self.version_info,
            "remainingResources": self.remaining(tasks),
            "registeredResources": self.resources,
            "status": self.status,
            "agentConnected": self.connected,
            "runningTasksCount": sum(t.last_status == "RUNNING" for t in tasks),
            "pendingTasksCount": sum(t.last_status in ("PROVISIONING", "PENDING") for t in tasks),
            "attributes": self.attributes,
            "registeredAt": self.registered,
            "attachments": [],
        }
        if "TAGS" in include:
            result["tags"] = self.tags
        if "CONTAINER_INSTANCE_HEALTH" in include:
            result["healthStatus"] = {"overallStatus": "OK" if self.connected else "IMPAIRED", "details": []}
        return result


@dataclass
class ExternalTask:
    arn: str
    cluster_arn: str
    definition_arn: str
    family: str
    revision: int
    instance_arn: str
    containers: list[dict[str, Any]]
    created: datetime
    definition: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    started_by: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    last_status: str = "PENDING"
    desired_status: str = "RUNNING"
    started: datetime | None = None
    stopping: datetime | None = None
    stopped: datetime | None = None
    stop_code: str | None = None
    reason: str | None = None
    message_id: str = ""
    acknowledged: bool = False
    version: int = 1
    execute_command: bool = False

    @property
    def live(self) -> bool:
        return self.last_status != "STOPPED"

    def needs(self, resource: str) -> int:
        stated = self.definition.get("cpu" if resource == "CPU" else "memory")
        if stated:
            return int(stated)
        keys = ("cpu",) if resource == "CPU" else ("memory", "memoryReservation")
        wanted = 0
        for container in self.definition.get("containerDefinitions", []):
            wanted += next((int(container[k]) for k in keys if container.get(k)), 0)
        return wanted

    def describe(self, include: list[str]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition_arn,
            "containerInstanceArn": self.instance_arn,
            "overrides": {"containerOverrides": [], **self.overrides},
            "lastStatus": self.last_status,
            "desiredStatus": self.desired_status,
            "cpu": str(self.needs("CPU")),
            "memory": str(self.needs("MEMORY")),
            "containers": self.containers,
            "startedBy": self.started_by,
            "version": self.version,
            "stoppedReason": self.reason,
            "stopCode": self.stop_code,
            "connectivity": "CONNECTED",
            "createdAt": self.created,
            "startedAt": self.started,
            "stoppingAt": self.stopping,
            "stoppedAt": self.stopped,
            "group": self.group,
            "launchType": "EXTERNAL",
            "attachments": [],
            "attributes": [],
            "enableExecuteCommand": self.execute_command,
        }
        if "TAGS" in include:
            result["tags"] = self.tags
        return result
