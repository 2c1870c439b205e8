# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One emulator for the whole run, put back to its beginning before each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_client import Node
from emulator_process import Emulator
from emulator_world import make_node
from emulator_world import make_role

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tables of pure functions


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    directory = tmp_path_factory.mktemp("emulator")
    bucket = directory / "packages" / "amazon-ssm-eu-west-1"
    (bucket / "latest").mkdir(parents=True)
    (bucket / "latest" / "VERSION").write_text("3.3.4108.0")
    (bucket / "latest" / "big").write_bytes(bytes(range(256)) * 20_000)
    options = ("--state", str(directory / "state"), "--packages", str(directory / "packages"))
    emulator = Emulator(directory, *options)
    yield emulator.start()
    emulator.stop()


@pytest.fixture
def emulator(process: Emulator) -> Emulator:
    process.control("POST", "reset")
    return process


@pytest.fixture
def ssm(emulator: Emulator) -> Any:
    return emulator.client("ssm")


@pytest.fixture
def ecs(emulator: Emulator) -> Any:
    return emulator.client("ecs")


@pytest.fixture
def iam(emulator: Emulator) -> Any:
    return emulator.client("iam", "us-east-1")


@pytest.fixture
def role(iam: Any) -> str:
    return make_role(iam)


@pytest.fixture
def node(emulator: Emulator, ssm: Any, role: str) -> Node:
    """A server whose SSM agent is registered and has its credentials."""
    return make_node(emulator, ssm, role)


@pytest.fixture
def server(node: Node, ecs: Any) -> Node:
    """A server whose ECS agent is registered in cluster edge, too."""
    ecs.create_cluster(clusterName="edge")
    node.ping()
    node.register_instance("edge")
    return node
