# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services with launch type EXTERNAL: what ECS's scheduler starts, replaces, rolls on and back, and ends."""

from __future__ import annotations

import math
import secrets
import uuid
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import Any

from moto.ecs.models import Cluster

from .ecs_instances import ExternalTask
from .ecs_tasks import TaskBackend
from .ecs_tasks import expressions_of
from .ecs_tasks import invalid
from .errors import ApiError
from .runtime import runtime

# What can be given at creation and changed later without a new deployment.
SETTINGS = (
    "placementConstraints",
    "placementStrategy",
    "enableExecuteCommand",
    "propagateTags",
    "enableECSManagedTags",
)
NOT_FOR_EXTERNAL = ("loadBalancers", "serviceRegistries", "networkConfiguration", "capacityProviderStrategy")
SECONDS_BEFORE_RETRY = 1
MOST_EVENTS = 100
NO_PLACE = (
    "was unable to place a task because no container instance met all of its requirements. "
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
)


@dataclass
class Deployment:
    id: str
    definition_arn: str
    desired: int
    created: datetime
    updated: datetime
    status: str = "PRIMARY"
    failed: int = 0
    retry_at: float = 0.0
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    counted: set[str] = field(default_factory=set)

    def move(self, rollout: str, reason: str) -> None:
        self.rollout, self.reason, self.updated = rollout, reason, runtime.clock.now()

    def describe(self, tasks: list[ExternalTask]) -> dict[str, Any]:
        running = sum(t.last_status == "RUNNING" for t in tasks)
        return {
            "id": self.id,
            "status": self.status,
            "taskDefinition": self.definition_arn,
            "desiredCount": self.desired,
            "pendingCount": len(tasks) - running,
            "runningCount": running,
            "failedTasks": self.failed,
            "createdAt": self.created,
            "updatedAt": self.updated,
            "launchType": "EXTERNAL",
            "rolloutState": self.rollout,
            "rolloutStateReason": self.reason,
        }


@dataclass
class ExternalService:
    arn: str
    name: str
    cluster_name: str
    cluster_arn: str
    desired: int
    created: datetime
    created_by: str
    request: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)
    last_completed: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def group(self) -> str:
        return f"service:{self.name}"

    def say(self, message: str) -> None:
        text = f"(service {self.name}) {message}"
        if not self.events or self.events[0]["message"] != text:
            event = {"id": str(uuid.uuid4()), "createdAt": runtime.clock.now(), "message": text}
            self.events = [event, *self.events[: MOST_EVENTS - 1]]

    def deploy(self, definition_arn: str) -> Deployment:
        for former in self.deployments:
            former.status = "ACTIVE"
        now = runtime.clock.now()
        identifier = f"ecs-svc/{secrets.randbelow(10**19):019d}"
        new = Deployment(identifier, definition_arn, self.desired, now, now)
        new.reason = f"ECS deployment {identifier} in progress."
        self.deployments = [new, *self.deployments]
        return new

    def describe(self, tasks: list[ExternalTask], include: list[str]) -> dict[str, Any]:
        running = sum(t.last_status == "RUNNING" for t in tasks)
        result: dict[str, Any] = {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster_arn,
            "loadBalancers": [],
            "serviceRegistries": [],
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": running,
            "pendingCount": len(tasks) - running,
            "launchType": "EXTERNAL",
            "taskDefinition": self.primary.definition_arn,
            "deploymentConfiguration": self.configuration,
            "deployments": [d.describe([t for t in tasks if t.started_by == d.id]) for d in self.deployments],
            "events": self.events,
            "createdAt": self.created,
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "createdBy": self.created_by,
            **self.settings,
        }
        if self.status == "INACTIVE":
            result["deployments"] = []
        if "TAGS" in include:
            result["tags"] = self.tags
        return result


def _settings(params: dict[str, Any]) -> dict[str, Any]:
    given = {name: params[name] for name in SETTINGS if params.get(name) is not None}
    for constraint in given.get("placementConstraints", []):
        if constraint.get("type") not in ("memberOf", "distinctInstance"):
            raise invalid("Placement constraint type should be one of [distinctInstance,memberOf]")
    expressions_of(given.get("placementConstraints", []))
    return given


