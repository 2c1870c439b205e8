# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a node role allows beyond need. Pure functions, private to this collection."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from . import _iam_actions
from . import _node_policy
from . import _policy_eval
from ._policy_eval import Policy
from ._policy_eval import as_list
from ._policy_eval import like

HIGH, MEDIUM, LOW, INFO = "high", "medium", "low", "info"
SEVERITIES = (HIGH, MEDIUM, LOW, INFO)
Expand = Callable[[Iterable[str]], "set[str]"]


class Finding(NamedTuple):
    id: str
    severity: str
    message: str
    evidence: Any
    repair: str


class Wanted(NamedTuple):
    """What the servers of a role need. No clusters: any. Features None: nobody said, so only the minimum is certain."""

    clusters: Sequence[str] = ()
    regions: Sequence[str] = ()
    features: Sequence[str] | None = None


class Danger(NamedTuple):
    pattern: str
    severity: str
    why: str


def _each(severity: str, why: str, *patterns: str) -> list[Danger]:
    return [Danger(pattern, severity, why) for pattern in patterns]


# The first that matches counts. What is allowed on a few named things only counts one step less.
DANGERS = (
    *_each(MEDIUM, "reads who may do what", "iam:Get*", "iam:List*"),
    *_each(HIGH, "can change who may do what", "iam:*"),
    *_each(HIGH, "can become somebody else", "sts:AssumeRole*"),
    *_each(HIGH, "reads parameters, secret ones too unless a KMS key of their own protects them", "ssm:GetParameter*"),
    *_each(HIGH, "reaches secrets and data", "secretsmanager:*", "kms:*", "s3:*"),
    *_each(HIGH, "commands other servers", "ssm:SendCommand", "ssm:StartSession", "ssm:ResumeSession"),
    *_each(HIGH, "commands other servers", "ssm:StartAutomation*", "ssm:CreateAssociation*", "ssm:UpdateAssociation"),
    *_each(HIGH, "changes what other servers may do", "ssm:UpdateManagedInstanceRole"),
    *_each(HIGH, "lets others join the account", "ssm:CreateActivation"),
    *_each(HIGH, "disconnects other servers", "ssm:DeregisterManagedInstance", "ecs:DeregisterContainerInstance"),
    *_each(HIGH, "drains other servers", "ecs:UpdateContainerInstancesState"),
    *_each(HIGH, "decides what runs on other servers", "ecs:RunTask", "ecs:StartTask", "ecs:StopTask"),
    *_each(HIGH, "decides what runs on other servers", "ecs:RegisterTask*", "ecs:ExecuteCommand", "ecs:*Service"),
    *_each(LOW, "reads", "*:Describe*", "*:Get*", "*:List*", "*:BatchGet*", "*:BatchCheck*"),
    *_each(MEDIUM, "changes things", "*"),
)


class Grant(NamedTuple):
    """An action that is allowed on something."""

    action: str
    everywhere: bool  # on every resource, written *
    broad: bool  # that, or on everything of a kind, such as arn:aws:ssm:*:*:parameter/*
    where: str


_EVERYTHING_OF_A_KIND = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:[\w-]*[/:]?\*([/:]\*)*")


def grants(policies: Sequence[Policy], boundary: Policy | None, expand: Expand = _iam_actions.expanded) -> list[Grant]:
    """All that the policies allow, sorted; in resources and conditions it is not looked deeper than "on everything"."""
    patterns: set[str] = set()
    for statement in _policy_eval.statements(policies):
        if statement.effect == "allow":
            patterns |= {str(a) for a in as_list(statement.body.get("Action"))}
            if "NotAction" in statement.body:
                patterns.add("*")
    found = []
    for action in sorted(expand(patterns)):
        allowing = _policy_eval.allowing_somewhere(policies, boundary, action)
        if allowing:
            resources = [r for s in allowing for r in s.resources]
            broad = any(_EVERYTHING_OF_A_KIND.fullmatch(r) for r in resources)
            where = " and ".join(dict.fromkeys(s.where for s in allowing))
            found.append(Grant(action, "*" in resources, broad, where))
    return found


def beyond(policies: Sequence[Policy], boundary: Policy | None, wanted: Wanted, expand: Expand) -> list[Finding]:
    needed = _node_policy.needs(wanted.features or ())
    needed_actions = {need.action.lower() for need in needed}
    granted = grants(policies, boundary, expand)
    allowed = {g.action.lower() for g in granted}
    found = []

    unused: dict[str, list[str]] = {}
    for feature in _node_policy.FEATURES:
        own = {
            action for action, _scope in _node_policy.FEATURES[feature].grants if action.lower() not in needed_actions
        }
        if own and {action.lower() for action in own} <= allowed:
            unused[feature] = sorted(own)
    for feature, actions in unused.items():
        found.append(
            Finding(
                "feature_unused",
                INFO if wanted.features is None else LOW,
                f"{feature} is allowed, and not among the features that are needed: {', '.join(actions)}",
                actions,
                f"policy_mode=least_privilege with {feature} in features only if servers need it",
            )
        )

    explained = needed_actions | {action.lower() for actions in unused.values() for action in actions}
    groups: dict[tuple[str, str, str], list[Grant]] = {}
    for grant in granted:
        if grant.action.lower() not in explained:
            danger = next(d for d in DANGERS if like(grant.action, d.pattern, True))
            severity = danger.severity if grant.broad else _less(danger.severity)
            groups.setdefault((grant.action.split(":")[0], severity, danger.why), []).append(grant)
    for (service, severity, why), of in groups.items():
        scope = "anything" if of[0].broad else "some resources"
        found.append(
            Finding(
                "action_beyond_need",
                severity,
                f"{service}: {', '.join(g.action.split(':')[-1] for g in of)} on {scope}: {why}",
                [{"action": g.action, "allowed_by": g.where} for g in of],
                f"policy_mode=least_privilege takes it away; else remove it from {of[0].where}",
            )
        )

    wide = sorted(
        {n.action for n in needed if n.scope != _node_policy.ANYTHING} & {g.action for g in granted if g.everywhere}
    )
    if wide:
        found.append(
            Finding(
                "scope_beyond_need",
                LOW,
                f"{len(wide)} actions that are needed are allowed on anything, though they can be bound to clusters, "
                f"Regions and nodes: {', '.join(wide)}",
                wide,
                "policy_mode=least_privilege with clusters",
            )
        )
    return found


def _less(severity: str) -> str:
    return SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 2)]


def counts(
    policies: Sequence[Policy], boundary: Policy | None, expand: Expand = _iam_actions.expanded
) -> dict[str, int]:
    """How much is allowed, in two numbers."""
    granted = grants(policies, boundary, expand)
    return {"allowed_actions": len(granted), "on_any_resource": sum(g.everywhere for g in granted)}
