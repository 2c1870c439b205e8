# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The plan as a table: a server that is right, and one difference at a time."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import ACTIVATION
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import FLEET
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import NODE_ROLE
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_groups
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import group_key
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._drain_mark import MARK
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._leftovers import by_cluster
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._plan import registration_plan

MI = "mi-0123456789abcdef0"
ARN = "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef"
UNIT = {"load_state": "loaded", "active_state": "active", "sub_state": "running", "unit_file_state": "enabled"}

WANTED = {
    "region": "eu-west-1",
    "cluster": "edge",
    "profile": "",
    "iam_role": "ecsAnywhereRole",
    "manage_iam_role": True,
    "iam_role_options": {},
    "activation_id": "",
    "activation_lifetime": "1h",
    "instance_name": "",
    "tags": {},
    "ssm_agent_version": "",
    "ecs_agent_version": "",
    "docker_source": "distro",
    "move_options": {},
    "repair_clones": False,
    "ecs_config": {
        "/etc/ecs/ecs.config": {"ECS_CLUSTER": "edge"},
        "/var/lib/ecs/ecs.config": {"AWS_DEFAULT_REGION": "eu-west-1", "ECS_EXTERNAL": "true"},
    },
}

RIGHT = {
    "hostname": "edge1",
    "ip_addresses": ["192.0.2.10"],
    "architecture": "x86_64",
    "package_architecture": "amd64",
    "os": {
        "id": "debian",
        "version_id": "12",
        "pretty_name": "Debian GNU/Linux 12 (bookworm)",
        "family": "debian",
    },
    "systemd": True,
    "effective_user_is_root": True,
    "imds": {"reachable": False, "role": None},
    "package_manager": {"name": "dpkg", "interrupted": False, "half_installed": [], "command_only": False},
    "docker": {
        "installed": True,
        "engine_version": "20.10.24",
        "min_api_version": "1.12",
        "podman_shim": False,
        "unit": UNIT,
    },
    "ssm_agent": {
        "installed": True,
        "version": "3.3.4108.0-1",
        "unit": UNIT,
        "fingerprint_mismatch": None,
        "registration": {
            "managed_instance_id": MI,
            "region": "eu-west-1",
            "registered_at": "2026-11-23T16:51:45Z",
            "age": 86400,
            "stale": False,
            "former_managed_instance_id": None,
            "former_container_instances": [],
            "problem": None,
            "interrupted": None,
        },
    },
    "ecs_agent": {
        "installed": True,
        "version": "1.105.1-1",
        "unit": UNIT,
        "introspection": {"cluster": "edge", "container_instance_arn": ARN, "version": "1.105.1"},
        "saved_state": True,
        "log_tail": None,
    },
    "ecs_config": {
        "/etc/ecs/ecs.config": {"exists": True, "canonical": True, "settings": {"ECS_CLUSTER": "edge", "MINE": "1"}},
        "/var/lib/ecs/ecs.config": {
            "exists": True,
            "canonical": True,
            "settings": {"AWS_DEFAULT_REGION": "eu-west-1", "ECS_EXTERNAL": "true"},
        },
    },
}

INSTANCE = {
    "managed_instance_id": MI,
    "ssm": {
        "ping_status": "Online",
        "iam_role": "ecsAnywhereRole",
        "computer_name": "edge1",
        "agent_version": "3.3.4108.0",
    },
    "ecs": {
        "container_instance_arn": ARN,
        "status": "ACTIVE",
        "agent_connected": True,
        "agent_version": "1.105.1",
        "attributes": {},
    },
    "duplicates": [],
}


def changed(base, path, value):
    """A deep copy of *base* in which the dotted *path* has *value*."""
    result = copy.deepcopy(base)
    if not path:
        return result
    *parents, last = path.split(":")
    at = result
    for parent in parents:
        at = at[parent]
    at[last] = value
    return result


NODE = object()


def plan(host=None, instance=NODE, wanted=None, error=None):
    """The plan of a server that is right, but for what is given."""
    host = host or RIGHT
    wanted = wanted or WANTED
    instance = INSTANCE if instance is NODE else instance
    instances = {instance["managed_instance_id"]: instance} if instance else {}
    return registration_plan(host, {"error": error, "account": "123456789012", "instances": instances}, wanted)


def names(result):
    return [step["name"] for step in result["steps"]]


BARE = changed(RIGHT, "docker", {**RIGHT["docker"], "installed": False, "min_api_version": None, "unit": None})
BARE["ssm_agent"] = {
    "installed": False,
    "version": None,
    "unit": None,
    "fingerprint_mismatch": None,
    "registration": {
        "managed_instance_id": None,
        "region": None,
        "registered_at": None,
        "age": None,
        "stale": False,
        "former_managed_instance_id": None,
        "former_container_instances": [],
        "problem": None,
        "interrupted": None,
    },
}
BARE["ecs_agent"] = {
    "installed": False,
    "version": None,
    "unit": None,
    "introspection": None,
    "saved_state": False,
    "log_tail": [],
}
for _config in BARE["ecs_config"].values():
    _config.update(exists=False, settings={})


def test_a_server_that_is_right_has_nothing_to_do():
    assert plan() == {"problems": [], "steps": [], "leftovers": [], "leaves": None, "gives_up": False}


def test_a_bare_server_gets_everything_in_order():
    result = plan(BARE, instance=None)
    assert result["problems"] == []
    assert names(result) == [
        "install_docker",
        "install_ssm_agent",
        "install_ecs_agent",
        "configure_ecs_agent",
        "register",
        "start",
        "wait",
    ]
    assert all(step["reason"] for step in result["steps"])


STOPPED = {**UNIT, "active_state": "inactive"}
GAVE_UP = {"active_state": "activating", "exec_main_status": 5}


