# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""SIGKILL of the play at every step of an upgrade that drains, and of the way back of one that failed."""

from __future__ import annotations

import pytest
from kills import NAME
from kills import WALKS
from kills import Play
from kills import come_to
from kills import renew
from kills import steps_in
from kills import walk
from test_packages import NEW
from test_packages import OLD
from test_packages import right
from test_packages import seen
from test_packages import versions

UPGRADE = "hybrid.ecs_anywhere.upgrade"
# An ECS agent of the new version does not start.
DROP_IN = "/etc/systemd/system/ecs.service.d"
BROKEN = (
    f"mkdir -p {DROP_IN} && printf '[Service]\\nExecStartPre=/bin/sh -c \"! dpkg-query -W amazon-ecs-init "
    f"| grep -q 1.105.1\"\\n' >{DROP_IN}/t.conf && systemctl daemon-reload"
)


@pytest.fixture(autouse=True, scope="module")
def _clean(bed):
    yield
    bed.remove(NAME)


@pytest.fixture
def old(bed):
    """Runs that give a server the agents of yesterday, and an upgrade of it."""
    renew(bed, docker=True)
    register = Play(bed, **OLD)
    assert register.run().returncode == 0
    register.keeps_its_identity()
    return register, Play(bed, UPGRADE, ecs_anywhere_upgrade_drain=True, ecs_anywhere_wait_timeout=15)


def active(bed):
    (instance,) = bed.aws.container_instances()
    return (instance["status"], instance["agentConnected"]) == ("ACTIVE", True)


@pytest.mark.state("killed at any step of an upgrade")
def test_an_upgrade_that_is_killed_at_any_step(bed, old, record_property):
    register, upgrade = old
    before = seen(bed.aws)
    upgrade.variables["ecs_anywhere_wait_timeout"] = 120
    assert upgrade.run().returncode == 0
    steps = come_to(upgrade.steps(), *WALKS["upgrade"])
    assert len(steps) >= 10

    def of_yesterday():
        assert register.run().returncode == 0
        right(bed.aws, before, OLD)

    def holds():
        register.keeps_its_identity()
        assert set(seen(bed.aws)) == set(before)

    def ended():
        holds()
        right(bed.aws, before, NEW)
        assert active(bed)
        assert upgrade.run().recap(NAME)["changed"] == 0

    walk(upgrade, steps, of_yesterday, holds, ended).note(record_property, NAME)
    assert bed.aws.activations() == []


@pytest.mark.state("killed on the way back of an upgrade")
def test_a_way_back_that_is_killed_at_any_step(bed, old, record_property):
    """What the next run finds is a server with agents that do not connect. With the old pins it is right again."""
    register, upgrade = old
    before = seen(bed.aws)
    bed.on(NAME, BROKEN)
    assert upgrade.run().returncode != 0
    assert versions(bed, NAME) == list(OLD.values())
    assert active(bed)
    steps = steps_in(upgrade.steps(), *WALKS["roll back"])
    packages = [step for step in upgrade.steps() if step.startswith("Roll back") and step not in steps]
    assert len(steps) >= 3 and packages
    for step in steps + packages:
        assert upgrade.kill_at(step)
        register.keeps_its_identity()
        again = upgrade.run()  # it may be the old agents' turn or not: what it must not do is to say that all is well
        assert again.returncode != 0
        finished = register.run()
        assert finished.returncode == 0, step
        register.keeps_its_identity()
        right(bed.aws, before, OLD)
        assert active(bed), step
    finished.note(record_property, NAME)
