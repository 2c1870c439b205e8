# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Every state of the matrix has a test on a real server, and every such test is of a state."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

SERVERS = Path(__file__).resolve().parents[1] / "servers"


def test_every_state_has_a_test():
    listed = set(re.findall(r'^    "([^"]+)": ', (SERVERS / "states.py").read_text(), re.MULTILINE))
    tested = set()
    for path in SERVERS.glob("test_*.py"):
        text = path.read_text()
        if "mark.state(" in text:
            tested |= set(re.findall(r'\bstate\(\s*"([^"]+)"', text, re.IGNORECASE))
    assert len(listed) > 20
    assert tested == listed


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(str(SERVERS))
    return importlib.import_module("matrix")


def report(*states, passed=True, **noted):
    properties = [*(("state", state) for state in states), *noted.items()]
    return SimpleNamespace(
        when="call",
        passed=passed,
        outcome="passed" if passed else "failed",
        nodeid="test_x",
        user_properties=properties,
    )


def test_the_matrix_is_red_where_a_state_fails_or_has_no_test(matrix):
    every = [report(state, aws_calls=7, executions=1, seconds=9) for state in matrix.STATES]
    table = list(matrix.rows(every))
    assert not matrix.is_red(table)
    assert matrix.lines(table)[1].split("  ")[0] == "bare"
    assert table[0][-3:] == ("7", "1", "9")
    both = list(matrix.rows([report("bare", "right"), *every[2:]]))  # one test may make two states
    assert [row[0] for row in both[:2]] == ["bare", "right"] and not matrix.is_red(both)
    assert matrix.is_red(list(matrix.rows(every[1:])))
    assert matrix.is_red(list(matrix.rows([*every, report("bare", passed=False)])))
    assert matrix.is_red(list(matrix.rows([*every, report("unheard of")])))