@pytest.mark.parametrize(
    "path, value, steps, reason",
    [
        ("docker:installed", False, ["install_docker", "start", "wait"], "Docker is not installed"),
        ("ssm_agent:installed", False, ["install_ssm_agent", "start", "wait"], "SSM agent is not installed"),
        ("ecs_agent:installed", False, ["install_ecs_agent", "start", "wait"], "ECS agent is not installed"),
        ("package_manager:interrupted", True, ["repair_packages", "wait"], "dpkg was interrupted"),
        (
            "package_manager:half_installed",
            ["amazon-ecs-init"],
            ["repair_packages", "install_ecs_agent", "start", "restart_ecs_agent", "wait"],
            "dpkg was interrupted",
        ),
        (
            "package_manager:half_installed",
            ["docker.io"],
            ["repair_packages", "install_docker", "start", "wait"],
            "dpkg was interrupted",
        ),
        (
            "ecs_config:/etc/ecs/ecs.config:canonical",
            False,
            ["configure_ecs_agent", "restart_ecs_agent", "wait"],
            "/etc/ecs/ecs.config has duplicate",
        ),
        (
            "ecs_config:/etc/ecs/ecs.config:settings:ECS_CLUSTER",
            "other",
            ["configure_ecs_agent", "restart_ecs_agent", "wait"],
            "other values for ECS_CLUSTER",
        ),
        (
            "ecs_config:/var/lib/ecs/ecs.config:exists",
            False,
            ["configure_ecs_agent", "restart_ecs_agent", "wait"],
            "/var/lib/ecs/ecs.config does not exist",
        ),
        (
            "ssm_agent:registration:interrupted",
            {"backup_managed_instance_id": None, "operation": "register"},
            ["recover", "wait"],
            "interrupted",
        ),
        ("docker:unit", STOPPED, ["start", "wait"], "docker.service is inactive"),
        ("ssm_agent:unit", STOPPED, ["start", "wait"], "amazon-ssm-agent.service is inactive"),
        ("ecs_agent:unit", {**UNIT, "unit_file_state": "disabled"}, ["start", "wait"], "ecs.service is disabled"),
        ("ecs_agent:unit", {**UNIT, "unit_file_state": "masked"}, ["start", "wait"], "ecs.service is masked"),
        ("ecs_agent:unit", {**UNIT, **GAVE_UP, "active_state": "failed"}, ["start", "wait"], "ended with status 5)"),
        (
            "ecs_agent:unit",
            {**UNIT, **GAVE_UP},
            ["start", "restart_ecs_agent", "wait"],
            "ecs.service is activating (its program ended with status 5)",
        ),
        ("ecs_agent:introspection", None, ["wait"], "the agent on the server says it is not registered"),
    ],
)
def test_one_thing_wrong_on_the_server(path, value, steps, reason):
    result = plan(changed(RIGHT, path, value))
    assert result["problems"] == []
    assert names(result) == steps
    assert reason in result["steps"][0]["reason"]


@pytest.mark.parametrize(
    "path, value, reason",
    [
        ("ssm:ping_status", "ConnectionLost", "Systems Manager says ConnectionLost"),
        ("ecs:agent_connected", False, "ECS says ACTIVE, agent not connected"),
        ("ecs:container_instance_arn", ARN[:-1], "the agent on the server says it is arn:"),
    ],
)
def test_what_aws_does_not_see_yet_is_waited_for_and_nothing_else(path, value, reason):
    result = plan(instance=changed(INSTANCE, path, value))
    assert names(result) == ["wait"]
    assert reason in result["steps"][0]["reason"]


LABELLED = {
    **INSTANCE,
    "ecs": {**INSTANCE["ecs"], "attributes": {"rack": "r12", "ecs.os-type": "linux"}, "tags": {"site": "north"}},
}
LABELS = {**WANTED, "attributes": {"rack": "r12"}, "tags": {"site": "north"}}
GONE = {**LABELLED, "ecs": None}


@pytest.mark.parametrize(
    "host, instance, wanted, steps, reason",
    [
        (RIGHT, LABELLED, LABELS, [], None),
        (RIGHT, LABELLED, {**WANTED, "attributes": {}, "tags": {}}, [], None),  # what others set stays
        (RIGHT, LABELLED, {**LABELS, "attributes": {"rack": "r13", "a": "b"}}, ["label"], "other values for a, rack"),
        (RIGHT, LABELLED, {**LABELS, "tags": {"site": "south"}}, ["label"], "other values for site"),
        (RIGHT, GONE, LABELS, ["reset_ecs_agent", "wait", "label"], "a new container instance has none"),
        (RIGHT, LABELLED, {**LABELS, "cluster": "other"}, None, "a new container instance has none"),
        (BARE, None, LABELS, None, "a new container instance has none"),
    ],
)
def test_attributes_and_tags_come_last(host, instance, wanted, steps, reason):
    planned = plan(host, instance, wanted)
    assert planned["problems"] == []
    assert steps is None or names(planned) == steps
    if reason:
        assert names(planned)[-1] == "label"
        assert reason in planned["steps"][-1]["reason"]


def test_an_upgrade_leaves_attributes_alone():
    wanted = {**LABELS, "attributes": {"rack": "r13"}, "upgrade": True}
    assert names(plan(RIGHT, LABELLED, wanted)) == []


