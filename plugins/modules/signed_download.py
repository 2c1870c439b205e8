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
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    details:
      - The file is not downloaded. Signature and keys are, when a file is at O(dest), to tell whether they fit it.
  diff_mode:
    support: none
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row, with the same arguments, the second invocation indicates no change.
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
