# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The names of hosts; the rest is seen against the emulator."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.inventory.ecs_external_instances import names_of

DEFAULT = ["ssm.computer_name", "ssm.name", "managed_instance_id"]


def host(number, **ssm):
    return {"managed_instance_id": f"mi-{number}", "ssm": ssm or None, "ecs": {"attributes": {"hall": "4"}}}


@pytest.mark.parametrize(
    ("hosts", "paths", "names"),
    [
        ([host(1, computer_name="a"), host(2, computer_name="b")], DEFAULT, ["a", "b"]),
        ([host(1, computer_name="", name="n"), host(2)], DEFAULT, ["n", "mi-2"]),
        (
            [host(1, computer_name="a"), host(2, computer_name="a"), host(3, name="c")],
            DEFAULT,
            ["a_mi-1", "a_mi-2", "c"],
        ),
        ([host(1, computer_name="a")], ["managed_instance_id"], ["mi-1"]),
        ([host(1, computer_name="a")], [], ["mi-1"]),
        ([host(1)], ["ssm.computer_name", "no.such.path"], ["mi-1"]),
        ([host(1), host(2)], ["ecs.attributes.hall"], ["4_mi-1", "4_mi-2"]),
    ],
)
def test_each_has_a_name_of_its_own(hosts, paths, names):
    assert names_of(hosts, paths) == names
