# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way of every request: parse, authenticate, faults, authorize, answer, log."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import time
import traceback
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import cast

from botocore.model import OperationNotFoundError
from moto.backends import list_of_moto_modules
from moto.moto_server.werkzeug_app import create_backend_app

from . import acs
from . import control
from . import messages
from . import packages
from .auth import ANONYMOUS
from .auth import Principal
from .auth import authenticate
from .authorize import authorize
from .call import Call
from .call import parse_call
from .call import read_body
from .errors import ApiError
from .errors import native_code
from .errors import render
from .faults import Fault
from .runtime import runtime
from .validate import validate

Answer = tuple[int, dict[str, str], bytes]
READS = ("Describe", "List", "Get", "Head", "Discover", "Poll")
WAITS = {"UpdateInstanceInformation"}  # frequent, and the next ping repairs a lost one
XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")
REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}


class Dropped(ConnectionAbortedError):
    """The connection was cut by a fault; werkzeug takes it for a client that went away."""


class Moto:
    """moto's applications, made when first used. The region stands in the Host header that moto is shown."""

    def __init__(self) -> None:
        self._apps: dict[str, Any] = {}

    def __call__(self, call: Call) -> Answer:
        name = call.service
        if name not in list_of_moto_modules():
            raise ApiError("UnknownOperationException", f"No service {name or 'of that name'} is emulated.")
        if name not in self._apps:
            self._apps[name] = create_backend_app(name)  # type: ignore[arg-type]
            self._apps[name].config["PROPAGATE_EXCEPTIONS"] = True  # never an HTML page
        environ = call.environ
        if not (name == "s3" and packages.VIRTUAL_HOST.match(call.host)):
            environ["HTTP_HOST"] = f"{name}.{call.region}.amazonaws.com"
        seen: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            seen.update(status=int(status.split()[0]), headers=dict(headers))
            return lambda _: None

        body = self._apps[name](environ, start)
        try:
            content = b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        return seen["status"], seen["headers"], content


def drop(environ: dict[str, Any]) -> None:
    connection: socket.socket = environ["werkzeug.socket"]
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    raise Dropped("dropped by a fault")


def error_code(status: int, headers: dict[str, str], body: bytes) -> str:
    if status < 400:
        return ""
    lowered = {k.lower(): v for k, v in headers.items()}
    if code := lowered.get("x-amzn-errortype"):
        return code.split(":")[0].split("#")[-1]
    if match := XML_CODE.search(body):
        return match.group(1).decode()
    try:
        return str(json.loads(body).get("__type", "")).split("#")[-1]
    except (ValueError, AttributeError):
        return str(status)


