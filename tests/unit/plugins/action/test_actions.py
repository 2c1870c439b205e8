# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the controller does around a module's execution."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import ClassVar

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.hybrid.ecs_anywhere.plugins.action import ecs_anywhere_host_info
from ansible_collections.hybrid.ecs_anywhere.plugins.action import ecs_external_instance
from ansible_collections.hybrid.ecs_anywhere.plugins.action import ecs_external_instance_info
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils import _watch

THERE = {
    "managed_instance_id": "mi-1",
    "ssm": {"ping_status": "Online"},
    "ecs": {"status": "ACTIVE", "agent_connected": True},
}
ABSENT = {"managed_instance_id": "mi-1", "ssm": None, "ecs": None}


def act(plugin, args, answers, strategy="linear", role=None, task_vars=None):
    """Run an action with a module that gives *answers*, one an execution. Returns the result and what it was asked."""
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    play = SimpleNamespace(strategy=strategy)
    action._task = SimpleNamespace(
        args=args, get_play=lambda: play, async_val=0, check_mode=False, diff=False, action="x", _role=role
    )
    action._supports_async = True
    asked = []

    def execute(module_args, task_vars):
        asked.append(module_args)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    action._execute_module = execute
    action._connection = SimpleNamespace(
        _shell=SimpleNamespace(tmpdir=None), _load_name="local", _play_context=None, become=None
    )
    action._templar = SimpleNamespace(template=lambda values: values)  # values here have no templates
    return action.run(task_vars=task_vars or {}), asked


class TestHostInfo:
    GOOD: ClassVar = {"ecs_anywhere_region": "eu-west-1", "ecs_anywhere_cluster": "edge"}

    def look(self, task_vars, strategy="linear", answers=({"hostname": "a"},), **args):
        return act(ecs_anywhere_host_info, args, answers, strategy, role=object(), task_vars=task_vars)

    def test_what_is_wanted_stays_on_the_controller(self):
        result, asked = self.look({**self.GOOD, "ecs_anywhere_preflight": False}, wanted=True)
        assert asked == [{}]
        assert result["hostname"] == "a"
        assert json.loads(result["wanted"])["region"] == "eu-west-1"

    def test_a_bad_variable_of_the_role_fails_before_anything(self):
        result, asked = self.look({"ecs_anywhere_region": "eu-west-1"}, wanted=True)
        assert result["failed"] and "ecs_anywhere_cluster" in result["msg"] and asked == []

    def test_nothing_is_wanted_outside_of_a_role(self):
        result, asked = act(ecs_anywhere_host_info, {"wanted": True}, [{}], task_vars=self.GOOD)
        assert result["failed"] and "only a role" in result["msg"] and asked == []

    def test_nothing_is_wanted_in_the_words_of_a_command_line(self):
        result, asked = act(ecs_anywhere_host_info, {"wanted": "false"}, [{"hostname": "a"}])
        assert result == {"hostname": "a"} and asked == [{}]

    def test_a_proxy_is_its_variables_and_its_password_goes_to_the_server_alone(self):
        variables = {**self.GOOD, "ecs_anywhere_proxy": "http://u:hunter2@proxy:1"}
        result, asked = self.look(variables, wanted=True)
        assert json.loads(result["wanted"])["proxy"]["HTTPS_PROXY"].endswith("@proxy:1")
        assert "hunter2" not in str(result)
        (args,) = asked
        assert args["preflight"]["environment"]["HTTPS_PROXY"] == "http://u:hunter2@proxy:1"
        assert args["preflight"]["endpoints"][0]["host"] == "ssm.eu-west-1.amazonaws.com"

    @pytest.mark.parametrize("variables", [{"ecs_anywhere_preflight": False}, {"ecs_anywhere_state": "absent"}])
    def test_no_look_around_a_server_if_nobody_wants_it_or_it_is_to_leave(self, variables):
        assert self.look({**self.GOOD, **variables}, wanted=True)[1] == [{}]

    @pytest.mark.parametrize(
        "variables, sentence",
        [
            ({"ecs_anywhere_proxy": {"ftp": "x"}}, "ecs_anywhere_proxy is a URL"),
            ({"ecs_anywhere_ssm_agent_config": {"A": 1}}, "ecs_anywhere_ssm_agent_config: A is no section"),
        ],
    )
    def test_variables_that_mean_nothing_fail_before_anything(self, variables, sentence):
        result, asked = self.look({**self.GOOD, **variables}, wanted=True)
        assert result["failed"] and sentence in result["msg"] and asked == []

    @pytest.mark.parametrize("strategy", ["free", "host_pinned", "ansible.builtin.free"])
    def test_a_strategy_without_once_is_refused(self, strategy):
        result, asked = self.look(self.GOOD, strategy, wanted=True)
        assert result["failed"] and strategy.rsplit(".", 1)[-1] in result["msg"] and asked == []

    @pytest.mark.parametrize("strategy", ["linear", "ansible.builtin.linear", "debug"])
    def test_a_linear_strategy_is_fine_and_any_without_a_batch(self, strategy):
        assert "failed" not in self.look(self.GOOD, strategy, wanted=True)[0]
        assert "failed" not in self.look({}, "free")[0]

    @pytest.mark.parametrize(
        ("state", "unreachable", "told"),
        [("absent", "aws_side", True), ("absent", "fail", False), ("present", "aws_side", False)],
    )
    def test_a_server_out_of_reach_is_known_only_if_it_is_to_leave(self, state, unreachable, told):
        lost = AnsibleConnectionFailure("no route to host")
        wanted = {**self.GOOD, "ecs_anywhere_state": state, "ecs_anywhere_unreachable": unreachable}
        if not told:
            with pytest.raises(AnsibleConnectionFailure):
                self.look(wanted, wanted=True, answers=[lost])
            return
        result, _asked = self.look(wanted, wanted=True, answers=[lost])
        assert (result["out_of_reach"], json.loads(result["wanted"])["state"]) == (True, "absent")
        assert "no route to host" in result["msg"]


