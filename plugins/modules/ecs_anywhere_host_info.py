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
  - Secrets do not leave the server. The private key of the SSM registration is never returned, and secret-looking
    values of the ECS agent's configuration are replaced by their SHA-256.
author:
  - the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
extends_documentation_fragment:
  - hybrid.ecs_anywhere._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  wanted:
    description:
      - Whether to return, beside what is, what the variables of the role around the task want of the server, so that
        one result holds both. It is the action plugin of the same name that does it, on the controller.
      - It fails if a variable is not as the role documents it, and under a strategy that knows no run-once tasks, such
        as V(free).
    type: bool
    default: false
  preflight:
    description:
      - Looks around a server on which something is missing or does not run, see RV(preflight). One that is whole is not
        kept waiting by that.
      - With O(wanted) the action plugin makes it from what is wanted.
    type: dict
    suboptions:
      endpoints:
        description: Where to connect to, each with C(what), C(host), C(port) and C(plain).
        type: list
        elements: dict
        default: []
      environment:
        description: Environment variables of a proxy.
        type: dict
        default: {}
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
  description:
    - What the role's variables want, as JSON in one text, which costs a large batch less than a dictionary. The
      settings of the ECS agent are under C(ecs_config), by file, as that file would hold them, with secrets masked as
      in RV(ecs_config).
  returned: when O(wanted=true)
  type: str
  sample: '{"region": "eu-west-1", "cluster": "edge"}'
managed_instance_id:
  description: The same as RV(ssm_agent.registration.managed_instance_id).
  returned: always
  type: str
  sample: mi-0123456789abcdef0
container_instance_arn:
  description: The same as in RV(ecs_agent.introspection), V(null) when the ECS agent does not answer.
  returned: always
  type: str
  sample: arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef
remains:
  description:
    - Files that would be left of the agents and of this collection if the agents stopped, which is what
      M(hybrid.ecs_anywhere.ecs_anywhere_remains) would remove.
  returned: always
  type: list
  elements: str
  sample: [/root/.aws/credentials, /var/lib/amazon/ssm/runtimeconfig/identity_config.json]
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
ip_addresses:
  description: Its own IPv4 addresses, but for the loopback ones.
  returned: always
  type: list
  elements: str
  sample: [192.0.2.10]
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
    command_only:
      description:
        - Whether C(dnf) serves as a command alone, because its Python bindings are for a Python that Ansible does not
          run on any more, as on RHEL 8. M(ansible.builtin.dnf) cannot work there.
      type: bool
      sample: false
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
      sample:
        name: docker.service
        load_state: loaded
        active_state: active
        sub_state: running
        unit_file_state: enabled
        result: success
        exec_main_status: 0
        n_restarts: 0
        main_pid: 4711
ssm_agent:
  description: The SSM agent and its registration.
  returned: always
  type: dict
  contains:
    installed:
      description:
        - Whether it is installed, by a package or as a snap. A binary without either may be what an interrupted
          installation unpacked.
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
        main_pid: 4711
    registering:
      description: Whether an C(amazon-ssm-agent -register) runs at this moment.
      type: bool
      sample: false
    fingerprint_mismatch:
      description:
        - When the agent's log last said that AWS does not take this server for the one that registered, as after a
          change of its machine id, or V(null). The agent never gets over it and sleeps while its unit is active.
      type: str
      sample: null
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
        age:
          description: Seconds since then, by the server's own clock, or V(null).
          type: int
          sample: 86400
        stale:
          description: Whether the file C(registration) names another id than the vault, as failures leave it.
          type: bool
          sample: false
        former_managed_instance_id:
          description:
            - The other id that the file C(registration) names when RV(ssm_agent.registration.stale), otherwise V(null).
          type: str
          sample: null
        former_container_instances:
          description:
            - ARNs of what it was, noted by a run that registered it anew and was ended before it deregistered them.
          type: list
          elements: str
          sample: []
        problem:
          description:
            - Why the vault could not be understood, or V(null).
            - When it is not V(null), a RV(ssm_agent.registration.managed_instance_id) of V(null) does not mean that
              the server is not registered.
          type: str
          sample: null
        interrupted:
          description:
            - What an interrupted run of M(hybrid.ecs_anywhere.ssm_agent_registration) left, or V(null).
            - The next run of that module ends it. Its state V(recovered) does nothing else.
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
        main_pid: 4711
    introspection:
      description:
        - What the agent tells on port 51678, or V(null) when it does not answer. It answers once it is registered.
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
selinux:
  description: V(enforcing), V(permissive), or V(null) where SELinux is off. AWS does not support ECS Anywhere with it.
  returned: always
  type: str
  sample: null
