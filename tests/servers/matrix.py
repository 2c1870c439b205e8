# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The table of `make matrix`: what the tests noted of each state."""

from __future__ import annotations

from states import STATES

COLUMNS = ("state", "expected", "what happened", "AWS calls", "module executions", "seconds")


def rows(reports):
    """One for each state of each report, and one for each state without any."""
    found = set()
    for report in reports:
        if report.when != "call" and report.passed:
            continue
        noted = dict(report.user_properties)
        happened = (
            noted.get("happened", "as expected") if report.passed else f"{report.outcome.upper()} {report.nodeid}"
        )
        measures = [str(noted.get(name, "")) for name in ("aws_calls", "executions", "seconds")]
        for state in (value for name, value in report.user_properties if name == "state"):
            found.add(state)
            yield (state, STATES.get(state, "(not in the list)"), happened, *measures)
    for state in STATES:
        if state not in found:
            yield (state, STATES[state], "NO TEST", "", "", "")


def lines(table):
    table = [COLUMNS, *table]
    widths = [max(len(row[n]) for row in table) for n in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def is_red(table):
    return any(row[2].startswith(("NO TEST", "FAILED", "ERROR")) or row[1].startswith("(not") for row in table)