def _configuration(current: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    after = {**current, **given}
    breaker = after.get("deploymentCircuitBreaker") or {"enable": False, "rollback": False}
    after["deploymentCircuitBreaker"] = breaker
    if after["maximumPercent"] < 100 or after["minimumHealthyPercent"] > after["maximumPercent"]:
        raise invalid("maximumPercent must be at least 100 and not less than minimumHealthyPercent.")
    if after["maximumPercent"] == 100 and after["minimumHealthyPercent"] == 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
    return after


class ServiceBackend(TaskBackend):
    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.external_services: dict[str, ExternalService] = {}

    def service_arn(self, cluster: Cluster, name: str) -> str:
        return f"arn:{self.partition}:ecs:{self.region_name}:{self.account_id}:service/{cluster.name}/{name}"

    def services_of(self, cluster: Cluster) -> list[ExternalService]:
        return [s for s in self.external_services.values() if s.cluster_name == cluster.name]

    def find_service(self, cluster: Cluster, given: str) -> ExternalService | None:
        found = self.external_services.get(self.service_arn(cluster, given.rsplit("/", 1)[-1]))
        return None if found is None or (given.startswith("arn:") and given != found.arn) else found

    def tasks_of(self, service: ExternalService) -> list[ExternalTask]:
        return [t for t in self.live_tasks(service.cluster_name) if t.group == service.group and self._own(service, t)]

    @staticmethod
    def _own(service: ExternalService, task: ExternalTask) -> bool:
        return any(task.started_by == d.id for d in service.deployments)

    # the operations

    def _wanted_definition(self, given: str) -> str:
        definition = self._definition(given)
        if "EXTERNAL" not in (definition.compatibilities or []):
            raise invalid("The task definition does not support the EXTERNAL launch type.")
        return definition.arn

    def create_external_service(self, cluster: Cluster, params: dict[str, Any], created_by: str) -> ExternalService:
        if params.get("launchType") != "EXTERNAL":
            raise invalid("This cluster has no capacity but external instances: launchType must be EXTERNAL.")
        if params.get("schedulingStrategy") == "DAEMON":
            raise invalid("The daemon scheduling strategy is not supported for the EXTERNAL launch type.")
        for name in NOT_FOR_EXTERNAL:
            if params.get(name):
                raise invalid(f"{name} is not supported for the EXTERNAL launch type.")
        name = params.get("serviceName") or ""
        if not name or len(name) > 255 or not name.replace("-", "").replace("_", "").isalnum():
            raise invalid("Invalid service name.")
        if params.get("desiredCount") is None:
            raise invalid("desiredCount can not be null for services with the REPLICA scheduling strategy.")
        if params["desiredCount"] < 0:
            raise invalid("desiredCount can not be negative.")
        existing = self.find_service(cluster, name)
        if existing and existing.status == "DRAINING":
            raise invalid("Unable to Start a service that is still Draining.")
        if existing and existing.status == "ACTIVE":
            if params.get("clientToken") and existing.request == params:
                return existing
            raise invalid("Creation of service was not idempotent.")
        definition = self._wanted_definition(params.get("taskDefinition") or "")
        service = ExternalService(
            arn=self.service_arn(cluster, name),
            name=name,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            desired=params["desiredCount"],
            created=runtime.clock.now(),
            created_by=created_by,
            request=dict(params),
            settings={
                "placementConstraints": [],
                "placementStrategy": [],
                "enableExecuteCommand": False,
                "propagateTags": "NONE",
                "enableECSManagedTags": False,
                **_settings(params),
            },
            configuration=_configuration(
                {"maximumPercent": 200, "minimumHealthyPercent": 100}, params.get("deploymentConfiguration") or {}
            ),
            tags=list(params.get("tags") or []),
        )
        service.deploy(definition)
        self.external_services[service.arn] = service
        self.schedule(cluster)
        return service

    def _known(self, cluster: Cluster, given: str) -> ExternalService:
        service = self.find_service(cluster, given)
        if service is None or service.status == "INACTIVE":
            raise ApiError("ServiceNotFoundException", "Service not found.")
        return service

    def update_external_service(self, cluster: Cluster, params: dict[str, Any]) -> ExternalService:
        service = self.find_service(cluster, params.get("service") or "")
        if service is None:
            raise ApiError("ServiceNotFoundException", "Service not found.")
        if service.status != "ACTIVE":
            raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
        for name in NOT_FOR_EXTERNAL:
            if params.get(name):
                raise invalid(f"{name} is not supported for the EXTERNAL launch type.")
        wanted = service.primary.definition_arn
        if params.get("taskDefinition"):
            wanted = self._wanted_definition(params["taskDefinition"])
        configuration = _configuration(service.configuration, params.get("deploymentConfiguration") or {})
        service.settings.update(_settings(params))
        service.configuration = configuration
        if params.get("desiredCount") is not None:
            service.desired = service.primary.desired = params["desiredCount"]
        if wanted != service.primary.definition_arn or params.get("forceNewDeployment"):
            service.deploy(wanted)
        self.schedule(cluster)
        return service

    def delete_external_service(self, cluster: Cluster, given: str, force: bool) -> ExternalService:
        service = self._known(cluster, given)
        if service.desired and not force:
            raise invalid("The service cannot be stopped while it is scaled above 0.")
        service.status, service.desired = "DRAINING", 0
        self.schedule(cluster)
        return service

    # the scheduler: AWS's looks now and then, this one whenever somebody asks or an agent reports

    def schedule(self, cluster: Cluster) -> None:
        for service in self.services_of(cluster):
            if service.status != "INACTIVE":
                self._schedule(cluster, service)

    def _stop(self, task: ExternalTask, reason: str) -> None:
        if task.desired_status != "STOPPED":
            self.stop_external(task, reason)
            task.stop_code = "ServiceSchedulerInitiated"

    def _schedule(self, cluster: Cluster, service: ExternalService) -> None:
        tasks = self.tasks_of(service)
        if service.status == "DRAINING":
            for task in tasks:
                self._stop(task, f"Scaling activity initiated by (deployment {service.primary.id})")
            if not self.tasks_of(service):
                service.status = "INACTIVE"
            return
        self._count_failures(service)
        self._break_circuit(service)
        self._start(cluster, service, tasks)
        self._retire(service)
        self._settle(service)

    def _count_failures(self, service: ExternalService) -> None:
        """As AWS counts: tasks that were never RUNNING, one after the other."""
        for deployment in service.deployments:
            own = [t for t in self.external_tasks.values() if t.started_by == deployment.id]
            for task in own:
                if task.arn in deployment.counted or not (task.started or task.stopped):
                    continue
                deployment.counted.add(task.arn)
                if task.started:
                    deployment.failed = 0
                elif task.stop_code != "ServiceSchedulerInitiated":
                    deployment.failed += 1
            ended = [t.created.timestamp() for t in own if t.stopped]
            deployment.retry_at = max(ended, default=0.0) + SECONDS_BEFORE_RETRY

    def _break_circuit(self, service: ExternalService) -> None:
        breaker, primary = service.configuration["deploymentCircuitBreaker"], service.primary
        threshold = min(max(3, math.ceil(service.desired / 2)), 200)
        if not breaker["enable"] or primary.rollout != "IN_PROGRESS" or primary.failed < threshold:
            return
        primary.move("FAILED", "ECS deployment circuit breaker: tasks failed to start.")
        service.say(f"(deployment {primary.id}) deployment failed: tasks failed to start.")
        if breaker["rollback"] and service.last_completed:
            new = service.deploy(service.last_completed)
            new.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {new.id}."
            service.say(f"rolling back to deployment {new.id}.")

    def _start(self, cluster: Cluster, service: ExternalService, tasks: list[ExternalTask]) -> None:
        primary = service.primary
        if primary.rollout == "FAILED" or runtime.clock.time() < primary.retry_at:
            return
        own = sum(t.started_by == primary.id and t.desired_status == "RUNNING" for t in tasks)
        most = service.desired * service.configuration["maximumPercent"] // 100
        definition = self.describe_task_definition(primary.definition_arn)
        constraints = [*service.settings["placementConstraints"], *(definition.placement_constraints or [])]
        for _ in range(min(service.desired - own, most - len(tasks))):
            reasons = self.reasons(cluster.name, definition, constraints, service.group)
            free = [arn for arn, reason in reasons.items() if not reason]
            if not free:
                service.say(NO_PLACE)
                return
            best = min(free, key=lambda arn: len(self.tasks_on(arn)))
            task = self.place_task(
                self.instances[best],
                definition,
                {
                    "group": service.group,
                    "startedBy": primary.id,
                    "tags": self._propagated(service, definition.tags),
                    "enableExecuteCommand": service.settings["enableExecuteCommand"],
                },
            )
            service.say(f"has started 1 tasks: (task {task.arn.rsplit('/', 1)[-1]}).")

    @staticmethod
    def _propagated(service: ExternalService, of_definition: list[dict[str, str]] | None) -> list[dict[str, str]]:
        wanted = service.settings["propagateTags"]
        return list(service.tags if wanted == "SERVICE" else of_definition or [] if wanted == "TASK_DEFINITION" else [])

    def _retire(self, service: ExternalService) -> None:
        """Ends what is of former deployments or too much, as far as enough others run."""
        tasks = [t for t in self.tasks_of(service) if t.desired_status == "RUNNING"]
        primary = service.primary
        own = sorted((t for t in tasks if t.started_by == primary.id), key=lambda t: t.created)
        for task in own[service.desired :]:
            self._stop(task, f"Scaling activity initiated by (deployment {primary.id})")
        if primary.rollout == "FAILED":
            return  # nothing takes their place
        least = math.ceil(service.desired * service.configuration["minimumHealthyPercent"] / 100)
        running = sum(t.last_status == "RUNNING" for t in tasks)
        former = sorted((t for t in tasks if t.started_by != primary.id), key=lambda t: t.last_status == "RUNNING")
        for task in former:
            if task.last_status == "RUNNING":
                if running - 1 < least:
                    return
                running -= 1
            self._stop(task, f"Scaling activity initiated by (deployment {primary.id})")

    def _settle(self, service: ExternalService) -> None:
        tasks = self.tasks_of(service)
        service.deployments = [
            d for d in service.deployments if d is service.primary or any(t.started_by == d.id for t in tasks)
        ]
        primary = service.primary
        running = sum(t.last_status == "RUNNING" and t.desired_status == "RUNNING" for t in tasks)
        if primary.rollout != "IN_PROGRESS" or len(service.deployments) > 1 or running != service.desired:
            return
        primary.move("COMPLETED", f"ECS deployment {primary.id} completed.")
        service.last_completed = primary.definition_arn
        service.say(f"(deployment {primary.id}) deployment completed.")
        service.say("has reached a steady state.")
