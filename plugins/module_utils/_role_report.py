# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Findings as lines for people. Pure functions, private to this collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 300


def role_report(found: Mapping[str, Any]) -> list[str]:
    lines = []
    if "summary" in found:
        own, least = found["summary"], found["summary"]["least_privilege"]
        lines.append(
            f"{found['role_name']} allows {own['allowed_actions']} actions, {own['on_any_resource']} of them on any "
            f"resource; the least would be {least['allowed_actions']}, and {least['on_any_resource']} of them on any "
            "resource, because AWS knows no other"
        )
        users = found["managed_instance_ids"]
        if users is not None:
            lines.append(f"managed nodes that work under it: {len(users)}")
        if not found["findings"]:
            lines.append("nothing is wrong with it")
    for finding in found["findings"]:
        evidence = json.dumps(finding["evidence"])
        if len(evidence) > _LONGEST:
            evidence = evidence[:_LONGEST] + "..."
        lines.append(f"{finding['severity'].upper()} {finding['id']}: {finding['message']}")
        lines.append(f"    seen in: {evidence}")
        lines.append(f"    repair: {finding['repair']}")
    return lines
