# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks around a server: who answers, what time it is there, how much room is left. Private to this collection."""

from __future__ import annotations

import base64
import email.utils
import http.client
import os
import re
import socket
import ssl
import threading
import time
from typing import Any
from typing import Mapping
from urllib.parse import unquote
from urllib.parse import urlsplit

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._proxy_plan import bypasses

TIMEOUT = 5.0
BUDGET = 12.0  # a resolver that does not answer takes its own time


def _login(proxy: Any) -> dict[str, str]:
    if proxy.username is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def connect(endpoint: Mapping[str, Any], environment: Mapping[str, str]) -> socket.socket:
    """A connection as the agents would make it, through their proxy or not. Raises OSError."""
    host, port = endpoint["host"], endpoint["port"]
    proxied = environment.get("HTTP_PROXY" if endpoint["plain"] else "HTTPS_PROXY")
    if not proxied or bypasses(host, environment.get("NO_PROXY", "")):
        return socket.create_connection((host, port), TIMEOUT)
    proxy = urlsplit(proxied)
    address = (str(proxy.hostname), proxy.port or (443 if proxy.scheme == "https" else 80))
    if endpoint["plain"] or proxy.scheme == "https":  # what follows is up to the proxy
        return socket.create_connection(address, TIMEOUT)
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    connection.set_tunnel(host, port, headers=_login(proxy))
    connection.connect()
    return connection.sock


def _said(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such name"
    refused = re.search(r"Tunnel connection failed: (.*)", str(error))
    return f"the proxy says {refused.group(1)}" if refused else error.strerror or str(error)


def problem(endpoint: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    try:
        connect(endpoint, environment).close()
    except OSError as error:
        return _said(error)
    return None


def clock_offset(endpoint: Mapping[str, Any], environment: Mapping[str, str]) -> int | None:
    """Seconds by which this clock is ahead of the endpoint's. None: it does not tell.

    With a wrong clock no certificate can be verified, so this one is not: nothing but a time is believed.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with connect(endpoint, environment) as connection:
            stream = connection
            if not endpoint["plain"]:
                stream = context.wrap_socket(connection, server_hostname=endpoint["host"])
            stream.sendall(f"HEAD / HTTP/1.1\r\nHost: {endpoint['host']}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer and len(answer) < 65536:
                block = stream.recv(4096)
                if not block:
                    break
                answer += block
        date = re.search(rb"^Date:[ \t]*([^\r\n]+)", answer, re.IGNORECASE | re.MULTILINE)
        there = email.utils.parsedate_to_datetime(date.group(1).decode()) if date else None
        return None if there is None else round(time.time() - there.timestamp())
    except (OSError, ValueError, TypeError):
        return None


def look(endpoints: list[dict[str, Any]], environment: Mapping[str, str]) -> tuple[list[dict[str, Any]], int | None]:
    """The endpoints with what is wrong with each, all at once, and the clock's offset to the first of them."""
    found = [{**endpoint, "problem": f"no answer within {BUDGET:.0f} seconds"} for endpoint in endpoints]
    offset: list[int | None] = [None]

    def reach(entry: dict[str, Any], endpoint: Mapping[str, Any]) -> None:
        entry["problem"] = problem(endpoint, environment)

    def read_clock() -> None:
        offset[0] = clock_offset(endpoints[0], environment)

    threads = [threading.Thread(target=reach, args=pair, daemon=True) for pair in zip(found, endpoints)]
    threads += [threading.Thread(target=read_clock, daemon=True)] if endpoints else []
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + BUDGET
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [dict(entry) for entry in found], offset[0]


def _existing(directory: str) -> str:
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return directory


def disk(needed: Mapping[str, int]) -> list[dict[str, Any]]:
    """What is free and what is needed, one entry for each file system."""
    found: dict[int, dict[str, Any]] = {}
    for directory, size in needed.items():
        place = _existing(directory)
        space = os.statvfs(place)
        entry = found.setdefault(
            os.stat(place).st_dev, {"directories": [], "free": space.f_bavail * space.f_frsize, "needed": 0}
        )
        entry["directories"].append(directory)
        entry["needed"] += size
    return list(found.values())
