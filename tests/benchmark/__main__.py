# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""make bench: ours beside its peer, alternating in one run against one emulator, printed as ratios.

python tests/benchmark [role] [fleet] [scale] [instructions]

The last of these is not of make bench: it counts what the processor executes, by valgrind, for a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import boto3

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
OPERATOR = ("AKIAOPERATOR00000000", "operator-secret-for-tests-only-0000000000")
REGION = "us-east-1"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SERVERS = int(os.environ.get("BENCH_SERVERS", "100"))
INSTANCES = int(os.environ.get("BENCH_INSTANCES", "1000"))
DRAINED = 100
SERVERS_TIMES = "servers-times"
POLICIES = ["AmazonSSMManagedInstanceCore", "AmazonEC2ContainerServiceforEC2Role"]
ARNS = [f"arn:aws:iam::aws:policy/{path}" for path in (POLICIES[0], f"service-role/{POLICIES[1]}")]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Emulator:
    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        ready = directory / "ready"
        self.process = subprocess.Popen(
            [sys.executable, str(CHECKOUT / "tests" / "emulator"), "--http-port", str(port), "--https-port", "0",
             "--ready-file", str(ready)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the emulator did not start")
            time.sleep(0.1)

    def control(self, method: str, path: str, body: object = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_emulator/{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def calls(self) -> list[str]:
        answer = self.control("GET", "calls")
        calls = answer["calls"] if isinstance(answer, dict) else answer
        self.control("DELETE", "calls")
        return [call["operation"].split(":")[-1] for call in calls]

    def client(self, service: str):
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, aws_access_key_id=OPERATOR[0],
                            aws_secret_access_key=OPERATOR[1])  # fmt: skip


def playbook(directory: Path, name: str, tasks: object, **play: object) -> Path:
    path = directory / f"{name}.yml"
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, **play, **tasks}]))
    return path


class Took(NamedTuple):
    seconds: float
    cpu: float
    megabytes: float  # of the largest process


UNITS = {"seconds": "seconds", "cpu": "processor time", "controller": "of it on the controller"}


