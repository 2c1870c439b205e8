# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be said in two places is the same in both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _drain_mark
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _remains

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "ecs_anywhere"


def load(path):
    return yaml.safe_load(path.read_text())


SPECS = load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]
SPEC = {name: option for entry_point in SPECS.values() for name, option in entry_point["options"].items()}
DEFAULTS = load(ROLE / "defaults" / "main.yml")
CONTROLLER_MODULES = [
    path.stem for path in sorted((ROOT / "plugins" / "modules").glob("*.py")) if "AwsModule(" in path.read_text()
]


@pytest.mark.parametrize("name", sorted(SPEC))
def test_every_option_of_the_role_has_the_default_it_documents(name):
    option = SPEC[name]
    assert option["description"] and option["type"]
    if option.get("required"):
        assert name not in DEFAULTS and "default" not in option
    else:
        assert option["default"] == DEFAULTS[name]


def test_every_default_of_the_role_is_documented():
    assert set(DEFAULTS) <= set(SPEC)


def test_every_variable_that_the_role_reads_is_documented_or_private():
    known = set(SPEC) | {"ecs_anywhere_host"}
    used = set()
    for path in [*ROLE.glob("tasks/*.yml"), *ROLE.glob("vars/*.yml")]:
        # module, collection and file names are no variables
        text = re.sub(r"hybrid\.ecs_anywhere\.\w+|/\.?ecs_anywhere[-_]\w*", "", path.read_text())
        used |= set(re.findall(r"(?<![\w-])ecs_anywhere_\w+", text))
    assert used - {name for name in used if name.startswith("__")} <= known


def test_every_private_variable_that_the_role_reads_is_set_somewhere():
    text = "\n".join(path.read_text() for path in [*ROLE.rglob("*.yml"), *(ROOT / "playbooks").glob("*.yml")])
    used = set(re.findall(r"__ecs_anywhere_\w+", text))
    set_here = set(re.findall(r"(?m)^\s*(__ecs_anywhere_\w+):", text))
    assert len(used) > 20
    assert used - set_here - set(re.findall(r"(?:register|loop_var): (__ecs_anywhere_\w+)", text)) == set()


def test_names_that_the_role_shares_with_the_modules():
    variables = load(ROLE / "vars" / "main.yml")
    assert variables["__ecs_anywhere_drain_mark"] == _drain_mark.MARK
    assert variables["__ecs_anywhere_former_file"] == _remains.FORMER
    for name in ("drain", "upgrade"):
        reasons = re.findall(r"drain_reason: (\S+)", (ROLE / "tasks" / f"{name}.yml").read_text())
        assert reasons == [_drain_mark.UPGRADE]


def test_every_module_of_the_controller_is_in_the_action_group():
    group = load(ROOT / "meta" / "runtime.yml")["action_groups"]["aws"]
    assert sorted(name for name in group if isinstance(name, str)) == CONTROLLER_MODULES
    assert len(CONTROLLER_MODULES) >= 4


def test_the_tarball_leaves_out_what_users_do_not_need():
    ignored = load(ROOT / "galaxy.yml")["build_ignore"]
    for name in ("tests", ".*", "extensions", "Makefile"):
        assert name in ignored
