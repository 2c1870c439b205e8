# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Many servers brought to what was asked for, each step for all of them before the next. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from . import _attribute_run
from . import _drain_mark
from . import _ecs
from . import _errors
from . import _external_instance
from . import _labels
from . import _role_refused
from . import _ssm
from ._attribute_run import Attribute
from ._instance_steps import Goal
from ._instance_steps import Step
from ._instance_steps import is_standalone
from ._instance_steps import next_step
from ._instance_steps import waits_for

Instance = dict[str, Any]
# Steps that servers take together, ten a call, one kind at a time: so the next is shared by as many as can be.
SHARED = ("activate", "mark", "unmark", "drain")
REASON = "Stopped by hybrid.ecs_anywhere: its container instance is being drained"


class Server:
    """One server: what AWS knows of it now, and what came of it."""

    def __init__(self, managed_instance_id: str, node: dict[str, Any] | None, instances: Iterable[Instance]) -> None:
        self.id = managed_instance_id
        self.node = node
        self.instances = {i["container_instance_arn"]: i for i in instances}
        self.problems: list[str] = []
        self.stopped: list[str] = []
        self.waits_for = ""
        self.status_before = self.status

    @property
    def status(self) -> str | None:
        """Of several container instances the one that works counts."""
        best = _external_instance.best_first(self.instances.values())
        return str(best[0]["status"]) if best else None

    @property
    def drain_reason(self) -> str | None:
        best = _external_instance.best_first(self.instances.values())
        return _drain_mark.drain_reason(best[0]) if best else None

    def marks(self) -> dict[str, str]:
        found = {arn: _drain_mark.mark_of(self.instances[arn]) for arn in sorted(self.instances)}
        return {arn: mark for arn, mark in found.items() if mark is not None}

    def statuses(self) -> dict[str, str]:
        return {arn: self.instances[arn]["status"] for arn in sorted(self.instances)}


class Aws:
    """Does it."""

    def __init__(self, ecs: Any, ssm: Any, cluster: str, patience: _role_refused.Patience) -> None:
        self.ecs, self.ssm, self.cluster, self.patience = ecs, ssm, cluster, patience

    def give_role(self, managed_instance_id: str, role: str) -> None:
        while True:
            try:
                _ssm.update_node_role(self.ssm, managed_instance_id, role)
                return
            except _ssm.SsmError as error:
                if not _role_refused.is_role_refused(error):
                    raise
                self.patience.wait(error)

    def set_status(self, instances: list[Instance], status: str) -> tuple[list[Instance], dict[str, str]]:
        arns = [i["container_instance_arn"] for i in instances]
        raw, failures = _ecs.update_container_instances_state(self.ecs, self.cluster, arns, status)
        shown = [_external_instance.container_instance_of(i) for i in raw]
        return shown, {f["arn"]: str(f.get("reason")) for f in failures}

    def put_marks(self, marks: list[Attribute]) -> None:
        _ecs.put_attributes(self.ecs, self.cluster, marks)

    def delete_marks(self, marks: list[Attribute]) -> None:
        _ecs.delete_attributes(self.ecs, self.cluster, marks)

    def standalone_tasks(self, arns: Iterable[str]) -> list[tuple[str, str]]:
        """Container instance and task."""
        tasks = [task for arn in arns for task in _ecs.list_tasks(self.ecs, self.cluster, arn)]
        found = _ecs.describe_tasks(self.ecs, self.cluster, tasks)
        return [(t["containerInstanceArn"], t["taskArn"]) for t in found if is_standalone(t)]

    def stop_task(self, arn: str) -> None:
        _ecs.stop_task(self.ecs, self.cluster, arn, REASON)

    def deregister(self, arn: str, force: bool) -> None:
        _ecs.deregister_container_instance(self.ecs, self.cluster, arn, force)

    def release(self, managed_instance_id: str) -> None:
        _ssm.deregister_node(self.ssm, managed_instance_id)