def test_servers_with_the_same_attributes_get_them_together():
    reads, instances = {}, []
    for name, rack in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "r12")):
        host = changed(RIGHT, "ssm_agent:registration:managed_instance_id", f"{MI[:-1]}{name}")
        reads[name] = {**host, "wanted": json.dumps({**LABELS, "attributes": {"rack": rack}})}
        instances.append({**LABELLED, "managed_instance_id": f"{MI[:-1]}{name}"})
    result = batch_plan(reads, [{"item": {"key": group_key(LABELS, *FLEET)}, "instances": instances}])
    assert [(group["hosts"], group["attributes"]) for group in result["labels"]] == [
        (["a", "b"], {"rack": "1"}),
        (["c"], {"rack": "2"}),
    ]
    one, other = (group["key"] for group in result["labels"])
    assert [result["plans"][host].get("label") for host in "abcd"] == [one, one, other, None]


def _emptied(host, **registration):
    result = copy.deepcopy(host)
    result["ssm_agent"]["registration"].update(managed_instance_id=None, **registration)
    return result


@pytest.mark.parametrize(
    "host, steps, reason",
    [
        (_emptied(RIGHT), ["register", "wait"], "not registered with Systems Manager"),
        (_emptied(RIGHT, stale=True), ["register", "wait"], "vault was emptied"),
        # the identity is in the backup: it comes back, so no registration is spent and none is lost
        (
            _emptied(RIGHT, interrupted={"backup_managed_instance_id": MI, "operation": "register"}),
            ["recover", "wait"],
            "interrupted",
        ),
        (
            _emptied(RIGHT, interrupted={"backup_managed_instance_id": MI, "operation": "clear"}),
            ["recover", "register", "wait"],
            "interrupted",
        ),
        (
            _emptied(RIGHT, interrupted={"backup_managed_instance_id": None, "operation": "register"}),
            ["recover", "register", "wait"],
            "interrupted",
        ),
    ],
)
def test_registration_only_when_no_identity_can_be_kept(host, steps, reason):
    result = plan(host)
    assert names(result) == steps
    assert reason in result["steps"][0]["reason"]


@pytest.mark.parametrize(
    "option, value, planned",
    [
        ("ssm_agent_version", "3.3.4108.0", []),
        ("ssm_agent_version", "3.3.4108", ["install_ssm_agent", "start", "wait"]),
        ("ssm_agent_version", "3.3.5000.0", ["install_ssm_agent", "start", "wait"]),
        ("ecs_agent_version", "1.105.1", []),
        ("ecs_agent_version", "1.104.0", ["install_ecs_agent", "start", "restart_ecs_agent", "wait"]),
    ],
)
def test_a_pin_is_the_version_and_an_empty_one_leaves_it(option, value, planned):
    assert names(plan(wanted={**WANTED, option: value})) == planned


SNAP_UNIT = {**UNIT, "name": "snap.amazon-ssm-agent.amazon-ssm-agent.service"}
SNAP = changed(RIGHT, "ssm_agent", {**RIGHT["ssm_agent"], "source": "snap", "version": "3.3.4108.0", "unit": SNAP_UNIT})


def test_a_snap_is_used_as_it_is():
    assert plan(SNAP)["steps"] == []
    assert plan(SNAP, wanted={**WANTED, "ssm_agent_version": "3.3.4108.0"})["steps"] == []
    half = plan(changed(SNAP, "package_manager:half_installed", ["amazon-ssm-agent"]))
    assert "install_ssm_agent" not in names(half)
    stopped = plan(changed(SNAP, "ssm_agent:unit", {**SNAP_UNIT, "active_state": "inactive"}))
    assert names(stopped) == ["start", "wait"]
    assert stopped["steps"][0]["reason"] == f"{SNAP_UNIT['name']} is inactive"


def test_the_version_of_a_snap_cannot_be_chosen():
    (problem,) = plan(SNAP, wanted={**WANTED, "ssm_agent_version": "3.3.3050.0"})["problems"]
    assert problem.startswith(
        "its SSM agent is a snap of version 3.3.4108.0, and ecs_anywhere_ssm_agent_version is 3.3.3050"
    )


@pytest.mark.parametrize(
    "package, source, pin, reason",
    [
        ("5:27.5.1-1~debian.12~bookworm", "docker", "27.5.1", None),
        ("5:27.5.1-1~debian.12~bookworm", "docker", "", None),
        ("5:27.5.1-1~debian.12~bookworm", "distro", "", None),
        ("5:27.5.1-1~debian.12~bookworm", "docker", "27.5", "Docker is 27.5.1-1~debian.12~bookworm, wanted is 27.5"),
        ("5:27.5.1-1~debian.12~bookworm", "docker", "28.0.4", "wanted is 28.0.4"),
        ("28.0.4-1.el9", "docker", "27.5.1", "Docker is 28.0.4-1.el9, wanted is 27.5.1"),
    ],
)
def test_a_pinned_docker_is_that_version(package, source, pin, reason):
    host = changed(RIGHT, "docker", {**RIGHT["docker"], "package": "docker-ce", "package_version": package})
    result = plan(host, wanted={**WANTED, "docker_source": source, "docker_version": pin})
    assert names(result) == ([] if reason is None else ["install_docker", "start", "wait"])
    assert reason is None or reason in result["steps"][0]["reason"]


@pytest.mark.parametrize(
    "pin, running, planned",
    [
        ("1.105.1", "1.104.0", ["restart_ecs_agent", "wait"]),
        ("1.105.1", "1.105.1", []),
        ("", "1.104.0", []),  # whoever upgraded it may have reasons to restart it later
    ],
)
def test_an_agent_that_outlived_its_package_is_restarted(pin, running, planned):
    host = changed(RIGHT, "ecs_agent:introspection:version", running)
    result = plan(host, wanted={**WANTED, "ecs_agent_version": pin})
    assert names(result) == planned
    assert not planned or "1.105.1-1 is installed, but the agent that runs is 1.104.0" in result["steps"][0]["reason"]


