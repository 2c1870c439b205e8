# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's own HTTP ports: introspection on 51678, task metadata on 127.0.0.1:51679."""

import http.server
import json
import re
import socket
import socketserver
import threading

import aws_http


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _DualServer(_Server):
    """Listens on every address, IPv6 included where the host has it."""

    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _handler(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = answer(self.path.split("?")[0].rstrip("/") or "/")
            content = b"404 page not found\n" if found is None else found.encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json" if found is not None else "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args):
            pass

    return Handler


def _serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def tasks(state):
    found = []
    for arn, task in list(state.tasks.items()):
        containers = [
            {"DockerId": one["id"], "DockerName": one["dockerName"], "Name": name}
            for name, one in task["containers"].items()
        ]
        found.append(
            {
                "Arn": arn,
                "DesiredStatus": task["desired"],
                "KnownStatus": task["known"],
                "Family": task["family"],
                "Version": task["version"],
                "Containers": containers,
            }
        )
    return {"Tasks": found}


class TaskMetadata:
    """/v4/ID/task and /v4/ID/taskWithTags, where the ID is that of a container."""

    def __init__(self, agent):
        self.agent = agent

    def answer(self, path):
        match = re.fullmatch(r"/v4/([^/]+)/(task|taskWithTags)", path)
        arn, task = self._find(match.group(1)) if match else ("", None)
        if task is None:
            return None
        found = {
            "Cluster": self.agent.state.cluster,
            "TaskARN": arn,
            "Family": task["family"],
            "Revision": task["version"],
            "DesiredStatus": task["desired"],
            "KnownStatus": task["known"],
            "LaunchType": "EXTERNAL",
            "Containers": [
                {"DockerId": one["id"], "DockerName": one["dockerName"], "Name": name, "KnownStatus": one["known"]}
                for name, one in task["containers"].items()
            ],
        }
        if match.group(2) == "taskWithTags":
            self._add_tags(found, arn)
        return json.dumps(found)

    def _find(self, endpoint):
        for arn, task in list(self.agent.state.tasks.items()):
            if any(one.get("endpoint") == endpoint for one in task["containers"].values()):
                return arn, task
        return "", None

    def _add_tags(self, found, task_arn):
        for key, arn in (("ContainerInstanceTags", self.agent.state.arn), ("TaskTags", task_arn)):
            try:
                tags = self.agent.call("ListTagsForResource", {"resourceArn": arn}).get("tags") or []
            except aws_http.AwsError as error:
                self.agent.log.error("Unable to get the tags of %s: %s", arn, error)
                found.setdefault("Errors", []).append(
                    {
                        "ErrorField": key,
                        "ErrorCode": error.code,
                        "ErrorMessage": error.message,
                        "StatusCode": error.status,
                        "ResourceARN": arn,
                    }
                )
                continue
            found[key] = {tag["key"]: tag["value"] for tag in tags}


def open_ports(agent):
    version = f"Amazon ECS Agent - v{agent.VERSION} (*{agent.HASH})"
    state = agent.state
    routes = {
        "/": lambda: json.dumps({"AvailableCommands": ["/v1/metadata", "/v1/tasks", "/license"]}),
        "/v1/metadata": lambda: json.dumps(
            {"Cluster": state.cluster, "ContainerInstanceArn": state.arn, "Version": version}
        ),
        "/v1/tasks": lambda: json.dumps(tasks(state)),
        "/license": lambda: "GNU General Public License v3.0+\n",
    }
    handler = _handler(lambda path: routes[path]() if path in routes else None)
    try:
        _serve(_DualServer(("::", 51678), handler))
    except OSError:
        _serve(_Server(("0.0.0.0", 51678), handler))
    _serve(_Server(("127.0.0.1", 51679), _handler(TaskMetadata(agent).answer)))
