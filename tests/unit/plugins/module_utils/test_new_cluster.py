# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A cluster that does not exist: whose plan creates it, who is told what instead, and how often it is created."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.filter import batch_plan as batch_plan_filter
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_groups
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._new_cluster import wants_cluster
from test_plan import ARN
from test_plan import BARE
from test_plan import INSTANCE
from test_plan import MI
from test_plan import RIGHT
from test_plan import changed
from test_plan import names
from test_plan import read

ACCOUNT = "123456789012"
EDGE = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/edge"
MISSING = "There is no ECS cluster edge in region eu-west-1. Check the cluster's name, or create the cluster."
LEAVE = {"state": "absent", "leave": {"managed_instance_id": "", "force": False, "remove_packages": False}}
WAS_IN_IT = {**INSTANCE, "ecs": None}
OTHERS = changed(RIGHT, "ecs_agent:introspection:container_instance_arn", ARN.replace(ACCOUNT, "999999999999"))


def looked(reads, instances=(), account=ACCOUNT):
    """What the looped task would have registered where no cluster exists."""
    return [
        {
            "item": group,
            **(
                {"cluster_exists": False, "msg": MISSING}
                if group["cluster_must_exist"]
                else {"cluster_exists": False, "cluster": None, "account": account, "instances": list(instances)}
            ),
        }
        for group in batch_groups(reads, "fleet")
    ]


def planned(host, instances=(), account=ACCOUNT, can=True, **wanted):
    reads = {"a": read(host, **wanted)}
    result = batch_plan(reads, looked(reads, instances, account), can_create_clusters=can)
    return result["plans"]["a"], result["clusters"]


@pytest.mark.parametrize(
    ("wanted", "wants"),
    [
        ({"manage_cluster": True}, True),
        ({"manage_cluster": True, "state": "present"}, True),
        ({"manage_cluster": False}, False),
        ({}, False),
        ({"manage_cluster": True, "state": "absent"}, False),
        ({"manage_cluster": True, "upgrade": True}, False),
    ],
)
def test_who_wants_a_cluster_that_does_not_exist(wanted, wants):
    assert wants_cluster(wanted) is wants


@pytest.mark.parametrize("cluster", ["edge", EDGE])
@pytest.mark.parametrize(
    ("host", "instances", "then"),
    [
        (BARE, [], "install_docker"),
        (RIGHT, [WAS_IN_IT], "reset_ecs_agent"),  # the cluster was deleted
        (changed(RIGHT, "ecs_agent:introspection:cluster", "other"), [WAS_IN_IT], "move"),
    ],
)
def test_it_is_created_before_all_else(cluster, host, instances, then):
    plan, clusters = planned(host, instances, manage_cluster=True, cluster=cluster)
    assert plan["problems"] == []
    assert names(plan)[:2] == ["create_cluster", then]
    assert plan["steps"][0]["reason"] == "the cluster edge does not exist in eu-west-1"
    assert [(c["cluster"], c["region"], c["profile"], c["hosts"]) for c in clusters] == [
        ("edge", "eu-west-1", "", ["a"])
    ]


@pytest.mark.parametrize(
    ("host", "wanted", "how", "sentence"),
    [
        (BARE, {}, {}, "or create the cluster; with ecs_anywhere_manage_cluster set to true the role creates it"),
        (BARE, {"cluster": "my edge", "manage_cluster": True}, {}, "none can be created by that name"),
        (BARE, {"cluster": "x" * 256, "manage_cluster": True}, {}, "none can be created by that name"),
        (
            BARE,
            {"cluster": EDGE, "manage_cluster": True},
            {"account": "999999999999"},
            "of the account 123456789012, but the credentials are of the account 999999999999",
        ),
        (OTHERS, {"manage_cluster": True}, {}, "it is a container instance of the account 999999999999"),
        (BARE, {"manage_cluster": True}, {"can": False}, "the collection community.aws is missing on the controller"),
    ],
)
def test_what_stands_in_its_way(host, wanted, how, sentence):
    plan, clusters = planned(host, **how, **wanted)
    (problem,) = plan["problems"]
    assert sentence in problem and not problem.endswith(".")
    assert plan["steps"] == clusters == []


