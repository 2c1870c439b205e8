# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The API functions against botocore's own models: parameters, pages, retries, what counts as missing."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _iam
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _sts
from botocore.exceptions import ConnectionClosedError

ID = "11111111-1111-4111-8111-111111111111"
MI = "mi-0123456789abcdef0"


WRITES = [
    (
        "iam",
        lambda c: _iam.update_trust(c, "r", "{}"),
        "update_assume_role_policy",
        {"RoleName": "r", "PolicyDocument": "{}"},
    ),
    ("iam", lambda c: _iam.update_role(c, "r", Description="d"), "update_role", {"RoleName": "r", "Description": "d"}),
    (
        "iam",
        lambda c: _iam.put_boundary(c, "r", "a" * 20),
        "put_role_permissions_boundary",
        {"RoleName": "r", "PermissionsBoundary": "a" * 20},
    ),
    ("iam", lambda c: _iam.delete_boundary(c, "r"), "delete_role_permissions_boundary", {"RoleName": "r"}),
    (
        "iam",
        lambda c: _iam.attach_policy(c, "r", "a" * 20),
        "attach_role_policy",
        {"RoleName": "r", "PolicyArn": "a" * 20},
    ),
    (
        "iam",
        lambda c: _iam.detach_policy(c, "r", "a" * 20),
        "detach_role_policy",
        {"RoleName": "r", "PolicyArn": "a" * 20},
    ),
    (
        "iam",
        lambda c: _iam.tag_role(c, "r", [{"Key": "k", "Value": "v"}]),
        "tag_role",
        {"RoleName": "r", "Tags": [{"Key": "k", "Value": "v"}]},
    ),
    ("iam", lambda c: _iam.untag_role(c, "r", ["k"]), "untag_role", {"RoleName": "r", "TagKeys": ["k"]}),
    (
        "iam",
        lambda c: _iam.remove_from_instance_profile(c, "r", "p"),
        "remove_role_from_instance_profile",
        {"RoleName": "r", "InstanceProfileName": "p"},
    ),
    (
        "iam",
        lambda c: _iam.delete_inline_policy(c, "r", "p"),
        "delete_role_policy",
        {"RoleName": "r", "PolicyName": "p"},
    ),
    (
        "iam",
        lambda c: _iam.put_inline_policy(c, "r", "p", "{}"),
        "put_role_policy",
        {"RoleName": "r", "PolicyName": "p", "PolicyDocument": "{}"},
    ),
    ("iam", lambda c: _iam.delete_role(c, "r"), "delete_role", {"RoleName": "r"}),
    ("ssm", lambda c: _ssm.delete_activation(c, ID), "delete_activation", {"ActivationId": ID}),
    ("ssm", lambda c: _ssm.delete_parameter(c, "/p"), "delete_parameter", {"Name": "/p"}),
    (
        "ssm",
        lambda c: _ssm.update_node_role(c, MI, "a/r"),
        "update_managed_instance_role",
        {"InstanceId": MI, "IamRole": "a/r"},
    ),
    (
        "ssm",
        lambda c: _ssm.deregister_node(c, MI),
        "deregister_managed_instance",
        {"InstanceId": MI},
    ),
    (
        "ecs",
        lambda c: _ecs.update_container_instances_state(c, "edge", ["a"], "DRAINING"),
        "update_container_instances_state",
        {"cluster": "edge", "containerInstances": ["a"], "status": "DRAINING"},
    ),
    (
        "ecs",
        lambda c: _ecs.deregister_container_instance(c, "edge", "a", False),
        "deregister_container_instance",
        {"cluster": "edge", "containerInstance": "a", "force": False},
    ),
    (
        "ecs",
        lambda c: _ecs.stop_task(c, "edge", "t", "because"),
        "stop_task",
        {"cluster": "edge", "task": "t", "reason": "because"},
    ),
]


@pytest.mark.parametrize(("service", "call", "operation", "params"), WRITES, ids=[w[2] for w in WRITES])
@pytest.mark.parametrize("code", ["Throttling", "ThrottlingException", "InternalFailure"])
def test_writes_that_may_be_repeated_send_what_aws_wants_and_are(api, service, call, operation, params, code):
    client, stubber = api(service)
    stubber.add_client_error(operation, code)
    stubber.add_response(operation, {}, params)
    call(client)


