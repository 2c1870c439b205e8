#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_exec_binaries
version_added: 0.1.0
short_description: Puts in place what ECS Exec needs on an external instance
description:
  - Unpacks the three binaries of the SSM agent that ECS Exec brings into containers below
    C(/var/lib/ecs/deps/execute-command/bin/VERSION), and copies the server's bundle of certificate authorities to
    C(/var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem). A version is there as a whole or not at all.
  - Newer versions are removed, because the ECS agent would take them. Older ones stay, because containers that run have
    them mounted.
  - The archive is taken as it is. Verify it first, with M(hybrid.ecs_anywhere.signed_download).
  - The ECS agent looks at it when it starts, so restart it after a change.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  version:
    description: The version of the SSM agent on the server, for example V(3.3.4108.0).
    type: str
    required: true
  src:
    description:
      - The archive C(amazon-ssm-agent-binaries.tar.gz) of that version, on the server. It is not needed when the
        version is there already.
    type: path
requirements:
  - Linux. Run it as root (C(become)).
seealso:
  - module: hybrid.ecs_anywhere.signed_download
"""

EXAMPLES = r"""
- name: Put the binaries of ECS Exec in place
  hybrid.ecs_anywhere.ecs_exec_binaries:
    version: 3.3.4108.0
    src: /var/cache/amazon-ssm-agent-binaries.tar.gz
  become: true
"""

RETURN = r"""
versions:
  description: The versions that are there afterwards, oldest first.
  returned: always
  type: list
  elements: str
  sample: [3.3.4108.0]
"""

import os
import re
import shutil
import tarfile
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec_plan
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import Trouble
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._replace import replace

ROOT = "/"  # everything is below it


def below_root(name: str) -> str:
    return os.path.join(ROOT, name.lstrip("/"))


def unpack(src: str, directory: str) -> None:
    """Write the three binaries, and nothing else of the archive, into a directory."""
    missing = set(_exec.BINARIES)
    try:
        with tarfile.open(src) as archive:
            for member in archive:
                name = os.path.basename(member.name)
                content = archive.extractfile(member) if name in missing and member.isfile() else None
                if content is None:
                    continue
                target = os.path.join(directory, name)
                with open(target, "wb") as stream:
                    shutil.copyfileobj(content, stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.chmod(target, 0o755)  # noqa: S103 - tasks run as other users
                missing.discard(name)
    except (tarfile.TarError, EOFError) as e:
        raise Trouble(f"{src} is no archive of the SSM agent's binaries: {e}.") from e
    if missing:
        raise Trouble(f"{src} is no archive of the SSM agent's binaries: it has no {', '.join(sorted(missing))}.")


def install(src: str, version: str) -> None:
    """What appears under its name is whole: a run that was killed leaves nothing that the ECS agent would take."""
    target = below_root(_exec.directory_of(version))
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    directory = tempfile.mkdtemp(dir=os.path.dirname(target), prefix=".new-")
    try:
        unpack(src, directory)
        os.chmod(directory, 0o755)  # noqa: S103
        shutil.rmtree(target, ignore_errors=True)
        os.rename(directory, target)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def forget(versions: list[str]) -> None:
    """Those, and what killed runs left."""
    parent = below_root(f"{_exec.DIRECTORY}/bin")
    left = [name for name in os.listdir(parent) if name.startswith(".new-")] if os.path.isdir(parent) else []
    for name in [*versions, *left]:
        shutil.rmtree(os.path.join(parent, name))


def copy_ca_bundle(module: AnsibleModule) -> None:
    source = _exec.system_ca_bundle(below_root)
    target = below_root(_exec.CA_BUNDLE)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as stream, open(below_root(str(source)), "rb") as own:
        shutil.copyfileobj(own, stream)
    os.chmod(name, 0o644)
    replace(module, name, target)


def ensure(module: AnsibleModule) -> dict[str, Any]:
    version, src = module.params["version"], module.params["src"]
    if not re.fullmatch(r"\d+(\.\d+)+", version):
        raise Trouble(f"version: {version!r} is no version of the SSM agent, which is as 3.3.4108.0.")
    before = _exec.look(below_root)
    if version not in before["versions"] and not src:
        raise Trouble(f"The binaries of {version} are not there, so that src is needed.")
    if not before["ca_bundle"] and _exec.system_ca_bundle(below_root) is None:
        raise Trouble(
            "There is no bundle of certificate authorities for ECS Exec at any of "
            f"{', '.join(_exec.SYSTEM_CA_BUNDLES)}: install the package ca-certificates."
        )
    newer = _exec_plan.newer(before["versions"], version)
    kept = [other for other in before["versions"] if other not in newer and other != version]
    after = {"versions": [*kept, version], "ca_bundle": True}
    if not module.check_mode:
        if version not in before["versions"]:
            install(src, version)
        forget(newer)
        if not before["ca_bundle"]:
            copy_ca_bundle(module)
        after = _exec.look(below_root)
    return {"changed": before != after, "versions": after["versions"], "diff": {"before": before, "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"version": {"required": True}, "src": {"type": "path"}},
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except Trouble as e:
        module.fail_json(msg=str(e))
    except OSError as e:
        module.fail_json(msg=f"Cannot read or write {e.filename or _exec.DIRECTORY}: {e.strerror or e}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
