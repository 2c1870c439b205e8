# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""amazon.aws's module class, with the operator's whole key hidden. Private to this collection."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec


class AwsModule(AnsibleAWSModule):
    """AnsibleAWSModule shows the id of the access key, taken from the environment, in every result at -vvv."""

    def __init__(self, argument_spec: dict[str, Any], **options: Any) -> None:
        access_key = {**aws_argument_spec()["access_key"], "no_log": True}
        super().__init__(argument_spec={**argument_spec, "access_key": access_key}, **options)

    def client_that_sends_once(self, service: str) -> Any:
        """A client for calls that botocore must not repeat after a timeout: CreateActivation, StartTask."""
        from botocore.config import Config

        once = Config(retries={"total_max_attempts": 1})
        return self.client(service, aws_config=Config(**(self.params.get("aws_config") or {})).merge(once))
