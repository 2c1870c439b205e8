# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _inline_policy

READ = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
}
WRITE = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}


def document(*statements, version="2012-10-17"):
    return {"Version": version, "Statement": list(statements)}


def policies(**documents):
    return [{"PolicyName": name, "PolicyDocument": documents[name]} for name in sorted(documents)]


@pytest.mark.parametrize(
    "written",
    [
        document(READ, WRITE),
        document(WRITE, READ),
        document({**READ, "Action": READ["Action"][::-1]}, WRITE),
        document({**READ, "Resource": READ["Resource"][::-1]}, WRITE),
        document(READ, {**WRITE, "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::b/*"]}),
    ],
)
def test_the_same_meaning_stays_as_it_is_written(written):
    current = policies(p=written)
    assert _inline_policy.wanted(current, {"p": document(READ, WRITE)}, (), False) == current


@pytest.mark.parametrize(
    "written",
    [
        document(READ),
        document(READ, {**WRITE, "Effect": "Deny"}),
        document(READ, {**WRITE, "Action": "s3:*"}),
        document(READ, {**WRITE, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
        document(READ, WRITE, version="2008-10-17"),
        {"Statement": [READ, WRITE]},  # without a version it is of 2008
    ],
)
def test_another_meaning_is_replaced(written):
    wanted = _inline_policy.wanted(policies(p=written), {"p": document(READ, WRITE)}, (), False)
    assert wanted == policies(p=document(READ, WRITE))


def test_one_statement_may_stand_without_a_list():
    current = policies(p={"Version": "2012-10-17", "Statement": WRITE})
    assert _inline_policy.wanted(current, {"p": document(WRITE)}, (), False) == current


@pytest.mark.parametrize(
    ("asked", "retired", "purge", "left"),
    [
        ({}, (), False, ["mine", "other"]),
        ({}, (), True, []),
        ({"mine": document(READ)}, (), True, ["mine"]),
        ({"new": document(READ)}, (), False, ["mine", "new", "other"]),
        ({"new": document(READ)}, (), True, ["new"]),
        ({}, ("mine",), False, ["other"]),
        ({"mine": document(WRITE)}, ("mine",), False, ["mine", "other"]),
        ({}, ("unknown",), False, ["mine", "other"]),
    ],
)
def test_what_goes_and_what_stays(asked, retired, purge, left):
    current = policies(mine=document(READ), other=document(WRITE))
    assert [p["PolicyName"] for p in _inline_policy.wanted(current, asked, retired, purge)] == left


def test_json_text_is_a_document_too():
    given = {"text": json.dumps(document(READ)), "dictionary": document(READ)}
    assert set(map(str, _inline_policy.documents_of(given).values())) == {str(document(READ))}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"a b": document(READ)}, "'a b' is no name"),
        ({"x" * 129: document(READ)}, "is no name"),
        ({"": document(READ)}, "is no name"),
        ({"ours": document(READ)}, "ours is the policy that this module writes itself"),
        ({"p": "{"}, "p is not JSON: Expecting"),
        ({"p": "[]"}, "p is not a policy document"),
        ({"p": {"Version": "2012-10-17"}}, "p is not a policy document"),
        ({"p": None}, "p is not a policy document"),
    ],
)
def test_what_is_no_policy(given, words):
    with pytest.raises(ValueError, match=words):
        _inline_policy.documents_of(given, reserved=["ours"])
