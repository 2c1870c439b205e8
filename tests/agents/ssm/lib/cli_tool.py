# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ssm-cli: what the host knows of its own registration."""

import json
import os
import socket
import sys

import appconfig
import credentials_file
import vault


def instance_information():
    record = vault.registration()
    if not record:
        sys.stderr.write("Failed to get instance information: failed to find agent identity\n")
        return 1
    print(
        json.dumps(
            {
                "instance-id": record["instanceID"],
                "region": record["region"],
                "release-version": appconfig.VERSION,
            },
            separators=(",", ":"),
        )
    )
    return 0


def _reach(host):
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError as error:
        return "Failed", f"{host} is not reachable: {error}"
    return "Success", f"{host} is reachable"


def diagnostics():
    record = vault.registration()
    found = [
        ("Hybrid instance registration", "Success", "Instance id: {}".format(record["instanceID"]))
        if record
        else ("Hybrid instance registration", "Failed", "the instance is not registered")
    ]
    for service in ("ssm", "ec2messages", "ssmmessages"):
        if record:
            host = appconfig.Config().endpoint(service, record["region"]).split("://")[1].split(":")[0]
            found.append((f"Connectivity to {service} endpoint", *_reach(host)))
    usable = credentials_file.read(appconfig.share_file(), "default") is not None
    found.append(
        (
            "AWS credentials",
            "Success" if usable else "Failed",
            "credentials are %savailable" % ("" if usable else "not "),
        )
    )
    print(json.dumps({"DiagnosticsOutput": [dict(zip(("Check", "Status", "Note"), row)) for row in found]}, indent=2))
    return 0


def main(arguments):
    if not arguments or arguments[0] not in ("get-instance-information", "get-diagnostics"):
        sys.stderr.write("usage: ssm-cli [get-instance-information|get-diagnostics] [--output text|table|json]\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("ssm-cli requires root\n")
        return 1
    return instance_information() if arguments[0] == "get-instance-information" else diagnostics()
