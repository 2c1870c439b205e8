# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A fleet as one page of HTML that needs nothing else. Pure functions, private to this collection."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from collections.abc import Mapping
from html import escape
from typing import Any

from . import _fleet_summary
from ._fleet_page_parts import SCRIPT
from ._fleet_page_parts import STYLE
from ._health import SEVERITIES


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# The browser runs this script and no other, and loads nothing.
POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; base-uri 'none'; form-action 'none'"
)
COLUMNS = ("Server", "Cluster", "Health", "What to do", "Systems Manager", "ECS", "Agents")


def _e(value: Any) -> str:
    """Every text on the page goes through here."""
    return escape("" if value is None else str(value), quote=True)


def _state(state: str, words: str = "") -> str:
    return f'<span class="state {SEVERITIES[state]}">{_e(words or state)}</span>'


def _states(counts: Mapping[str, int]) -> str:
    return " ".join(_state(state, f"{count} {state}") for state, count in counts.items())


def _time(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else ""


def _row(instance: Mapping[str, Any]) -> str:
    ssm, ecs, health = instance["ssm"] or {}, instance["ecs"] or {}, instance["health"]
    ssm_says, ecs_says = _fleet_summary.connection_of(instance)
    name, cluster = _fleet_summary.name_of(instance), _fleet_summary.cluster_of(instance)
    order = list(SEVERITIES).index(health["state"])
    states = [t["state"] for t in health["troubles"]] or [health["state"]]
    troubles = "".join(
        f"<p>{_e(t['message'])}{_e(' since ' + _time(t['since']) + ' UTC' if t['since'] else '')}.</p>"
        f'<p class="soft">{_e(t["repair"])}</p>'
        for t in health["troubles"]
    )
    tasks = f"{ecs['running_tasks_count']} running, {ecs['pending_tasks_count']} pending tasks" if ecs else ""
    agents = [f"ECS {ecs['agent_version']}"] if ecs.get("agent_version") else []
    agents += [f"SSM {ssm['agent_version']}"] if ssm.get("agent_version") else []
    agents += [f"Docker {ecs['docker_version']}"] if ecs.get("docker_version") else []
    place = " ".join(str(ssm[k]) for k in ("ip_address", "platform_name", "platform_version") if ssm.get(k))
    pinged = f"last heard of {_time(ssm.get('last_ping_date_time'))} UTC" if ssm.get("last_ping_date_time") else ""
    cells = (
        (name, f"<div><b>{_e(name or '?')}</b><br><code>{_e(instance['managed_instance_id'])}</code>"
               f'<p class="soft">{_e(place)}</p></div>'),
        (cluster, f"<div>{_e(cluster)}</div>"),
        (f"{order:02d}", "<div>" + " ".join(_state(s) for s in states) + "</div>"),
        ("", f"<div>{troubles}</div>"),
        (ssm_says, f'<div>{_e(ssm_says)}<p class="soft">{_e(pinged)}</p>'
                   f'<p class="soft">{_e(ssm.get("iam_role"))}</p></div>'),
        (ecs_says, f'<div>{_e(ecs_says)}<p class="soft">{_e(tasks)}</p></div>'),
        (" ".join(agents), f"<div>{'<br>'.join(_e(a) for a in agents)}</div>"),
    )  # fmt: skip
    made = "".join(
        f'<td data-label="{_e(label)}"{f""" data-sort="{_e(sort)}" """ if sort else ""}>{content}</td>'
        for label, (sort, content) in zip(COLUMNS, cells, strict=True)
    )
    return f'<tr data-states="{_e(" ".join(states))}" data-cluster="{_e(cluster)}">{made}</tr>'


def _options(first: str, values: Iterable[str]) -> str:
    listed = "".join(f'<option value="{_e(v)}">{_e(v)}</option>' for v in values)
    return f'<option value="">{_e(first)}</option>{listed}'


def _small_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{_e(h)}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="narrow"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _findings(roles: Iterable[Mapping[str, Any]], problem: str) -> str:
    if problem:
        return f"<p>The roles could not be judged: {_e(problem)}</p>"
    rows = [
        (
            f"<code>{_e(role['role_name'])}</code>",
            f'<span class="state {_RISK[finding["severity"]]}">{_e(finding["severity"])}</span>',
            f'{_e(finding["message"])}<p class="soft">{_e(finding["repair"])}</p>',
        )
        for role in roles
        for finding in role["findings"]
    ]
    if not rows:
        return "<p>Nothing is wrong with the node roles.</p>"
    return _small_table(("Role", "Severity", "Finding"), rows)


_RISK = {"high": "error", "medium": "warning", "low": "warning", "info": "ok"}


def page(fleet: Mapping[str, Any], roles: Iterable[Mapping[str, Any]] = (), place: str = "", problem: str = "") -> str:
    """*fleet* is a result of ecs_external_instance_info, *roles* are those of ecs_anywhere_role_info."""
    instances = _fleet_summary.worst_first(fleet["instances"])
    found = _fleet_summary.summary(instances)
    totals = [("instances", found["instances"], ""), *((s, n, SEVERITIES[s]) for s, n in found["health"].items())]
    cards = "".join(f'<li class="{kind}"><b>{count}</b>{_e(name)}</li>' for name, count, kind in totals)
    heads = "".join(f"<th><button>{_e(c)}</button></th>" for c in COLUMNS)
    versions = [
        (_e(agent), f"<code>{_e(version)}</code>", str(count))
        for agent, side in (("ECS agent", "ecs"), ("SSM agent", "ssm"))
        for version, count in found["agent_versions"][side].items()
    ]
    clusters = [(_e(name), str(sum(c.values())), _states(c)) for name, c in found["clusters"].items()]
    title = "External instances" + (f" of {place}" if place else "")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_e(POLICY)}">
<meta name="referrer" content="no-referrer">
<title>{_e(title)}</title>
<style>{STYLE}</style>
<h1>{_e(title)}</h1>
<p class="soft">As seen at {_e(_time(fleet["looked_at"]))} UTC</p>
<ul class="totals">{cards}</ul>
<h2>Health by cluster</h2>
{_small_table(("Cluster", "Count", "Health"), clusters)}
<h2>Agents</h2>
{_small_table(("Agent", "Version", "Count"), versions)}
<h2>Node roles</h2>
{_findings(roles, problem)}
<h2>Instances</h2>
<div class="tools" hidden>
<input id="text" type="search" placeholder="Words to look for" aria-label="Words to look for">
<select id="state" aria-label="Health">{_options("any health", found["health"])}</select>
<select id="cluster" aria-label="Cluster">{_options("any cluster", found["clusters"])}</select>
<span id="count" class="soft" role="status"></span>
</div>
<table id="fleet"><thead><tr>{heads}</tr></thead>
<tbody>
{chr(10).join(_row(i) for i in instances)}
</tbody></table>
<script>{SCRIPT}</script>
</html>
"""
