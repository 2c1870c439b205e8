# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What public linters say of the generated policies; docs/permissions.md explains what they still say."""

from __future__ import annotations

import json
from pathlib import Path

import parliament
import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._execution_policy import secrets_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import FEATURES
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._node_policy import node_policy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import OPTIONS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import PLAYBOOKS
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._operator_policy import operator_policy
from cloudsplaining.scan.policy_document import PolicyDocument

ACCOUNT = "123456789012"
DOC = Path(__file__).resolve().parents[4] / "docs" / "permissions.md"
AUDITORS = Path(parliament.__file__).parent / "community_auditors" / "config_override.yaml"
REGIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1"}
RISKS = (
    "allows_data_exfiltration_actions",
    "allows_privilege_escalation",
    "contains_statement_using_not_action",
    "credentials_exposure",
    "infrastructure_modification",
    "permissions_management_without_constraints",
    "service_wildcard",
    "tagging_actions_without_constraints",
    "write_actions_without_constraints",
)
# Policy, partitions, what is said. Everything else that a linter says is an error.
KNOWN = {
    ("node", "CREDENTIALS_EXPOSURE"): ["aws", "aws-cn", "aws-us-gov"],
    ("node", "INVALID_ARN"): ["aws-eusc"],
    ("execution", "INVALID_ARN"): ["aws-eusc"],
    ("register", "PERMISSIONS_MANAGEMENT_ACTIONS"): ["aws", "aws-cn", "aws-us-gov"],
    ("register", "INVALID_ARN"): ["aws-eusc"],
    ("deregister", "INVALID_ARN"): ["aws-eusc"],
    ("prune", "INVALID_ARN"): ["aws-eusc"],
    ("smoke_test", "INVALID_ARN"): ["aws-eusc"],
    ("status", "INVALID_ARN"): ["aws-eusc"],
    ("upgrade", "INVALID_ARN"): ["aws-eusc"],
    ("audit", "INVALID_ARN"): ["aws", "aws-cn", "aws-us-gov", "aws-eusc"],
}


def policies(kind, partition, clusters):
    region = REGIONS[partition]
    if kind == "execution":
        yield secrets_policy(
            f"arn:{partition}:{resource}"
            for resource in (
                f"secretsmanager:{region}:{ACCOUNT}:secret:edge/db-AbCdEf",
                f"ssm:{region}:{ACCOUNT}:parameter/edge/token",
                f"kms:{region}:{ACCOUNT}:key/11111111-2222-4333-8444-555555555555",
            )
        )
        return
    if kind != "node":
        for options in ({}, *({option: True} for option in OPTIONS.get(kind, ()))):
            yield operator_policy(kind, clusters=clusters, regions=[region], account=ACCOUNT, **options)
        return
    for features in (*([f] for f in FEATURES), (), FEATURES):
        yield node_policy(clusters=clusters, regions=[region], features=features, partition=partition, account=ACCOUNT)


@pytest.mark.parametrize("clusters", [(), ("edge", "other")])
@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("kind", ["execution", "node", *sorted(PLAYBOOKS)])
def test_parliament_says_nothing_severe(kind, partition, clusters):
    parliament.override_config(str(AUDITORS))
    said = {}
    for document in policies(kind, partition, clusters):
        for finding in parliament.analyze_policy_string(json.dumps(document), include_community_auditors=True).findings:
            said[finding.issue] = parliament.enhance_finding(finding).severity
    assert set(said.values()) <= {"MEDIUM"}
    assert set(said) == {issue for (policy, issue), places in KNOWN.items() if policy == kind and partition in places}


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("kind", ["execution", "node", *sorted(PLAYBOOKS)])
def test_cloudsplaining_says_nothing(kind, partition):
    for clusters in ((), ("edge",)):
        for document in policies(kind, partition, clusters):
            found = PolicyDocument(document)
            assert {risk: getattr(found, risk) for risk in RISKS if getattr(found, risk)} == {}


def test_the_linters_do_find_what_is_wrong():
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]}
    parliament.override_config(str(AUDITORS))
    found = parliament.analyze_policy_string(json.dumps(everything), include_community_auditors=True).findings
    assert "PRIVILEGE_ESCALATION" in {f.issue for f in found}
    assert PolicyDocument(everything).allows_privilege_escalation


@pytest.mark.parametrize("issue", sorted({issue for _policy, issue in KNOWN}))
def test_what_remains_is_explained(issue):
    assert f"`{issue}`" in DOC.read_text()
