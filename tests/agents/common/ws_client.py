# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A websocket client: RFC 6455, text and binary frames, one reader and any number of writers."""

import base64
import contextlib
import hashlib
import os
import socket
import struct
import threading
import urllib.parse

import aws_http

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The connection is over, or was never made."""


class WebSocket:
    def __init__(self, url, headers, timeout=30):
        parts = urllib.parse.urlsplit(url)
        scheme = {"ws": "http", "wss": "https"}[parts.scheme]
        port = parts.port or {"ws": 80, "wss": 443}[parts.scheme]
        self._write_lock = threading.Lock()
        self._connection, _plain = aws_http.connect(scheme, parts.hostname, port, timeout)
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            self._reader = self._socket.makefile("rb")
            self._handshake(parts, headers)
        except (OSError, Closed) as error:
            self._connection.close()
            raise Closed("websocket {}: {}".format(url.split("?")[0], error)) from error

    def _handshake(self, parts, headers):
        key = base64.b64encode(os.urandom(16)).decode()
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = [f"GET {target} HTTP/1.1"]
        head = {key.title(): value for key, value in headers.items()}
        head.setdefault("Host", aws_http.host_header(parts))
        head.update({"Upgrade": "websocket", "Connection": "Upgrade"})
        head.update({"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"})
        lines += ["{}: {}".format(*pair) for pair in head.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self._reader.readline().decode("latin-1").split(None, 2)
        answer = {}
        while True:
            line = self._reader.readline().decode("latin-1").strip()
            if not line:
                break
            name, _sep, value = line.partition(":")
            answer[name.strip().lower()] = value.strip()
        if len(status) < 2 or status[1] != "101":
            body = self._reader.read(min(int(answer.get("content-length") or 0), 4096)).decode("utf-8", "replace")
            raise Closed("bad handshake: {} {}".format(" ".join(status), body))
        wanted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if answer.get("sec-websocket-accept") != wanted:
            raise Closed("bad handshake: wrong Sec-WebSocket-Accept")

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def _frame(self, opcode, payload):
        head = bytes([0x80 | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 1 << 16:
            head += struct.pack("!BH", 0x80 | 126, len(payload))
        else:
            head += struct.pack("!BQ", 0x80 | 127, len(payload))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        with self._write_lock:
            try:
                self._socket.sendall(head + mask + masked)
            except OSError as error:
                raise Closed(str(error)) from error

    def send(self, text):
        self._frame(TEXT, text.encode())

    def ping(self):
        self._frame(PING, b"")

    def _exactly(self, count):
        data = self._reader.read(count)
        if data is None or len(data) < count:
            raise Closed("connection closed by the other side")
        return data

    def receive(self):
        """Return the next message's text; raise Closed at the end and socket.timeout when nothing came in time."""
        message = b""
        while True:
            try:
                first, second = self._exactly(2)
                length = second & 0x7F
                if length == 126:
                    length = struct.unpack("!H", self._exactly(2))[0]
                elif length == 127:
                    length = struct.unpack("!Q", self._exactly(8))[0]
                payload = self._exactly(length)
            except socket.timeout:
                raise
            except OSError as error:
                raise Closed(str(error)) from error
            opcode = first & 0x0F
            if opcode == PING:
                self._frame(PONG, payload)
            elif opcode == CLOSE:
                raise Closed("closed: {}".format(payload[2:].decode("utf-8", "replace")))
            elif opcode != PONG:
                message += payload
                if first & 0x80:
                    return message.decode("utf-8", "replace")

    def close(self):
        with contextlib.suppress(Closed):
            self._frame(CLOSE, struct.pack("!H", 1000))
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()
