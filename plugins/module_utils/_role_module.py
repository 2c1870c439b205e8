# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What all modules that manage a role have in common: options and the way they go. Private to this collection.

The options are documented in the fragment hybrid.ecs_anywhere._role. What only some runs need is imported where it is
needed: a module's files are read and compiled anew in every run, which takes longer than the calls of most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NoReturn

from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError

from . import _iam
from . import _role
from ._aws_module import AwsModule

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "path": {"type": "str", "aliases": ["prefix", "path_prefix"]},
    "description": {"type": "str"},
    "max_session_duration": {"type": "int"},
    "boundary": {"type": "str", "aliases": ["boundary_policy_arn"]},
    "trust": {"type": "str", "choices": ["plain", "restricted"]},
    "regions": {"type": "list", "elements": "str"},
    "managed_policies": {"type": "list", "elements": "str", "default": [], "aliases": ["managed_policy"]},
    "purge_policies": {"type": "bool", "default": False, "aliases": ["purge_policy", "purge_managed_policies"]},
    "inline_policies": {"type": "dict", "default": {}},
    "purge_inline_policies": {"type": "bool", "default": False},
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 120},
}


def wish_of(
    p: dict[str, Any], service: str, base_policies: tuple[str, ...], own_policy: str, regions: tuple[str, ...]
) -> _role.Wish:
    """The wish of the common options. ValueError says what is wrong with one of them."""
    return _role.Wish(
        name=p["name"],
        service=service,
        base_policies=base_policies,
        managed_policies=tuple(p["managed_policies"]),
        purge_policies=p["purge_policies"],
        inline_policies=_documents(p["inline_policies"], own_policy) if p["inline_policies"] else _role.NOTHING,
        purge_inline_policies=p["purge_inline_policies"],
        trust=p["trust"],
        regions=regions,
        path=p["path"],
        description=p["description"],
        max_session_duration=p["max_session_duration"],
        boundary=p["boundary"],
        tags=None if p["tags"] is None else {str(k): str(v) for k, v in p["tags"].items()},
        purge_tags=p["purge_tags"],
    )


def _documents(given: dict[str, Any], own_policy: str) -> dict[str, Any]:
    from . import _inline_policy

    return _inline_policy.documents_of(given, reserved=[own_policy])


def run(module: AwsModule, ask: Callable[[], _role.Wish]) -> NoReturn:
    """From the module's own reading of its options, which may raise a ValueError, to its answer."""
    p = module.params
    try:
        wish = ask()
        problem = _role.problem_of(wish)
    except ValueError as error:
        problem = str(error)
    if problem:
        module.fail_json(msg=problem)

    client = module.client("iam")
    write = not module.check_mode  # the only place that asks
    before: _role.Role | None = None
    after: _role.Role | None = None
    failure: AnsibleAWSError | None = None
    try:
        if p["state"] == "present":
            before, after = _present(
                client,
                wish,
                ask_account=lambda: _account_of(module),
                wait_timeout=p["wait_timeout"] if p["wait"] else None,
                write=write,
            )
        else:
            before = _absent(client, wish, write=write, shown=module._diff)
    except ValueError as error:
        problem = str(error)
    except AnsibleAWSError as error:
        failure = error
    if problem:
        module.fail_json(msg=problem)
    if failure:
        from . import _errors

        _errors.fail(module, failure, f"role {wish.name}")

    result: dict[str, Any] = {"changed": before != after}
    if p["state"] == "present":
        result["iam_role"] = _role.shown(after)
    if module._diff:
        result["diff"] = {"before": _role.compared(before), "after": _role.compared(after)}
    module.exit_json(**result)
    raise SystemExit(0)  # exit_json never returns; the type checker cannot know


def _account_of(module: AwsModule) -> str:
    from . import _sts

    return _sts.get_account(module.client("sts"))


def _present(
    client: Any, wish: _role.Wish, ask_account: Callable[[], str], wait_timeout: int | None, write: bool
) -> tuple[_role.Role | None, _role.Role]:
    """The role before and after; in between it is written, if it is to be. ValueError says what stands in the way."""
    current = _role.find(client, wish.name, with_policies=False)
    conflict = _role.conflict_of(current, wish)
    if conflict:
        raise ValueError(conflict)
    if current is not None:
        current = _role.read_policies(client, current, wish)
        wish = _role.settled(wish, current)
    partition = current["Arn"].split(":")[1] if current else client.meta.partition
    account = _role.account_of(current) or (ask_account() if _role.needs_account(wish) else "")
    arns = _role.resolve_policies(wish, current, partition, lambda: _iam.list_policies(client))
    after = _role.wanted(current, wish, arns, partition, account)
    if not write or after == current:
        return current, after
    from . import _role_writes

    if current is not None:
        _role_writes.update(client, current, after)
        return current, after
    try:
        return None, _role_writes.create(client, after, wait_timeout)
    except _iam.IamError as error:
        if not _is_quicker_creator(error):
            raise
    # Somebody was quicker. What they made is as good as any other role: look at it and converge.
    _iam.wait_for_role(client, wish.name, wait_timeout or 10)
    return _present(client, wish, ask_account, wait_timeout, write)


def _is_quicker_creator(error: _iam.IamError) -> bool:
    return getattr(error.exception, "response", {}).get("Error", {}).get("Code") == "EntityAlreadyExists"


def _absent(client: Any, wish: _role.Wish, write: bool, shown: bool) -> _role.Role | None:
    """The role that was there."""
    before = _role.find(client, wish.name, with_policies=False)
    if before is None:
        return None
    if shown:
        before = _role.read_policies(client, before, wish._replace(purge_inline_policies=True))
    if write:
        from . import _role_writes

        _role_writes.delete(client, wish.name)
    return before
