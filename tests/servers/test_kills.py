# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""SIGKILL at every single step: of the play, and of each module on the server. The next run finishes what is left."""

from __future__ import annotations

import pytest
from kills import NAME
from kills import REGISTERING
from kills import WALKS
from kills import Play
from kills import come_to
from kills import is_right
from kills import kill_module
from kills import renew
from kills import walk

DEREGISTER = "hybrid.ecs_anywhere.deregister"
# What adds steps to a whole run.
OPTIONS = {
    "ecs_anywhere_attributes": {"rack": "r12"},
    "ecs_anywhere_exec": True,
    "ecs_anywhere_similarity_threshold": 10,
    "ecs_anywhere_ssm_agent_config": {"Ssm": {"CredentialRetryMaxSleepSeconds": 60}},
}


@pytest.fixture(autouse=True, scope="module")
def _clean(bed):
    yield
    bed.remove(NAME)


@pytest.fixture(scope="module")
def learnt(bed):
    """The steps of a whole run that registers a bare server."""
    play = Play(bed, **OPTIONS)
    renew(bed)
    assert play.run().returncode == 0
    return play.steps()


@pytest.mark.state("killed at any step")
def test_a_registration_that_is_killed_at_any_step(bed, learnt, record_property):
    play, steps = Play(bed, **OPTIONS), come_to(learnt, *REGISTERING)

    def bare():
        renew(bed, docker=bool(play.kills))
        play.identity = ""

    def holds():
        play.keeps_its_identity()
        play.leftovers_are_short_lived()

    def ended():
        play.leftovers_are_short_lived()
        is_right(play)

    walk(play, steps, bare, holds, ended).note(record_property, NAME)
    assert play.kills == len(steps) >= 15


@pytest.mark.state("killed at any step of a move")
def test_a_move_that_is_killed_at_any_step(bed, record_property):
    renew(bed, docker=True)
    bed.aws.client("ecs").create_cluster(clusterName="other")
    play = Play(bed, **OPTIONS)
    assert play.run().returncode == 0
    play.keeps_its_identity()
    play.variables["ecs_anywhere_cluster"] = "other"
    assert play.run().returncode == 0
    steps = come_to(play.steps(), *WALKS["move"], "configure", "label")

    def elsewhere():
        now = play.variables["ecs_anywhere_cluster"]
        play.variables["ecs_anywhere_cluster"] = "edge" if now == "other" else "other"

    def holds():
        play.keeps_its_identity()
        instances = [i for cluster in ("edge", "other") for i in play.aws.container_instances(cluster)]
        assert len(instances) <= 1

    def ended():
        holds()
        is_right(play, play.variables["ecs_anywhere_cluster"])

    walk(play, steps, elsewhere, holds, ended).note(record_property, NAME)
    assert play.aws.activations() == []


@pytest.mark.state("killed at any step of leaving")
def test_a_server_whose_leaving_is_killed_at_any_step(bed, record_property):
    renew(bed, docker=True)
    register = Play(bed, **OPTIONS)
    play = Play(bed, DEREGISTER, **OPTIONS, ecs_anywhere_remove_packages=True)
    assert register.run().returncode == 0
    assert play.run().returncode == 0
    steps = come_to(play.steps(), *WALKS["leave"])

    def registered():
        assert register.run().returncode == 0

    def holds():
        nodes = [node["InstanceId"] for node in play.aws.nodes()]
        assert len(nodes) <= 1
        # AWS forgets it first, or nobody would know what there is to deregister
        assert play.vault() in nodes or nodes == []

    def ended():
        assert play.aws.nodes() == play.aws.container_instances() == []
        assert play.vault() == ""
        assert play.run().recap(NAME)["changed"] == 0

    walk(play, steps, registered, holds, ended).note(record_property, NAME)


# What the module is doing when it is worst to lose it.
AT_WORK = {"apt": "dpkg --", "ssm_agent_registration": "amazon-ssm-agent -register"}


@pytest.mark.state("module killed on the server")
def test_each_module_that_is_killed_on_the_server(bed, learnt, record_property):
    play = Play(bed, **OPTIONS)
    modules = list(dict.fromkeys(step["module"] for step in learnt.values() if step["on_server"]))
    renew(bed)
    for module in modules:
        kill_module(play, module, AT_WORK.get(module, ""))
    finished = play.run()
    assert finished.returncode == 0
    finished.note(record_property, NAME)
    is_right(play)
    assert {"apt", "signed_download", "ecs_agent_config", "ssm_agent_registration", "systemd_service"} <= set(modules)
