#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_download
version_added: 0.1.0
short_description: Downloads a file once its signature was verified with pinned keys
description:
  - Downloads a file and its detached OpenPGP signature, and puts the file in its place only when a key whose primary
    fingerprint is pinned made the signature.
  - Everything else fails, and leaves nothing at O(dest). A file that is there already stays as it is.
  - A file at O(dest) that the signature (which is fetched each time, being small) fits is not downloaded again.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
    details:
      - The file is not downloaded. Signature and keys are, when a file is at O(dest), to tell whether they fit it.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  url:
    description: Where the file is.
    type: str
    required: true
  dest:
    description: Where the file goes. The directory must exist.
    type: path
    required: true
  signature_url:
    description: Where the detached signature is, armoured or binary. Without it O(checksum) is required.
    type: str
  signature_dest:
    description: Where the signature is kept, if it is to be kept. The directory must exist.
    type: path
  keys:
    description:
      - The keys that may have made the signature. Required with O(signature_url).
      - The text of a key is trusted through its fingerprint only, wherever it comes from.
    type: list
    elements: dict
    default: []
    suboptions:
      fingerprint:
        description: Fingerprint of the primary key, 40 hexadecimal digits. Spaces are allowed.
        type: str
        required: true
      key:
        description: The key, as armoured text. It may hold further keys, which are not used.
        type: str
      url:
        description: Where the key is to be fetched from, when O(keys[].key) is not given.
        type: str
  checksum:
    description: The checksum that the file must have, as V(sha256:...). May be given beside a signature.
    type: str
  mode:
    description: Mode of the file.
    type: raw
    default: "0644"
  environment:
    description:
      - Environment variables such as C(HTTPS_PROXY). In contrast to the task's own C(environment) they are in no output
        and in no list of processes.
    type: dict
    default: {}
  timeout:
    description: Seconds after which a server that does not answer is given up.
    type: int
    default: 30
requirements:
  - C(gpgv) or C(gpg) on the server, for signatures.
notes:
  - Proxies are taken from the environment of the task.
"""

EXAMPLES = r"""
- name: Download the SSM agent
  hybrid.ecs_anywhere.signed_download:
    url: https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/debian_amd64/amazon-ssm-agent.deb
    signature_url: https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/debian_amd64/amazon-ssm-agent.deb.sig
    dest: /var/cache/amazon-ssm-agent.deb
    keys:
      - fingerprint: 1C5B 395C BE5E 74E2 F1CA  2159 2784 DBF3 88D1 9D46
        key: "{{ lookup('ansible.builtin.file', 'amazon-ssm-agent.asc') }}"
  become: true
"""

RETURN = r"""
dest:
  description: Where the file is.
  returned: always
  type: str
  sample: /var/cache/amazon-ssm-agent.deb
sha256:
  description: SHA-256 of the verified file. V(null) when it was not downloaded, in check mode.
  returned: always
  type: str
  sample: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
fingerprint:
  description: Fingerprint of the primary key that signed it. V(null) without a signature, and for a predicted download.
  returned: always
  type: str
  sample: 1C5B395CBE5E74E2F1CA21592784DBF388D19D46
key_expires:
  description: When that key expires, or V(null) when it does not.
  returned: always
  type: str
  sample: "2027-11-25T00:00:00Z"