preflight:
  description: What O(preflight) found, or V(null) when nothing was looked at.
  returned: always
  type: dict
  contains:
    endpoints:
      description: The endpoints, each with C(problem), why it cannot be reached, or V(null).
      type: list
      elements: dict
      sample: [{"what": "ecs", "host": "ecs.eu-west-1.amazonaws.com", "port": 443, "plain": false, "problem": null}]
    clock_offset:
      description: Seconds by which the server's clock is ahead of AWS's, or V(null) when AWS does not tell.
      type: int
      sample: 0
    disk:
      description:
        - Bytes that are free and that an installation of what is missing needs, with its C(directories), by file
          system.
      type: list
      elements: dict
      sample: [{"directories": ["/usr", "/var/cache"], "free": 9000000000, "needed": 1200000000}]
gpu:
  description: What NVIDIA's GPUs need before containers can use them.
  returned: always
  type: dict
  contains:
    missing:
      description: Those of the driver's device, C(nvidia-smi) and the container runtime that are not there.
      type: list
      elements: str
      sample: [/dev/nvidiactl, nvidia-smi, nvidia-container-runtime]
exec:
  description: What ECS Exec needs, below C(/var/lib/ecs/deps/execute-command).
  returned: always
  type: dict
  contains:
    versions:
      description: The versions of the SSM agent whose binaries are all there, oldest first.
      type: list
      elements: str
      sample: [3.3.4108.0]
    ca_bundle:
      description: Whether the bundle of certificate authorities is there, and the same as the server's own.
      type: bool
      sample: true
similarity_threshold:
  description:
    - How many percent of its hardware have to be as at registration for the SSM agent to take the server for the same
      one (V(-1) means it always does), or V(null) when it was never registered.
  returned: always
  type: int
  sample: 40
ssm_config:
  description: The SSM agent's own configuration, C(/etc/amazon/ssm/amazon-ssm-agent.json).
  returned: always
  type: dict
  contains:
    exists:
      description: Whether the file is there.
      type: bool
      sample: true
    problem:
      description: Why the agent does not understand it, or V(null).
      type: str
      sample: null
    newer_than_agent:
      description: Whether it was changed after the agent was started, which reads it only then.
      type: bool
      sample: false
    settings:
      description: Its settings.
      type: dict
      sample: {"Profile": {"ShareProfile": "ecs"}}
credentials:
  description: AWS credentials that are on the server. None is returned, only where they are.
  returned: always
  type: dict
  contains:
    profiles:
      description: The profiles in C(/root/.aws/credentials) that have a key.
      type: list
      elements: str
      sample: [default]
    default:
      description:
        - Whose the one named C(default) is, V(agent) when the SSM agent writes it, V(foreign), or V(null) when there is
          none.
      type: str
      sample: agent
    unit_variables:
      description: Environment variables of the agents' units that bring credentials, by unit.
      type: dict
      sample: {"amazon-ssm-agent.service": [], "ecs.service": []}
