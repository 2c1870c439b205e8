# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What takes a server out, as a table: one that works, and one difference at a time."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_groups
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leave_plan import leave_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._server_name import is_name_of

MI = "mi-0123456789abcdef0"
OTHER = "mi-0123456789abcdef1"
ARN = "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef"
UNIT = {"load_state": "loaded", "active_state": "active", "unit_file_state": "enabled"}
OPTIONS = {
    "managed_instance_id": "",
    "drain_timeout": 600,
    "stop_standalone_tasks": False,
    "restore_on_timeout": False,
    "force": False,
    "remove_packages": False,
}
WANTED = {
    "state": "absent",
    "region": "eu-west-1",
    "cluster": "edge",
    "profile": "",
    "iam_role": "ecsAnywhereRole",
    "manage_iam_role": True,
    "iam_role_options": {},
    "activation_id": "11111111-1111-4111-8111-111111111111",
    "activation_lifetime": "1h",
    "instance_name": "",
    "tags": {},
    "ssm_agent_version": "",
    "ecs_agent_version": "",
    "docker_source": "distro",
    "repair_clones": True,
    "leave": OPTIONS,
    "ecs_config": {
        "/etc/ecs/ecs.config": {"ECS_CLUSTER": "edge", "ECS_LOGLEVEL": "info"},
        "/var/lib/ecs/ecs.config": {"AWS_DEFAULT_REGION": "eu-west-1", "ECS_EXTERNAL": "true"},
    },
}
THERE = {
    "hostname": "edge1",
    "ip_addresses": ["192.0.2.1"],
    "systemd": True,
    "effective_user_is_root": True,
    "ssm_agent": {
        "installed": True,
        "binary": "/usr/bin/amazon-ssm-agent",
        "unit": {**UNIT, "name": "amazon-ssm-agent.service"},
        "fingerprint_mismatch": None,
        "registration": {
            "managed_instance_id": MI,
            "region": "eu-west-1",
            "stale": False,
            "former_managed_instance_id": None,
            "former_container_instances": [],
            "problem": None,
            "interrupted": None,
        },
    },
    "ecs_agent": {
        "installed": True,
        "unit": {**UNIT, "name": "ecs.service"},
        "introspection": {"cluster": "edge", "container_instance_arn": ARN},
        "saved_state": True,
    },
    "ecs_config": {
        "/etc/ecs/ecs.config": {"exists": True, "settings": {"ECS_CLUSTER": "edge", "MINE": "1"}},
        "/var/lib/ecs/ecs.config": {"exists": True, "settings": {"ECS_EXTERNAL": "true"}},
    },
    "remains": ["/root/.aws/credentials"],
}
INSTANCE = {
    "managed_instance_id": MI,
    "ssm": {"ping_status": "Online", "computer_name": "edge1.example.com"},
    "ecs": {
        "container_instance_arn": ARN,
        "status": "ACTIVE",
        "agent_connected": True,
        "running_tasks_count": 1,
        "pending_tasks_count": 0,
    },
    "duplicates": [],
}
DEAD = {
    **INSTANCE,
    "ssm": {"ping_status": "ConnectionLost", "computer_name": "edge1"},
    "ecs": {**INSTANCE["ecs"], "agent_connected": False},
}
UNREACHABLE = {"out_of_reach": True, "msg": "no route to host"}
EVERYTHING = ["deregister", "stop", "clear_registration", "remove_settings", "remove_remains"]


def changed(base, **values):
    """A deep copy with other values at dotted paths, dots written as two underscores."""
    result = copy.deepcopy(base)
    for path, value in values.items():
        at = result
        *parents, last = path.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return result


def gone():
    """A server that has left."""
    stopped = {**UNIT, "active_state": "inactive", "unit_file_state": "disabled"}
    result = changed(
        THERE,
        ssm_agent__unit={**stopped, "name": "amazon-ssm-agent.service"},
        ssm_agent__registration__managed_instance_id=None,
        ssm_agent__registration__region=None,
        ecs_agent__unit={**stopped, "name": "ecs.service"},
        ecs_agent__introspection=None,
        ecs_agent__saved_state=False,
        remains=[],
    )
    result["ecs_config"]["/etc/ecs/ecs.config"]["settings"] = {"MINE": "1"}
    result["ecs_config"]["/var/lib/ecs/ecs.config"] = {"exists": False, "settings": {}}
    return result


