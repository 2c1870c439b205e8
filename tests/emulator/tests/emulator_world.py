# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests build in the emulator, and how they look at it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from agent_client import Node
from botocore.exceptions import ClientError
from emulator_process import Emulator

ROLE = "ecsAnywhereRole"
POLICIES = ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role")
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": ["ssm.amazonaws.com"]}, "Action": "sts:AssumeRole"},
}


def make_role(
    iam: Any, name: str = ROLE, policies: tuple[str, ...] = POLICIES, path: str = "/", trust: Any = TRUST
) -> str:
    """The name that SSM takes."""
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Path=path)["Role"]
    partition = role["Arn"].split(":")[1]
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:{partition}:iam::aws:policy/{policy}")
    return f"{path}{name}".lstrip("/")


def make_node(emulator: Emulator, ssm: Any, role: str, **activation: Any) -> Node:
    node = Node(emulator.http_port)
    node.register(ssm.create_activation(IamRole=role, **activation))
    node.request_token()
    return node


def allow(*actions: str, resource: Any = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_user(iam: Any, *documents: str) -> tuple[str, str]:
    iam.create_user(UserName="tester")
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName="tester", PolicyName=f"p{number}", PolicyDocument=document)
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@contextmanager
def fails(code: str, text: str = "", status: int = 0) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response
    assert (error["Error"]["Code"], text in error["Error"]["Message"]) == (code, True), error["Error"]
    if status:
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status


def eventually(check: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := check()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert result, "did not happen in time"
    return result


def pages(call: Callable[..., dict[str, Any]], member: str, token: str = "NextToken", **sent: Any) -> list[list[Any]]:
    found, more = [], {}
    while True:
        answer = call(**sent, **more)
        found.append(answer[member])
        if not answer.get(token):
            return found
        more = {token: answer[token]}
