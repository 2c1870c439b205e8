# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The many ways to name an IAM role, made the one that Systems Manager takes. Private to this collection."""

from __future__ import annotations

import re

_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/(.+)")
_UNIQUE_ID = re.compile(r"A[A-Z]{2}A[A-Z0-9]{12,}")


def role_name(given: str) -> str:
    """Path and name as CreateActivation wants it. ValueError says what is wrong, in words for a user."""
    text = given.strip()
    arn = _ROLE_ARN.fullmatch(text)
    if text.startswith("arn:") and not arn:
        raise ValueError(f"iam_role: {given} is not the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME)")
    name = (arn.group(1) if arn else text).lstrip("/")
    if _UNIQUE_ID.fullmatch(name.rsplit("/", maxsplit=1)[-1]):
        raise ValueError(f"iam_role: {given} is a unique id, which AWS does not take here. Give its name or ARN.")
    if not re.fullmatch(r"([\w+=,.@-]+/)*[\w+=,.@-]+", name):
        raise ValueError(f"iam_role: {given!r} is not the name of a role, path and name, or its ARN")
    if name.startswith("aws-service-role/"):
        raise ValueError(f"iam_role: {given} is a service-linked role, which AWS does not take here")
    if len(name) > 64:
        raise ValueError(f"iam_role: {name} has {len(name)} characters, path included; AWS takes at most 64")
    return name


def is_replaced(node_role: str | None, wanted: str) -> bool:
    """Whether a managed node has another role than the *wanted* one, both as IAM names them.

    Names of roles are unique in an account whatever their paths, and whether Systems Manager tells the path is nowhere
    written: the name alone decides.
    """
    return bool(node_role) and str(node_role).rsplit("/", 1)[-1] != wanted.rsplit("/", 1)[-1]
