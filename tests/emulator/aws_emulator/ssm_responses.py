# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SSM operations that moto lacks, for operators and for the agents."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from moto.core.responses import ActionResult
from moto.core.responses import EmptyResult
from moto.ssm.models import ssm_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from .errors import ApiError
from .runtime import runtime
from .ssm_describe import filter_activations
from .ssm_describe import filter_nodes
from .ssm_describe import page
from .ssm_models import HybridSsmBackend
from .ssm_models import check_public_key
from .wire import answer

SERVICE_SETTINGS = {"/ssm/managed-instance/activation-tier": ("standard", {"standard", "advanced"})}
PINGED = [
    "AgentName",
    "AgentStatus",
    "AgentVersion",
    "AvailabilityZone",
    "AvailabilityZoneId",
    "ComputerName",
    "IPAddress",
    "PlatformName",
    "PlatformType",
    "PlatformVersion",
    "SSMConnectionChannel",
]


class HybridSsmResponse(SimpleSystemManagerResponse):
    @property
    def hybrid(self) -> HybridSsmBackend:
        return ssm_backends[self.current_account][self.region]  # type: ignore[return-value]

    @cached_property
    def sent(self) -> dict[str, Any]:
        return json.loads(self.body or "{}")

    @property
    def caller_node(self) -> str:
        return self.normalized_request.environ["emulator.principal"].node_id

    # activations

    def create_activation(self) -> ActionResult:
        activation = self.hybrid.create_activation(self.sent)
        return ActionResult({"ActivationId": activation.id, "ActivationCode": activation.code})

    def describe_activations(self) -> ActionResult:
        found = filter_activations(list(self.hybrid.activations.values()), self.sent.get("Filters") or [])
        items, token = page(found, self.sent.get("MaxResults", 50), self.sent.get("NextToken"))
        return ActionResult({"ActivationList": [a.describe() for a in items], "NextToken": token})

    def delete_activation(self) -> ActionResult:
        self.hybrid.delete_activation(self.sent["ActivationId"])
        return EmptyResult()

    # managed nodes, for operators

    def describe_instance_information(self) -> tuple[str, dict[str, Any]]:
        found = filter_nodes(list(self.hybrid.nodes.values()), self.sent)
        items, token = page(found, self.sent.get("MaxResults", 10), self.sent.get("NextToken"))
        return answer({"InstanceInformationList": [n.describe() for n in items], "NextToken": token})

    def deregister_managed_instance(self) -> ActionResult:
        self.hybrid.deregister(self.sent["InstanceId"])
        return EmptyResult()

    def update_managed_instance_role(self) -> ActionResult:
        node = self.hybrid.get_node(self.sent["InstanceId"])
        self.hybrid.check_role(self.sent["IamRole"])
        node.iam_role = self.sent["IamRole"]
        return EmptyResult()

    def get_connection_status(self) -> ActionResult:
        node = self.hybrid.nodes.get(self.sent["Target"])
        up = node is not None and (node.always_online or runtime.hub.has_control_channel(node.id))
        return ActionResult({"Target": self.sent["Target"], "Status": "connected" if up else "notconnected"})

    def _setting_id(self) -> str:
        given = self.sent["SettingId"]
        name = given.split(":servicesetting", 1)[-1] if given.startswith("arn:") else given
        if name not in SERVICE_SETTINGS:
            raise ApiError("ServiceSettingNotFound", f"The service setting {given} was not found.")
        return name

    def _setting(self, name: str) -> dict[str, Any]:
        default, _ = SERVICE_SETTINGS[name]
        backend = self.hybrid
        changed = backend.settings_changed.get(name)
        return {
            "SettingId": name,
            "SettingValue": changed or default,
            "LastModifiedUser": "System",
            "ARN": f"arn:{backend.partition}:ssm:{backend.region_name}:{backend.account_id}:servicesetting{name}",
            "Status": "Customized" if changed else "Default",
        }

    def get_service_setting(self) -> ActionResult:
        return ActionResult({"ServiceSetting": self._setting(self._setting_id())})

    def update_service_setting(self) -> ActionResult:
        name = self._setting_id()
        if self.sent["SettingValue"] not in SERVICE_SETTINGS[name][1]:
            raise ApiError("ValidationException", f"{self.sent['SettingValue']} is not a value of {name}.")
        self.hybrid.settings_changed[name] = self.sent["SettingValue"]
        return EmptyResult()

    def reset_service_setting(self) -> ActionResult:
        name = self._setting_id()
        self.hybrid.settings_changed.pop(name, None)
        return ActionResult({"ServiceSetting": self._setting(name)})

    # the agent

    def register_managed_instance(self) -> tuple[str, dict[str, Any]]:
        return answer({"InstanceId": self.hybrid.register_managed_instance(self.sent).id})

    def request_managed_instance_role_token(self) -> tuple[str, dict[str, Any]]:
        node = self.hybrid.get_node(self.caller_node)
        return answer(self.hybrid.role_token(node, self.sent.get("Fingerprint", "")))

    def update_managed_instance_public_key(self) -> tuple[str, dict[str, Any]]:
        node = self.hybrid.get_node(self.caller_node)
        check_public_key(self.sent.get("NewPublicKey", ""), self.sent.get("NewPublicKeyType", ""))
        node.public_key = self.sent["NewPublicKey"]
        return answer({})

    def update_instance_information(self) -> tuple[str, dict[str, Any]]:
        node_id = self.sent.get("InstanceId", "")
        if self.caller_node and self.caller_node != node_id:
            raise ApiError("AccessDeniedException", f"{self.caller_node} can not report for {node_id}.")
        node = self.hybrid.get_node(node_id)
        node.information.update({k: str(self.sent[k]) for k in PINGED if self.sent.get(k) not in (None, "")})
        node.last_ping = runtime.clock.now()
        return answer({})

    def list_instance_associations(self) -> tuple[str, dict[str, Any]]:
        self.hybrid.get_node(self.sent.get("InstanceId", ""))
        return answer({"Associations": []})