@pytest.mark.parametrize(
    "path, value, sentence",
    [
        ("effective_user_is_root", False, "become: true"),
        (
            "os:version_id",
            "10",
            "is not supported; supported are almalinux 8/9, amzn 2023, centos 8/9, debian 11/12/13",
        ),
        ("os:id", "arch", "is not supported"),
        ("architecture", "armv7l", "architecture armv7l is not supported"),
        ("systemd", False, "systemd does not run here"),
        ("docker:podman_shim", True, "podman's compatibility shim"),
        ("docker:min_api_version", "1.45", "the ECS agent at most 1.44"),
        ("imds", {"reachable": True, "role": "web"}, "EC2 instance with the role web"),
        ("ssm_agent:registration:region", "us-east-1", "in us-east-1, not in eu-west-1"),
        ("ssm_agent:registration:problem", "no JSON", "nobody can tell whether it is registered (no JSON)"),
    ],
)
def test_what_stands_in_the_way_of_a_server(path, value, sentence):
    result = plan(changed(RIGHT, path, value))
    assert result["steps"] == []
    assert len(result["problems"]) == 1
    assert sentence in result["problems"][0]


def test_docker_may_be_left_to_the_user_only_if_it_is_there():
    wanted = {**WANTED, "docker_source": "none"}
    assert plan(wanted=wanted)["problems"] == []
    assert "ecs_anywhere_docker_source is `none`" in plan(BARE, None, wanted)["problems"][0]


def test_all_problems_of_a_server_at_once():
    host = changed(changed(RIGHT, "systemd", False), "architecture", "i686")
    assert len(plan(host, error="the cluster edge does not exist")["problems"]) == 3


def test_a_server_that_somebody_drained_is_left_alone():
    result = plan(instance=changed(INSTANCE, "ecs:status", "DRAINING"))
    assert "somebody drained it on purpose" in result["problems"][0]


GONE = changed(INSTANCE, "ecs", None)


def test_a_container_instance_that_is_gone_is_replaced_by_a_new_one_of_the_same_node():
    result = plan(instance=GONE)
    assert names(result) == ["reset_ecs_agent", "wait"]
    assert f"but the cluster has none of {MI}: that was deregistered" in result["steps"][0]["reason"]
    giving_up = changed(RIGHT, "ecs_agent:unit", {**UNIT, **GAVE_UP})
    assert names(plan(giving_up, GONE)) == ["reset_ecs_agent", "start", "wait"]


def test_a_saved_state_stays_where_nobody_knows_whose_it_is():
    # a node that AWS does not list may be of another account
    assert names(plan(changed(RIGHT, "ecs_agent:introspection", None), changed(GONE, "ssm", None))) == ["wait"]
    # without a state the agent joins by itself
    assert names(plan(changed(RIGHT, "ecs_agent:saved_state", False), GONE)) == ["wait"]


LOST = changed(INSTANCE, "ssm", None)
SILENT = changed(RIGHT, "ecs_agent:introspection", None)
ELSEWHERE = changed(
    RIGHT, "ecs_agent:introspection:container_instance_arn", ARN.replace("123456789012", "999999999999")
)


@pytest.mark.parametrize(
    "host, instance, steps",
    [
        (RIGHT, LOST, ["replace_registration", "retire", "wait"]),
        (SILENT, LOST, ["replace_registration", "retire", "wait"]),
        # the agent alone tells that it is of this account
        (RIGHT, changed(LOST, "ecs", None), ["replace_registration", "wait"]),
        # it may be of another account
        (SILENT, changed(LOST, "ecs", None), ["wait"]),
        # it may not have called yet
        (changed(RIGHT, "ssm_agent:registration:age", 299), LOST, ["wait"]),
        (changed(RIGHT, "ssm_agent:registration:age", None), LOST, ["wait"]),
        # nobody asked
        (RIGHT, None, ["wait"]),
    ],
)
def test_an_identity_is_given_up_only_when_aws_said_that_it_is_gone(host, instance, steps):
    result = plan(host, instance)
    assert result["problems"] == []
    assert names(result) == steps
    if len(steps) > 1:
        assert f"Systems Manager does not know {MI} any more" in result["steps"][0]["reason"]
    assert result["leftovers"] == ([ARN] if "retire" in steps else [])


OTHER = ARN[:-1] + "0"


@pytest.mark.parametrize(
    "host, instance, leftovers",
    [
        (RIGHT, changed(INSTANCE, "duplicates", [OTHER]), [OTHER]),
        # the agent is not the one that looks best
        (
            changed(RIGHT, "ecs_agent:introspection:container_instance_arn", OTHER),
            changed(INSTANCE, "duplicates", [OTHER]),
            [ARN],
        ),
        # the agent says nothing, or is none of them
        (SILENT, changed(INSTANCE, "duplicates", [OTHER]), []),
        (ELSEWHERE, changed(INSTANCE, "duplicates", [OTHER]), []),
        # the vault was emptied while the ECS agent went on
        (_emptied(RIGHT, stale=True, former_managed_instance_id=MI), INSTANCE, [ARN]),
        # the remains came with the image of a server that lives
        (_emptied(SILENT, stale=True, former_managed_instance_id=MI), INSTANCE, []),
        # the identity comes back
        (
            _emptied(
                RIGHT,
                stale=True,
                former_managed_instance_id=MI,
                interrupted={"backup_managed_instance_id": MI, "operation": "register"},
            ),
            INSTANCE,
            [],
        ),
    ],
)
def test_what_nobody_works_as_is_retired(host, instance, leftovers):
    result = plan(host, instance)
    assert result["leftovers"] == leftovers
    assert ("retire" in names(result)) is bool(leftovers)
    for step in result["steps"]:
        if step["name"] == "retire":
            assert leftovers[0].rsplit("/", 1)[-1] in step["reason"]


def _noted(host, *arns):
    return changed(host, "ssm_agent:registration:former_container_instances", list(arns))


