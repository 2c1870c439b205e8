# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is wrong with a node role. Pure functions, private to this collection."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from . import _iam_actions
from . import _node_policy
from . import _policy_eval
from . import _trust_policy
from ._policy_eval import Policy
from ._policy_eval import as_list
from ._policy_eval import like
from ._role_excess import HIGH
from ._role_excess import INFO
from ._role_excess import LOW
from ._role_excess import MEDIUM
from ._role_excess import SEVERITIES
from ._role_excess import Expand
from ._role_excess import Finding
from ._role_excess import Wanted
from ._role_excess import beyond
from ._role_name import is_replaced

SERVICE = "ssm.amazonaws.com"


def findings(
    role: Mapping[str, Any],
    policies: Sequence[Policy],
    boundary: Policy | None,
    wanted: Wanted,
    certain: bool = True,
    expand: Expand = _iam_actions.expanded,
) -> list[Finding]:
    """All findings about one role, the severe ones first. It is *certain* when it is known to be meant for servers."""
    if not certain and not _serves_agents(role, policies, boundary, wanted):
        return [
            Finding(
                "not_a_node_role",
                INFO,
                f"{role['RoleName']} trusts {SERVICE} and allows the agents nothing: it may be for Automation or a "
                "maintenance window. Nothing else was looked at.",
                [p.name for p in policies],
                "ask for it by name if servers shall work under it",
            )
        ]
    found = [
        *_about_trust(role),
        *_missing(role, policies, boundary, wanted),
        *beyond(policies, boundary, wanted, expand),
    ]
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.id, f.message))


# --- trust


def _about_trust(role: Mapping[str, Any]) -> list[Finding]:
    name, account = role["RoleName"], role["Arn"].split(":")[4]
    document = role.get("AssumeRolePolicyDocument")
    found = []
    if not _trust_policy.allows(document, SERVICE, account):
        found.append(
            Finding(
                "trust_wrong",
                HIGH,
                f"{SERVICE} cannot assume the role {name}, so no server can register or renew its credentials",
                document,
                f"hybrid.ecs_anywhere.ecs_anywhere_role with name={name} writes the trust anew",
            )
        )
    ours = [s for s in _trust_policy.statements(document) if SERVICE in _principals(s, "Service") and _is_allow(s)]
    open_ones = [s for s in ours if not _names_the_source(s)]
    if open_ones and not _denies_other_sources(document):
        # Low: whoever creates an activation needs iam:PassRole on the role, and roles are not passed across accounts.
        found.append(
            Finding(
                "trust_unrestricted",
                LOW,
                f"the trust of {name} does not say for which account and Region {SERVICE} may act "
                "(aws:SourceAccount, aws:SourceArn), as AWS advises against a confused deputy",
                open_ones,
                f"hybrid.ecs_anywhere.ecs_anywhere_role with name={name} and trust=restricted",
            )
        )
    others = [s for s in _trust_policy.statements(document) if _is_allow(s) and _others(s)]
    for statement in others:
        anybody = "*" in _others(statement)
        who = ", ".join(_others(statement))
        found.append(
            Finding(
                "trust_others",
                HIGH if anybody and not statement.get("Condition") else MEDIUM,
                f"{'anybody' if anybody else who} may assume the role {name} too",
                statement,
                "remove the statement from the trust policy, unless you know who relies on it",
            )
        )
    return found


def _is_allow(statement: Mapping[str, Any]) -> bool:
    return str(statement.get("Effect", "")).lower() == "allow"


def _principals(statement: Mapping[str, Any], kind: str) -> list[str]:
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return [str(p) for p in as_list(principal.get(kind))]
    return ["*"] if principal == "*" and kind == "AWS" else []


def _others(statement: Mapping[str, Any]) -> list[str]:
    kinds = ("AWS", "Service", "Federated", "CanonicalUser")
    named = [p for kind in kinds for p in _principals(statement, kind) if p != SERVICE]
    return ["everybody not named"] if "NotPrincipal" in statement else named


