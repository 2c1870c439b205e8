# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Upgrades of the agents: what a check tells, drained or not, the way back of one whose new agent does not start."""

from __future__ import annotations

import json

import pytest
from test_leave import VAULT
from test_leave import operator
from test_packages import NEW
from test_packages import OLD
from test_packages import right
from test_packages import seen
from test_packages import versions

UPGRADE = "hybrid.ecs_anywhere.upgrade"
NAMES = ("up1", "up2")
MARK = "hybrid.ecs_anywhere.draining"
DRAIN = {"ecs_anywhere_upgrade_drain": True, "ecs_anywhere_serial": "100%"}
OLDER, NEWER = list(OLD.values()), list(NEW.values())


@pytest.fixture(scope="module")
def registered(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(*NAMES, docker=True)
    yield
    bed.remove(*NAMES)


@pytest.fixture
def old(bed, aws, registered):
    """Both with agents of yesterday. Who they are to AWS, and somebody who may upgrade them and nothing else."""
    assert bed.register(*NAMES, variables=OLD, timeout=600).returncode == 0
    limited = operator(aws, "upgrade")
    aws.forget_calls()
    yield seen(aws), limited
    iam = aws.client("iam")
    for key in iam.list_access_keys(UserName="upgrade")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="upgrade", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="upgrade", PolicyName="upgrade")
    iam.delete_user(UserName="upgrade")


def test_a_check_tells_and_changes_nothing_and_a_second_run_has_nothing_to_do(bed, aws, old):
    before, limited = old
    checked = bed.register(*NAMES, playbook=UPGRADE, options=["--check", "--diff"], environment=limited)
    assert checked.returncode == 0
    assert checked.text.count("the ECS agent is 1.104.0-1, wanted is 1.105.1") == 2
    assert aws.operations(writes=True) == []
    assert [versions(bed, name) for name in NAMES] == [OLDER] * 2

    assert bed.register(*NAMES, playbook=UPGRADE, environment=limited, timeout=600).returncode == 0
    right(aws, before, NEW)
    assert aws.operations(writes=True) == []
    again = bed.register(*NAMES, playbook=UPGRADE, environment=limited)
    assert [again.recap(name)["changed"] for name in NAMES] == [0, 0]


def test_servers_are_drained_together_if_that_is_wanted(bed, aws, old):
    before, limited = old
    checked = bed.register(*NAMES, playbook=UPGRADE, variables=DRAIN, options=["--check"], environment=limited)
    assert checked.returncode == 0
    assert aws.operations(writes=True) == []

    done = bed.register(*NAMES, playbook=UPGRADE, variables=DRAIN, environment=limited, timeout=600)
    assert done.returncode == 0
    right(aws, before, NEW)
    state = "UpdateContainerInstancesState"
    assert aws.operations(writes=True) == ["PutAttributes", state, state, "DeleteAttributes"]
    assert {i["status"] for i in aws.container_instances()} == {"ACTIVE"}
    again = bed.register(*NAMES, playbook=UPGRADE, variables=DRAIN, environment=limited)
    assert [again.recap(name)["changed"] for name in NAMES] == [0, 0]


def drained(aws):
    """Status and mark of each container instance, by the id of its server."""
    return {
        i["ec2InstanceId"]: (i["status"], next((a["value"] for a in i["attributes"] if a["name"] == MARK), None))
        for i in aws.container_instances()
    }


