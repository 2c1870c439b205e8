# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _task_definition

CONTAINER = {"name": "web", "image": "nginx", "memory": 64}
DOCUMENT = {"family": "web", "containerDefinitions": [CONTAINER]}
AWS = {
    "family": "web",
    "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
    "revision": 1,
    "status": "ACTIVE",
    "networkMode": "bridge",
    "compatibilities": ["EC2", "EXTERNAL"],
    "requiresCompatibilities": ["EXTERNAL"],
    "requiresAttributes": [{"name": "x"}],
    "volumes": [],
    "placementConstraints": [],
    "containerDefinitions": [
        {
            **CONTAINER,
            "cpu": 0,
            "essential": True,
            "portMappings": [],
            "environment": [],
            "mountPoints": [],
            "volumesFrom": [],
            "systemControls": [],
        }
    ],
}


@pytest.fixture(scope="module")
def shape():
    client = boto3.client("ecs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    return client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape


def container(**changes):
    return {**DOCUMENT, "containerDefinitions": [{**CONTAINER, **changes}]}


def of_aws(**changes):
    return {**AWS, "containerDefinitions": [{**AWS["containerDefinitions"][0], **changes}]}


def env(*names):
    return [{"name": n, "value": n.lower()} for n in names]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (DOCUMENT, AWS),
        ({**DOCUMENT, "networkMode": "bridge", "tags": [{"key": "a", "value": "b"}]}, AWS),
        ({**DOCUMENT, "cpu": "0.5 vCPU", "memory": "1 GB"}, {**AWS, "cpu": "512", "memory": "1024"}),
        ({**DOCUMENT, "cpu": 256}, {**AWS, "cpu": "256"}),
        (container(environment=env("A", "B")), of_aws(environment=env("B", "A"))),
        (container(portMappings=[{"containerPort": 80}]),
         of_aws(portMappings=[{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}])),
        ({**container(portMappings=[{"containerPort": 80}]), "networkMode": "host"},
         {**of_aws(portMappings=[{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]), "networkMode": "host"}),
        (container(healthCheck={"command": ["CMD", "x"]}),
         of_aws(healthCheck={"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3})),
        (container(mountPoints=[{"sourceVolume": "d", "containerPath": "/d"}]),
         of_aws(mountPoints=[{"sourceVolume": "d", "containerPath": "/d", "readOnly": False}])),
        ({**DOCUMENT, "volumes": [{"name": "b"}, {"name": "a", "host": {"sourcePath": "/a"}}]},
         {**AWS, "volumes": [{"name": "a", "host": {"sourcePath": "/a"}}, {"name": "b", "host": {}}]}),
        (container(readonlyRootFilesystem=False, command=[]), AWS),
    ],
)  # fmt: skip
def test_what_means_the_same(document, found, shape):
    assert _task_definition.same(found, _task_definition.document_of(document, shape))


@pytest.mark.parametrize(
    "document",
    [
        container(image="nginx:2"),
        container(memory=65),
        container(essential=False),
        container(environment=env("A")),
        container(environment=[{"name": "A", "value": ""}]),
        container(command=["a", "b"]),
        container(privileged=True),
        container(portMappings=[{"containerPort": 80, "hostPort": 8080}]),
        container(healthCheck={"command": ["CMD", "x"], "interval": 10}),
        {**DOCUMENT, "networkMode": "host"},
        {**DOCUMENT, "executionRoleArn": "arn:x"},
        {**DOCUMENT, "volumes": [{"name": "a"}]},
        {**DOCUMENT, "containerDefinitions": [CONTAINER, {**CONTAINER, "name": "side"}]},
        {**DOCUMENT, "requiresCompatibilities": ["EC2"]},
    ],
)
def test_what_does_not(document, shape):
    assert not _task_definition.same(AWS, _task_definition.document_of(document, shape))


def test_the_order_of_a_command_counts(shape):
    two = [_task_definition.document_of(container(command=words), shape) for words in (["a", "b"], ["b", "a"])]
    assert not _task_definition.same(*two)


def test_a_document_is_made_what_aws_takes(shape):
    given = {
        **AWS,
        "cpu": 256,
        "tags": [{"key": "a", "value": 4711}],
        "containerDefinitions": [
            {
                "name": "web",
                "image": "nginx",
                "memory": "64",
                "essential": "true",
                "environment": [{"name": "N", "value": 1}, {"name": "B", "value": True}],
                "command": ["sleep", 60],
                "dockerLabels": {"n": 1},
                "logConfiguration": {"logDriver": "json-file", "options": {"max-file": 3}},
                "nonsense": 1,
            }
        ],
    }
    document = _task_definition.document_of(given, shape)
    assert set(document) & set(_task_definition.ANSWERS_ONLY) == set()
    assert (document["cpu"], document["tags"]) == ("256", [{"key": "a", "value": "4711"}])
    (made,) = document["containerDefinitions"]
    assert made == {
        "name": "web",
        "image": "nginx",
        "memory": 64,
        "essential": True,
        "environment": [{"name": "N", "value": "1"}, {"name": "B", "value": "true"}],
        "command": ["sleep", "60"],
        "dockerLabels": {"n": "1"},
        "logConfiguration": {"logDriver": "json-file", "options": {"max-file": "3"}},
        "nonsense": 1,
    }


@pytest.mark.parametrize(
    ("given", "made"), [(None, ["EXTERNAL"]), (["EC2"], ["EC2", "EXTERNAL"]), (["EXTERNAL"], ["EXTERNAL"]), ("x", "x")]
)
def test_external_is_always_among_the_compatibilities(given, made, shape):
    document = _task_definition.document_of({**DOCUMENT, "requiresCompatibilities": given, "tags": []}, shape)
    assert document["requiresCompatibilities"] == made
    assert "tags" not in document


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (DOCUMENT, None),
        ({**DOCUMENT, "networkMode": "host"}, None),
        ({}, "no family"),
        ({"family": "web"}, "no containerDefinitions"),
        ({"family": "web", "container_definitions": []}, "keys are AWS's own"),
        ({**DOCUMENT, "networkMode": "awsvpc"}, "networkMode awsvpc is not possible"),
    ],
)
def test_problems(given, words):
    problem = _task_definition.problem_of(given)
    assert problem is None if words is None else words in problem


def test_names():
    assert _task_definition.name_of(AWS["taskDefinitionArn"]) == "web:1"
    assert _task_definition.to_be_registered(DOCUMENT) == "web:(new)"
