# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's own HTTP ports: introspection on 51678, task metadata on 127.0.0.1:51679."""

import http.server
import json
import socket
import socketserver
import threading


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _DualServer(_Server):
    """Listens on every address, IPv6 included where the host has it."""

    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _handler(routes):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            route = routes.get(self.path.split("?")[0].rstrip("/") or "/")
            found = route() if route else None
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
    try:
        _serve(_DualServer(("::", 51678), _handler(routes)))
    except OSError:
        _serve(_Server(("0.0.0.0", 51678), _handler(routes)))
    _serve(_Server(("127.0.0.1", 51679), _handler({})))
