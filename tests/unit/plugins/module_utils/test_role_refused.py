# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _role_refused


def role(trust="ssm.amazonaws.com", path="/"):
    document = {"Statement": [{"Effect": "Allow", "Principal": {"Service": trust}, "Action": "sts:AssumeRole"}]}
    return {"RoleName": "r", "Path": path, "AssumeRolePolicyDocument": document}


@pytest.mark.parametrize(
    ("asked", "found", "state", "evidence"),
    [
        ("r", role(), "right", "right trust"),
        ("p/r", role(path="/p/"), "right", "right trust"),
        ("r", role("ec2.amazonaws.com"), "wrong", "ec2.amazonaws.com"),
        ("r", None, "wrong", "knows no role r"),
        ("p/r", role(), "other-path", "give iam_role=r"),
        ("r", role(path="/p/"), "other-path", "give iam_role=p/r"),
    ],
)
def test_judge_role(asked, found, state, evidence):
    verdict = _role_refused.judge_role(asked, found)
    assert verdict.state == state and evidence in verdict.evidence