class Front:
    def __init__(self, report: Callable[[str], None]) -> None:
        self._moto = Moto()
        self._report = report

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path.startswith(control.PREFIX + "/"):
            method = environ["REQUEST_METHOD"]
            return self._send(
                start_response, control.handle(method, path, environ.get("QUERY_STRING", ""), read_body(environ))
            )
        call = parse_call(environ, runtime.options.region)
        place = packages.locate(call.method, call.host, call.path, call.signature is not None)
        if place is not None:
            return self._package(call, place, environ, start_response)
        return self._api(call, start_response)

    def _api(self, call: Call, start_response: Callable[..., Any]) -> Iterable[bytes]:
        principal, fault, injected = ANONYMOUS, None, False
        try:
            with runtime.lock:
                principal = authenticate(call)
            fault = runtime.faults.match(call.name, principal.arn)
            injected = self._before(fault, call, principal)
            with runtime.lock:
                authorize(call, principal)
            if call.websocket:
                return self._websocket(call, principal, start_response)
            answer = self._answer(call, principal)
        except ApiError as error:
            injected = bool(fault and fault.code == error.code)
            answer = render(error, call.protocol, injected)
        if fault and fault.drop == "after":
            self._log(call, principal, 0, "ConnectionDropped")
            drop(call.environ)
        self._log(call, principal, answer[0], error_code(*answer))
        return self._send(start_response, answer, call.method == "HEAD")

    def _before(self, fault: Fault | None, call: Call, principal: Principal) -> bool:
        """What a fault does before the operation takes effect."""
        if fault is None:
            return False
        if fault.delay:
            time.sleep(fault.delay)
        if fault.drop == "before":
            self._log(call, principal, 0, "ConnectionDropped")
            drop(call.environ)
        if fault.code:
            raise ApiError(fault.code, fault.message, fault.status)
        return False

    def _answer(self, call: Call, principal: Principal) -> Answer:
        if call.service == "ec2messages":
            return messages.ec2messages(call, principal)
        if call.service == "ssmmessages":
            return messages.create_control_channel(call, principal)
        if call.protocol == "json" and not call.operation:
            raise ApiError("UnknownOperationException", "The request names no operation.")
        if call.service in ("ssm", "ecs"):
            validate(call.service, call.operation, call.params)
        environ = call.environ
        environ["wsgi.input"] = io.BytesIO(call.body)
        environ["CONTENT_LENGTH"] = str(len(call.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.update({"emulator.principal": principal, "emulator.host": call.host, "emulator.call": call})
        try:
            with runtime.lock:
                answer = self._moto(call)
                if answer[0] < 400 and call.operation == "RegisterManagedInstance":
                    call.extra["instance_id"] = json.loads(answer[2]).get("InstanceId")
        except (NotImplementedError, OperationNotFoundError) as error:
            raise ApiError("UnknownOperationException", f"{call.name} is not emulated.") from error
        except ApiError:
            raise
        except Exception as error:
            self._report(f"{call.name}: {traceback.format_exc()}")
            raise ApiError("InternalServerError", f"The emulator failed: {error!r}", 500) from error
        if answer[0] < 400 and not call.operation.startswith(READS):
            runtime.state.touch() if call.operation in WAITS else runtime.state.saved()
        return answer

    def _websocket(self, call: Call, principal: Principal, start_response: Callable[..., Any]) -> Iterable[bytes]:
        serve = {"Poll": acs.serve_acs, "StartTelemetrySession": acs.serve_tcs}.get(
            call.operation, acs.serve_control_channel
        )
        if call.service == "ecs":
            acs.check_acs(call, principal)
        else:
            messages.check_node(call, principal, call.path.rstrip("/").rsplit("/", 1)[-1])
        self._log(call, principal, 101, "")
        serve(call, principal)
        raise Dropped("the websocket has ended")

    def _package(
        self, call: Call, place: tuple[str, str], environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        call.service, call.protocol = "s3", "s3"
        call.operation = "GetObject" if call.method == "GET" else "HeadObject"
        call.extra["key"] = "/".join(place)
        fault = runtime.faults.match(call.name, ANONYMOUS.arn)
        try:
            self._before(fault, call, ANONYMOUS)
            response = packages.serve(environ, *place)
        except ApiError as error:
            answer = render(error, "s3", bool(fault))
            self._log(call, ANONYMOUS, answer[0], native_code(error, "s3", bool(fault))[0])
            return self._send(start_response, answer, call.method == "HEAD")
        if fault and fault.drop == "after":
            # Half of a download: what a broken line looks like.
            self._log(call, ANONYMOUS, 0, "ConnectionDropped")
            drop(environ)
        self._log(call, ANONYMOUS, response.status_code, "")
        return cast("Iterable[bytes]", response(environ, start_response))

    def _log(self, call: Call, principal: Principal, status: int, error: str) -> None:
        extra = dict(call.extra)
        if call.operation == "RegisterManagedInstance":
            extra["activation_id"] = call.params.get("ActivationId")
        runtime.log.add(
            principal=principal.arn,
            service=call.service,
            operation=call.operation,
            status=status,
            error=error or None,
            region=call.region,
            **extra,
        )

    @staticmethod
    def _send(start_response: Callable[..., Any], answer: Answer, head: bool = False) -> Iterable[bytes]:
        status, headers, body = answer
        shown = {k: v for k, v in headers.items() if k.lower() not in ("content-length", "status", "server", "date")}
        if head:
            shown["Content-Length"] = headers.get("Content-Length", "0")
            body = b""
        else:
            shown["Content-Length"] = str(len(body))
        start_response(f"{status} {REASONS.get(status, 'Status')}", list(shown.items()))
        return [body]
