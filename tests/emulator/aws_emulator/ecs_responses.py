# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ECS operations on external instances and their tasks; moto answers the rest."""

from __future__ import annotations

from typing import Any

from moto.ecs.models import Cluster
from moto.ecs.models import ecs_backends
from moto.ecs.responses import EC2ContainerServiceResponse

from .ecs_instances import ExternalTask
from .ecs_models import HybridEcsBackend
from .ecs_query import QueryError
from .ecs_query import compile_query
from .ecs_services import ExternalService
from .ecs_tasks import invalid
from .errors import ApiError
from .ssm_describe import page
from .wire import answer

# moto takes these from an operation, though it annotates most of its own as returning str: hence the ignored overrides.
Answer = tuple[str, dict[str, Any]]


def at_most(items: list[Any], limit: int, what: str) -> list[Any]:
    if not items:
        raise invalid(f"{what} can not be empty.")
    if len(items) > limit:
        raise invalid(f"{what} can have at most {limit} items.")
    return items


class HybridEcsResponse(EC2ContainerServiceResponse):
    @property
    def hybrid(self) -> HybridEcsBackend:
        return ecs_backends[self.current_account][self.region]  # type: ignore[return-value]

    def _cluster(self) -> Cluster:
        cluster = self.hybrid._get_cluster(self._get_param("cluster") or "default")
        self.hybrid.live_tasks(cluster.name)
        self.hybrid.schedule(cluster)
        return cluster

    def _page(self, items: list[Any], default: int = 100) -> tuple[list[Any], str | None]:
        size = self._get_int_param("maxResults", default)
        if not 1 <= size <= 100:
            raise invalid("maxResults must be between 1 and 100.")
        try:
            return page(items, size, self._get_param("nextToken"))
        except ApiError as error:
            raise invalid("Invalid token.") from error

    def list_clusters(self) -> Answer:  # type: ignore[override]
        arns = [c.arn for c in self.hybrid.clusters.values() if c.status != "INACTIVE"]
        items, token = self._page(arns)
        return answer({"clusterArns": items, "nextToken": token})

    # the agent

    def register_container_instance(self) -> Answer:  # type: ignore[override]
        environ = self.normalized_request.environ
        token = environ["emulator.call"].params.get("clientToken")  # the public model does not have it
        sent = {**self.params, "clientToken": token}
        instance = self.hybrid.register_external(sent, environ["emulator.principal"].node_id)
        tasks = self.hybrid.tasks_on(instance.arn)
        return answer({"containerInstance": instance.describe(tasks, ["TAGS"])})

    def discover_poll_endpoint(self) -> Answer:  # type: ignore[override]
        """AWS's own names where the agent came by AWS's names; else the address it used."""
        environ = self.normalized_request.environ
        host, scheme = environ["emulator.host"], environ["wsgi.url_scheme"]
        bare = host.rsplit(":", 1)[0]
        suffix = next((s for s in ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu") if bare.endswith(s)), "")
        if suffix:
            endpoints = [f"https://ecs-{kind}-1.{self.region}.{suffix}/" for kind in ("a", "t")]
        else:
            endpoints = [f"{scheme}://{host}"] * 2
        return answer({"endpoint": endpoints[0], "telemetryEndpoint": endpoints[1]})

    def _reported_task(self) -> ExternalTask | None:
        return self.hybrid.find_task(self._get_param("task") or "")

    def submit_task_state_change(self) -> Answer:
        cluster = self._cluster()
        if task := self._reported_task():
            self.hybrid.task_change(task, dict(self.params))
            self.hybrid.schedule(cluster)
        return answer({"acknowledgment": "ACK"})

    def submit_container_state_change(self) -> Answer:
        self._cluster()
        if task := self._reported_task():
            self.hybrid.container_change(task, dict(self.params))
        return answer({"acknowledgment": "ACK"})

    def submit_attachment_state_changes(self) -> Answer:
        self._cluster()
        return answer({"acknowledgment": "ACK"})

    # container instances

    def list_container_instances(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        found = self.hybrid.of_cluster(cluster.name)
        if status := self._get_param("status"):
            known = ("ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED")
            if status not in known:
                raise invalid(f"status must be one of {', '.join(known)}.")
            found = [i for i in found if i.status == status]
        if query := self._get_param("filter"):
            try:
                test = compile_query(query)
            except QueryError as error:
                raise invalid(f"The filter is not a valid expression: {error}") from error
            found = [i for i in found if test(self.hybrid.query_facts(i))]
        items, token = self._page([i.arn for i in found])
        return answer({"containerInstanceArns": items, "nextToken": token})

    def describe_container_instances(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        include = self._get_param("include") or []
        shown, failures = [], []
        for given in at_most(self._get_param("containerInstances") or [], 100, "instanceIds"):
            instance = self.hybrid.find_instance(cluster.name, given)
            if instance:
                shown.append(instance.describe(self.hybrid.tasks_on(instance.arn), include))
            else:
                arn = given if given.startswith("arn:") else self.hybrid.instance_arn(cluster.name, given)
                failures.append({"arn": arn, "reason": "MISSING"})
        return answer({"containerInstances": shown, "failures": failures})

    def update_container_instances_state(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        status = self._get_param("status")
        if status not in ("ACTIVE", "DRAINING"):
            raise invalid("Container instance status should be one of [ACTIVE,DRAINING]")
        shown, failures = [], []
        for given in at_most(self._get_param("containerInstances") or [], 10, "instanceIds"):
            instance = self.hybrid.find_instance(cluster.name, given)
            arn = given if given.startswith("arn:") else self.hybrid.instance_arn(cluster.name, given)
            if instance is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            elif instance.status == "INACTIVE":
                failures.append({"arn": arn, "reason": "INACTIVE"})
            else:
                if instance.status != status:
                    instance.status = status
                    instance.version += 1
                if status == "DRAINING":
                    self.hybrid.stop_services(instance.arn)
                shown.append(instance.describe(self.hybrid.tasks_on(instance.arn), []))
        self.hybrid.schedule(cluster)
        return answer({"containerInstances": shown, "failures": failures})

    def deregister_container_instance(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        given, force = self._get_param("containerInstance"), self._get_bool_param("force", False)
        instance = self.hybrid.deregister_external(cluster, given, bool(force))
        return answer({"containerInstance": instance.describe([], [])})

    def update_container_agent(self) -> Answer:
        raise invalid("The container agent of an external instance can not be updated by this operation.")

    # attributes

    def put_attributes(self) -> Answer:  # type: ignore[override]
        sent = self._get_param("attributes") or []
        return answer({"attributes": self.hybrid.put_external_attributes(self._cluster(), sent)})

    def delete_attributes(self) -> Answer:  # type: ignore[override]
        sent = self._get_param("attributes") or []
        return answer({"attributes": self.hybrid.delete_external_attributes(self._cluster(), sent)})

    def list_attributes(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        if self._get_param("targetType") != "container-instance":
            raise invalid("targetType must be container-instance.")
        found = self.hybrid.list_external_attributes(
            cluster, self._get_param("attributeName"), self._get_param("attributeValue")
        )
        items, token = self._page(found)
        return answer({"attributes": items, "nextToken": token})

    # tasks

    def run_task(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        backend = self.hybrid
        definition = backend._definition(self._get_param("taskDefinition"))
        count = self._get_int_param("count", 1)
        if not 1 <= count <= 10:
            raise invalid("count must be between 1 and 10.")
        if self._get_param("launchType") == "FARGATE":
            raise invalid("This cluster has no Fargate capacity.")
        if self._get_param("launchType") != "EXTERNAL" or not backend.of_cluster(cluster.name):
            raise invalid("No Container Instances were found in your cluster.")
        token = self._get_param("clientToken")
        if token and token in backend.run_tokens:
            request, placed, failures = backend.run_tokens[token]
            if request != self.params:
                raise ApiError("ConflictException", "The clientToken was used with other parameters before.")
            return answer({"tasks": [t.describe(["TAGS"]) for t in placed], "failures": failures})
        constraints = [*(self._get_param("placementConstraints") or []), *(definition.placement_constraints or [])]
        group = self._get_param("group") or f"family:{definition.family}"
        placed, failures = [], []
        for _ in range(count):
            reasons = backend.reasons(cluster.name, definition, constraints, group)
            free = [arn for arn, reason in reasons.items() if not reason]
            if not free:
                failures = [{"arn": arn, "reason": reason} for arn, reason in reasons.items()]
                break
            best = min(free, key=lambda arn: len(backend.tasks_on(arn)))
            placed.append(backend.place_task(backend.instances[best], definition, dict(self.params)))
        if token:
            backend.run_tokens[token] = (dict(self.params), placed, failures)
        return answer({"tasks": [t.describe(["TAGS"]) for t in placed], "failures": failures})

    def start_task(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        backend = self.hybrid
        definition = backend._definition(self._get_param("taskDefinition"))
        placed: list[ExternalTask] = []
        failures: list[dict[str, str]] = []
        for given in at_most(self._get_param("containerInstances") or [], 10, "containerInstances"):
            instance = backend.find_instance(cluster.name, given)
            arn = given if given.startswith("arn:") else backend.instance_arn(cluster.name, given)
            reason = backend.fits(instance, definition) if instance else "MISSING"
            if instance is None or (reason and reason != "DRAINING"):
                failures.append({"arn": arn, "reason": reason})
            else:
                placed.append(backend.place_task(instance, definition, dict(self.params)))
        return answer({"tasks": [t.describe(["TAGS"]) for t in placed], "failures": failures})

    def stop_task(self) -> Answer:  # type: ignore[override]
        self._cluster()
        task = self.hybrid.find_task(self._get_param("task"))
        if task is None:
            raise invalid("The referenced task was not found.")
        return answer({"task": self.hybrid.stop_external(task, self._get_param("reason")).describe([])})

    def describe_tasks(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        include = self._get_param("include") or []
        shown, failures = [], []
        for given in at_most(self._get_param("tasks") or [], 100, "tasks"):
            task = self.hybrid.find_task(given)
            if task and task.cluster_arn == cluster.arn:
                shown.append(task.describe(include))
            else:
                base = f"arn:{self.partition}:ecs:{self.region}:{self.current_account}:task/{cluster.name}"
                failures.append({"arn": given if given.startswith("arn:") else f"{base}/{given}", "reason": "MISSING"})
        return answer({"tasks": shown, "failures": failures})

    def list_tasks(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        desired = self._get_param("desiredStatus", "RUNNING")
        found = [t for t in self.hybrid.external_tasks.values() if t.cluster_arn == cluster.arn]
        found = [t for t in found if t.desired_status == desired]
        if given := self._get_param("containerInstance"):
            instance = self.hybrid.find_instance(cluster.name, given)
            if instance is None:
                raise invalid(f"Container instance {given} was not found.")
            found = [t for t in found if t.instance_arn == instance.arn]
        for member, read in (("family", lambda t: t.family), ("startedBy", lambda t: t.started_by)):
            if (value := self._get_param(member)) is not None:
                found = [t for t in found if read(t) == value]
        if self._get_param("launchType") not in (None, "EXTERNAL"):
            found = []
        if name := self._get_param("serviceName"):
            found = [t for t in found if t.group == f"service:{name.split('/')[-1]}"]
        items, token = self._page([t.arn for t in found])
        return answer({"taskArns": items, "nextToken": token})

    # services

    def _service(self, service: ExternalService, include: list[str] | None = None) -> Answer:
        return answer({"service": service.describe(self.hybrid.tasks_of(service), include or [])})

    def create_service(self) -> Answer:  # type: ignore[override]
        principal = self.normalized_request.environ["emulator.principal"]
        created = self.hybrid.create_external_service(self._cluster(), dict(self.params), principal.arn)
        return self._service(created, ["TAGS"])

    def update_service(self) -> Answer:  # type: ignore[override]
        return self._service(self.hybrid.update_external_service(self._cluster(), dict(self.params)))

    def delete_service(self) -> Answer:  # type: ignore[override]
        cluster, force = self._cluster(), bool(self._get_bool_param("force", False))
        return self._service(self.hybrid.delete_external_service(cluster, self._get_param("service") or "", force))

    def describe_services(self) -> Answer:  # type: ignore[override]
        cluster = self._cluster()
        shown, failures = [], []
        for given in at_most(self._get_param("services") or [], 10, "Services"):
            service = self.hybrid.find_service(cluster, given)
            if service:
                shown.append(service.describe(self.hybrid.tasks_of(service), self._get_param("include") or []))
            else:
                arn = given if given.startswith("arn:") else self.hybrid.service_arn(cluster, given)
                failures.append({"arn": arn, "reason": "MISSING"})
        return answer({"services": shown, "failures": failures})

    def list_services(self) -> Answer:  # type: ignore[override]
        services = [s for s in self.hybrid.services_of(self._cluster()) if s.status != "INACTIVE"]
        if self._get_param("launchType") not in (None, "EXTERNAL"):
            services = []
        if self._get_param("schedulingStrategy") not in (None, "REPLICA"):
            services = []
        items, token = self._page([s.arn for s in services], default=10)
        return answer({"serviceArns": items, "nextToken": token})