def _keys(statement: Mapping[str, Any]) -> set[str]:
    condition = statement.get("Condition")
    blocks = condition.values() if isinstance(condition, Mapping) else ()
    return {str(key).lower() for block in blocks if isinstance(block, Mapping) for key in block}


def _names_the_source(statement: Mapping[str, Any]) -> bool:
    return bool(_keys(statement) & {"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"})


def _denies_other_sources(document: Any) -> bool:
    denying = [s for s in _trust_policy.statements(document) if not _is_allow(s)]
    return any(_names_the_source(s) for s in denying)


# --- what is needed


def _missing(
    role: Mapping[str, Any], policies: Sequence[Policy], boundary: Policy | None, wanted: Wanted
) -> list[Finding]:
    """Actions that are needed and not allowed, together where the same stands in their way."""
    groups: dict[tuple[tuple[str, ...], str], list[dict[str, str]]] = {}
    for need in _node_policy.needs(wanted.features or ()):
        for resource, decision in _decisions(role, policies, boundary, wanted, need):
            if not decision.allowed:
                seen = {"action": need.action, "resource": resource, "reason": decision.reason}
                groups.setdefault((need.features, decision.obstacle), []).append(seen)
    found = []
    for (features, obstacle), evidence in groups.items():
        actions = ", ".join(dict.fromkeys(e["action"] for e in evidence))
        what = " and ".join(features) if features else "every external instance"
        if obstacle == _policy_eval.CONDITION:
            found.append(
                Finding(
                    "action_conditional",
                    INFO,
                    f"{what} needs {actions}; whether it is allowed depends: {evidence[0]['reason']}",
                    evidence,
                    "check that the agents meet the condition",
                )
            )
            continue
        found.append(
            Finding(
                "action_missing",
                MEDIUM if features else HIGH,
                f"{what} needs {actions}, which the role {role['RoleName']} lacks: {evidence[0]['reason']}",
                evidence,
                _repair(role, features, obstacle, evidence[0]["reason"], boundary),
            )
        )
    return found


def _serves_agents(
    role: Mapping[str, Any], policies: Sequence[Policy], boundary: Policy | None, wanted: Wanted
) -> bool:
    return any(
        decision.verdict != _policy_eval.DENIED
        for need in _node_policy.needs(())
        for _resource, decision in _decisions(role, policies, boundary, wanted, need)
    )


def _repair(
    role: Mapping[str, Any], features: tuple[str, ...], obstacle: str, reason: str, boundary: Policy | None
) -> str:
    if obstacle == _policy_eval.EXPLICIT_DENY:
        return f"change what denies it ({reason.rsplit(' denies it', maxsplit=1)[0]})"
    if obstacle == _policy_eval.BOUNDARY:
        return f"allow it in the permissions boundary {boundary.name if boundary else ''}, or set another boundary"
    module = f"hybrid.ecs_anywhere.ecs_anywhere_role with name={role['RoleName']}"
    if features:
        return f"{module}, policy_mode=least_privilege and {', '.join(features)} in features"
    return f"{module} and policy_mode=managed, or least_privilege"


def _decisions(
    role: Mapping[str, Any],
    policies: Sequence[Policy],
    boundary: Policy | None,
    wanted: Wanted,
    need: _node_policy.Need,
) -> list[tuple[str, _policy_eval.Decision]]:
    """For each Region and cluster: the best that the role has of the action there."""
    _arn, partition, _service, _region, account, _rest = role["Arn"].split(":", 5)
    decisions = []
    for pattern in _patterns(wanted, need.scope, partition, account):
        context = {
            "aws:PrincipalAccount": account,
            "aws:PrincipalArn": role["Arn"],
            "aws:PrincipalType": "AssumedRole",
            "aws:RequestedRegion": pattern.region,
        }
        if f":{account}:" in pattern.resource:
            context["aws:ResourceAccount"] = account
        if need.action.startswith("ecs:") and pattern.cluster != "*":
            context["ecs:cluster"] = f"arn:{partition}:ecs:{pattern.region}:{account}:cluster/{pattern.cluster}"
        if need.scope.condition:
            key, value = need.scope.condition
            context[key] = value
        candidates = _candidates(pattern.resource, policies, need.action)
        found = [_policy_eval.evaluate(policies, boundary, _request(need, c, context)) for c in candidates]
        best = min(found, key=lambda d: (not d.allowed, d.verdict != _policy_eval.DEPENDS))
        decisions.append((pattern.resource, best))
    return decisions


