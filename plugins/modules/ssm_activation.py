#!/usr/bin/python
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ssm_activation
short_description: Manage hybrid activations of Systems Manager
version_added: 0.1.0
description:
  - Creates and deletes hybrid activations, with which on-premises servers register as managed nodes.
  - AWS shows the code of an activation once, when it is created. So a second run can only be idempotent if the
    caller holds the code (O(activation_id) and O(activation_code)) or lets the module keep it in a SecureString
    parameter (O(code_parameter)). Without either, every run with O(state=present) creates a new activation.
  - An activation cannot be changed. One that is not usable any more is replaced - the new one is created first, then
    the old one is deleted. Servers that registered with the old one are not affected.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
options:
  state:
    description:
      - V(present) makes sure that there is a usable activation whose code is known.
      - V(absent) deletes the activation named by O(activation_id) or kept in O(code_parameter). A missing one is no
        error. Registered servers stay registered.
    type: str
    choices: [present, absent]
    default: present
  iam_role:
    description:
      - The IAM role that registered servers work under, as name, path and name (V(service-role/MyRole)) or ARN.
        AWS wants path and name, at most 64 characters; the module makes that of what is given.
      - Unique ids (V(AROA...)) are refused, as AWS does not take them.
      - Required with O(state=present).
    type: str
    aliases: [role]
  registration_limit:
    description:
      - How many servers may register with a new activation, V(1) to V(1000).
    type: int
    default: 1
  registrations_needed:
    description:
      - How many registrations must be left for an existing activation to count as usable.
      - Must not exceed O(registration_limit).
    type: int
    default: 1
  expiration:
    description:
      - When a new activation ends. Either a duration from now on (V(30m), V(24h), V(7d), V(1h30m), or a number of
        seconds), or a point in time in ISO 8601 (V(2026-12-24T18:00:00Z); without an offset it is UTC).
      - It must be in the future and at most 30 days ahead, which is checked before anything is called.
    type: str
    default: 24h
  default_instance_name:
    description:
      - Name that registered servers show in Systems Manager.
      - An existing activation with another name counts as not usable when this is given.
    type: str
  description:
    description:
      - Description of a new activation. Servers registered with it show it, so keep secrets and personal data out.
    type: str
  tags:
    description:
      - Tags of a new activation. AWS puts them on every server that registers with it.
      - An existing activation that lacks one of them, or has another value, counts as not usable when this is given.
      - The module adds one tag of its own, C(hybrid.ecs_anywhere/request), by which it finds the activation again if
        the answer of AWS was lost. So at most 49 can be given.
    type: dict
    aliases: [resource_tags]
  activation_id:
    description:
      - Id of an activation the caller holds.
      - With O(state=present) it needs O(activation_code). The activation stays as long as it is usable, that is, has
        not expired, has O(registrations_needed) registrations left, and is for O(iam_role).
      - An activation held by somebody else too is replaced and deleted all the same when it is not usable.
    type: str
  activation_code:
    description:
      - Code of the activation O(activation_id). AWS offers no way to check it.
    type: str
  code_parameter:
    description:
      - Name of a SecureString parameter of the Parameter Store, where id, code and expiry of the activation are kept
        as JSON and read again by the next run.
      - A parameter of that name that is no SecureString or was not written by this module is never overwritten.
    type: str
  kms_key_id:
    description:
      - KMS key that encrypts O(code_parameter) when it is written. Not given means AWS's key C(alias/aws/ssm).
    type: str
  iam_propagation_timeout:
    description:
      - How long in seconds to go on while AWS says that the role does not exist or lacks trust, which it also says
        for a while of a role that was just created or repaired. V(0) means to try once.
      - If the role can be read (C(iam:GetRole)) and turns out to be missing or not to trust C(ssm.amazonaws.com), the
        module gives up after 15 seconds; if its path is another one, at once.
    type: int
    default: 120
