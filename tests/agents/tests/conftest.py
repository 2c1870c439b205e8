# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
import agents_world
import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "container: needs podman and the node image; run with -m container")


def pytest_collection_modifyitems(config, items):
    """Tests on real systemd nodes only run when they are asked for."""
    if "container" in (config.option.markexpr or ""):
        return
    held = [item for item in items if item.get_closest_marker("container")]
    if held:
        config.hook.pytest_deselected(items=held)
        items[:] = [item for item in items if item not in held]


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    return agents_world.Packages(tmp_path_factory.mktemp("packages")).build()


@pytest.fixture(scope="session")
def empty_world(tmp_path_factory):
    world = agents_world.World(tmp_path_factory.mktemp("world"))
    yield world
    world.close()


@pytest.fixture(scope="session")
def running_world(empty_world, packages):
    empty_world.start_emulator(packages)
    return empty_world


@pytest.fixture
def world(running_world):
    yield running_world
    running_world.control("DELETE", "faults")
    running_world.control("PUT", "settings", {"token_ttl": 3600, "long_poll_seconds": 15})


@pytest.fixture
def make_node(world, packages, tmp_path):
    made = []

    def make():
        made.append(agents_world.Node(world, packages, tmp_path / f"node{len(made)}"))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture
def node(make_node):
    return make_node()


@pytest.fixture(scope="session")
def role_credentials(running_world, packages, tmp_path_factory):
    """A credentials file as the SSM agent leaves it, and its mi- id."""
    node = agents_world.Node(running_world, packages, tmp_path_factory.mktemp("role") / "node")
    node_id = node.registered()
    daemon = node.start("amazon-ssm-agent")
    agents_world.until(node.path("/var/lib/amazon/ssm/runtimeconfig/identity_config.json").exists)
    node.stop(daemon)
    text = node.text("/root/.aws/credentials")
    node.close()
    return node_id, text
