# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""amazon-ecs-init: real iptables and sysctl in the namespace, a docker command that takes notes."""

import json
import subprocess
import time

import pytest
from agents_world import REGION
from agents_world import until

DOCKER = """
printf '%s' "$1" >> /tmp/docker.log
for word; do printf '\\037%s' "$word" >> /tmp/docker.log; done
echo >> /tmp/docker.log
case "$1" in
version) test -e /tmp/docker-up ;;
image) test -e /tmp/image-there ;;
load) touch /tmp/image-there ;;
wait) line=$(head -n 1 /tmp/codes); sed -i 1d /tmp/codes; test -n "$line" || sleep 60; echo "$line" ;;
esac
"""
STATE = "/var/cache/ecs/state"
BOTH = {"ECS_EXTERNAL": "true", "AWS_DEFAULT_REGION": REGION}


class Init:
    def __init__(self, node):
        self.node = node
        node.script("docker", DOCKER)
        node.path("/tmp/docker-up").touch()
        for name in ("codes", "docker.log"):
            node.path("/tmp/" + name).touch()

    def run(self, command, codes=(), env=None):
        self.node.path("/tmp/codes").write_text("".join(f"{code}\n" for code in codes))
        return self.node.run("amazon-ecs-init", command, env=BOTH if env is None else env)

    def docker(self, name):
        """Argument lists of the docker commands of that name."""
        lines = self.node.text("/tmp/docker.log").splitlines()
        return [line.split("\x1f")[1:] for line in lines if line.split("\x1f")[0] == name]

    def log(self):
        return self.node.text("/var/log/ecs/ecs-init.log")

    def rules(self, program="iptables"):
        return self.node.run(program + "-save").stdout

    def sysctl(self):
        return self.node.run("cat", "/proc/sys/net/ipv4/conf/all/route_localnet").stdout.strip()


@pytest.fixture
def init(node):
    yield Init(node)
    for program in ("iptables", "ip6tables"):
        for table in ("nat", "filter"):
            subprocess.run(node.world.inside([program, "-t", table, "-F"]), check=False, capture_output=True)


def test_pre_start_prepares_and_post_stop_restores(init, node):
    assert init.sysctl() == "0"
    assert init.run("pre-start").returncode == 0
    assert init.sysctl() == "1"
    rules = init.rules()
    inside = (
        "-A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:51679",
        "-A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 51679",
        "-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        "-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP",
        "-A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT",
    )
    for rule in inside:
        assert rules.count(rule) == 1, rule
    accept, drop = inside[4], inside[3]
    assert rules.index(accept) < rules.index(drop)
    assert drop in init.rules("ip6tables")
    assert node.path("/mnt/ecs/ebs").is_dir()
    assert init.run("pre-start").returncode == 0
    assert init.rules().count("51678") == 2, "not twice"
    assert init.run("post-stop").returncode == 0
    assert init.sysctl() == "0"
    assert "51678" not in init.rules() + init.rules("ip6tables")
    assert "51679" not in init.rules()


def test_a_fresh_package_is_loaded_once(init, node):
    assert node.text(STATE) == "2"
    init.run("pre-start")
    assert init.docker("load") == [["load", "-i", "/var/cache/ecs/ecs-agent.tar"]]
    assert node.text(STATE) == "1"
    init.run("pre-start")
    assert len(init.docker("load")) == 1, "it is in docker"
    node.path("/tmp/image-there").unlink()
    init.run("pre-start")
    assert len(init.docker("load")) == 2, "docker lost it"
    node.path(STATE).write_text("2")
    init.run("pre-start")
    assert len(init.docker("load")) == 3, "an upgrade brought another"


@pytest.mark.parametrize("lost", ["state", "tarball"])
def test_a_lost_cache_is_downloaded_again(init, node, lost):
    """From us-east-1, whatever the Region: the emulator has that bucket only."""
    tarball = node.path("/var/cache/ecs/ecs-agent.tar")
    content = tarball.read_bytes()
    tarball.resolve().write_bytes(b"") if lost == "state" else tarball.unlink()
    if lost == "state":
        node.path(STATE).unlink()
    assert init.run("pre-start", env=dict(BOTH, AWS_DEFAULT_REGION="eu-west-1")).returncode == 0
    assert tarball.read_bytes() == content
    assert len(init.docker("load")) == 1
    assert node.text(STATE) == "1"


def test_a_download_that_fails_is_the_end(init, node):
    node.path("/var/cache/ecs/ecs-agent.tar").unlink()
    done = init.run("pre-start", env=dict(BOTH, https_proxy="http://127.0.0.1:9"))
    assert done.returncode == 255
    assert "could not download Amazon Elastic Container Service Agent" in init.log()


def test_without_docker_it_gives_up_after_a_while(init, node):
    node.path("/tmp/docker-up").unlink()
    begin = time.monotonic()
    child = node.start("amazon-ecs-init", "pre-start", env=BOTH)
    until(lambda: len(init.docker("version")) >= 3, what="three pings")
    node.path("/tmp/docker-up").touch()
    assert child.wait(15) == 0
    assert time.monotonic() - begin < 15


