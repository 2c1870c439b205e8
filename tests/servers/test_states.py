# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Servers in states that AWS or an administrator left them in: the plan says why, the run repairs, the next rests."""

from __future__ import annotations

import json
import time

import pytest

VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
SAVED_STATE = "/var/lib/ecs/data/agent.db"
# A registration that fails, and empties the vault by that.
EMPTIED = (
    "amazon-ssm-agent -register -code wrongwrongwrongwrong00 -id 11111111-1111-4111-8111-111111111111 "
    "-region us-east-1 -y >/dev/null 2>&1 && exit 1 || :"
)
# Everything a run could change on the server: what is compared is that a check changes nothing.
LOOK = (
    f"cat {VAULT} /etc/ecs/ecs.config /var/lib/ecs/ecs.config 2>&1; ls {SAVED_STATE} 2>&1 || :; "
    "for unit in docker amazon-ssm-agent ecs; do systemctl is-enabled $unit || :; done"
)


class Server:
    """One server that was registered, and what it is to AWS."""

    name = "state"

    def __init__(self, bed):
        self.bed, self.aws = bed, bed.aws
        self.renew()

    def renew(self):
        self.id = self.identity()
        (instance,) = [i for i in self.aws.container_instances() if i["ec2InstanceId"] == self.id]
        self.arn = instance["containerInstanceArn"]

    def identity(self):
        return json.loads(self.on(f"cat {VAULT}"))["instanceID"]

    def on(self, script):
        return self.bed.on(self.name, script)

    def until(self, script, seconds=60):
        deadline = time.monotonic() + seconds
        while self.on(f"if {script}; then echo yes; fi") != "yes":
            assert time.monotonic() < deadline, f"it never happened: {script}"
            time.sleep(0.5)

    def run(self, **how):
        return self.bed.register(self.name, **how)

    def seen(self):
        return (
            self.on(LOOK),
            sorted((node["InstanceId"], node["IamRole"]) for node in self.aws.nodes()),
            sorted((i["containerInstanceArn"], i["status"]) for i in self.aws.container_instances()),
        )

    def note(self, run):
        run.note(self.record_property, self.name)

    def repair(self, *reasons):
        """Check, which changes nothing; run; run again, which has nothing to do. Returns the writes to AWS."""
        self.aws.forget_calls()
        before = self.seen()
        checked = self.run(options=["--check", "--diff"])
        assert checked.returncode == 0
        for reason in reasons:
            assert reason in checked.text
        assert checked.recap(self.name)["changed"] > 0
        assert self.aws.operations(writes=True) == []
        assert self.seen() == before

        repaired = self.run()
        assert repaired.returncode == 0
        self.note(repaired)
        writes = self.aws.operations(writes=True)
        assert self.run().recap(self.name)["changed"] == 0
        assert self.aws.operations(writes=True) == writes
        return writes

    def is_right(self):
        """Both sides know it, under the identity in its vault, and ECS has nothing else. Returns both names."""
        identity = self.identity()
        assert identity in [node["InstanceId"] for node in self.aws.nodes() if node["PingStatus"] == "Online"]
        (instance,) = self.aws.container_instances()
        assert instance["agentConnected"]
        assert (instance["ec2InstanceId"], instance["status"]) == (identity, "ACTIVE")
        for unit in ("docker", "amazon-ssm-agent", "ecs"):
            assert self.on(f"systemctl is-active {unit}; systemctl is-enabled {unit}").split() == ["active", "enabled"]
        return identity, instance["containerInstanceArn"]