@pytest.mark.parametrize("wanted", [{"state": "absent", **LEAVE}, {"upgrade": True}])
@pytest.mark.parametrize("manage", [True, False])
def test_who_leaves_or_is_upgraded_is_told_as_ever(wanted, manage):
    plan, clusters = planned(RIGHT, [WAS_IN_IT], manage_cluster=manage, **wanted)
    assert plan["problems"] == [MISSING]
    assert plan["steps"] == clusters == []


@pytest.mark.parametrize("wanted", [{"state": "absent", **LEAVE}, {"upgrade": True}])
def test_who_leaves_or_is_upgraded_is_told_though_others_create_it(wanted):
    reads = {"stays": read(BARE, manage_cluster=True), "other": read(RIGHT, **wanted)}
    result = batch_plan(reads, looked(reads, [WAS_IN_IT]))
    (problem,) = result["plans"]["other"]["problems"]
    assert problem.startswith("there is no ECS cluster edge in eu-west-1")
    assert [cluster["hosts"] for cluster in result["clusters"]] == [["stays"]]


def test_one_creation_for_each_account_region_and_cluster_and_one_wish_is_enough():
    reads = {
        "a": read(BARE, manage_cluster=True),
        "b": read(BARE, manage_cluster=False),
        "c": read(BARE, manage_cluster=True, cluster=EDGE),
        "far": read(BARE, manage_cluster=True, region="us-east-1"),
        "profile": read(BARE, manage_cluster=True, profile="lab"),
        "without": read(BARE, cluster="lab"),
    }
    assert [group["cluster_must_exist"] for group in batch_groups(reads, "fleet")] == [False] * 4 + [True]
    result = batch_plan(reads, looked(reads))
    assert [(c["hosts"], c["region"], c["profile"]) for c in result["clusters"]] == [
        (["a", "b", "c"], "eu-west-1", ""),
        (["far"], "us-east-1", ""),
        (["profile"], "eu-west-1", "lab"),
    ]
    assert "ecs_anywhere_manage_cluster" in result["plans"]["without"]["problems"][0]


def test_one_that_exists_is_left_alone():
    reads = {"a": read(RIGHT, manage_cluster=True)}
    (group,) = batch_groups(reads, "fleet")
    seen = {"cluster": {"arn": EDGE}, "cluster_exists": True, "account": ACCOUNT, "instances": [INSTANCE]}
    result = batch_plan(reads, [{"item": group, **seen}], can_create_clusters=False)
    assert (result["todo"], result["clusters"]) == ([], [])


def test_a_node_that_is_gone_is_known_to_be_of_this_account():
    """As where the cluster exists: what the agent says of itself proves it."""
    lost = {"managed_instance_id": MI, "ssm": None, "ecs": None, "duplicates": []}
    plan, clusters = planned(RIGHT, [lost], manage_cluster=True)
    assert names(plan)[0] == "create_cluster" and "replace_registration" in names(plan)
    assert len(clusters) == 1


@pytest.mark.parametrize("there", [True, False])
def test_the_filter_looks_for_the_collection_only_where_it_is_needed(monkeypatch, there):
    asked = []

    def find_spec(name):
        asked.append(name)
        return object() if there else None

    monkeypatch.setattr(batch_plan_filter, "find_spec", find_spec)
    plan = batch_plan_filter.FilterModule().filters()["batch_plan"]
    reads = {"a": read(BARE, manage_cluster=True)}
    assert bool(plan(reads, looked(reads))["plans"]["a"]["problems"]) is not there
    assert asked == ["ansible_collections.community.aws.plugins.modules.ecs_cluster"]
    (group,) = batch_groups(reads, "fleet")
    plan(reads, [{"item": group, "cluster": {"arn": EDGE}, "cluster_exists": True, "instances": []}])
    assert len(asked) == 1
