# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""amazon-ecs-init: prepares the host, loads the agent's image, runs the agent's container and minds its exit code."""

import os
import platform
import random
import signal
import subprocess
import sys
import time

import agent_log
import aws_http

CACHE = "/var/cache/ecs"
STATE = CACHE + "/state"
TARBALL = CACHE + "/ecs-agent.tar"
DESIRED = CACHE + "/desired-image"
EXEC = "/var/lib/ecs/deps/execute-command"
CONFIGS = ("/var/lib/ecs/ecs.config", "/etc/ecs/ecs.config")
LOG = "/var/log/ecs/ecs-init.log"
IMAGE = "amazon/amazon-ecs-agent:latest"
CONTAINER = "ecs-agent"
TERMINAL, UPGRADE = 5, 42
COMMANDS = ("pre-start", "start", "stop", "post-stop", "pre-stop", "reload-cache", "version")

with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "version"), encoding="utf-8") as _handle:
    VERSION = _handle.read().strip()

# (programs, table, chain, rule): inserted by pre-start in this order, deleted by post-stop.
RULES = (
    (
        ("iptables",),
        "nat",
        "PREROUTING",
        "-p tcp -d 169.254.170.2 --dport 80 -j DNAT --to-destination 127.0.0.1:51679",
    ),
    (("iptables",), "nat", "OUTPUT", "-p tcp -d 169.254.170.2 --dport 80 -j REDIRECT --to-ports 51679"),
    (
        ("iptables",),
        "filter",
        "INPUT",
        "--dst 127.0.0.0/8 ! --src 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    ),
    (("iptables", "ip6tables"), "filter", "INPUT", "-p tcp --dport 51678 ! -i lo -j DROP"),
    (("iptables",), "filter", "INPUT", "-p tcp --dport 51678 -i docker0 -j ACCEPT"),
)


class Fatal(Exception):
    """ecs-init ends with exit status 255, or with the one given."""

    def __init__(self, message, status=255):
        super().__init__(message)
        self.status = status


log = agent_log.Log(LOG, console=True)


def read(path):
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except (OSError, UnicodeDecodeError):
        return ""


def external():
    return os.environ.get("ECS_EXTERNAL") == "true"


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def docker(*arguments):
    try:
        return run(["docker", *arguments])
    except OSError as error:
        return subprocess.CompletedProcess(arguments, 127, str(error))


def file_environment(text):
    """ecs-init's own reading of its config: split at the first =, nothing unquoted, nothing a comment."""
    values = {}
    for line in text.strip().split("\n"):
        key, equals, value = line.strip().partition("=")
        if equals and key:
            values[key] = value
    return values


# --- pre-start


def wait_for_docker():
    delay, begin = 0.5, time.monotonic()
    while True:
        answer = docker("version", "--format", "{{.Server.Version}}")
        if answer.returncode == 0:
            return
        if time.monotonic() - begin + delay > 17:
            raise Fatal("could not create docker client: " + answer.stdout.strip())
        log.info("Docker is not ready, retrying in %.1fs", delay)
        time.sleep(delay)
        delay *= 2


def sysctl(name, value):
    path = "/proc/sys/" + name.replace(".", "/")
    try:
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(value)
    except OSError as error:
        return str(error)
    return ""


def default_route():
    for line in read("/proc/net/route").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return True
    return False


def wanted_rules():
    for programs, table, chain, rule in RULES:
        if "127.0.0.0/8" in rule and os.environ.get("ECS_SKIP_LOCALHOST_TRAFFIC_FILTER") == "true":
            continue
        if "51678" in rule and os.environ.get("ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS") == "true":
            continue
        for program in programs:
            yield program, table, chain, rule.split()


def iptables(program, table, action, chain, rule):
    try:
        return run([program, "-w", "-t", table, action, chain, *rule])
    except OSError as error:
        return subprocess.CompletedProcess([program], 127, str(error))


def create_rules():
    for program, table, chain, rule in wanted_rules():
        if iptables(program, table, "-C", chain, rule).returncode == 0:
            continue
        answer = iptables(program, table, "-I" if table == "filter" else "-A", chain, rule)
        if answer.returncode == 0:
            continue
        message = f"could not create route to the credentials proxy: {program} {answer.stdout.strip()}"
        if program == "ip6tables":
            log.error(message)
        else:
            raise Fatal(message)


def remove_rules():
    for program, table, chain, rule in wanted_rules():
        answer = iptables(program, table, "-D", chain, rule)
        if answer.returncode != 0:
            log.warn("could not remove a rule: %s %s", program, answer.stdout.strip())


def download():
    machine = {"aarch64": "-arm64"}.get(platform.machine(), "")
    # External instances have no region to ask for: always the one that every account can reach.
    region = "us-east-1" if external() else os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    url = (
        f"https://s3.{region}.{aws_http.dns_suffix(region)}/amazon-ecs-agent-{region}/ecs-agent{machine}-v{VERSION}.tar"
    )
    log.info("Downloading Amazon Elastic Container Service Agent")
    try:
        answer = aws_http.request("GET", url, timeout=120)
    except aws_http.RequestFailed as error:
        raise Fatal(f"could not download Amazon Elastic Container Service Agent: {error}") from error
    if answer.status != 200:
        raise Fatal(f"could not download Amazon Elastic Container Service Agent: {url}: {answer.status}")
    with open(TARBALL + ".part", "wb") as handle:
        handle.write(answer.body)
    os.replace(TARBALL + ".part", TARBALL)
    write_state("2")


def write_state(value):
    os.makedirs(CACHE, exist_ok=True)
    with open(STATE, "w", encoding="utf-8") as handle:
        handle.write(value)


def load_image(path):
    log.info("Loading Amazon Elastic Container Service Agent into Docker")
    answer = docker("load", "-i", path)
    if answer.returncode != 0:
        raise Fatal("could not load Amazon Elastic Container Service Agent into Docker: " + answer.stdout.strip())
    write_state("1")


def prepare_image():
    state = read(STATE).strip()
    if state not in ("1", "2") or not os.path.exists(TARBALL):
        download()
        state = "2"
    if state == "2" or docker("image", "inspect", IMAGE).returncode != 0:
        load_image(TARBALL)
    else:
        log.info("Amazon Elastic Container Service Agent is already loaded")


def pre_start():
    log.info("pre-start")
    wait_for_docker()
    problem = sysctl("net.ipv4.conf.all.route_localnet", "1")
    if problem:
        raise Fatal("could not enable loopback routing: " + problem)
    problem = sysctl("net.ipv6.conf.docker0.accept_ra", "0")
    if problem:
        log.warn("could not disable ipv6 router advertisements on docker0: %s", problem)
    if not default_route():
        log.info("No IPv4 default route, adding a route to the task metadata service on lo")
        try:
            answer = run(["ip", "route", "replace", "169.254.170.2/32", "dev", "lo"])
            if answer.returncode != 0:
                log.warn("could not add the route: %s", answer.stdout.strip())
        except OSError as error:
            log.warn("could not add the route: %s", error)
    create_rules()
    os.makedirs("/mnt/ecs/ebs", exist_ok=True)
    prepare_image()
    return 0


# --- start


def container_environment():
    values = {
        "ECS_LOGFILE": "/log/ecs-agent.log",
        "ECS_DATADIR": "/data",
        "ECS_AGENT_CONFIG_FILE_PATH": "/etc/ecs/ecs.config.json",
        "ECS_UPDATE_DOWNLOAD_DIR": CACHE,
        "ECS_UPDATES_ENABLED": "true",
        "ECS_AVAILABLE_LOGGING_DRIVERS": '["json-file","syslog","awslogs","fluentd","none"]',
        "ECS_ENABLE_TASK_IAM_ROLE": "true",
        "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST": "true",
        "ECS_AGENT_LABELS": "",
        "ECS_VOLUME_PLUGIN_CAPABILITIES": '["efsAuth"]',
        "SSL_CERT_DIR": "/etc/ssl/certs",
    }
    release = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    release = {key: value.strip("\"'") for key, value in release.items()}
    if release.get("ID"):
        values["ECS_DETAILED_OS_FAMILY"] = "{}_{}".format(release["ID"], release.get("VERSION_ID", ""))
    for path in CONFIGS:
        values.update(file_environment(read(path)))
    if external():
        values["ECS_ENABLE_TASK_ENI"] = "false"
    return values


def binds():
    found = [
        "/var/run:/var/run",
        "/var/log/ecs:/log",
        "/var/lib/ecs/data:/data",
        "/etc/ecs:/etc/ecs",
        CACHE + ":" + CACHE,
        "/sys/fs/cgroup:/sys/fs/cgroup",
        "/var/lib/ecs:/var/lib/ecs",
        "/etc/ssl:/etc/ssl:ro",
        "/run/docker/plugins:/run/docker/plugins:ro",
        "/etc/docker/plugins:/etc/docker/plugins:ro",
        "/usr/lib/docker/plugins:/usr/lib/docker/plugins:ro",
        "/proc:/host/proc:ro",
        "/sbin:/host/sbin:ro",
        # The image holds a Python program and no interpreter: it runs with the host's.
        "/usr:/usr:ro",
        "/bin:/bin:ro",
        "/lib:/lib:ro",
    ]
    if external():
        found.append("/root/.aws:/rotatingcreds:ro")
    for name in ("bin", "certs"):  # of ECS Exec
        if os.path.isdir(f"{EXEC}/{name}"):
            found.append(f"{EXEC}/{name}:/managed-agents/execute-command/{name}:ro")
    for path in ("/lib64", "/etc/pki", "/etc/alternatives"):
        if os.path.isdir(path):
            found.append(f"{path}:{path}:ro")
    return found


def create_command():
    command = ["create", "--name", CONTAINER, "--network", "host", "--userns", "host", "--init"]
    command += ["--log-driver", "json-file", "--log-opt", "max-size=16m", "--log-opt", "max-file=4"]
    if not external():
        command += ["--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN"]
    for bind in binds():
        command += ["-v", bind]
    for key, value in container_environment().items():
        command += ["-e", f"{key}={value}"]
    return [*command, IMAGE]


def run_agent():
    docker("rm", "-f", CONTAINER)
    for command in (create_command(), ["start", CONTAINER]):
        answer = docker(*command)
        if answer.returncode != 0:
            raise Fatal("could not start Agent: " + answer.stdout.strip())
    answer = docker("wait", CONTAINER)
    try:
        return int(answer.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        log.error("could not wait for the Agent: %s", answer.stdout.strip())
        return -1


def upgrade():
    lines = read(DESIRED).split()
    if not lines:
        raise Fatal("could not upgrade agent: no desired image")
    load_image(os.path.join(CACHE, os.path.basename(lines[0])))


def start():
    log.info("start")
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(0))
    delay = 0.5
    while True:
        log.info("Starting Amazon Elastic Container Service Agent")
        begin = time.monotonic()
        status = run_agent()
        log.info("Agent exited with code %d", status)
        if status == 0:
            return 0
        if status == TERMINAL:
            raise Fatal("agent exited with terminal exit code: 5", TERMINAL)
        if status == UPGRADE:
            upgrade()
            delay = 0.5
            continue
        if time.monotonic() - begin > 60:
            delay = 0.5
        pause = min(delay * random.uniform(1, 1.2), 15)
        log.warn("ECS Agent failed to start, retrying in %.3fs", pause)
        time.sleep(pause)
        delay = min(delay * 2, 15)


def stop():
    log.info("stop")
    answer = docker("stop", "-t", "10", CONTAINER)
    if answer.returncode != 0:
        raise Fatal("could not stop Amazon Elastic Container Service Agent: " + answer.stdout.strip())
    return 0


def post_stop():
    log.info("post-stop")
    problem = sysctl("net.ipv4.conf.all.route_localnet", "0")
    if problem:
        log.error("could not restore loopback routing: %s", problem)
    remove_rules()
    return 0


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write("Usage: amazon-ecs-init COMMAND\n\n  {}\n".format("\n  ".join(COMMANDS)))
        return 1
    name = arguments[0]
    if name == "version":
        print("Amazon ECS v" + VERSION)
        return 0
    actions = {
        "pre-start": pre_start,
        "start": start,
        "stop": stop,
        "pre-stop": stop,
        "post-stop": post_stop,
        "reload-cache": lambda: load_image(TARBALL) or 0,
    }
    try:
        return actions[name]()
    except Fatal as error:
        log.error(str(error))
        return error.status
