# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files and commands of a Linux server say: pure functions. Private to this collection."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any
from typing import Mapping
from typing import NamedTuple

_PACKAGE_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_FAMILIES = {
    "debian": {"debian", "ubuntu"},
    "rhel": {"rhel", "fedora", "centos", "amzn", "ol"},
    "suse": {"suse", "sles", "opensuse"},
}
OTHER_PROPERTIES = ("Environment", "ExecMainStartTimestampMonotonic")  # not for the eyes of everybody, or no state
UNIT_PROPERTIES = {
    "LoadState": "load_state",
    "ActiveState": "active_state",
    "SubState": "sub_state",
    "UnitFileState": "unit_file_state",
    "Result": "result",
    "ExecMainStatus": "exec_main_status",
    "NRestarts": "n_restarts",
    "MainPID": "main_pid",
}
_NUMBERS = ("exec_main_status", "n_restarts", "main_pid")
PARTS = ("docker", "ssm_agent", "ecs_agent")


class Package(NamedTuple):
    version: str
    complete: bool


def package_architecture(machine: str) -> str | None:
    return _PACKAGE_ARCHITECTURES.get(machine)


def os_release(text: str) -> dict[str, Any]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            values[key] = value
    like = values.get("ID_LIKE", "").split()
    names = [values.get("ID", ""), *like]
    return {
        "id": values.get("ID") or None,
        "id_like": like,
        "version_id": values.get("VERSION_ID") or None,
        "codename": values.get("VERSION_CODENAME") or None,
        "pretty_name": values.get("PRETTY_NAME") or None,
        "family": os_family(names),
    }


def os_family(names: list[str]) -> str | None:
    """The family of the first name that has one: what a system is counts more than what it is like."""
    for name in names:
        for family, members in _FAMILIES.items():
            if name in members or (family == "suse" and name.startswith("opensuse")):
                return family
    return None


def dpkg_packages(status: str, names: list[str]) -> dict[str, Package]:
    """Those of the named packages that are installed, or half installed, from dpkg's status file."""
    found = {}
    stanzas = {stanza.partition("\n")[0]: stanza for stanza in f"\n{status}".split("\nPackage: ")}
    for name in names:
        stanza = stanzas.get(name)
        if stanza is None:
            continue
        state = re.search(r"^Status: \S+ \S+ (\S+)$", stanza, re.MULTILINE)
        version = re.search(r"^Version: (\S+)$", stanza, re.MULTILINE)
        if state and state.group(1) not in ("not-installed", "config-files"):
            complete = state.group(1) in ("installed", "triggers-awaited", "triggers-pending")
            found[name] = Package(version.group(1) if version else "", complete)
    return found


def rpm_packages(output: str) -> dict[str, Package]:
    """Packages from the output of rpm -q with RPM_FORMAT. What is not installed is told in words."""
    return {
        name: Package(version, True)
        for name, version in re.findall(r"^pkg\t([^\t\n]+)\t([^\t\n]+)$", output, re.MULTILINE)
    }


# The oldest Python 3 on servers that an ansible-core with this collection runs on.
OLDEST_PYTHON = 8


def without_ansible(places: list[str]) -> bool:
    """Whether a Python package, by the directories that have it, is for older Pythons alone than Ansible runs on."""
    minors = [re.search(r"/python3\.(\d+)/", place) for place in places]
    return bool(places) and all(minor and int(minor.group(1)) < OLDEST_PYTHON for minor in minors)


RPM_FORMAT = "pkg\\t%{NAME}\\t%{VERSION}-%{RELEASE}\\n"


def properties(output: str, names: list[str]) -> dict[str, dict[str, str]]:
    """What systemctl show says of each unit: one block for each, in the order of the names."""
    blocks = zip(names, output.strip().split("\n\n"))
    return {name: dict(line.partition("=")[::2] for line in block.splitlines()) for name, block in blocks}


