# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads, and the keys that are among them. Private to this collection."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _gpg

SMALL = 1024 * 1024  # no key and no signature is larger


class Trouble(Exception):
    """Something that a person must know, in a sentence."""


def fetch(module: AnsibleModule, url: str, what: str, target: str, limit: int | None = None) -> None:
    """Download to *target*, all of it or Trouble."""
    response, info = fetch_url(module, url, timeout=module.params["timeout"], decompress=False)
    status = info.get("status")
    if status == 404 or (response is None and status in (403, 410)):
        raise Trouble(f"There is no {what} at {url} (HTTP {status}).")
    if response is None or not (status == 200 or (status is None and url.startswith("file:"))):
        answer = f"HTTP {status}, " if status and status > 0 else ""
        raise Trouble(f"Cannot download the {what} from {url}: {answer}{info.get('msg')}")
    size = 0
    with open(target, "wb") as stream:
        while True:
            try:
                block = response.read(256 * 1024)
            except OSError as e:
                raise Trouble(f"The download of the {what} from {url} broke off after {size} bytes: {e}") from e
            if not block:
                break
            size += len(block)
            if limit is not None and size > limit:
                raise Trouble(f"What is at {url} is too large to be a {what}.")
            stream.write(block)  # a disk that is full is no fault of the other side
    announced = str(info.get("content-length", ""))
    if announced.isdigit() and int(announced) != size:
        raise Trouble(f"The download of the {what} from {url} broke off after {size} of {announced} bytes.")


def pinned_fingerprint(text: str) -> str:
    pinned = _gpg.normal_fingerprint(text)
    if pinned is None:
        raise Trouble(f"{text!r} is not the fingerprint of a key, which is 40 hexadecimal digits.")
    return pinned


def read_keys(source: str, text: bytes) -> dict[str, _gpg.Key]:
    """The keys of a file by fingerprint. source: what the file is, as a sentence begins."""
    try:
        return {key.fingerprint: key for key in _gpg.keys(text)}
    except ValueError as e:
        raise Trouble(f"{source} cannot be read: {e}.") from e


def run(module: AnsibleModule, ensure: Callable[[AnsibleModule, str], dict[str, Any]]) -> None:
    """End the module with what *ensure* did, which has the module's environment and a private directory."""
    os.environ.update({name: str(value) for name, value in module.params["environment"].items()})
    directory = tempfile.mkdtemp(dir=module.tmpdir)  # mode 0700
    try:
        result = ensure(module, directory)
    except Trouble as e:
        module.fail_json(msg=str(e))
    except OSError as e:
        module.fail_json(msg=f"Cannot write {module.params['dest']}: {e.strerror or e}.")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    module.exit_json(**result)
