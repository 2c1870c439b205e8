# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Several executions of ecs_external_service told as one. Pure functions, private to this collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Result = dict[str, Any]
NAMED = 3


def why(result: Mapping[str, Any]) -> str:
    """Which tasks stopped and why, and what the scheduler said last."""
    stopped = result.get("stopped_tasks") or []
    parts = [f"{t['managed_instance_id'] or t['task_arn'].rsplit('/', 1)[-1]}: {t['msg']}" for t in stopped[:NAMED]]
    if len(stopped) > NAMED:
        parts.append(f"And {len(stopped) - NAMED} more, see stopped_tasks.")
    if result.get("events"):
        parts.append("ECS says: " + " | ".join(result["events"]))
    return " ".join(parts)


def failed(words: str, where: str, result: Mapping[str, Any]) -> Result:
    """*result*, as a failure that says what is known."""
    details = why(result)
    next_step = "correct the task definition or the placement, and run again"
    return {
        **result,
        "failed": True,
        "msg": f"The deployment of the service failed ({where}): {words}."
        f"{' ' + details if details else ''} Next: {next_step}.",
    }


def merged(first: Mapping[str, Any], later: Mapping[str, Any]) -> Result:
    """*later* looked again, or did what could not be done before."""
    result = {**first, **later, "changed": first["changed"] or later["changed"]}
    result["registered"] = first.get("registered", False) or later.get("registered", False)
    if "diff" in first and first["diff"]["before"] != first["diff"]["after"]:
        result["diff"] = first["diff"]
    return result


def progress(result: Mapping[str, Any]) -> str:
    return str(result["progress"])


def timed_out(result: Mapping[str, Any], timeout: float) -> Result:
    details = why(result)
    return {
        **result,
        "failed": True,
        "msg": f"Timed out after {timeout:g} seconds: {result['progress']}.{' ' + details if details else ''} Next: "
        "look at the events and the stopped tasks above, or run again with a longer wait_timeout.",
    }
