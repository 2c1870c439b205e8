# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SSM agent's files say, and what follows from it. Private to this collection.

The functions that decide are pure. Those that read are here as well, because two modules read the same files, and so is
the one that runs the agent's command.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from typing import Any
from typing import Mapping
from typing import NamedTuple

ROOT = "/var/lib/amazon/ssm"
PROC = "/proc"
BINARIES = {
    "package": "/usr/bin/amazon-ssm-agent",
    "snap": "/snap/amazon-ssm-agent/current/amazon-ssm-agent",
}
UNITS = {
    "package": "amazon-ssm-agent.service",
    "snap": "snap.amazon-ssm-agent.amazon-ssm-agent.service",
}

# The steps of the journal, in their order. Each is written before what it names is begun.
PREPARED = "prepared"  # the backup is whole, nothing was changed
REGISTERING = "registering"  # the agent's command may have emptied the vault, or filled it
RESETTING = "resetting"  # the vault is as it is to stay, the ECS agent's state is still the old one
STARTING = "starting"  # the ECS agent's state belongs to the vault, the service may not run


class Journal(NamedTuple):
    """What a run wrote down of itself, so that the next one can end it."""

    operation: str  # register or clear
    step: str
    previous_id: str | None
    service_active: bool


class Vault(NamedTuple):
    """What the agent's files say. A problem means that the vault is there and cannot be understood."""

    instance_id: str | None = None
    region: str | None = None
    created: str | None = None
    problem: str | None = None
    registration_id: str | None = None  # what the file "registration" says, which outlives the truth
    registration_exists: bool = False

    @property
    def stale(self) -> bool:
        return self.registration_id is not None and self.registration_id != self.instance_id


def path(*names: str) -> str:
    return os.path.join(ROOT, *names)


def backup_path(*names: str) -> str:
    return path(".ecs_anywhere_backup", *names)


# --- reading ---


