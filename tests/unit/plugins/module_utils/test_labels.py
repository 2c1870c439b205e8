# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Attributes and tags: what AWS takes, and what has to change."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _labels
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._labels import Labels


@pytest.mark.parametrize(
    ("current", "wanted", "purge", "put", "remove"),
    [
        ({"a": "1"}, None, True, {}, []),
        ({"a": "1"}, {"a": "1"}, True, {}, []),
        ({"a": "1"}, {"a": "2"}, False, {"a": "2"}, []),
        ({"a": "1"}, {"b": "2"}, False, {"b": "2"}, []),
        ({"a": "1", "c": "3"}, {"b": "2"}, True, {"b": "2"}, ["a", "c"]),
        ({"a": "1"}, {}, False, {}, []),
        ({"a": "1"}, {}, True, {}, ["a"]),
    ],
)
def test_what_has_to_change(current, wanted, purge, put, remove):
    change = _labels.change(current, wanted, purge)
    assert change == (put, remove)
    after = _labels.applied(current, change)
    assert _labels.change(after, wanted, purge) == ({}, [])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (Labels(attributes={"ecs.os-type": "x"}), "the ECS agent sets itself"),
        (Labels(attributes={"com.amazonaws.ecs.capability": "x"}), "the ECS agent sets itself"),
        (Labels(attributes={"a b": "x"}), "'a b' is not a name"),
        (Labels(attributes={"": "x"}), "is not a name"),
        (Labels(attributes={"a": ""}), "the value ''"),
        (Labels(attributes={"a": " x"}), "spaces around it"),
        (Labels(attributes={"a": "x" * 129}), "is not 1 to 128"),
        (Labels(attributes={"a": "x,y"}), "the value 'x,y'"),
        (Labels(attributes={str(n): "x" for n in range(11)}), "11 are given, and ECS takes 10"),
        (Labels(tags={"aws:x": "1"}), "is for AWS alone"),
        (Labels(tags={"AWS:x": "1"}), "is for AWS alone"),
        (Labels(tags={"": "1"}), "is not a key"),
        (Labels(tags={"a": "x" * 257}), "is not a key"),
        (Labels(tags={"a": "x;y"}), "is not a key"),
        (Labels(tags={str(n): "x" for n in range(51)}), "51 are given, and AWS takes 50"),
    ],
)
def test_what_aws_does_not_take(labels, words):
    assert words in _labels.problem_of(labels)


@pytest.mark.parametrize(
    "labels",
    [
        Labels(),
        Labels(attributes={"a": "x", "a-b_c.d/e\\f": "hall 4: rack@2 / row\\3"}),
        Labels(attributes={str(n): "x" * 128 for n in range(10)}),
        Labels(tags={"Größe und Ort": "", "a": "x" * 256, "b:c/d": "e=f+g@h.i_j-k"}),
    ],
)
def test_what_aws_takes(labels):
    assert _labels.problem_of(labels) is None


def test_what_others_manage_is_not_seen():
    assert _labels.custom({"ecs.os-type": "linux", "rack": "4", "flag": None, "com.amazonaws.ecs.x": None}) == {
        "rack": "4",
        "flag": "",
    }
    assert _labels.users({"aws:cloudformation:stack": "s", "a": "1"}) == {"a": "1"}


def test_yaml_s_numbers_and_booleans_are_texts():
    assert _labels.as_texts({"a": 4, "b": True, "c": None, 5: "x"}) == {"a": "4", "b": "true", "c": "", "5": "x"}
    assert _labels.as_texts(None) is None
