# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: it may change at any time.

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything.
  diff_mode:
    description: Returns what has changed, or would change, when in diff mode.
  idempotent:
    description: A second run with the same options changes nothing, as long as nobody else changed anything meanwhile.
"""

    # Together with the one above, for modules that only read.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""

    # Together with the first, for modules that run on the controller and speak to AWS.
    ACTIONGROUP_AWS = r"""
options: {}
attributes:
  action_group:
    description: >-
      Use C(group/hybrid.ecs_anywhere.aws) or C(group/amazon.aws.aws) in C(module_defaults) to set options such as
      C(region) and C(profile) once for this module and those of amazon.aws.
    support: full
    membership:
      - hybrid.ecs_anywhere.aws
      - amazon.aws.aws
"""