class Prediction(Aws):
    """Does nothing, and answers as AWS would if all went well. Tasks end if they are waited for."""

    def __init__(self, wait: bool) -> None:
        self.wait = wait

    def give_role(self, managed_instance_id: str, role: str) -> None:
        pass

    def set_status(self, instances: list[Instance], status: str) -> tuple[list[Instance], dict[str, str]]:
        ended = {"running_tasks_count": 0, "pending_tasks_count": 0} if self.wait and status == "DRAINING" else {}
        return [{**i, "status": status, **ended} for i in instances], {}

    def put_marks(self, marks: list[Attribute]) -> None:
        pass

    def delete_marks(self, marks: list[Attribute]) -> None:
        pass

    def standalone_tasks(self, arns: Iterable[str]) -> list[tuple[str, str]]:
        return []

    def stop_task(self, arn: str) -> None:
        pass

    def deregister(self, arn: str, force: bool) -> None:
        pass

    def release(self, managed_instance_id: str) -> None:
        pass


class Run:
    """One look at servers, with everything that can be done without waiting."""

    def __init__(self, aws: Aws, where: str) -> None:
        self.aws, self.where = aws, where

    def _said(self, error: _ecs.EcsError | _ssm.SsmError) -> str:
        return _errors.sentence(error, self.where, error.service)

    def give_role(self, servers: Iterable[Server], wish: _external_instance.Wish) -> None:
        refused = ""
        for server in servers:
            if server.node is None:
                server.problems.append(
                    f"Systems Manager knows no managed node of that id ({self.where}): it was deregistered, or is of "
                    "another region or account."
                )
                continue
            after = _external_instance.wanted(server.node, wish)
            if after == server.node:
                continue
            if refused:
                server.problems.append(refused)
                continue
            try:
                self.aws.give_role(server.id, after["iam_role"])
                server.node = after
            except _ssm.SsmError as error:
                server.problems.append(self._said(error))
                if _role_refused.is_role_refused(error):
                    refused = server.problems[-1]  # it concerns the role, so no other instance would fare better

    def settle(self, servers: Iterable[Server], goal: Goal, stop_standalone_tasks: bool) -> None:
        """Every server takes its steps until it is finished, has to wait or has failed."""
        still = list(servers)
        waiting: list[tuple[Server, Step]] = []
        while still:
            steps = [(server, next_step(server.instances.values(), server.node, goal)) for server in still]
            do = next((do for do in SHARED if any(step.do == do for _server, step in steps)), None)
            chosen = [(server, arn) for server, step in steps if step.do == do for arn in step.arns]
            if do in ("mark", "unmark"):
                self._mark(chosen, goal.drain_reason if do == "mark" else None)
            elif do:
                self._set_status(chosen, "ACTIVE" if do == "activate" else "DRAINING")
            for server, step in steps:
                if step.do == "deregister":
                    self._deregister(server, step.arns, goal.force)
                elif step.do == "release":
                    self._release(server)
            waiting += [(server, step) for server, step in steps if step.do == "wait"]
            still = [s for s, step in steps if step.do not in ("wait", "none") and not s.problems and not s.waits_for]
        for server, step in waiting:
            server.waits_for = waits_for(server.instances[arn] for arn in step.arns)
        if stop_standalone_tasks and waiting:
            self._stop_tasks(waiting)

    def _mark(self, chosen: list[tuple[Server, str]], reason: str | None) -> None:
        """Without a *reason* the marks are removed."""
        marks: list[Attribute] = []
        for server, arn in chosen:
            instance = server.instances[arn]
            mark = _drain_mark.mark_of(instance)
            count = len(_labels.custom(instance["attributes"]))
            if reason is not None and mark is None and count >= _labels.MOST_ATTRIBUTES:
                server.problems.append(
                    f"The container instance {arn} was not drained ({self.where}): it has {count} attributes of its "
                    "own, which is what ECS takes, so there is no room for the one that tells the reason. Next: remove "
                    "an attribute that is not needed, or drain it without drain_reason."
                )
                continue
            marks.append((arn, _drain_mark.MARK, reason or mark or ""))
        write = self.aws.delete_marks if reason is None else self.aws.put_marks
        _attribute_run.write(marks, write, {arn: server.problems for server, arn in chosen}, self.where)
        for server, arn in chosen:
            if not server.problems:
                attributes = {k: v for k, v in server.instances[arn]["attributes"].items() if k != _drain_mark.MARK}
                server.instances[arn]["attributes"] = {**attributes, **({_drain_mark.MARK: reason} if reason else {})}

    def _set_status(self, chosen: list[tuple[Server, str]], status: str) -> None:
        for start in range(0, len(chosen), _ecs.STATES_PER_CALL):
            self._set_status_of(chosen[start : start + _ecs.STATES_PER_CALL], status)

    def _set_status_of(self, chosen: list[tuple[Server, str]], status: str) -> None:
        owner = {arn: server for server, arn in chosen}
        try:
            shown, failures = self.aws.set_status([s.instances[arn] for s, arn in chosen], status)
        except _ecs.EcsError as error:
            # One that AWS does not take may spoil the call for all: ask for the halves.
            if _errors.code_of(error) == "InvalidParameterException" and len(chosen) > 1:
                half = len(chosen) // 2
                self._set_status_of(chosen[:half], status)
                self._set_status_of(chosen[half:], status)
                return
            for server in owner.values():
                server.problems.append(self._said(error))
            return
        for instance in shown:
            arn = instance["container_instance_arn"]
            # the answer has no tags; attributes are changed by calls of their own
            known = {k: v for k, v in instance.items() if k not in ("attributes", "tags")}
            owner.pop(arn).instances[arn].update(known)
        for arn, server in owner.items():
            reason = failures.get(arn, "no answer")
            if reason in ("MISSING", "INACTIVE"):
                del server.instances[arn]  # somebody else was quicker
            else:
                server.problems.append(
                    f"Failed to make the container instance {arn} {status} ({self.where}): {reason}. Likely cause: "
                    "its state does not allow it. Next: look at it with ecs_external_instance_info and run again."
                )

    def _deregister(self, server: Server, arns: Iterable[str], force: bool) -> None:
        for arn in arns:
            try:
                self.aws.deregister(arn, force)
                del server.instances[arn]
            except _ecs.EcsError as error:
                if "running tasks" in str(error.exception):
                    server.waits_for = "tasks to end that were placed meanwhile"
                else:
                    server.problems.append(self._said(error))

    def _release(self, server: Server) -> None:
        try:
            self.aws.release(server.id)
            server.node = None
        except _ssm.SsmError as error:
            server.problems.append(self._said(error))

    def _stop_tasks(self, waiting: list[tuple[Server, Step]]) -> None:
        owner = {arn: server for server, step in waiting for arn in step.arns}
        try:
            tasks = self.aws.standalone_tasks(owner)
        except _ecs.EcsError as error:
            for server in owner.values():
                server.problems.append(self._said(error))
            return
        for instance, task in tasks:
            try:
                self.aws.stop_task(task)
                owner[instance].stopped.append(task)
            except _ecs.EcsError as error:
                owner[instance].problems.append(self._said(error))


def complain_of_missing(servers: Iterable[Server], where: str) -> None:
    """ACTIVE or DRAINING can only be what is registered."""
    for server in servers:
        if not server.instances and not server.problems:
            server.problems.append(
                f"The cluster has no container instance of that id ({where}): its ECS agent did not register, or was "
                "deregistered. Next: run the playbook hybrid.ecs_anywhere.register for this server."
            )


def find(ecs: Any, ssm: Any, cluster: str, ids: list[str]) -> list[Server]:
    """The servers of these ids. A side without a client is not asked."""
    nodes: Mapping[str, dict[str, Any]] = {}
    if ssm is not None:
        found = _ssm.describe_nodes(ssm, ids)
        nodes = {n["InstanceId"]: _external_instance.state_of(_external_instance.node_of(n)) for n in found}
    instances: dict[str, list[Instance]] = {}
    if ecs is not None:
        for raw in _ecs.external_instances(ecs, cluster, ids):
            instances.setdefault(raw["ec2InstanceId"], []).append(_external_instance.container_instance_of(raw))
    return [Server(i, nodes.get(i), instances.get(i, [])) for i in ids]
