# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the agent was told by environment and file, and the credentials it may use."""

import json
import os
import socket
import threading
import time

import aws_http
import credentials_file

ROTATING = "/rotatingcreds/credentials"
TRUE = ("true", "1", "t", "T", "TRUE", "True")


class Config:
    def __init__(self):
        self._file = {}
        try:
            with open(os.environ.get("ECS_AGENT_CONFIG_FILE_PATH", "/etc/ecs/ecs.config.json"), encoding="utf-8") as f:
                loaded = json.load(f)
            self._file = loaded if isinstance(loaded, dict) else {}
        except (OSError, ValueError):
            pass
        self.cluster = self.get("ECS_CLUSTER", "Cluster")
        self.region = self.get("AWS_DEFAULT_REGION", "AWSRegion")
        self.backend = self.get("ECS_BACKEND_HOST", "APIEndpoint")
        self.external = self.get("ECS_EXTERNAL", "External") in TRUE
        self.data_dir = self.get("ECS_DATADIR", "DataDir", "/data/")
        self.log_file = os.environ.get("ECS_LOGFILE", "")
        self.pull_behavior = self.get("ECS_IMAGE_PULL_BEHAVIOR", "ImagePullBehavior", "default")
        self.reserved_memory = self.get("ECS_RESERVED_MEMORY", "ReservedMemory", "0")
        self.profile = os.environ.get("ECS_ALTERNATE_CREDENTIAL_PROFILE") or "default"

    def get(self, variable, key, default=""):
        value = os.environ.get(variable) or self._file.get(key)
        return default if value is None or value == "" else str(value)

    def json_map(self, variable, log):
        text = os.environ.get(variable, "")
        if not text:
            return {}
        try:
            found = json.loads(text)
            return {str(key): str(value) for key, value in found.items()}
        except (ValueError, AttributeError):
            log.error("Invalid format for %s. Expected a json hash: %s", variable, text)
            return {}

    def drivers(self):
        try:
            found = json.loads(os.environ.get("ECS_AVAILABLE_LOGGING_DRIVERS") or '["json-file","none"]')
        except ValueError:
            return ["json-file", "none"]
        return found if isinstance(found, list) else ["json-file", "none"]


class NoCredentials(Exception):
    pass


class CredentialChain:
    """External: environment, rotating file, shared file, IMDS. Elsewhere the rotating file comes last."""

    def __init__(self, config, log):
        self._config = config
        self._log = log
        self._lock = threading.Lock()
        self._cached = None
        self._until = 0.0

    def get(self):
        with self._lock:
            if self._cached is None or time.monotonic() >= self._until:
                self._cached = self._find()
                self._until = time.monotonic() + 60
            return self._cached

    def forget(self):
        with self._lock:
            self._cached = None

    def _find(self):
        rotating, imds = self._rotating, self._imds
        order = [self._environment, rotating, self._shared, imds]
        if not self._config.external:
            order = [self._environment, imds, self._shared, rotating]
        for provider in order:
            found = provider()
            if found is not None:
                if self._cached is None:
                    self._log.info("Successfully got ECS instance credentials from provider: %s", found.provider)
                return found
        raise NoCredentials("NoCredentialProviders: no valid providers in chain")

    @staticmethod
    def _environment():
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            return None
        return aws_http.Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN", ""), "EnvConfigCredentials")

    def _rotating(self):
        found = credentials_file.read(ROTATING, self._config.profile)
        if found is not None:
            found.provider = "RotatingSharedCredentialsProvider"
        return found

    @staticmethod
    def _shared():
        home = os.environ.get("HOME") or "/root"
        path = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join(home, ".aws", "credentials")
        found = credentials_file.read(path, os.environ.get("AWS_PROFILE") or "default")
        if found is not None:
            found.provider = "SharedConfigCredentials: " + path
        return found

    @staticmethod
    def _imds():
        if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            return None
        base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
        roles = base + "/latest/meta-data/iam/security-credentials/"
        try:
            token = aws_http.request(
                "PUT", base + "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}, timeout=1
            )
            headers = {"X-aws-ec2-metadata-token": token.body.decode()} if token.status == 200 else {}
            names = aws_http.request("GET", roles, headers, timeout=1)
            if names.status != 200 or not names.body.strip():
                return None
            name = names.body.decode().split()[0]
            found = json.loads(aws_http.request("GET", roles + name, headers, timeout=1).body.decode())
            return aws_http.Credentials(
                found["AccessKeyId"], found["SecretAccessKey"], found.get("Token", ""), "EC2RoleProvider"
            )
        except (aws_http.RequestFailed, socket.timeout, ValueError, KeyError):
            return None
