# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Something that looks like a registered server to one read, for a hundredth of the price of one.

    unshare --mount --net python3 simulated_server.py SPEC.json

In its own mount and network namespace it lays the files of a right external instance over this machine's, and answers
for the Docker socket and the ECS agent's introspection port. It ends when its standard input is closed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

UNITS = ("docker.service", "ecs.service", "amazon-ssm-agent.service")
CREATED = "2026-11-23 16:51:45.65 +0000 UTC"
STATE = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
}


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def write(path: str, text: str, mode: int = 0o600) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def lay_files(spec: dict[str, str]) -> None:
    mount("-t", "tmpfs", "tmpfs", "/mnt")
    for number, directory in enumerate(("/etc", "/var/lib", "/usr")):
        upper, work = f"/mnt/{number}/upper", f"/mnt/{number}/work"
        os.makedirs(upper)
        os.makedirs(work)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={directory},upperdir={upper},workdir={work}", directory)
    mount("-t", "tmpfs", "tmpfs", "/run")
    os.makedirs("/run/systemd/system")
    key = {"instanceID": spec["managed_instance_id"], "region": spec["region"], "privateKeyCreatedDate": CREATED}
    vault = "/var/lib/amazon/ssm/Vault"
    write(f"{vault}/Store/RegistrationKey", json.dumps(key))
    write(f"{vault}/Manifest", json.dumps({"RegistrationKey": f"{vault}/Store/RegistrationKey"}))
    registration = {"ManagedInstanceID": spec["managed_instance_id"], "Region": spec["region"]}
    write("/var/lib/amazon/ssm/registration", json.dumps(registration))
    record = {
        "InstanceId": spec["managed_instance_id"],
        "IdentityType": "OnPrem",
        "ShareFile": "/root/.aws/credentials",
    }
    write("/var/lib/amazon/ssm/runtimeconfig/identity_config.json", json.dumps(record))
    write("/etc/ecs/ecs.config", f"ECS_CLUSTER={spec['cluster']}\n")
    write("/var/lib/ecs/ecs.config", f"AWS_DEFAULT_REGION={spec['region']}\nECS_EXTERNAL=true\n")
    write("/var/lib/ecs/data/agent.db", "")
    packages = {"docker.io": "20.10.24", "amazon-ssm-agent": "3.3.4108.0-1", "amazon-ecs-init": "1.105.1-1"}
    status = "".join(f"Package: {n}\nStatus: install ok installed\nVersion: {v}\n\n" for n, v in packages.items())
    with open("/var/lib/dpkg/status", "a") as file:
        file.write("\n" + status)
    for binary in ("/usr/bin/amazon-ssm-agent", "/usr/bin/dockerd"):
        write(binary, "", 0o755)
    units = "\n".join("\n".join([f"Id={unit}", *(f"{k}={v}" for k, v in STATE.items())]) + "\n" for unit in UNITS)
    write("/etc/simulated-units", units)
    Path("/usr/bin/systemctl").unlink(missing_ok=True)
    write("/usr/bin/systemctl", "#!/bin/sh\ncat /etc/simulated-units\n", 0o755)


def answer(listener: socket.socket, body: dict[str, str]) -> None:
    """Answers every request with *body*: as cheap as can be, since it runs on the cores that are measured."""
    text = json.dumps(body)
    reply = f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
    while True:
        connection, _address = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(reply)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    lay_files(spec)
    metadata = {
        "Cluster": spec["cluster"],
        "ContainerInstanceArn": spec["container_instance_arn"],
        "Version": "Amazon ECS Agent - v1.105.1 (*00000000)",
    }
    engine = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
    agent = socket.create_server(("127.0.0.1", 51678))
    docker = socket.socket(socket.AF_UNIX)
    docker.bind("/run/docker.sock")
    docker.listen()
    for listener, body in ((agent, metadata), (docker, engine)):
        threading.Thread(target=answer, args=(listener, body), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