proxy:
  description:
    - The proxy that the role gave the services by a file that only root reads, and the one that they run with. The user
      part of an address is given as C(sha256:) and its SHA-256.
  returned: always
  type: dict
  contains:
    exists:
      description: Whether the file is there.
      type: bool
      sample: true
    settings:
      description: Its variables.
      type: dict
      sample: {"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "169.254.169.254"}
    drop_ins:
      description: Whether the unit has our drop-in that names the file, by unit.
      type: dict
      sample: {"amazon-ssm-agent.service": true, "docker.service": true}
    running:
      description: The same variables as the unit's main process has them, by unit, or V(null) where none runs.
      type: dict
      sample: {"amazon-ssm-agent.service": {}, "docker.service": null}
"""

import gc

if __name__ == "__main__":
    gc.disable()  # what is to be imported takes less time, and there is little to collect in so short a life

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
from typing import Any
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _credentials
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _exec
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _host
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _remains
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault

ROOT = "/"  # everything is read below it
IMDS = ("169.254.169.254", 80)
IMDS_BUDGET = 0.3
IMDS_BUDGET_ELSEWHERE = 0.1  # where the firmware does not name Amazon. EC2 answers within a few milliseconds
INTROSPECTION = ("127.0.0.1", 51678)
SOCKET_TIMEOUT = 1.0
COMMAND_TIMEOUT = 10

DOCKER_UNIT = "docker.service"
ECS_UNIT = "ecs.service"
ENGINES = ["docker-ce", "docker.io", "docker-ee", "docker-engine", "moby-engine", "docker"]
SSM_PACKAGE = "amazon-ssm-agent"
ECS_PACKAGE = "amazon-ecs-init"
PODMAN_PACKAGE = "podman-docker"
PACKAGES = [*ENGINES, SSM_PACKAGE, ECS_PACKAGE, PODMAN_PACKAGE]
DNF_BINDINGS = "/usr/lib*/python3*/*-packages/dnf/__init__.py"
CONFIG_FILES = ["/etc/ecs/ecs.config", "/var/lib/ecs/ecs.config"]
GPU_PARTS = {
    "/dev/nvidiactl": ["/dev/nvidiactl"],
    "nvidia-smi": ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi"],
    "nvidia-container-runtime": ["/usr/bin/nvidia-container-runtime", "/usr/local/bin/nvidia-container-runtime"],
}
LOG_TAIL = 64 * 1024


class Reader:
    """Reads, and remembers what it could not read."""

    def __init__(self) -> None:
        self.unreadable: list[dict[str, str]] = []

    def fail(self, what: str, why: object) -> None:
        text = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
        self.unreadable.append({"what": what, "why": text})

    def text(self, name: str, tail: int | None = None) -> str | None:
        """A file's text, or None. A file that is not there is no trouble."""
        try:
            with open(below_root(name), "rb") as stream:
                if tail is not None:
                    size = stream.seek(0, os.SEEK_END)
                    stream.seek(max(0, size - tail))
                return stream.read().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            self.fail(name, e)
            return None

    def command(self, arguments: list[str]) -> str | None:
        try:
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"},
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            return None
        except (OSError, subprocess.TimeoutExpired) as e:
            self.fail(arguments[0], e)
            return None
        return done.stdout.decode("utf-8", "replace")


def below_root(name: str) -> str:
    return os.path.join(ROOT, name.lstrip("/"))


def exists(name: str) -> bool:
    return os.path.exists(below_root(name))


def shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def request(address: str | tuple[str, int], line: str, headers: str, deadline: float) -> bytes | None:
    """One HTTP/1.0 request. Raises OSError when nobody answers in time."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.connect(address)
        connection.sendall(f"{line} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n".encode())
        answer = b""
        while len(answer) < 1024 * 1024:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            block = connection.recv(65536)
            if not block:
                break
            answer += block
        return _host.http_body(answer)


# --- the parts of the result; each gets a reader and returns its part ---


def look_at_imds(reader: Reader) -> dict[str, Any]:
    result: dict[str, Any] = {"reachable": False, "role": None}
    vendor = reader.text("/sys/class/dmi/id/sys_vendor") or ""
    deadline = time.monotonic() + (IMDS_BUDGET if "Amazon" in vendor else IMDS_BUDGET_ELSEWHERE)
    base = "GET /latest/meta-data/"
    try:
        token = request(IMDS, "PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n", deadline)
        header = f"X-aws-ec2-metadata-token: {token.decode('ascii')}\r\n" if token else ""
        instance = request(IMDS, f"{base}instance-id", header, deadline) or b""
        if re.fullmatch(rb"i-[0-9a-f]{8,17}", instance.strip()):
            result["reachable"] = True
            names = request(IMDS, f"{base}iam/security-credentials/", header, deadline) or b""
            result["role"] = names.decode("ascii").split("\n")[0].strip() or None
    except (OSError, ValueError):
        pass  # no answer is an answer
    return result


def look_at_introspection(reader: Reader) -> dict[str, Any] | None:
    try:
        body = request(INTROSPECTION, "GET /v1/metadata", "", time.monotonic() + SOCKET_TIMEOUT)
    except ConnectionRefusedError:
        return None
    except OSError as e:
        reader.fail("http://127.0.0.1:51678/v1/metadata", e)
        return None
    try:
        metadata = json.loads(body or b"")
        return {
            "cluster": metadata.get("Cluster") or None,
            "container_instance_arn": metadata.get("ContainerInstanceArn") or None,
            "version": _host.agent_version(str(metadata.get("Version"))),
        }
    except (ValueError, AttributeError):
        reader.fail("http://127.0.0.1:51678/v1/metadata", "it does not answer as the ECS agent does")
        return None


def look_at_system(reader: Reader) -> dict[str, Any]:
    name = os.uname()
    version, memory = _host.cgroups(reader.text("/sys/fs/cgroup/cgroup.controllers"), reader.text("/proc/cgroups"))
    return {
        "hostname": name.nodename,
        "ip_addresses": _host.ip_addresses(reader.text("/proc/net/fib_trie") or ""),
        "machine_id": (reader.text("/etc/machine-id") or "").strip() or None,
        "architecture": name.machine,
        "package_architecture": _host.package_architecture(name.machine),
        "os": _host.os_release(reader.text("/etc/os-release") or reader.text("/usr/lib/os-release") or ""),
        "systemd": os.path.isdir(below_root("/run/systemd/system")),
        "memory_cgroup": memory,
        "cgroup_version": version,
        "effective_user_is_root": os.geteuid() == 0,
        "selinux": _host.selinux(reader.text("/sys/fs/selinux/enforce")),
    }


def look_at_packages(reader: Reader, family: str | None) -> tuple[dict[str, Any], dict[str, _host.Package]]:
    name, packages, interrupted, command_only = None, {}, False, False
    rpm = exists("/usr/bin/rpm")
    # dpkg can be installed on RPM systems, and rpm on Debian
    status = None if rpm and family in ("rhel", "suse") else reader.text("/var/lib/dpkg/status")
    if status:
        name, packages = "dpkg", _host.dpkg_packages(status, PACKAGES)
        with contextlib.suppress(OSError):
            interrupted = any(entry.isdigit() for entry in os.listdir(below_root("/var/lib/dpkg/updates")))
    elif rpm:
        output = reader.command([below_root("/usr/bin/rpm"), "-q", "--qf", _host.RPM_FORMAT, *PACKAGES])
        name, packages = "rpm", _host.rpm_packages(output or "")
        import glob  # not for every system

        command_only = _host.without_ansible(glob.glob(below_root(DNF_BINDINGS)))
    half = sorted(package for package, found in packages.items() if not found.complete)
    return {"name": name, "interrupted": interrupted, "half_installed": half, "command_only": command_only}, packages


def look_at_units(reader: Reader) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]:
    """The units as they are returned, and all that systemd says of them."""
    if not os.path.isdir(below_root("/run/systemd/system")):
        return {}, {}
    names = [DOCKER_UNIT, ECS_UNIT, *_ssm_vault.UNITS.values()]
    systemctl = next((name for name in ("/usr/bin/systemctl", "/bin/systemctl") if exists(name)), "/usr/bin/systemctl")
    properties = ",".join([*_host.UNIT_PROPERTIES, *_host.OTHER_PROPERTIES])
    output = reader.command([below_root(systemctl), "show", *names, "--property", properties])
    if not output:
        reader.fail("systemctl show", "it said nothing")
        return {}, {}
    return _host.units(output, names), _host.properties(output, names)


def look_at_docker(reader: Reader, packages: dict[str, _host.Package], unit: dict[str, Any] | None) -> dict[str, Any]:
    package = next((name for name in ENGINES if name in packages and packages[name].complete), None)
    version = engine_version(reader, unit)
    components = version.get("Components") or [{}]
    shim = (
        PODMAN_PACKAGE in packages
        or "podman" in os.path.realpath(below_root("/var/run/docker.sock"))
        or any("podman" in str(component.get("Name")).lower() for component in components)
        or is_podman("/usr/bin/docker")
    )
    has_engine = any(exists(name) for name in ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"))
    if package == "docker" and shim and not has_engine:
        package = None  # on some RPM systems that package is the shim
    return {
        "installed": package is not None or has_engine,
        "package": package,
        "package_version": packages[package].version if package else None,
        "engine_version": version.get("Version"),
        "api_version": version.get("ApiVersion"),
        "min_api_version": version.get("MinAPIVersion"),
        "podman_shim": shim,
        "unit": unit,
    }


def is_podman(name: str) -> bool:
    """Whether a command is Podman: a link to it, or a script that calls it."""
    if os.path.basename(os.path.realpath(below_root(name))).startswith("podman"):
        return True
    try:
        with open(below_root(name), "rb") as stream:
            start = stream.read(4096)
        return start.startswith(b"#!") and b"podman" in start
    except OSError:
        return False


def engine_version(reader: Reader, unit: dict[str, Any] | None) -> dict[str, Any]:
    """What the engine says of itself. It is asked only when it runs: a connection would start a sleeping one."""
    pid = (reader.text("/run/docker.pid") or "").strip()
    running = (unit or {}).get("active_state") == "active" or (pid.isdigit() and exists(f"/proc/{pid}"))
    if not running or not exists("/var/run/docker.sock"):
        return {}
    try:
        body = request(below_root("/var/run/docker.sock"), "GET /version", "", time.monotonic() + SOCKET_TIMEOUT)
        version = json.loads(body or b"")
        return version if isinstance(version, dict) else {}
    except (OSError, ValueError) as e:
        reader.fail("/var/run/docker.sock", e if isinstance(e, OSError) else "it does not answer as Docker does")
        return {}


def look_at_ssm(reader: Reader, packages: dict[str, _host.Package], units: dict[str, dict[str, Any]]) -> dict[str, Any]:
    source = _ssm_vault.find_agent()
    version = None
    if source == "snap":
        version = _host.snap_version(reader.text("/snap/amazon-ssm-agent/current/meta/snap.yaml") or "")
    elif SSM_PACKAGE in packages:
        version = packages[SSM_PACKAGE].version
    vault = _ssm_vault.read_vault()
    if vault.problem:
        reader.fail(_ssm_vault.path("Vault", "Store", "RegistrationKey"), vault.problem)
    try:
        registering = bool(_ssm_vault.registering_pids())
    except OSError as e:
        registering = False
        reader.fail(_ssm_vault.PROC, e)
    return {
        # files alone may be what an interrupted rpm unpacked
        "installed": source == "snap" or (source == "package" and version is not None),
        "source": source if source == "snap" or version else None,
        "version": version,
        "binary": _ssm_vault.BINARIES[source] if source else None,
        "unit": units.get(_ssm_vault.UNITS[source or "package"]),
        "registering": registering,
        "fingerprint_mismatch": _host.fingerprint_mismatch(
            reader.text("/var/log/amazon/ssm/amazon-ssm-agent.log", tail=LOG_TAIL) or ""
        ),
        "registration": {
            "managed_instance_id": vault.instance_id,
            "region": vault.region,
            "registered_at": vault.created if vault.instance_id else None,
            "age": _host.age(vault.created if vault.instance_id else None, time.time()),
            "stale": vault.stale,
            "former_managed_instance_id": vault.registration_id if vault.stale else None,
            "former_container_instances": _ssm_vault.read_former(),
            "problem": vault.problem,
            "interrupted": look_at_journal(reader),
        },
    }


def look_at_journal(reader: Reader) -> dict[str, Any] | None:
    try:
        journal = _ssm_vault.read_journal()
    except (OSError, ValueError) as e:
        reader.fail(_ssm_vault.backup_path("journal.json"), e)
        return {"backup_managed_instance_id": None, "operation": None, "step": None}
    if journal is None:
        return None
    return {
        "backup_managed_instance_id": journal.previous_id,
        "operation": journal.operation,
        "step": journal.step,
    }


def look_at_ecs(
    reader: Reader,
    packages: dict[str, _host.Package],
    unit: dict[str, Any] | None,
    introspection: dict[str, Any] | None,
) -> dict[str, Any]:
    package = packages.get(ECS_PACKAGE)
    installed = package is not None and package.complete
    log = None if introspection else reader.text("/var/log/ecs/ecs-agent.log", tail=LOG_TAIL)
    return {
        "installed": installed,
        "version": package.version if package else None,
        "unit": unit,
        "introspection": introspection,
        "saved_state": exists("/var/lib/ecs/data/agent.db"),
        "log_tail": [shown(line) for line in _host.error_lines(log or "")],
    }


def look_at_config(reader: Reader) -> dict[str, Any]:
    result = {}
    for name in CONFIG_FILES:
        text = reader.text(name)
        settings = _ecs_config.masked_settings(_ecs_config.parse(text or ""))
        result[name] = {
            "exists": text is not None or exists(name),
            "canonical": _ecs_config.is_canonical(text or ""),
            "settings": {key: shown(value) for key, value in settings.items()},
        }
    return result


def look_at_ssm_config(reader: Reader, agent_started: str | None) -> dict[str, Any]:
    text = reader.text(_ssm_config.PATH)
    settings, problem = _ssm_config.parse(text)
    modified = None
    with contextlib.suppress(OSError):
        modified = os.stat(below_root(_ssm_config.PATH)).st_mtime
    newer = _host.is_newer(modified, agent_started, time.time(), time.monotonic())
    return {"exists": text is not None, "problem": problem, "newer_than_agent": newer, "settings": settings}


def look_at_credentials(reader: Reader, units: dict[str, dict[str, str]], registered: bool) -> dict[str, Any]:
    text = reader.text(_credentials.FILE)
    profiles = _credentials.read_profiles(text or "")
    found = {}
    for unit, properties in units.items():
        directory = f"/etc/systemd/system/{unit}.d"  # of a unit that is not installed yet systemd tells nothing
        names = sorted(os.listdir(below_root(directory))) if os.path.isdir(below_root(directory)) else []
        drop_ins = [reader.text(f"{directory}/{name}") or "" for name in names if name.endswith(".conf")]
        found[unit] = _credentials.of_environment("\n".join([properties.get("Environment", ""), *drop_ins]))
    record, _problem = _ssm_config.parse(reader.text("/var/lib/amazon/ssm/runtimeconfig/identity_config.json"))
    return {
        "profiles": sorted(profiles or ()),
        "default": _credentials.default_owner(profiles, record, registered),
        "unit_variables": found,
    }


def look_at_proxy(reader: Reader, units: list[dict[str, Any]]) -> dict[str, Any]:
    text = reader.text(_proxy.FILE)
    drop_ins, running = {}, {}
    for unit in units:
        name = unit["name"]
        drop_ins[name] = _proxy.drop_in_reads_file(reader.text(f"/etc/systemd/system/{name}.d/{_proxy.DROP_IN}"))
        environ = reader.text(f"/proc/{unit['main_pid']}/environ") if unit["main_pid"] else None
        running[name] = None if environ is None else _proxy.of_process(environ)
    settings = _ecs_config.masked_settings(_ecs_config.parse(text or ""))
    return {"exists": text is not None, "settings": settings, "drop_ins": drop_ins, "running": running}


def look_around(host: dict[str, Any], asked: dict[str, Any] | None) -> dict[str, Any] | None:
    if asked is None or _host.is_whole(host):
        return None
    # It brings TLS with it, which a server that is right would load for nothing.
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _preflight
    from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _probe

    missing = _host.missing_parts(host)
    endpoints = _preflight.needed_endpoints(asked["endpoints"], missing)
    found, offset = _probe.look(endpoints, asked["environment"])
    return {"endpoints": found, "clock_offset": offset, "disk": _probe.disk(_preflight.needed_space(missing))}


class Later:
    """A function that runs beside the others."""

    def __init__(self, function: Callable[[Reader], Any]) -> None:
        self._function = function
        self._reader = Reader()
        self._value: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function(self._reader)
        except Exception as e:  # an odd server is no failure, and a thread has nobody to tell
            self._reader.fail(self._function.__name__, e)

    def get(self, reader: Reader) -> Any:
        self._thread.join()
        reader.unreadable += self._reader.unreadable
        return self._value


def look() -> dict[str, Any]:
    """Everything. What waits for somebody else runs beside what reads files."""
    reader = Reader()
    imds, introspection, units = Later(look_at_imds), Later(look_at_introspection), Later(look_at_units)
    result = look_at_system(reader)
    result["package_manager"], packages = look_at_packages(reader, result["os"]["family"])
    result["ecs_config"] = look_at_config(reader)
    shown: tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]] = units.get(reader) or ({}, {})
    states, properties = shown
    result["ssm_agent"] = look_at_ssm(reader, packages, states)
    result["docker"] = look_at_docker(reader, packages, states.get(DOCKER_UNIT))
    result["ecs_agent"] = look_at_ecs(reader, packages, states.get(ECS_UNIT), introspection.get(reader))
    ssm_unit = (result["ssm_agent"]["unit"] or {}).get("name")
    started = properties.get(str(ssm_unit), {}).get("ExecMainStartTimestampMonotonic")
    result["ssm_config"] = look_at_ssm_config(reader, started)
    result["gpu"] = {"missing": [name for name, paths in GPU_PARTS.items() if not any(map(exists, paths))]}
    result["exec"] = _exec.look(below_root)
    result["similarity_threshold"] = _ssm_vault.read_similarity_threshold()
    known = {u: properties.get(u, {}) for u in (ssm_unit, ECS_UNIT) if u}
    registration = result["ssm_agent"]["registration"]
    registered = bool(registration["managed_instance_id"] or registration["former_managed_instance_id"])
    result["credentials"] = look_at_credentials(reader, known, registered)
    proxied = (result["docker"]["unit"], result["ssm_agent"]["unit"])
    result["proxy"] = look_at_proxy(reader, [unit for unit in proxied if unit])
    result["imds"] = imds.get(reader) or {"reachable": False, "role": None}
    result["managed_instance_id"] = result["ssm_agent"]["registration"]["managed_instance_id"]
    result["container_instance_arn"] = (result["ecs_agent"]["introspection"] or {}).get("container_instance_arn")
    result["remains"] = _remains.find(below_root).names()
    result["unreadable"] = reader.unreadable
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "wanted": {"type": "bool", "default": False},
            "preflight": {
                "type": "dict",
                "no_log": True,
                "options": {
                    "endpoints": {"type": "list", "elements": "dict", "default": []},
                    "environment": {"type": "dict", "default": {}},
                },
            },
        },
        supports_check_mode=True,
    )
    # of all that is not logged this alone is a secret; without it the names of AWS's hosts would be censored as well
    asked = module.params["preflight"]
    module.no_log_values = _proxy.secrets(asked["environment"]) if asked else set()
    result = look()
    result["preflight"] = look_around(result, asked)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