INTERRUPTED = {"backup_managed_instance_id": MI, "operation": "register"}


@pytest.mark.parametrize(
    "host, instance, leftovers",
    [
        (_noted(RIGHT, OTHER), INSTANCE, [OTHER]),
        (_noted(BARE, OTHER), None, [OTHER]),
        # together with what is found now
        (_noted(RIGHT, OTHER), LOST, [OTHER, ARN]),
        # the registration failed, and the server is what it was
        (_noted(RIGHT, ARN), INSTANCE, []),
        (_noted(RIGHT, ARN), changed(INSTANCE, "duplicates", [OTHER]), [OTHER]),
        # what it was is about to come back
        (_noted(_emptied(RIGHT, interrupted=INTERRUPTED), ARN), INSTANCE, []),
        # the new identity stays, and is only to be brought to its end
        (_noted(changed(RIGHT, "ssm_agent:registration:interrupted", INTERRUPTED), OTHER), INSTANCE, [OTHER]),
        # of another Region, where nobody looks
        (_noted(RIGHT, OTHER.replace(WANTED["region"], "ap-south-1")), INSTANCE, []),
    ],
)
def test_what_an_ended_run_noted_is_retired(host, instance, leftovers):
    result = plan(host, instance)
    assert result["problems"] == []
    assert result["leftovers"] == leftovers
    assert ("retire" in names(result)) is bool(leftovers)


@pytest.mark.parametrize("instance, found", [(INSTANCE, False), (LOST, True)])
def test_what_aws_was_not_asked_about_is_not_said_to_be_there(instance, found):
    result = plan(_noted(RIGHT, OTHER), instance)
    (reason,) = [step["reason"] for step in result["steps"] if step["name"] == "retire"]
    assert f"it was the container instance {OTHER.rsplit('/', 1)[-1]} until" in reason
    assert (f"the cluster still has its container instance {ARN.rsplit('/', 1)[-1]}:" in reason) is found


def test_what_was_noted_is_retired_in_the_cluster_that_it_is_of():
    reads = {"a": read(_noted(RIGHT, OTHER.replace("/edge/", "/former/"))), "b": read(_noted(BARE, OTHER))}
    result = batch_plan(reads, fleet(reads, [changed(INSTANCE, "duplicates", [OTHER])]))
    assert [(g["cluster"], g["container_instances"]) for g in result["leftovers"]] == [
        ("edge", {"a": [OTHER], "b": [OTHER]}),  # of one it was found now
        ("former", {"a": [OTHER.replace("/edge/", "/former/")]}),
    ]
    assert by_cluster(["arn:aws:ecs:eu-west-1:123456789012:container-instance/0"], "edge") == {
        "edge": ["arn:aws:ecs:eu-west-1:123456789012:container-instance/0"]
    }


QUICK_SETUP = "AmazonSSMRoleForInstancesQuickSetup"
REPLACED = changed(INSTANCE, "ssm:iam_role", QUICK_SETUP)


def test_a_role_that_was_replaced_is_repaired_with_its_reason():
    result = plan(instance=REPLACED)
    assert result["problems"] == []
    assert names(result) == ["repair_node_role", "restart_ecs_agent", "wait"]
    reasons = [step["reason"] for step in result["steps"]]
    assert f"its managed node {MI} has the role {QUICK_SETUP}, wanted is ecsAnywhereRole: Quick Setup" in reasons[0]
    assert reasons[1] == "it has credentials of the former role"


def test_an_ecs_agent_that_was_denied_and_starts_again_and_again_is_restarted():
    host = changed(RIGHT, "ecs_agent:unit", {**UNIT, "active_state": "activating"})
    assert names(plan(host, REPLACED)) == ["repair_node_role", "start", "restart_ecs_agent", "wait"]


def test_a_stopped_ecs_agent_is_only_started():
    host = changed(RIGHT, "ecs_agent:unit", STOPPED)
    assert names(plan(host, REPLACED)) == ["repair_node_role", "start", "wait"]


def test_settings_and_role_make_one_restart_with_both_reasons():
    host = changed(RIGHT, "ecs_config:/etc/ecs/ecs.config:canonical", False)
    result = plan(host, REPLACED)
    assert names(result) == ["configure_ecs_agent", "repair_node_role", "restart_ecs_agent", "wait"]
    assert result["steps"][2]["reason"] == (
        "it reads its settings only when it starts; it has credentials of the former role"
    )


@pytest.mark.parametrize(
    "wanted, has, repaired",
    [
        ("ecsAnywhereRole", "ecsAnywhereRole", False),
        ("ecsAnywhereRole", "/ecsAnywhereRole", False),
        ("/ecsAnywhereRole", "ecsAnywhereRole", False),
        ("service-role/ecsAnywhereRole", "service-role/ecsAnywhereRole", False),
        ("arn:aws:iam::123456789012:role/edge/ecsAnywhereRole", "edge/ecsAnywhereRole", False),
        # names are unique in an account, and whether Systems Manager tells the path is nowhere written
        ("service-role/ecsAnywhereRole", "ecsAnywhereRole", False),
        ("ecsAnywhereRole", "service-role/ecsAnywhereRole", False),
        ("ecsAnywhereRole", "ecsAnywhereRole/Other", True),
        # Systems Manager does not always tell
        ("ecsAnywhereRole", None, False),
    ],
)
def test_roles_are_compared_by_name(wanted, has, repaired):
    result = plan(instance=changed(INSTANCE, "ssm:iam_role", has), wanted={**WANTED, "iam_role": wanted})
    assert result["problems"] == []
    assert ("repair_node_role" in names(result)) is repaired


# --- the batch ------------------------------------------------------------------------------------------------------


def read(host, **wanted):
    return {**copy.deepcopy(host), "wanted": json.dumps({**WANTED, **wanted})}


