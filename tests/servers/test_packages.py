# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where packages come from, in which version, and by whose signature."""

from __future__ import annotations

import json
import shutil
import time
from functools import partial

import pytest

OLD = {"ecs_anywhere_ssm_agent_version": "3.3.3050.0", "ecs_anywhere_ecs_agent_version": "1.104.0"}
NEW = {"ecs_anywhere_ssm_agent_version": "3.3.4108.0", "ecs_anywhere_ecs_agent_version": "1.105.1"}
# An image for a task, of what the server's own repository has.
DEMO_IMAGE = (
    "apt-get install --yes busybox-static >/dev/null 2>&1 && mkdir -p /demo/bin && cp /bin/busybox /demo/bin/ && "
    "tar -C /demo -c . | docker import - demo:1"
)


@pytest.fixture(scope="module")
def names(bed):
    """Two servers with Docker, in an account where nobody has been before; the tests go on from one another."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    names = ("v1", "v2")
    bed.add(*names, docker=True)
    yield names
    bed.remove(*names)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """What the controller fetches goes there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def fetched(aws):
    """What was downloaded, by whomever: packages, signatures and keys."""
    return sorted(call["key"] for call in aws.calls(operation="GetObject") if call["status"] == 200)


def versions(bed, name):
    """Of the SSM agent and of the ECS agent."""
    query = "dpkg-query -W -f '${Version}\\n'"
    output = bed.on(name, f"{query} amazon-ssm-agent; {query} amazon-ecs-init")
    return [version.removesuffix("-1") for version in output.splitlines()]


def seen(aws):
    """Identity and version of each server, as AWS knows them."""
    nodes = {node["InstanceId"]: node["AgentVersion"] for node in aws.nodes()}
    return {
        i["ec2InstanceId"]: (
            i["containerInstanceArn"],
            i["agentConnected"],
            i["versionInfo"]["agentVersion"],
            nodes[i["ec2InstanceId"]],
        )
        for i in aws.container_instances()
    }


def right(aws, before, pins):
    """The same identities as *before*, at the pinned versions."""
    deadline = time.monotonic() + 120
    wanted = {
        identity: (arn, True, pins["ecs_anywhere_ecs_agent_version"], pins["ecs_anywhere_ssm_agent_version"])
        for identity, (arn, *_unused) in before.items()
    }
    while seen(aws) != wanted:
        assert time.monotonic() < deadline, seen(aws)
        time.sleep(0.5)


def start_task(bed, name, arn):
    """A task on the server; returns what proves that it is the same container and has not been started again."""
    bed.on(name, DEMO_IMAGE)
    ecs = bed.aws.client("ecs")
    ecs.register_task_definition(
        family="life",
        requiresCompatibilities=["EXTERNAL"],
        networkMode="bridge",
        containerDefinitions=[
            {"name": "main", "image": "demo:1", "memory": 32, "command": ["/bin/busybox", "sleep", "9999"]}
        ],
    )
    started = ecs.start_task(cluster="edge", containerInstances=[arn], taskDefinition="life")
    assert not started["failures"], started
    deadline = time.monotonic() + 120
    while not task(bed, name):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return task(bed, name)


def task(bed, name):
    return bed.on(name, "docker ps --no-trunc --filter name=ecs-life --format '{{.ID}} {{.CreatedAt}}'")


def arn_of(bed, name):
    identity = json.loads(bed.on(name, "cat /var/lib/amazon/ssm/Vault/Store/RegistrationKey"))["instanceID"]
    return seen(bed.aws)[identity][0]


def without_route(bed, name):
    """The server does not know where S3 is."""
    bed.on(name, "grep -v ' *s3' /etc/hosts >/run/hosts && cat /run/hosts >/etc/hosts")
    assert bed.on(name, "getent hosts s3.us-east-1.amazonaws.com || :") == ""


def test_pins_move_both_agents_and_their_tasks_stay(bed, aws, names, home):
    register = partial(bed.register, timeout=900)
    assert register(*names, variables=OLD).returncode == 0
    before = seen(aws)
    right(aws, before, OLD)
    assert len(fetched(aws)) == 2 * 2 * len(names)  # each server: two packages, two signatures
    running = start_task(bed, names[0], arn_of(bed, names[0]))

    # servers that cannot reach the packages get them by way of the controller
    for name in names:
        without_route(bed, name)
    variables = {**NEW, "ecs_anywhere_package_transport": "controller"}
    aws.forget_calls()
    checked = register(*names, variables=variables, options=["--check"])
    assert checked.returncode == 0
    assert "the SSM agent is 3.3.3050.0-1, wanted is 3.3.4108.0" in checked.text
    assert "the ECS agent is 1.104.0-1, wanted is 1.105.1" in checked.text
    assert "a new package leaves the agent that runs alone" in checked.text
    assert fetched(aws) == aws.operations(writes=True) == [] and list(home.iterdir()) == []

    assert register(*names, variables=variables).returncode == 0
    right(aws, before, NEW)
    assert [versions(bed, name) for name in names] == [["3.3.4108.0", "1.105.1"]] * 2
    assert task(bed, names[0]) == running
    # once for both servers
    assert fetched(aws) == [
        "amazon-ecs-agent-us-east-1/amazon-ecs-init-1.105.1-1.amd64.deb",
        "amazon-ecs-agent-us-east-1/amazon-ecs-init-1.105.1-1.amd64.deb.asc",
        "amazon-ssm-us-east-1/3.3.4108.0/debian_amd64/amazon-ssm-agent.deb",
        "amazon-ssm-us-east-1/3.3.4108.0/debian_amd64/amazon-ssm-agent.deb.sig",
    ]
    assert aws.operations(writes=True) == []
    again = register(*names, variables=variables)
    assert [again.recap(name)["changed"] for name in names] == [0, 0]

    # back again; the second server is as a run leaves it that was killed before it restarted the agent
    back = {**OLD, "ecs_anywhere_package_transport": "controller"}
    package = bed.packages / "amazon-ecs-agent-us-east-1" / "amazon-ecs-init-1.104.0-1.amd64.deb"
    bed.put(names[1], package, "/root/old.deb")
    bed.on(names[1], "dpkg --install /root/old.deb >/dev/null 2>&1")
    checked = register(*names, variables=back, options=["--check"])
    assert "1.104.0-1 is installed, but the agent that runs is 1.105.1 still" in checked.text
    assert register(*names, variables=back).returncode == 0
    right(aws, before, OLD)
    assert task(bed, names[0]) == running
    assert register(*names, variables=back).recap(names[1])["changed"] == 0


