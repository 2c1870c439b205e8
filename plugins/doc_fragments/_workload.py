# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: it may change at any time.

from __future__ import annotations


class ModuleDocFragment:
    # What ecs_external_task and ecs_external_service have in common.
    DOCUMENTATION = r"""
options:
  cluster:
    description: Name or ARN of the cluster.
    type: str
    required: true
  task_definition:
    description:
      - The task definition to run, as family (its newest active revision), C(family:revision) or ARN.
    type: str
  task_definition_document:
    description:
      - The task definition as a document with AWS's own keys (C(family), C(containerDefinitions) and so on), as
        C(aws ecs register-task-definition --cli-input-json) takes it. What C(describe-task-definition) answers serves
        as well.
      - A revision is registered only if the document means something else than the newest active one of its family.
        The order of environment variables, defaults that AWS fills in and the like make no difference, and tags
        neither.
      - C(EXTERNAL) is added to C(requiresCompatibilities).
    type: dict
  placement_constraints:
    description: What an instance must be.
    type: list
    elements: dict
    suboptions:
      type:
        description: >-
          V(distinctInstance) for each task on another instance, V(memberOf) for those that an expression names.
        type: str
        choices: [memberOf, distinctInstance]
        required: true
      expression:
        description: For V(memberOf), in the cluster query language, such as C(attribute:hall == north).
        type: str
  placement_strategy:
    description: What is preferred among the instances.
    type: list
    elements: dict
    suboptions:
      type:
        description: How tasks are distributed.
        type: str
        choices: [random, spread, binpack]
        required: true
      field:
        description: By what, such as C(instanceId), C(attribute:hall) or C(memory). Not for V(random).
        type: str
"""
