# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The SSM agent's configuration file: what is wanted there, what is wrong with it, what follows."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_config
from test_plan import BARE
from test_plan import RIGHT
from test_plan import WANTED
from test_plan import changed
from test_plan import names
from test_plan import plan


@pytest.mark.parametrize(
    "given, profile, ec2, expected",
    [
        ({}, "", False, {}),
        (None, None, False, {}),
        ({"Ssm": {"Endpoint": "x"}}, "", False, {"Ssm": {"Endpoint": "x"}}),
        ({}, "ecs", False, {"Profile": {"ShareProfile": "ecs"}}),
        ({"Profile": {"ShareCreds": True}}, "ecs", False, {"Profile": {"ShareProfile": "ecs", "ShareCreds": True}}),
        ({}, "", True, {"Identity": {"ConsumptionOrder": ["OnPrem"]}}),
    ],
)
def test_what_the_variables_ask_for(given, profile, ec2, expected):
    assert _ssm_config.wanted_config(given, profile, ec2) == expected


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"ShareProfile": "ecs"}, "ShareProfile is no section"),
        ({"Profile": {"ShareCreds": "yes"}}, "Profile.ShareCreds has to be true or false"),
        ({"Ssm": {"HealthFrequencyMinutes": "5"}}, "Ssm.HealthFrequencyMinutes has to be a whole number"),
        ({"Ssm": {"HealthFrequencyMinutes": True}}, "a whole number"),
        ({"Ssm": {"Endpoint": 1}}, "Ssm.Endpoint has to be a text"),
        ({"Identity": {"ConsumptionOrder": "OnPrem"}}, "has to be a list"),
        ({"Other": {"Thing": None}}, "Other.Thing has to be a value"),
        ({"Profile": {"ShareProfile": "mine"}}, "another Profile.ShareProfile than ecs_anywhere_credentials_profile"),
    ],
)
def test_what_the_agent_would_not_understand_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        _ssm_config.wanted_config(given, "ecs", False)


@pytest.mark.parametrize(
    "text, settings, problem",
    [
        (None, {}, None),
        ('{"Profile": {"ShareCreds": true}, "Mds": null}', {"Profile": {"ShareCreds": True}, "Mds": None}, None),
        ("{", {}, "no valid JSON"),
        ("[]", {}, "no JSON object"),
        ('{"Ssm": {"Endpoint": 1}}', {"Ssm": {"Endpoint": 1}}, "Ssm.Endpoint has to be a text"),
    ],
)
def test_what_a_file_says(text, settings, problem):
    found = _ssm_config.parse(text)
    assert found[0] == settings
    assert (problem in found[1]) if problem else (found[1] is None)


def config(**values):
    return {"exists": True, "problem": None, "newer_than_agent": False, "settings": {}, **values}


PROFILE = {**WANTED, "ssm_config": {"Ssm": {"HealthFrequencyMinutes": 10}}}


@pytest.mark.parametrize(
    "host, wanted, steps",
    [
        (changed(RIGHT, "ssm_config", config()), WANTED, []),
        (changed(RIGHT, "ssm_config", config(settings=PROFILE["ssm_config"])), PROFILE, []),
        (
            changed(RIGHT, "ssm_config", config(settings={"Ssm": {"HealthFrequencyMinutes": 5}})),
            PROFILE,
            ["configure_ssm_agent", "restart_ssm_agent", "wait"],
        ),
        (changed(RIGHT, "ssm_config", config()), PROFILE, ["configure_ssm_agent", "restart_ssm_agent", "wait"]),
        # a run that was killed before the restart, or an administrator who forgot it
        (changed(RIGHT, "ssm_config", config(newer_than_agent=True)), WANTED, ["restart_ssm_agent", "wait"]),
    ],
)
def test_the_agent_is_restarted_when_its_file_changes(host, wanted, steps):
    assert names(plan(host, wanted=wanted)) == steps


def test_a_registration_restarts_the_agent_anyway():
    steps = names(plan(changed(BARE, "ssm_config", config()), None, PROFILE))
    assert "configure_ssm_agent" in steps and "restart_ssm_agent" not in steps


@pytest.mark.parametrize(
    "held, wanted, planned, problem",
    [
        (40, 0, False, None),
        (40, 40, False, None),
        (40, 10, True, None),
        (None, -1, True, None),
        (40, 101, False, "has to be 1 to 100, or -1"),
        (40, -2, False, "ecs_anywhere_similarity_threshold is -2"),
    ],
)
def test_the_similarity_threshold(held, wanted, planned, problem):
    result = plan(changed(RIGHT, "similarity_threshold", held), wanted={**WANTED, "similarity_threshold": wanted})
    assert names(result) == (["set_similarity_threshold", "wait"] if planned else [])
    assert [problem in p for p in result["problems"]] == ([True] if problem else [])


def test_a_file_that_the_agent_does_not_understand_is_told():
    result = plan(changed(RIGHT, "ssm_config", config(problem="it is no valid JSON")))
    assert result["problems"] == [
        "/etc/amazon/ssm/amazon-ssm-agent.json is not what the SSM agent understands: it is no valid JSON. It takes "
        "its defaults instead without a word: repair the file, or remove it"
    ]
