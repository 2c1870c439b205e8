# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""SIGKILL of the play at the steps of options, and of what becomes of a server that has to be registered anew."""

from __future__ import annotations

import shutil
from functools import partial

import docker_repository
import pytest
from conftest import testbed
from kills import NAME
from kills import WALKS
from kills import Play
from kills import come_to
from kills import is_right
from kills import renew
from kills import steps_in
from kills import walk
from test_identity import ANOTHER_MACHINE
from test_options import PASSWORD
from test_options import PROXY
from test_options import PROXY_PROGRAM
from test_states import EMPTIED
from test_states import LONG_REGISTERED

PLACE = "killed"
FORMER = "/var/lib/amazon/ssm/.ecs_anywhere_former"


@pytest.fixture(autouse=True, scope="module")
def _clean(bed):
    yield
    bed.remove(NAME)


@pytest.fixture(scope="module")
def options(bed, signer, tmp_path_factory):
    """The variables of a server that has Docker from Docker, its packages from the controller, and a proxy."""
    testbed.podman("exec", "--detach", testbed.EMULATOR, "python3", "-c", PROXY_PROGRAM, f"edge:{PASSWORD}")
    renew(bed)
    key = signer.make("docker", "never")
    debs = docker_repository.debs_of(NAME, bed, tmp_path_factory.mktemp("debs"))
    root = bed.packages / PLACE
    shutil.rmtree(root, ignore_errors=True)
    sign = partial(signer.clear_sign, "docker")
    docker_repository.make(root / "linux" / "debian", debs, ["28.0.4"], "bookworm", sign, key["key"])
    yield {
        "ecs_anywhere_docker_source": "docker",
        "ecs_anywhere_docker_base_url": f"https://download.docker.com/{PLACE}",
        "ecs_anywhere_docker_gpg_fingerprints": [key["fingerprint"]],
        "ecs_anywhere_package_transport": "controller",
        "ecs_anywhere_proxy": {"https": PROXY},
    }
    shutil.rmtree(root)


