# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tasks on real servers: the stand-in agents start them as containers of a real Docker, and tell how they ended."""

from __future__ import annotations

import pytest
from test_packages import DEMO_IMAGE

SMOKE = "hybrid.ecs_anywhere.smoke_test"
GOOD, POOR = "works", "poor"


@pytest.fixture(scope="module")
def registered(bed):
    """Two servers, of which one has the image; there is no registry to pull it from."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(GOOD, POOR, docker=True)
    assert bed.register(GOOD, POOR, timeout=900).returncode == 0
    bed.on(GOOD, f"{DEMO_IMAGE} && ln -s busybox /demo/bin/true && tar -C /demo -c . | docker import - demo:1")
    yield
    bed.remove(GOOD, POOR)


def smoke_test(bed, *options):
    return bed.register(GOOD, POOR, playbook=SMOKE, variables={"ecs_anywhere_smoke_image": "demo:1"}, options=options)


def test_a_smoke_test_names_the_server_that_cannot_run_containers(bed, aws, registered):
    checked = smoke_test(bed, "--check")
    assert checked.returncode == 0 and "RegisterTaskDefinition" not in aws.operations(writes=True)
    run = smoke_test(bed)
    assert run.returncode == 2
    assert "2 tasks: 1 ok, 1 failed" in run.text and "1 of 2 servers did not run the task" in run.text
    assert "CannotPullContainerError" in run.text and "the server may not pull it" in run.text
    ecs = aws.client("ecs")
    assert ecs.list_task_definitions(familyPrefix="ecs-anywhere-smoke-test")["taskDefinitionArns"] == []
    assert "smoke" not in bed.on(GOOD, "docker ps --format '{{.Names}}'")  # it has ended there


def test_and_is_content_when_it_can(bed, aws, registered):
    bed.on(POOR, f"{DEMO_IMAGE} && ln -s busybox /demo/bin/true && tar -C /demo -c . | docker import - demo:1")
    run = smoke_test(bed)
    assert run.returncode == 0, run.output
    assert "2 tasks: 2 ok, 0 failed" in run.text
    assert aws.operations().count("StartTask") == 1