@pytest.fixture(scope="module")
def registered(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(Server.name, docker=True)
    assert bed.register(Server.name).returncode == 0
    yield Server(bed)
    bed.remove(Server.name)


@pytest.fixture
def server(registered, aws, record_property):
    registered.renew()
    registered.record_property = record_property
    return registered


@pytest.fixture
def labels(server):
    yield
    server.aws.client("ecs").delete_attributes(
        cluster="edge", attributes=[{"name": "rack", "targetType": "container-instance", "targetId": server.arn}]
    )


def test_attributes_and_tags_converge(server, labels):
    variables = {"ecs_anywhere_attributes": {"rack": "r12"}, "ecs_anywhere_tags": {"site": "north"}}
    planned = server.run(variables=variables, options=["--check"])
    assert "label: its container instance has other values for rack, site" in planned.text
    assert server.aws.operations(writes=True) == []
    for run, changes, writes in (
        ("the first", True, ["AddTagsToResource", "PutAttributes", "TagResource"]),
        ("one more", False, []),
    ):
        server.aws.forget_calls()
        done = server.run(variables=variables)
        assert done.returncode == 0
        assert (done.recap(server.name)["changed"] > 0) == changes, run
        assert sorted(server.aws.operations(writes=True)) == writes, run
    assert done.executions[server.name] == 1
    (instance,) = server.aws.container_instances()
    assert {"rack": "r12"}.items() <= {a["name"]: a.get("value") for a in instance["attributes"]}.items()
    tags = server.aws.client("ssm").list_tags_for_resource(ResourceType="ManagedInstance", ResourceId=server.id)
    assert {"Key": "site", "Value": "north"} in tags["TagList"]
    assert server.is_right() == (server.id, server.arn)


def state(name, *values):
    return pytest.param(*values, id=name, marks=pytest.mark.state(name))


@pytest.mark.parametrize(
    "script, reason",
    [
        state("stopped", "systemctl stop ecs amazon-ssm-agent", "ecs.service is inactive"),
        state("disabled", "systemctl disable ecs amazon-ssm-agent 2>&1", "amazon-ssm-agent.service is disabled"),
        state("masked", "systemctl mask --now ecs amazon-ssm-agent 2>&1", "ecs.service is inactive, masked"),
    ],
)
def test_services_that_were_switched_off(server, script, reason):
    server.on(script)
    assert server.repair(reason) == []
    assert server.is_right() == (server.id, server.arn)


@pytest.mark.state("failed")
def test_a_unit_that_started_too_often_is_started_once_more(server):
    # the agent ends for good; the unit is like that of RPM systems, or an administrator's, and stays failed
    drop_in = "/etc/systemd/system/ecs.service.d"
    server.on(
        f"mkdir -p {drop_in} && printf '[Unit]\\nStartLimitIntervalSec=1h\\nStartLimitBurst=2\\n"
        f'[Service]\\nExecStartPre=/bin/sh -c "exit 5"\\nRestartSec=1\\n\' > {drop_in}/t.conf\n'
        "systemctl daemon-reload; systemctl restart ecs || :"
    )
    server.until("systemctl is-failed -q ecs")
    server.on(f"sed -i /ExecStartPre/d {drop_in}/t.conf && systemctl daemon-reload")
    try:
        assert server.repair("ecs.service is failed") == []
    finally:
        server.on(f"rm {drop_in}/t.conf && systemctl daemon-reload")
    assert server.is_right() == (server.id, server.arn)


@pytest.mark.state("gave up")
def test_an_agent_that_gives_up_again_and_again(server):
    # another cluster in its settings than in its state: what an edit by hand leaves; a long pause between two attempts,
    # lest it be looked at during one
    drop_ins = "/etc/systemd/system/ecs.service.d"
    server.on(
        f"mkdir -p {drop_ins} && printf '[Service]\\nRestartSec=1h\\n' > {drop_ins}/slow.conf; "
        "systemctl daemon-reload; systemctl stop ecs; "
        "sed -i s/=edge/=edgy/ /etc/ecs/ecs.config; systemctl start ecs || :"
    )
    server.until(
        "systemctl show -p ExecMainStatus,SubState ecs | sort | tr '\\n' ' ' | grep -q 'Status=5 .*auto-restart'"
    )
    server.on(f"sed -i s/=edgy/=edge/ /etc/ecs/ecs.config; rm {drop_ins}/slow.conf")
    assert server.repair("ecs.service is activating (its program ended with status 5)", "it gave up") == []
    assert server.is_right() == (server.id, server.arn)


@pytest.mark.parametrize(
    "agent",
    [
        state("container instance gone", "running"),
        state("container instance gone, agent restarted", "restarted"),
    ],
)
def test_a_container_instance_that_was_deregistered_is_replaced_and_its_node_kept(server, agent):
    server.aws.client("ecs").deregister_container_instance(cluster="edge", containerInstance=server.arn, force=True)
    if agent == "restarted":
        server.on("systemctl restart ecs || :")
        server.until("grep -q 'is inactive' /var/log/ecs/ecs-agent.log")
    assert server.repair(f"the cluster has none of {server.id}") == []
    identity, arn = server.is_right()
    assert identity == server.id
    assert arn != server.arn


@pytest.mark.state("registered with SSM only")
def test_a_managed_node_without_container_instance_gets_one(server):
    server.on(f"systemctl disable --now ecs 2>&1; rm {SAVED_STATE}; dpkg --purge amazon-ecs-init 2>&1")
    server.aws.client("ecs").deregister_container_instance(cluster="edge", containerInstance=server.arn, force=True)
    assert server.repair("the ECS agent is not installed") == []
    identity, arn = server.is_right()
    assert identity == server.id
    assert arn != server.arn


REGISTERED_ANEW = ["CreateActivation", "DeleteActivation", "DeregisterContainerInstance"]


@pytest.mark.state("vault emptied")
def test_a_vault_that_a_failed_registration_emptied(server):
    server.on(EMPTIED)
    assert server.identity() == ""
    writes = server.repair(
        "its identity in the vault was emptied by a failed registration",
        f"the cluster still has its container instance {server.arn.rsplit('/', 1)[-1]}: it was of its former id",
    )
    assert sorted(writes) == REGISTERED_ANEW
    identity, arn = server.is_right()
    assert identity not in ("", server.id)
    assert arn != server.arn


# As if the server had been registered for longer than a new node takes to call for the first time.
LONG_REGISTERED = f"""
date=$(date -u -d '-1 hour' '+%Y-%m-%d %H:%M:%S')
sed -i -E "s/(privateKeyCreatedDate\\": ?\\")[^.\\"]*/\\1$date/" {VAULT} && grep -q "$date" {VAULT}
"""


@pytest.mark.parametrize("both", [state("deregistered in SSM", False), state("deregistered on both sides", True)])
def test_a_node_that_was_deregistered_gets_a_new_identity(server, both):
    server.on(LONG_REGISTERED)
    server.aws.client("ssm").deregister_managed_instance(InstanceId=server.id)
    if both:
        server.aws.client("ecs").deregister_container_instance(cluster="edge", containerInstance=server.arn, force=True)
    writes = server.repair(f"Systems Manager does not know {server.id} any more")
    assert sorted(writes) == (REGISTERED_ANEW[:2] if both else REGISTERED_ANEW)
    identity, arn = server.is_right()
    assert identity != server.id
    assert arn != server.arn


def test_a_new_node_that_systems_manager_does_not_list_yet_is_not_given_up(server):
    server.aws.client("ssm").deregister_managed_instance(InstanceId=server.id)
    checked = server.run(options=["--check"])
    assert "Systems Manager does not list the managed node" in checked.text
    assert "Systems Manager does not know" not in checked.text
    server.on(LONG_REGISTERED)
    assert server.run().returncode == 0
    assert server.identity() != server.id


@pytest.mark.state("duplicates")
def test_of_several_container_instances_the_agents_own_is_kept(server):
    # as if the answer to a first attempt to register had been lost
    server.on(f"systemctl stop ecs; rm {SAVED_STATE}; systemctl start ecs")
    fetch = "import urllib.request as u; u.urlopen('http://127.0.0.1:51678/v1/metadata')"
    server.until(f'python3 -c "{fetch}" 2>/dev/null')
    assert len(server.aws.container_instances()) == 2
    reason = f"container instance {server.arn.rsplit('/', 1)[-1]}: its ECS agent works as another one"
    assert server.repair(reason) == ["DeregisterContainerInstance"]
    identity, arn = server.is_right()
    assert identity == server.id
    assert arn != server.arn
