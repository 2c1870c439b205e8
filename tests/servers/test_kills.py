# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""SIGKILL at every single step: of the play, and of each module on the server. The next run finishes what is left."""

from __future__ import annotations

import datetime
import json
import re
import signal
import time

import pytest
import yaml
from callback.steps import HERE
from conftest import CHECKOUT
from conftest import testbed

VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
NAME = "victim"
DEREGISTER = "hybrid.ecs_anywhere.deregister"
LIFETIME = datetime.timedelta(hours=1)  # of an activation, by default
# What adds steps to a whole run.
OPTIONS = {
    "ecs_anywhere_attributes": {"rack": "r12"},
    "ecs_anywhere_exec": True,
    "ecs_anywhere_similarity_threshold": 10,
    "ecs_anywhere_ssm_agent_config": {"Ssm": {"CredentialRetryMaxSleepSeconds": 60}},
}

TASKS = CHECKOUT / "roles" / "ecs_anywhere" / "tasks"
# Files of tasks that registering a bare server of Debian does not come to: other flows, systems and options.
OTHER_FILES = {
    *("dnf", "docker_repository", "fetch_by_controller", "install_rhel", "install_suse", "mirror", "proxy"),
    *("give_up", "leave", "move", "remove_debian", "remove_rhel", "remove_suse", "repair_node_role", "reset_ecs_agent"),
    *("create_cluster", "retire"),
    *("drain", "roll_back", "upgrade"),
}
# Tasks in files that a run below comes to, and why it does not execute them.
NOT_HERE = {
    "Plan | Look at activations of the user's own": "there are none",
    "Fetch | What signatures are checked with": "of Debian 13",
    "Fetch | A place for packages": "of RPM systems",
    "Install | End what an interrupted dpkg left": "of a run after a killed one",
    "Configure | Where the SSM agent's settings are": "of snaps",
    "Start | Forget failures that systemd would hold against a start": "nothing has failed",
    "Start | Forget a proxy that is not wanted any more": "there is none",
}


def tasks_of(*files):
    """The names of the tasks of the role that execute a module."""

    def walk_through(entries):
        for entry in entries:
            for part in ("block", "rescue", "always"):
                yield from walk_through(entry.get(part, []))
            action = next((key for key in entry if "." in key), None)
            if action and action.split(".")[-1] not in HERE:
                yield entry["name"]

    for file in files:
        yield from walk_through(yaml.safe_load((TASKS / f"{file}.yml").read_text()))


def come_to(steps, *files):
    """The names of a run's steps. It has to have executed every task of the files: what it does not, nobody kills."""
    assert set(tasks_of(*files)) - set(NOT_HERE) - {step["task"] for step in steps.values()} == set()
    return list(steps)


