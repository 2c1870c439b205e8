# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Servers with dnf and zypper: Debian that calls itself something else, with packages of rpm (build-rpm-image)."""

from __future__ import annotations

from test_packages import NEW
from test_packages import OLD
from test_packages import right
from test_packages import seen

LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n'


def installed(bed, name):
    query = "rpm -q amazon-ssm-agent amazon-ecs-init docker --qf '%{VERSION}\\n' | grep -v 'not installed' || :"
    return bed.on(name, query).split()


def test_dnf_and_zypper_bring_servers_all_the_way(bed, aws):
    names = ("dnf", "zypper")
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(*names, image="rpm")
    bed.on("zypper", f"printf '%s' '{LEAP}' >/etc/os-release")
    try:
        checked = bed.register(*names, variables=OLD, options=["--check"])
        assert checked.returncode == 0 and "Docker is not installed" in checked.text
        assert [bed.on(name, "rpm -qa") for name in names] == ["", ""]

        assert bed.register(*names, variables=OLD, timeout=900).returncode == 0
        before = seen(aws)
        assert len(before) == 2
        right(aws, before, OLD)
        keys = [call["key"] for call in aws.calls(operation="GetObject")]
        assert keys and all(".rpm" in key for key in keys)

        assert bed.register(*names, variables=NEW, timeout=900).returncode == 0
        right(aws, before, NEW)
        assert bed.register(*names, variables=OLD, timeout=900).returncode == 0
        right(aws, before, OLD)
        assert [installed(bed, name) for name in names] == [["3.3.3050.0", "1.104.0", "20.10.24"]] * 2
        again = bed.register(*names, variables=OLD)
        assert [again.recap(name)["changed"] for name in names] == [0, 0]

        upgraded = bed.register(*names, playbook="hybrid.ecs_anywhere.upgrade", timeout=900)
        assert upgraded.returncode == 0
        right(aws, before, NEW)

        how = {"playbook": "hybrid.ecs_anywhere.deregister", "variables": {"ecs_anywhere_remove_packages": True}}
        assert bed.register(*names, **how).returncode == 0
        assert [installed(bed, name) for name in names] == [["20.10.24"]] * 2
        assert [bed.on(name, "ls /var/cache/ecs_anywhere 2>/dev/null || :") for name in names] == ["", ""]
        again = bed.register(*names, **how)
        assert [again.recap(name)["changed"] for name in names] == [0, 0]
    finally:
        bed.remove(*names)