def iso_time(go_time: str) -> str | None:
    """A time as Go prints it (2026-11-23 16:51:45.65 +0000 UTC) in the form of ISO 8601."""
    found = re.match(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? \+0000\b", go_time)
    return f"{found.group(1)}T{found.group(2)}Z" if found else None


def _json_file(name: str) -> Any:
    """Content of a JSON file, None when there is none or when it is empty. OSError and ValueError say what is wrong."""
    try:
        with open(name, encoding="utf-8") as stream:
            text = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    content = json.loads(text) if text.strip() else None
    if content is not None and not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def read_vault() -> Vault:
    values: dict[str, Any] = {}
    try:
        record = _json_file(path("Vault", "Store", "RegistrationKey")) or {}
        values["instance_id"] = str(record.get("instanceID") or "") or None
        values["region"] = str(record.get("region") or "") or None
        values["created"] = iso_time(str(record.get("privateKeyCreatedDate") or ""))
    except OSError as e:
        values["problem"] = e.strerror or str(e)
    except ValueError:
        values["problem"] = "it holds no valid JSON"
    try:
        record = _json_file(path("registration")) or {}
        values["registration_id"] = str(record.get("ManagedInstanceID") or "") or None
    except (OSError, ValueError):
        pass  # the file decides nothing
    values["registration_exists"] = os.path.exists(path("registration"))
    return Vault(**values)


def read_similarity_threshold() -> int | None:
    try:
        threshold = (_json_file(path("Vault", "Store", "InstanceFingerprint")) or {}).get("similarityThreshold")
    except (OSError, ValueError):
        return None
    return threshold if isinstance(threshold, int) else None


def read_journal() -> Journal | None:
    """The journal of an interrupted run. The backup appears as a whole, so a journal that is there is complete."""
    record = _json_file(backup_path("journal.json"))
    if record is None:
        return None
    return Journal(
        operation=str(record.get("operation")),
        step=str(record.get("step")),
        previous_id=record.get("previous_id"),
        service_active=bool(record.get("service_active")),
    )


def registering_pids() -> list[int]:
    """Processes of this server (not of its containers) that register or clear the SSM agent at this moment."""
    pids = []
    for name in os.listdir(PROC):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(os.path.join(PROC, name, "cmdline"), "rb") as stream:
                arguments = stream.read(4096).split(b"\0")
            if not is_registration(arguments):
                continue
            here = os.readlink(os.path.join(PROC, "self", "ns", "pid"))
            if os.readlink(os.path.join(PROC, name, "ns", "pid")) == here:
                pids.append(int(name))
        except OSError:
            continue  # it ended meanwhile
    return pids


def is_registration(arguments: list[bytes]) -> bool:
    """Whether a command line is the agent's registration. The agent may be started by an interpreter."""
    names = [argument.rpartition(b"/")[2] for argument in arguments[:3]]
    return b"amazon-ssm-agent" in names and (b"-register" in arguments or b"--register" in arguments)


def find_agent() -> str | None:
    """How the agent is installed: package, snap, or not at all."""
    return next((source for source, binary in BINARIES.items() if os.path.exists(binary)), None)


# --- running the agent's command ---


def run_agent(command: list[str], lock: int, timeout: int, environment: Mapping[str, object]) -> tuple[int | None, str]:
    """Run the agent's command. It outlives this process, holds the lock as long as it runs, and its output has no name.

    Returns its exit status (None: it took too long and was ended) and what it printed.
    """
    with tempfile.TemporaryFile(dir=backup_path()) as output:
        # No pipe: its end would die with this process, and the agent with the pipe.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock],
            env={**os.environ, **{name: str(value) for name, value in environment.items()}},
            cwd="/",
        )
        status = None
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            end_session(process)
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def end_session(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


# --- deciding ---


def recovery(vault: Vault, journal: Journal | None) -> str:
    """How an interrupted run is brought to its end.

    none     nothing was interrupted
    restore  the vault lost the identity that the backup has (or holds the remains of an attempt): put the backup back
    drop     nothing was lost and nothing gained: only the backup goes
    finish   the vault has what it is to have: the ECS agent's state follows it
    start    only the service is left to be started
    """
    if journal is None:
        return "none"
    if journal.step == STARTING:
        return "start"
    if journal.step == PREPARED:
        return "drop"
    if journal.operation == "clear":
        return "finish" if vault.instance_id is None and vault.problem is None else "drop"
    if vault.instance_id is None:  # a vault that cannot be understood is none
        return "restore"
    return "drop" if vault.instance_id == journal.previous_id else "finish"


def action(state: str, replace: bool, vault: Vault, agent_db: bool, replaced_already: bool) -> str:
    """What is to be done on a server where nothing is interrupted: nothing, register, clear, tidy or refuse.

    tidy    there is no identity to clear, but what it left behind
    refuse  the vault cannot be understood, and nobody said that it may be replaced
    """
    if state == "recovered":
        return "nothing"
    if state == "cleared":
        if vault.instance_id or vault.problem:
            return "clear"
        return "tidy" if vault.registration_exists or agent_db else "nothing"
    if replace and not replaced_already:
        return "register"
    if vault.problem:
        return "refuse"
    return "nothing" if vault.instance_id else "register"


def complaint(activation_id: str | None, activation_code: str | None, region: str | None) -> str | None:
    """Why the agent would refuse these parameters, or None. It would have emptied its vault by then."""
    given = {"activation_id": activation_id, "activation_code": activation_code, "region": region}
    missing = [name for name, value in given.items() if not value]
    if missing:
        return f"The server is to be registered, which needs {', '.join(missing)}."
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", activation_id or ""):
        return "activation_id is not the id of an activation, which is 36 characters long (a UUID)."
    if not 20 <= len(activation_code or "") <= 250:
        return "activation_code is not the code of an activation, which is 20 to 250 characters long."
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d+", region or ""):
        return f"{region!r} is not the name of a Region, such as eu-west-1."
    return None


_NEW_ACTIVATION = "Make a new activation (ssm_activation) and run again."
# What the agent prints -> cause and next step. The first row that is found counts.
_CAUSES = (
    (
        r"ActivationExpired|activation\b.{0,60}\bexpired",
        f"The activation has expired. {_NEW_ACTIVATION}",
    ),
    (
        r"RegistrationLimitExceeded|registration limit|limit.{0,40}(exceeded|reached)",
        "The activation has no registration left: another machine may have used it up. Run again with a new one; "
        "an activation of your own needs a registration_limit for all servers.",
    ),
    (
        r"InvalidActivation",
        "AWS does not know this activation: the id or the code is wrong, it belongs to another Region, it was deleted, "
        f"it has expired, or it has no registration left. {_NEW_ACTIVATION}",
    ),
    (
        r"minimum field size|validation error\(s\) found",
        "The agent found the activation id or code too short and did not ask AWS. Check both.",
    ),
    (
        r"certificate has expired or is not yet valid|RequestExpired|RequestTimeTooSkewed|SignatureDoesNotMatch",
        "The server's clock is wrong, or a certificate has expired. Check timedatectl on the server and run again.",
    ),
    (
        r"x509:|tls:|certificate",
        "The server does not trust the certificate of the SSM endpoint. Where a proxy or a private endpoint presents "
        "its own, add its CA to the server's trust store (update-ca-certificates or update-ca-trust).",
    ),
    (
        r"proxyconnect|Proxy Authentication Required",
        "The proxy did not let the request through. Check ecs_anywhere_proxy, or the module's environment.",
    ),
    (
        r"no such host|server misbehaving|Temporary failure in name resolution",
        "The server cannot resolve the name of the SSM endpoint. Check region and the server's DNS, or set a proxy.",
    ),
    (
        r"RequestError|connection refused|connection reset|timeout|network is unreachable|no route to host|dial tcp",
        "The server cannot reach the SSM endpoint. Allow https to ssm, ssmmessages and ec2messages of the Region, or "
        "set a proxy (ecs_anywhere_proxy, or the module's environment).",
    ),
    (
        r"ThrottlingException|Throttling|TooManyUpdates|Rate exceeded",
        "AWS throttled the registration. Run again, with fewer servers at a time.",
    ),
    (
        r"AccessDenied",
        "AWS denied the registration. Check that the role of the activation exists and trusts ssm.amazonaws.com.",
    ),
    (
        r"InternalServerError|ServiceUnavailable|status code: 5\d\d",
        "AWS had an internal error. Run again.",
    ),
    (
        r"due to EOF|canceled by user|Invalid response received",
        "The agent found the server registered already. Read the server again, or set replace.",
    ),
    (
        r"permission denied|[Aa]dministrator|must be run as root|elevated",
        "The agent was not allowed to write its files. Run the task with become.",
    ),
)


def explain(output: str) -> str:
    """Cause and next step for what the agent's command printed when it failed."""
    for pattern, sentence in _CAUSES:
        if re.search(pattern, output, re.IGNORECASE | re.DOTALL):
            return sentence
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if not lines:
        return "The agent said nothing. See /var/log/amazon/ssm/amazon-ssm-agent.log on the server."
    return f"The agent said: {lines[-1]}"