def plan(host, *instances, wanted=None, error=None):
    wanted = wanted or WANTED
    found = {i["managed_instance_id"]: i for i in instances}
    full = {**host, "wanted": wanted}
    return leave_plan("edge1", full, {"error": error, "account": "123456789012", "instances": found}, wanted)


def names(result):
    return [step["name"] for step in result["steps"]]


def test_a_server_that_works_takes_every_step_in_order():
    result = plan(THERE, INSTANCE)
    assert (names(result), result["problems"]) == (EVERYTHING, [])
    assert result["managed_instance_id"] == MI
    assert result["settings"] == {"/etc/ecs/ecs.config": ["ECS_CLUSTER"], "/var/lib/ecs/ecs.config": ["ECS_EXTERNAL"]}
    assert "(ACTIVE, 1 task)" in result["steps"][0]["reason"]
    assert f"its managed node {MI} (Online)" in result["steps"][0]["reason"]
    assert result["steps"][1]["reason"] == (
        "ecs.service is active, enabled; amazon-ssm-agent.service is active, enabled"
    )


def test_a_server_that_has_left_or_never_came_has_nothing_to_do():
    assert names(plan(gone())) == []
    never = changed(
        gone(), ssm_agent__installed=False, ssm_agent__binary=None, ssm_agent__unit=None, ecs_agent__unit=None
    )
    assert names(plan(never)) == []


@pytest.mark.parametrize(
    "host, instances, steps, reason",
    [
        # killed after any of the steps
        (THERE, [{**INSTANCE, "ecs": None}], EVERYTHING, "Systems Manager has its managed node"),
        (THERE, [{**INSTANCE, "ssm": None}], EVERYTHING, "the cluster has its container instance"),
        (THERE, [], EVERYTHING[1:], "ecs.service is active"),
        (changed(gone(), ecs_agent__unit__unit_file_state="enabled"), [], ["stop"], "ecs.service is enabled"),
        (changed(gone(), ecs_agent__unit__active_state="activating"), [], ["stop"], "ecs.service is activating"),
        (changed(gone(), ecs_agent__unit__active_state="failed"), [], [], ""),
        (changed(gone(), ecs_agent__unit__load_state="masked"), [], [], ""),
        (
            changed(gone(), ssm_agent__registration__managed_instance_id=MI),
            [],
            ["clear_registration"],
            f"the server says it is {MI}",
        ),
        (
            changed(gone(), ssm_agent__registration__interrupted={"backup_managed_instance_id": MI}),
            [INSTANCE],
            ["deregister", "clear_registration"],
            "Online",
        ),
        (
            changed(
                gone(), ssm_agent__registration__stale=True, ssm_agent__registration__former_managed_instance_id=MI
            ),
            [],
            ["clear_registration"],
            f"a file still names {MI}",
        ),
        (changed(gone(), ecs_agent__saved_state=True), [], ["clear_registration"], "state of a container instance"),
        (changed(gone(), remains=["/x"]), [], ["remove_remains"], "there is /x"),
        # its package is half there, its binary can clear the vault all the same
        (
            changed(gone(), ssm_agent__installed=False, ssm_agent__registration__managed_instance_id=MI),
            [],
            ["clear_registration"],
            f"the server says it is {MI}",
        ),
        # without the agent its vault cannot be cleared, only removed
        (
            changed(
                gone(),
                ssm_agent__installed=False,
                ssm_agent__binary=None,
                ssm_agent__registration__managed_instance_id=MI,
                remains=["/vault"],
            ),
            [],
            ["remove_remains"],
            "/vault",
        ),
    ],
)
def test_what_is_left_to_do(host, instances, steps, reason):
    result = plan(host, *instances)
    assert names(result) == steps
    assert reason in "; ".join(step["reason"] for step in result["steps"])