DELETIONS = [
    ("iam", lambda c: _iam.delete_boundary(c, "r"), "delete_role_permissions_boundary", "NoSuchEntity"),
    ("iam", lambda c: _iam.detach_policy(c, "r", "a" * 20), "detach_role_policy", "NoSuchEntity"),
    (
        "iam",
        lambda c: _iam.remove_from_instance_profile(c, "r", "p"),
        "remove_role_from_instance_profile",
        "NoSuchEntity",
    ),
    ("iam", lambda c: _iam.delete_inline_policy(c, "r", "p"), "delete_role_policy", "NoSuchEntity"),
    ("iam", lambda c: _iam.delete_role(c, "r"), "delete_role", "NoSuchEntity"),
    ("ssm", lambda c: _ssm.delete_activation(c, ID), "delete_activation", "InvalidActivation"),
    ("ssm", lambda c: _ssm.delete_activation(c, ID), "delete_activation", "InvalidActivationId"),
    ("ssm", lambda c: _ssm.delete_parameter(c, "/p"), "delete_parameter", "ParameterNotFound"),
    ("ssm", lambda c: _ssm.deregister_node(c, MI), "deregister_managed_instance", "InvalidInstanceId"),
]


@pytest.mark.parametrize(("service", "call", "operation", "code"), DELETIONS)
def test_deleting_what_is_gone_is_no_error(api, service, call, operation, code):
    client, stubber = api(service)
    stubber.add_client_error(operation, code)
    assert call(client) is False


def test_ecs_tells_by_its_words_what_is_gone(api):
    client, stubber = api("ecs")
    for operation, call in (
        ("deregister_container_instance", lambda: _ecs.deregister_container_instance(client, "edge", "a", False)),
        ("stop_task", lambda: _ecs.stop_task(client, "edge", "t", "because")),
    ):
        stubber.add_client_error(operation, "InvalidParameterException", "The referenced thing was not found.")
        assert call() is False
        stubber.add_client_error(operation, "InvalidParameterException", "Found running tasks on the instance.")
        with pytest.raises(_ecs.EcsError):
            call()


def test_tasks_of_all_pages(api):
    client, stubber = api("ecs")
    sent = {"cluster": "edge", "containerInstance": "a", "maxResults": 100}
    arns = [f"t{n}" for n in range(101)]
    stubber.add_response("list_tasks", {"taskArns": arns[:100], "nextToken": "n"}, sent)
    stubber.add_response("list_tasks", {"taskArns": arns[100:]}, {**sent, "nextToken": "n"})
    assert _ecs.list_tasks(client, "edge", "a") == arns
    stubber.add_response("describe_tasks", {"tasks": [{"taskArn": "t0"}]}, {"cluster": "edge", "tasks": arns[:100]})
    stubber.add_response("describe_tasks", {"tasks": []}, {"cluster": "edge", "tasks": arns[100:]})
    assert [t["taskArn"] for t in _ecs.describe_tasks(client, "edge", arns)] == ["t0"]


def test_reading_what_is_missing(api):
    iam, iam_stub = api("iam")
    ssm, ssm_stub = api("ssm")
    ecs, ecs_stub = api("ecs")
    for operation in (
        "get_role",
        "list_attached_role_policies",
        "list_role_policies",
        "list_instance_profiles_for_role",
    ):
        iam_stub.add_client_error(operation, "NoSuchEntity")
    assert _iam.get_role(iam, "r") is None
    assert _iam.list_attached_policies(iam, "r") == []
    assert _iam.list_inline_policies(iam, "r") == []
    assert _iam.list_instance_profiles(iam, "r") == []
    iam_stub.add_client_error("get_policy", "NoSuchEntity")
    assert _iam.get_policy(iam, "a" * 20) is None
    iam_stub.add_client_error("get_policy_version", "NoSuchEntity")
    assert _iam.get_policy_document(iam, "a" * 20, "v1") is None
    ssm_stub.add_client_error("get_parameter", "ParameterNotFound")
    assert _ssm.get_parameter(ssm, "/p") is None
    ecs_stub.add_client_error("describe_clusters", "ClusterNotFoundException")
    assert _ecs.describe_cluster(ecs, "c") is None