notes:
  - >-
    C(CreateActivation) is not idempotent and has no client token, so it is repeated only when AWS throttled it. If the
    connection breaks or AWS answers with an internal error, the module looks for an activation with its own tag,
    deletes what it finds, as its code is lost, and creates one anew once.
  - The result with RV(activation_code) is a secret. Use C(no_log=true) on the task that registers it.
  - >-
    Permissions: C(ssm:CreateActivation) and C(ssm:AddTagsToResource), C(iam:PassRole) on the role,
    C(ssm:DescribeActivations), C(ssm:DeleteActivation); with O(code_parameter) also C(ssm:GetParameter),
    C(ssm:PutParameter), C(ssm:DeleteParameter) and the use of the KMS
    key. C(iam:GetRole) is optional and makes error messages better.
  - >-
    AWS's documentation: "CreateActivation"
    (U(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateActivation.html)) and "Create a hybrid
    activation to register nodes with Systems Manager"
    (U(https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-activation-managed-nodes.html)).
seealso:
  - module: hybrid.ecs_anywhere.ssm_activation_info
  - module: hybrid.ecs_anywhere.ecs_anywhere_role
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - hybrid.ecs_anywhere._attributes
  - hybrid.ecs_anywhere._attributes.actiongroup_aws
attributes:
  check_mode:
    support: full
    details:
      - Predicts the activation, without its id and code.
  diff_mode:
    support: full
    details:
      - The code is never part of a diff.
  idempotent:
    support: partial
    details:
      - With O(state=present) only if the code is held in O(activation_id) and O(activation_code), or in
        O(code_parameter).
"""

EXAMPLES = r"""
- name: Twenty servers may register within the next two hours
  hybrid.ecs_anywhere.ssm_activation:
    iam_role: ecsAnywhereRole
    registration_limit: 20
    expiration: 2h
    default_instance_name: edge
    tags:
      site: hamburg
  register: activation
  no_log: true

- name: Delete it again
  hybrid.ecs_anywhere.ssm_activation:
    state: absent
    activation_id: "{{ activation.activation.activation_id }}"

- name: A standing activation that renews itself, its code kept encrypted in the Parameter Store
  hybrid.ecs_anywhere.ssm_activation:
    iam_role: arn:aws:iam::123456789012:role/edge/edge-nodes
    registration_limit: 100
    registrations_needed: 5
    expiration: 30d
    code_parameter: /edge/activation
    kms_key_id: alias/edge
  no_log: true

- name: Keep the one we hold while it is usable, replace it when it is not
  hybrid.ecs_anywhere.ssm_activation:
    iam_role: ecsAnywhereRole
    activation_id: "{{ held_activation_id }}"
    activation_code: "{{ held_activation_code }}"
  register: activation
  no_log: true
"""

RETURN = r"""
activation:
  description:
    - The activation as M(hybrid.ecs_anywhere.ssm_activation_info) shows it, never with its code.
    - Of one that was just created, or is predicted in check mode, it holds what was asked for.
  returned: when O(state=present)
  type: dict
  contains:
    activation_id:
      description: The id, null when predicted.
      type: str
      returned: always
      sample: 3a0bf0d3-0d05-4d36-a3f0-97b7a1a1b2c3
    iam_role:
      description: Path and name of the role.
      type: str
      returned: always
      sample: ecsAnywhereRole
    registration_limit:
      description: How many servers may register.
      type: int
      returned: always
      sample: 20
    registrations_count:
      description: How many did.
      type: int
      returned: always
      sample: 0
    registrations_left:
      description: How many still may.
      type: int
      returned: always
      sample: 20
    expiration_date:
      description: When it ends, in UTC.
      type: str
      returned: always
      sample: "2026-11-24T20:44:00+00:00"
    expired:
      description: Whether it has ended.
      type: bool
      returned: always
      sample: false
    created_date:
      description: When it was created. AWS does not tell this on creation, so it is null then.
      type: str
      returned: always
      sample: "2026-11-23T20:44:00+00:00"
    default_instance_name:
      description: Name of the servers in Systems Manager.
      type: str
      returned: always
      sample: edge
    description:
      description: The description.
      type: str
      returned: always
      sample: ""
    tags:
      description: The tags, with the module's own one if the activation was created.
      type: dict
      returned: always
      sample: {"site": "hamburg"}
activation_code:
  description:
    - The code, a secret.
  returned: when the activation was just created, or its code was read from O(code_parameter)
  type: str
  sample: VALUE_SPECIFIED_IN_NO_LOG_PARAMETER
replaced_activation_id:
  description: The id of the activation that was, or would be, replaced and deleted.
  returned: when an activation was not usable
  type: str
  sample: 5b1c60e4-1e16-4e47-b401-08c8b2b2c3d4
