# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What became of a task: how it ended, why, where its logs are. Pure functions, private to this collection."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ._errors import Hint

Raw = Mapping[str, Any]
ENDED = "STOPPED"
# What a container ends with that was told to, because an essential one had ended: SIGKILL and SIGTERM.
TOLD_TO_END = (137, 143)

# What AWS says why a task was not placed ("API failures and failure reasons" in its developer guide).
_NOT_PLACED = {
    "AGENT": Hint(
        "the ECS agent of the instance is not connected",
        "look at it with the playbook hybrid.ecs_anywhere.status, and start the ecs service on the server",
    ),
    "ATTRIBUTE": Hint(
        "the task needs something that the ECS agent of the instance does not have, such as a log driver or ECS Exec",
        "compare requiresAttributes of the task definition with the attributes of the instance",
    ),
    "MISSING": Hint(
        "the cluster has no such container instance (any more)",
        "check the id, the cluster and the region, or run the playbook hybrid.ecs_anywhere.register for this server",
    ),
    "INACTIVE": Hint(
        "the container instance was deregistered",
        "run the playbook hybrid.ecs_anywhere.register for this server",
    ),
    "DRAINING": Hint(
        "the container instance is being drained",
        "make it active again with ecs_external_instance, or choose another",
    ),
    "LOCATION": Hint("the task is for another place than the instance", "choose an instance of that place"),
}
_RESOURCES = {
    "CPU": "CPU units",
    "MEMORY": "memory",
    "PORTS": "free ports: another task has them, or another program reserved them",
    "GPU": "GPUs",
    "ENI": "network interfaces",
}


def why_not_placed(reason: str) -> Hint:
    """The likely cause of AWS's *reason*, and what to do about it."""
    if reason.startswith("RESOURCE:"):
        what = reason.split(":", 1)[1]
        return Hint(
            f"the instance has not enough {_RESOURCES.get(what.split('_')[0], what)} left for the task",
            "ask for less in the task definition, end other tasks there, or choose another instance",
        )
    if "constraint" in reason.lower():
        return Hint(
            "the instance does not meet the placement constraints of the task",
            "set the attributes that they ask for with ecs_external_instance, or change placement_constraints",
        )
    return _NOT_PLACED.get(
        reason, Hint("not known to this collection", "look up the reason in AWS's list of API failure reasons")
    )


def not_placed(reason: str, where: str) -> str:
    cause, next_step = why_not_placed(reason)
    return f"The task was not started ({where}): {reason}. Likely cause: {cause}. Next: {next_step}."


def none_placed(reasons: Iterable[str], where: str) -> str:
    """One sentence for a task that no instance could take, from what AWS says of each of them."""
    counted: dict[str, int] = {}
    for reason in reasons:
        counted[reason] = counted.get(reason, 0) + 1
    if not counted:
        return (
            f"The task was not started ({where}): AWS gave no reason. Likely cause: no instance of the cluster meets "
            "the placement constraints. Next: check placement_constraints and the attributes of the instances."
        )
    most = max(counted, key=lambda reason: counted[reason])
    said = ", ".join(f"{reason.rstrip('.')} on {count}" for reason, count in counted.items())
    cause, next_step = why_not_placed(most)
    return f"The task was not started on any instance ({where}): {said}. Likely cause: {cause}. Next: {next_step}."


def _container(raw: Raw) -> dict[str, Any]:
    return {
        "name": raw.get("name"),
        "image": raw.get("image"),
        "last_status": raw.get("lastStatus"),
        "exit_code": raw.get("exitCode"),
        "reason": raw.get("reason") or "",
        "runtime_id": raw.get("runtimeId"),
    }


def _time(value: Any) -> str | None:
    return value.isoformat() if value is not None else None


def logs_of(raw: Raw, definition: Raw | None, managed_instance_id: str | None) -> list[dict[str, Any]]:
    """Where the output of each container is to be found."""
    found = []
    defined = {c.get("name"): c for c in (definition or {}).get("containerDefinitions") or []}
    for container in raw.get("containers") or []:
        if container.get("name") not in defined:
            continue
        log = defined[container["name"]].get("logConfiguration") or {}
        driver, options = log.get("logDriver") or "json-file", log.get("options") or {}
        one: dict[str, Any] = {"container": container["name"], "driver": driver}
        runtime_id = container.get("runtimeId")
        if driver == "awslogs":
            prefix = options.get("awslogs-stream-prefix")
            task_id = str(raw["taskArn"]).rsplit("/", 1)[-1]
            one["group"], one["region"] = options.get("awslogs-group"), options.get("awslogs-region")
            one["stream"] = f"{prefix}/{container['name']}/{task_id}" if prefix else runtime_id
        elif driver in ("json-file", "local", "journald"):
            one["managed_instance_id"], one["runtime_id"] = managed_instance_id, runtime_id
            one["command"] = f"docker logs {runtime_id}" if runtime_id else None
        found.append(one)
    return found


