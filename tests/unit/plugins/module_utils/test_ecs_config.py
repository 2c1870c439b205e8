# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs_config


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "text, settings",
    [
        ("", {}),
        ("ECS_CLUSTER=c1\n", {"ECS_CLUSTER": "c1"}),
        ("ECS_CLUSTER=c1", {"ECS_CLUSTER": "c1"}),
        ("  A=1  \r\n", {"A": "1"}),
        ("A=1\nA=2\n", {"A": "2"}),  # the last one counts for both readers
        ("A=\n", {"A": ""}),
        ('A={"k":"v=w"}\n', {"A": '{"k":"v=w"}'}),
        ('A="c1"\n', {"A": '"c1"'}),  # literally, as the agent gets it
        ("A= x\n", {"A": " x"}),
        ("# A=1\n#A=1\n;A=1\nA =1\nexport A=1\nnonsense\n=1\n", {}),
        ("A=1\\\nB=2\n", {"B": "2"}),  # systemd would join the two lines
        ("A=1\\\\\nB=2\n", {"A": "1\\\\", "B": "2"}),
    ],
)
def test_parse(text, settings):
    assert _ecs_config.parse(text) == settings


@pytest.mark.parametrize(
    "before, wanted, after, dropped",
    [
        ("", {"B": "2", "A": "1"}, "A=1\nB=2\n", []),
        ("B=1\nA=1\n", {"A": "2"}, "B=1\nA=2\n", []),
        ("Z=1\n", {"C": "3", "B": "2"}, "Z=1\nB=2\nC=3\n", []),
        ("A=1\nB=1\n", {"A": None}, "B=1\n", []),
        ("A=1\n", {"B": None}, "A=1\n", []),
        ("A=1\nB=1\nA=2\nA=3\n", {}, "A=3\nB=1\n", ["A=1", "A=2"]),
        ("A=1\nA=2\n", {"A": "3"}, "A=3\n", ["A=1"]),
        ("# mine\n\nA=1\nnonsense\n", {}, "A=1\n", ["# mine", "", "nonsense"]),
        ("A=1\n\n", {}, "A=1\n", [""]),
        ("A=\"x y\"\nB='z'\nC= c\n", {}, "A=x y\nB=z\nC=c\n", []),
        ('A="x" "y"\nB="\nC="a\\"b"\n', {}, 'A="x" "y"\nB="\nC="a\\"b"\n', []),  # the two readers cannot be reconciled
        ("A=1", {}, "A=1\n", []),
        ("A=1\r\n", {}, "A=1\n", []),
        ("A=1\\\n", {"B": "2"}, "B=2\n", ["A=1\\"]),
    ],
)
def test_rewrite(before, wanted, after, dropped):
    result = _ecs_config.rewrite(before, wanted)
    assert (result.text, result.dropped) == (after, dropped)
    assert result.settings == _ecs_config.parse(after)
    assert _ecs_config.is_canonical(after)
    assert _ecs_config.rewrite(after, wanted).text == after
    assert _ecs_config.is_canonical(before) == (_ecs_config.rewrite(before, {}).text == before)


@pytest.mark.parametrize("text", ["A=1\nA=1\n", "# x\n", "\nA=1\n", 'A="1"\n', "nonsense\n", "A=1", " A=1\n"])
def test_not_canonical(text):
    assert not _ecs_config.is_canonical(text)


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("ECS_CLUSTER", "c1", "c1"),
        ("ECS_ENGINE_AUTH_DATA", "{}", digest("{}")),
        ("AWS_SECRET_ACCESS_KEY", "x", digest("x")),
        ("AWS_ACCESS_KEY_ID", "x", digest("x")),
        ("MY_password", "x", digest("x")),
        ("AWS_SESSION_TOKEN", "x", digest("x")),
        ("AWS_SESSION_TOKEN", "", ""),
        ("HTTP_PROXY", "http://proxy:3128", "http://proxy:3128"),
        ("HTTP_PROXY", "http://me:pw@proxy:3128", f"http://{digest('me:pw')}@proxy:3128"),
        ("https_proxy", "me:p@w@proxy:3128/", f"{digest('me:p@w')}@proxy:3128/"),
        ("NO_PROXY", "169.254.169.254,/var/run/docker.sock", "169.254.169.254,/var/run/docker.sock"),
    ],
)
def test_masked(key, value, expected):
    assert _ecs_config.masked(key, value) == expected


@pytest.mark.parametrize(
    "line, expected",
    [
        ("# a comment", "# a comment"),
        ("#ECS_ENGINE_AUTH_DATA=x", "#ECS_ENGINE_AUTH_DATA=" + digest("x")),
        ("# HTTP_PROXY=http://me:pw@p", f"# HTTP_PROXY=http://{digest('me:pw')}@p"),
        ('"auth": "rest of a secret"}', digest('"auth": "rest of a secret"}')),
        ("", ""),
    ],
)
def test_masked_line(line, expected):
    assert _ecs_config.masked_line(line) == expected


def test_wanted_settings():
    given = {"A": None, "B": True, "C": 5, "D": {"b": 1, "a": "x"}, "E": " x ", "F": ["json-file"], "G": ""}
    assert _ecs_config.wanted_settings(given) == {
        "A": None,
        "B": "true",
        "C": "5",
        "D": '{"a":"x","b":1}',
        "E": "x",
        "F": '["json-file"]',
        "G": "",
    }


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"A=B": "1"}, "name of a variable"),
        ({"A B": "1"}, "name of a variable"),
        ({"#A": "1"}, "name of a variable"),
        ({"": "1"}, "name of a variable"),
        ({"A": "x\ny"}, "line break"),
        ({"A": "x\ry"}, "line break"),
        ({"A": '"hunter2"'}, "quotes"),
        ({"A": "'hunter2'"}, "quotes"),
        ({"A": "hunter2\\"}, "backslash"),
    ],
)
def test_impossible_settings(settings, said):
    with pytest.raises(ValueError, match=said) as e:
        _ecs_config.wanted_settings(settings)
    assert "hunter2" not in str(e.value)
