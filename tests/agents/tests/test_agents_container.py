# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages on a real systemd host with a real Docker daemon: one long story, in order."""

import json
import os
import subprocess

import pytest
from agents_world import NAMES
from agents_world import REGION
from agents_world import BridgeWorld
from agents_world import until

pytestmark = pytest.mark.container

IMAGE = "localhost/ecs-anywhere-node:bookworm"
SUBNET, ADDRESS = "10.89.78.0/24", "10.89.78.1"
# A root file system for tasks: a shell and sleep of the host's own.
TASK_FILES = "bin/sh bin/sleep $(ldd /bin/sh /bin/sleep | grep -o '/lib[^ ]*' | sort -u | cut -c 2-)"


def podman(*arguments, stdin=None, check=True):
    command = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


class Server:
    def __init__(self, name):
        self.name = name

    def sh(self, script, check=True):
        done = podman("exec", "-i", self.name, "bash", "-s", stdin=script, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def show(self, unit, key):
        return self.sh(f"systemctl show --property {key} --value {unit}")

    def introspection(self, path="/v1/metadata"):
        code = (
            f"import urllib.request as u; print(u.urlopen('http://localhost:51678{path}', timeout=3).read().decode())"
        )
        text = self.sh(f'python3 -c "{code}" 2> /dev/null || true')
        return json.loads(text) if text else None


@pytest.fixture(scope="module")
def bridge(packages, tmp_path_factory):
    """The emulator on the bridge of a network of its own, and one server beside it."""
    name = f"agents-test-{os.getpid()}"
    podman("image", "exists", IMAGE)  # fails, rather than skips, without it
    podman("network", "create", "--internal", "--subnet", SUBNET, name)
    world = BridgeWorld(tmp_path_factory.mktemp("bridge"), ADDRESS)
    try:
        hosts = [f"{one}.{REGION}.amazonaws.com:{ADDRESS}" for one in NAMES]
        options = ["--name", name, "--hostname", "server", "--network", name, "--privileged", "--systemd=false"]
        options += ["--cgroupns=private", "--tmpfs", "/run:mode=755", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"]
        options += ["--stop-signal", "SIGRTMIN+3", "--ulimit", "nofile=10000:10000", "--ulimit", "nproc=20000:20000"]
        options += ["--volume", "/var/lib/docker", "--volume", f"{packages.out}/packages:/packages:ro"]
        options += [word for host in hosts for word in ("--add-host", host)]
        # The bridge gets its address with the first container.
        podman("run", "--detach", *options, IMAGE, "/sbin/init")
        world.start_emulator(packages)
        server = Server(name)
        until(lambda: server.sh("systemctl is-system-running", check=False) in ("running", "degraded"), 30, "systemd")
        podman("cp", world.folder / "emulator/ca.pem", f"{name}:/usr/local/share/ca-certificates/emulator.crt")
        server.sh("tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id; update-ca-certificates")
        server.sh(
            "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io"
        )
        server.sh(f"cd / && tar -ch {TASK_FILES} | docker import - demo:1")
        yield world, server
    finally:
        world.close()
        podman("rm", "--force", "--time", "1", "--volumes", name, check=False)
        podman("network", "rm", "--force", name, check=False)


def test_a_server_from_installation_to_another_cluster(bridge):
    world, server = bridge
    # Installed, not registered: enabled, started, ended with 0, waiting 90 s.
    server.sh(f"apt-get install -y /packages/amazon-ssm-{REGION}/latest/debian_amd64/amazon-ssm-agent.deb")
    assert server.sh("systemctl is-enabled amazon-ssm-agent") == "enabled"
    until(lambda: server.show("amazon-ssm-agent", "SubState") == "auto-restart", what="the restart's wait")
    assert server.show("amazon-ssm-agent", "ExecMainStatus") == "0"

    # ecs-init: neither enabled nor started; without credentials it tries again and again.
    server.sh(f"apt-get install -y /packages/amazon-ecs-agent-{REGION}/amazon-ecs-init-latest.amd64.deb")
    assert server.sh("systemctl is-enabled ecs; systemctl is-active ecs", check=False).split() == [
        "disabled",
        "inactive",
    ]
    server.sh("echo ECS_CLUSTER=c1 > /etc/ecs/ecs.config")
    server.sh(f"printf 'AWS_DEFAULT_REGION={REGION}\\nECS_EXTERNAL=true\\n' > /var/lib/ecs/ecs.config")
    server.sh("systemctl start ecs")
    until(lambda: "NoCredentialProviders" in server.sh("cat /var/log/ecs/ecs-agent.log", check=False), what="the try")
    assert server.introspection() is None
    assert server.sh("cat /var/cache/ecs/state") == "1"

    # Registered: the service is restarted, credentials come, the container instance follows by itself.
    number, code = world.activation()
    server.sh("systemctl stop amazon-ssm-agent")
    server.sh(f"amazon-ssm-agent -register -code {code} -id {number} -region {REGION}")
    server.sh("systemctl start amazon-ssm-agent")
    metadata = until(server.introspection, 30, "introspection")
    arn = metadata["ContainerInstanceArn"]
    instance = until(lambda: connected(world, "c1", arn), what="agentConnected")
    node = world.node_info(instance["ec2InstanceId"])
    assert (instance["status"], node["PingStatus"], node["ComputerName"]) == ("ACTIVE", "Online", "server")

    # A task, in a real container.
    loop = ["/bin/sh", "-c", "trap 'exit 7' TERM; while :; do sleep 1; done"]
    definition = {"name": "main", "image": "demo:1", "memory": 32, "command": loop}
    world.ecs(
        "RegisterTaskDefinition",
        family="web",
        requiresCompatibilities=["EXTERNAL"],
        networkMode="bridge",
        containerDefinitions=[definition],
    )
    started = world.ecs("RunTask", cluster="c1", launchType="EXTERNAL", taskDefinition="web")
    task = started["tasks"][0]["taskArn"]
    until(lambda: status(world, task) == "RUNNING", what="RUNNING")
    names = server.sh("docker ps --format '{{.Names}}'").split()
    assert len([name for name in names if name.startswith("ecs-web-1-main-")]) == 1

    # Stopped and started: rules gone and back, the task's container untouched, the same instance.
    server.sh("systemctl stop ecs")
    assert server.show("ecs", "Result") == "success"
    assert "5167" not in server.sh("iptables-save")
    assert server.introspection() is None
    until(lambda: not connected(world, "c1", arn), what="the disconnection")
    assert len(server.sh("docker ps --quiet").split()) == 1
    server.sh("systemctl start ecs")
    assert until(server.introspection, 20, "introspection")["ContainerInstanceArn"] == arn
    world.ecs("StopTask", cluster="c1", task=task)
    until(lambda: status(world, task) == "STOPPED", what="STOPPED")
    assert world.ecs("DescribeTasks", cluster="c1", tasks=[task])["tasks"][0]["containers"][0]["exitCode"] == 7

    # Another cluster: exit 5, and Debian's unit starts it again for ever.
    server.sh("echo ECS_CLUSTER=c2 > /etc/ecs/ecs.config; systemctl restart ecs")
    until(lambda: int(server.show("ecs", "NRestarts")) >= 1, 25, "a restart")
    assert "Data mismatch; saved cluster 'c1'" in server.sh("cat /var/log/ecs/ecs-agent.log")
    until(lambda: server.show("ecs", "ExecMainStatus") == "5", what="status 5")
    until(lambda: server.show("ecs", "ActiveState") == "activating", what="activating")
    server.sh("systemctl stop ecs; rm /var/lib/ecs/data/agent.db; systemctl start ecs")
    moved = until(server.introspection, 20, "introspection")
    assert (moved["Cluster"], moved["ContainerInstanceArn"] != arn) == ("c2", True)
    assert [one["containerInstanceArn"] for one in world.instances("c1")] == [arn], "the old one stays registered"

    # Removal leaves nothing running, and what was written stays.
    server.sh("apt-get remove -y amazon-ecs-init amazon-ssm-agent")
    assert "ecs-agent" not in server.sh("docker ps --format '{{.Names}}'").split()
    assert server.sh("pgrep -c -f amazon-ssm-agent", check=False) == "0"
    server.sh("test -e /var/lib/ecs/data/agent.db && test -e /var/lib/amazon/ssm/registration")


def connected(world, cluster, arn):
    found = [one for one in world.instances(cluster) if one["containerInstanceArn"] == arn]
    return found[0] if found and found[0]["agentConnected"] else None


def status(world, task):
    return world.ecs("DescribeTasks", cluster="c1", tasks=[task])["tasks"][0]["lastStatus"]
