# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An emulator of its own for tests: started on free ports, stopped by its id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

KEY = "AKIAOPERATOR00000000"
SECRET = "operator-secret-for-tests-only-0000000000"
SESSION = boto3.session.Session()  # one: it keeps the models that it has read
ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def conforms(shape: Any, value: Any, path: str) -> None:
    """boto3 passes over members that it does not know and types that it can bend; the model does not."""
    kinds: dict[str, Any] = {
        "structure": dict,
        "map": dict,
        "list": list,
        "string": str,
        "boolean": bool,
        "timestamp": (int, float),
        "integer": int,
        "long": int,
        "double": (int, float),
        "float": (int, float),
    }
    assert isinstance(value, kinds[shape.type_name]), f"{path} is {value!r}, not a {shape.type_name}"
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{path} has unknown {set(value) - set(shape.members)}"
        for name, member in value.items():
            conforms(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            conforms(shape.member, item, f"{path}[]")


def _check_answer(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Every answer that any test gets is held against botocore's model."""
    if operation_model.service_model.metadata["protocol"] == "json" and response_dict["status_code"] < 300:
        body = json.loads(response_dict["body"] or b"{}")
        if operation_model.output_shape:
            conforms(operation_model.output_shape, body, operation_model.name)


class Emulator:
    def __init__(self, directory: Path, *extra: str) -> None:
        self.directory = directory
        self.http_port, self.https_port = free_port(), free_port()
        self.extra = extra
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start(self) -> Emulator:
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, str(ROOT), "--http-port", str(self.http_port), "--https-port", str(self.https_port)]
        command += ["--ready-file", str(ready), *self.extra]
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no emulator: {(self.directory / 'log').read_text()}")
            time.sleep(0.05)
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_emulator/{path}", json.dumps(body).encode() if body is not None else None, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{error.code}: {error.read().decode()}") from error

    def client(self, service: str, region: str = "eu-west-1", key: str = KEY, secret: str = SECRET, **more: Any) -> Any:
        client = SESSION.client(
            service,
            region_name=region,
            endpoint_url=more.pop("endpoint_url", self.url),
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, **more.pop("config", {})),
            **more,
        )
        client.meta.events.register("before-parse", _check_answer)
        return client

    def calls(self, **query: Any) -> list[dict[str, Any]]:
        return self.control("GET", "calls?" + "&".join(f"{k}={v}" for k, v in query.items()))