def test_clusters_in_use_are_read_by_the_hundred(api):
    client, stubber = api("ecs")
    arns = [f"arn:aws:ecs:eu-west-1:123456789012:cluster/c{n:03d}" for n in range(150)]
    stubber.add_response("list_clusters", {"clusterArns": arns[:100], "nextToken": "t"}, {"maxResults": 100})
    stubber.add_response("list_clusters", {"clusterArns": arns[100:]}, {"maxResults": 100, "nextToken": "t"})
    for chunk in (arns[:100], arns[100:]):
        shown = [
            {
                "clusterArn": arn,
                "clusterName": arn[-4:],
                "status": "INACTIVE" if arn.endswith("7") else "ACTIVE",
                "registeredContainerInstancesCount": int(arn.endswith(("7", "8"))),
            }
            for arn in reversed(chunk)
        ]
        stubber.add_response("describe_clusters", {"clusters": shown}, {"clusters": chunk})
    assert [c["clusterName"] for c in _ecs.clusters_in_use(client)] == [f"c{n:03d}" for n in range(8, 150, 10)]


NODE = {"ResourceType": "ManagedInstance", "ResourceId": MI}
ON = {"targetType": "container-instance", "targetId": "arn:i", "name": "hall"}
LABELS = [
    ("ecs", lambda c: _ecs.put_attributes(c, "e", [("arn:i", "hall", "4")]), "put_attributes",
     {"cluster": "e", "attributes": [{**ON, "value": "4"}]}),
    ("ecs", lambda c: _ecs.delete_attributes(c, "e", [("arn:i", "hall", "4")]), "delete_attributes",
     {"cluster": "e", "attributes": [ON]}),
    ("ecs", lambda c: _ecs.tag_resource(c, "arn:i", {"a": "1"}), "tag_resource",
     {"resourceArn": "arn:i", "tags": [{"key": "a", "value": "1"}]}),
    ("ecs", lambda c: _ecs.untag_resource(c, "arn:i", ["a"]), "untag_resource",
     {"resourceArn": "arn:i", "tagKeys": ["a"]}),
    ("ssm", lambda c: _ssm.add_node_tags(c, MI, {"a": "1"}), "add_tags_to_resource",
     {**NODE, "Tags": [{"Key": "a", "Value": "1"}]}),
    ("ssm", lambda c: _ssm.remove_node_tags(c, MI, ["a"]), "remove_tags_from_resource", {**NODE, "TagKeys": ["a"]}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "call", "operation", "sent"), LABELS, ids=[row[2] for row in LABELS])
def test_labels_are_written_again_after_trouble(api, service, call, operation, sent):
    client, stubber = api(service)
    stubber.add_client_error(operation, "ThrottlingException", expected_params=sent)
    stubber.add_response(operation, {}, sent)
    call(client)


def test_tags_of_managed_nodes_are_read_by_list_and_one_by_one(api):
    client, stubber = api("ssm")
    sent = {"Filters": [{"Key": "tag:a", "Values": ["1"]}, {"Key": "tag:b", "Values": ["2"]}], "MaxResults": 50}
    stubber.add_response(
        "describe_instance_information", {"InstanceInformationList": [{"InstanceId": MI}], "NextToken": "t"}, sent
    )
    stubber.add_response("describe_instance_information", {"InstanceInformationList": []}, {**sent, "NextToken": "t"})
    assert _ssm.nodes_with_tags(client, {"a": "1", "b": "2"}) == {MI}
    stubber.add_response("list_tags_for_resource", {"TagList": [{"Key": "a", "Value": "1"}]}, NODE)
    assert _ssm.list_node_tags(client, MI) == {"a": "1"}


def test_an_inline_policy_comes_as_a_dictionary(api):
    client, stubber = api("iam")
    answer = {"RoleName": "r", "PolicyName": "p", "PolicyDocument": "%7B%22Statement%22%3A%20%5B%5D%7D"}
    stubber.add_response("get_role_policy", answer, {"RoleName": "r", "PolicyName": "p"})
    assert _iam.get_inline_policy(client, "r", "p") == {"Statement": []}
    stubber.add_client_error("get_role_policy", "NoSuchEntity")
    assert _iam.get_inline_policy(client, "r", "q") is None


def test_the_account_of_the_credentials(api):
    client, stubber = api("sts")
    stubber.add_client_error("get_caller_identity", "Throttling")
    stubber.add_response("get_caller_identity", {"Account": "123456789012"}, {})
    assert _sts.get_account(client) == "123456789012"
    stubber.add_client_error("get_caller_identity", "ExpiredToken")
    with pytest.raises(_sts.StsError, match="which account"):
        _sts.get_account(client)