class Play:
    """Runs of one playbook on one server, killed or not, and what holds after each of them."""

    def __init__(self, bed, playbook="hybrid.ecs_anywhere.register", **variables):
        self.bed, self.aws, self.playbook, self.variables = bed, bed.aws, playbook, {**OPTIONS, **variables}
        self.noted = testbed.BED / "steps.jsonl"
        self.identity = ""

    def _how(self, **environment):
        self.noted.unlink(missing_ok=True)
        environment = {"ANSIBLE_CALLBACKS_ENABLED": "executions,steps", "STEPS": str(self.noted), **environment}
        return {"playbook": self.playbook, "variables": self.variables, "environment": environment}

    def _lines(self, kind):
        text = self.noted.read_text() if self.noted.exists() else ""
        return [line for line in map(json.loads, text.splitlines()) if kind in line]

    def steps(self):
        """The tasks of the last run that executed a module, by name, with the module and whether the server ran it."""
        return {line["step"]: line for line in self._lines("step")}

    def kill_at(self, step):
        """Whether the run came to the step, and was killed there; if it had not to, it ran to its end."""
        began = time.monotonic()
        process = self.bed.start(NAME, **self._how(KILL_AT=step))
        output, _ = process.communicate(timeout=300)
        killed = process.returncode == -signal.SIGKILL
        assert killed or process.returncode == 0, output
        assert killed == bool(self._lines("killed"))
        print(f"{'killed at' if killed else 'not needed:'} {step} ({time.monotonic() - began:.0f} s)", flush=True)
        return killed

    def run(self):
        return self.bed.register(NAME, timeout=600, **self._how())

    def vault(self):
        text = self.bed.on(NAME, f"cat {VAULT} 2>/dev/null || :")
        return json.loads(text)["instanceID"] if text else ""

    def keeps_its_identity(self):
        now = self.vault()
        assert now == self.identity or not self.identity, "an identity was lost"
        self.identity = now
        nodes = [node["managed_instance_id"] for node in self.aws.control("GET", "managed-nodes")]
        assert len(nodes) <= 1, f"a second managed node: {nodes}"
        assert not now or nodes == [now]

    def leftovers_are_short_lived(self, kills):
        left = self.aws.activations()
        assert len(left) <= kills
        for activation in left:
            assert activation["ExpirationDate"] - activation["CreatedDate"] <= LIFETIME


def renew(bed, docker=False):
    """A new server, in an account where nobody has been before."""
    bed.remove(NAME)
    bed.aws.control("POST", "reset")
    bed.aws.control("DELETE", "faults")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(NAME, docker=docker)


@pytest.fixture(autouse=True, scope="module")
def _clean(bed):
    yield
    bed.remove(NAME)


@pytest.fixture(scope="module")
def learnt(bed):
    """The steps of a whole run that registers a bare server."""
    play = Play(bed)
    renew(bed)
    assert play.run().returncode == 0
    return play.steps()


def is_right(play, cluster="edge"):
    """One node and one container instance of it; the run that saw to it leaves nothing to do."""
    assert play.run().recap(NAME)["changed"] == 0
    play.keeps_its_identity()
    (node,) = play.aws.nodes()
    (instance,) = play.aws.container_instances(cluster)
    assert (node["InstanceId"], node["PingStatus"]) == (play.identity, "Online")
    assert (instance["ec2InstanceId"], instance["status"]) == (play.identity, "ACTIVE")
    assert instance["agentConnected"]
    assert play.identity


def walk(play, steps, prepare, holds, ended):
    """Kill a run at each of the steps, one after the other, so that each of the runs gets further than those before.

    Where one had a step done already, it goes to its end, and the steps that are left are for another start. Returns
    the last run, which finished what the killed ones left.
    """
    remaining = list(steps)
    while remaining:
        prepare()
        before, kills = len(remaining), 0
        for step in list(remaining):
            if not play.kill_at(step):
                break
            remaining.remove(step)
            kills += 1
            holds(kills)
        assert len(remaining) < before, f"no run came to {remaining[0]}"
        finished = play.run()
        assert finished.returncode == 0
        ended(kills)
    return finished


@pytest.mark.state("killed at any step")
def test_a_registration_that_is_killed_at_any_step(bed, learnt, record_property):
    play, steps = Play(bed), come_to(learnt, *({path.stem for path in TASKS.glob("*.yml")} - OTHER_FILES))

    def bare():
        renew(bed, docker=bool(killed))
        play.identity = ""

    def holds(kills):
        killed.append(kills)
        play.keeps_its_identity()
        play.leftovers_are_short_lived(kills)

    def ended(kills):
        play.leftovers_are_short_lived(kills)
        is_right(play)

    killed = []
    walk(play, steps, bare, holds, ended).note(record_property, NAME)
    assert len(killed) == len(steps) >= 15


