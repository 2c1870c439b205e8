# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Container instances of external servers; clusters with what moto leaves out. Tasks: ecs_tasks.py."""

from __future__ import annotations

from typing import Any

from moto.ecs.exceptions import ClusterNotFoundException
from moto.ecs.models import Cluster
from moto.ecs.models import TaskDefinition

from .ecs_instances import ExternalInstance
from .ecs_instances import new_id
from .ecs_services import ServiceBackend
from .ecs_tasks import invalid
from .errors import ApiError
from .runtime import runtime

MAX_CUSTOM_ATTRIBUTES = 10
SYSTEM_ATTRIBUTES = ("ecs.", "com.amazonaws.ecs.")


def client_error(message: str) -> ApiError:
    return ApiError("ClientException", message)


class HybridEcsBackend(ServiceBackend):
    # clusters

    def _get_cluster(self, name: str) -> Cluster:
        cluster = self.clusters.get(name.split("/")[-1])
        if cluster is None or cluster.status == "INACTIVE" or (name.startswith("arn:") and name != cluster.arn):
            raise ClusterNotFoundException
        return cluster

    def create_cluster(self, cluster_name: str, *args: Any, **kwargs: Any) -> Cluster:
        """A second CreateCluster gives the same cluster; moto would replace it."""
        existing = self.clusters.get(cluster_name)
        if existing is not None and existing.status != "INACTIVE":
            return self._counted(existing)
        return super().create_cluster(cluster_name, *args, **kwargs)

    def delete_cluster(self, cluster_str: str) -> Cluster:
        cluster = self._counted(self._get_cluster(cluster_str))
        if cluster.registered_container_instances_count:
            raise ApiError(
                "ClusterContainsContainerInstancesException",
                "The Cluster cannot be deleted while Container Instances are active or draining.",
            )
        if any(s.status == "ACTIVE" for s in self.services_of(cluster)):
            raise ApiError(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        if self.live_tasks(cluster.name):
            raise ApiError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
        return super().delete_cluster(cluster_str)

    def describe_clusters(self, cluster_names: list[str]) -> tuple[list[Cluster], list[Any]]:
        foreign = [n for n in cluster_names if n.startswith("arn:") and n.split(":")[3] != self.region_name]
        if foreign:
            raise invalid(f"Invalid identifier: cluster ARN {foreign[0]} is not of region {self.region_name}.")
        clusters, failures = super().describe_clusters(cluster_names)
        wanted = {n.split("/")[-1]: n for n in cluster_names}
        for failure in failures:
            given = wanted.get(failure.arn.rsplit("/", 1)[-1])
            if given and given.startswith("arn:"):
                failure.arn = given
        return [self._counted(c) for c in clusters], failures

    def _counted(self, cluster: Cluster) -> Cluster:
        cluster.registered_container_instances_count = len(self.of_cluster(cluster.name))
        tasks = self.live_tasks(cluster.name)
        cluster.running_tasks_count = sum(t.last_status == "RUNNING" for t in tasks)
        cluster.pending_tasks_count = len(tasks) - cluster.running_tasks_count
        cluster.active_services_count = sum(s.status == "ACTIVE" for s in self.services_of(cluster))
        return cluster

    def register_task_definition(self, *args: Any, **kwargs: Any) -> TaskDefinition:
        wanted = kwargs.get("requires_compatibilities") or []
        if "EXTERNAL" not in wanted:
            return super().register_task_definition(*args, **kwargs)
        mode = kwargs.get("network_mode") or "bridge"
        if mode == "awsvpc":
            raise client_error("Networking mode awsvpc is not supported for the EXTERNAL launch type.")
        definition = super().register_task_definition(*args, **kwargs)
        # moto takes anything but EC2 for Fargate.
        definition.network_mode = mode
        # moto knows no such attribute, and shows every one that there is
        definition.registered_at = runtime.clock.now()  # type: ignore[attr-defined]
        definition.compatibilities = sorted({"EC2", "EXTERNAL", *wanted})
        return definition

    def describe_task_definition(self, task_definition_str: str) -> TaskDefinition:
        """A family alone is its newest ACTIVE revision; for moto it would be the newest of any status."""
        family, _, revision = task_definition_str.rsplit("/", 1)[-1].partition(":")
        known = self.task_definitions.get(family, {})
        if revision:
            found = known.get(int(revision)) if revision.isdigit() else None
        else:
            found = next((known[r] for r in sorted(known, reverse=True) if known[r].status == "ACTIVE"), None)
        if found is None:
            raise client_error("Unable to describe task definition.")
        return found

    # container instances

    def of_cluster(self, cluster_name: str, inactive: bool = False) -> list[ExternalInstance]:
        return [
            i
            for i in self.instances.values()
            if i.cluster_name == cluster_name and (inactive or i.status != "INACTIVE")
        ]

    def find_instance(self, cluster_name: str, given: str, inactive: bool = True) -> ExternalInstance | None:
        arn = given if given.startswith("arn:") else self.instance_arn(cluster_name, given)
        found = self.instances.get(arn)
        if found is None or found.cluster_name != cluster_name or (found.status == "INACTIVE" and not inactive):
            return None
        return found

    def instance_arn(self, cluster_name: str, short: str) -> str:
        return (
            f"arn:{self.partition}:ecs:{self.region_name}:{self.account_id}:container-instance/{cluster_name}/{short}"
        )

    def register_external(self, params: dict[str, Any], node_id: str) -> ExternalInstance:
        try:
            cluster = self._get_cluster(params.get("cluster") or "default")
        except ClusterNotFoundException as error:
            raise client_error("Cluster not found.") from error
        if not node_id and not params.get("instanceIdentityDocument"):
            raise client_error("Instance identity document is empty and the caller is no managed instance.")
        sent = [{k: a[k] for k in ("name", "value") if a.get(k) is not None} for a in params.get("attributes") or []]
        if arn := params.get("containerInstanceArn"):
            return self._register_again(cluster, arn, node_id, sent, params)
        token = params.get("clientToken") or ""
        for instance in self.of_cluster(cluster.name):
            if token and instance.client_token == token and instance.ec2_instance_id == node_id:
                return instance
        custom = {a["name"] for a in sent if not a["name"].startswith(SYSTEM_ATTRIBUTES)}
        if len(custom) > MAX_CUSTOM_ATTRIBUTES:
            raise ApiError("AttributeLimitExceededException", "Too many custom attributes on the instance.")
        instance = ExternalInstance(
            arn=self.instance_arn(cluster.name, new_id()),
            cluster_name=cluster.name,
            ec2_instance_id=node_id,
            registered=runtime.clock.now(),
            attributes=sent,
            custom=custom,
            resources=params.get("totalResources") or [],
            tags=list(params.get("tags") or []),
            client_token=token,
        )
        self.instances[instance.arn] = instance
        return instance

    def _register_again(
        self, cluster: Cluster, arn: str, node_id: str, sent: list[dict[str, str]], params: dict[str, Any]
    ) -> ExternalInstance:
        """The agent keeps its ARN; custom attributes are not sent again, so those we have stay."""
        instance = self.instances.get(arn)
        if instance is None or instance.cluster_name != cluster.name:
            raise client_error(f"Container instance {arn} not found in cluster {cluster.name}.")
        if instance.status == "INACTIVE":
            raise client_error(f"Container instance {arn} is INACTIVE and can not be registered again.")
        if instance.ec2_instance_id != node_id:
            raise client_error(f"Container instance {arn} belongs to another instance than {node_id}.")
        names = {a["name"] for a in sent}
        kept = [a for a in instance.attributes if a["name"] in instance.custom and a["name"] not in names]
        instance.attributes = sent + kept
        instance.resources = params.get("totalResources") or instance.resources
        instance.version += 1
        return instance

    def deregister_external(self, cluster: Cluster, given: str, force: bool) -> ExternalInstance:
        instance = self.find_instance(cluster.name, given, inactive=False)
        if instance is None:
            raise invalid(f"Referenced container instance {given.split('/')[-1]} not found.")
        tasks = self.tasks_on(instance.arn)
        if tasks and not force:
            raise invalid("Found running tasks on the instance.")
        for task in tasks:
            self.task_ended(task, "TaskFailedToStart", "Container instance was deregistered forcibly by user")
        instance.status = "INACTIVE"
        instance.version += 1
        runtime.hub.push(instance.arn, "InactiveInstanceException", {"message": "Container instance is inactive."})
        self.schedule(cluster)
        return instance

    # attributes

    def _target(self, cluster: Cluster, attribute: dict[str, str]) -> ExternalInstance:
        target = attribute.get("targetId", "")
        instance = self.find_instance(cluster.name, target, inactive=False)
        if instance is None or attribute.get("targetType", "container-instance") != "container-instance":
            raise ApiError("TargetNotFoundException", f"The target {target} was not found.")
        return instance

    def put_external_attributes(self, cluster: Cluster, attributes: list[dict[str, str]]) -> list[dict[str, str]]:
        if len(attributes) > MAX_CUSTOM_ATTRIBUTES:
            raise invalid("attributes can have at most 10 items.")
        changes = [(self._target(cluster, a), a) for a in attributes]
        for instance in {i.arn: i for i, _ in changes}.values():
            names = instance.custom | {a["name"] for i, a in changes if i is instance}
            if len(names) > MAX_CUSTOM_ATTRIBUTES:
                raise ApiError("AttributeLimitExceededException", f"Too many attributes on {instance.arn}.")
        for instance, attribute in changes:
            if attribute["name"].startswith(SYSTEM_ATTRIBUTES):
                raise invalid(f"The attribute name {attribute['name']} is reserved.")
            instance.set_attribute(attribute["name"], attribute.get("value"))
            instance.custom.add(attribute["name"])
        return [self._shown(instance, attribute) for instance, attribute in changes]

    @staticmethod
    def _shown(instance: ExternalInstance, attribute: dict[str, str]) -> dict[str, str]:
        value = {"value": attribute["value"]} if attribute.get("value") is not None else {}
        return {"name": attribute["name"], **value, "targetType": "container-instance", "targetId": instance.arn}

    def delete_external_attributes(self, cluster: Cluster, attributes: list[dict[str, str]]) -> list[dict[str, str]]:
        if len(attributes) > MAX_CUSTOM_ATTRIBUTES:
            raise invalid("attributes can have at most 10 items.")
        changes = [(self._target(cluster, a), a) for a in attributes]
        for instance, attribute in changes:
            if attribute["name"] not in instance.custom:
                continue
            instance.attributes = [a for a in instance.attributes if a["name"] != attribute["name"]]
            instance.custom.discard(attribute["name"])
        return [self._shown(instance, attribute) for instance, attribute in changes]

    def list_external_attributes(self, cluster: Cluster, name: str | None, value: str | None) -> list[dict[str, str]]:
        return [
            self._shown(instance, attribute)
            for instance in self.of_cluster(cluster.name)
            for attribute in instance.attributes
            if (name is None or attribute["name"] == name) and (value is None or attribute.get("value") == value)
        ]

    # tags of instances and tasks; moto has those of the rest

    def _get_resource(self, resource_arn: str, parsed_arn: dict[str, str]) -> Any:
        kind = parsed_arn["service"]
        if kind == "container-instance":
            found = self.instances.get(resource_arn)
            if found is None or found.status == "INACTIVE":
                raise invalid("The specified container instance is inactive or does not exist.")
            return found
        if kind == "task":
            task = self.external_tasks.get(resource_arn)
            if task is None:
                raise invalid("The specified task does not exist.")
            return task
        if kind == "service":
            service = self.external_services.get(resource_arn)
            if service is None or service.status == "INACTIVE":
                raise invalid("The specified service is inactive or does not exist.")
            return service
        return super()._get_resource(resource_arn, parsed_arn)