@pytest.fixture
def _home(tmp_path, monkeypatch):
    """What the controller fetches goes there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("_home")
@pytest.mark.state("killed at a step of an option")
def test_a_registration_with_options_that_is_killed_at_their_steps(bed, options, record_property):
    play = Play(bed, **options, ecs_anywhere_cluster="new", ecs_anywhere_manage_cluster=True)

    def bare():
        renew(bed)
        bed.on(NAME, f"echo {testbed.EMULATOR_ADDRESS} download.docker.com >> /etc/hosts")
        play.identity = ""

    def holds():
        play.keeps_its_identity()
        play.leftovers_are_short_lived()

    def ended():
        holds()
        is_right(play, "new")
        assert bed.on(NAME, "dpkg-query -W -f '${Version}' docker-ce").startswith("5:28.0.4")

    bare()
    assert play.run().returncode == 0
    elsewhere = {
        "Docker | Its repository, for dnf",
        "Docker | What there is now, for dnf",
        "Docker | Take out a repository that would fail every later run of dnf",
        "Docker | Take out a repository that would fail every later run of apt",  # nothing is wrong with it
        "Proxy | Tell the units no more",  # below
    }
    steps = steps_in(play.steps(), *WALKS["options"], but=elsewhere)
    assert len(steps) >= 10
    walk(play, steps, bare, holds, ended).note(record_property, NAME)


@pytest.mark.usefixtures("_home")
@pytest.mark.state("killed while its proxy goes")
def test_a_server_whose_proxy_is_not_wanted_any_more(bed, options, record_property):
    proxied = Play(bed, ecs_anywhere_proxy=options["ecs_anywhere_proxy"])
    play = Play(bed)
    renew(bed, docker=True)
    assert proxied.run().returncode == 0
    assert play.run().returncode == 0
    steps = list(play.steps())
    assert any("Tell the units no more" in step for step in steps)
    assert any("Forget a proxy" in step for step in steps)

    def with_a_proxy():
        assert proxied.run().returncode == 0
        assert bed.on(NAME, "grep -rls PROXY /etc || :")

    def holds():
        play.keeps_its_identity()

    def ended():
        is_right(play)
        assert bed.on(NAME, "grep -rls PROXY /etc || :") == ""
        pids = "$(systemctl show -P MainPID docker) $(systemctl show -P MainPID amazon-ssm-agent)"
        assert bed.on(NAME, f"for pid in {pids}; do tr '\\0' '\\n' </proc/$pid/environ | grep PROXY || :; done") == ""

    walk(play, steps, with_a_proxy, holds, ended).note(record_property, NAME)


def identities(aws):
    return {node["managed_instance_id"] for node in aws.control("GET", "managed-nodes")}


@pytest.mark.state("killed while it is given up")
def test_a_server_that_is_given_up_and_registered_anew(bed, record_property):
    """Its machine id is another one: nobody can work as what it was any more."""
    renew(bed, docker=True)
    # the controller's clock must not fall behind by the life of an activation
    bed.aws.control("PUT", "settings", {"ping_timeout": 300})
    play = Play(bed)
    assert play.run().returncode == 0

    def another_machine():
        bed.on(NAME, LONG_REGISTERED + ANOTHER_MACHINE)
        bed.aws.control("POST", "clock", {"advance": 400})
        (node,) = bed.aws.nodes()
        assert node["PingStatus"] == "ConnectionLost"
        play.identity = ""

    def holds():
        # it is out at AWS before it is anew
        assert len(identities(bed.aws)) <= 1
        assert len(bed.aws.container_instances()) <= 1
        play.leftovers_are_short_lived()

    def ended():
        holds()
        is_right(play)

    another_machine()
    former = play.vault()
    assert play.run().returncode == 0
    assert play.vault() not in ("", former)
    steps = come_to(play.steps(), "give_up", "register")
    walk(play, steps, another_machine, holds, ended).note(record_property, NAME)


@pytest.mark.state("killed while what it was is retired")
def test_a_server_whose_vault_was_emptied_and_that_is_registered_anew(bed, record_property):
    renew(bed, docker=True)
    play = Play(bed)
    assert play.run().returncode == 0

    def emptied():
        before.clear()
        before.extend(identities(bed.aws))
        bed.on(NAME, EMPTIED)
        assert play.vault() == ""

    def holds():
        assert len(identities(bed.aws)) <= len(before) + 1
        assert len(bed.aws.container_instances()) <= 2
        play.leftovers_are_short_lived()

    def ended():
        holds()
        (instance,) = bed.aws.container_instances()
        assert instance["ec2InstanceId"] == play.vault() not in before
        assert (instance["status"], instance["agentConnected"]) == ("ACTIVE", True)
        assert play.run().recap(NAME)["changed"] == 0

    before = []
    emptied()
    assert play.run().returncode == 0
    steps = come_to(play.steps(), "retire", "register")
    assert any("Note the container instances" in step for step in steps)
    walk(play, steps, emptied, holds, ended).note(record_property, NAME)


def test_a_server_that_leaves_takes_along_what_it_was_before_a_run_was_killed(bed):
    renew(bed, docker=True)
    play, leave = Play(bed), Play(bed, "hybrid.ecs_anywhere.deregister")
    assert play.run().returncode == 0
    (former,) = [i["containerInstanceArn"] for i in bed.aws.container_instances()]
    bed.on(NAME, EMPTIED)
    assert play.kill_at("Carry out the plan > Activate | Delete the activations of this run")
    assert former in [i["containerInstanceArn"] for i in bed.aws.container_instances()]
    # of a cluster that is gone nothing is left to deregister
    elsewhere = former.replace("/edge/", "/deleted/")
    bed.on(NAME, f"printf '\\n{elsewhere}' >>{FORMER}; grep {former} {FORMER}")
    left = leave.run()
    assert left.returncode == 0
    assert bed.aws.container_instances() == []
    assert leave.run().recap(NAME)["changed"] == 0