@pytest.mark.state("killed at any step of a move")
def test_a_move_that_is_killed_at_any_step(bed, record_property):
    renew(bed, docker=True)
    bed.aws.client("ecs").create_cluster(clusterName="other")
    play = Play(bed)
    assert play.run().returncode == 0
    play.keeps_its_identity()
    play.variables["ecs_anywhere_cluster"] = "other"
    assert play.run().returncode == 0
    steps = come_to(play.steps(), "move", "reset_ecs_agent", "configure", "label")

    def elsewhere():
        now = play.variables["ecs_anywhere_cluster"]
        play.variables["ecs_anywhere_cluster"] = "edge" if now == "other" else "other"

    def holds(kills):
        play.keeps_its_identity()
        instances = [i for cluster in ("edge", "other") for i in play.aws.container_instances(cluster)]
        assert len(instances) <= 1

    def ended(kills):
        holds(kills)
        is_right(play, play.variables["ecs_anywhere_cluster"])

    walk(play, steps, elsewhere, holds, ended).note(record_property, NAME)
    assert play.aws.activations() == []


@pytest.mark.state("killed at any step of leaving")
def test_a_server_whose_leaving_is_killed_at_any_step(bed, record_property):
    renew(bed, docker=True)
    register, play = Play(bed), Play(bed, DEREGISTER, ecs_anywhere_remove_packages=True)
    assert register.run().returncode == 0
    assert play.run().returncode == 0
    steps = come_to(play.steps(), "leave", "remove_debian")

    def registered():
        assert register.run().returncode == 0

    def holds(kills):
        nodes = [node["InstanceId"] for node in play.aws.nodes()]
        assert len(nodes) <= 1
        # AWS forgets it first, or nobody would know what there is to deregister
        assert play.vault() in nodes or nodes == []

    def ended(kills):
        assert play.aws.nodes() == play.aws.container_instances() == []
        assert play.vault() == ""
        assert play.run().recap(NAME)["changed"] == 0

    walk(play, steps, registered, holds, ended).note(record_property, NAME)


# Kills a module's process on the server, or that process while a child of it is at work.
WATCHER = """
import os, signal, sys, time
module, child = sys.argv[1:]
def processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as stream:
                yield int(pid), stream.read().split(chr(0))
        except OSError:
            pass
while True:
    found = list(processes())
    for pid, words in found:
        if "python" in words[0] and any(word.endswith(f"/AnsiballZ_{module}.py") for word in words[1:]):
            if not child or any(child in " ".join(other) for unused, other in found if unused != os.getpid()):
                os.kill(pid, signal.SIGKILL)
                open("/run/killed", "w").close()
                sys.exit()
    time.sleep(0.005)
"""
# What the module is doing when it is worst to lose it.
AT_WORK = {"apt": "dpkg --", "ssm_agent_registration": "amazon-ssm-agent -register"}


@pytest.mark.state("module killed on the server")
def test_each_module_that_is_killed_on_the_server(bed, learnt, record_property):
    play = Play(bed)
    modules = list(dict.fromkeys(step["module"] for step in learnt.values() if step["on_server"]))
    renew(bed)
    for module in modules:
        bed.on(
            NAME,
            f"rm -f /run/killed; cat > /run/watcher.py <<'END'\n{WATCHER}\nEND\n"
            f"systemd-run --quiet --unit=watcher python3 /run/watcher.py {module} '{AT_WORK.get(module, '')}'",
        )
        run = play.run()
        assert bed.on(NAME, "ls /run/killed") == "/run/killed", f"{module} was not run any more"
        assert run.recap(NAME)["failed"] == 1, module
        assert re.search(r"SIGKILL|\bKilled\b|\b137\b", run.text), run.text
        # the play goes on for what is left of it: no activation survives
        assert play.aws.activations() == []
        play.keeps_its_identity()
    finished = play.run()
    assert finished.returncode == 0
    finished.note(record_property, NAME)
    is_right(play)
    assert {"apt", "signed_download", "ecs_agent_config", "ssm_agent_registration", "systemd_service"} <= set(modules)
