# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._role_options import VARIABLES
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._role_options import options_of
from ansible_collections.hybrid.ecs_anywhere.plugins.plugin_utils._role_options import wanted_of

ROLE = Path(__file__).resolve().parents[4] / "roles" / "ecs_anywhere"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
GOOD = {**DEFAULTS, "ecs_anywhere_region": "eu-west-1", "ecs_anywhere_cluster": "edge"}


def wanted(**values):
    return wanted_of({**GOOD, **{f"ecs_anywhere_{key}": value for key, value in values.items()}}, options_of(ROLE))


def test_every_variable_is_one_that_the_role_documents():
    assert set(VARIABLES) <= set(options_of(ROLE))


def test_what_is_not_given_is_as_by_default():
    given = wanted()
    assert given == wanted_of({"ecs_anywhere_region": "eu-west-1", "ecs_anywhere_cluster": "edge"}, options_of(ROLE))
    assert (given["profile"], given["manage_iam_role"], given["iam_role_options"]) == ("", True, {})


def test_values_from_a_command_line_get_their_type():
    assert (wanted()["manage_cluster"], wanted(manage_cluster="yes")["manage_cluster"]) == (False, True)
    given = wanted(manage_iam_role="false", tags='{"site": "north"}', iam_role_options={"policy_mode": "custom"})
    assert given["manage_iam_role"] is False
    assert given["tags"] == {"site": "north"}
    assert given["iam_role_options"] == {"policy_mode": "custom"}


def test_settings_go_to_the_files_of_the_installer_as_texts_and_secrets_as_hashes():
    given = wanted(
        cluster="arn:aws:ecs:eu-west-1:123456789012:cluster/edge",
        agent_config={"ECS_ENGINE_AUTH_DATA": {"a": "secret"}, "ECS_X": True, "ECS_Y": None},
    )
    settings = given["ecs_config"]["/etc/ecs/ecs.config"]
    assert (settings["ECS_CLUSTER"], settings["ECS_X"], settings["ECS_Y"]) == ("edge", "true", None)
    assert settings["ECS_ENGINE_AUTH_DATA"].startswith("sha256:")
    assert given["ecs_config"]["/var/lib/ecs/ecs.config"] == {"AWS_DEFAULT_REGION": "eu-west-1", "ECS_EXTERNAL": "true"}
    assert "secret" not in str(given)


def test_how_to_leave_is_told_to_those_who_leave():
    assert wanted()["leave"] is None
    leave = wanted(state="absent", drain_timeout="60", force="yes")["leave"]
    assert (leave["drain_timeout"], leave["force"], leave["remove_packages"]) == (60, True, False)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("region", None, "missing required arguments: ecs_anywhere_region"),
        ("cluster", None, "missing required arguments: ecs_anywhere_cluster"),
        ("tags", "site", "argument 'ecs_anywhere_tags' is of type"),
        ("docker_source", "snap", "value of ecs_anywhere_docker_source must be one of"),
        ("manage_iam_role", "perhaps", "argument 'ecs_anywhere_manage_iam_role' is of type"),
        ("iam_role_options", {"policy_mode": "most"}, "value of policy_mode must be one of"),
        ("iam_role_options", {"mode": "managed"}, "unknown is ecs_anywhere_iam_role_options.mode"),
        ("agent_config", {"ECS_X": "a\nb"}, "line break"),
        ("attributes", {"ecs.rack": "1"}, "ecs_anywhere_attributes: ecs.rack is one of those that the ECS agent sets"),
        ("tags", {"aws:x": "1"}, "ecs_anywhere_tags: aws:x begins with aws:"),
    ],
)
def test_each_bad_value_is_named(key, value, says):
    with pytest.raises(ValueError) as error:
        wanted(**{key: value})
    assert says in str(error.value)


def test_attributes_and_tags_are_texts():
    given = wanted(attributes={"rack": 12, "gpu": True}, tags={"floor": 2})
    assert (given["attributes"], given["tags"]) == ({"rack": "12", "gpu": "true"}, {"floor": "2"})


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ValueError) as error:
        wanted(cluster=None, tags="north")
    assert "ecs_anywhere_cluster" in str(error.value) and "ecs_anywhere_tags" in str(error.value)
