# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The states that a server may be in, and what a run makes of each. A test of tests/servers says which is its own with
pytest.mark.state; a state without a test is a failure of tests/unit and of `make matrix`, which prints the table."""

from __future__ import annotations

ANEW = "registered anew, what it was is retired"

STATES = {
    "bare": "registered",
    "right": "untouched, one module execution",
    "stopped": "started, identity kept",
    "disabled": "enabled, identity kept",
    "masked": "unmasked and started, identity kept",
    "failed": "started, identity kept",
    "gave up": "restarted, identity kept",
    "container instance gone": "joins anew, node kept",
    "container instance gone, agent restarted": "joins anew, node kept",
    "registered with SSM only": "joins, node kept",
    "vault emptied": ANEW,
    "deregistered in SSM": ANEW,
    "deregistered on both sides": "registered anew",
    "duplicates": "the agent's own is kept, node kept",
    "node role replaced": "role repaired, identity kept",
    "script": "adopted, settings collapsed, identity kept",
    "moved": "joins the other cluster, node kept",
    "edited": "joins the other cluster, node kept",
    "machine": ANEW,
    "snap": "registered by the snap, which stays",
    "original": "untouched",
    "clone": "registered anew, the original untouched",
    "other Region or account": "refused, nothing changed",
    "foreign credentials": "refused, each named, nothing changed",
    "no route to AWS": "refused, each endpoint named, nothing changed",
    "IMDS with a role": "refused, nothing changed",
    "Docker missing": "refused if Docker is the user's to install",
    "Docker too new": "refused, nothing changed",
    "podman's shim": "refused, nothing changed",
    "disk too small": "refused, nothing changed",
    "disk full during the installation": "ends saying so, finished by the next run",
    "clock an hour off": "refused, nothing changed; then registered",
    "activation used up": "refused with the cause, registered by the next run",
    "killed during a move": "finished by the next run, node kept",
    "killed at any step": "finished by the next run, one node",
    "killed at any step of a move": "finished by the next run, node kept",
    "killed at any step of leaving": "finished by the next run",
    "killed at a step of an option": "finished by the next run, one node",
    "killed while its proxy goes": "finished by the next run, identity kept",
    "killed while it is given up": "registered anew by the next run, one node",
    "killed while what it was is retired": "finished by the next run, one container instance",
    "killed at a step of dnf or zypper": "finished by the next run, one node",
    "killed at any step of an upgrade": "finished by the next run, ACTIVE, identity kept",
    "killed on the way back of an upgrade": "right with the old agents, identity kept",
    "module killed amid a transaction of rpm": "finished by the next run, one node",
    "module killed on the server": "finished by the next run, one node",
}
