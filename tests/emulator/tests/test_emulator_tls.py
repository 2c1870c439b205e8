# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS by name, and the packages."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any

import pytest
from emulator_process import Emulator
from emulator_world import fails

PATH = "/amazon-ssm-eu-west-1/latest/VERSION"


def trusting(emulator: Emulator) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(emulator.directory / "state" / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def fetch(emulator: Emulator, name: str, path: str, method: str = "GET", **headers: str) -> tuple[Any, bytes]:
    """As a host whose hosts file sends this name to the emulator."""
    raw = socket.create_connection(("127.0.0.1", emulator.https_port), timeout=10)
    with trusting(emulator).wrap_socket(raw, server_hostname=name) as secured:
        connection = http.client.HTTPConnection(name)
        connection.sock = secured
        connection.request(method, path, headers={"Host": name, **headers})
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.mark.parametrize(
    "name",
    [
        "ssm.eu-west-1.amazonaws.com",
        "ecs-a-1.eu-west-1.amazonaws.com",
        "iam.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "ecs.eusc-de-east-1.amazonaws.eu",
        "127.0.0.1",
        "localhost",
    ],
)
def test_every_name_has_a_certificate(emulator: Emulator, name: str) -> None:
    answer, body = fetch(emulator, name, "/_emulator/health")
    assert (answer.status, json.loads(body)["status"]) == (200, "ok")


def test_the_ca_is_needed(emulator: Emulator) -> None:
    raw = socket.create_connection(("127.0.0.1", emulator.https_port), timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(raw, server_hostname="ssm.eu-west-1.amazonaws.com")


def test_a_silent_client_keeps_nobody_waiting(emulator: Emulator) -> None:
    with socket.create_connection(("127.0.0.1", emulator.https_port), timeout=10):
        assert fetch(emulator, "localhost", "/_emulator/health")[0].status == 200


def test_boto3_over_tls(emulator: Emulator, role: str) -> None:
    secure = emulator.client(
        "iam",
        "us-east-1",
        endpoint_url=f"https://127.0.0.1:{emulator.https_port}",
        verify=str(emulator.directory / "state" / "ca.pem"),
    )
    assert secure.get_role(RoleName=role)["Role"]["RoleName"] == role


def test_packages_over_tls_and_by_path(emulator: Emulator) -> None:
    for name, path in (
        ("s3.eu-west-1.amazonaws.com", PATH),
        ("s3.dualstack.eu-west-1.amazonaws.com", PATH),
        ("amazon-ssm-eu-west-1.s3.eu-west-1.amazonaws.com", "/latest/VERSION"),
        ("amazon-ssm-eu-west-1.s3.amazonaws.com", "/latest/VERSION"),
        ("127.0.0.1", PATH),
    ):
        answer, body = fetch(emulator, name, path)
        assert (answer.status, body) == (200, b"3.3.4108.0")
        answer, body = fetch(emulator, name, path, "HEAD")
        assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", "10")
    log = emulator.calls(service="s3")
    assert {(c["principal"], c["status"]) for c in log} == {("anonymous", 200)}
    assert {c["operation"] for c in log} == {"GetObject", "HeadObject"}
    assert log[0]["key"] == PATH.lstrip("/")


def test_ranges_and_big_files(emulator: Emulator) -> None:
    path = "/amazon-ssm-eu-west-1/latest/big"
    answer, body = fetch(emulator, "localhost", path)
    assert (len(body), body[:3]) == (256 * 20_000, b"\x00\x01\x02")
    part, some = fetch(emulator, "localhost", path, Range="bytes=256-511")
    assert (part.status, some) == (206, bytes(range(256)))
    again, _ = fetch(emulator, "localhost", path, **{"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nope/latest/VERSION", 404, "NoSuchBucket"),
        ("/amazon-ssm-eu-west-1/nope", 403, "AccessDenied"),
        ("/amazon-ssm-eu-west-1/", 403, "AccessDenied"),
        ("/amazon-ssm-eu-west-1/latest", 403, "AccessDenied"),
        ("/amazon-ssm-eu-west-1/../../log", 403, "AccessDenied"),
        ("/amazon-ssm-eu-west-1/%2e%2e/%2e%2e/log", 403, "AccessDenied"),
        ("/../log", 404, "NoSuchBucket"),
    ],
)
def test_what_is_not_public(emulator: Emulator, path: str, status: int, code: str) -> None:
    answer, body = fetch(emulator, "s3.eu-west-1.amazonaws.com", path)
    assert (answer.status, f"<Code>{code}</Code>".encode() in body) == (status, True)


def test_a_broken_download(emulator: Emulator) -> None:
    emulator.control("POST", "faults", {"operation": "s3:GetObject", "code": "SlowDown", "status": 503, "count": 1})
    assert fetch(emulator, "localhost", PATH)[0].status == 503
    emulator.control("POST", "faults", {"operation": "s3:GetObject", "drop": "before", "count": 1})
    with pytest.raises((OSError, http.client.HTTPException)):
        fetch(emulator, "localhost", PATH)
    assert fetch(emulator, "localhost", PATH)[0].status == 200


def test_own_buckets_need_a_signature(emulator: Emulator) -> None:
    s3 = emulator.client("s3", "us-east-1")
    s3.create_bucket(Bucket="mine")
    s3.put_object(Bucket="mine", Key="a/b", Body=b"x")
    assert s3.get_object(Bucket="mine", Key="a/b")["Body"].read() == b"x"
    with fails("InvalidAccessKeyId", status=403):
        emulator.client("s3", "us-east-1", key="AKIANOBODY0000000000").list_buckets()


def test_aws_names_for_the_endpoints(emulator: Emulator, server: Any) -> None:
    for host, endpoint in (
        ("ecs.eu-west-1.amazonaws.com", "https://ecs-a-1.eu-west-1.amazonaws.com/"),
        ("127.0.0.1", "http://127.0.0.1"),
    ):
        server.host = host
        answer = server.ecs("DiscoverPollEndpoint", cluster="edge", containerInstance=server.instance_arn)
        assert answer["endpoint"] == endpoint
        assert answer["telemetryEndpoint"] == endpoint.replace("ecs-a-1", "ecs-t-1")
