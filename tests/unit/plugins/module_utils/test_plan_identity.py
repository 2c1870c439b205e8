# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The plan of servers that are somebody else, or somewhere else, than they should be."""

from __future__ import annotations

import json

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import FLEET
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import batch_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._batch import group_key
from test_plan import ARN
from test_plan import INSTANCE
from test_plan import MI
from test_plan import RIGHT
from test_plan import WANTED
from test_plan import changed
from test_plan import names
from test_plan import plan

CLUSTER = "ecs_config:/etc/ecs/ecs.config:settings:ECS_CLUSTER"
OLD_ARN = ARN.replace("/edge/", "/old/")
IN_OLD = changed(RIGHT, CLUSTER, "old")
IN_OLD["ecs_agent"]["introspection"] = {"cluster": "old", "container_instance_arn": OLD_ARN, "version": "1.105.1"}
DOWN = changed(IN_OLD, "ecs_agent:introspection", None)
SAID = "Data mismatch; saved cluster 'old' does not match configured cluster '{}'. Perhaps you want to"
EDITED = changed(changed(DOWN, CLUSTER, "edge"), "ecs_agent:log_tail", ["x", SAID.format("edge")])
NODE_ONLY = changed(INSTANCE, "ecs", None)


@pytest.mark.parametrize(
    "host, instance, leaves, steps",
    [
        (IN_OLD, NODE_ONLY, "old", ["move", "configure_ecs_agent", "wait"]),
        # the agent is down and its state is there
        (DOWN, NODE_ONLY, "old", ["move", "configure_ecs_agent", "wait"]),
        # the settings were changed by hand, and the agent gave up
        (EDITED, NODE_ONLY, "old", ["move", "wait"]),
        # what it said is over: it said so of other settings, AWS has it in the cluster, or it said something since
        (changed(EDITED, "ecs_agent:log_tail", [SAID.format("x")]), NODE_ONLY, None, ["reset_ecs_agent", "wait"]),
        (EDITED, INSTANCE, None, ["wait"]),
        (
            changed(EDITED, "ecs_agent:log_tail", [SAID.format("edge"), "x"]),
            NODE_ONLY,
            None,
            ["reset_ecs_agent", "wait"],
        ),
        # the killed run: its state is gone, then the settings are written
        (
            changed(changed(DOWN, "ecs_agent:saved_state", False), "ecs_agent:unit:active_state", "inactive"),
            NODE_ONLY,
            None,
            ["configure_ecs_agent", "start", "wait"],
        ),
        # it was in this cluster before it was moved to the other one, by whatever means
        (IN_OLD, INSTANCE, "old", ["move", "configure_ecs_agent", "retire", "wait"]),
    ],
)
def test_a_server_of_another_cluster_is_moved_before_its_settings_change(host, instance, leaves, steps):
    result = plan(host, instance)
    assert (result["problems"], result["leaves"], names(result)) == ([], leaves, steps)


def test_the_reason_names_both_clusters_and_the_node_that_stays():
    reason = plan(IN_OLD, NODE_ONLY)["steps"][0]["reason"]
    assert "of the cluster old, wanted is edge" in reason
    assert f"Its managed node {MI} stays" in reason


@pytest.mark.parametrize(
    "path, value, sentence",
    [
        ("ssm_agent:registration:managed_instance_id", None, "of the cluster old under an id that it lost"),
        (
            "ecs_agent:introspection:container_instance_arn",
            OLD_ARN.replace("eu-west-1", "us-east-1"),
            "not in eu-west-1",
        ),
        (
            "ecs_agent:introspection:container_instance_arn",
            OLD_ARN.replace("123456789012", "210987654321"),
            "of the account 210987654321",
        ),
    ],
)
def test_where_a_server_cannot_be_moved_from(path, value, sentence):
    result = plan(changed(IN_OLD, path, value), NODE_ONLY)
    (problem,) = result["problems"]
    assert sentence in problem
    assert (result["steps"], result["leaves"]) == ([], None)


def batch(reads, instances, **options):
    wanted = json.loads(next(iter(reads.values()))["wanted"])
    item = {"key": group_key(wanted, *FLEET)}
    arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/edge"
    return batch_plan(reads, [{"item": item, "instances": instances, "cluster": {"arn": arn}}], **options)


def test_servers_leave_a_cluster_together():
    reads = {}
    instances = []
    for number, old in enumerate(("old", "old", "older")):
        host = changed(changed(IN_OLD, "ecs_agent:introspection:cluster", old), "wanted", json.dumps(WANTED))
        instance_id = MI[:-1] + str(number)
        host["ssm_agent"]["registration"]["managed_instance_id"] = instance_id
        reads[f"h{number}"] = host
        instances.append({**NODE_ONLY, "managed_instance_id": instance_id})
    moves = batch(reads, instances)["moves"]
    assert [(m["cluster"], m["managed_instance_ids"]) for m in moves] == [
        ("old", {"h0": MI[:-1] + "0", "h1": MI[:-1] + "1"}),
        ("older", {"h2": MI[:-1] + "2"}),
    ]
    assert (moves[0]["region"], moves[0]["move_options"]) == ("eu-west-1", {})


SINCE = "2026-11-24T01:02:03Z"
MISMATCH = changed(RIGHT, "ssm_agent:fingerprint_mismatch", SINCE)
LOST_CONNECTION = changed(
    INSTANCE, "ssm", {**INSTANCE["ssm"], "ping_status": "ConnectionLost", "ip_address": "192.0.2.10"}
)
ANEW = ["give_up", "replace_registration", "wait"]


