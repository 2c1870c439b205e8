# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agents' side of the wire: RSA-PSS signed calls, SigV4 with role credentials, websockets."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import uuid
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from typing import Any

import simple_websocket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa

JSON = "application/x-amz-json-1.1"
ECS_TARGET = "AmazonEC2ContainerServiceV20141113"
CAPABILITIES = [
    {"name": "ecs.capability.external"},
    {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.17"},
    {"name": "ecs.os-type", "value": "linux"},
    {"name": "ecs.os-family", "value": "LINUX"},
    {"name": "ecs.cpu-architecture", "value": "x86_64"},
]
RESOURCES = [
    {"name": "CPU", "type": "INTEGER", "integerValue": 2048},
    {"name": "MEMORY", "type": "INTEGER", "integerValue": 2000},
    {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "2375", "2376", "51678", "51679"]},
    {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # one for all: making them is slow


class WireError(Exception):
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        try:
            loaded = json.loads(body)
        except ValueError:
            loaded = {"__type": "", "message": body.decode("utf-8", "replace")}
        self.code = loaded.get("__type", "")
        self.message = loaded.get("message", loaded.get("Message", ""))
        super().__init__(f"{status} {self.code}: {self.message}")


def public_key(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


class Node:
    """What both agents of one server hold and do."""

    def __init__(self, port: int, region: str = "eu-west-1", key: rsa.RSAPrivateKey = KEY) -> None:
        self.port, self.region, self.key = port, region, key
        self.host = f"127.0.0.1:{port}"
        self.fingerprint = str(uuid.uuid4())
        self.node_id = ""
        self.token: dict[str, Any] = {}
        self.instance_arn = ""
        self.cluster = ""

    def send(self, headers: dict[str, str], body: bytes, path: str = "/", chunked: bool = False) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                "POST", path, iter([body[:5], body[5:]]) if chunked else body, headers, encode_chunked=chunked
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _result(self, status: int, body: bytes) -> dict[str, Any]:
        if status >= 400:
            raise WireError(status, body)
        return json.loads(body)

    # the SSM agent

    def register(self, activation: dict[str, str]) -> str:
        sent = {
            "ActivationCode": activation["ActivationCode"],
            "ActivationId": activation["ActivationId"],
            "Fingerprint": self.fingerprint,
            "PublicKey": public_key(self.key),
            "PublicKeyType": "Rsa",
        }
        # Unsigned, so only the name of the host can tell the region.
        headers = {
            "X-Amz-Target": "AmazonSSM.RegisterManagedInstance",
            "Content-Type": JSON,
            "Host": f"ssm.{self.region}.amazonaws.com",
        }
        self.node_id = self._result(*self.send(headers, json.dumps(sent).encode()))["InstanceId"]
        return self.node_id

    def signed_by_key(
        self, operation: str, sent: dict[str, Any], key: rsa.RSAPrivateKey | None = None
    ) -> dict[str, Any]:
        body = json.dumps(sent).encode()
        date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = f"AmazonSSM.{operation}"
        digest = hashlib.sha256(body).hexdigest()
        names = "content-type;host;x-amz-date;x-amz-target"
        lines = f"content-type:{JSON}\nhost:{self.host}\nx-amz-date:{date}\nx-amz-target:{target}\n"
        canonical = f"POST\n/\n\n{lines}\n{names}\n{digest}"
        scope = f"{date[:8]}/{self.region}/ssm/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signature = base64.b64encode((key or self.key).sign(text.encode(), pss, hashes.SHA256())).decode()
        headers = {
            "Host": self.host,
            "Content-Type": JSON,
            "X-Amz-Date": date,
            "X-Amz-Target": target,
            "X-Amz-Content-Sha256": digest,
            "Transfer-Encoding": "chunked",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.node_id}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}",
        }
        return self._result(*self.send(headers, body, chunked=True))

    def request_token(self, fingerprint: str = "", key: rsa.RSAPrivateKey | None = None) -> dict[str, Any]:
        self.token = self.signed_by_key(
            "RequestManagedInstanceRoleToken", {"Fingerprint": fingerprint or self.fingerprint}, key
        )
        return self.token

    def _sign(self, service: str, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        token = self.token
        credentials = Credentials(token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"])
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(credentials, service, self.region).add_auth(request)
        return dict(request.headers.items())

    def call(self, service: str, target: str, sent: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(sent).encode()
        headers = {"X-Amz-Target": target, "Content-Type": JSON, "Host": self.host}
        signed = self._sign(service, "POST", f"http://{self.host}/", body, headers)
        return self._result(*self.send(signed, body))

    def ssm(self, operation: str, **sent: Any) -> dict[str, Any]:
        return self.call("ssm", f"AmazonSSM.{operation}", sent)

    def ping(self) -> dict[str, Any]:
        return self.ssm(
            "UpdateInstanceInformation",
            AgentName="amazon-ssm-agent",
            AgentVersion="3.3.4108.0",
            AgentStatus="Active",
            InstanceId=self.node_id,
            PlatformType="Linux",
            PlatformName="Debian GNU/Linux",
            PlatformVersion="12",
            ComputerName="server-1",
            IPAddress="192.0.2.10",
            AvailabilityZone="",
        )

    def control_channel_post(self) -> tuple[int, bytes]:
        path = f"/v1/control-channel/{self.node_id}"
        body = json.dumps({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4())}).encode()
        headers = {"Host": self.host, "Content-Type": "application/json"}
        signed = self._sign("ssmmessages", "POST", f"http://{self.host}{path}", body, headers)
        return self.send(signed, body, path)

    # the ECS agent

    def ecs(self, operation: str, **sent: Any) -> dict[str, Any]:
        return self.call("ecs", f"{ECS_TARGET}.{operation}", sent)

    def register_instance(self, cluster: str, **more: Any) -> dict[str, Any]:
        sent = {
            "cluster": cluster,
            "clientToken": str(uuid.uuid4()),
            "instanceIdentityDocument": "",
            "instanceIdentityDocumentSignature": "",
            "attributes": CAPABILITIES,
            "totalResources": RESOURCES,
            **more,
        }
        instance = self.ecs("RegisterContainerInstance", **sent)["containerInstance"]
        self.instance_arn, self.cluster = instance["containerInstanceArn"], cluster
        return instance

    def websocket(self, service: str, path: str) -> Any:
        # This client names the host without its port.
        signed = self._sign(service, "GET", f"http://127.0.0.1{path}", b"", {"Host": "127.0.0.1"})
        signed.pop("Host", None)
        return simple_websocket.Client.connect(f"ws://{self.host}{path}", headers=signed)

    def acs(self) -> Any:
        query = (
            f"agentHash=8dfceca6&agentVersion=1.105.1&clusterArn={self.cluster}"
            f"&containerInstanceArn={self.instance_arn.replace(':', '%3A').replace('/', '%2F')}"
            "&dockerVersion=DockerVersion%3A%2020.10.24&protocolVersion=2&sendCredentials=true&seqNum=1"
        )
        return self.websocket("ecs", f"/ws?{query}")

    def tcs(self) -> Any:
        arn = self.instance_arn.replace(":", "%3A").replace("/", "%2F")
        query = (
            f"agentHash=8dfceca6&agentVersion=1.105.1&cluster={self.cluster}&containerInstance={arn}&dockerVersion=20"
        )
        return self.websocket("ecs", f"/ws?{query}")

    def control_channel(self) -> Any:
        return self.websocket("ssmmessages", f"/v1/control-channel/{self.node_id}?role=subscribe&stream=input")


def hear(socket: Any, kind: str, timeout: float = 10) -> dict[str, Any]:
    """The next frame of this kind."""
    while text := socket.receive(timeout=timeout):
        loaded = json.loads(text)
        if loaded["type"] == kind:
            return loaded["message"]
    raise AssertionError(f"no {kind} within {timeout} s")


def hang_up(socket: Any) -> None:
    with suppress(Exception):
        socket.close()
