# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Makes the checkout importable as ansible_collections.hybrid.ecs_anywhere, wherever it lies."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = Path(__file__).resolve().parents[2]

_tree = tempfile.TemporaryDirectory()
_namespace = Path(_tree.name, "ansible_collections", "hybrid")
_namespace.mkdir(parents=True)
(_namespace / "ecs_anywhere").symlink_to(CHECKOUT)
_AnsibleCollectionFinder(paths=[_tree.name])._install()
