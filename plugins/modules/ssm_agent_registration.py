#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_agent_registration
version_added: 0.1.0
short_description: Registers the SSM agent of a server without ever losing an identity
description:
  - Registers a server as managed node with a hybrid activation, or clears its registration.
  - The agent's own C(-register) empties its vault before it asks AWS. This module backs the vault up first, restores it
    when the registration fails, and keeps a journal, so that a run that was killed at any moment is brought to a
    consistent end by the next one.
  - Whether a server is registered is told by the agent's vault alone.
  - When the managed node id changes, C(ecs.service) is stopped and the saved state of the ECS agent
    (C(/var/lib/ecs/data/agent.db)) is removed, because it belongs to the former node. The module does not start
    C(ecs.service) again.
  - The registration outlives a lost connection. A second run waits for it.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(replace=true) each run makes a new managed node.
options:
  state:
    description:
      - V(registered) registers the server when it is not registered, or when O(replace=true).
      - V(cleared) removes the registration from the server. It does not deregister the managed node at AWS.
      - V(recovered) only brings an interrupted registration to its end. It needs no activation.
    type: str
    choices: [registered, cleared, recovered]
    default: registered
  activation_id:
    description: Id of the hybrid activation. Needed when the server is to be registered.
    type: str
  activation_code:
    description:
      - Code of the hybrid activation. Needed when the server is to be registered.
      - The agent takes it on its command line only, so it is visible to local users while the registration runs. Use an
        activation that is short-lived and sized to what it is for.
    type: str
  region:
    description: The Region of the activation. Needed when the server is to be registered.
    type: str
  replace:
    description:
      - Register a server that is registered already once more, as a new managed node. The former one stays at AWS until
        it is deregistered there.
      - A run with O(replace=true) that finds such a replacement interrupted finishes that one and makes no further
        node.
    type: bool
    default: false
  disable_similarity_check:
    description: Tell the agent not to compare the server's hardware with what it was at registration.
    type: bool
    default: false
  environment:
    description:
      - Further environment variables of the agent's command, such as those of a proxy, which the settings of the
        agent's service do not give to it. In contrast to the task's own C(environment) they are in no output and in no
        list of processes.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds to wait for the registration to end, and for another one that runs already.
      - A registration of our own that takes longer is ended, and the former state restored.
    type: int
    default: 300
requirements:
  - Linux with systemd, run as root. The SSM agent as a package or as a snap.
"""

EXAMPLES = r"""
- name: Register the server
  hybrid.ecs_anywhere.ssm_agent_registration:
    activation_id: "{{ activation.activation_id }}"
    activation_code: "{{ activation.activation_code }}"
    region: eu-west-1
  become: true

- name: End what a killed run left
  hybrid.ecs_anywhere.ssm_agent_registration:
    state: recovered
  become: true

- name: Forget the registration before a golden image is made
  hybrid.ecs_anywhere.ssm_agent_registration:
    state: cleared
  become: true
"""

RETURN = r"""
managed_instance_id:
  description:
    - The id of the managed node, or V(null) when the server is not registered. In check mode a new one is V(null).
  returned: always
  type: str
  sample: mi-0123456789abcdef0
previous_managed_instance_id:
  description:
    - The id that the server had before this run, or before the interrupted run that this one ended. V(null) when it
      was not registered.
  returned: always
  type: str
  sample: null
region:
  description: The Region of the registration, or V(null).
  returned: always
  type: str
  sample: eu-west-1
ecs_state_reset:
  description: Whether the saved state of the ECS agent was removed.
  returned: always
  type: bool
  sample: false
recovered:
  description: Whether an interrupted run was found and brought to its end.
  returned: always
  type: bool
  sample: false
agent_output:
  description: What the agent's command printed, without the activation code.
  returned: when the agent's command failed
  type: list
  elements: str
  sample: []
