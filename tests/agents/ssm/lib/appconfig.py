# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths, version, and the optional /etc/amazon/ssm/amazon-ssm-agent.json."""

import json
import os
import platform
import urllib.parse

import aws_http

CONFIG = "/etc/amazon/ssm/amazon-ssm-agent.json"
DATA = "/var/lib/amazon/ssm"
REGISTRATION = DATA + "/registration"
VAULT = DATA + "/Vault"
STORE = VAULT + "/Store"
IDENTITY_CONFIG = DATA + "/runtimeconfig/identity_config.json"
IPC = DATA + "/ipc"
LOGS = "/var/log/amazon/ssm"

with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "version"), encoding="utf-8") as _handle:
    VERSION = _handle.read().strip()


def user_agent():
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"aws-sdk-go/1.51.20 (go1.21.9; linux; {machine}) amazon-ssm-agent/{VERSION}"


def share_file():
    return os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join(
        os.environ.get("HOME") or "/root", ".aws", "credentials"
    )


class Config:
    """What the file overrides; a file that cannot be read counts as absent."""

    def __init__(self):
        self._data = {}
        try:
            with open(CONFIG, encoding="utf-8") as handle:
                data = json.load(handle)
            if not isinstance(data, dict):
                raise ValueError("not an object")
            self._data = data
        except FileNotFoundError:
            pass
        except (OSError, ValueError):
            print("Failed to unmarshal config override. Fall back to default.", flush=True)

    def get(self, section, key, default=""):
        values = self._data.get(section)
        value = values.get(key) if isinstance(values, dict) else None
        return default if value is None or value == "" else value

    def number(self, section, key, default, low, high):
        value = self.get(section, key, default)
        return value if isinstance(value, (int, float)) and low <= value <= high else default

    def endpoint(self, service, region):
        """service is ssm, ec2messages or ssmmessages."""
        section = {"ssm": "Ssm", "ec2messages": "Mds", "ssmmessages": "Mgs"}[service]
        url = str(self.get(section, "Endpoint"))
        if service == "ssmmessages" and url:
            # Only what a URL parser takes for host[:port] is used, always with TLS.
            host = urllib.parse.urlsplit(url).netloc if "://" in url else (url if ":" not in url else "")
            return "https://" + host
        if url:
            return url if "://" in url else "https://" + url
        domain = self.get("Agent", "ServiceDomain")
        if domain:
            return f"https://{service}.{region}.{domain}"
        return aws_http.service_url(service, region)
