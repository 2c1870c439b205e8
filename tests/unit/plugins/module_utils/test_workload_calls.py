# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The calls about task definitions, tasks and services against botocore's own model."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_workloads as workloads
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._ecs import EcsError
from botocore.exceptions import ConnectionClosedError

DEFINITION = {"family": "web", "containerDefinitions": [{"name": "a", "image": "b"}]}
TOKEN = "t" * 32
EDGE = {"cluster": "edge"}
CREATED = {"clientToken": TOKEN, "launchType": "EXTERNAL", "serviceName": "web", "desiredCount": 1, **EDGE}
RUN = {"clientToken": TOKEN, "launchType": "EXTERNAL", "taskDefinition": "web", "count": 2, **EDGE}

# What may be sent twice: AWS knows that it is the same.
REPEATED = [
    (lambda c: workloads.describe_task_definition(c, "web"), "describe_task_definition", {"taskDefinition": "web"},
     {"taskDefinition": {"family": "web"}}, {"family": "web"}),
    (lambda c: workloads.deregister_task_definition(c, "web:1"), "deregister_task_definition",
     {"taskDefinition": "web:1"}, {}, True),
    (lambda c: workloads.run_task(c, TOKEN, taskDefinition="web", count=2, **EDGE), "run_task", RUN,
     {"tasks": [{"taskArn": "t"}]}, ([{"taskArn": "t"}], [])),
    (lambda c: workloads.create_service(c, TOKEN, serviceName="web", desiredCount=1, **EDGE), "create_service", CREATED,
     {"service": {"status": "ACTIVE"}}, {"status": "ACTIVE"}),
    (lambda c: workloads.update_service(c, service="web", desiredCount=0, **EDGE), "update_service",
     {"service": "web", "desiredCount": 0, **EDGE}, {"service": {"desiredCount": 0}}, {"desiredCount": 0}),
    (lambda c: workloads.delete_service(c, "edge", "web"), "delete_service",
     {"service": "web", "force": True, **EDGE}, {}, True),
    (lambda c: workloads.describe_service(c, "edge", "web"), "describe_services",
     {"services": ["web"], "include": ["TAGS"], **EDGE}, {"services": [{"serviceName": "w"}]}, {"serviceName": "w"}),
    (lambda c: workloads.find_tasks(c, "edge", "STOPPED", startedBy="me"), "list_tasks",
     {"desiredStatus": "STOPPED", "startedBy": "me", "maxResults": 100, **EDGE}, {"taskArns": ["t"]}, ["t"]),
]  # fmt: skip

# What would be done twice.
ONCE = [
    (lambda c: workloads.register_task_definition(c, DEFINITION), "register_task_definition", DEFINITION,
     {"taskDefinition": {"revision": 1}}, {"revision": 1}),
    (lambda c: workloads.start_task(c, taskDefinition="web", containerInstances=["i"], **EDGE), "start_task",
     {"taskDefinition": "web", "containerInstances": ["i"], **EDGE},
     {"tasks": [], "failures": [{"arn": "i", "reason": "AGENT"}]}, ([], [{"arn": "i", "reason": "AGENT"}])),
    (lambda c: workloads.deploy_service(c, service="web", **EDGE), "update_service",
     {"service": "web", "forceNewDeployment": True, **EDGE}, {"service": {"status": "ACTIVE"}}, {"status": "ACTIVE"}),
]  # fmt: skip


@pytest.mark.parametrize("row", [*REPEATED, *ONCE], ids=lambda row: row[1])
def test_what_is_sent_and_that_throttling_is_got_through(api, row):
    call, operation, sent, answer, expected = row
    client, stubber = api("ecs")
    stubber.add_client_error(operation, "ThrottlingException", expected_params=sent)
    stubber.add_response(operation, answer, sent)
    assert call(client) == expected


@pytest.mark.parametrize("code", ["ServerException", "InternalFailure"])
@pytest.mark.parametrize("row", REPEATED, ids=lambda row: row[1])
def test_what_may_be_sent_twice_is_sent_again_when_nobody_knows(api, row, code):
    call, operation, sent, answer, expected = row
    client, stubber = api("ecs")
    stubber.add_client_error(operation, code, http_status_code=500)
    stubber.add_response(operation, answer, sent)
    assert call(client) == expected


@pytest.mark.parametrize("code", ["ServerException", "InternalFailure"])
@pytest.mark.parametrize("row", ONCE, ids=lambda row: row[1])
def test_what_would_be_done_twice_is_not(api, row, code):
    call, operation, _sent, _answer, _expected = row
    client, stubber = api("ecs")
    stubber.add_client_error(operation, code, http_status_code=500)
    with pytest.raises(EcsError):
        call(client)


def test_nor_after_a_broken_connection(api):
    client, _stubber = api("ecs")
    tries = []

    def broken(**params):
        tries.append(params)
        raise ConnectionClosedError(endpoint_url="x")

    client.start_task = broken
    with pytest.raises(EcsError):
        workloads.start_task(client, taskDefinition="web", containerInstances=["i"])
    assert len(tries) == 1


def test_what_is_not_there(api):
    client, stubber = api("ecs")
    words = "Unable to describe task definition."
    stubber.add_client_error("describe_task_definition", "ClientException", words)
    assert workloads.describe_task_definition(client, "web") is None
    stubber.add_client_error("deregister_task_definition", "ClientException", words)
    assert workloads.deregister_task_definition(client, "web:1") is False
    stubber.add_response("describe_services", {"services": [], "failures": [{"arn": "x", "reason": "MISSING"}]})
    assert workloads.describe_service(client, "edge", "web") is None
    stubber.add_client_error("delete_service", "ServiceNotFoundException")
    assert workloads.delete_service(client, "edge", "web") is False
    stubber.add_client_error("describe_task_definition", "ClientException", "TaskDefinition is broken")
    with pytest.raises(EcsError):
        workloads.describe_task_definition(client, "web")


def test_a_document_is_looked_at_before_it_is_sent(api):
    client, _stubber = api("ecs")
    workloads.validate_task_definition(client, DEFINITION)
    with pytest.raises(EcsError, match="understand the task definition"):
        workloads.validate_task_definition(client, {**DEFINITION, "colour": "red"})


def test_tasks_of_all_pages_are_found(api):
    client, stubber = api("ecs")
    sent = {"desiredStatus": "RUNNING", "serviceName": "web", "maxResults": 100, **EDGE}
    stubber.add_response("list_tasks", {"taskArns": ["a"], "nextToken": "n"}, sent)
    stubber.add_response("list_tasks", {"taskArns": ["b"]}, {**sent, "nextToken": "n"})
    assert workloads.find_tasks(client, "edge", "RUNNING", serviceName="web") == ["a", "b"]