"""

import fcntl
import json
import os
import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_registration
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Journal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Vault

ECS_UNIT = "ecs.service"
AGENT_DB = "/var/lib/ecs/data/agent.db"
# The agent's state moves here in one step and goes with the backup: a reset that is resumed after a reboot must not
# take the state that the ECS agent made for the new identity meanwhile.
AGENT_DB_MOVED = "/var/lib/ecs/data/agent.db.ecs_anywhere"
CREDENTIALS_WAIT = 20
POLL = 0.2


class Trouble(Exception):
    """Something that a person must know, in a sentence."""


# --- files ---


def sync(name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: str, target: str) -> None:
    """Copy a file with its mode, whole or not at all."""
    temporary = target + ".ecs_anywhere"
    shutil.copy2(source, temporary)
    sync(temporary)
    os.rename(temporary, target)
    sync(os.path.dirname(target))


def files_below(top: str) -> list[str]:
    found = (os.path.join(parent, name) for parent, _unused, names in os.walk(top) for name in names)
    return sorted(os.path.relpath(name, top) for name in found)


def write_journal(journal: Journal, directory: str) -> None:
    name = os.path.join(directory, "journal.json")
    descriptor = os.open(name + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(journal._asdict(), stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(name + ".new", name)
    sync(directory)


def step(journal: Journal, name: str) -> Journal:
    journal = journal._replace(step=name)
    write_journal(journal, _ssm_vault.backup_path())
    return journal


def back_up(journal: Journal) -> None:
    """Write journal and backup. They appear together, in one step, when they are complete."""
    final = _ssm_vault.backup_path()
    if os.path.exists(final):
        raise Trouble(f"{final} is there without a journal. Look at what it holds, and remove it.")
    remove(AGENT_DB_MOVED)
    new = final + ".new"
    os.mkdir(new, 0o700)
    if journal.operation == "register":
        if os.path.isdir(_ssm_vault.path("Vault")):
            shutil.copytree(_ssm_vault.path("Vault"), os.path.join(new, "Vault"), symlinks=True)
            for name in files_below(os.path.join(new, "Vault")):
                sync(os.path.join(new, "Vault", name))
        if os.path.exists(_ssm_vault.path("registration")):
            copy(_ssm_vault.path("registration"), os.path.join(new, "registration"))
    write_journal(journal, new)
    os.rename(new, final)
    sync(_ssm_vault.ROOT)


def restore() -> None:
    """Put the backup back. The record that tells the identity comes last, so that half a restore is none."""
    vault = _ssm_vault.path("Vault")
    saved = _ssm_vault.backup_path("Vault")
    if os.path.exists(_ssm_vault.backup_path("registration")):
        copy(_ssm_vault.backup_path("registration"), _ssm_vault.path("registration"))
    else:
        remove(_ssm_vault.path("registration"))
    if not os.path.isdir(saved):
        shutil.rmtree(vault, ignore_errors=True)
        return
    for parent, _unused, _unused in os.walk(saved):
        target = os.path.normpath(os.path.join(vault, os.path.relpath(parent, saved)))
        os.makedirs(target, exist_ok=True)
        shutil.copymode(parent, target)
    wanted = files_below(saved)
    for name in files_below(vault):
        if name not in wanted:
            remove(os.path.join(vault, name))
    for name in sorted(wanted, key=lambda name: os.path.basename(name) == "RegistrationKey"):
        copy(os.path.join(saved, name), os.path.join(vault, name))


def drop_backup() -> None:
    """Forget the interrupted run. The journal vanishes in one step."""
    remove(AGENT_DB_MOVED)
    old = _ssm_vault.backup_path() + ".old"
    os.rename(_ssm_vault.backup_path(), old)
    sync(_ssm_vault.ROOT)
    shutil.rmtree(old)


def discard_remains() -> None:
    """A backup that was not complete, so that nothing was begun, or not needed any more."""
    for suffix in (".new", ".old"):
        shutil.rmtree(_ssm_vault.backup_path() + suffix, ignore_errors=True)


def remove(name: str) -> None:
    if os.path.lexists(name):
        os.unlink(name)


# --- services ---


class Services:
    """The units of the server. Without an SSM agent there is nothing to start or stop."""

    def __init__(self, module: AnsibleModule, agent: str | None) -> None:
        self._module = module
        self._systemctl = module.get_bin_path("systemctl", required=True)
        self.agent = agent

    def active(self, unit: str | None) -> bool:
        if unit is None:
            return False
        output = self._module.run_command([self._systemctl, "is-active", unit])[1]
        return output.strip() in ("active", "activating", "reloading", "deactivating")

    def change(self, verb: str, unit: str | None) -> None:
        if unit is None:
            return
        status, output, errors = self._module.run_command([self._systemctl, verb, unit])
        if status:
            raise Trouble(f"systemctl {verb} {unit} failed: {(errors or output).strip()}")


# --- the lock ---


def take_lock(timeout: int) -> int:
    """Wait until nobody else registers this server, and see to it that nobody does."""
    os.makedirs(_ssm_vault.ROOT, mode=0o700, exist_ok=True)
    lock = os.open(_ssm_vault.path(".ecs_anywhere_lock"), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout
    while not locked(lock) or _ssm_vault.registering_pids():
        if time.monotonic() > deadline:
            raise Trouble(
                f"Another registration of this server has been running for more than {timeout} seconds"
                f" (processes {_ssm_vault.registering_pids()}). Wait for it or end it, and run again."
            )
        time.sleep(POLL)
    return lock


def locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- the steps ---


def reset_ecs(services: Services, former: str | None) -> bool:
    """Stop the ECS agent and take its state away, once per change of identity."""
    if os.path.exists(AGENT_DB_MOVED):
        return True
    saved = os.path.exists(AGENT_DB)
    running = (saved or former is not None) and services.active(ECS_UNIT)
    if running:
        services.change("stop", ECS_UNIT)
    if saved:
        os.rename(AGENT_DB, AGENT_DB_MOVED)
        sync(os.path.dirname(AGENT_DB))
    return running or saved


def await_credentials(module: AnsibleModule, former: str | None) -> None:
    """Wait until the agent has replaced the former node's credentials, which the ECS agent would use otherwise."""
    name = _ssm_vault.path("runtimeconfig", "identity_config.json")
    deadline = time.monotonic() + CREDENTIALS_WAIT
    while former is not None and f'"{former}"' in read_text(name):
        if time.monotonic() > deadline:
            module.warn(
                f"The SSM agent has not replaced the credentials of {former} yet. An ECS agent that is started"
                " before it does registers as that node."
            )
            return
        time.sleep(POLL)


