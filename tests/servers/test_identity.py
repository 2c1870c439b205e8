# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Servers that are somebody else, or somewhere else, than they should be: all of them in one batch, walked once."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

import pytest
from conftest import testbed

VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
OLD = "old"


class State(NamedTuple):
    """A server that was registered, how it got where it is, and what becomes of it."""

    name: str
    what: str
    script: str
    reasons: tuple[str, ...]
    cluster: str = "edge"
    node: str = "kept"  # the managed node: kept or replaced
    instance: str = "kept"  # the container instance: kept or replaced


# A container of the user's own: of the one image that is there, with the server's programs.
FOREIGN = (
    "docker run --detach --name mine --volume /usr:/usr --volume /lib:/lib --volume /lib64:/lib64 "
    "--entrypoint /usr/bin/sleep amazon/amazon-ecs-agent:latest 3600 >/dev/null"
)

ANOTHER_MACHINE = """
systemctl stop amazon-ssm-agent
: >/var/log/amazon/ssm/amazon-ssm-agent.log
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
rm -f /var/lib/amazon/ssm/runtimeconfig/identity_config.json
systemctl start amazon-ssm-agent
until grep -q MachineFingerprintDoesNotMatch /var/log/amazon/ssm/amazon-ssm-agent.log; do sleep 0.5; done
"""

STATES = [
    State(
        "moved",
        "in another cluster, its agent at work",
        FOREIGN,
        ("it is a container instance of the cluster old, wanted is edge", "other values for ECS_CLUSTER"),
        cluster=OLD,
        instance="replaced",
    ),
    State(
        "edited",
        "in another cluster, but for its settings, which were changed by hand",
        "sed -i s/=old/=edge/ /etc/ecs/ecs.config; systemctl restart ecs || :; "
        "until grep -q 'Data mismatch' /var/log/ecs/ecs-agent.log; do sleep 0.2; done",
        ("it is a container instance of the cluster old, wanted is edge",),
        cluster=OLD,
        instance="replaced",
    ),
    State(
        "script",
        "registered by AWS's install script, run twice, and settings of the user's own",
        "printf 'ECS_LOGLEVEL=debug\\nECS_CLUSTER=edge\\n' >> /etc/ecs/ecs.config; "
        "printf 'AWS_DEFAULT_REGION=us-east-1\\nECS_EXTERNAL=true\\n' >> /var/lib/ecs/ecs.config",
        ("/etc/ecs/ecs.config has duplicate",),
    ),
    State(
        "machine",
        "with another machine id than it registered with: its SSM agent sleeps",
        ANOTHER_MACHINE,
        (
            "MachineFingerprintDoesNotMatch since",
            "Systems Manager says of {id}: ConnectionLost",
            "they are deregistered",
        ),
        node="replaced",
        instance="replaced",
    ),
    State("original", "registered and right, though cloned", "", ()),
    State(
        "clone",
        "cloned from the former, machine id and all",
        "systemctl stop ecs amazon-ssm-agent; rm -rf /var/lib/amazon/ssm/Vault",
        ("is also the identity of original", "original keeps that"),
        node="replaced",
        instance="replaced",
    ),
]
BY_NAME = {state.name: state for state in STATES}


