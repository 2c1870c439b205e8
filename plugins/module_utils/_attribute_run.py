# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Attributes of many container instances written as many a call as AWS takes. Private to this collection."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping

from . import _ecs
from . import _errors

# Instance, name, value: what one call takes ten of, of however many instances.
Attribute = tuple[str, str, str]
Write = Callable[[list[Attribute]], None]


def write(chosen: list[Attribute], call: Write, problems: Mapping[str, list[str]], where: str) -> None:
    """*problems* are those of each container instance's server; what fails is told there."""
    for start in range(0, len(chosen), _ecs.ATTRIBUTES_PER_CALL):
        _write(chosen[start : start + _ecs.ATTRIBUTES_PER_CALL], call, problems, where)


def _write(chosen: list[Attribute], call: Write, problems: Mapping[str, list[str]], where: str) -> None:
    try:
        call(chosen)
    except _ecs.EcsError as error:
        targets = list(dict.fromkeys(arn for arn, _name, _value in chosen))
        refused = _errors.code_of(error) in ("TargetNotFoundException", "InvalidParameterException")
        if refused and len(targets) > 1:  # one may spoil the call for all
            for arn in targets:
                _write([a for a in chosen if a[0] == arn], call, problems, where)
            return
        for arn in targets:
            said = _errors.sentence(error, where, error.service)
            if said not in problems[arn]:
                problems[arn].append(said)