def fleet(reads, instances=(), **failure):
    """What the looped task would have registered."""
    return [{"item": group, "instances": list(instances), **failure} for group in batch_groups(reads, "fleet")]


def test_one_look_for_each_account_region_and_cluster():
    reads = {
        "a": read(RIGHT),
        "b": read(BARE),
        "c": read(BARE, region="us-east-1"),
        "d": read(BARE, profile="other"),
        "e": read(BARE, cluster="lab"),
        "skipped": {},
    }
    groups = batch_groups(reads, "fleet")
    assert [group["hosts"] for group in groups] == [["a", "b"], ["c"], ["d"], ["e"]]
    assert groups[0]["managed_instance_ids"] == [MI]
    assert groups[1]["managed_instance_ids"] == []


def test_a_new_id_comes_from_the_registration_and_others_are_left_out():
    reads = {"a": read(RIGHT), "b": read(BARE), "c": read(RIGHT)}
    groups = batch_groups(reads, "fleet", {"b": {"managed_instance_id": "mi-new"}, "c": {"skipped": True}})
    assert [(g["hosts"], g["managed_instance_ids"]) for g in groups] == [(["b", "c"], sorted([MI, "mi-new"]))]


def test_only_managed_roles_and_needed_activations_are_grouped():
    reads = {
        "a": read(RIGHT, activation_id="x"),
        "b": read(BARE, activation_id="x", manage_iam_role=False),
        "c": read(BARE),
    }
    assert [group["hosts"] for group in batch_groups(reads, "role")] == [["a", "c"]]
    assert [(g["activation_id"], g["hosts"]) for g in batch_groups(reads, "activation")] == [("x", ["b"])]
    (one,) = batch_groups(reads, "fleet")
    assert (one["roles"], one["activations"]) == (batch_groups(reads, "role"), batch_groups(reads, "activation"))


def test_a_group_has_the_roles_and_activations_of_its_own_servers():
    reads = {
        "a": read(RIGHT),
        "b": read(BARE, cluster="lab"),
        "c": read(BARE, cluster="shop", iam_role="other", activation_id="x"),
    }
    found = [([r["iam_role"] for r in g["roles"]], len(g["activations"])) for g in batch_groups(reads, "fleet")]
    assert found == [(["ecsAnywhereRole"], 0), (["ecsAnywhereRole"], 0), (["other"], 1)]


LEAST = {"policy_mode": "least_privilege"}


@pytest.mark.parametrize(
    ("options", "regions"),
    [
        ({}, [None, None]),
        ({"features": ["ecr_pull"], "policy_mode": "managed"}, [None, None]),
        (LEAST, [["eu-west-1", "us-east-1"]] * 2),
        ({"trust": "restricted"}, [["eu-west-1", "us-east-1"]] * 2),
        ({**LEAST, "regions": ["us-west-2", "eu-west-1"]}, [["eu-west-1", "us-west-2"]] * 2),
    ],
)
def test_a_role_shared_by_regions_knows_all_of_them(options, regions):
    reads = {"a": read(BARE, iam_role_options=options), "b": read(BARE, region="us-east-1", iam_role_options=options)}
    assert [group["regions"] for group in batch_groups(reads, "role")] == regions


def test_servers_that_want_one_role_in_different_ways_are_stopped_and_nothing_is_made():
    reads = {"a": read(RIGHT, iam_role_options=LEAST), "b": read(BARE), "c": read(BARE, iam_role="other")}
    assert [group["iam_role"] for group in batch_groups(reads, "role")] == ["other"]
    plans = batch_plan(reads, fleet(reads, [INSTANCE]))["plans"]
    for host in "ab":
        assert "with different ecs_anywhere_iam_role_options" in plans[host]["problems"][0]
    assert plans["c"]["problems"] == []


def test_a_role_as_in_the_guide_is_looked_at_with_the_fleet():
    (role,) = batch_groups({"a": read(RIGHT)}, "role")
    (group,) = batch_groups({"a": read(RIGHT), "b": read(BARE)}, "fleet")
    assert (group["iam_role"], group["role_key"]) == ("ecsAnywhereRole", role["key"])
    for reads in (
        {"a": read(RIGHT, manage_iam_role=False)},
        {"a": read(RIGHT, iam_role_options=LEAST)},
        {"a": read(RIGHT), "b": read(BARE, iam_role="other")},
    ):
        (group,) = batch_groups(reads, "fleet")
        assert (group["iam_role"], group["role_key"]) == (None, None)


def test_a_role_given_as_unique_id_stops_its_servers_and_is_not_made():
    reads = {"a": read(BARE, iam_role="AROAEXAMPLEEXAMPLEID1")}
    assert batch_groups(reads, "role") == []
    (problem,) = batch_plan(reads, fleet(reads))["plans"]["a"]["problems"]
    assert problem.startswith("ecs_anywhere_iam_role: AROAEXAMPLEEXAMPLEID1 is a unique id")


@pytest.mark.parametrize(
    "given, name, path",
    [
        ("ecsAnywhereRole", "ecsAnywhereRole", None),
        ("service-role/Mine", "Mine", "/service-role/"),
        ("/a/b/Mine", "Mine", "/a/b/"),
        ("arn:aws-cn:iam::123456789012:role/Mine", "Mine", None),
        ("arn:aws:iam::123456789012:role/a/Mine", "Mine", "/a/"),
    ],
)
def test_the_node_role_is_given_as_name_path_and_name_or_arn(given, name, path):
    (group,) = batch_groups({"a": read(BARE, iam_role=given)}, "role")
    assert (group["name"], group["path"]) == (name, path)


