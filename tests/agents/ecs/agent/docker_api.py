# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker Engine API over its unix socket, as little of it as an agent needs."""

import http.client
import json
import os
import socket
import urllib.parse

OLDEST, NEWEST = 17, 44  # API 1.17 to 1.44 is what the agent knows


class DockerError(Exception):
    def __init__(self, message, status=0):
        super().__init__(message)
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    def __init__(self):
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        self._path = host[len("unix://") :] if host.startswith("unix://") else host
        self.prefix = ""
        self.version = ""
        self.api_minors = []

    def call(self, method, path, query=None, body=None, timeout=60):
        target = self.prefix + path
        if query:
            target += "?" + urllib.parse.urlencode(query)
        connection = _UnixConnection(self._path, timeout)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, target, body=data, headers={"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DockerError(f"Cannot connect to the Docker daemon at unix://{self._path}: {error}") from error
        finally:
            connection.close()
        try:
            decoded = json.loads(content.decode() or "null")
        except ValueError:
            decoded = content.decode("utf-8", "replace")
        if answer.status >= 400:
            message = decoded.get("message") if isinstance(decoded, dict) else decoded
            raise DockerError(str(message), answer.status)
        return decoded

    def open(self):
        """Agree on an API version; a daemon too new or too old for the agent is an error."""
        found = self.call("GET", "/version", timeout=10)
        self.version = found.get("Version", "")
        newest = int(found.get("ApiVersion", "1.24").split(".")[1])
        oldest = int(found.get("MinAPIVersion", "1.12").split(".")[1])
        if oldest > NEWEST or newest < OLDEST:
            raise DockerError("docker client factory: client not found for docker version: 1.21")
        self.api_minors = list(range(max(oldest, OLDEST), min(newest, NEWEST) + 1))
        self.prefix = f"/v1.{self.api_minors[-1]}"

    def has_image(self, image):
        try:
            self.call("GET", "/images/{}/json".format(urllib.parse.quote(image, safe="/:@")))
        except DockerError as error:
            if error.status == 404:
                return False
            raise
        return True

    def pull(self, image):
        name, tag = image, ""
        if "@" not in image and ":" not in image.rsplit("/", 1)[-1]:
            tag = "latest"
        query = {"fromImage": name}
        if tag:
            query["tag"] = tag
        output = self.call("POST", "/images/create", query, timeout=600)
        # A stream of JSON objects: an error comes with status 200.
        for line in str(output).splitlines():
            if '"errorDetail"' in line:
                raise DockerError(json.loads(line).get("error", line))

    def inspect(self, container):
        """Return the container's details, or None when it is gone."""
        try:
            return self.call("GET", f"/containers/{container}/json")
        except DockerError as error:
            if error.status == 404:
                return None
            raise
