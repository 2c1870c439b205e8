# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWS on loopback for tests: moto, plus the parts of SSM, ECS and IAM that hybrid servers need and moto lacks."""