def test_attached_policies_of_all_pages(api):
    client, stubber = api("iam")
    page = [{"PolicyName": "a", "PolicyArn": "a" * 20}]
    stubber.add_response(
        "list_attached_role_policies", {"AttachedPolicies": page, "IsTruncated": True, "Marker": "m"}, {"RoleName": "r"}
    )
    stubber.add_response("list_attached_role_policies", {"AttachedPolicies": page}, {"RoleName": "r", "Marker": "m"})
    assert len(_iam.list_attached_policies(client, "r")) == 2


def test_policies_are_listed_by_the_thousand(api):
    client, stubber = api("iam")
    stubber.add_response("list_policies", {"Policies": [{"PolicyName": "a", "Arn": "a" * 20}]}, {"MaxItems": 1000})
    assert [p["PolicyName"] for p in _iam.list_policies(client)] == ["a"]


def test_roles_of_all_pages(api):
    client, stubber = api("iam")
    role = {
        "Path": "/",
        "RoleId": "A" * 16,
        "Arn": "arn:aws:iam::123456789012:role/r",
        "CreateDate": 0,
        "AssumeRolePolicyDocument": "%7B%7D",
    }
    first, second = [{**role, "RoleName": name} for name in ("a", "b")]
    stubber.add_response("list_roles", {"Roles": [first], "IsTruncated": True, "Marker": "m"}, {"MaxItems": 1000})
    stubber.add_response("list_roles", {"Roles": [second]}, {"MaxItems": 1000, "Marker": "m"})
    assert [(r["RoleName"], r["AssumeRolePolicyDocument"]) for r in _iam.list_roles(client)] == [("a", {}), ("b", {})]


def test_a_managed_policy_and_its_document(api):
    client, stubber = api("iam")
    stubber.add_response("get_policy", {"Policy": {"DefaultVersionId": "v3"}}, {"PolicyArn": "a" * 20})
    assert _iam.get_policy(client, "a" * 20) == {"DefaultVersionId": "v3"}
    stubber.add_response(
        "get_policy_version",
        {"PolicyVersion": {"Document": "%7B%7D", "VersionId": "v3"}},
        {"PolicyArn": "a" * 20, "VersionId": "v3"},
    )
    assert _iam.get_policy_document(client, "a" * 20, "v3") == {}


def test_managed_nodes_of_all_pages(api):
    client, stubber = api("ssm")
    sent = {"Filters": [{"Key": "ResourceType", "Values": ["ManagedInstance"]}], "MaxResults": 50}
    nodes = [{"InstanceId": f"mi-0123456789abcdef{n}", "IamRole": "r"} for n in range(2)]
    stubber.add_response(
        "describe_instance_information", {"InstanceInformationList": nodes[:1], "NextToken": "t"}, sent
    )
    stubber.add_response(
        "describe_instance_information", {"InstanceInformationList": nodes[1:]}, {**sent, "NextToken": "t"}
    )
    assert _ssm.list_managed_nodes(client) == nodes


@pytest.mark.parametrize("code", ["ThrottlingException", "Throttling", "TooManyUpdates"])
def test_create_activation_is_repeated_when_throttled(api, code):
    client, stubber = api("ssm")
    stubber.add_client_error("create_activation", code)
    stubber.add_response("create_activation", {"ActivationId": ID, "ActivationCode": "c" * 20}, {"IamRole": "r"})
    assert _ssm.create_activation(client, IamRole="r") == {"ActivationId": ID, "ActivationCode": "c" * 20}


@pytest.mark.parametrize(
    "code", ["InternalServerError", "InternalFailure", "ServiceUnavailable", "ValidationException"]
)
def test_create_activation_is_repeated_for_nothing_else(api, code):
    client, stubber = api("ssm")
    stubber.add_client_error("create_activation", code)
    with pytest.raises(_ssm.SsmError):
        _ssm.create_activation(client, IamRole="r")


def test_reads_survive_a_broken_connection(api):
    client, stubber = api("ssm")
    real, broken = client.get_parameter, [ConnectionClosedError(endpoint_url="x")]

    def once_broken(**params):
        if broken:
            raise broken.pop()
        return real(**params)

    client.get_parameter = once_broken
    stubber.add_response(
        "get_parameter", {"Parameter": {"Name": "/p", "Value": "v"}}, {"Name": "/p", "WithDecryption": True}
    )
    assert _ssm.get_parameter(client, "/p") == {"Name": "/p", "Value": "v"}


def test_retries_end(api):
    client, stubber = api("ssm")
    for _try in range(8):
        stubber.add_client_error("create_activation", "ThrottlingException")
    with pytest.raises(_ssm.SsmError):
        _ssm.create_activation(client, IamRole="r")
