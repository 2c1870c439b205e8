# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registration of the SSM agent: the agent's command, and what is decided around it. Private to this collection.

The functions that decide are pure.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from typing import Mapping

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Journal
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import Vault
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ssm_vault import backup_path

# The steps of the journal, in their order. Each is written before what it names is begun.
PREPARED = "prepared"  # the backup is whole, nothing was changed
REGISTERING = "registering"  # the agent's command may have emptied the vault, or filled it
RESETTING = "resetting"  # the vault is as it is to stay, the ECS agent's state is still the old one
STARTING = "starting"  # the ECS agent's state belongs to the vault, the service may not run


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