class TestWaiting:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        now = [0.0]
        said = []
        monkeypatch.setattr(ecs_external_instance_info.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(ecs_external_instance_info.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
        monkeypatch.setattr(ecs_external_instance_info.display, "display", said.append)
        return said

    def test_without_wait_it_looks_once(self):
        result, asked = act(ecs_external_instance_info, {"cluster": "c"}, [{"instances": [ABSENT]}])
        assert len(asked) == 1 and "failed" not in result

    def test_it_looks_until_all_are_there_and_tells_each_change_once(self, clock):
        answers = [{"instances": [ABSENT]}, {"instances": [ABSENT]}, {"instances": [THERE]}]
        result, asked = act(ecs_external_instance_info, {"cluster": "c", "wait": True}, answers)
        assert asked == [{"cluster": "c"}] * 3
        assert "failed" not in result and result["instances"] == [THERE]
        assert [line.split(";")[0] for line in clock] == ["c: 0 of 1 connected", "c: 1 of 1 connected"]

    def test_it_gives_up_in_time_and_keeps_what_it_saw(self):
        args = {"cluster": "c", "wait": True, "wait_timeout": 12}
        result, asked = act(ecs_external_instance_info, args, [{"instances": [ABSENT]}])
        assert result["failed"] and result["missing"] == ["mi-1"] and result["instances"] == [ABSENT]
        assert "0 of 1 connected" in result["msg"]
        assert len(asked) == 4  # at 0, 5, 10 and 15 seconds

    def test_a_failure_ends_it(self):
        result, asked = act(ecs_external_instance_info, {"cluster": "c", "wait": True}, [{"failed": True, "msg": "no"}])
        assert len(asked) == 1 and result["msg"] == "no"


class TestDraining:
    """ecs_external_instance, executed until nothing is left to wait for."""

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        now = [0.0]
        said = []
        monkeypatch.setattr(_watch.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(_watch.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
        monkeypatch.setattr(_watch.display, "display", said.append)
        return said

    ARGS: ClassVar = {"cluster": "c", "state": "draining", "managed_instance_ids": ["mi-1", "mi-2"]}

    @staticmethod
    def entry(n, **changes):
        rest = {"changed": True, "failed": False, "msg": "", "status": "DRAINING", "status_before": "ACTIVE"}
        return {"managed_instance_id": f"mi-{n}", "stopped_tasks": [], "waits_for": "", **rest, **changes}

    def first(self):
        return {
            "changed": True,
            "instances": [self.entry(1), self.entry(2, waits_for="1 task to end")],
            "unfinished": ["mi-2"],
        }

    def later(self, **changes):
        entry = self.entry(2, changed=False, status_before="DRAINING", **changes)
        return {"changed": False, "instances": [entry], "unfinished": ["mi-2"] if changes else []}

    def test_only_those_that_are_not_finished_are_looked_at_again(self, clock):
        answers = [self.first(), self.later(waits_for="1 task to end"), self.later()]
        result, asked = act(ecs_external_instance, self.ARGS, answers)
        assert [a["managed_instance_ids"] for a in asked] == [["mi-1", "mi-2"], ["mi-2"], ["mi-2"]]
        assert "failed" not in result and result["changed"] and len(result["instances"]) == 2
        assert clock == ["c: 1 of 2 finished; waiting for mi-2 (1 task to end)", "c: 2 of 2 finished"]

    def test_without_wait_it_is_executed_once(self):
        result, asked = act(ecs_external_instance, {**self.ARGS, "wait": "no"}, [self.first()])
        assert len(asked) == 1 and result["unfinished"] == ["mi-2"] and "failed" not in result

    def test_it_gives_up_in_time(self):
        answers = [self.first(), self.later(waits_for="1 task to end")]
        result, asked = act(ecs_external_instance, {**self.ARGS, "wait_timeout": 12}, answers)
        assert result["failed"] and "1 of 2 instances failed. mi-2: Timed out" in result["msg"]
        assert len(asked) == 4 and all(a["state"] == "draining" for a in asked)

    def test_it_restores_what_it_could_not_drain(self):
        answers = [self.first(), self.later(waits_for="1 task to end"), self.later(status="ACTIVE")]
        args = {**self.ARGS, "wait_timeout": 5, "restore_on_timeout": True}
        result, asked = act(ecs_external_instance, args, answers)
        assert [(a["state"], a["managed_instance_ids"]) for a in asked[1:]] == [
            ("draining", ["mi-2"]),
            ("active", ["mi-2"]),
        ]
        assert result["failed"] and [i["status"] for i in result["instances"]] == ["DRAINING", "ACTIVE"]

    def test_a_look_that_fails_ends_it_and_keeps_what_is_known(self):
        answers = [self.first(), {"failed": True, "msg": "denied", "changed": False}]
        result, _asked = act(ecs_external_instance, self.ARGS, answers)
        assert result["failed"] and result["msg"] == "denied" and result["changed"] and len(result["instances"]) == 2
