# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Runs that are killed at a step, and what holds whatever the step was. test_kills*.py walk through all of them."""

from __future__ import annotations

import datetime
import json
import re
import signal
import time

import yaml
from callback.steps import HERE
from conftest import CHECKOUT
from conftest import PLAYBOOK
from conftest import ended
from conftest import testbed

VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
NAME = "victim"
LIFETIME = datetime.timedelta(hours=1)  # of an activation, by default

TASKS = CHECKOUT / "roles" / "ecs_anywhere" / "tasks"
# Which walk kills the tasks of a file. What is not named here is killed while a bare server of Debian is registered.
WALKS = {
    "move": ("move", "reset_ecs_agent"),
    "leave": ("leave", "remove_debian"),
    "options": ("create_cluster", "docker_repository", "fetch_by_controller", "proxy"),
    "give up": ("give_up", "retire"),
    "dnf": ("install_rhel", "remove_rhel", "dnf"),
    "zypper": ("install_suse", "remove_suse"),
    "upgrade": ("upgrade", "drain"),
    "roll back": ("roll_back",),
    # those of test_node_role.py are at the moments that matter
    "node role": ("repair_node_role",),
    # of no server: it fills a folder of the controller
    "mirror": ("mirror",),
}
REGISTERING = sorted({path.stem for path in TASKS.glob("*.yml")} - {file for files in WALKS.values() for file in files})
# Tasks in files that a walk comes to, and why it does not execute them.
NOT_HERE = {
    "Plan | Look at activations of the user's own": "there are none",
    "Fetch | What signatures are checked with": "of Debian 13",
    "Fetch | A place for packages": "of RPM systems",
    "Install | End what an interrupted dpkg left": "of a run after a killed one",
    "Configure | Where the SSM agent's settings are": "of snaps",
    "Start | Forget failures that systemd would hold against a start": "nothing has failed",
    "Start | Forget a proxy that is not wanted any more": "there is none",
    "Register | Note the container instances that it was": "it was none",
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


def come_to(steps, *files, but=()):
    """The names of a run's steps. It has to have executed every task of the files: what it does not, nobody kills."""
    assert set(tasks_of(*files)) - set(NOT_HERE) - set(but) - {step["task"] for step in steps.values()} == set()
    return list(steps)


def steps_in(steps, *files, but=()):
    """Those of a run's steps that are in the files."""
    come_to(steps, *files, but=but)
    names = set(tasks_of(*files))
    return [name for name, step in steps.items() if step["task"] in names]


class Play:
    """Runs of one playbook on one server, killed or not, and what holds after each of them."""

    def __init__(self, bed, playbook=PLAYBOOK, **variables):
        self.bed, self.aws, self.playbook, self.variables = bed, bed.aws, playbook, variables
        self.noted = testbed.BED / "steps.jsonl"
        self.identity = ""
        self.kills = 0

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
        output = ended(process, 300)
        killed = process.returncode == -signal.SIGKILL
        assert killed or process.returncode == 0, output
        assert killed == bool(self._lines("killed"))
        self.kills += killed
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

    def leftovers_are_short_lived(self):
        left = self.aws.activations()
        assert len(left) <= self.kills
        for activation in left:
            assert activation["ExpirationDate"] - activation["CreatedDate"] <= LIFETIME


def renew(bed, **server):
    """A new server, in an account where nobody has been before."""
    bed.remove(NAME)
    bed.aws.control("POST", "reset")
    bed.aws.control("DELETE", "faults")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(NAME, **server)


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
        before = len(remaining)
        for step in list(remaining):
            if not play.kill_at(step):
                break
            remaining.remove(step)
            holds()
        assert len(remaining) < before, f"no run came to {remaining[0]}"
        finished = play.run()
        assert finished.returncode == 0
        ended()
    return finished


# Kills a module's process on the server: at once, while a child of it is at work, or when a file is about to be there,
# which rpm unpacks under a longer name. Then all that it has begun dies with it, as when the server does.
WATCHER = """
import glob, os, signal, sys, time
module, moment = sys.argv[1:]
def processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as words, open(f"/proc/{pid}/stat") as stat:
                yield int(pid), words.read().split(chr(0)), int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
def has_come(found):
    if moment.startswith("/"):
        return glob.glob(moment + "*")
    return any(moment in " ".join(words) for pid, words, parent in found if pid != os.getpid())
def kill(pid, found):
    os.kill(pid, signal.SIGKILL)
    for child, words, parent in found:
        if parent == pid and moment.startswith("/"):
            kill(child, found)
while True:
    found = list(processes())
    for pid, words, parent in found:
        if "python" in words[0] and any(word.endswith(f"/AnsiballZ_{module}.py") for word in words[1:]):
            if has_come(found):
                kill(pid, found)
                open("/run/killed", "w").close()
                sys.exit()
    time.sleep(0.005)
"""


def kill_module(play, module, moment=""):
    """A run whose module is killed at the moment, the command line of a child or a file. The play ends by itself."""
    play.bed.on(
        NAME,
        f"rm -f /run/killed; cat > /run/watcher.py <<'END'\n{WATCHER}\nEND\n"
        f"systemd-run --quiet --unit=watcher python3 /run/watcher.py {module} '{moment}'",
    )
    run = play.run()
    assert play.bed.on(NAME, "ls /run/killed") == "/run/killed", f"{module} was not run any more"
    assert run.recap(NAME)["failed"] == 1, module
    assert re.search(r"SIGKILL|\bKilled\b|\b137\b", run.text), run.text
    # the play goes on for what is left of it: no activation survives
    assert play.aws.activations() == []
    play.keeps_its_identity()
