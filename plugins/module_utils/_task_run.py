# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tasks started on named instances, or wherever there is room. Each is started once. Private to this collection."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from . import _ecs
from . import _ecs_workloads
from . import _errors
from . import _external_instance
from . import _task_result
from ._activation import is_answer_lost

Raw = dict[str, Any]
CHUNK = _ecs_workloads.STARTS_PER_CALL


class Outcome(NamedTuple):
    """Of one wanted task: the task, or why there is none."""

    arn: str | None
    task: Raw | None = None
    problem: str = ""
    reason: str = ""


class Targets(NamedTuple):
    """The instances that were named: those that are there, and what is wrong with the others by their name."""

    order: list[str]
    arns: dict[str, str]  # by the name that was given
    owners: dict[str, str]  # managed instance ids by ARN
    problems: dict[str, Outcome]


def find(client: Any, cluster: str, ids: list[str] | None, arns: list[str] | None, where: str) -> Targets:
    """The container instances of managed instance ids, or those of ARNs or ids of ECS."""
    found: dict[str, Mapping[str, Any]] = {}
    given = list(dict.fromkeys(ids if ids is not None else arns or []))
    if ids is not None:
        by_id: dict[str, list[dict[str, Any]]] = {}
        for raw in _ecs.external_instances(client, cluster, given):
            by_id.setdefault(str(raw.get("ec2InstanceId")), []).append(raw)
        for name, raws in by_id.items():
            best = _external_instance.best_first([_external_instance.container_instance_of(r) for r in raws])[0]
            found[name] = {**best, "managed_instance_id": name}
    else:
        for start in range(0, len(given), _ecs.INSTANCES_PER_CALL):
            chunk = given[start : start + _ecs.INSTANCES_PER_CALL]
            for raw in _ecs.describe_container_instances(client, cluster, chunk):
                instance = _external_instance.container_instance_of(raw)
                name = next(n for n in chunk if instance["container_instance_arn"].endswith(n.rsplit("/", 1)[-1]))
                found[name] = {**instance, "managed_instance_id": raw.get("ec2InstanceId")}
    problems = {}
    for name in given:
        reason = cannot_take(found.get(name))
        if reason:
            arn = found[name]["container_instance_arn"] if name in found else name if ids is None else None
            problems[name] = Outcome(arn, None, _task_result.not_placed(reason, f"{where}, instance {name}"), reason)
    return Targets(
        given,
        {name: str(i["container_instance_arn"]) for name, i in found.items()},
        {str(i["container_instance_arn"]): str(i["managed_instance_id"]) for i in found.values()},
        problems,
    )


def cannot_take(instance: Mapping[str, Any] | None) -> str:
    """AWS's reason to refuse it that can be known before it is asked; empty if there is none. A pure function."""
    if instance is None:
        return "MISSING"
    if instance["status"] == "INACTIVE":
        return "INACTIVE"
    return "" if instance["agent_connected"] else "AGENT"


class Starter:
    """Starts what is wanted. *params* are those of the task that both calls know."""

    def __init__(self, client: Any, cluster: str, params: dict[str, Any], where: str, started_by: str | None) -> None:
        self.client, self.cluster, self.where = client, cluster, where
        # Found again by it if the answer of AWS is lost.
        self.started_by = started_by or f"ansible-{uuid.uuid4().hex[:24]}"
        self.params = {"cluster": cluster, "startedBy": self.started_by, **params}
        self.earlier: set[str] = set(self._listed()) if started_by else set()

    def _listed(self) -> list[str]:
        return [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in _ecs_workloads.find_tasks(self.client, self.cluster, status, startedBy=self.started_by)
        ]

    def _look_up(self) -> list[Raw]:
        """What was started by this run."""
        arns = [arn for arn in dict.fromkeys(self._listed()) if arn not in self.earlier]
        return list(_ecs.describe_tasks(self.client, self.cluster, arns))

    def on(self, arns: Iterable[str]) -> list[Outcome]:
        """One task on each of these container instances."""
        arns = list(arns)
        outcomes: dict[str, Outcome] = {}
        for start in range(0, len(arns), CHUNK):
            chunk = arns[start : start + CHUNK]
            try:
                tasks, failures = self._start(chunk)
            except _ecs.EcsError as error:
                # Nothing about a single instance: the others would fare no better.
                said = _errors.sentence(error, self.where, error.service)
                outcomes.update({arn: Outcome(arn, None, said) for arn in arns[start:]})
                break
            outcomes.update({str(t["containerInstanceArn"]): Outcome(t["containerInstanceArn"], t) for t in tasks})
            for failure in failures:
                arn, reason = str(failure.get("arn")), str(failure.get("reason"))
                said = _task_result.not_placed(reason, f"{self.where}, instance {arn.rsplit('/', 1)[-1]}")
                outcomes[arn] = Outcome(arn, None, said, reason)
        silent = _task_result.not_placed("no answer", self.where)
        return [outcomes.get(arn, Outcome(arn, None, silent)) for arn in arns]

    def _start(self, chunk: list[str]) -> tuple[list[Raw], list[Raw]]:
        try:
            return _ecs_workloads.start_task(self.client, containerInstances=chunk, **self.params)
        except _ecs.EcsError as error:
            if not is_answer_lost(error):
                raise
        # They may have been started: whatever carries our mark is theirs, and only the others are asked for again.
        there = [t for t in self._look_up() if t.get("containerInstanceArn") in chunk]
        missing = [arn for arn in chunk if arn not in {t["containerInstanceArn"] for t in there}]
        if not missing:
            return there, []
        tasks, failures = _ecs_workloads.start_task(self.client, containerInstances=missing, **self.params)
        return [*there, *tasks], failures

    def anywhere(self, count: int, placement: dict[str, Any]) -> list[Outcome]:
        """*count* tasks wherever the placement allows it."""
        outcomes: list[Outcome] = []
        while len(outcomes) < count:
            wanted = min(CHUNK, count - len(outcomes))
            try:
                tasks, failures = _ecs_workloads.run_task(
                    self.client, str(uuid.uuid4()), count=wanted, **placement, **self.params
                )
            except _ecs.EcsError as error:
                said = _errors.sentence(error, self.where, error.service)
                return [*outcomes, *[Outcome(None, None, said)] * (count - len(outcomes))]
            outcomes += [Outcome(t.get("containerInstanceArn"), t) for t in tasks]
            if len(tasks) < wanted:  # there is no room, and so none for what is left
                reasons = [str(f.get("reason")) for f in failures]
                said = _task_result.none_placed(reasons, self.where)
                reason = ", ".join(sorted(set(reasons)))
                return [*outcomes, *[Outcome(None, None, said, reason)] * (count - len(outcomes))]
        return outcomes


def owners_of(client: Any, cluster: str, arns: Iterable[str | None]) -> dict[str, str]:
    """Managed instance ids by the ARNs of container instances."""
    wanted = sorted({arn for arn in arns if arn})
    found = {}
    for start in range(0, len(wanted), _ecs.INSTANCES_PER_CALL):
        for raw in _ecs.describe_container_instances(client, cluster, wanted[start : start + _ecs.INSTANCES_PER_CALL]):
            found[str(raw["containerInstanceArn"])] = str(raw.get("ec2InstanceId") or "")
    return found
