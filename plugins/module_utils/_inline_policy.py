# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Inline policies, read from options and compared by their meaning. Pure functions, private to this collection.

A role's inline policies are a list of PolicyName and PolicyDocument, as IAM spells them, sorted by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Policy = dict[str, Any]

_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


def documents_of(given: Mapping[str, Any], reserved: Collection[str] = ()) -> dict[str, Document]:
    """The option inline_policies with every document as a dictionary. ValueError says what is wrong with it."""
    documents = {}
    for name, value in given.items():
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"inline_policies: {name!r} is no name of a policy (1 to 128 of A-Z a-z 0-9 + = , . @ _ -)"
            )
        if name in reserved:
            raise ValueError(
                f"inline_policies: {name} is the policy that this module writes itself. Choose another name."
            )
        documents[name] = _document(name, value)
    return documents


def _document(name: str, value: Any) -> Document:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"inline_policies: {name} is not JSON: {error}") from error
    if not isinstance(value, Mapping) or "Statement" not in value:
        raise ValueError(f"inline_policies: {name} is not a policy document, which has a Statement")
    return value


def _means(one: Document, other: Document) -> bool:
    if one == other:
        return True
    from ansible_collections.amazon.aws.plugins.module_utils.policy import compare_policies  # few runs need it

    return not compare_policies(one, other)


def wanted(
    current: list[Policy], documents: Mapping[str, Document], retired: Collection[str], purge: bool
) -> list[Policy]:
    """What the inline policies should become. One that means the same as asked for stays as it is written."""
    after = {
        p["PolicyName"]: p["PolicyDocument"]
        for p in current
        if p["PolicyName"] in documents or not (purge or p["PolicyName"] in retired)
    }
    for name, document in documents.items():
        if name not in after or not _means(after[name], document):
            after[name] = document
    return [{"PolicyName": name, "PolicyDocument": after[name]} for name in sorted(after)]
