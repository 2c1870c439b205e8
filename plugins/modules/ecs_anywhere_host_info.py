#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_anywhere_host_info
version_added: 0.1.0
short_description: Reads everything on a server that matters to ECS Anywhere
description:
  - Looks once at the operating system, Docker, the SSM agent and its registration, the ECS agent and its configuration.
  - Reads files and sockets, starts at most two commands (C(systemctl show), and C(rpm -q) on RPM systems), and changes
    nothing. It never starts Docker by connecting to its socket.
  - An odd server is no failure. What cannot be read is V(null) and named in RV(unreadable).
  - Secrets do not leave the server. The private key of the SSM registration is never returned, and secret-looking values
    of the ECS agent's configuration are replaced by their SHA-256.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    support: none
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: When run twice in a row, with the same arguments, the second invocation indicates no change.
options:
  wanted:
    description:
      - What the server should become. The module returns it as it is, so that one result holds both what is and what is
        wanted.
      - The action plugin of the same name keeps it on the controller, so that it is never sent to the server.
    type: dict
requirements:
  - Linux. Run it as root (C(become)), or most of the result is V(null).
"""

EXAMPLES = r"""
- name: Look at the server
  hybrid.ecs_anywhere.ecs_anywhere_host_info:
  become: true
  register: host

- name: Tell which managed node it is
  ansible.builtin.debug:
    var: host.ssm_agent.registration.managed_instance_id
"""

RETURN = r"""
wanted:
  description: The option O(wanted), as it is.
  returned: when O(wanted) was given
  type: dict
  sample: {}
unreadable:
  description: What could not be read, and why. Files that do not exist are not listed.
  returned: always
  type: list
  elements: dict
  sample: [{"what": "/var/lib/amazon/ssm/Vault/Store/RegistrationKey", "why": "Permission denied"}]
hostname:
  description: The name of the server as the kernel knows it.
  returned: always
  type: str
  sample: edge-1
machine_id:
  description: Content of C(/etc/machine-id). Cloned servers share it.
  returned: always
  type: str
  sample: 0a1b2c3d4e5f60718293a4b5c6d7e8f9
architecture:
  description: Machine name as C(uname) tells it.
  returned: always
  type: str
  sample: x86_64
package_architecture:
  description: The same as the agents' packages name it (V(amd64) or V(arm64)), or V(null) where there are no packages.
  returned: always
  type: str
  sample: amd64
os:
  description: The operating system, from C(/etc/os-release).
  returned: always
  type: dict
  contains:
    id:
      description: C(ID).
      type: str
      sample: debian
    id_like:
      description: C(ID_LIKE) as a list.
      type: list
      elements: str
      sample: []
    version_id:
      description: C(VERSION_ID).
      type: str
      sample: "12"
    codename:
      description: C(VERSION_CODENAME).
      type: str
      sample: bookworm
    pretty_name:
      description: C(PRETTY_NAME).
      type: str
      sample: Debian GNU/Linux 12 (bookworm)
    family:
      description: V(debian), V(rhel), V(suse) or V(null).
      type: str
      sample: debian
systemd:
  description: Whether systemd is the running init.
  returned: always
  type: bool
  sample: true
memory_cgroup:
  description: Whether the memory controller of cgroups is there. V(null) when that cannot be told.
  returned: always
  type: bool
  sample: true
cgroup_version:
  description: V(2) for the unified hierarchy, V(1) for the legacy or hybrid one, or V(null).
  returned: always
  type: int
  sample: 2
effective_user_is_root:
  description: Whether the module ran as root.
  returned: always
  type: bool
  sample: true
imds:
  description: The metadata service of EC2, as the server sees it.
  returned: always
  type: dict
  contains:
    reachable:
      description: Whether 169.254.169.254 answers as EC2 does. The metadata services of other clouds do not count.
      type: bool
      sample: false
    role:
      description: Name of the instance profile's role, or V(null).
      type: str
      sample: null
package_manager:
  description: State of the package manager.
  returned: always
  type: dict
  contains:
    name:
      description: V(dpkg), V(rpm) or V(null).
      type: str
      sample: dpkg
    interrupted:
      description: Whether C(dpkg) was interrupted and wants C(dpkg --configure -a) first.
      type: bool
      sample: false
    half_installed:
      description: Those of the agents' and Docker's packages whose installation began and did not end.
      type: list
      elements: str
      sample: []
docker:
  description: The Docker engine.
  returned: always
  type: dict
  contains:
    installed:
      description: Whether an engine of Docker is installed. Podman's shim is none.
      type: bool
      sample: true
    package:
      description: Name of the package that holds the engine, or V(null).
      type: str
      sample: docker.io
    package_version:
      description: Version of that package.
      type: str
      sample: 20.10.24+dfsg1-1+deb12u1
    engine_version:
      description: Version that the running engine tells, or V(null).
      type: str
      sample: 20.10.24+dfsg1
    api_version:
      description: Newest API version of the running engine.
      type: str
      sample: "1.41"
    min_api_version:
      description: Oldest API version of the running engine.
      type: str
      sample: "1.12"
    podman_shim:
      description: Whether C(docker) is Podman in disguise, with which ECS Anywhere does not work.
      type: bool
      sample: false
    unit:
      description: State of C(docker.service), or V(null) without systemd.
      type: dict
      sample: &unit
        name: docker.service
        load_state: loaded
        active_state: active
        sub_state: running
        unit_file_state: enabled
        result: success
        exec_main_status: 0
        n_restarts: 0