def mirror(bed, directory, variables, **how):
    """Run the playbook. Its recap is that of localhost."""
    variables = {
        "ecs_anywhere_mirror_directory": str(directory),
        "ecs_anywhere_mirror_regions": ["us-east-1"],
        **variables,
    }
    return bed.register(playbook="hybrid.ecs_anywhere.mirror", variables=variables, timeout=900, **how)


def test_a_mirror_is_all_that_a_fleet_needs(bed, aws, names, home, tmp_path, signer, pinned):
    directory = tmp_path / "mirror"
    # its successor is pinned beside the key, and is about to expire as well
    soon = signer.make("soon", "30d")
    keys = {**pinned, "amazon-ssm-agent": [*pinned["amazon-ssm-agent"], soon]}
    variables = {**NEW, "ecs_anywhere_gpg_keys": keys, "ecs_anywhere_mirror_families": ["debian", "rhel", "suse"]}
    checked = mirror(bed, directory, variables, options=["--check"])
    assert checked.returncode == 0 and checked.recap("localhost")["changed"] > 0
    assert not directory.exists() and fetched(aws) == []

    assert mirror(bed, directory, variables).returncode == 0
    files = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    assert [name for name in files if not name.startswith("keys/")] == fetched(aws)
    assert len(fetched(aws)) == 2 * 2 * 2 * 2  # agents, architectures, kinds of packages, and as many signatures
    assert "amazon-ecs-agent-us-east-1/amazon-ecs-init-1.105.1-1.aarch64.rpm.asc" in files
    assert len([name for name in files if name.startswith("keys/")]) == 3
    again = mirror(bed, directory, variables)
    assert again.recap("localhost")["changed"] == 0
    warning = f"The newest signing key {soon['fingerprint']} expires on"
    assert again.text.count(warning) == 1

    # The servers are without a route, the controller has the folder: nobody asks AWS for packages.
    aws.forget_calls()
    only_fingerprints = {name: [{"fingerprint": key["fingerprint"]} for key in keys[name]] for name in keys}
    offline = {
        **NEW,
        "ecs_anywhere_gpg_keys": only_fingerprints,
        "ecs_anywhere_package_base_url": f"file://{directory}",
        "ecs_anywhere_package_transport": "controller",
    }
    before = seen(aws)
    done = bed.register(*names, variables=offline, timeout=900)
    assert done.returncode == 0 and fetched(aws) == []
    right(aws, before, NEW)
    assert done.text.count(warning) == 1  # not once for each server


def test_what_an_expired_key_signed_is_refused_before_anything_is_changed(bed, aws, names, home, signer, pinned):
    expired = signer.make("expired", "20200601T000000", at="20200101T000000")
    name = "amazon-ssm-us-east-1/3.3.3050.0/debian_amd64/amazon-ssm-agent.deb"
    package = bed.packages / "expired" / name
    package.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(bed.packages / name, package)
    signature = ["--local-user", "expired@example.com", "--yes", "--output", f"{package}.sig", "--detach-sign"]
    signer.gpg(*signature, str(package), at="20200201T000000")
    variables = {
        "ecs_anywhere_ssm_agent_version": "3.3.3050.0",
        "ecs_anywhere_package_base_url": "https://s3.us-east-1.amazonaws.com/expired",
        "ecs_anywhere_package_transport": "controller",
        "ecs_anywhere_gpg_keys": {**pinned, "amazon-ssm-agent": [expired]},
    }
    before = versions(bed, names[0])
    result = bed.register(names[0], variables=variables, timeout=900)
    shutil.rmtree(bed.packages / "expired")
    assert result.recap(names[0])["failed"] == 1
    sentence = f"The signature was made by pinned key {expired['fingerprint']}, which has expired. Pin its successor."
    assert sentence in result.text and "Nothing was changed." in result.text
    assert versions(bed, names[0]) == before and before[0] != "3.3.3050.0"
    assert aws.operations(writes=True) == []
