# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Attributes and tags of many servers brought to what was asked for. Private to this collection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import _attribute_run
from . import _ecs
from . import _errors
from . import _labels
from . import _ssm
from ._attribute_run import Attribute
from ._instance_run import Server
from ._labels import Labels


class Writer:
    """Does it."""

    def __init__(self, ecs: Any, ssm: Any, cluster: str) -> None:
        self.ecs, self.ssm, self.cluster = ecs, ssm, cluster

    def put_attributes(self, attributes: list[Attribute]) -> None:
        _ecs.put_attributes(self.ecs, self.cluster, attributes)

    def delete_attributes(self, attributes: list[Attribute]) -> None:
        _ecs.delete_attributes(self.ecs, self.cluster, attributes)

    def tag_instance(self, arn: str, change: _labels.Change) -> None:
        if change.remove:
            _ecs.untag_resource(self.ecs, arn, change.remove)
        if change.put:
            _ecs.tag_resource(self.ecs, arn, change.put)

    def tag_node(self, managed_instance_id: str, change: _labels.Change) -> None:
        if change.remove:
            _ssm.remove_node_tags(self.ssm, managed_instance_id, change.remove)
        if change.put:
            _ssm.add_node_tags(self.ssm, managed_instance_id, change.put)


class Prediction(Writer):
    """Does nothing."""

    def __init__(self) -> None:
        pass

    def put_attributes(self, attributes: list[Attribute]) -> None:
        pass

    def delete_attributes(self, attributes: list[Attribute]) -> None:
        pass

    def tag_instance(self, arn: str, change: _labels.Change) -> None:
        pass

    def tag_node(self, managed_instance_id: str, change: _labels.Change) -> None:
        pass


def read_node_tags(ssm: Any, servers: Iterable[Server], wanted: Labels) -> None:
    """The tags of the managed nodes, which no list shows.

    Those that have all the wanted ones can be listed, though, a page at a time; only the others are asked for one by
    one. With purging, or a value that is empty and so cannot be looked for, each is asked for.
    """
    known = [server for server in servers if server.node is not None]
    if not known or wanted.tags is None:
        return
    right: set[str] = set()
    if not wanted.purge_tags and wanted.tags and all(wanted.tags.values()):
        right = _ssm.nodes_with_tags(ssm, dict(wanted.tags))
    for server in known:
        tags = dict(wanted.tags) if server.id in right else _ssm.list_node_tags(ssm, server.id)
        server.node = {**(server.node or {}), "tags": _labels.users(tags)}


def label(servers: Iterable[Server], wanted: Labels, writer: Writer, where: str) -> None:
    """A server that has failed already is left alone."""
    servers = [server for server in servers if not server.problems]
    if wanted.attributes is not None:
        _set_attributes(servers, wanted, writer, where)
    if wanted.tags is None:
        return
    for server in servers:
        _set_tags(server, wanted, writer, where)


def _set_attributes(servers: list[Server], wanted: Labels, writer: Writer, where: str) -> None:
    put: list[Attribute] = []
    removed: list[Attribute] = []
    owner: dict[str, Server] = {}
    for server in servers:
        for arn, instance in server.instances.items():
            found = _labels.custom(instance["attributes"])
            change = _labels.change(found, wanted.attributes, wanted.purge_attributes)
            count = len(_labels.applied(found, change))
            if change.put and count > _labels.MOST_ATTRIBUTES:
                server.problems.append(
                    f"The container instance {arn} would have {count} attributes of its own ({where}), and ECS takes "
                    f"{_labels.MOST_ATTRIBUTES}. Next: set purge_attributes, or remove some of {', '.join(found)}."
                )
                continue
            owner[arn] = server
            put += [(arn, name, value) for name, value in change.put.items()]
            removed += [(arn, name, found[name]) for name in change.remove]
    # removed first: an instance may be full
    problems = {arn: server.problems for arn, server in owner.items()}
    _attribute_run.write(removed, writer.delete_attributes, problems, where)
    _attribute_run.write(put, writer.put_attributes, problems, where)
    failed = {arn for arn, server in owner.items() if server.problems}
    for arn, server in owner.items():
        if arn in failed:
            continue
        attributes = server.instances[arn]["attributes"]
        gone = {name for a, name, _value in removed if a == arn}
        left = {name: value for name, value in attributes.items() if name not in gone}
        server.instances[arn]["attributes"] = {**left, **{name: value for a, name, value in put if a == arn}}


def _set_tags(server: Server, wanted: Labels, writer: Writer, where: str) -> None:
    try:
        if server.node is not None and "tags" in server.node:
            change = _labels.change(server.node["tags"], wanted.tags, wanted.purge_tags)
            writer.tag_node(server.id, change)
            server.node = {**server.node, "tags": _labels.applied(server.node["tags"], change)}
        for arn, instance in server.instances.items():
            change = _labels.change(_labels.users(instance["tags"]), wanted.tags, wanted.purge_tags)
            writer.tag_instance(arn, change)
            instance["tags"] = _labels.applied(instance["tags"], change)
    except (_ecs.EcsError, _ssm.SsmError) as error:
        server.problems.append(_errors.sentence(error, where, error.service))