def _request(need: _node_policy.Need, resource: str, context: Mapping[str, Any]) -> _policy_eval.Request:
    return _policy_eval.Request(need.action, resource, context)


class _Place(NamedTuple):
    resource: str
    region: str
    cluster: str


def _patterns(wanted: Wanted, scope: _node_policy.Scope, partition: str, account: str) -> list[_Place]:
    places = []
    for region, clusters in sorted(_node_policy.places(wanted.clusters, wanted.regions).items()):
        for pattern in scope.resources:
            for cluster in sorted(clusters) if "{cluster}" in pattern else ["*"]:
                names = {"partition": partition, "region": region, "account": account, "cluster": cluster}
                places.append(_Place(pattern.format(**names), region, cluster))
    return places


# Names of things as they might be; what a policy says of things of one name is asked of that name.
_SAMPLE = "sample0123456789"


def _candidates(pattern: str, policies: Sequence[Policy], action: str) -> list[str]:
    """Concrete things that fit a pattern: any, and those that the role's policies name."""
    if pattern == "*":
        return ["*"]
    head, tail = pattern.split(":")[:5], pattern.split(":", 5)[5]
    any_account = ":".join(["" if part == "*" else part for part in head])
    found = [f"{any_account}:{tail.replace('*', _SAMPLE)}"]
    for statement in _policy_eval.statements(policies):
        if statement.effect == "allow" and _policy_eval.about_action(statement, action):
            for resource in statement.resources:
                parts = resource.split(":", 5)
                if len(parts) == 6:
                    own = [
                        have if "*" in part or "?" in part else part
                        for part, have in zip(parts[:5], any_account.split(":"))
                    ]
                    name = parts[5].replace("*", _SAMPLE).replace("?", "x")
                    named = ":".join([*own, name])
                    if like(named, pattern):
                        found.append(named)
    return list(dict.fromkeys(found))


# --- nodes


def is_node_role(role: Mapping[str, Any]) -> bool:
    """Whether servers may be meant to work under it: it names Systems Manager, and is not that service's own."""
    named = [s for s in _trust_policy.statements(role.get("AssumeRolePolicyDocument")) if _is_allow(s)]
    ours = any(SERVICE in _principals(statement, "Service") for statement in named)
    return ours and not role["Path"].startswith("/aws-service-role/")


def node_findings(nodes: Iterable[Mapping[str, Any]], roles: Iterable[str]) -> list[Finding]:
    """Managed nodes that work under none of these roles."""
    known = sorted(roles)
    strangers: dict[str, list[str]] = {}
    for node in nodes:
        role = node.get("IamRole")
        if role and all(is_replaced(role, one) for one in known):
            strangers.setdefault(role, []).append(node["InstanceId"])
    found = []
    for role, ids in sorted(strangers.items()):
        right = " or ".join(known) or f"a role that trusts {SERVICE}"
        found.append(
            Finding(
                "role_replaced",
                MEDIUM,
                f"managed nodes ({len(ids)}) work under the role {role}, not {right}. If they are external "
                "instances, their role was replaced, as Quick Setup does, and the ECS agent may have lost its rights",
                {"iam_role": role, "managed_instance_ids": sorted(ids)},
                "the playbook register; or hybrid.ecs_anywhere.ecs_external_instance with the right role in iam_role",
            )
        )
    return found


def shown(finding: Finding) -> dict[str, Any]:
    """As modules return it: evidence is never text that only looks like data."""
    return {**finding._asdict(), "evidence": json.loads(json.dumps(finding.evidence, default=str))}
