# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which Docker a server may get, as a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _docker

ROLE = Path(__file__).resolve().parents[4] / "roles" / "ecs_anywhere"
NONE = {"installed": False, "package": None, "min_api_version": None, "podman_shim": False}
CE = {
    "installed": True,
    "package": "docker-ce",
    "engine_version": "27.5.1",
    "min_api_version": "1.24",
    "podman_shim": False,
}
DISTRO = {**CE, "package": "docker.io", "engine_version": "20.10.24", "min_api_version": "1.12"}


@pytest.mark.parametrize(
    "docker, system, source, pin, sentence",
    [
        (NONE, "debian", "docker", "", None),
        (NONE, "debian", "docker", "27.5.1", None),
        (NONE, "rocky", "docker", "", None),
        (NONE, "rocky", "distro", "", "set ecs_anywhere_docker_source to `docker`, or install docker-ce first"),
        (
            NONE,
            "amzn",
            "docker",
            "",
            "Docker's own repository has none for amzn: set ecs_anywhere_docker_source to `distro`",
        ),
        (NONE, "sles", "docker", "", "Docker's own repository has none for sles"),
        (NONE, "debian", "none", "", "ecs_anywhere_docker_source is `none`"),
        # one that is there is kept, wherever it came from
        (DISTRO, "debian", "docker", "", None),
        (CE, "debian", "distro", "", None),
        (CE, "amzn", "docker", "", None),
        # a version is docker-ce's alone
        (DISTRO, "debian", "docker", "27.5.1", "its Docker is docker.io, which docker-ce cannot be installed beside"),
        (CE, "debian", "distro", "27.5.1", "set ecs_anywhere_docker_source to `docker`, or empty the version"),
        (CE, "debian", "docker", "28.0.4", None),
        (CE, "debian", "docker", "29.1.0", None),
        (CE, "debian", "docker", "30.0.0", "is 30.0.0, and which API it speaks is not known; the newest that is known"),
        (CE, "debian", "docker", "latest", "is 'latest': name a version of Docker as 27.5.1"),
        # an engine that is too new is told, unless another version is on its way
        (
            {**CE, "min_api_version": "1.45"},
            "debian",
            "docker",
            "",
            "speaks API 1.45 and newer, the ECS agent at most 1.44",
        ),
        ({**CE, "min_api_version": "1.45"}, "debian", "docker", "28.0.4", None),
        ({**CE, "podman_shim": True}, "debian", "docker", "27.5.1", "remove podman-docker"),
    ],
)
def test_what_is_wrong_with_docker(docker, system, source, pin, sentence):
    host = {"docker": docker, "os": {"id": system, "pretty_name": None}}
    found = _docker.docker_problems(host, {"docker_source": source, "docker_version": pin})
    assert found == [] if sentence is None else len(found) == 1 and sentence in found[0]


def test_an_engine_whose_oldest_api_the_agent_does_not_speak(monkeypatch):
    monkeypatch.setattr(_docker, "NEWEST_API_OF_ECS_AGENT", (1, 43))
    assert _docker.too_new("28.5.2") is None
    assert _docker.too_new("29.0.0") == "it speaks API 1.44 and newer, the ECS agent at most 1.43"


@pytest.mark.parametrize(
    "version, expected",
    [
        ("5:27.5.1-1~debian.12~bookworm", "27.5.1-1~debian.12~bookworm"),
        ("27.5.1-1.fc41", "27.5.1-1.fc41"),
        ("20.10.24+dfsg1-1+deb12u1", "20.10.24+dfsg1-1+deb12u1"),
        (None, ""),
    ],
)
def test_the_version_without_debians_epoch(version, expected):
    assert _docker.upstream(version) == expected


def test_the_role_knows_the_same_newest_engine():
    values = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    assert values["__ecs_anywhere_newest_docker"] == _docker.NEWEST_ENGINE
