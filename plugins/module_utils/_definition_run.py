# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The revision of a task definition that is to run: found, or registered. Private to this collection."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

from . import _ecs
from . import _ecs_workloads
from . import _task_definition
from ._activation import is_answer_lost


class Revision(NamedTuple):
    """The task definition to run. *registered* means that it was, or would be, made by this run."""

    arn: str
    definition: dict[str, Any]
    registered: bool = False


class MissingDefinition(Exception):
    """There is no such task definition, or it is not for external instances. The text is for people."""


def find(client: Any, given: str, where: str) -> Revision:
    found = _ecs_workloads.describe_task_definition(client, given)
    if found is None or found.get("status") == "INACTIVE":
        state = "was deregistered" if found else "does not exist"
        raise MissingDefinition(
            f"The task definition {given} {state} ({where}). Next: name another, register it, or give "
            "task_definition_document."
        )
    modes = found.get("compatibilities") or []
    if modes and "EXTERNAL" not in modes:
        raise MissingDefinition(
            f"The task definition {_task_definition.name_of(found['taskDefinitionArn'])} is not for external instances "
            f"({where}): it is for {', '.join(modes)}. Next: register it with requiresCompatibilities EXTERNAL."
        )
    return Revision(found["taskDefinitionArn"], found)


def ensure(client: Any, given: dict[str, Any], check_mode: bool) -> Revision:
    """The newest revision if it means the same as *given*, else a new one."""
    shape = _ecs_workloads.input_shape(client, "RegisterTaskDefinition")
    document = _task_definition.document_of(given, shape)
    _ecs_workloads.validate_task_definition(client, document)
    newest = _newest(client, document)
    if newest is not None:
        return newest
    if check_mode:
        return Revision(_task_definition.to_be_registered(document), document, True)
    try:
        made = _ecs_workloads.register_task_definition(client, document)
    except _ecs.EcsError as error:
        if not is_answer_lost(error):
            raise
        # It may have been registered. If so, that is the one.
        newest = _newest(client, document)
        if newest is not None:
            return newest._replace(registered=True)
        made = _ecs_workloads.register_task_definition(client, document)
    return Revision(made["taskDefinitionArn"], made, True)


def _newest(client: Any, document: dict[str, Any]) -> Revision | None:
    found = _ecs_workloads.describe_task_definition(client, document["family"])
    if found is None or not _task_definition.same(found, document):
        return None
    return Revision(found["taskDefinitionArn"], found)