def container(init):
    """The created container: flags, binds, environment."""
    words = init.docker("create")[-1][1:]
    assert words.pop() == "amazon/amazon-ecs-agent:latest"
    flags, binds, environment = [], [], []
    while words:
        word = words.pop(0)
        if word == "--init":
            flags.append(word)
            continue
        value = words.pop(0)
        {"-v": binds, "-e": environment}.get(word, flags).append(value if word in ("-v", "-e") else f"{word} {value}")
    return flags, binds, dict(one.split("=", 1) for one in environment)


def test_the_container(init):
    assert init.run("start", codes=[0]).returncode == 0
    flags, binds, environment = container(init)
    assert flags == [
        "--name ecs-agent",
        "--network host",
        "--userns host",
        "--init",
        "--log-driver json-file",
        "--log-opt max-size=16m",
        "--log-opt max-file=4",
    ]
    wanted = {
        "/var/run:/var/run",
        "/var/log/ecs:/log",
        "/var/lib/ecs/data:/data",
        "/etc/ecs:/etc/ecs",
        "/var/cache/ecs:/var/cache/ecs",
        "/sys/fs/cgroup:/sys/fs/cgroup",
        "/var/lib/ecs:/var/lib/ecs",
        "/etc/ssl:/etc/ssl:ro",
        "/root/.aws:/rotatingcreds:ro",
        "/proc:/host/proc:ro",
        "/sbin:/host/sbin:ro",
    }
    assert wanted <= set(binds)
    assert environment["SSL_CERT_DIR"] == "/etc/ssl/certs"
    assert environment["ECS_LOGFILE"] == "/log/ecs-agent.log"
    assert environment["ECS_DATADIR"] == "/data"
    for name in ("ECS_UPDATES_ENABLED", "ECS_ENABLE_TASK_IAM_ROLE", "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST"):
        assert environment[name] == "true"
    assert environment["ECS_ENABLE_TASK_ENI"] == "false"
    assert environment["ECS_DETAILED_OS_FAMILY"].startswith("debian_")
    assert "ECS_AVAILABLE_LOGGING_DRIVERS" in environment
    assert [words[0] for words in (init.docker("rm") + init.docker("create") + init.docker("start"))] == [
        "rm",
        "create",
        "start",
    ]


@pytest.mark.parametrize("value", [None, "True", "1"])
def test_external_is_only_what_the_environment_calls_true(init, node, value):
    node.path("/etc/ecs/ecs.config").write_text("ECS_EXTERNAL=true\n")
    init.run("start", codes=[0], env={"ECS_EXTERNAL": value} if value else {})
    flags, binds, _environment = container(init)
    assert "--cap-add NET_ADMIN" in flags
    assert "/root/.aws:/rotatingcreds:ro" not in binds


def test_the_config_files_are_read_literally(init, node):
    node.path("/var/lib/ecs/ecs.config").write_text("AWS_DEFAULT_REGION=x\nECS_CLUSTER=low\nECS_ENABLE_TASK_ENI=true\n")
    node.path("/etc/ecs/ecs.config").write_text(
        'ECS_CLUSTER="c1"\n# note=1\nno sign\nA=b=c\n\nECS_INSTANCE_ATTRIBUTES={"a": "b"}\n'
    )
    init.run("start", codes=[0])
    environment = container(init)[2]
    assert environment["ECS_CLUSTER"] == '"c1"', "/etc above /var, quotes kept"
    assert environment["# note"] == "1"
    assert environment["A"] == "b=c"
    assert json.loads(environment["ECS_INSTANCE_ATTRIBUTES"]) == {"a": "b"}
    assert environment["AWS_DEFAULT_REGION"] == "x"
    assert environment["ECS_ENABLE_TASK_ENI"] == "false", "forced"


def test_exit_statuses(init, node):
    assert init.run("start", codes=[0]).returncode == 0
    assert init.run("start", codes=[5]).returncode == 5
    assert "agent exited with terminal exit code: 5" in init.log()
    before = len(init.docker("create"))
    begin = time.monotonic()
    assert init.run("start", codes=[1, 1, 0]).returncode == 0
    assert 1.4 < time.monotonic() - begin < 10, "0.5 s, then 1 s"
    assert len(init.docker("create")) == before + 3
    assert len(init.docker("rm")) == len(init.docker("create"))


def test_an_upgrade_loads_the_desired_image(init, node):
    node.path("/var/cache/ecs/desired-image").write_text("ecs-agent-v1.106.0.tar\n")
    assert init.run("start", codes=[42, 0]).returncode == 0
    assert init.docker("load") == [["load", "-i", "/var/cache/ecs/ecs-agent-v1.106.0.tar"]]


def test_stop_and_unknown_commands(init):
    assert init.run("stop").returncode == 0
    assert init.docker("stop") == [["stop", "-t", "10", "ecs-agent"]]
    assert init.run("nonsense").returncode == 1