def shown(raw: Raw, owners: Mapping[str, str], definition: Raw | None) -> dict[str, Any]:
    """A task as modules return it. *owners* are managed instance ids by the ARNs of container instances."""
    arn = raw.get("containerInstanceArn")
    managed_instance_id = owners.get(str(arn))
    containers = [_container(c) for c in raw.get("containers") or []]
    problem = problem_of(raw)
    return {
        "task_arn": raw["taskArn"],
        "task_definition_arn": raw.get("taskDefinitionArn"),
        "container_instance_arn": arn,
        "managed_instance_id": managed_instance_id,
        "last_status": raw.get("lastStatus"),
        "exit_code": _exit_code(containers),
        "stop_code": raw.get("stopCode"),
        "stopped_reason": raw.get("stoppedReason") or "",
        "started_by": raw.get("startedBy"),
        "started_at": _time(raw.get("startedAt")),
        "stopped_at": _time(raw.get("stoppedAt")),
        "containers": containers,
        "logs": logs_of(raw, definition, managed_instance_id),
        "failed": bool(problem),
        "msg": problem,
    }


def lost(
    problem: str, arn: str | None, managed_instance_id: str | None, task_arn: str | None = None, reason: str = ""
) -> dict[str, Any]:
    """In place of a task that was not started, or that AWS does not know any more."""
    return {
        "task_arn": task_arn,
        "task_definition_arn": None,
        "container_instance_arn": arn,
        "managed_instance_id": managed_instance_id,
        "last_status": None,
        "exit_code": None,
        "stop_code": None,
        "stopped_reason": reason,
        "started_by": None,
        "started_at": None,
        "stopped_at": None,
        "containers": [],
        "logs": [],
        "failed": True,
        "msg": problem,
    }


def _exit_code(containers: Iterable[Raw]) -> int | None:
    """Of several containers the first code that is not 0."""
    codes = [c["exit_code"] for c in containers if c["exit_code"] is not None]
    return next((code for code in codes if code), 0) if codes else None


def _bad_containers(containers: list[Raw]) -> list[str]:
    one_ended_well = any(c.get("exitCode") == 0 for c in containers)
    found = []
    for container in containers:
        code, reason = container.get("exitCode"), str(container.get("reason") or "").strip().rstrip(".")
        if code == 0 and not reason:
            continue
        if one_ended_well and not reason and (code is None or code in TOLD_TO_END):
            continue
        said = f"exit code {code}" if code is not None else "no exit code"
        found.append(f"container {container.get('name')}: {said}{', ' + reason if reason else ''}")
    return found


def how_it_ended(raw: Raw) -> str:
    """AWS's reason, and what each container that did not end well says."""
    reason = str(raw.get("stoppedReason") or raw.get("stopCode") or "no reason was given").strip().rstrip(".")
    return "; ".join([reason, *_bad_containers(list(raw.get("containers") or []))])


_CAUSES = (
    ("CannotPull", "the image does not exist, or the server may not pull it or does not reach its registry"),
    ("OutOfMemory", "the container needs more memory than the task definition gives it"),
    ("CannotStart", "Docker cannot start the container: look at its command, mounts and ports"),
    ("CannotCreate", "Docker cannot create the container: look at its mounts, links and options"),
    ("ResourceInitializationError", "secrets, logs or volumes of the task could not be prepared"),
    ("DockerTimeout", "Docker on the server is too slow or hangs"),
)


def problem_of(raw: Raw) -> str:
    """Empty for a task that ended well or has not ended."""
    if raw.get("lastStatus") != ENDED:
        return ""
    code = raw.get("stopCode")
    bad = _bad_containers(list(raw.get("containers") or []))
    if not bad and code in (None, "", "EssentialContainerExited"):
        return ""
    said = how_it_ended(raw)
    if code == "UserInitiated":
        return f"The task was stopped before it ended: {said}."
    cause = next((words for mark, words in _CAUSES if mark in said), "")
    next_step = "Next: look at the logs of the container." if not cause else f"Likely cause: {cause}."
    return f"The task failed: {said}. {next_step}"