reason:
  description: Why the existing activation was not usable, or why a new one was made.
  returned: when O(state=present) and changed
  type: str
  sample: the activation expired at 2026-11-22T20:44:00+00:00
"""

from datetime import UTC
from datetime import datetime
from typing import Any
from typing import NoReturn

from ansible_collections.amazon.aws.plugins.module_utils.tagging import ansible_dict_to_boto3_tag_list
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _activation
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _expiry
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_refused
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._aws_module import AwsModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name


def request_of(p: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What CreateActivation is asked for. ValueError says which option is wrong."""
    limit, needed = p["registration_limit"], p["registrations_needed"]
    if not 1 <= limit <= 1000:
        raise ValueError(f"registration_limit must be between 1 and 1000, not {limit}")
    if not 1 <= needed <= limit:
        raise ValueError(f"registrations_needed must be between 1 and registration_limit ({limit}), not {needed}")
    for problem in (
        _activation.problem_of_text("default_instance_name", p["default_instance_name"]),
        _activation.problem_of_text("description", p["description"]),
        _activation.problem_of_tags(p["tags"]),
    ):
        if problem:
            raise ValueError(problem)
    request = {
        "IamRole": role_name(p["iam_role"] or ""),
        "RegistrationLimit": limit,
        "ExpirationDate": _expiry.parse(p["expiration"], now),
        "DefaultInstanceName": p["default_instance_name"],
        "Description": p["description"],
    }
    return {key: value for key, value in request.items() if value is not None}


def find(client: Any, activation_id: str) -> dict[str, Any] | None:
    found = _ssm.describe_activations(client, {"ActivationIds": [activation_id]})
    return _activation.shown(found[0]) if found else None


def keep(client: Any, p: dict[str, Any], activation: dict[str, Any], code: str, overwrite: bool) -> None:
    _ssm.put_secure_parameter(
        client,
        p["code_parameter"],
        _activation.kept_value(activation, code),
        f"Hybrid activation {activation['activation_id']}, kept by hybrid.ecs_anywhere.ssm_activation",
        p["kms_key_id"],
        overwrite,
    )


def is_parameter_taken(error: _ssm.SsmError) -> bool:
    return getattr(error.exception, "response", {}).get("Error", {}).get("Code") == "ParameterAlreadyExists"


def replace(
    module: AwsModule, client: Any, request: dict[str, Any], held: _activation.Held | None, exists: bool
) -> tuple[dict[str, Any], str]:
    """Create, keep, and only then delete the old one. The only function that writes for state=present."""
    p = module.params
    answer = _activation.create(
        client,
        request,
        p["tags"] or {},
        lambda: _role_refused.look_at_role(module, request["IamRole"]),
        p["iam_propagation_timeout"],
        module.warn,
    )
    code = answer.pop("ActivationCode")
    activation = _activation.shown({**request, **answer})
    if p["code_parameter"]:
        try:
            keep(client, p, activation, code, overwrite=held is not None)
        except _ssm.SsmError as error:
            theirs = None
            if is_parameter_taken(error):  # another run was quicker: use its activation
                theirs = _activation.read_kept(p["code_parameter"], _ssm.get_parameter(client, p["code_parameter"]))
            if theirs is None or theirs.activation_id != activation["activation_id"]:
                _ssm.delete_activation(client, activation["activation_id"])
            if theirs is None:
                raise
            activation, code = find(client, theirs.activation_id) or activation, theirs.activation_code
    if held is not None and exists:
        try:
            _ssm.delete_activation(client, held.activation_id)
        except _ssm.SsmError as error:  # failing now would lose the new code
            module.warn(_errors.sentence(error, f"activation {held.activation_id}", "ssm"))
    return activation, code


