# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""External instances without agents, for tests of scale: always Online and connected, or never."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any
from typing import cast

from moto.ecs.models import ecs_backends
from moto.ssm.models import ssm_backends

from .ecs_instances import ExternalInstance
from .ecs_instances import new_id
from .ecs_models import HybridEcsBackend
from .runtime import runtime
from .ssm_models import Activation
from .ssm_models import HybridSsmBackend
from .ssm_models import ManagedNode
from .ssm_models import new_node_id

CAPABILITIES = [
    "external",
    "logging-driver.json-file",
    "logging-driver.none",
    "logging-driver.awslogs",
    "docker-remote-api.1.17",
    "docker-remote-api.1.24",
    "docker-remote-api.1.32",
    "privileged-container",
    "task-iam-role",
    "task-cpu-mem-limit",
    "container-health-check",
    "container-ordering",
    "full-sync",
    "secrets.ssm.environment-variables",
    "secrets.asm.environment-variables",
    "execution-role-awslogs",
    "execution-role-ecr-pull",
    "env-files.s3",
    "firelens.fluentd",
    "firelens.fluentbit",
    "pid-ipc-namespace-sharing",
    "increased-task-cpu-limit",
]
SYSTEM = {
    "ecs.os-type": "linux",
    "ecs.os-family": "LINUX",
    "ecs.os-type-detailed": "debian_12",
    "ecs.cpu-architecture": "x86_64",
}
RESOURCES = [
    {"name": "CPU", "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": 4096},
    {"name": "MEMORY", "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": 15000},
    {
        "name": "PORTS",
        "type": "STRINGSET",
        "doubleValue": 0.0,
        "longValue": 0,
        "integerValue": 0,
        "stringSetValue": ["22", "2375", "2376", "51678", "51679"],
    },
]
FIELDS = {
    "cluster",
    "region",
    "count",
    "iam_role",
    "prefix",
    "tags",
    "attributes",
    "agent_version",
    "ssm_agent_version",
    "connected",
    "tasks",
    "outcomes",
}
OUTCOME = {"image", "command", "exit_code", "after", "reason"}


def _definition(ecs: Any) -> Any:
    container = {"name": "app", "image": "busybox", "memory": 16}
    return ecs.register_task_definition("seeded", [container], requires_compatibilities=["EXTERNAL"])


def seed(spec: dict[str, Any]) -> dict[str, Any]:
    if unknown := set(spec) - FIELDS:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    if "cluster" not in spec:
        raise ValueError("cluster is required")
    account, region = runtime.options.account, spec.get("region", runtime.options.region)
    count = int(spec.get("count", 1))
    if not 1 <= count <= 10_000:
        raise ValueError("count is 1 to 10000")
    outcomes = [dict(o) for o in spec.get("outcomes") or []]
    if unknown := {name for o in outcomes for name in o} - OUTCOME:
        raise ValueError(f"unknown in outcomes: {', '.join(sorted(unknown))}")
    connected = bool(spec.get("connected", True))
    role, prefix = spec.get("iam_role", "ecsAnywhereRole"), spec.get("prefix", "server")
    # moto's tables of backends are typed as its own; what is in them is ours
    ssm = cast(HybridSsmBackend, ssm_backends[account][region])
    ecs = cast(HybridEcsBackend, ecs_backends[account][region])
    cluster = ecs.create_cluster(spec["cluster"].split("/")[-1])
    now = runtime.clock.now()
    activation = Activation(str(uuid.uuid4()), new_id(), role, count, now + timedelta(days=1), now, registrations=count)
    tags = spec.get("tags") or {}
    wanted = {**SYSTEM, **(spec.get("attributes") or {})}
    attributes = [{"name": f"ecs.capability.{name}"} for name in CAPABILITIES]
    attributes += [{"name": k, "value": v} for k, v in wanted.items()]
    version = {
        "agentVersion": spec.get("agent_version", "1.105.1"),
        "agentHash": "8dfceca6",
        "dockerVersion": "DockerVersion: 20.10.24+dfsg1",
    }
    definition = _definition(ecs) if spec.get("tasks") else None
    made = []
    for number in range(count):
        node = ManagedNode(
            id=new_node_id(),
            activation_id=activation.id,
            iam_role=role,
            registered=now,
            public_key="",
            fingerprint=str(uuid.uuid4()),
            tags=dict(tags),
            information={
                "AgentName": "amazon-ssm-agent",
                "AgentVersion": spec.get("ssm_agent_version", "3.3.4108.0"),
                "PlatformType": "Linux",
                "PlatformName": "Debian GNU/Linux",
                "PlatformVersion": "12",
                "ComputerName": f"{prefix}-{number:04d}",
                "IPAddress": f"10.{number // 65536}.{number // 256 % 256}.{number % 256}",
            },
            last_ping=now,
            always_online=connected,
        )
        instance = ExternalInstance(
            arn=ecs.instance_arn(cluster.name, new_id()),
            cluster_name=cluster.name,
            ec2_instance_id=node.id,
            registered=now,
            attributes=list(attributes),
            custom=set(spec.get("attributes") or {}),
            resources=RESOURCES,
            tags=[{"key": k, "value": v} for k, v in tags.items()],
            version_info=version,
            always_connected=connected,
            outcomes=outcomes,
        )
        ssm.nodes[node.id] = node
        ecs.instances[instance.arn] = instance
        for task in spec.get("tasks") or []:
            ecs.place_task(instance, definition, task)
        made.append({"managed_instance_id": node.id, "container_instance_arn": instance.arn})
    return {"cluster": cluster.arn, "instances": made}