def test_what_a_killed_run_drained_is_upgraded_and_made_active_by_the_next(bed, aws, old):
    before, limited = old
    first = bed.start(*NAMES, playbook=UPGRADE, variables=DRAIN, environment=limited)
    bed.kill_when(first, lambda: aws.calls(operation="UpdateContainerInstancesState"))
    assert set(drained(aws).values()) == {("DRAINING", "upgrade")}
    assert [versions(bed, name) for name in NAMES] == [OLDER] * 2
    status = bed.register(
        playbook="hybrid.ecs_anywhere.status", variables={"ecs_anywhere_region": "us-east-1"}, timeout=600
    )
    assert "draining (2): If no upgrade is under way, run the playbook hybrid.ecs_anywhere.upgrade" in status.text
    refused = bed.register(NAMES[0], variables=OLD)
    assert refused.returncode != 0
    assert "an upgrade that did not end drained it. Run the playbook hybrid.ecs_anywhere.upgrade again" in refused.text

    # Without draining, as whoever runs it again need not know of it. It does not come to the very end: the servers are
    # active, and what tells why they were not is left.
    aws.control("POST", "faults", {"operation": "ecs:DeleteAttributes", "code": "AccessDeniedException", "status": 400})
    together = {"ecs_anywhere_serial": "100%"}
    second = bed.register(*NAMES, playbook=UPGRADE, variables=together, environment=limited, timeout=600)
    aws.control("DELETE", "faults")
    assert second.returncode != 0 and "lack the permission ecs:DeleteAttributes" in second.text
    assert set(drained(aws).values()) == {("ACTIVE", "upgrade")}
    right(aws, before, NEW)

    aws.forget_calls()
    checked = bed.register(*NAMES, playbook=UPGRADE, options=["--check"], environment=limited)
    assert checked.text.count("activate: it is ACTIVE, but has the mark of an upgrade that did not end") == 2
    assert bed.register(*NAMES, playbook=UPGRADE, environment=limited, timeout=600).returncode == 0
    assert set(drained(aws).values()) == {("ACTIVE", None)}
    assert set(aws.operations(writes=True)) == {"DeleteAttributes"}
    again = bed.register(*NAMES, playbook=UPGRADE, environment=limited)
    assert [again.recap(name)["changed"] for name in NAMES] == [0, 0]


def test_what_a_killed_run_had_upgraded_is_made_active_by_the_next(bed, aws, old):
    """And what an operator drained stays so, and is refused."""
    before, limited = old
    killed, operators = (json.loads(bed.on(name, f"cat {VAULT}"))["instanceID"] for name in NAMES)
    ecs = aws.client("ecs")
    arn = before[operators][0]
    ecs.update_container_instances_state(cluster="edge", containerInstances=[arn], status="DRAINING")
    first = bed.start(*NAMES, playbook=UPGRADE, variables=DRAIN, environment=limited)

    def upgraded():
        """AWS sees both new agents, of which the ECS agent comes last."""
        return seen(aws)[killed][1:] == (True, *reversed(NEWER))

    bed.kill_when(first, upgraded, timeout=600)
    assert drained(aws) == {killed: ("DRAINING", "upgrade"), operators: ("DRAINING", None)}

    # nobody waits for one that was refused
    patient = {**DRAIN, "ecs_anywhere_wait_timeout": 3000}
    second = bed.register(*NAMES, playbook=UPGRADE, variables=patient, environment=limited, timeout=600)
    assert second.returncode != 0 and second.recap(NAMES[0])["failed"] == 0
    assert "somebody drained it on purpose. Set it ACTIVE in ECS" in second.text
    assert drained(aws) == {killed: ("ACTIVE", None), operators: ("DRAINING", None)}
    assert [versions(bed, name) for name in NAMES] == [NEWER, OLDER]
    ecs.update_container_instances_state(cluster="edge", containerInstances=[arn], status="ACTIVE")


def test_who_does_not_come_back_gets_the_old_agents_and_the_others_wait(bed, aws, old):
    before, limited = old
    drop_in = "/etc/systemd/system/ecs.service.d"
    bed.on(
        NAMES[0],
        f"mkdir -p {drop_in} && printf '[Service]\\nExecStartPre=/bin/sh -c \"! dpkg-query -W amazon-ecs-init "
        f"| grep -q 1.105.1\"\\n' >{drop_in}/t.conf && systemctl daemon-reload",
    )
    variables = {"ecs_anywhere_upgrade_drain": True, "ecs_anywhere_serial": 1, "ecs_anywhere_wait_timeout": 30}
    try:
        run = bed.register(*NAMES, playbook=UPGRADE, variables=variables, environment=limited, timeout=600)
    finally:
        bed.on(NAMES[0], f"rm -r {drop_in} && systemctl daemon-reload")
    assert run.returncode != 0
    assert "went back to what it was, and is connected. No further server is upgraded" in run.text
    assert [versions(bed, name) for name in NAMES] == [OLDER] * 2
    right(aws, before, OLD)
    assert {i["status"] for i in aws.container_instances()} == {"ACTIVE"}
