# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Disks that fill up in the middle of an installation, and a clock that is wrong."""

from __future__ import annotations

import re

import pytest

# Every program of the server gets the time from a library that adds an hour to it.
WRONG_CLOCK = (
    "apt-get install --yes libfaketime >/dev/null 2>&1; echo +1h > /etc/faketimerc; "
    "dpkg --listfiles libfaketime | grep '/libfaketimeMT.so.1$' > /etc/ld.so.preload"
)
DOWNLOADS, PROGRAMS = "/var/cache/apt/archives", "/usr/sbin"
# A file system that holds what is there, and a bit more.
SMALL = (
    "used=$(du --summarize --block-size=1K {0} | cut -f 1); mkdir /run/held; cp -a {0}/. /run/held/; "
    "mount -t tmpfs -o mode=755,size=$((used + {1}))k tmpfs {0}; cp -a /run/held/. {0}/; rm -r /run/held"
)


@pytest.fixture
def server(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    added = []

    def add(name, **how):
        bed.add(name, **how)
        added.append(name)
        return name

    yield add
    bed.remove(*added)


def is_right(bed, aws, name):
    assert bed.register(name).recap(name)["changed"] == 0
    (node,) = aws.nodes()
    (instance,) = aws.container_instances()
    assert node["PingStatus"] == "Online"
    assert (instance["status"], instance["agentConnected"]) == ("ACTIVE", True)


@pytest.mark.state("disk full during the installation")
def test_a_disk_that_fills_up_is_named_and_the_next_run_goes_on(bed, aws, server, record_property):
    name = server("full")
    variables = {"ecs_anywhere_preflight": False}
    for place, room, sentence in (
        (DOWNLOADS, 40, f"Cannot write {DOWNLOADS}/ecs_anywhere-amazon-ecs-agent.deb: No space left on device."),
        (
            PROGRAMS,
            20000,
            f"{name}: the installation filled a disk: make room (`df --human-readable` says where), and run",
        ),
    ):
        bed.on(name, SMALL.format(place, room))
        failed = bed.register(name, variables=variables)
        assert failed.recap(name)["failed"] == 1
        assert sentence in failed.text
        assert "Traceback" not in failed.output
        assert aws.nodes() == aws.activations() == []
        bed.on(name, f"mount -o remount,size=1g {place}")
    finished = bed.register(name, variables=variables)
    assert finished.returncode == 0
    finished.note(record_property, name)
    is_right(bed, aws, name)


@pytest.mark.state("clock an hour off")
def test_a_clock_that_is_an_hour_off_is_refused_before_anything_is_changed(bed, aws, server, record_property):
    name = server("early", docker=True)
    bed.on(name, WRONG_CLOCK)
    aws.forget_calls()
    # the role is kept right before anything is known of servers
    refused = bed.register(name, variables={"ecs_anywhere_manage_iam_role": False})
    refused.note(record_property, name)
    assert (refused.recap(name)["failed"], refused.recap(name)["changed"]) == (1, 0)
    assert re.search(r"its clock is (3599|360\d) seconds ahead of AWS's, which refuses requests", refused.text)
    assert "Nothing was changed." in refused.text
    assert bed.on(name, "ls -d /etc/ecs /var/lib/amazon /usr/bin/amazon-ssm-agent 2>/dev/null || :") == ""
    assert aws.operations(writes=True) == []
    bed.on(name, "rm /etc/ld.so.preload")
    assert bed.register(name).returncode == 0
    is_right(bed, aws, name)