class Fleet:
    """What the servers were, and the runs that they went through together."""

    def __init__(self, bed):
        self.bed, self.aws = bed, bed.aws
        self.names = [state.name for state in STATES]
        self.before = {name: self.identity(name) for name in self.names}
        self.arns = {name: self.arn(name, BY_NAME[name].cluster) for name in self.names}

    def make(self):
        """Put the servers into their states, and let Systems Manager notice who does not call any more."""
        for state in STATES:
            self.bed.on(state.name, state.script)
        saved = "var/lib/amazon/ssm/Vault var/lib/amazon/ssm/registration var/lib/ecs/data/agent.db etc/machine-id"
        image = self.bed.on("original", f"tar -C / -c {saved} | base64 -w 0")
        testbed.in_server("clone", "base64 -d | tar -C / -x; systemctl start amazon-ssm-agent", stdin=image)
        former = self.before["clone"]
        self.aws.client("ecs").deregister_container_instance(
            cluster="edge", containerInstance=self.arns["clone"], force=True
        )
        self.aws.client("ssm").deregister_managed_instance(InstanceId=former)
        self.before["clone"], self.arns["clone"] = self.before["original"], self.arns["original"]
        self.aws.control("POST", "clock", {"advance": 1000})
        for name in ("moved", "edited", "script", "original"):
            self.bed.on(name, "systemctl restart amazon-ssm-agent")
        deadline = time.monotonic() + 120
        while sorted(node["PingStatus"] for node in self.aws.nodes()) != ["ConnectionLost"] + ["Online"] * 4:
            assert time.monotonic() < deadline, self.aws.nodes()
            time.sleep(0.5)

    def identity(self, name):
        return json.loads(self.bed.on(name, f"cat {VAULT}"))["instanceID"]

    def arn(self, name, cluster="edge"):
        own = [i for i in self.aws.container_instances(cluster) if i["ec2InstanceId"] == self.identity(name)]
        assert len(own) == 1, own
        return own[0]["containerInstanceArn"]

    def seen(self):
        instances = [i for cluster in ("edge", OLD) for i in self.aws.container_instances(cluster)]
        return (
            [
                self.bed.on(n, f"cat {VAULT} /etc/ecs/ecs.config; ls /var/lib/ecs/data/agent.db || :")
                for n in self.names
            ],
            sorted(node["InstanceId"] for node in self.aws.nodes()),
            sorted((i["containerInstanceArn"], i["status"]) for i in instances),
        )

    def run(self, *names, **how):
        return self.bed.register(*(names or self.names), **how)


def where(states):
    """The cluster of each server, as a template that all of them share."""
    clusters = {state.name: state.cluster for state in states}
    return {"ecs_anywhere_cluster": "{{ (" + json.dumps(clusters) + ")[inventory_hostname] }}"}


@pytest.fixture(scope="module")
def fleet(bed):
    """The servers in their states."""
    bed.aws.control("POST", "reset")
    bed.aws.control("DELETE", "faults")
    for cluster in ("edge", OLD):
        bed.aws.client("ecs").create_cluster(clusterName=cluster)
    names = [state.name for state in STATES]
    bed.add(*names, docker=True)
    assert bed.register(*names, variables=where(STATES)).returncode == 0
    fleet = Fleet(bed)
    fleet.make()
    yield fleet
    bed.remove(*names)


@pytest.fixture(scope="module")
def walked(fleet):
    """Check, which changes nothing; run; run again, which has nothing to do."""
    fleet.aws.forget_calls()
    before = fleet.seen()
    repair = {"ecs_anywhere_repair_clones": True}
    fleet.checked = fleet.run(options=["--check", "--diff"], variables=repair)
    assert fleet.checked.returncode == 0
    assert fleet.aws.operations(writes=True) == []
    assert fleet.seen() == before
    fleet.repaired = fleet.run(variables=repair)
    assert fleet.repaired.returncode == 0
    fleet.writes = fleet.aws.operations(writes=True)
    again = fleet.run()
    assert [again.recap(name)["changed"] for name in fleet.names] == [0] * len(fleet.names)
    assert fleet.aws.operations(writes=True) == fleet.writes
    return fleet


@pytest.mark.parametrize(
    "state", [pytest.param(state, id=state.name, marks=pytest.mark.state(state.name)) for state in STATES]
)
def test_a_server_becomes_right(walked, state, record_property):
    walked.repaired.note(record_property, state.name)
    for reason in state.reasons:
        assert reason.format(id=walked.before[state.name]) in walked.checked.text
    assert bool(walked.checked.recap(state.name)["changed"]) == bool(state.reasons)
    identity = walked.identity(state.name)
    assert ("kept" if identity == walked.before[state.name] else "replaced") == state.node
    assert identity in [node["InstanceId"] for node in walked.aws.nodes() if node["PingStatus"] == "Online"]
    arn = walked.arn(state.name)
    assert ("kept" if arn == walked.arns[state.name] else "replaced") == state.instance
    (instance,) = [i for i in walked.aws.container_instances() if i["containerInstanceArn"] == arn]
    assert (instance["status"], instance["agentConnected"]) == ("ACTIVE", True)


