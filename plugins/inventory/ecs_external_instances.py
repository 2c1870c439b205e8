# -*- coding: utf-8 -*-
# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: ecs_external_instances
short_description: The external instances of ECS clusters as hosts
version_added: 0.1.0
author: the hybrid.ecs_anywhere authors (@hybrid-ecs-anywhere)
description:
  - The external instances of some clusters, or of whole Regions, are the hosts of the group C(ecs_external_instances).
  - The file ends in C(ecs_external_instances.yml) or C(ecs_external_instances.yaml).
  - Each host has the variables C(region), C(cluster) and what
    RV(hybrid.ecs_anywhere.ecs_external_instance_info#module:instances) has, that is C(managed_instance_id), C(ssm),
    C(ecs), C(duplicates), C(role_replaced) and C(health). C(ecs_anywhere_region) and C(ecs_anywhere_cluster) are set
    too, so that the playbooks of this collection know where the host belongs.
  - A cluster or a Region costs as many calls as with that module, however many hosts there are.
  - How a host is reached is yours to say, with O(compose).
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [hybrid.ecs_anywhere.ecs_external_instances]
  regions:
    description: The Regions to look at. By default the one that is set for AWS's tools.
    type: list
    elements: str
    default: []
  clusters:
    description:
      - Names of the clusters to look at. A Region that does not have one of them is no error, as long as one has.
      - By default every cluster of the Regions, and every managed node that is in none.
    type: list
    elements: str
    default: []
  iam_role:
    description:
      - The IAM role that the managed nodes should have. Of nodes in no cluster, only those that have it are hosts.
    type: str
  hostnames:
    description:
      - Where the name of a host comes from, as paths into its variables. The first that is not empty counts.
      - Where several instances would have one name, C(_) and the managed instance id are appended to it.
    type: list
    elements: str
    default: [ssm.computer_name, ssm.name, managed_instance_id]
  hostvars_prefix:
    description: Put before the names of the variables, except C(ecs_anywhere_region) and C(ecs_anywhere_cluster).
    type: str
    default: ""
seealso:
  - module: hybrid.ecs_anywhere.ecs_external_instance_info
extends_documentation_fragment:
  - inventory_cache
  - constructed
  - amazon.aws.boto3
  - amazon.aws.common.plugins
  - amazon.aws.region.plugins
  - amazon.aws.assume_role.plugins
"""

EXAMPLES = r"""
# edge.ecs_external_instances.yml
plugin: hybrid.ecs_anywhere.ecs_external_instances
regions: [eu-west-1, us-east-1]
clusters: [edge]
compose:
  ansible_host: ssm.ip_address
keyed_groups:
  - {key: region, prefix: region}
  - {key: health.state, prefix: health}
  - {key: ecs.attributes.hall, prefix: hall}
groups:
  to_upgrade: health.troubles | selectattr('state', 'eq', 'agent_outdated') | length > 0

# Through Session Manager, which needs the advanced tier of managed nodes
# plugin: hybrid.ecs_anywhere.ecs_external_instances
# regions: [eu-west-1]
# compose:
#   ansible_host: managed_instance_id
#   ansible_connection: "'amazon.aws.aws_ssm'"
#   ansible_aws_ssm_region: region
#   ansible_aws_ssm_bucket_name: "'my-transfer-bucket'"
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any

from ansible.errors import AnsibleParserError
from ansible_collections.amazon.aws.plugins.plugin_utils.inventory import AWSInventoryBase
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ecs
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _errors
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _fleet
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _fleet_summary
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _health
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._role_name import role_name

GROUP = "ecs_external_instances"


def value_at(path: str, variables: Mapping[str, Any]) -> Any:
    found: Any = variables
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def names_of(hosts: Iterable[Mapping[str, Any]], paths: Iterable[str]) -> list[str]:
    """A name for each host, none twice: a pure function."""
    hosts = list(hosts)
    paths = [*paths, "managed_instance_id"]
    names = [str(next(value for value in (value_at(p, host) for p in paths) if value)) for host in hosts]
    taken = Counter(names)
    return [
        name if taken[name] == 1 else f"{name}_{host['managed_instance_id']}"
        for name, host in zip(names, hosts, strict=True)
    ]


class InventoryModule(AWSInventoryBase):
    NAME = "hybrid.ecs_anywhere.ecs_external_instances"
    INVENTORY_FILE_SUFFIXES = ("ecs_external_instances.yml", "ecs_external_instances.yaml")

    def _read_region(self, region: str, clusters: list[str], iam_role: str | None) -> tuple[list[str], list[Any]]:
        """The names of the clusters that there are, and the instances."""
        ecs = self.client("ecs", region=region)
        if not clusters:
            found, instances = _fleet.of_region(ecs, lambda: self.client("ssm", region=region), iam_role)
            return [c["clusterName"] for c in found], instances
        there, instances = [], []
        for cluster in clusters:
            known = _ecs.describe_cluster(ecs, cluster)
            if known is None or known.get("status") != "ACTIVE":
                continue
            there.append(cluster)
            instances += _fleet.of_cluster(
                ecs, lambda: self.client("ssm", region=region), known["clusterArn"], None, iam_role
            )
        return there, instances

    def _read(self) -> list[dict[str, Any]]:
        """Every host's variables."""
        regions = self.get_option("regions") or ([self.region] if self.region else [])
        clusters = self.get_option("clusters")
        if not regions:
            raise AnsibleParserError("regions: there is no Region to look at. Name some, or set one for AWS's tools.")
        role = self.get_option("iam_role")
        try:
            role = role_name(role) if role else None
        except ValueError as error:
            raise AnsibleParserError(str(error)) from error
        hosts: list[dict[str, Any]] = []
        there: set[str] = set()
        norm = _health.Norm(datetime.now(UTC))
        for region in regions:
            try:
                known, instances = self._read_region(region, clusters, role)
            except (_ecs.EcsError, _ssm.SsmError) as error:
                raise AnsibleParserError(_errors.sentence(error, f"region {region}", error.service)) from error
            there.update(known)
            for instance in _health.with_health(instances, norm):
                cluster = _fleet_summary.cluster_of(instance) if instance["ecs"] else None
                hosts.append({**instance, "region": region, "cluster": cluster})
        missing = [cluster for cluster in clusters if cluster not in there]
        if missing:
            raise AnsibleParserError(
                f"clusters: there is no active ECS cluster {', '.join(missing)} in {', '.join(regions)}. Check the "
                "names, the Regions and the account, or create it."
            )
        return hosts

    def _add(self, hosts: list[dict[str, Any]]) -> None:
        prefix, strict = self.get_option("hostvars_prefix"), self.get_option("strict")
        self.inventory.add_group(GROUP)
        for name, host in zip(names_of(hosts, self.get_option("hostnames")), hosts, strict=True):
            self.inventory.add_host(name, group=GROUP)
            variables = {f"{prefix}{key}": value for key, value in host.items()}
            variables["ecs_anywhere_region"] = host["region"]
            if host["cluster"]:
                variables["ecs_anywhere_cluster"] = host["cluster"]
            for key, value in variables.items():
                self.inventory.set_variable(name, key, value)
            known = {**host, **variables}
            self._set_composite_vars(self.get_option("compose"), known, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), known, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, name, strict=strict)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache=cache)
        was_cached, hosts = self.get_cached_result(path, cache)
        if not was_cached:
            hosts = self._read()
            self.update_cached_result(path, cache, hosts)
        self._add(hosts)