ssm_agent:
  description: The SSM agent and its registration.
  returned: always
  type: dict
  contains:
    installed:
      description: Whether the agent's binary is there.
      type: bool
      sample: true
    source:
      description: V(package), V(snap), or V(null) when it is neither.
      type: str
      sample: package
    version:
      description: Version of the package or snap.
      type: str
      sample: 3.3.4108.0-1
    binary:
      description: Path of the agent's binary.
      type: str
      sample: /usr/bin/amazon-ssm-agent
    unit:
      description: State of the agent's unit (the snap's own one for a snap), or V(null) without systemd.
      type: dict
      sample:
        name: amazon-ssm-agent.service
        load_state: loaded
        active_state: active
        sub_state: running
        unit_file_state: enabled
        result: success
        exec_main_status: 0
        n_restarts: 0
    registering:
      description: Whether an C(amazon-ssm-agent -register) runs at this moment.
      type: bool
      sample: false
    registration:
      description: What the server believes to be.
      type: dict
      contains:
        managed_instance_id:
          description: The id in the agent's vault, or V(null) when the server is not registered.
          type: str
          sample: mi-0123456789abcdef0
        region:
          description: The Region in the agent's vault.
          type: str
          sample: eu-west-1
        registered_at:
          description: When the key of the registration was made, or V(null).
          type: str
          sample: "2026-11-23T16:51:45Z"
        stale:
          description: Whether the file C(registration) names another id than the vault, as a failed registration leaves it.
          type: bool
          sample: false
        problem:
          description:
            - Why the vault could not be understood, or V(null).
            - When it is not V(null), RV(ssm_agent.registration.managed_instance_id) being V(null) does not mean that the
              server is not registered.
          type: str
          sample: null
        interrupted:
          description:
            - What an interrupted run of M(hybrid.ecs_anywhere.ssm_agent_registration) left, or V(null).
            - The next run of that module, or O(hybrid.ecs_anywhere.ssm_agent_registration#module:state=recovered), ends it.
          type: dict
          contains:
            backup_managed_instance_id:
              description: The id in the backup, or V(null) when the server was not registered before.
              type: str
              sample: mi-0123456789abcdef0
            operation:
              description: V(register) or V(clear).
              type: str
              sample: register
            step:
              description: The last step that was begun.
              type: str
              sample: registering
ecs_agent:
  description: The ECS agent.
  returned: always
  type: dict
  contains:
    installed:
      description: Whether C(amazon-ecs-init) is installed.
      type: bool
      sample: true
    version:
      description: Version of its package.
      type: str
      sample: 1.105.1-1
    unit:
      description: State of C(ecs.service), or V(null) without systemd.
      type: dict
      sample:
        name: ecs.service
        load_state: loaded
        active_state: active
        sub_state: running
        unit_file_state: enabled
        result: success
        exec_main_status: 0
        n_restarts: 0
    introspection:
      description: What the agent tells on port 51678, or V(null) when it does not answer. It answers once it is registered.
      type: dict
      contains:
        cluster:
          description: The cluster.
          type: str
          sample: edge
        container_instance_arn:
          description: The container instance.
          type: str
          sample: arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef
        version:
          description: The agent's version.
          type: str
          sample: 1.105.1
    saved_state:
      description: Whether C(/var/lib/ecs/data/agent.db) exists.
      type: bool
      sample: true
    log_tail:
      description: The last errors of C(/var/log/ecs/ecs-agent.log), read only when the agent does not answer.
      type: list
      elements: str
      sample: []
ecs_config:
  description: The two files the ECS agent is configured by, with their path as key.
  returned: always
  type: dict
  sample:
    /etc/ecs/ecs.config:
      exists: true
      canonical: true
      settings:
        ECS_CLUSTER: edge
    /var/lib/ecs/ecs.config:
      exists: true
      canonical: true
      settings:
        AWS_DEFAULT_REGION: eu-west-1
        ECS_EXTERNAL: "true"
  contains:
    exists:
      description: Whether the file is there.
      type: bool
    canonical:
      description:
        - Whether each line is one plain C(KEY=VALUE) that systemd and C(ecs-init) read alike. No duplicates, comments,
          quotes, blank or garbled lines.
        - Exactly then M(hybrid.ecs_anywhere.ecs_agent_config) without settings would not change it.
      type: bool
    settings:
      description:
        - The settings as the agent reads them. Of duplicates the last counts.
        - Secret-looking values are given as C(sha256:) and the SHA-256 of the value.
      type: dict
"""
