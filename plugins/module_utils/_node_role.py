# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The role of managed nodes as AWS's guide has it. Private to this collection."""

from __future__ import annotations

from typing import Any

from . import _role

SERVICE = "ssm.amazonaws.com"
# The inline policy of policy_mode=least_privilege.
OWN_POLICY = "ECSAnywhereLeastPrivilege"
AWS_POLICIES = ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role")


def plain_wish(name: str, path: str | None) -> _role.Wish:
    """What the module ecs_anywhere_role wishes when it is told nothing but these."""
    return _role.Wish(
        name=name,
        service=SERVICE,
        base_policies=AWS_POLICIES,
        retired_inline_policies=(OWN_POLICY,),
        yields_to=OWN_POLICY,
        path=path,
    )


def is_right(client: Any, wish: _role.Wish) -> bool:
    """Whether the role exists and needs no repair. It only reads."""
    current = _role.find(client, wish.name, with_policies=False)
    if current is None or _role.conflict_of(current, wish):
        return False
    current = _role.read_policies(client, current, wish)
    wish = _role.settled(wish, current)
    partition = current["Arn"].split(":")[1]
    arns = _role.resolve_policies(wish, current, partition, list)
    return _role.wanted(current, wish, arns, partition, _role.account_of(current)) == current
