# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A server whose SSM agent is a snap, as on Ubuntu's own images. What snapd makes of one is made by hand."""

from __future__ import annotations

import pytest

NAME = "snapped"
VERSION = "3.3.4108.0"
UNIT = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
# The stand-in agent of the package, in the layout of the snap, under the snap's unit and listed by its command.
MAKE = f"""
set -e
dpkg-deb --extract /root/agent.deb /root/agent
base=/snap/amazon-ssm-agent/9881
mkdir -p $base/meta /var/lib/lib
cp /root/agent/usr/bin/* $base/
mkdir -p $base/lib && cp -r /root/agent/usr/lib/amazon-ssm-agent $base/lib/
# the programs look for their modules beside the directory that they are in
mkdir -p /snap/amazon-ssm-agent/lib && ln -s $base/lib/amazon-ssm-agent /snap/amazon-ssm-agent/lib/amazon-ssm-agent
ln -s 9881 /snap/amazon-ssm-agent/current
printf 'name: amazon-ssm-agent\\nversion: {VERSION}\\nconfinement: classic\\n' > $base/meta/snap.yaml
sed 's,/usr/bin/,/snap/amazon-ssm-agent/current/,g' /root/agent/lib/systemd/system/amazon-ssm-agent.service \
    > /etc/systemd/system/{UNIT}
printf '#!/bin/sh\\n[ "$1 $2" = "list amazon-ssm-agent" ] && echo "amazon-ssm-agent {VERSION} 9881"\\n' > /usr/bin/snap
chmod 755 /usr/bin/snap
rm -r /root/agent /root/agent.deb
systemctl daemon-reload && systemctl enable --now {UNIT} 2>/dev/null
"""


@pytest.fixture(scope="module")
def server(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(NAME, docker=True)
    bed.put(NAME, bed.packages / f"amazon-ssm-us-east-1/{VERSION}/debian_amd64/amazon-ssm-agent.deb", "/root/agent.deb")
    bed.on(NAME, MAKE)
    yield bed
    bed.remove(NAME)


def unit(server):
    return server.on(NAME, f"systemctl is-active {UNIT} || :; systemctl is-enabled {UNIT} || :").split()


@pytest.mark.state("snap")
def test_the_snap_is_registered_and_stays(server, aws, record_property):
    checked = server.register(NAME, options=["--check", "--diff"])
    assert checked.returncode == 0
    assert "register: it is not registered" in checked.text and "install_ssm_agent" not in checked.text

    options = {"ecs_anywhere_similarity_threshold": 30, "ecs_anywhere_exec": True}
    run = server.register(NAME, variables=options)
    run.note(record_property, NAME)
    assert run.returncode == 0
    assert server.on(NAME, "dpkg-query -W amazon-ssm-agent 2>/dev/null || echo none") == "none"
    assert server.on(NAME, "ls /var/lib/ecs/deps/execute-command/bin") == VERSION
    assert unit(server) == ["active", "enabled"]
    (instance,) = aws.container_instances()
    assert instance["agentConnected"] and instance["status"] == "ACTIVE"
    (node,) = aws.nodes()
    assert (node["InstanceId"], node["AgentVersion"]) == (instance["ec2InstanceId"], VERSION)
    assert server.register(NAME, variables=options).recap(NAME)["changed"] == 0


def test_a_snap_that_was_stopped_or_has_another_configuration_is_started(server, aws):
    server.on(NAME, f"systemctl disable --now {UNIT} 2>/dev/null")
    assert server.register(NAME).returncode == 0
    assert unit(server) == ["active", "enabled"]
    pid = server.on(NAME, f"systemctl show -P MainPID {UNIT}")
    settings = {"ecs_anywhere_ssm_agent_config": {"Ssm": {"CredentialRetryMaxSleepSeconds": 60}}}
    assert server.register(NAME, variables=settings).returncode == 0
    assert server.on(NAME, f"systemctl show -P MainPID {UNIT}") != pid
    assert server.register(NAME, variables=settings).recap(NAME)["changed"] == 0


def test_another_version_is_refused(server, aws):
    refused = server.register(NAME, variables={"ecs_anywhere_ssm_agent_version": "3.3.3050.0"})
    assert refused.recap(NAME)["failed"] == 1
    assert (
        f"its SSM agent is a snap of version {VERSION}, and ecs_anywhere_ssm_agent_version is 3.3.3050.0"
        in refused.text
    )
    assert aws.operations(writes=True) == []


def test_it_leaves_and_the_snap_stays(server, aws):
    variables = {"ecs_anywhere_state": "absent", "ecs_anywhere_remove_packages": True}
    left = server.register(NAME, variables=variables, playbook="hybrid.ecs_anywhere.deregister")
    assert left.returncode == 0
    assert aws.nodes() == [] and aws.container_instances() == []
    assert unit(server) == ["inactive", "disabled"]
    assert server.on(NAME, "ls /snap/amazon-ssm-agent/current/amazon-ssm-agent; ls /var/lib/ecs/deps") != ""
    assert "amazon-ecs-init" not in server.on(
        NAME, "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' | grep installed"
    )