"""

import hashlib
import os
import stat
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _gpg
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import SMALL
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import Trouble
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import fetch
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import pinned_fingerprint
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import read_keys
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._download import run
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._replace import replace


def sha256(name: str) -> str:
    digest = hashlib.sha256()
    with open(name, "rb") as stream:
        for block in iter(lambda: stream.read(256 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()


class Verifier:
    """Checksum and signature of one artefact. Everything it needs lies in a private directory."""

    def __init__(self, module: AnsibleModule, directory: str) -> None:
        self._module = module
        self._directory = directory
        self._checksum = wanted_checksum(module.params["checksum"])
        self._keys: dict[str, _gpg.Key] = {}
        self.signature = os.path.join(directory, "signature")
        if module.params["signature_url"]:
            # Both before the large download: an impossible verification ends here.
            self._command = self._find_gpg()
            self._read_keys()
            fetch(module, module.params["signature_url"], "signature", self.signature, SMALL)

    def _find_gpg(self) -> list[str]:
        keyring = os.path.join(self._directory, "keyring.gpg")
        gpgv = self._module.get_bin_path("gpgv")
        if gpgv:
            return [gpgv, "--homedir", self._directory, "--status-fd", "1", "--keyring", keyring]
        gpg = self._module.get_bin_path("gpg")
        if gpg:
            options = ["--no-options", "--batch", "--no-tty", "--no-auto-key-retrieve", "--trust-model", "always"]
            options += ["--no-default-keyring", "--keyring", keyring, "--status-fd", "1"]
            return [gpg, "--homedir", self._directory, *options, "--verify"]
        raise Trouble(
            f"There is neither gpgv nor gpg on {os.uname().nodename} to verify the signature with. Install one of them."
        )

    def _read_keys(self) -> None:
        for entry in self._module.params["keys"]:
            pinned = pinned_fingerprint(entry["fingerprint"])
            source = f"The key of {pinned}"
            text = (entry["key"] or "").encode()
            if not text:
                source = f"What is at {entry['url']}"
                name = os.path.join(self._directory, "key")
                fetch(self._module, entry["url"], "key", name, SMALL)
                with open(name, "rb") as stream:
                    text = stream.read()
            found = read_keys(source, text)
            if pinned not in found:
                others = ", ".join(found) or "no key"
                raise Trouble(f"{source} does not hold the key with the pinned fingerprint {pinned}, but {others}.")
            self._keys[pinned] = found[pinned]
        with open(os.path.join(self._directory, "keyring.gpg"), "wb") as stream:
            stream.write(b"".join(key.data for key in self._keys.values()))

    def problem(self, name: str, digest: str) -> tuple[str | None, str]:
        """Fingerprint of the key that signed the file, and what is wrong with it (empty: nothing)."""
        if self._checksum not in (None, digest):
            return None, f"Its SHA-256 is {digest}, not {self._checksum}."
        if not self._module.params["signature_url"]:
            return None, ""
        environment = {"GNUPGHOME": self._directory, "LC_ALL": "C"}
        output = self._module.run_command([*self._command, self.signature, name], environ_update=environment)[1]
        return _gpg.verdict(output, list(self._keys))

    def expires(self, fingerprint: str | None) -> str | None:
        return _gpg.iso_time(self._keys[fingerprint].expires) if fingerprint else None

    def warning(self) -> str | None:
        return _gpg.expiry_warning(list(self._keys.values()), time.time())


def wanted_checksum(text: str | None) -> str | None:
    if text is None:
        return None
    algorithm, _unused, digits = text.strip().partition(":")
    digits = digits.strip().lower()
    if algorithm != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise Trouble(f"{text!r} is not a checksum, which is sha256: and 64 hexadecimal digits.")
    return digits


def keep_signature(module: AnsibleModule, signature: str) -> bool:
    dest = module.params["signature_dest"]
    if not dest:
        return False
    changed = not os.path.isfile(dest) or sha256(dest) != sha256(signature)
    if changed and not module.check_mode:
        replace(module, signature, dest)
    exists = not (changed and module.check_mode)
    return bool(exists and module.set_mode_if_different(dest, module.params["mode"], changed)) or changed


def ensure(module: AnsibleModule, directory: str) -> dict[str, Any]:
    params = module.params
    dest = params["dest"]
    result: dict[str, Any] = {"dest": dest, "sha256": None, "fingerprint": None, "key_expires": None}
    exists = os.path.lexists(dest)
    if exists and not stat.S_ISREG(os.stat(dest).st_mode):
        raise Trouble(f"{dest} is there and is no file.")
    if module.check_mode and not exists:
        return {**result, "changed": True}  # the directory may be what an earlier task would have made
    for name in (dest, params["signature_dest"] or dest):
        if not os.path.isdir(os.path.dirname(os.path.abspath(name))):
            raise Trouble(f"The directory of {name} does not exist.")

    verifier = Verifier(module, directory)
    warning = verifier.warning()
    if warning:
        module.warn(warning)
    if exists:
        digest = sha256(dest)
        fingerprint, problem = verifier.problem(dest, digest)
        if not problem:
            changed = module.set_mode_if_different(dest, params["mode"], keep_signature(module, verifier.signature))
            result.update(sha256=digest, fingerprint=fingerprint, key_expires=verifier.expires(fingerprint))
            return {**result, "changed": changed}
    if module.check_mode:
        return {**result, "changed": True}

    download = os.path.join(directory, "file")
    fetch(module, params["url"], "file", download)
    digest = sha256(download)
    fingerprint, problem = verifier.problem(download, digest)
    if problem:
        raise Trouble(f"{params['url']} was not accepted. {problem}")
    replace(module, download, dest)
    module.set_mode_if_different(dest, params["mode"], True)
    keep_signature(module, verifier.signature)
    result.update(sha256=digest, fingerprint=fingerprint, key_expires=verifier.expires(fingerprint))
    return {**result, "changed": True}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"required": True},
            "dest": {"type": "path", "required": True},
            "signature_url": {},
            "signature_dest": {"type": "path"},
            "keys": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": False,  # public keys
                "options": {"fingerprint": {"required": True}, "key": {"no_log": False}, "url": {}},
                "required_one_of": [("key", "url")],
            },
            "checksum": {},
            "mode": {"type": "raw", "default": "0644"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 30},
        },
        required_one_of=[("signature_url", "checksum")],
        required_by={"signature_dest": "signature_url"},
        supports_check_mode=True,
    )
    if module.params["signature_url"] and not module.params["keys"]:
        module.fail_json(msg="A signature proves nothing without pinned keys: signature_url needs keys.")
    run(module, ensure)


if __name__ == "__main__":
    main()
