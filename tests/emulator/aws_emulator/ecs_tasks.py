# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks with launch type EXTERNAL: placed, pushed to the agent over ACS, moved on by what the agent reports."""

from __future__ import annotations

import json
import uuid
from fnmatch import fnmatchcase
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.models import TaskDefinition

from .ecs_instances import ExternalInstance
from .ecs_instances import ExternalTask
from .ecs_instances import new_id
from .ecs_query import QueryError
from .ecs_query import Test
from .ecs_query import compile_query
from .errors import ApiError
from .runtime import runtime

ORDER = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
ORDERS_TO_AGENT = ("cpu", "memory", "links", "essential", "entryPoint", "command", "dependsOn", "startTimeout")


def invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def _host_config(container: dict[str, Any], network_mode: str) -> str:
    config: dict[str, Any] = {"NetworkMode": network_mode, "CapAdd": [], "CapDrop": []}
    if log := container.get("logConfiguration"):
        config["LogConfig"] = {"Type": log.get("logDriver"), "Config": log.get("options") or {}}
    return json.dumps(config)


def agent_container(container: dict[str, Any], network_mode: str) -> dict[str, Any]:
    """A container definition in the agent's words."""
    ports = [
        {
            "containerPort": p.get("containerPort"),
            "hostPort": p.get("hostPort", 0),
            "protocol": p.get("protocol", "tcp"),
        }
        for p in container.get("portMappings") or []
    ]
    return {
        "name": container["name"],
        "image": container["image"],
        "environment": {e["name"]: e.get("value", "") for e in container.get("environment") or []},
        "portMappings": ports,
        "mountPoints": container.get("mountPoints") or [],
        "volumesFrom": container.get("volumesFrom") or [],
        "overrides": "{}",
        "dockerConfig": {"config": "{}", "hostConfig": _host_config(container, network_mode), "version": "1.18"},
        **{k: container[k] for k in ORDERS_TO_AGENT if container.get(k) is not None},
        "memory": container.get("memory") or container.get("memoryReservation") or 0,
    }


def outcome_of(container: dict[str, Any], task: ExternalTask, instance: ExternalInstance) -> dict[str, Any] | None:
    """What a seeded instance makes of a container, by its image and its command; None: it runs on."""
    override = next((o for o in task.overrides.get("containerOverrides", []) if o.get("name") == container["name"]), {})
    defined = next(c for c in task.definition["containerDefinitions"] if c["name"] == container["name"])
    command = " ".join(override.get("command") or defined.get("command") or [])
    for outcome in instance.outcomes:
        if fnmatchcase(container["image"], outcome.get("image", "*")) and fnmatchcase(
            command, outcome.get("command", "*")
        ):
            return {"exit_code": 0, **outcome}
    return None


def expressions_of(constraints: list[dict[str, Any]]) -> list[Test]:
    try:
        return [compile_query(c.get("expression", "")) for c in constraints if c.get("type") == "memberOf"]
    except QueryError as error:
        raise invalid(f"Invalid expression in placement constraint: {error}") from error


