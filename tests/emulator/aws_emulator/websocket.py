# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server side of a websocket: one thread reads, writes and beats, so a TLS connection is never used by two."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from wsproto import ConnectionType
from wsproto import WSConnection
from wsproto.events import AcceptConnection
from wsproto.events import BytesMessage
from wsproto.events import CloseConnection
from wsproto.events import Ping
from wsproto.events import Request
from wsproto.events import TextMessage
from wsproto.utilities import LocalProtocolError
from wsproto.utilities import RemoteProtocolError

from .runtime import runtime


class Channel:
    """`send` may be called by any thread; everything else belongs to the thread of the connection."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._socket: socket.socket = environ["werkzeug.socket"]
        self._connection = WSConnection(ConnectionType.SERVER)
        self._outgoing: deque[str] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._partial = ""
        self.last_heard = time.monotonic()
        self.open = True
        self._handshake(environ)

    def _handshake(self, environ: dict[str, Any]) -> None:
        path = environ.get("RAW_URI") or environ.get("PATH_INFO", "/")
        lines = [f"{environ['REQUEST_METHOD']} {path} HTTP/1.1"]
        for key, value in environ.items():
            if key.startswith("HTTP_"):
                lines.append(f"{key[5:].replace('_', '-').title()}: {value}")
        self._connection.receive_data(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        for event in self._connection.events():
            if isinstance(event, Request):
                self._socket.sendall(self._connection.send(AcceptConnection()))
                return
        raise RemoteProtocolError("not a websocket handshake")

    def send(self, text: str) -> None:
        self._outgoing.append(text)
        with contextlib.suppress(OSError):
            self._wake_in.send(b"x")

    def close(self) -> None:
        """Ends the connection from another thread."""
        self.open = False
        with contextlib.suppress(OSError):
            self._wake_in.send(b"x")

    def _flush(self) -> None:
        while self._outgoing:
            self._socket.sendall(self._connection.send(TextMessage(data=self._outgoing.popleft())))

    def _read(self, on_text: Callable[[str], None]) -> None:
        data = self._socket.recv(65536)
        if not data:
            self.open = False
            return
        self.last_heard = time.monotonic()
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                part = event.data if isinstance(event.data, str) else bytes(event.data).decode("utf-8", "replace")
                self._partial += part
                if event.message_finished:
                    text, self._partial = self._partial, ""
                    on_text(text)
            elif isinstance(event, Ping):
                self._socket.sendall(self._connection.send(event.response()))
            elif isinstance(event, CloseConnection):
                self._socket.sendall(self._connection.send(event.response()))
                self.open = False

    def run(self, on_text: Callable[[str], None], beat: Callable[[], None], every: float) -> None:
        """Until the peer goes, is silent for three beats (and a minute), or the emulator stops."""
        # Clients exist that lose a frame which arrives together with the answer to their handshake.
        runtime.stopping.wait(0.1)
        next_beat = time.monotonic()
        poll = select.poll()  # select() ends at 1,024 files
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake_out, select.POLLIN)
        try:
            while self.open and not runtime.stopping.is_set():
                now = time.monotonic()
                if now >= next_beat:
                    if now - self.last_heard > 3 * every + 60:
                        break
                    beat()
                    next_beat = now + every
                self._flush()
                pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
                wait = 0 if pending else min(max(next_beat - now, 0), 2)
                ready = {number for number, _ in poll.poll(int(wait * 1000))}
                if self._wake_out.fileno() in ready:
                    self._wake_out.recv(4096)
                if pending or self._socket.fileno() in ready:
                    self._read(on_text)
            with contextlib.suppress(OSError, LocalProtocolError):
                self._flush()
                self._socket.sendall(self._connection.send(CloseConnection(code=1000)))
        except (OSError, LocalProtocolError, RemoteProtocolError):
            pass  # the peer is gone
        finally:
            self.open = False
            self._wake_in.close()
            self._wake_out.close()
