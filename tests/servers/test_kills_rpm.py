# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""SIGKILL at the steps that are of dnf and zypper alone, of the play and of the module, on look-alikes of their systems
(build-rpm-image)."""

from __future__ import annotations

import pytest
from kills import NAME
from kills import WALKS
from kills import Play
from kills import is_right
from kills import kill_module
from kills import renew
from kills import steps_in
from kills import walk
from test_docker_rpm import OLD_PYTHON
from test_docker_rpm import ROCKY
from test_rpm import LEAP

SYSTEMS = {
    "dnf": ("dnf", ""),
    "dnf as a command": (
        "dnf",
        # it has no Docker of its own
        f"dnf --assumeyes --quiet install docker; systemctl enable --now docker\n"
        f"printf '%s' '{ROCKY[0]}' >/etc/os-release; echo '{ROCKY[1]}' >/etc/redhat-release; {OLD_PYTHON}",
    ),
    "zypper": ("zypper", f"printf '%s' '{LEAP}' >/etc/os-release"),
}
BY_MODULE = "Packages | By dnf"
BY_COMMAND = "Packages | By the command, where the Python of dnf's bindings is too old for Ansible"
INSTALLED = "rpm -q amazon-ssm-agent amazon-ecs-init docker --qf '%{NAME}\\n' | grep -v 'not installed' || :"


@pytest.fixture(autouse=True, scope="module")
def _clean(bed):
    yield
    bed.remove(NAME)


@pytest.mark.state("killed at a step of dnf or zypper")
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_server_that_comes_and_goes(bed, system, record_property):
    files, script = SYSTEMS[system]
    register = Play(bed)
    leave = Play(bed, "hybrid.ecs_anywhere.deregister", ecs_anywhere_remove_packages=True)
    but = {BY_COMMAND, BY_MODULE} - {BY_COMMAND if system == "dnf as a command" else BY_MODULE}

    def bare():
        renew(bed, image="rpm")
        bed.on(NAME, script)
        register.identity = ""

    def holds():
        register.keeps_its_identity()
        register.leftovers_are_short_lived()

    def is_registered():
        holds()
        is_right(register)
        assert len(bed.on(NAME, INSTALLED).split()) == 3

    def has_left():
        assert bed.aws.nodes() == bed.aws.container_instances() == []
        assert leave.run().recap(NAME)["changed"] == 0
        assert bed.on(NAME, INSTALLED).split() == ["docker"]

    bare()
    assert register.run().returncode == 0
    come = register.steps()
    assert leave.run().returncode == 0
    go = leave.steps()
    first = steps_in({**go, **come}, *WALKS[files], but=but)
    place = [step for step in come if "A place for packages" in step]
    assert len(place) == 1
    coming = place + [step for step in first if step in come]
    going = [step for step in first if step in go]
    assert len(coming) >= 2 and going
    walk(register, coming, bare, holds, is_registered).note(record_property, NAME)
    walk(leave, going, register.run, lambda: None, has_left)


@pytest.mark.state("module killed amid a transaction of rpm")
@pytest.mark.parametrize("system", SYSTEMS)
def test_packages_whose_installation_is_killed(bed, system, record_property):
    """When the first files of Docker are there, and when those of the SSM agent are."""
    renew(bed, image="rpm")
    bed.on(NAME, SYSTEMS[system][1])
    play = Play(bed)
    module = {"dnf": "dnf", "dnf as a command": "command", "zypper": "zypper"}[system]
    docker = [] if system == "dnf as a command" else ["/usr/sbin/dockerd"]  # that has it already
    for file in [*docker, "/usr/bin/amazon-ssm-agent"]:
        kill_module(play, module, file)
    finished = play.run()
    assert finished.returncode == 0
    finished.note(record_property, NAME)
    is_right(play)
    # but for what the agent writes itself
    verified = "rpm --verify docker amazon-ssm-agent amazon-ecs-init | grep -vE ' c |/var/cache/ecs/state$' || :"
    assert bed.on(NAME, verified) == ""
