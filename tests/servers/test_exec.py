# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What ECS Exec needs, on a real server: verified, in step with the SSM agent, and seen by ECS."""

from __future__ import annotations

import hashlib
import shutil

import pytest

NAME = "exec"
OLD, NEW = "3.3.3050.0", "3.3.4108.0"
CAPABILITY = "ecs.capability.execute-command"
DIRECTORY = "/var/lib/ecs/deps/execute-command"
LOOK = f"cd {DIRECTORY} 2>/dev/null && find . -type f | sort || :; systemctl show -P MainPID ecs"
BINARIES = ("amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker")


def files(*versions):
    binaries = [f"./bin/{version}/{name}" for version in versions for name in BINARIES]
    return [*sorted(binaries), "./certs/tls-ca-bundle.pem"]


@pytest.fixture(scope="module")
def server(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(NAME, docker=True)
    yield bed
    bed.remove(NAME)


@pytest.fixture
def run(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    def _run(version, *options, **variables):
        wanted = {"exec": True, "ssm_agent_version": version, **variables}
        wanted = {f"ecs_anywhere_{option}": value for option, value in wanted.items()}
        return server.register(NAME, variables=wanted, options=list(options), timeout=600)

    return _run


@pytest.fixture
def other(server):
    """Packages at another address, where the binaries of the old version are not as AWS signed them."""
    root = server.packages / "other"
    shutil.copytree(server.packages / "amazon-ssm-us-east-1" / OLD, root / "amazon-ssm-us-east-1" / OLD)
    yield root / f"amazon-ssm-us-east-1/{OLD}/linux_amd64/amazon-ssm-agent-binaries.tar.gz"
    shutil.rmtree(root)


def capabilities(aws):
    (instance,) = aws.container_instances()
    assert instance["agentConnected"] and instance["status"] == "ACTIVE"
    return [a["name"] for a in instance["attributes"]]


def test_it_is_set_up_and_follows_the_agent(server, aws, run):
    checked = run(OLD, "--check", "--diff")
    assert checked.returncode == 0
    assert f"install_exec: ECS Exec has no binaries of the SSM agent's version {OLD}" in checked.text
    assert server.on(NAME, LOOK) == "0"

    # to a server that was registered without it
    assert run(OLD, exec=False).returncode == 0
    assert CAPABILITY not in capabilities(aws)
    (instance,) = aws.container_instances()
    assert run(OLD).returncode == 0
    assert server.on(NAME, LOOK).splitlines()[:-1] == files(OLD)
    assert f"version: {OLD}" in server.on(NAME, f"{DIRECTORY}/bin/{OLD}/ssm-session-worker")
    assert CAPABILITY in capabilities(aws)
    before = server.on(NAME, LOOK)
    assert run(OLD).recap(NAME)["changed"] == 0
    assert server.on(NAME, LOOK) == before

    # by way of the controller: the server asks for nothing
    aws.forget_calls()
    assert run(NEW, package_transport="controller").returncode == 0
    assert server.on(NAME, LOOK).splitlines()[:-1] == files(OLD, NEW)
    asked = [call["key"] for call in aws.calls(operation="GetObject")]
    assert f"amazon-ssm-us-east-1/{NEW}/linux_amd64/amazon-ssm-agent-binaries.tar.gz.sig" in asked
    assert run(OLD).returncode == 0  # down again: the newer ones would be taken
    assert server.on(NAME, LOOK).splitlines()[:-1] == files(OLD)
    assert CAPABILITY in capabilities(aws)
    (after,) = aws.container_instances()
    assert after["containerInstanceArn"] == instance["containerInstanceArn"]


def test_an_agent_that_has_not_seen_it_is_restarted(server, aws, run):
    """As a run leaves it that was killed between the two."""
    fetch = "import urllib.request as u; u.urlopen('http://127.0.0.1:51678/v1/metadata')"
    server.on(
        NAME,
        f"mv {DIRECTORY} /root/aside; systemctl restart ecs; "
        f'timeout 60 sh -c "until python3 -c \\"{fetch}\\" 2>/dev/null; do sleep 1; done"; mv /root/aside {DIRECTORY}',
    )
    checked = run(OLD, "--check")
    assert f"restart_ecs_agent: ECS does not list {CAPABILITY}" in checked.text
    assert run(OLD).returncode == 0
    assert CAPABILITY in capabilities(aws)
    assert run(OLD).recap(NAME)["changed"] == 0


def test_what_is_not_proven_is_not_put_in_place(server, aws, run, other):
    server.on(NAME, f"rm -r {DIRECTORY}/bin")
    address = {"package_base_url": "https://s3.us-east-1.amazonaws.com/other"}
    other.write_bytes(other.read_bytes() + b"\0")
    tampered = run(OLD, **address)
    assert tampered.recap(NAME)["failed"] == 1
    assert "ECS Exec was not set up." in tampered.text and "does not fit the file" in tampered.text

    other.with_name(other.name + ".sig").unlink()
    digest = {"amd64": f"sha256:{hashlib.sha256(other.read_bytes()).hexdigest()}"}
    for variables, sentence in (
        ({}, "Cannot download the signature from"),
        (
            {"exec_checksums": {"amd64": f"sha256:{'0' * 64}"}},
            f"Its SHA-256 is {digest['amd64'].partition(':')[2]}, not",
        ),
    ):
        refused = run(OLD, **address, **variables)
        assert refused.recap(NAME)["failed"] == 1
        assert sentence in refused.text and "give the SHA-256 of https://s3.us-east-1" in refused.text
        assert server.on(NAME, f"find {DIRECTORY} -name 'ssm*'") == ""

    assert run(OLD, **address, exec_checksums=digest).returncode == 0
    assert server.on(NAME, LOOK).splitlines()[:-1] == files(OLD)


def test_a_mirror_has_it(server, aws, tmp_path, pinned):
    variables = {
        "ecs_anywhere_mirror_directory": str(tmp_path / "mirror"),
        "ecs_anywhere_mirror_regions": ["us-east-1"],
        "ecs_anywhere_mirror_architectures": ["amd64"],
        "ecs_anywhere_exec": True,
        "ecs_anywhere_gpg_keys": pinned,
    }
    playbook = "hybrid.ecs_anywhere.mirror"
    refused = server.register(playbook=playbook, variables=variables)
    assert "name it as ecs_anywhere_ssm_agent_version" in refused.text
    variables["ecs_anywhere_ssm_agent_version"] = NEW
    assert server.register(playbook=playbook, variables=variables).returncode == 0
    assert server.register(playbook=playbook, variables=variables).recap("localhost")["changed"] == 0
    folder = tmp_path / "mirror" / "amazon-ssm-us-east-1" / NEW / "linux_amd64"
    name = "amazon-ssm-agent-binaries.tar.gz"
    assert sorted(path.name for path in folder.iterdir()) == [name, f"{name}.sig"]
