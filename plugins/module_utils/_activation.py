# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an activation is, whether it is usable, how one is made without leaving an orphan. Private to us."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import NamedTuple

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict

from . import _errors
from . import _role_refused
from . import _ssm
from ._retries import AMBIGUOUS_CODES
from ._retries import AMBIGUOUS_EXCEPTIONS

REQUEST_TAG = "hybrid.ecs_anywhere/request"
MAX_TAGS = 49  # AWS's 50 less our own
LOOKS = (0.0, 2.0, 4.0)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TEXT = re.compile(r"[\w\s.:/=+\-@]*")  # AWS's [\p{L}\p{Z}\p{N}_.:/=+\-@]*


def problem_of_id(activation_id: str) -> str | None:
    if _UUID.fullmatch(activation_id):
        return None
    return f"activation_id: {activation_id} is not the id of an activation (8-4-4-4-12 hexadecimal digits)"


def problem_of_text(option: str, text: str | None) -> str | None:
    if text is None or (len(text) <= 256 and _TEXT.fullmatch(text)):
        return None
    return f"{option} may have at most 256 letters, digits, spaces and _.:/=+-@"


def problem_of_tags(tags: Mapping[str, str] | None) -> str | None:
    if not tags:
        return None
    if len(tags) > MAX_TAGS:
        return f"tags: {len(tags)} tags were given; an activation can have {MAX_TAGS} beside the module's own"
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or not _TEXT.fullmatch(key) or not _TEXT.fullmatch(value):
            return f"tags: {key} is not a tag that AWS takes (1 to 128 and up to 256 letters, digits, spaces, _.:/=+-@)"
        if key.lower().startswith("aws:") or key == REQUEST_TAG:
            return f"tags: {key} is reserved"
    return None


def _iso(moment: Any) -> str | None:
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def shown(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An activation as modules return it. There is no code in it, whatever AWS sends."""
    limit, count = int(raw.get("RegistrationLimit") or 1), int(raw.get("RegistrationsCount") or 0)
    return {
        "activation_id": raw.get("ActivationId"),
        "iam_role": raw.get("IamRole"),
        "registration_limit": limit,
        "registrations_count": count,
        "registrations_left": max(0, limit - count),
        "expiration_date": _iso(raw.get("ExpirationDate")),
        "expired": bool(raw.get("Expired")),
        "created_date": _iso(raw.get("CreatedDate")),
        "default_instance_name": raw.get("DefaultInstanceName") or "",
        "description": raw.get("Description") or "",
        "tags": boto3_tag_list_to_ansible_dict(raw.get("Tags") or []),
    }


def has_ended(activation: Mapping[str, Any], now: datetime) -> bool:
    if activation["expired"]:
        return True
    end = activation["expiration_date"]
    return end is not None and datetime.fromisoformat(end) <= now


def why_not_usable(
    activation: Mapping[str, Any] | None,
    role: str,
    needed: int,
    default_instance_name: str | None,
    tags: Mapping[str, str] | None,
    now: datetime,
) -> str | None:
    """Why an activation will not do, or None: a pure function."""
    if activation is None:
        return "the activation does not exist any more"
    if has_ended(activation, now):
        return f"the activation expired at {activation['expiration_date']}"
    if activation["registrations_left"] < needed:
        limit, left = activation["registration_limit"], activation["registrations_left"]
        return f"the activation has {left} of {limit} registrations left, {needed} needed"
    if (activation["iam_role"] or "").lstrip("/") != role:
        return f"the activation is for the role {activation['iam_role']}, not {role}"
    if default_instance_name is not None and activation["default_instance_name"] != default_instance_name:
        return f"the activation names servers {activation['default_instance_name']!r}, not {default_instance_name!r}"
    if tags is not None and any(activation["tags"].get(key) != value for key, value in tags.items()):
        return "the activation has other tags"
    return None


# ---- what is kept in the parameter


class Held(NamedTuple):
    activation_id: str
    activation_code: str


def kept_value(activation: Mapping[str, Any], code: str) -> str:
    """What the parameter holds."""
    return json.dumps(
        {
            "activation_id": activation["activation_id"],
            "activation_code": code,
            "expiration_date": activation["expiration_date"],
        }
    )


def read_kept(name: str, parameter: Mapping[str, Any] | None) -> Held | None:
    """The activation a parameter holds. ValueError if the parameter is somebody else's; it never quotes the value."""
    if parameter is None:
        return None
    if parameter.get("Type") != "SecureString":
        raise ValueError(
            f"code_parameter: {name} exists and is a {parameter.get('Type')}, not a SecureString. "
            "It was not touched. Choose another name or delete it."
        )
    try:
        value = json.loads(parameter["Value"])
        return Held(str(value["activation_id"]), str(value["activation_code"]))
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"code_parameter: {name} exists and holds something else than an activation. "
            "It was not touched. Choose another name or delete it."
        ) from None


# ---- making one


def is_answer_lost(error: AnsibleAWSError) -> bool:
    """Whether the call may have taken effect although it failed."""
    exception = error.exception
    response = getattr(exception, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = _errors.code_of(error)
        return code in AMBIGUOUS_CODES or (status >= 500 and code not in _errors.THROTTLING_CODES)
    return type(exception).__name__ in AMBIGUOUS_EXCEPTIONS


def remove_lost(client: Any, request_id: str, looks: tuple[float, ...] = LOOKS) -> bool:
    """Find the activation whose answer was lost, by our tag, and delete it: nobody will ever know its code."""
    for pause in looks:
        time.sleep(pause)
        found = [
            a["ActivationId"]
            for a in _ssm.describe_activations(client)
            if {"Key": REQUEST_TAG, "Value": request_id} in a.get("Tags", [])
        ]
        for activation_id in found:
            _ssm.delete_activation(client, activation_id)
        if found:
            return True
    return False


def create(
    client: Any,
    request: dict[str, Any],
    tags: Mapping[str, str],
    look_at_role: Callable[[], _role_refused.Verdict],
    timeout: float,
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Make one activation, as CreateActivation's answer plus its tags.

    Repeated are only calls that certainly made nothing (throttled, or the role refused), and one whose answer was lost,
    after what it may have made is deleted.
    """
    patience = _role_refused.Patience(look_at_role, timeout)
    lost: list[str] = []
    while True:
        request_id = str(uuid.uuid4())
        all_tags = {**tags, REQUEST_TAG: request_id}
        try:
            answer = _ssm.create_activation(client, **request, Tags=ansible_dict_to_boto3_tag_list(all_tags))
            break
        except _ssm.SsmError as error:
            if is_answer_lost(error):
                _clean_up(client, request_id, error)
                lost.append(request_id)
                if len(lost) > 1:
                    raise
            elif _role_refused.is_role_refused(error):
                patience.wait(error)
            else:
                raise
    for request_id in lost:  # one that became visible only now
        try:
            remove_lost(client, request_id, looks=(0.0,))
        except _ssm.SsmError as error:
            warn(f"{_left_behind(request_id)}: {error}")
    return {**answer, "Tags": ansible_dict_to_boto3_tag_list(all_tags)}


def _left_behind(request_id: str) -> str:
    return f"An activation with the tag {REQUEST_TAG}={request_id} may be left behind and should be deleted"


def _clean_up(client: Any, request_id: str, error: AnsibleAWSError) -> None:
    try:
        remove_lost(client, request_id)
    except _ssm.SsmError as second:
        raise _ssm.SsmError(
            message=f"The answer to CreateActivation was lost ({error.exception}), and cleaning up after it failed. "
            f"{_left_behind(request_id)}. {second.message}",
            exception=second.exception,
        ) from second
