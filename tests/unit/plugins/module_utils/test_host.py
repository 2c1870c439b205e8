# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import time

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _host
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._host import Package


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            ("debian", [], "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "debian"),
        ),
        (
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID='21'\n",
            ("linuxmint", ["ubuntu", "debian"], "21", None, None, "debian"),
        ),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            ("rocky", ["rhel", "centos", "fedora"], None, None, None, "rhel"),
        ),
        ('ID="ol"\nVERSION_ID="9.4"\n', ("ol", [], "9.4", None, None, "rhel")),
        ('ID="amzn"\n', ("amzn", [], None, None, None, "rhel")),
        ('ID="opensuse-leap"\n', ("opensuse-leap", [], None, None, None, "suse")),
        ('ID="sles"\n', ("sles", [], None, None, None, "suse")),
        ('# ID=debian\nID=alpine\nPRETTY_NAME="A \\"B\\""\nrubbish\n', ("alpine", [], None, None, 'A "B"', None)),
        ("", (None, [], None, None, None, None)),
    ],
)
def test_os_release(text, expected):
    assert tuple(_host.os_release(text).values()) == expected


@pytest.mark.parametrize(
    "places, expected",
    [
        (["/usr/lib/python3.6/site-packages/dnf/__init__.py"], True),
        (["/usr/lib/python3.7/site-packages/dnf", "/usr/lib64/python3.6/site-packages/dnf"], True),
        (["/usr/lib/python3.6/site-packages/dnf", "/usr/lib/python3.8/site-packages/dnf"], False),
        (["/usr/lib/python3.12/site-packages/dnf"], False),
        (["/usr/lib/python3/dist-packages/dnf"], False),  # of every Python 3 that the system has
        ([], False),  # dnf5, or none: Ansible's own module tells it
    ],
)
def test_what_only_older_pythons_than_ansibles_have(places, expected):
    assert _host.without_ansible(places) is expected


STATUS = """Package: amazon-ssm-agent
Status: install ok installed
Version: 3.3.4108.0-1

Package: docker.io
Status: install ok half-configured
Conffiles:
 /etc/docker x
Version: 20.10.24

Package: docker-ce
Status: deinstall ok config-files
Version: 5:27

Package: amazon-ecs-init-extra
Status: install ok installed
Version: 9

Package: podman-docker
Status: install ok triggers-pending
Version: 4.3.1
"""


def test_dpkg_packages():
    names = ["amazon-ssm-agent", "docker.io", "docker-ce", "amazon-ecs-init", "podman-docker"]
    assert _host.dpkg_packages(STATUS, names) == {
        "amazon-ssm-agent": Package("3.3.4108.0-1", True),
        "docker.io": Package("20.10.24", False),
        "podman-docker": Package("4.3.1", True),
    }
    assert _host.dpkg_packages("", names) == {}


def test_rpm_packages():
    output = "package docker.io is not installed\npkg\tdocker-ce\t27.1-1.el9\npkg\tamazon-ecs-init\t1.105.1-1\n"
    assert _host.rpm_packages(output) == {
        "docker-ce": Package("27.1-1.el9", True),
        "amazon-ecs-init": Package("1.105.1-1", True),
    }


def test_units():
    output = (
        "Result=success\nMainPID=42\nNRestarts=3\nExecMainStatus=5\nLoadState=loaded\nActiveState=activating\n"
        "SubState=auto-restart\nUnitFileState=enabled\n\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    )
    units = _host.units(output, ["ecs.service", "docker.service"])
    assert units["ecs.service"] == {
        "name": "ecs.service",
        "load_state": "loaded",
        "active_state": "activating",
        "sub_state": "auto-restart",
        "unit_file_state": "enabled",
        "result": "success",
        "exec_main_status": 5,
        "n_restarts": 3,
        "main_pid": 42,
    }
    assert units["docker.service"]["load_state"] == "not-found"
    assert units["docker.service"]["unit_file_state"] is None and units["docker.service"]["n_restarts"] is None


@pytest.mark.parametrize(
    "modified, started, newer",
    [
        (950.1, "150000000", True),  # started 150 s after the boot, which was at 800
        (949.9, "150000000", False),
        (None, "150000000", False),
        (950.1, "0", False),
        (950.1, None, False),
        (1001.0, "150000000", False),  # of the future
    ],
)
def test_a_file_that_was_changed_after_a_program_was_started(modified, started, newer):
    assert _host.is_newer(modified, started, now=1000.0, uptime=200.0) is newer


TABLE = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t1\t1\nmemory\t0\t1\t{}\n"


@pytest.mark.parametrize(
    "unified, table, expected",
    [
        ("cpu io memory pids\n", TABLE.format(1), (2, True)),
        ("cpu io pids\n", TABLE.format(1), (2, False)),  # as a Raspberry Pi
        (None, TABLE.format(1), (1, True)),
        (None, TABLE.format(0), (1, False)),
        (None, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n", (1, False)),
        (None, None, (None, None)),
    ],
)
def test_cgroups(unified, table, expected):
    assert _host.cgroups(unified, table) == expected


@pytest.mark.parametrize(
    "answer, body",
    [
        (b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny", b"x\r\n\r\ny"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 404 Not Found\r\n\r\nx", None),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None),
        (b"", None),
    ],
)
def test_http_body(answer, body):
    assert _host.http_body(answer) == body


@pytest.mark.parametrize(
    "text, version", [("Amazon ECS Agent - v1.105.1 (*8dfceca6)", "1.105.1"), ("None", None), ("", None)]
)
def test_agent_version(text, version):
    assert _host.agent_version(text) == version


def test_error_lines():
    log = "level=info msg=a\nlevel=error msg=b\nlevel=critical msg=c\n2026 [ERROR] d\n" + "level=error msg=e\n" * 9
    assert _host.error_lines(log) == ["2026 [ERROR] d", *["level=error msg=e"] * 9]
    assert _host.error_lines("level=error " + "x" * 5000)[0] == "level=error " + "x" * 988


def test_snap_version():
    assert _host.snap_version("name: amazon-ssm-agent\nversion: '3.3.40.0'\n") == "3.3.40.0"
    assert _host.snap_version("") is None


def test_the_age_of_something():
    assert _host.age("1970-01-01T00:01:00Z", 100.9) == 40
    assert _host.age(None, 100.0) is None


@pytest.mark.parametrize(
    "log, expected",
    [
        ("", None),
        ("2026-11-24 02:02:03.0001 ERROR other\n", None),
        (
            "2026-11-24 02:02:03.0001 ERROR [x] aws error: MachineFingerprintDoesNotMatch: no\n"
            "2026-11-24 02:32:03.0001 ERROR [x] aws error: MachineFingerprintDoesNotMatch: no\n"
            "2026-11-24 02:33:03.0001 INFO [x] Sleeping for 0:27:00 before retrying retrieve credentials\n",
            "2026-11-24T01:32:03Z",
        ),
    ],
)
def test_when_the_fingerprint_was_refused_last(monkeypatch, log, expected):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert _host.fingerprint_mismatch(log) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_addresses_of_the_server_itself():
    table = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.89.91.0/24 2 0 2
        |-- 10.89.91.0
           /24 link UNICAST
        |-- 10.89.91.7
           /32 host LOCAL
        |-- 10.89.91.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.89.91.7
           /32 host LOCAL
"""
    assert _host.ip_addresses(table) == ["10.89.91.7"]