def present(module: AwsModule, client: Any, request: dict[str, Any], now: datetime, write: bool) -> dict[str, Any]:
    p = module.params
    held: _activation.Held | None = None
    if p["activation_id"]:
        held = _activation.Held(p["activation_id"], p["activation_code"])
    elif p["code_parameter"]:
        held = _activation.read_kept(p["code_parameter"], _ssm.get_parameter(client, p["code_parameter"]))

    current = find(client, held.activation_id) if held else None
    reason: str | None = "no activation was held"
    if held:
        reason = _activation.why_not_usable(
            current, request["IamRole"], p["registrations_needed"], p["default_instance_name"], p["tags"], now
        )
    result: dict[str, Any] = {"changed": reason is not None}
    if reason is None:
        result["activation"] = current
        if held and p["code_parameter"]:
            result["activation_code"] = held.activation_code
    else:
        result["reason"] = reason
        if current is not None:
            result["replaced_activation_id"] = current["activation_id"]
        if write:
            result["activation"], result["activation_code"] = replace(
                module, client, request, held, exists=current is not None
            )
        else:
            tags = ansible_dict_to_boto3_tag_list(p["tags"] or {})
            result["activation"] = _activation.shown({**request, "Tags": tags})
    if module._diff:
        result["diff"] = {"before": current or {}, "after": result["activation"]}
    return result


def absent(module: AwsModule, client: Any, write: bool) -> dict[str, Any]:
    """Deleting is tried without looking first: a look could miss an activation that is seconds old."""
    p = module.params
    activation_id, parameter = p["activation_id"], None
    if p["code_parameter"]:
        parameter = _activation.read_kept(p["code_parameter"], _ssm.get_parameter(client, p["code_parameter"]))
        activation_id = parameter.activation_id if parameter else None
    gone = False
    if activation_id and write:
        gone = bool(_ssm.delete_activation(client, activation_id))
    elif activation_id:
        gone = find(client, activation_id) is not None
    if parameter and write:
        _ssm.delete_parameter(client, p["code_parameter"])
    result: dict[str, Any] = {"changed": gone or parameter is not None}
    if module._diff:
        before = {"activation_id": activation_id} if gone else {}
        if parameter:
            before["code_parameter"] = p["code_parameter"]
        result["diff"] = {"before": before, "after": {}}
    return result


def fail_early(module: AwsModule, msg: str) -> NoReturn:
    module.fail_json(msg=msg)
    raise SystemExit(1)


def main() -> None:
    module = AwsModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "iam_role": {"type": "str", "aliases": ["role"]},
            "registration_limit": {"type": "int", "default": 1},
            "registrations_needed": {"type": "int", "default": 1},
            "expiration": {"type": "str", "default": "24h"},
            "default_instance_name": {"type": "str"},
            "description": {"type": "str"},
            "tags": {"type": "dict", "aliases": ["resource_tags"]},
            "activation_id": {"type": "str"},
            "activation_code": {"type": "str", "no_log": True},
            "code_parameter": {"type": "str", "no_log": False},
            "kms_key_id": {"type": "str", "no_log": False},
            "iam_propagation_timeout": {"type": "int", "default": 120},
        },
        required_if=[
            ("state", "present", ["iam_role"]),
            ("state", "absent", ["activation_id", "code_parameter"], True),
        ],
        required_by={"activation_code": ["activation_id"], "kms_key_id": ["code_parameter"]},
        mutually_exclusive=[("activation_id", "code_parameter")],
        supports_check_mode=True,
    )
    p = module.params
    if p["tags"] is not None:
        p["tags"] = {str(k): str(v) for k, v in p["tags"].items()}
    now = datetime.now(UTC)
    request: dict[str, Any] = {}
    if p["activation_id"]:
        problem = _activation.problem_of_id(p["activation_id"])
        if problem:
            fail_early(module, problem)
        if p["state"] == "present" and not p["activation_code"]:
            fail_early(module, "activation_id needs activation_code with state=present: AWS shows the code only once")
    if p["state"] == "present":
        try:
            request = request_of(p, now)
        except ValueError as error:
            problem = str(error)
        else:
            problem = None
        if problem:
            fail_early(module, problem)

    client = module.client_that_sends_once("ssm")
    problem, failure = None, None
    result: dict[str, Any] = {}
    try:
        write = not module.check_mode  # the only place that asks
        result = (
            present(module, client, request, now, write) if p["state"] == "present" else absent(module, client, write)
        )
    except ValueError as error:
        problem = str(error)
    except _ssm.SsmError as error:
        failure = error
    if problem:
        fail_early(module, problem)
    if failure:
        names = {"role": request.get("IamRole"), "activation": p["activation_id"], "parameter": p["code_parameter"]}
        where = _errors.place(module, **names)
        _errors.fail(module, failure, where)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