def test_one_activation_for_a_batch_sized_to_those_who_need_it():
    reads = {"right": read(RIGHT), "bare1": read(BARE), "bare2": read(BARE), "far": read(BARE, region="us-east-1")}
    result = batch_plan(reads, fleet(reads, [INSTANCE]))
    assert result["todo"] == ["bare1", "bare2", "far"]
    assert [(a["region"], a["count"]) for a in result["activations"]] == [("eu-west-1", 2), ("us-east-1", 1)]
    plans = result["plans"]
    assert plans["bare1"]["activation"] == plans["bare2"]["activation"] == result["activations"][0]["key"]
    assert plans["far"]["activation"] == result["activations"][1]["key"]
    assert plans["right"]["activation"] is None


def test_an_activation_has_at_most_a_thousand_registrations():
    reads = {f"h{n}": read(BARE) for n in range(1500)}
    result = batch_plan(reads, fleet(reads))
    assert [a["count"] for a in result["activations"]] == [1000, 500]
    assert len({plan["activation"] for plan in result["plans"].values()}) == 2


def test_an_error_of_one_group_concerns_its_servers_alone():
    reads = {"a": read(BARE), "b": read(BARE, region="us-east-1")}
    good, bad = fleet(reads)
    bad = {"item": bad["item"], "failed": False, "msg": "no such cluster"}
    result = batch_plan(reads, [good, bad])
    assert result["plans"]["b"]["problems"] == ["no such cluster"]
    assert result["plans"]["a"]["problems"] == []
    assert [a["hosts"] for a in result["activations"]] == [["a"]]


def test_a_role_that_cannot_be_made_right_stops_its_servers():
    reads = {"a": read(BARE), "b": read(BARE, iam_role="Other")}
    key = group_key({**WANTED, "iam_role": "Other"}, *NODE_ROLE)
    roles = [{"item": {"key": key}, "failed": False, "msg": "not authorized to perform iam:CreateRole"}]
    result = batch_plan(reads, fleet(reads), roles)
    assert result["plans"]["b"] == {
        "problems": ["not authorized to perform iam:CreateRole"],
        "steps": [],
        "leftovers": [],
        "leaves": None,
        "gives_up": False,
        "activation": None,
        "node_role": None,
    }
    assert result["plans"]["a"]["problems"] == []


def test_servers_with_one_identity_name_each_other():
    reads = {"a": read(RIGHT), "b": read(RIGHT)}
    plans = batch_plan(reads, fleet(reads, [INSTANCE]))["plans"]
    assert f"{MI} is also the identity of b" in plans["a"]["problems"][0]
    assert f"{MI} is also the identity of a" in plans["b"]["problems"][0]


def node(number, role):
    """A server that is right, and how AWS sees it."""
    instance_id = f"mi-{number:017x}"
    host = changed(RIGHT, "ssm_agent:registration:managed_instance_id", instance_id)
    return host, changed(changed(INSTANCE, "ssm:iam_role", role), "managed_instance_id", instance_id)


def test_one_repair_for_each_account_region_and_role():
    servers = [node(n, QUICK_SETUP) for n in range(6)] + [node(6, "ecsAnywhereRole")]
    reads = {
        "a": read(servers[0][0]),
        "b": read(servers[1][0], instance_name="lab"),
        "c": read(servers[2][0], iam_role="Other", manage_iam_role=False),
        "d": read(servers[3][0], profile="other"),
        "stopped": read(changed(servers[4][0], "systemd", False)),
        "bare": read(BARE),
        "right": read(servers[6][0]),
    }
    result = batch_plan(reads, fleet(reads, [instance for _host, instance in servers]))
    assert [(g["iam_role"], g["profile"], g["managed_instance_ids"]) for g in result["node_roles"]] == [
        ("ecsAnywhereRole", "", {"a": f"mi-{0:017x}", "b": f"mi-{1:017x}"}),
        ("Other", "", {"c": f"mi-{2:017x}"}),
        ("ecsAnywhereRole", "other", {"d": f"mi-{3:017x}"}),
    ]
    keys = [group["key"] for group in result["node_roles"]]
    told = {host: plan["node_role"] for host, plan in result["plans"].items()}
    assert told == {
        "a": keys[0], "b": keys[0], "c": keys[1], "d": keys[2], "stopped": None, "bare": None, "right": None,
    }  # fmt: skip
    assert "right" not in result["todo"]


def test_leftovers_are_retired_together_for_each_cluster():
    lab = changed(INSTANCE, "duplicates", [OTHER])
    reads = {"a": read(RIGHT), "b": read(node(1, QUICK_SETUP)[0], region="us-east-1"), "bare": read(BARE)}
    result = batch_plan(reads, fleet(reads, [lab]))
    (group,) = result["leftovers"]
    assert (group["cluster"], group["hosts"], group["container_instances"]) == ("edge", ["a"], {"a": [OTHER]})
    assert result["plans"]["a"]["leftovers"] == [OTHER]
    assert result["plans"]["b"]["leftovers"] == []


def test_a_lost_server_gets_a_registration_of_the_batchs_activation():
    reads = {"a": read(RIGHT), "bare": read(BARE)}
    result = batch_plan(reads, fleet(reads, [LOST]))
    assert [activation["count"] for activation in result["activations"]] == [2]
    # an activation of the caller's own was not looked at for a server that had an identity
    reads = {"a": read(RIGHT, activation_id="x")}
    (problem,) = batch_plan(reads, fleet(reads, [LOST]))["plans"]["a"]["problems"]
    assert "the activation x was not looked at" in problem


def test_aws_is_asked_about_the_id_that_an_emptied_vault_had():
    reads = {"a": read(_emptied(RIGHT, stale=True, former_managed_instance_id="mi-old"))}
    assert batch_groups(reads, "fleet")[0]["managed_instance_ids"] == ["mi-old"]
    assert batch_groups(reads, "fleet", {"a": {"managed_instance_id": "mi-new"}})[0]["managed_instance_ids"] == [
        "mi-new"
    ]


