# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A role that Systems Manager refuses: why, and how long to try again. Private to this collection."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from . import _errors
from . import _ssm
from . import _trust_policy

if TYPE_CHECKING:
    from ._aws_module import AwsModule

SERVICE = "ssm.amazonaws.com"
# IAM shows a change within seconds. A role that is wrong for longer than this will not become right by waiting.
SETTLE_SECONDS = 15.0


class Verdict(NamedTuple):
    """What IAM says of a role that SSM refused. Evidence is for the message."""

    state: str  # right | wrong | other-path | unknown
    evidence: str


def judge_role(role: str, found: Mapping[str, Any] | None) -> Verdict:
    """A pure function of GetRole's answer."""
    if found is None:
        return Verdict("wrong", f"IAM knows no role {role.rsplit('/', maxsplit=1)[-1]} in this account")
    real = (str(found.get("Path", "/")) + str(found["RoleName"])).lstrip("/")
    if real != role:
        return Verdict("other-path", f"the role's path and name are {real}; give iam_role={real}")
    document = found.get("AssumeRolePolicyDocument")
    if not _trust_policy.allows(document, SERVICE):
        return Verdict(
            "wrong",
            f"the role's trust policy is {json.dumps(document)}, wanted is "
            f"{json.dumps(_trust_policy.plain(SERVICE))} (the module ecs_anywhere_role repairs it)",
        )
    return Verdict("right", "IAM shows the role with the right trust, so SSM has not seen it yet")


def look_at_role(module: AwsModule, role: str) -> Verdict:
    """Ask IAM why SSM may have refused the role. Not being allowed to ask must not hide what SSM said."""
    from . import _iam

    try:
        return judge_role(role, _iam.get_role(module.client("iam"), role.rsplit("/", maxsplit=1)[-1]))
    except AnsibleAWSError:
        return Verdict("unknown", "IAM could not be asked which (iam:GetRole)")


def is_role_refused(error: AnsibleAWSError) -> bool:
    """Only AWS's own words for a role that it cannot use, or cannot use yet."""
    text = str(error.exception)
    return _errors.code_of(error) == "ValidationException" and any(words in text for words in _errors.ROLE_NOT_USABLE)


class Patience:
    """Waits for a role that may be too new for SSM, once for all calls that share it."""

    def __init__(self, look: Callable[[], Verdict], timeout: float) -> None:
        self._look = look
        self._timeout = timeout
        self._start = time.monotonic()
        self._pause = 1.0

    def wait(self, error: AnsibleAWSError) -> None:
        """Pause before the refused call is made again; raises when waiting will not help (any more)."""
        waited = time.monotonic() - self._start
        verdict = self._look()
        patience = {"other-path": 0.0, "wrong": min(self._timeout, SETTLE_SECONDS)}.get(verdict.state, self._timeout)
        if waited >= patience:
            raise _refused(error, verdict, waited) from error
        time.sleep(min(random.uniform(self._pause / 2, self._pause), patience - waited))
        self._pause = min(self._pause * 2, 8.0)


def _refused(error: AnsibleAWSError, verdict: Verdict, waited: float) -> AnsibleAWSError:
    cause = (
        "one of four - the role does not exist, its trust policy lacks ssm.amazonaws.com, its path was not given with "
        f"its name, or it was created or changed just now. {verdict.evidence}"
    )
    step = "correct the role or iam_role and run again"
    if verdict.state == "right":
        step = "run again in a few minutes, or raise iam_propagation_timeout"
    return _ssm.SsmError(
        message=f"{error.message} within {waited:.0f} seconds",
        exception=error.exception,
        hint=_errors.Hint(cause, step),
    )