class TaskBackend(EC2ContainerServiceBackend):
    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.instances: dict[str, ExternalInstance] = {}
        self.external_tasks: dict[str, ExternalTask] = {}
        self.sequence = 0
        # RunTask's clientToken: what was asked, what was placed, what was not
        self.run_tokens: dict[str, tuple[dict[str, Any], list[ExternalTask], list[dict[str, str]]]] = {}

    def _moved_on(self, tasks: list[ExternalTask]) -> list[ExternalTask]:
        """Those still live. Seeded instances have no agent that would start and end their tasks."""
        for task in tasks:
            instance = self.instances.get(task.instance_arn)
            if instance is not None and instance.always_connected:
                self._as_an_agent(task, instance)
        return [t for t in tasks if t.live]

    def _as_an_agent(self, task: ExternalTask, instance: ExternalInstance) -> None:
        now = runtime.clock.time()
        if task.stopping and task.stopping.timestamp() <= now - runtime.settings.task_stop_seconds:
            self.task_ended(task, "UserInitiated", "Task stopped by user")
            return
        outcomes = [(c, outcome_of(c, task, instance)) for c in task.containers]
        ended = [(c, o) for c, o in outcomes if o is not None]
        refused = [(c, o["reason"]) for c, o in ended if o.get("reason")]
        if refused and task.last_status == "PENDING":
            for container, reason in refused:
                container["reason"] = reason
            self.task_ended(task, "TaskFailedToStart", "Task failed to start")
            return
        if task.desired_status == "RUNNING" and task.last_status == "PENDING":
            self.task_change(task, {"status": "RUNNING"})
        now = runtime.clock.time()
        began = task.started.timestamp() if task.started else now
        if any(began + float(o.get("after", 0)) <= now for _, o in ended):
            changes = [{"containerName": c["name"], "status": "STOPPED", "exitCode": o["exit_code"]} for c, o in ended]
            self.task_change(task, {"status": "STOPPED", "containers": changes})

    def live_tasks(self, cluster_name: str) -> list[ExternalTask]:
        found = [t for t in self.external_tasks.values() if t.live and t.cluster_arn.endswith(f"/{cluster_name}")]
        return self._moved_on(found)

    def tasks_on(self, instance_arn: str) -> list[ExternalTask]:
        found = [t for t in self.external_tasks.values() if t.live and t.instance_arn == instance_arn]
        return self._moved_on(found)

    def _definition(self, given: str) -> TaskDefinition:
        definition = self.describe_task_definition(given)
        if definition.status != "ACTIVE":
            raise ApiError("ClientException", "TaskDefinition is inactive")
        return definition

    def fits(self, instance: ExternalInstance, definition: TaskDefinition) -> str:
        """Empty when the task can be placed, else ECS's reason."""
        if instance.status != "ACTIVE":
            return "INACTIVE" if instance.status == "INACTIVE" else "DRAINING"
        if not instance.connected:
            return "AGENT"
        probe = ExternalTask("", "", "", "", 0, "", [], instance.registered, definition=self._facts(definition))
        tasks = self.tasks_on(instance.arn)
        for name in ("CPU", "MEMORY"):
            if instance.free(name, tasks) < probe.needs(name):
                return f"RESOURCE:{name}"
        known = {a["name"].rsplit(".", 1)[-1] for a in instance.attributes if "capability.logging-driver." in a["name"]}
        drivers = {(c.get("logConfiguration") or {}).get("logDriver") for c in definition.container_definitions}
        return "ATTRIBUTE" if drivers - known - {None} else ""

    def query_facts(self, instance: ExternalInstance) -> dict[str, Any]:
        tasks = self.tasks_on(instance.arn)
        running = sum(t.last_status == "RUNNING" for t in tasks)
        return instance.facts(running, len(tasks) - running)

    def reasons(
        self, cluster_name: str, definition: TaskDefinition, constraints: list[dict[str, Any]], group: str
    ) -> dict[str, str]:
        """Why each instance of the cluster can not take the task; empty for those that can."""
        tests = expressions_of(constraints)
        distinct = any(c.get("type") == "distinctInstance" for c in constraints)
        found = {}
        for instance in self.instances.values():
            if instance.cluster_name != cluster_name or instance.status == "INACTIVE":
                continue
            reason = ""
            if tests and not all(test(self.query_facts(instance)) for test in tests):
                reason = "MemberOf placement constraint unsatisfied."
            elif distinct and any(t.group == group for t in self.tasks_on(instance.arn)):
                reason = "DistinctInstance placement constraint unsatisfied."
            found[instance.arn] = reason or self.fits(instance, definition)
        return found

    @staticmethod
    def _facts(definition: TaskDefinition) -> dict[str, Any]:
        return {
            "cpu": definition.cpu,
            "memory": definition.memory,
            "networkMode": definition.network_mode or "bridge",
            "containerDefinitions": definition.container_definitions,
            "volumes": definition.volumes,
        }

    def place_task(
        self, instance: ExternalInstance, definition: TaskDefinition, params: dict[str, Any]
    ) -> ExternalTask:
        cluster = self.clusters[instance.cluster_name]
        base = f"arn:{self.partition}:ecs:{self.region_name}:{self.account_id}"
        arn = f"{base}:task/{cluster.name}/{new_id()}"
        containers = [
            {
                "containerArn": f"{base}:container/{cluster.name}/{arn.rsplit('/', 1)[-1]}/{uuid.uuid4()}",
                "taskArn": arn,
                "name": c["name"],
                "image": c["image"],
                "lastStatus": "PENDING",
                "networkInterfaces": [],
                "cpu": str(c.get("cpu", 0)),
            }
            for c in definition.container_definitions
        ]
        task = ExternalTask(
            arn=arn,
            cluster_arn=cluster.arn,
            definition_arn=definition.arn,
            family=definition.family,
            revision=definition.revision,
            instance_arn=instance.arn,
            containers=containers,
            created=runtime.clock.now(),
            definition=self._facts(definition),
            group=params.get("group") or f"family:{definition.family}",
            started_by=params.get("startedBy"),
            overrides=params.get("overrides") or {},
            tags=list(params.get("tags") or []),
            execute_command=bool(params.get("enableExecuteCommand")),
        )
        self.external_tasks[arn] = task
        self.push_task(task)
        return task

    def _payload(self, task: ExternalTask) -> dict[str, Any]:
        facts = task.definition
        overrides = {o.get("name"): o for o in task.overrides.get("containerOverrides", [])}
        containers = []
        for definition in facts["containerDefinitions"]:
            container = agent_container(definition, facts["networkMode"])
            override = overrides.get(definition["name"], {})
            if override.get("command"):
                container["command"] = override["command"]
            container["environment"].update({e["name"]: e["value"] for e in override.get("environment", [])})
            containers.append(container)
        return {
            "arn": task.arn,
            "family": task.family,
            "version": str(task.revision),
            "desiredStatus": task.desired_status,
            "taskDefinitionAccountId": self.account_id,
            "launchType": "EXTERNAL",
            "overrides": "{}",
            "networkMode": facts["networkMode"],
            "containers": containers,
            "volumes": [
                {"name": v.get("name"), "type": "host", "host": v.get("host") or {}} for v in facts.get("volumes") or []
            ],
        }

    def push_task(self, task: ExternalTask) -> None:
        """Sent when the agent is connected; otherwise when it comes back."""
        self.sequence += 1
        task.message_id = str(uuid.uuid4())
        task.acknowledged = False
        message = {
            "messageId": task.message_id,
            "clusterArn": task.cluster_arn,
            "containerInstanceArn": task.instance_arn,
            "generatedAt": int(runtime.clock.time() * 1000),
            "seqNum": self.sequence,
            "tasks": [self._payload(task)],
        }
        runtime.hub.push(task.instance_arn, "PayloadMessage", message)

    def push_pending(self, instance_arn: str) -> None:
        for task in self.tasks_on(instance_arn):
            if not task.acknowledged:
                self.push_task(task)

    def acknowledge(self, instance_arn: str, message_id: str) -> None:
        for task in self.tasks_on(instance_arn):
            if message_id and task.message_id == message_id:
                task.acknowledged = True

    def find_task(self, given: str) -> ExternalTask | None:
        if given in self.external_tasks:
            return self.external_tasks[given]
        short = given.rsplit("/", 1)[-1]
        return next((t for t in self.external_tasks.values() if t.arn.endswith(f"/{short}")), None)

    def stop_external(self, task: ExternalTask, reason: str | None) -> ExternalTask:
        if task.live and task.desired_status != "STOPPED":
            task.desired_status = "STOPPED"
            task.reason, task.stop_code = reason or "Task stopped by user", "UserInitiated"
            task.stopping = runtime.clock.now()
            self.push_task(task)
        return task

    def stop_services(self, instance_arn: str) -> None:
        """The scheduler ends what belongs to a service where an instance drains, and nothing else."""
        for task in self.tasks_on(instance_arn):
            if task.group.startswith("service:"):
                self.stop_external(task, "Scaling activity initiated by a draining container instance")
                task.stop_code = "ServiceSchedulerInitiated"

    def task_ended(self, task: ExternalTask, code: str, reason: str) -> None:
        task.last_status = task.desired_status = "STOPPED"
        task.stopped = runtime.clock.now()
        task.stop_code = task.stop_code or code
        task.reason = task.reason or reason
        for container in task.containers:
            container["lastStatus"] = "STOPPED"

    def container_change(self, task: ExternalTask, change: dict[str, Any]) -> None:
        name = change.get("containerName")
        for container in task.containers:
            if container["name"] != name:
                continue
            container["lastStatus"] = change.get("status") or container["lastStatus"]
            for key in ("runtimeId", "exitCode", "reason", "networkBindings", "imageDigest"):
                if change.get(key) is not None:
                    container[key] = change[key]

    def task_change(self, task: ExternalTask, params: dict[str, Any]) -> None:
        """Status never goes back: reports may come late."""
        for change in params.get("containers") or []:
            self.container_change(task, change)
        status = params.get("status") or task.last_status
        if status not in ORDER or ORDER.index(status) < ORDER.index(task.last_status):
            return
        task.version += 1
        task.last_status = status
        if status == "RUNNING":
            task.started = task.started or runtime.clock.now()
            for container in task.containers:
                if container["lastStatus"] == "PENDING":
                    container["lastStatus"] = "RUNNING"
        if status == "STOPPED":
            self.task_ended(
                task, "EssentialContainerExited", params.get("reason") or "Essential container in task exited"
            )
