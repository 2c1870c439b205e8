# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which systems are supported, and what is missing on some of them."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._host import os_release
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._host_problems import SUPPORTED_SYSTEMS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._host_problems import host_problems


def problems(system, installed=True, source="distro"):
    host = {
        "os": os_release(system),
        "effective_user_is_root": True,
        "architecture": "x86_64",
        "systemd": True,
        "docker": {"installed": installed, "podman_shim": False, "min_api_version": None},
        "imds": {"reachable": False, "role": None},
        "memory_cgroup": True,
        "ecs_config": {},
    }
    return host_problems(host, {"docker_source": source})


@pytest.mark.parametrize(
    "system, supported",
    [
        ("ID=debian\nVERSION_ID=11", True),
        ("ID=debian\nVERSION_ID=13", True),
        ("ID=debian\nVERSION_CODENAME=forky", False),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=20.04", True),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=22.04", True),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04", True),
        ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=22.10", False),
        ("ID=amzn\nID_LIKE=fedora\nVERSION_ID=2023", True),
        ("ID=amzn\nVERSION_ID=2", False),
        ("ID=rhel\nID_LIKE=fedora\nVERSION_ID=9.4", True),
        ("ID=rhel\nID_LIKE=fedora\nVERSION_ID=8.10", True),
        ("ID=rhel\nID_LIKE=fedora\nVERSION_ID=7.9", False),
        ("ID=rhel\nID_LIKE=fedora\nVERSION_ID=10.0", False),
        ("ID=rocky\nID_LIKE='rhel centos fedora'\nVERSION_ID=8.10", True),
        ("ID=rocky\nID_LIKE='rhel centos fedora'\nVERSION_ID=9.5", True),
        ("ID=almalinux\nID_LIKE='rhel centos fedora'\nVERSION_ID=8.10", True),
        ("ID=almalinux\nID_LIKE='rhel centos fedora'\nVERSION_ID=9.5", True),
        ("ID=ol\nID_LIKE=fedora\nVERSION_ID=8.10", True),
        ("ID=ol\nID_LIKE=fedora\nVERSION_ID=9.5", True),
        ("ID=centos\nID_LIKE='rhel fedora'\nVERSION_ID=8", True),
        ("ID=centos\nID_LIKE='rhel fedora'\nVERSION_ID=9", True),
        ("ID=fedora\nVERSION_ID=41", True),
        ("ID=sles\nID_LIKE=suse\nVERSION_ID=15.6", True),
        ("ID=opensuse-leap\nID_LIKE='suse opensuse'\nVERSION_ID=15.6", True),
        ("ID=opensuse-tumbleweed\nID_LIKE='opensuse suse'\nVERSION_ID=20261101", True),
        ("ID=alpine\nVERSION_ID=3.20", False),
        ("", False),
    ],
)
def test_supported_systems(system, supported):
    found = problems(system)
    assert found == [] if supported else "is not supported; supported are" in found[0]


@pytest.mark.parametrize(
    "system, installed, source, said",
    [
        (
            "ID=rocky\nVERSION_ID=9.5\nPRETTY_NAME='Rocky Linux 9.5'",
            False,
            "distro",
            "Rocky Linux 9.5 has none of its own",
        ),
        ("ID=rocky\nVERSION_ID=9.5", True, "distro", None),
        ("ID=rocky\nVERSION_ID=9.5", False, "none", "ecs_anywhere_docker_source is `none`"),
        ("ID=amzn\nVERSION_ID=2023", False, "distro", None),
        ("ID=fedora\nVERSION_ID=41", False, "distro", None),
        ("ID=sles\nVERSION_ID=15.6", False, "distro", None),
    ],
)
def test_systems_without_a_docker_of_their_own(system, installed, source, said):
    found = problems(system, installed, source)
    assert found == [] if said is None else said in found[0]


def test_every_supported_system_is_of_a_family_the_role_installs_for():
    likes = {"almalinux": "rhel", "rocky": "rhel"}
    for name in SUPPORTED_SYSTEMS:
        like = f"\nID_LIKE={likes[name]}" if name in likes else ""
        assert os_release(f"ID={name}{like}")["family"] in ("debian", "rhel", "suse")