def ansible(aws: Emulator, *arguments: str, command: str = "ansible-playbook", below: Sequence[str] = ()) -> Took:
    """Run it, as an argument of the command *below* if there is one."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": OPERATOR[0],
        "AWS_SECRET_ACCESS_KEY": OPERATOR[1],
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_DEFAULT_REGION": REGION,
        "ANSIBLE_FORKS": "20",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "PYTHONHASHSEED": "0",  # so that two runs do the same
    }
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        line = [*below, command, *arguments]
        process = subprocess.Popen(line, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, used = os.wait4(process.pid, 0)  # with all that it started and waited for
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            sys.exit(f"{command} {' '.join(arguments)} failed:\n{output.read()}")
    return Took(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def row(*cells: object) -> None:
    widths = (22, 30, 12, 12, 8, 24)
    print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip(), flush=True)


OURS, PEER = "hybrid.ecs_anywhere.ecs_anywhere_role", "amazon.aws.iam_role"
NAMES = {OURS: "bench-ours", PEER: "bench-peer"}
ROLE_STEPS = [
    (step + note, state, options)
    for step, state in (("create", "present"), ("no change", "present"), ("repair", "present"), ("delete", "absent"))
    for note, options in ((", check mode", ["--check"]), ("", []))
]


def role_playbooks(directory: Path) -> dict[tuple[str, str], Path]:
    """By state and module: each of the two makes a role of its own."""
    wish = {
        OURS: {},
        PEER: {"assume_role_policy_document": TRUST, "managed_policies": ARNS, "create_instance_profile": False},
    }
    local = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
    return {
        (state, side): playbook(
            directory, f"{state}-{name}", {"tasks": [{side: {"name": name, "state": state, **wish[side]}}]}, **local
        )
        for side, name in NAMES.items()
        for state in ("present", "absent")
    }


def role_run(aws: Emulator, books: dict[tuple[str, str], Path], step: str, state: str, side: str, *options: str, **how):
    """One step of one side."""
    if step == "repair, check mode":
        aws.client("iam").detach_role_policy(RoleName=NAMES[side], PolicyArn=ARNS[0])
    aws.calls()
    return ansible(aws, "-i", "localhost,", str(books[state, side]), *options, **how)


def bench_role(directory: Path) -> None:
    """ecs_anywhere_role and amazon.aws.iam_role make, keep, repair and delete the same role, each with its own."""
    aws = Emulator(directory)
    books = role_playbooks(directory)
    took: dict[tuple[str, str], list[Took]] = {}
    calls: dict[tuple[str, str], list[str]] = {}
    rounds = 3 * ROUNDS  # a run is short, and what it takes differs by a tenth
    for number in range(rounds):
        for step, state, options in ROLE_STEPS:
            for side in (OURS, PEER) if number % 2 else (PEER, OURS):
                one = role_run(aws, books, step, state, side, *options)
                took.setdefault((step, side), []).append(one)
                calls[step, side] = aws.calls()
    aws.process.send_signal(signal.SIGTERM)
    print("\nThe node role (AWS calls and seconds of a whole ansible-playbook: medians of", rounds, "rounds)")
    print("The ratio of seconds is the median of those of each round, whose two runs follow each other.")
    row("", "", "ours", "iam_role", "ratio")
    for step, _, _ in ROLE_STEPS:
        a, b = (len(calls[step, side]) for side in NAMES)
        row(step, "AWS calls", a, b, f"{a / b:.2f}")
        for unit in ("seconds", "cpu"):
            one, other = ([getattr(run, unit) for run in took[step, side]] for side in NAMES)
            ratio = statistics.median(x / y for x, y in zip(one, other, strict=True))
            row("", UNITS[unit], f"{statistics.median(one):.2f}", f"{statistics.median(other):.2f}", f"{ratio:.2f}")
    for side in NAMES:
        print(f"no change, {side}: {', '.join(calls['no change', side])}")


def bench_instructions(directory: Path) -> None:
    """The same steps, and how much the processor executes in the process of the module: a number that hardly varies.

    In the others it depends on how long they wait.
    """
    if not shutil.which("valgrind"):
        sys.exit("this part needs Debian's package valgrind")
    aws = Emulator(directory)
    books = role_playbooks(directory)
    command = str(shutil.which("ansible-playbook"))
    print("\nThe node role (millions of instructions of the module alone)")
    row("", "", "ours", "iam_role", "ratio")
    for step, state, options in ROLE_STEPS:
        counted = []
        for side in (OURS, PEER):
            log = directory / f"{step}-{NAMES[side]}".replace(" ", "-")
            valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=yes"]
            files = [f"--log-file={log}.%p.txt", "--cachegrind-out-file=/dev/null"]
            how = {"command": command, "below": [*valgrind, *files, sys.executable]}
            role_run(aws, books, step, state, side, *options, **how)
            texts = [file.read_text() for file in directory.glob(f"{log.name}.*.txt")]
            (text,) = [text for text in texts if re.search(r"Command: \S*python\S* \S*AnsiballZ_", text)]
            counted.append(int(re.findall(r"I\s+refs:\s+([\d,]+)", text)[-1].replace(",", "")))
        row(step, "", *(f"{count / 1e6:.0f}" for count in counted), f"{counted[0] / counted[1]:.4f}")
    aws.process.send_signal(signal.SIGTERM)


@contextmanager
def fleet(directory: Path, aws: Emulator) -> Iterator[Path]:
    """The inventory of SERVERS registered servers, which live as long as the context."""
    aws.client("ecs").create_cluster(clusterName="edge")
    iam = aws.client("iam")
    iam.create_role(RoleName="ecsAnywhereRole", AssumeRolePolicyDocument=json.dumps(TRUST))
    for arn in ARNS:
        iam.attach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=arn)
    aws.control("POST", "seed", {"cluster": "edge", "region": REGION, "count": SERVERS, "iam_role": "ecsAnywhereRole"})
    ecs = aws.client("ecs")
    arns = ecs.get_paginator("list_container_instances").paginate(cluster="edge").build_full_result()
    instances = [
        instance
        for start in range(0, SERVERS, 100)
        for instance in ecs.describe_container_instances(
            cluster="edge", containerInstances=arns["containerInstanceArns"][start : start + 100]
        )["containerInstances"]
    ]
    hosts: dict[str, dict[str, str]] = {}
    servers = []
    print(f"simulating {len(instances)} registered servers", flush=True)
    try:
        for number, instance in enumerate(instances):
            name = f"server{number:04}"
            spec = directory / f"{name}.json"
            spec.write_text(
                json.dumps(
                    {
                        "managed_instance_id": instance["ec2InstanceId"],
                        "container_instance_arn": instance["containerInstanceArn"],
                        "cluster": "edge",
                        "region": REGION,
                    }
                )
            )
            server = subprocess.Popen(
                ["unshare", "--mount", "--net", "/usr/bin/python3", str(HERE / "simulated_server.py"), str(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            servers.append(server)
            if server.stdout is None or server.stdout.readline() != b"ready\n":
                sys.exit(f"{name} did not start")
            python = directory / f"{name}.python"
            entering = f"nsenter --mount=/proc/{server.pid}/ns/mnt --net=/proc/{server.pid}/ns/net"
            noting = f"times >>{directory / SERVERS_TIMES}"  # of the shell and of what it waited for
            python.write_text(f'#!/bin/sh\n{entering} -- /usr/bin/python3 "$@"\nended=$?\n{noting}\nexit $ended\n')
            python.chmod(0o755)
            hosts[name] = {"ansible_python_interpreter": str(python), "ansible_connection": "local"}
        inventory = directory / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        yield inventory
    finally:
        for server in servers:
            if server.stdin:
                server.stdin.close()
        for server in servers:
            server.wait(timeout=10)


def bench_fleet(directory: Path) -> None:
    """The role over servers that are right, beside a play with a single ping over the same servers."""
    aws = Emulator(directory)
    name = "hybrid.ecs_anywhere.ecs_anywhere"
    variables = {"ecs_anywhere_region": REGION, "ecs_anywhere_cluster": "edge"}
    imported = {"ansible.builtin.import_role": {"name": name, "rolespec_validate": False}}
    books = {
        "one ping": playbook(directory, "ping", {"tasks": [{"ansible.builtin.ping": {}}]}),
        "as register has it": playbook(directory, "imported", {"tasks": [imported]}, vars=variables),
        "under roles:": playbook(directory, "roles", {"roles": [{"role": name}]}, vars=variables),
    }
    took: dict[str, list[dict[str, float]]] = {title: [] for title in books}
    made: list[str] = []
    with fleet(directory, aws) as inventory:
        for number in range(ROUNDS + 1):  # the first for the caches
            for title, book in books.items():
                aws.calls()
                servers_time(directory)
                one = ansible(aws, "-i", str(inventory), str(book))
                if number:
                    took[title].append({**one._asdict(), "controller": one.cpu - servers_time(directory)})
                    made = aws.calls() or made
    aws.process.send_signal(signal.SIGTERM)
    print(f"\nA fleet of {SERVERS} servers that are right (median of {ROUNDS} rounds, 20 forks)")
    row("", "", "the role", "one ping", "ratio")
    for title in list(books)[1:]:
        for unit, words in UNITS.items():
            a, b = (statistics.median(one[unit] for one in took[side]) for side in (title, "one ping"))
            row(title if unit == "seconds" else "", words, f"{a:.1f}", f"{b:.1f}", f"{a / b:.2f}")
    row("", "AWS calls", len(made), 0)
    print("AWS calls: " + ", ".join(f"{n} x {name}" for name, n in sorted(Counter(made).items())))


def servers_time(directory: Path) -> float:
    """Seconds of processor time that the servers have spent since the last call: here they share the controller's."""
    noted = directory / SERVERS_TIMES
    spent = re.findall(r"(\d+)m([\d.]+)s", noted.read_text()) if noted.exists() else []
    noted.unlink(missing_ok=True)
    return sum(60 * int(minutes) + float(seconds) for minutes, seconds in spent)


