# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Something that looks like a registered server to one read, for a hundredth of the price of one.

    unshare --mount --net python3 simulated_server.py SPEC.json

In its own mount and network namespace it lays the files of a right external instance over this machine's, and answers
for the Docker socket and the ECS agent's introspection port. It ends when its standard input is closed.
"""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

UNITS = ("docker.service", "ecs.service", "amazon-ssm-agent.service")
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
    key = {"instanceID": spec["managed_instance_id"], "region": spec["region"], "privateKeyCreatedDate": ""}
    vault = "/var/lib/amazon/ssm/Vault"
    write(f"{vault}/Store/RegistrationKey", json.dumps(key))
    write(f"{vault}/Manifest", json.dumps({"RegistrationKey": f"{vault}/Store/RegistrationKey"}))
    registration = {"ManagedInstanceID": spec["managed_instance_id"], "Region": spec["region"]}
    write("/var/lib/amazon/ssm/registration", json.dumps(registration))
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


def answering(body: dict[str, str]) -> type[http.server.BaseHTTPRequestHandler]:
    text = json.dumps(body).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return ""

    return Handler


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
    agent = http.server.ThreadingHTTPServer(("127.0.0.1", 51678), answering(metadata))
    docker = socketserver.ThreadingUnixStreamServer("/run/docker.sock", answering(engine))
    for server in (agent, docker):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
