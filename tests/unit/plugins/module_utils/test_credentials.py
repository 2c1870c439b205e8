# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Credentials on a server that are not its managed node's."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _credentials
from test_plan import RIGHT
from test_plan import WANTED
from test_plan import changed
from test_plan import plan

KEY = "aws_access_key_id = AKIA\naws_secret_access_key = s\n"
TOKEN = KEY + "aws_session_token = t\n"
OURS = {"InstanceId": "mi-1", "ShareProfile": ""}


@pytest.mark.parametrize(
    "text, found",
    [
        ("", {}),
        (f"[default]\n{TOKEN}\n[backup]\n{KEY}", {"default": True, "backup": False}),
        ("[default]\nregion = eu-west-1\n", {}),
        (KEY, None),
    ],
)
def test_profiles_of_a_file(text, found):
    assert _credentials.read_profiles(text) == found


@pytest.mark.parametrize(
    "profiles, record, owner",
    [
        ({}, OURS, None),
        (None, OURS, None),
        ({"backup": False}, {}, None),
        ({"default": True}, OURS, "agent"),
        ({"default": True}, {**OURS, "ShareProfile": "default"}, "agent"),
        ({"default": False}, OURS, "foreign"),  # somebody's own key, without a token
        ({"default": True}, {}, "foreign"),  # no agent has written anything yet
        ({"default": True}, {**OURS, "ShareProfile": "ecs"}, "foreign"),
    ],
)
def test_whose_the_default_profile_is(profiles, record, owner):
    assert _credentials.default_owner(profiles, record, False) == owner


@pytest.mark.parametrize(
    "profiles, record, owner",
    [
        ({"default": True}, {}, "agent"),  # a repair of the node role removes the record
        ({"default": False}, {}, "foreign"),
        ({"default": True}, {**OURS, "ShareProfile": "ecs"}, "foreign"),
    ],
)
def test_a_registered_agent_without_a_record_owns_what_has_a_token(profiles, record, owner):
    assert _credentials.default_owner(profiles, record, True) == owner


def test_variables_of_a_unit():
    shown = (
        'LANG=C AWS_ACCESS_KEY_ID=AKIA "AWS_SECRET_ACCESS_KEY=a b" AWS_DEFAULT_REGION=x AWS_PROFILE=y MY_AWS_PROFILE=z'
    )
    assert _credentials.of_environment(shown) == ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"]


def read(default=None, ecs=(), ssm=()):
    variables = {"ecs.service": list(ecs), "amazon-ssm-agent.service": list(ssm)}
    return {"profiles": [], "default": default, "unit_variables": variables}


ETC = "ecs_config:/etc/ecs/ecs.config:settings"
EC2 = {"reachable": True, "role": "web"}
IN_ECS = {**WANTED, "ssm_config": {"Profile": {"ShareProfile": "ecs"}}}
IN_ECS = changed(
    IN_ECS, "ecs_config:/etc/ecs/ecs.config", {"ECS_CLUSTER": "edge", "ECS_ALTERNATE_CREDENTIAL_PROFILE": "ecs"}
)
BOTH = changed(RIGHT, "ssm_config", {"problem": None, "settings": IN_ECS["ssm_config"]})


@pytest.mark.parametrize(
    "host, wanted, sentence",
    [
        (changed(RIGHT, "credentials", read()), WANTED, None),
        (changed(RIGHT, "credentials", read("agent")), WANTED, None),
        (changed(RIGHT, "credentials", read("foreign")), WANTED, "the profile [default] of /root/.aws/credentials"),
        (changed(RIGHT, "credentials", read("foreign")), IN_ECS, None),
        (changed(RIGHT, "credentials", read(ecs=["AWS_PROFILE"])), WANTED, "AWS_PROFILE in the environment of ecs"),
        (changed(RIGHT, "credentials", read(ssm=["AWS_ROLE_ARN"])), WANTED, "environment of amazon-ssm-agent.service"),
        (changed(RIGHT, f"{ETC}:AWS_ACCESS_KEY_ID", "x"), WANTED, "AWS_ACCESS_KEY_ID in /etc/ecs/ecs.config"),
        # the run takes it away
        (
            changed(RIGHT, f"{ETC}:AWS_ACCESS_KEY_ID", "x"),
            changed(WANTED, "ecs_config:/etc/ecs/ecs.config:AWS_ACCESS_KEY_ID", None),
            None,
        ),
        (RIGHT, changed(WANTED, "ecs_config:/etc/ecs/ecs.config:AWS_PROFILE", "x"), "AWS_PROFILE in /etc/ecs"),
        # the two agents have to agree on the profile
        (BOTH, WANTED, "into the profile ecs, the ECS agent looks for them in default"),
        (BOTH, IN_ECS, None),
        (RIGHT, IN_ECS, None),
        (RIGHT, {**WANTED, "ssm_config": {"Profile": {"ShareCreds": False}}}, "Profile.ShareCreds is false"),
        (changed(RIGHT, "imds", EC2), WANTED, "EC2 instance with the role web"),
        (changed(RIGHT, "imds", EC2), {**WANTED, "ec2_as_external": True}, None),
        (
            changed(changed(RIGHT, "imds", EC2), "ecs_agent:version", "1.99.1-1"),
            {**WANTED, "ec2_as_external": True},
            "ECS agents before 1.100.0 prefer the EC2 role web, and this one is 1.99.1-1",
        ),
    ],
)
def test_what_stands_in_the_way(host, wanted, sentence):
    problems = plan(host, wanted=wanted)["problems"]
    assert len(problems) == (1 if sentence else 0)
    assert sentence is None or sentence in problems[0]