def pages(count: int, size: int) -> int:
    return -(-count // size)


def bench_scale(directory: Path) -> None:
    """What looks at, or changes, many instances at once: as many calls as AWS's pages and chunks, and what it costs."""
    aws = Emulator(directory)
    aws.client("ecs").create_cluster(clusterName="edge")
    seeded = {"cluster": "edge", "region": REGION, "count": INSTANCES, "iam_role": "ecsAnywhereRole"}
    aws.control("POST", "seed", seeded)
    inventory = directory / "edge.ecs_external_instances.yml"
    plugin = "hybrid.ecs_anywhere.ecs_external_instances"
    inventory.write_text(json.dumps({"plugin": plugin, "regions": [REGION], "clusters": ["edge"]}))
    some = [i["managed_instance_id"] for i in aws.control("GET", f"managed-nodes?region={REGION}")][:DRAINED]
    drain = {"cluster": "edge", "state": "draining", "managed_instance_ids": some}
    local = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
    book = playbook(directory, "drain", {"tasks": [{"hybrid.ecs_anywhere.ecs_external_instance": drain}]}, **local)
    look = {
        "DescribeClusters": 1,
        "ListContainerInstances": pages(INSTANCES, 100),
        "DescribeContainerInstances": pages(INSTANCES, 100),
        "DescribeInstanceInformation": pages(INSTANCES, 50),
    }
    status = ["hybrid.ecs_anywhere.status", "-e", f"ecs_anywhere_region={REGION}", "-e", "ecs_anywhere_cluster=edge"]
    page = directory / "fleet.html"
    runs = {
        "status": (status, "ansible-playbook", look),
        "status with its page": (
            [*status, "-e", f"ecs_anywhere_report={page}"],
            "ansible-playbook",
            look | {"GetRole": 1},
        ),
        "inventory": (["-i", str(inventory), "--list"], "ansible-inventory", look),
        f"drain {DRAINED}": (
            ["-i", "localhost,", str(book)],
            "ansible-playbook",
            {
                "ListContainerInstances": pages(DRAINED, 80),
                "DescribeContainerInstances": pages(DRAINED, 100),
                "UpdateContainerInstancesState": pages(DRAINED, 10),
            },
        ),
    }  # fmt: skip
    print(f"\n{INSTANCES} external instances (AWS calls beside what pages and chunks make of them)")
    row("", "", "calls", "pages", "seconds", "MB of the largest process")
    for title, (arguments, command, expected) in runs.items():
        aws.calls()
        took = ansible(aws, *arguments, command=command)
        made = Counter(aws.calls())
        row(title, "", made.total(), sum(expected.values()), f"{took.seconds:.1f}", f"{took.megabytes:.0f}")
        for name in sorted(made | Counter(expected)):
            row("", name, made[name], expected.get(name, 0))
    aws.process.send_signal(signal.SIGTERM)


def main() -> None:
    parts = {"role": bench_role, "fleet": bench_fleet, "scale": bench_scale}
    for name in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory(prefix="ecs-anywhere-bench-") as directory:
            {**parts, "instructions": bench_instructions}[name](Path(directory))


if __name__ == "__main__":
    main()