def test_a_wait_that_timed_out_still_tells_what_it_saw():
    reads = {"a": read(RIGHT)}
    results = fleet(reads, [INSTANCE], failed=True, msg="Timed out")
    assert batch_plan(reads, results)["todo"] == []
    assert group_key(WANTED, *FLEET) == results[0]["item"]["key"]


FOUND = {
    "activation_id": "x",
    "expired": False,
    "registration_limit": 3,
    "registrations_count": 1,
    "expiration_date": "2026-11-24T00:00:00Z",
}


@pytest.mark.parametrize(
    "result, sentence",
    [
        ({"activations": [FOUND]}, None),
        ({"activations": [{**FOUND, "registrations_count": 2}]}, "1 registrations left, 2 servers"),
        ({"activations": [{**FOUND, "expired": True}]}, "expired at 2026-11-24T00:00:00Z"),
        ({"activations": []}, "does not exist in eu-west-1"),
        ({"failed": False, "msg": "not authorized"}, "not authorized"),
    ],
)
def test_a_callers_own_activation_must_be_good_for_all_who_need_it(result, sentence):
    reads = {"a": read(BARE, activation_id="x"), "b": read(BARE, activation_id="x"), "right": read(RIGHT)}
    key = group_key({**WANTED, "activation_id": "x"}, *ACTIVATION)
    plans = batch_plan(reads, fleet(reads, [INSTANCE]), (), [{"item": {"key": key}, **result}])
    assert plans["activations"] == []
    for host in ("a", "b"):
        problems = plans["plans"][host]["problems"]
        assert len(problems) == bool(sentence)
        assert not sentence or sentence in problems[0]
    assert plans["plans"]["right"]["problems"] == []


def test_a_pinned_agent_is_waited_for_until_aws_sees_its_version():
    pins = {**WANTED, "ssm_agent_version": "3.3.4108.0", "ecs_agent_version": "1.105.1"}
    result = plan(instance=changed(INSTANCE, "ecs:agent_version", "1.104.0"), wanted=pins)
    assert result["steps"] == [{"name": "wait", "reason": "ECS says that its agent is 1.104.0, wanted is 1.105.1"}]
    reads = {"edge1": {**RIGHT, "wanted": json.dumps(pins)}}
    (group,) = batch_groups(reads, "fleet", {"edge1": {}})
    assert group["agent_versions"] == {MI: {"ssm": "3.3.4108.0", "ecs": "1.105.1"}}


def test_only_external_instances_are_upgraded():
    upgrade = {**WANTED, "upgrade": True}
    assert plan(wanted=upgrade)["problems"] == []
    for host in (BARE, changed(RIGHT, "ssm_agent:registration:managed_instance_id", None)):
        result = plan(host, instance=None, wanted=upgrade)
        assert "nothing to upgrade" in "; ".join(result["problems"])
        assert result["steps"] == []


def marked(status, reason="upgrade"):
    return changed(changed(INSTANCE, "ecs:status", status), "ecs:attributes", {MARK: reason})


UPGRADE = {**WANTED, "upgrade": True}


@pytest.mark.parametrize(
    ("instance", "wanted", "steps", "problem"),
    [
        # an upgrade takes back what one drained, this or an earlier one, and nothing else
        (marked("DRAINING"), UPGRADE, ["activate"], None),
        (marked("ACTIVE"), UPGRADE, ["activate"], None),
        (marked("DRAINING", "works"), UPGRADE, [], "somebody drained it on purpose"),
        (marked("ACTIVE", "works"), UPGRADE, [], None),
        (changed(INSTANCE, "ecs:status", "DRAINING"), UPGRADE, [], "somebody drained it on purpose"),
        (INSTANCE, UPGRADE, [], None),
        # who registers has nothing to do with it
        (
            marked("DRAINING"),
            WANTED,
            [],
            "an upgrade that did not end drained it. Run the playbook hybrid.ecs_anywhere.up",
        ),
        (marked("ACTIVE"), WANTED, [], None),
        (marked("DRAINING", "works"), WANTED, [], "somebody drained it on purpose"),
    ],
)
def test_who_was_drained_for_an_upgrade_is_not_refused_by_one(instance, wanted, steps, problem):
    result = plan(instance=instance, wanted=wanted)
    assert names(result) == steps and len(result["problems"]) == bool(problem)
    assert problem is None or problem in result["problems"][0]


def test_who_is_drained_is_upgraded_and_made_active_at_the_end():
    result = plan(instance=marked("DRAINING"), wanted={**UPGRADE, "ecs_agent_version": "1.106.0"})
    assert names(result) == ["install_ecs_agent", "start", "restart_ecs_agent", "wait", "activate"]
    assert result["steps"][-1]["reason"] == "an upgrade drained it, this one or one that did not end"
    left = plan(instance=marked("ACTIVE"), wanted=UPGRADE)
    assert left["steps"][0]["reason"] == "it is ACTIVE, but has the mark of an upgrade that did not end"


def test_the_mark_of_an_upgrade_is_no_label_that_is_missing_or_too_many():
    own = changed(marked("ACTIVE"), "ecs:attributes", {MARK: "upgrade", "hall": "4"})
    own["ecs"]["tags"] = {}
    assert plan(instance=own, wanted={**WANTED, "attributes": {"hall": "4"}})["steps"] == []


def test_an_upgrade_moves_nobody():
    elsewhere = changed(RIGHT, "ecs_agent:introspection:cluster", "other")
    result = plan(elsewhere, wanted={**WANTED, "upgrade": True})
    assert "an upgrade moves nobody" in "; ".join(result["problems"])
    assert result["steps"] == []