def former(**more):
    return changed(
        gone(), ssm_agent__registration__stale=True, ssm_agent__registration__former_managed_instance_id=MI, **more
    )


AGENT = {"cluster": "edge", "container_instance_arn": ARN}


@pytest.mark.parametrize(
    "host, instance, found",
    [
        (former(), INSTANCE, MI),  # the name is the server's
        (former(hostname="edge9"), INSTANCE, None),  # the image of another server
        (former(hostname="edge9", ecs_agent__introspection=AGENT), INSTANCE, MI),
    ],
    ids=["by name", "not proven", "by its agent"],
)
def test_a_former_id_counts_only_if_it_was_this_servers(host, instance, found):
    assert plan(host, instance)["managed_instance_id"] == found


def test_an_id_that_is_given_counts_where_the_server_does_not_know_it():
    wanted = changed(WANTED, leave__managed_instance_id=MI)
    assert plan(gone(), INSTANCE, wanted=wanted)["managed_instance_id"] == MI


@pytest.mark.parametrize(
    "host, wanted, problem",
    [
        (changed(THERE, effective_user_is_root=False), WANTED, "root is needed"),
        (changed(THERE, systemd=False), WANTED, "systemd is not its init"),
        (changed(THERE, ssm_agent__registration__problem="it holds no valid JSON"), WANTED, "nobody can tell"),
        (changed(THERE, ssm_agent__registration__region="eu-west-2"), WANTED, "check ecs_anywhere_region"),
        (changed(THERE, ecs_agent__introspection__cluster="prod"), WANTED, "cluster prod: check ecs_anywhere_cluster"),
        (THERE, changed(WANTED, leave__managed_instance_id=OTHER), f"registered as {MI}, but"),
    ],
)
def test_what_stands_in_the_way(host, wanted, problem):
    result = plan(host, INSTANCE, wanted=wanted)
    assert problem in "; ".join(result["problems"])
    assert result["steps"] == [] and result["managed_instance_id"] is None


def test_an_error_of_aws_stands_in_the_way():
    assert plan(THERE, error="There is no ECS cluster edge")["problems"] == ["There is no ECS cluster edge"]


def test_packages_are_removed_only_if_asked():
    wanted = changed(WANTED, leave__remove_packages=True)
    assert plan(gone(), wanted=wanted)["steps"] == [
        {"name": "remove_packages", "reason": "the SSM agent and the ECS agent is to be removed"}
    ]
    # the vault of an agent is a remain only without the agent
    left = changed(gone(), remains=["/var/cache/apt/archives/ecs_anywhere-amazon-ssm-agent.deb"])
    assert names(plan(left, wanted=wanted)) == ["remove_packages", "remove_remains"]
    bare = changed(gone(), ssm_agent__installed=False, ssm_agent__binary=None, ecs_agent__installed=False)
    assert names(plan(bare, wanted=wanted)) == []
    # what packages leave goes after them
    assert names(plan({**gone(), "remains": ["/x"]}, wanted=wanted)) == ["remove_packages", "remove_remains"]


@pytest.mark.parametrize(
    "instances, options, found, problem",
    [
        ([DEAD], {}, MI, None),
        ([], {}, None, None),
        ([DEAD], {"managed_instance_id": MI}, MI, None),
        ([DEAD], {"managed_instance_id": OTHER}, None, None),
        ([{**DEAD, "ssm": {**DEAD["ssm"], "computer_name": "edge2"}}], {}, None, None),
        ([DEAD, {**DEAD, "managed_instance_id": OTHER}], {}, None, f"2 managed nodes have its name ({MI}, {OTHER})"),
        ([INSTANCE], {}, None, "its ECS agent is connected"),
        ([{**INSTANCE, "ecs": None}], {}, None, "Systems Manager says Online"),
        ([{**DEAD, "ecs": None}], {}, MI, None),
        # Systems Manager notices late
        ([{**DEAD, "ssm": INSTANCE["ssm"]}], {}, MI, None),
        ([INSTANCE], {"force": True}, MI, None),
    ],
)
def test_a_server_that_cannot_be_reached_leaves_at_aws_alone(instances, options, found, problem):
    result = plan(UNREACHABLE, *instances, wanted={**WANTED, "leave": {**OPTIONS, **options}})
    assert result["managed_instance_id"] == found
    assert names(result) == (["deregister"] if found else [])
    assert result["force"] or problem
    assert (problem in result["problems"][0]) if problem else result["problems"] == []


