# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The listening side: plain HTTP and TLS, a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from .tls import CertificateAuthority

HANDSHAKE_SECONDS = 15


class Handler(MotoRequestHandler):
    timeout = 90  # seconds that a silent connection may keep its thread; websockets wait on their own
    protocol_version = "HTTP/1.1"
    server_version = "Server"
    sys_version = ""

    def log(self, type: str, message: str, *args: Any) -> None:
        """The call log is the record."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Server(ThreadedWSGIServer):
    """TLS is set up in the thread of the connection: a client that is slow to say hello keeps nobody waiting."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, app: Callable[..., Any], authority: CertificateAuthority | None) -> None:
        super().__init__(host, port, app, handler=Handler)
        if authority:
            fallback = host if host != "0.0.0.0" else "127.0.0.1"
            self.ssl_context = authority.server_context(fallback)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.ssl_context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secured = self.ssl_context.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return  # a client that does not trust the CA, or a port scan
        try:
            super().finish_request(secured, client_address)
        finally:
            with contextlib.suppress(OSError):
                secured.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are no news."""
