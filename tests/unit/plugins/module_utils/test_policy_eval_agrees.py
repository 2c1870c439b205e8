# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Two evaluators that were written apart, this collection's and the emulator's, give the same answers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _policy_eval as pe
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

EMULATOR = Path(__file__).resolve().parents[3] / "emulator" / "aws_emulator" / "iam_policy.py"


@pytest.fixture(scope="module")
def emulator():
    spec = importlib.util.spec_from_file_location("emulator_iam_policy", EMULATOR)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


ACTIONS = ["ecs:Poll", "ecs:RegisterContainerInstance", "ssm:GetParameter", "ssm:GetParameters", "iam:PassRole"]
PATTERNS = [*ACTIONS, "*", "ecs:*", "SSM:get*", "ssm:GetParameter?", "ecs:Poll*", "s3:*"]
RESOURCES = [
    "arn:aws:ecs:eu-west-1:123456789012:cluster/edge",
    "arn:aws:ecs:us-east-1:123456789012:cluster/other",
    "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b",
]
RESOURCE_PATTERNS = [*RESOURCES, "*", "arn:aws:ecs:*:123456789012:cluster/*", "arn:aws:ssm:*:*:parameter/a/?", "*/edge"]
VALUES = ["a", "b", "ab", "10", "9", "true", "192.0.2.7", *RESOURCES]
WANTED = [*VALUES, "*", "a*", "?", "192.0.2.0/24", "false", RESOURCE_PATTERNS[4]]
KEYS = ["aws:RequestedRegion", "ecs:cluster", "aws:SourceIp"]
OPERATORS = [
    *("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike"),
    *("StringNotLike", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Bool", "IpAddress", "NotIpAddress"),
]


def some(of):
    return st.one_of(st.sampled_from(of), st.lists(st.sampled_from(of), min_size=1, max_size=3))


def either(name, of):
    return st.sampled_from([name, name, f"Not{name}"]).flatmap(lambda key: some(of).map(lambda value: {key: value}))


operators = st.builds(lambda name, suffix: name + suffix, st.sampled_from(OPERATORS), st.sampled_from(["", "IfExists"]))
conditions = st.one_of(
    st.dictionaries(operators, st.dictionaries(st.sampled_from(KEYS), some(WANTED), min_size=1), max_size=2),
    st.dictionaries(st.just("Null"), st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["true", "false"]))),
    st.dictionaries(
        st.sampled_from(["ForAllValues:StringEquals", "ForAnyValue:StringLike", "ForAllValues:ArnNotLike"]),
        st.dictionaries(st.sampled_from(KEYS), some(WANTED), min_size=1),
        max_size=1,
    ),
)
statements = st.builds(
    lambda effect, action, resource, condition: {"Effect": effect, **action, **resource, "Condition": condition},
    st.sampled_from(["Allow", "Allow", "Deny"]),
    either("Action", PATTERNS),
    either("Resource", RESOURCE_PATTERNS),
    st.one_of(st.just({}), conditions),
)
documents = st.builds(
    lambda found: {"Version": "2012-10-17", "Statement": found}, st.lists(statements, min_size=1, max_size=4)
)
# A complete context: every key that a condition may ask for has a value or is known to be absent.
contexts = st.fixed_dictionaries({key: st.one_of(st.none(), st.sampled_from(VALUES)) for key in KEYS})


@settings(max_examples=200, deadline=None)
@given(
    st.lists(documents, max_size=3),
    st.one_of(st.none(), documents),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    contexts,
)
def test_they_agree(emulator, own, boundary, action, resource, context):
    limit = None if boundary is None else pe.Policy("boundary", boundary)
    ours = pe.evaluate([pe.Policy(str(n), d) for n, d in enumerate(own)], limit, pe.Request(action, resource, context))
    theirs = emulator.evaluate(
        own, boundary, emulator.Request(action, resource, {k: v for k, v in context.items() if v is not None})
    )
    assert ours.verdict == ("allowed" if theirs.allowed else "denied")
    # And what is not known is never decided wrongly.
    partly = pe.Request(action, resource, {k: v for k, v in context.items() if k != KEYS[0]})
    careful = pe.evaluate([pe.Policy(str(n), d) for n, d in enumerate(own)], limit, partly)
    assert careful.verdict in (ours.verdict, "depends")