def test_nothing_is_left_of_what_they_were_and_aws_is_told_once(walked):
    assert walked.aws.container_instances(OLD) == []
    assert len(walked.aws.container_instances()) == len(walked.aws.nodes()) == len(STATES)
    assert sorted(walked.writes) == [
        "CreateActivation",
        "DeleteActivation",
        *["DeregisterContainerInstance"] * 3,  # of the two that were moved, and of the machine that changed
        "DeregisterManagedInstance",
        "UpdateContainerInstancesState",  # both are drained in one call
    ]
    assert walked.bed.on("moved", "docker inspect --format '{{.State.Running}}' mine") == "true"


def test_the_users_settings_survive(walked):
    assert sorted(walked.bed.on("script", "cat /etc/ecs/ecs.config").splitlines()) == [
        "ECS_CLUSTER=edge",
        "ECS_LOGLEVEL=debug",
    ]


ELSEWHERE = """
systemctl stop ecs
systemd-run --quiet --unit=elsewhere python3 -c '
import http.server, json
arn = "arn:aws:ecs:us-east-1:210987654321:container-instance/edge/0123456789abcdef0123456789abcdef"
class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"Cluster": "edge", "ContainerInstanceArn": arn, "Version": "v1.105.1"}).encode())
http.server.HTTPServer(("127.0.0.1", 51678), Agent).serve_forever()'
until python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:51678/")' 2>/dev/null; do sleep 0.2; done
"""


@pytest.mark.state("other Region or account")
def test_another_region_or_account_is_refused_and_nothing_changed(walked, aws, record_property):
    walked.bed.on("moved", ELSEWHERE)
    before = walked.seen()
    aws.client("ecs", "eu-west-1").create_cluster(clusterName="edge")
    aws.forget_calls()
    region = "{{ 'eu-west-1' if inventory_hostname == 'script' else 'us-east-1' }}"
    try:
        refused = walked.run("moved", "script", variables={"ecs_anywhere_region": region})
    finally:
        walked.bed.on("moved", "systemctl stop elsewhere; systemctl start ecs")
    refused.note(record_property, "script")
    assert [refused.recap(name)["failed"] for name in ("moved", "script")] == [1, 1]
    assert "a container instance of the account 210987654321" in refused.text
    assert "the credentials are of the account 123456789012: check ecs_anywhere_aws_profile" in refused.text
    identity = walked.identity("script")
    assert f"registered as {identity} in us-east-1, not in eu-west-1: check ecs_anywhere_region" in refused.text
    assert "Nothing was changed." in refused.text
    assert aws.operations(writes=True) == []
    assert walked.seen() == before


MOMENTS = {
    "after it was drained": lambda fleet: fleet.aws.calls(operation="UpdateContainerInstancesState"),
    "after its state was removed": lambda fleet: fleet.bed.on("edited", "ls /var/lib/ecs/data") == "",
}


@pytest.mark.state("killed during a move")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_move_is_finished_by_the_next_run(walked, aws, moment, record_property):
    identity = walked.identity("edited")
    old, new = ("edge", OLD) if aws.container_instances(OLD) == [] else (OLD, "edge")
    variables = {"ecs_anywhere_cluster": new}
    process = walked.bed.start("edited", variables=variables)
    walked.bed.kill_when(process, lambda: MOMENTS[moment](walked))
    finished = walked.run("edited", variables=variables)
    assert finished.returncode == 0
    finished.note(record_property, "edited")
    assert walked.identity("edited") == identity
    assert identity not in [i["ec2InstanceId"] for i in aws.container_instances(old)]
    assert walked.arn("edited", new)
    assert len(aws.calls(operation="DeregisterContainerInstance")) == 1
