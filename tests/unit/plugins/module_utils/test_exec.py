# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""When something is missing for ECS Exec, and what the plan makes of it."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec_plan
from test_plan import BARE
from test_plan import INSTANCE
from test_plan import RIGHT
from test_plan import STOPPED
from test_plan import WANTED
from test_plan import changed
from test_plan import names
from test_plan import plan

VERSION = "3.3.4108.0"
EXEC = {**WANTED, "exec": True}
LISTED = changed(INSTANCE, "ecs:attributes", {_exec_plan.CAPABILITY: None})


def host(*versions, ca_bundle=True, base=None):
    return changed(base or RIGHT, "exec", {"versions": list(versions), "ca_bundle": ca_bundle})


@pytest.mark.parametrize(
    "read, instance, steps, reason",
    [
        (host(VERSION), LISTED, [], None),
        (host("3.3.3050.0", VERSION), LISTED, [], None),
        (
            host(),
            INSTANCE,
            ["install_exec", "restart_ecs_agent", "wait"],
            f"no binaries of the SSM agent's version {VERSION}",
        ),
        (
            host("3.3.3050.0"),
            LISTED,
            ["install_exec", "restart_ecs_agent", "wait"],
            f"no binaries of the SSM agent's version {VERSION} (there is 3.3.3050.0)",
        ),
        (
            host(VERSION, "3.3.10000.0"),
            LISTED,
            ["install_exec", "restart_ecs_agent", "wait"],
            f"newer binaries (3.3.10000.0) than the SSM agent ({VERSION})",
        ),
        # authorities change often, and are looked at for every container
        (host(VERSION, ca_bundle=False), LISTED, ["install_exec", "wait"], "not the server's bundle of certificate"),
        # all is there, and the agent has not seen it: a run was killed
        (host(VERSION), INSTANCE, ["restart_ecs_agent", "wait"], f"ECS does not list {_exec_plan.CAPABILITY}"),
        (
            changed(host(), "ecs_agent:unit", STOPPED),
            INSTANCE,
            ["install_exec", "start", "wait"],
            "no binaries",
        ),
    ],
)
def test_what_ecs_exec_needs(read, instance, steps, reason):
    result = plan(read, instance=instance, wanted=EXEC)
    assert names(result) == steps
    assert reason is None or reason in result["steps"][0]["reason"]
    assert plan(host(), instance=INSTANCE)["steps"] == []  # whoever does not want it


@pytest.mark.parametrize("pin, version", [("", ""), ("3.3.3050.0", " 3.3.3050.0")])
def test_it_follows_the_agent_that_is_about_to_be_installed(pin, version):
    result = plan(host(base=BARE), instance=None, wanted={**EXEC, "ssm_agent_version": pin})
    (reason,) = [step["reason"] for step in result["steps"] if step["name"] == "install_exec"]
    assert reason == f"ECS Exec has no binaries of the SSM agent's version{version}"
    assert names(result).index("install_ssm_agent") < names(result).index("install_exec")


def test_another_version_of_the_agent_brings_its_binaries():
    result = plan(host(VERSION), instance=LISTED, wanted={**EXEC, "ssm_agent_version": "3.3.3050.0"})
    assert names(result) == ["install_ssm_agent", "install_exec", "start", "restart_ecs_agent", "wait"]