def read_text(name: str) -> str:
    try:
        with open(name, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def end(module: AnsibleModule, services: Services, journal: Journal) -> tuple[str, bool]:
    """Bring a run to its end, an interrupted one as well as our own, successful or not.

    Returns what the end was (see _ssm_registration.recovery) and whether the ECS agent's state was reset.
    """
    how = _ssm_registration.recovery(_ssm_vault.read_vault(), journal)
    reset = os.path.exists(AGENT_DB_MOVED)
    if how == "restore":
        restore()
    elif how == "finish":
        journal = step(journal, _ssm_registration.RESETTING)
        if journal.operation == "clear":
            remove(_ssm_vault.path("registration"))
        reset = reset_ecs(services, journal.previous_id)
        if journal.operation == "register":
            journal = step(journal, _ssm_registration.STARTING)
    if module.params["state"] != "cleared":
        start_agent(module, services, journal, how)
    drop_backup()
    return how, reset


def start_agent(module: AnsibleModule, services: Services, journal: Journal, how: str) -> None:
    if how in ("finish", "start") and journal.operation == "register":
        services.change("enable", services.agent)
        services.change("restart", services.agent)
        await_credentials(module, journal.previous_id)
    elif how in ("restore", "drop") and (journal.service_active or services.active(services.agent)):
        # A daemon that was started meanwhile has read the emptied vault.
        services.change("restart", services.agent)


def agent_command(params: dict[str, Any], binary: str, operation: str, vault: Vault) -> list[str]:
    if operation == "clear":
        return [binary, "-register", "-clear"]  # the agent ignores -clear beside other options
    command = [binary, "-register", "-code", params["activation_code"], "-id", params["activation_id"]]
    command += ["-region", params["region"]]
    if params["disable_similarity_check"]:
        command.append("-disableSimilarityCheck")
    if params["replace"] and (vault.instance_id or vault.problem):
        command.append("-y")
    return command


def change_registration(
    module: AnsibleModule, services: Services, binary: str, operation: str, vault: Vault, lock: int
) -> bool:
    """Register the server or clear its registration. Returns whether the ECS agent's state was reset."""
    params = module.params
    journal = Journal(operation, _ssm_registration.PREPARED, vault.instance_id, services.active(services.agent))
    back_up(journal)
    output, trouble = "", None
    try:
        services.change("stop", services.agent)
        journal = step(journal, _ssm_registration.REGISTERING)
        command = agent_command(params, binary, operation, vault)
        status, output = _ssm_registration.run_agent(command, lock, params["timeout"], params["environment"])
        if status is None:
            trouble = (
                f"The agent's command took more than {params['timeout']} seconds and was ended. Check the way to the"
                " SSM endpoint. Should AWS have answered too late, a managed node without a server is left there."
            )
    except (OSError, Trouble) as e:
        trouble = str(e)
    # What the vault says counts, not how the command ended.
    how, reset = "", False
    moreover = ""
    try:
        how, reset = end(module, services, journal)
    except (OSError, Trouble) as e:
        moreover = f" Moreover, {e} The next run tries that again."
    if how == "finish":
        return reset
    now = _ssm_vault.read_vault().instance_id
    if now not in (None, journal.previous_id):
        raise Trouble(f"The server was registered as {now}, but what follows failed.{moreover}")
    state = f"it still is {now}" if now else "it is not registered"
    what = "Registering the server with SSM" if operation == "register" else "Clearing the server's registration"
    module.fail_json(
        msg=f"{what} failed, {state}. {trouble or _ssm_registration.explain(output)}{moreover}",
        managed_instance_id=now,
        agent_output=[line for line in output.splitlines() if line.strip()],
    )
    return False


def find() -> tuple[Vault, Journal | None]:
    try:
        return _ssm_vault.read_vault(), _ssm_vault.read_journal()
    except ValueError as e:
        name = _ssm_vault.backup_path()
        raise Trouble(f"The journal of an interrupted run in {name} cannot be understood ({e}).") from e


def recover(module: AnsibleModule, services: Services, vault: Vault, journal: Journal) -> tuple[Vault, str, bool]:
    """End an interrupted run. Returns the vault after it, what the end was, and whether the ECS agent was reset."""
    if module.check_mode:
        how = _ssm_registration.recovery(vault, journal)
        restored = Vault(instance_id=journal.previous_id)
        return restored if how == "restore" else vault, how, how == "finish" and os.path.exists(AGENT_DB)
    how, reset = end(module, services, journal)
    return _ssm_vault.read_vault(), how, reset


def check_possible(params: dict[str, Any], action: str, vault: Vault, source: str | None) -> None:
    """Everything that can be known before the agent empties its vault."""
    if action == "refuse":
        raise Trouble(
            f"{_ssm_vault.path('Vault', 'Store', 'RegistrationKey')} cannot be understood: {vault.problem}. Set"
            " replace to register the server anew."
        )
    if action in ("register", "clear") and source is None:
        raise Trouble(f"The SSM agent is not installed: there is none of {', '.join(_ssm_vault.BINARIES.values())}.")
    complaint = None
    if action == "register":
        complaint = _ssm_registration.complaint(params["activation_id"], params["activation_code"], params["region"])
    if complaint:
        raise Trouble(complaint)


def locked_ensure(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    before = _ssm_vault.read_vault().instance_id
    nothing_there = params["state"] != "registered" and not os.path.isdir(_ssm_vault.ROOT)
    if module.check_mode or nothing_there:
        return ensure(module, -1, before)
    lock = take_lock(params["timeout"])
    try:
        discard_remains()
        return ensure(module, lock, before)
    finally:
        os.close(lock)


def ensure(module: AnsibleModule, lock: int, id_before_lock: str | None) -> dict[str, Any]:
    params = module.params
    vault, journal = find()
    # Somebody else registered the server while we waited for the lock.
    replaced_already = vault.instance_id not in (None, id_before_lock)
    before = {"managed_instance_id": vault.instance_id, "region": vault.region}
    previous = journal.previous_id if journal else vault.instance_id
    source = _ssm_vault.find_agent()
    services = Services(module, _ssm_vault.UNITS[source] if source else None)
    reset = False
    if journal:
        vault, how, reset = recover(module, services, vault, journal)
        replaced_already = how in ("finish", "start") and journal.operation == "register"

    has_db = os.path.exists(AGENT_DB)
    action = _ssm_registration.action(params["state"], params["replace"], vault, has_db, replaced_already)
    if not module.check_mode or action == "refuse":
        check_possible(params, action, vault, source)
    if action == "nothing":
        pass
    elif module.check_mode:
        reset = reset or has_db
        vault = Vault(region=params["region"] if action == "register" else None)
    elif action == "tidy":
        remove(_ssm_vault.path("registration"))
        remove(AGENT_DB_MOVED)
        reset = reset_ecs(services, None) or reset
        remove(AGENT_DB_MOVED)
    else:
        binary = _ssm_vault.BINARIES[source or "package"]
        reset = change_registration(module, services, binary, action, vault, lock) or reset
        vault = _ssm_vault.read_vault()

    wanted_region = params["region"] if params["state"] == "registered" else None
    if action == "nothing" and vault.instance_id and wanted_region not in (None, vault.region):
        module.warn(
            f"The server is registered as {vault.instance_id} in {vault.region}, not in {wanted_region}. Set replace to"
            " register it there."
        )
    after = {"managed_instance_id": vault.instance_id, "region": vault.region}
    result: dict[str, Any] = {
        "changed": action != "nothing" or journal is not None,
        "previous_managed_instance_id": previous,
        "ecs_state_reset": reset,
        "recovered": journal is not None,
        **after,
    }
    if module._diff:
        result["diff"] = {"before": before, "after": after}
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["registered", "cleared", "recovered"], "default": "registered"},
            "activation_id": {},
            "activation_code": {"no_log": True},
            "region": {},
            "replace": {"type": "bool", "default": False},
            "disable_similarity_check": {"type": "bool", "default": False},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        result = locked_ensure(module)
    except Trouble as e:
        module.fail_json(msg=str(e))
    except PermissionError as e:
        module.fail_json(msg=f"{e.filename}: {e.strerror}. Run the task as root (become).")
    except OSError as e:
        module.fail_json(msg=f"{e.filename or _ssm_vault.ROOT}: {e.strerror}. The next run ends what this one began.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
