# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The tables of docs/permissions.md are what the code says. `python tests/unit/test_permissions_doc.py` writes them."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

if __name__ == "__main__":
    importlib.import_module("conftest")  # makes the collection importable

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import OPTIONS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import PLAYBOOKS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import operator_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._policy_eval import Policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_excess import counts
from moto.iam.aws_managed_policies import aws_managed_policies_data

DOC = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
ACCOUNT = "123456789012"
PLACE = {"clusters": ["edge"], "regions": ["eu-west-1"]}


def code(names):
    return "<br>".join(f"`{name}`" for name in names)


def numbers():
    awss = json.loads(aws_managed_policies_data)
    managed = [
        Policy(name, awss[name]["Document"])
        for name in ("AmazonSSMManagedInstanceCore", "AmazonEC2ContainerServiceforEC2Role")
    ]
    rows = [("`managed`", counts(managed, None))]
    for words, features in (("no features", []), ("every feature", sorted(_node_policy.FEATURES))):
        document = _node_policy.node_policy(**PLACE, features=features, partition="aws", account=ACCOUNT)
        rows.append((f"`least_privilege`, {words}", counts([Policy("least", document)], None)))
    yield "| `policy_mode` | actions allowed | of these on any resource (`*`) |"
    yield "|---|---|---|"
    for words, found in rows:
        yield f"| {words} | {found['allowed_actions']} | {found['on_any_resource']} |"


def rights(feature):
    scopes = {}
    for action, scope in feature.grants:
        scopes.setdefault(scope, set()).add(action)
    for scope, actions in sorted(scopes.items(), key=lambda item: item[1]):
        names = [re.sub(r"\{\w+\}", lambda m: m.group(0)[1:-1].upper(), r) for r in scope.resources]
        condition = f"<br>when `{scope.condition[0]}` is `{scope.condition[1]}`" if scope.condition else ""
        yield code(sorted(actions)), code(n.replace("arn:PARTITION:", "") for n in names) + condition


def features():
    yield "| feature | what for | actions | on | source |"
    yield "|---|---|---|---|---|"
    every = [("(minimum)", _node_policy.MINIMUM), *sorted(_node_policy.FEATURES.items())]
    for name, feature in every:
        source = f"[AWS]({feature.source})" if feature.source.startswith("https:") else feature.source
        head = (
            f"| `{name}` | {feature.summary} |" if name in _node_policy.FEATURES else f"| {name} | {feature.summary} |"
        )
        lines = list(rights(feature)) or [("", "")]
        for number, (actions, on) in enumerate(lines):
            yield f"{head if not number else '| | |'} {actions} | {on} | {source if not number else ''} |"


def operator():
    yield "| playbook | actions | on | when |"
    yield "|---|---|---|---|"
    for playbook in sorted(PLAYBOOKS):
        usual = operator_policy(playbook, **PLACE, account=ACCOUNT)["Statement"]
        rows = [("", statement) for statement in usual]
        for option in OPTIONS.get(playbook, {}):
            document = operator_policy(playbook, **PLACE, account=ACCOUNT, **{option: True})
            rows += [(f"with `ecs_anywhere_{option}`", s) for s in document["Statement"] if s not in usual]
        for number, (option, s) in enumerate(rows):
            conditions = [option] if option else []
            conditions += [
                f"`{key}` is {' or '.join(f'`{v}`' for v in (value if isinstance(value, list) else [value]))}"
                for keys in s.get("Condition", {}).values()
                for key, value in keys.items()
            ]
            first = f"`{playbook}`" if not number else ""
            yield f"| {first} | {code(s['Action'])} | {code(s['Resource'])} | {'<br>'.join(conditions)} |"


TABLES = {"numbers": numbers, "features": features, "operator": operator}


def written(text, name):
    table = "\n".join(re.sub(" +", " ", line) for line in TABLES[name]())
    return re.sub(
        rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.S
    )


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_what_the_code_says(name):
    text = DOC.read_text()
    assert f"<!-- begin {name} -->" in text
    assert written(text, name) == text, "python tests/unit/test_permissions_doc.py writes the tables anew"


if __name__ == "__main__":
    found = DOC.read_text()
    for each in TABLES:
        found = written(found, each)
    DOC.write_text(found)