def fleet(reads, *instances):
    return [{"item": group, "instances": list(instances)} for group in batch_groups(reads, "fleet")]


def test_a_batch_leaves_in_one_group_for_each_way_of_doing_it():
    second = changed(THERE, ssm_agent__registration__managed_instance_id=OTHER)
    named = {**DEAD, "managed_instance_id": "mi-0123456789abcdef2", "ssm": {**DEAD["ssm"], "computer_name": "edge3"}}
    reads = {
        "edge1": {**THERE, "wanted": json.dumps(WANTED)},
        "edge2": {**second, "wanted": json.dumps(WANTED)},
        "edge3": {**UNREACHABLE, "wanted": json.dumps(WANTED)},
        "edge4": {**gone(), "wanted": json.dumps(WANTED)},
    }
    (group,) = batch_groups(reads, "fleet")
    assert group["managed_instance_ids"] == [MI, OTHER]
    assert group["computer_names"] == ["edge3"]
    batch = batch_plan(reads, fleet(reads, INSTANCE, {**INSTANCE, "managed_instance_id": OTHER}, named))
    assert batch["todo"] == ["edge1", "edge2", "edge3"]
    assert [(g["managed_instance_ids"], g["force"]) for g in batch["leaving"]] == [
        ({"edge1": MI, "edge2": OTHER}, False),
        ({"edge3": "mi-0123456789abcdef2"}, True),
    ]
    assert [batch["plans"][h]["leaving"] for h in ("edge1", "edge3")] == [g["key"] for g in batch["leaving"]]


def test_what_a_leaving_server_was_before_goes_with_it():
    former = ARN[:-1] + "0"
    host = changed(THERE, ssm_agent__registration__former_container_instances=[former])
    reads = {"edge1": {**host, "wanted": json.dumps(WANTED)}}
    batch = batch_plan(reads, fleet(reads, INSTANCE))
    assert [step["name"] for step in batch["plans"]["edge1"]["steps"]][:2] == ["deregister", "retire"]
    assert [group["container_instances"] for group in batch["leftovers"]] == [{"edge1": [former]}]


def test_servers_that_leave_need_neither_role_nor_activation_nor_a_wait():
    reads = {"edge1": {**THERE, "wanted": json.dumps(WANTED)}, "edge3": {**UNREACHABLE, "wanted": json.dumps(WANTED)}}
    assert batch_groups(reads, "role") == batch_groups(reads, "activation") == []
    assert batch_groups(reads, "fleet", {"edge1": {}, "edge3": {}}) == []
    batch = batch_plan(reads, fleet(reads))
    assert (batch["activations"], batch["node_roles"], batch["leftovers"]) == ([], [], [])


def test_two_servers_of_one_identity_do_not_leave():
    reads = {name: {**THERE, "wanted": json.dumps(WANTED)} for name in ("edge1", "edge2")}
    batch = batch_plan(reads, fleet(reads, INSTANCE))
    assert "one was cloned" in batch["plans"]["edge1"]["problems"][0]
    assert batch["leaving"] == []


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("edge1", "edge1", True),
        ("Edge1.", "edge1", True),
        ("edge1", "edge1.example.com", True),
        ("edge1.example.com", "edge1", True),
        ("edge1.example.com", "edge1.example.org", False),
        ("edge1", "edge10", False),
        ("edge1.example", "edge1.example.com", False),
        ("10", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("", "", False),
        ("edge1", None, False),
    ],
)
def test_names_of_one_server(one, other, same):
    assert is_name_of(one, other) is same
