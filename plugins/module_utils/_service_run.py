# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A service brought to what was asked for, and what is known of its deployment then. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.transformation import boto3_resource_to_ansible_dict

from . import _ecs
from . import _ecs_workloads
from . import _labels
from . import _service
from . import _task_result
from . import _task_run
from ._activation import is_answer_lost

Raw = dict[str, Any]
STOPPED_TASKS = 10


def change(client: Any, cluster: str, current: Raw, before: Raw, after: Raw, force: bool) -> Raw:
    """Make *current* into *after*. The only function here that writes."""
    name = current["serviceName"]
    params = {"cluster": cluster, "service": name, **_service.update(before, after)}
    raw = current
    if force:
        raw = _deploy(client, current, params)
    elif len(params) > 2:
        raw = _ecs_workloads.update_service(client, **params)
    change_of_tags = _labels.change(before["tags"], after["tags"], True)
    if change_of_tags.remove:
        _ecs.untag_resource(client, current["serviceArn"], change_of_tags.remove)
    if change_of_tags.put:
        _ecs.tag_resource(client, current["serviceArn"], change_of_tags.put)
    return {**raw, "tags": [{"key": k, "value": v} for k, v in after["tags"].items()]}


def _deploy(client: Any, current: Raw, params: Raw) -> Raw:
    try:
        return _ecs_workloads.deploy_service(client, **params)
    except _ecs.EcsError as error:
        if not is_answer_lost(error):
            raise
    found = _ecs_workloads.describe_service(client, params["cluster"], params["service"])
    was, now = _service.primary_of(current), _service.primary_of(found or {})
    if found is not None and now is not None and (was is None or was["id"] != now["id"]):
        return found
    return _ecs_workloads.deploy_service(client, **params)


def told(client: Any, cluster: str, raw: Raw, deployment_id: str | None, changed: bool) -> dict[str, Any]:
    """How the service fares, for the result. C(problem) is why its deployment failed."""
    primary = _service.primary_of(raw)
    watched = deployment_id or (str(primary["id"]) if primary else "")
    progress = _service.progress_of(raw, watched)
    deployment = next((d for d in raw.get("deployments") or [] if d["id"] == watched), None)
    # What this run did not change may lack tasks for reasons of its own, such as a server that is away.
    in_progress = changed or (deployment or {}).get("rolloutState") == "IN_PROGRESS"
    result: dict[str, Any] = {
        "service": _service.shown(raw),
        "deployment": boto3_resource_to_ansible_dict(deployment, force_tags=False) if deployment else {},
        "unfinished": progress.state == "running" and in_progress,
        "progress": progress.words,
        "stopped_tasks": [],
        "events": [],
    }
    if result["deployment"] == {}:
        result["deployment"] = {"id": watched} if watched else {}
    if progress.state == "done" or (not in_progress and progress.state == "running"):
        return result
    result["events"] = _service.said_last(raw)
    result["stopped_tasks"] = stopped_tasks(client, cluster, raw, watched)
    if progress.state == "failed":
        result["problem"] = progress.words
    return result


def stopped_tasks(client: Any, cluster: str, raw: Raw, deployment_id: str) -> list[dict[str, Any]]:
    """What stopped of a deployment without being told to, the newest first."""
    arns = _ecs_workloads.find_tasks(client, cluster, "STOPPED", serviceName=raw["serviceName"])
    found = [
        task
        for task in _ecs.describe_tasks(client, cluster, arns)
        if task.get("startedBy") == deployment_id
        and task.get("lastStatus") == _task_result.ENDED
        and task.get("stopCode") != "ServiceSchedulerInitiated"
    ]
    found.sort(key=lambda task: str(task.get("stoppedAt") or ""), reverse=True)
    found = found[:STOPPED_TASKS]
    if not found:
        return []
    owners = _task_run.owners_of(client, cluster, [task.get("containerInstanceArn") for task in found])
    definition = _ecs_workloads.describe_task_definition(client, str(found[0]["taskDefinitionArn"]))
    shown = []
    for task in found:
        one = _task_result.shown(task, owners, definition)
        ended = f"The task ended: {_task_result.how_it_ended(task)}."  # a service wants it to run on
        shown.append({**one, "failed": True, "msg": one["msg"] or ended})
    return shown
