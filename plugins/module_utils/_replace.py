# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a finished file into its place. Private to this collection."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


def replace(module: AnsibleModule, source: str, dest: str) -> None:
    """Ansible's atomic_move, whose failures (a full disk for one) are OSErrors and end in no traceback."""
    try:
        module.atomic_move(source, dest)
    except Exception as e:
        cause = e.__cause__
        if isinstance(cause, OSError):
            raise OSError(cause.errno, cause.strerror, dest) from e
        raise
