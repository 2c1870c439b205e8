# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attributes and resources that the agent registers with."""

import os
import platform

PLAIN = (
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.env-files.s3",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.full-sync",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.environment-variables",
)
# ECS Exec is announced when some version of its binaries is whole, and authorities are there.
EXEC = "/managed-agents/execute-command"
EXEC_BINARIES = ("amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker")
# The agent names the API versions that changed something for it, not each one.
API_MINORS = (17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 44)


def can_execute():
    try:
        versions = os.listdir(f"{EXEC}/bin")
    except OSError:
        return False
    whole = any(all(os.path.isfile(f"{EXEC}/bin/{one}/{name}") for name in EXEC_BINARIES) for one in versions)
    return whole and os.path.isfile(f"{EXEC}/certs/tls-ca-bundle.pem")


def attributes(config, docker):
    names = list(PLAIN)
    names += ["com.amazonaws.ecs.capability.logging-driver." + driver for driver in config.drivers()]
    minors = [minor for minor in API_MINORS if minor in docker.api_minors]
    names += [f"com.amazonaws.ecs.capability.docker-remote-api.1.{minor}" for minor in minors]
    if config.external:
        names.append("ecs.capability.external")
    if can_execute():
        names.append("ecs.capability.execute-command")
    found = [{"name": name} for name in sorted(names)]
    found += [{"name": "ecs.os-type", "value": "linux"}, {"name": "ecs.os-family", "value": "LINUX"}]
    detailed = os.environ.get("ECS_DETAILED_OS_FAMILY")
    if detailed:
        found.append({"name": "ecs.os-type-detailed", "value": detailed})
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return [*found, {"name": "ecs.cpu-architecture", "value": machine}]


def _memory():
    with open("/proc/meminfo", encoding="utf-8") as handle:
        for line in handle:
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) // 1024
    return 0


def resources(config):
    try:
        reserved = int(config.reserved_memory)
    except ValueError:
        reserved = 0

    def number(name, value):
        return {
            "name": name,
            "type": "INTEGER",
            "doubleValue": 0,
            "longValue": 0,
            "integerValue": value,
            "stringSetValue": [],
        }

    def ports(name, values):
        return {"name": name, "type": "STRINGSET", "stringSetValue": values}

    return [
        number("CPU", (os.cpu_count() or 1) * 1024),
        number("MEMORY", max(_memory() - reserved, 0)),
        ports("PORTS", ["22", "2375", "2376", "51678", "51679"]),
        ports("PORTS_UDP", []),
    ]
