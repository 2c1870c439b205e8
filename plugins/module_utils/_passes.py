# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Several executions of ecs_external_instance told as one. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._external_instance import NAMED
from ._external_instance import summary

Result = dict[str, Any]


def merged(first: Mapping[str, Any], later: Mapping[str, Any]) -> Result:
    """*later* looked at some of the instances of *first* again."""
    again = {i["managed_instance_id"]: i for i in later.get("instances") or []}
    instances = []
    for one in first["instances"]:
        two = again.get(one["managed_instance_id"])
        instances.append(
            one
            if two is None
            else {
                **two,
                "status_before": one["status_before"],
                "changed": one["changed"] or two["changed"],
                "stopped_tasks": one["stopped_tasks"] + two["stopped_tasks"],
            }
        )
    result = {
        **first,
        "changed": any(i["changed"] for i in instances),
        "instances": instances,
        "unfinished": later.get("unfinished", first["unfinished"]),
    }
    if "diff" in first:
        second = later.get("diff") or {"before": {}, "after": {}}
        result["diff"] = {
            "before": {**second["before"], **first["diff"]["before"]},
            "after": {**first["diff"]["after"], **second["after"]},
        }
    return told(result)


def told(result: Mapping[str, Any]) -> Result:
    """*result* failed if one of its instances did, with a message of all that did."""
    rest = {key: value for key, value in result.items() if key not in ("failed", "msg")}
    failures = {i["managed_instance_id"]: i["msg"] for i in result["instances"] if i["failed"]}
    if failures:
        rest.update(failed=True, msg=summary(failures, len(result["instances"])))
    return rest


def progress(result: Mapping[str, Any]) -> str:
    """One line: how many are finished, and what the others wait for."""
    waiting = set(result["unfinished"])
    names = [
        f"{i['managed_instance_id']} ({i['waits_for']})"
        for i in result["instances"]
        if i["managed_instance_id"] in waiting
    ]
    failed = sum(i["failed"] for i in result["instances"])
    count = len(result["instances"])
    line = f"{count - len(names) - failed} of {count} finished"
    if failed:
        line += f", {failed} failed"
    if names:
        line += "; waiting for " + "; ".join(names[:NAMED])
    if len(names) > NAMED:
        line += f"; and {len(names) - NAMED} more"
    return line


def timed_out(result: Mapping[str, Any], timeout: float) -> Result:
    """Those that are not finished have failed."""
    waiting = set(result["unfinished"])
    instances = []
    for one in result["instances"]:
        if one["managed_instance_id"] in waiting:
            one = {
                **one,
                "failed": True,
                "msg": f"Timed out after {timeout:g} seconds: it waits for {one['waits_for']}. Next: run again, with "
                "stop_standalone_tasks=true if these tasks are of no service, with force=true and state=absent if the "
                "server is gone, or with a longer wait_timeout.",
            }
        instances.append(one)
    return told({**result, "instances": instances})


def restored(result: Mapping[str, Any], later: Mapping[str, Any]) -> Result:
    """*later* made instances active again that had timed out: they stay failures."""
    again = {i["managed_instance_id"]: i for i in later.get("instances") or []}
    instances = []
    for one in result["instances"]:
        two = again.get(one["managed_instance_id"])
        if two is not None:
            said = two["msg"] or "It was made active again."
            one = {**one, **{k: two[k] for k in ("status", "drain_reason", "container_instances") if k in two}}
            one["msg"] = f"{one['msg']} {said}"
        instances.append(one)
    return told({**result, "instances": instances})


def to_restore(first: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Those that are not finished and that the first execution found active."""
    drained = {i["managed_instance_id"] for i in first["instances"] if i["status_before"] == "ACTIVE"}
    return [i for i in result["unfinished"] if i in drained]