def units(output: str, names: list[str]) -> dict[str, dict[str, Any]]:
    result = {}
    for name, values in properties(output, names).items():
        unit: dict[str, Any] = {"name": name}
        for prop, key in UNIT_PROPERTIES.items():
            value = values.get(prop) or None
            unit[key] = int(value) if key in _NUMBERS and value is not None and value.isdigit() else value
        result[name] = unit
    return result


def cgroups(unified: str | None, table: str | None) -> tuple[int | None, bool | None]:
    """Version and presence of the memory controller, from cgroup.controllers and /proc/cgroups (None: not there)."""
    if unified is not None:
        return 2, "memory" in unified.split()
    if table is None:
        return None, None
    rows = (line.split() for line in table.splitlines() if not line.startswith("#"))
    enabled = {row[0]: row[3] == "1" for row in rows if len(row) == 4}
    return 1, enabled.get("memory", False)


def http_body(answer: bytes) -> bytes | None:
    """The body of an HTTP/1.0 answer with status 200, otherwise None."""
    head, _unused, body = answer.partition(b"\r\n\r\n")
    return body if re.match(rb"HTTP/1\.[01] 200\b", head) else None


def agent_version(text: str) -> str | None:
    """The number in what the ECS agent calls its version: Amazon ECS Agent - v1.105.1 (*8dfceca6)."""
    found = re.search(r"\bv(\d[\w.+-]*)", text)
    return found.group(1) if found else None


def age(moment: str | None, now: float) -> int | None:
    """Seconds since a moment in the form of ISO 8601, in UTC."""
    if moment is None:
        return None
    then = datetime.datetime.fromisoformat(moment.rstrip("Z")).replace(tzinfo=datetime.timezone.utc)
    return int(now) - int(then.timestamp())


def is_newer(modified: float | None, started: str | None, now: float, uptime: float) -> bool:
    """Whether a file was changed after a program was started (in microseconds of the machine's uptime; 0: never)."""
    if modified is None or not started or not started.isdigit() or started == "0" or modified > now:
        return False  # a file of the future would stay newer for ever
    return modified > now - uptime + int(started) / 1e6


def selinux(enforce: str | None) -> str | None:
    """From /sys/fs/selinux/enforce, which is there only where SELinux is on."""
    return None if enforce is None else "enforcing" if enforce.strip() == "1" else "permissive"


def error_lines(log: str, count: int = 10) -> list[str]:
    lines = [line for line in log.splitlines() if re.search(r"level=(error|critical)\b|\[(ERROR|CRITICAL)\]", line)]
    return [line[:1000] for line in lines[-count:]]


def fingerprint_mismatch(log: str) -> str | None:
    """When the SSM agent last said that AWS does not take the server for the one that registered. Its log has the
    server's own time; the result is in the form of ISO 8601, in UTC."""
    word = "MachineFingerprintDoesNotMatch"
    found = re.findall(rf"^(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d).*{word}", log, re.MULTILINE) if word in log else None
    if not found:
        return None
    seconds = time.mktime(time.strptime(found[-1], "%Y-%m-%d %H:%M:%S"))
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def ip_addresses(table: str) -> list[str]:
    """The server's own IPv4 addresses, from /proc/net/fib_trie."""
    found = re.findall(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", table)
    return sorted({address for address in found if not address.startswith("127.")})


def snap_version(text: str) -> str | None:
    found = re.search(r"^version:\s*['\"]?([^'\"\s]+)", text, re.MULTILINE)
    return found.group(1) if found else None


def missing_parts(host: Mapping[str, Any]) -> list[str]:
    return [part for part in PARTS if not host[part]["installed"]]


def is_whole(host: Mapping[str, Any]) -> bool:
    """Whether all that a right server has is there and runs. One that is whole needs no look around it."""
    units = [host[part]["unit"] for part in PARTS]
    return (
        not missing_parts(host)
        and all(unit and unit["active_state"] == "active" for unit in units)
        and bool(host["ecs_agent"]["introspection"])
        and bool(host["ssm_agent"]["registration"]["managed_instance_id"])
    )