@pytest.mark.parametrize(
    "host, instance, steps",
    [
        (MISMATCH, LOST_CONNECTION, ANEW),
        (changed(MISMATCH, "hostname", "edge1.example.com"), LOST_CONNECTION, ANEW),
        # it may have been another server's: an image of that one
        (changed(MISMATCH, "hostname", "edge2"), LOST_CONNECTION, ANEW[1:]),
        (changed(MISMATCH, "ip_addresses", ["192.0.2.11"]), LOST_CONNECTION, ANEW[1:]),
        # the killed run: what it was is gone
        (MISMATCH, changed(changed(LOST_CONNECTION, "ssm", None), "ecs", None), ANEW[1:]),
        # somebody works under the identity, or it may not have called yet
        (MISMATCH, INSTANCE, []),
        (
            changed(changed(MISMATCH, "ssm_agent:registration:age", 10), "ecs_agent:introspection", None),
            changed(changed(INSTANCE, "ssm", None), "ecs", None),
            ["wait"],
        ),
        # nobody asked
        (MISMATCH, None, ["wait"]),
        # the connection is lost, but not for that: it was said of an earlier registration, or of none
        (
            changed(MISMATCH, "ssm_agent:registration:registered_at", "2026-11-24T01:02:04Z"),
            LOST_CONNECTION,
            ["wait"],
        ),
        (RIGHT, LOST_CONNECTION, ["wait"]),
    ],
)
def test_a_machine_that_is_not_the_registered_one_gets_a_new_identity(host, instance, steps):
    result = plan(host, instance)
    assert (result["problems"], names(result)) == ([], steps)
    assert result["gives_up"] == ("give_up" in steps)
    if "replace_registration" in steps:
        (reason,) = [step["reason"] for step in result["steps"] if step["name"] == "replace_registration"]
        assert f"MachineFingerprintDoesNotMatch since {SINCE}" in reason


def test_what_servers_were_is_given_up_together():
    reads = {"a": changed(MISMATCH, "wanted", json.dumps(WANTED))}
    result = batch(reads, [LOST_CONNECTION])
    (group,) = result["give_ups"]
    assert (group["cluster"], group["managed_instance_ids"]) == ("edge", {"a": MI})
    assert [(a["count"], a["hosts"]) for a in result["activations"]] == [(1, ["a"])]


def clone(name, address, mismatch=None):
    host = changed(changed(RIGHT, "hostname", name), "ip_addresses", [address, "172.17.0.1"])
    host = changed(host, "ssm_agent:fingerprint_mismatch", mismatch)
    return changed(host, "wanted", json.dumps({**WANTED, "repair_clones": True}))


KNOWN = changed(INSTANCE, "ssm", {**INSTANCE["ssm"], "ip_address": "192.0.2.10"})


@pytest.mark.parametrize(
    "a, b, keeps",
    [
        (clone("edge1", "192.0.2.10"), clone("edge1", "192.0.2.11"), "a"),
        (clone("edge1", "192.0.2.11"), clone("edge1", "192.0.2.10"), "b"),
        (clone("edge2", "192.0.2.12"), clone("edge1", "192.0.2.11"), "b"),
        (clone("edge2", "192.0.2.10"), clone("edge3", "192.0.2.11"), "a"),
        # both fit, neither does, or the one that fits is refused by AWS
        (clone("edge1", "192.0.2.11"), clone("edge1", "192.0.2.12"), None),
        (clone("edge2", "192.0.2.11"), clone("edge3", "192.0.2.12"), None),
        (clone("edge1", "192.0.2.10", SINCE), clone("edge2", "192.0.2.12"), None),
    ],
)
def test_of_clones_the_one_that_aws_knows_keeps_the_identity(a, b, keeps):
    result = batch({"a": a, "b": b}, [KNOWN])
    assert result["give_ups"] == result["leftovers"] == []
    anew = [host for host in ("a", "b") if host != keeps]
    assert sorted(activation["count"] for activation in result["activations"]) == [len(anew)]
    for host, other in (("a", "b"), ("b", "a")):
        planned = result["plans"][host]
        assert planned["problems"] == []
        assert names(planned) == (["replace_registration", "wait"] if host in anew else [])
        if host in anew:
            assert f"{MI} is also the identity of {other}" in planned["steps"][0]["reason"]


def test_clones_are_only_named_unless_their_repair_is_wanted():
    wanted = changed(clone("edge1", "192.0.2.11"), "wanted", json.dumps(WANTED))
    plans = batch({"a": clone("edge1", "192.0.2.10"), "b": wanted}, [KNOWN])["plans"]
    assert plans["a"]["problems"] == []
    assert "ecs_anywhere_repair_clones" in plans["b"]["problems"][0]
    assert plans["b"]["steps"] == []


def test_what_a_clone_was_by_the_side_is_retired_where_the_identity_stays():
    second = ARN[:-1] + "0"
    result = batch(
        {"a": clone("edge1", "192.0.2.10"), "b": clone("edge1", "192.0.2.11")}, [changed(KNOWN, "duplicates", [second])]
    )
    assert result["plans"]["a"]["leftovers"] == [second]
    assert result["plans"]["b"]["leftovers"] == []
