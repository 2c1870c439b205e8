# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy that is wanted, and what is to be done to have it: pure functions. Private to this collection."""

from __future__ import annotations

import re
from typing import Any
from typing import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._proxy import Environment

NEVER = ("169.254.169.254", "169.254.170.2", "/var/run/docker.sock")
_NAMES = ("http", "https", "no_proxy")


class ProxyPlan(NamedTuple):
    configure: str | None  # why the files have to change
    restart: dict[str, str]  # units that run with another proxy, and why each is to be restarted


def _url(given: Any) -> str:
    text = str(given).strip()
    if "://" not in text:
        text = f"http://{text}"
    shown = _ecs_config.masked("_PROXY", text)
    if re.search(r"[\s\"'\\\0]", text):
        raise ValueError("ecs_anywhere_proxy holds a space, a quote or a backslash: write it as %20, %22 or %5C")
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:  # the port is no number; the exception's text may hold the password
        wrong = True
    if wrong:
        raise ValueError(f"{shown} in ecs_anywhere_proxy is not the URL of a proxy, such as http://proxy:3128")
    return text


def environment(given: Any) -> Environment:
    """The variables for a value of ecs_anywhere_proxy; none without a proxy. Raises ValueError with a sentence."""
    if not given:
        return {}
    values = {"http": given} if isinstance(given, str) else given
    if not isinstance(values, Mapping) or set(values) - set(_NAMES):
        raise ValueError(f"ecs_anywhere_proxy is a URL, or a dictionary of {', '.join(_NAMES)}, and nothing else")
    http, https = values.get("http") or values.get("https"), values.get("https") or values.get("http")
    if not http:
        raise ValueError("ecs_anywhere_proxy names no proxy: give its URL as http or https")
    beside = values.get("no_proxy") or []
    names = [name.strip() for name in (beside.split(",") if isinstance(beside, str) else map(str, beside))]
    if any(re.search(r"[\s\"'\\]", name) for name in names):
        raise ValueError("no_proxy of ecs_anywhere_proxy is a list of hosts, domains and networks, joined by commas")
    return {
        "HTTP_PROXY": _url(http),
        "HTTPS_PROXY": _url(https),
        "NO_PROXY": ",".join(dict.fromkeys([*filter(None, names), *NEVER])),
    }


def bypasses(host: str, never: str) -> bool:
    """Whether a host is one of a NO_PROXY, which has names, domains, addresses and networks."""
    import ipaddress  # here, as a server that is right has no use for it

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for name in never.lower().split(","):
        name = name.strip().lstrip(".")
        if name and (name == "*" or host.lower() == name or host.lower().endswith(f".{name}")):
            return True
        try:
            if address and address in ipaddress.ip_network(name, strict=False):
                return True
        except ValueError:
            continue
    return False


def agent_settings(wanted: Mapping[str, str], given: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    """The ECS agent's settings with the proxy, beside which those that were *given* by name count more.

    Those of a proxy that is not wanted any more go (None), unless somebody changed them since.
    """
    if wanted:
        return {**wanted, **given}
    former = (host.get("proxy") or {}).get("settings") or {}
    held = host["ecs_config"]["/etc/ecs/ecs.config"]["settings"]
    return {**{name: None for name, value in former.items() if held.get(name) == value}, **given}


def proxy_plan(proxy: Mapping[str, Any] | None, wanted: Mapping[str, str]) -> ProxyPlan:
    """What to do about the files, and about units that run with another environment than theirs.

    proxy: as M(ecs_anywhere_host_info) reads it. wanted: the environment, masked; empty: no proxy of ours.
    """
    if not proxy or not (wanted or proxy["exists"]):
        return ProxyPlan(None, {})
    missing = sorted(unit for unit, there in proxy["drop_ins"].items() if not there)
    if not wanted:
        configure: str | None = "ecs_anywhere_proxy is not set any more"
        late = {unit for unit, env in proxy["running"].items() if env and env == proxy["settings"]}
    else:
        configure = None
        if proxy["settings"] != wanted:
            configure = "another proxy was set" if proxy["exists"] else "no proxy is set"
        elif missing:
            configure = f"{', '.join(missing)} is not told of the proxy"
        late = {unit for unit, env in proxy["running"].items() if env is not None and env != wanted}
    return ProxyPlan(configure, {unit: f"{unit} runs with another proxy than is wanted" for unit in sorted(late)})
