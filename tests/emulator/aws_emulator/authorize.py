# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""May this principal make this call? Finds actions, resources and policies; iam_policy decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.iam.models import IAMBackend
from moto.iam.models import iam_backends

from .auth import NODE_SIGNED
from .auth import UNSIGNED
from .auth import Principal
from .call import Call
from .errors import ApiError
from .iam_policy import Request
from .iam_policy import evaluate
from .iam_policy import trusts
from .runtime import runtime

FREE = UNSIGNED | NODE_SIGNED | {"sts:GetCallerIdentity"}
PASSES_ROLE = {"ssm:CreateActivation": "IamRole", "ssm:UpdateManagedInstanceRole": "IamRole"}


def _arn(call: Call, principal: Principal, service: str, rest: str) -> str:
    region = "" if service == "iam" else call.region
    return f"arn:{principal.partition}:{service}:{region}:{principal.account}:{rest}"


def _ssm_resource(call: Call, principal: Principal) -> str:
    p = call.params
    if "ResourceType" in p and "ResourceId" in p:
        kinds = {"ManagedInstance": "managed-instance", "Parameter": "parameter"}
        kind = kinds.get(str(p["ResourceType"]), str(p["ResourceType"]).lower())
        return _arn(call, principal, "ssm", f"{kind}/{str(p['ResourceId']).lstrip('/')}")
    if isinstance(p.get("InstanceId"), str):
        kind = "managed-instance" if p["InstanceId"].startswith("mi-") else "instance"
        return _arn(call, principal, "ssm", f"{kind}/{p['InstanceId']}")
    if "Parameter" in call.operation and isinstance(p.get("Name"), str):
        return _arn(call, principal, "ssm", f"parameter/{p['Name'].lstrip('/')}")
    if call.operation.endswith("ServiceSetting"):
        return str(p.get("SettingId", "*"))
    return _arn(call, principal, "ssm", "*")


def _ecs_cluster(call: Call, principal: Principal) -> str:
    p = {**call.arguments, **call.params}
    several = p.get("clusters") or [None]
    cluster = p.get("cluster") or p.get("clusterName") or p.get("clusterArn") or several[0] or "default"
    return cluster if str(cluster).startswith("arn:") else _arn(call, principal, "ecs", f"cluster/{cluster}")


# As the Service Authorization Reference has it: what the agents report counts for the cluster, whatever task it names.
CLUSTER_CALLS = {
    "CreateCluster",
    "DescribeClusters",
    "ListContainerInstances",
    "RegisterContainerInstance",
    "SubmitAttachmentStateChanges",
    "SubmitContainerStateChange",
    "SubmitTaskStateChange",
}
CALLS_WITHOUT_RESOURCE = {
    "DeregisterTaskDefinition",
    "DescribeTaskDefinition",
    "DiscoverPollEndpoint",
    "ListServices",
    "ListTaskDefinitions",
}


def _ecs_resource(call: Call, principal: Principal) -> str:
    p = {**call.arguments, **call.params}
    cluster = _ecs_cluster(call, principal)
    name = cluster.split("/")[-1]

    def member(kind: str, value: Any) -> str:
        return str(value) if str(value).startswith("arn:") else _arn(call, principal, "ecs", f"{kind}/{name}/{value}")

    if isinstance(p.get("resourceArn"), str):
        return str(p["resourceArn"])
    if call.operation in CALLS_WITHOUT_RESOURCE:
        return "*"
    if call.operation in CLUSTER_CALLS:
        return cluster
    instance = p.get("containerInstanceArn") or p.get("containerInstance")
    if call.operation == "DescribeContainerInstances" or call.operation == "UpdateContainerInstancesState":
        instance = (p.get("containerInstances") or ["*"])[0]
    if call.operation in ("PutAttributes", "DeleteAttributes"):
        instance = (p.get("attributes") or [{}])[0].get("targetId", "*")
    if instance:
        return member("container-instance", instance)
    if call.operation in ("StopTask", "DescribeTasks"):
        return member("task", p.get("task") or (p.get("tasks") or ["*"])[0])
    if call.operation in ("RunTask", "StartTask") and p.get("taskDefinition"):
        value = str(p["taskDefinition"])
        return value if value.startswith("arn:") else _arn(call, principal, "ecs", f"task-definition/{value}")
    if call.operation == "RegisterTaskDefinition":
        return _arn(call, principal, "ecs", f"task-definition/{p.get('family')}:*")
    if call.operation in ("CreateService", "UpdateService", "DeleteService"):
        return member("service", p.get("service") or p.get("serviceName"))
    if call.operation == "DescribeServices":
        return member("service", (p.get("services") or ["*"])[0])
    if call.operation == "ListTasks":
        return member("container-instance", "*")
    return cluster if "cluster" in p else "*"


def _iam_resource(call: Call, principal: Principal) -> str:
    p = call.params
    iam = iam_backends[principal.account][principal.partition]
    if "RoleName" in p:
        role = next((r for r in iam.get_roles() if r.name == p["RoleName"]), None)
        return role.arn if role else _arn(call, principal, "iam", f"role{p.get('Path', '/')}{p['RoleName']}")
    if "PolicyArn" in p:
        return str(p["PolicyArn"])
    for member, kind in (("InstanceProfileName", "instance-profile"), ("UserName", "user"), ("PolicyName", "policy")):
        if member in p:
            return _arn(call, principal, "iam", f"{kind}{p.get('Path', '/')}{p[member]}")
    return "*"


RESOURCES: dict[str, Callable[[Call, Principal], str]] = {
    "ssm": _ssm_resource,
    "ecs": _ecs_resource,
    "iam": _iam_resource,
    "sts": lambda call, _: str(call.params.get("RoleArn", "*")),
    "ssmmessages": lambda _call, _principal: "*",
    "ec2messages": lambda _call, _principal: "*",
}


def _context(call: Call, principal: Principal) -> dict[str, Any]:
    context: dict[str, Any] = {
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalAccount": principal.account,
        "aws:RequestedRegion": call.region,
        "aws:username": principal.user_name or None,
        "aws:userid": principal.user_id,
        "aws:SecureTransport": call.environ.get("wsgi.url_scheme") == "https",
        "aws:SourceIp": call.environ.get("REMOTE_ADDR"),
    }
    if call.service == "ecs":
        context["ecs:cluster"] = _ecs_cluster(call, principal)
        resource = _ecs_resource(call, principal)
        if ":container-instance/" in resource:
            context["ecs:container-instances"] = resource
    tags = call.params.get("Tags") if call.service == "ssm" else call.params.get("tags")
    if isinstance(tags, list) and tags:
        pairs = {str(t.get("Key", t.get("key"))): str(t.get("Value", t.get("value", ""))) for t in tags}
        context["aws:TagKeys"] = list(pairs)
        context.update({f"aws:RequestTag/{k}": v for k, v in pairs.items()})
    if "PermissionsBoundary" in call.params:
        context["iam:PermissionsBoundary"] = call.params["PermissionsBoundary"]
    if "PolicyArn" in call.params:
        context["iam:PolicyARN"] = call.params["PolicyArn"]
    return {k: v for k, v in context.items() if v is not None}


def requests_of(call: Call, principal: Principal) -> list[Request]:
    """All that must be allowed for this call: the action itself and what it does on the way."""
    find = RESOURCES.get(call.service, lambda _call, _principal: "*")
    context = _context(call, principal)
    wanted = [Request(call.name, find(call, principal), context)]
    if member := PASSES_ROLE.get(call.name):
        role = str(call.params.get(member, "")).strip("/")
        arn = role if role.startswith("arn:") else _arn(call, principal, "iam", f"role/{role}")
        wanted.append(Request("iam:PassRole", arn, {**context, "iam:PassedToService": "ssm.amazonaws.com"}))
        if call.name == "ssm:UpdateManagedInstanceRole":
            wanted.append(Request(call.name, arn, context))  # AWS wants it allowed on the node and on the role
    if call.name == "ecs:RegisterTaskDefinition":
        passed = {call.params.get(member) for member in ("taskRoleArn", "executionRoleArn")} - {None}
        service = {**context, "iam:PassedToService": "ecs-tasks.amazonaws.com"}
        wanted += [Request("iam:PassRole", str(role), service) for role in sorted(passed)]
    creates = {
        "ecs:RegisterContainerInstance",
        "ecs:CreateCluster",
        "ecs:CreateService",
        "ecs:RegisterTaskDefinition",
        "ecs:RunTask",
        "ecs:StartTask",
    }
    if call.name in creates and call.params.get("tags"):
        tagged = call.params.get("containerInstanceArn") or wanted[0].resource
        if call.name == "ecs:RegisterContainerInstance":
            cluster = _ecs_cluster(call, principal).split("/")[-1]
            tagged = _arn(call, principal, "ecs", f"container-instance/{cluster}/*")
        if call.name in ("ecs:RunTask", "ecs:StartTask"):
            tagged = _arn(call, principal, "ecs", f"task/{_ecs_cluster(call, principal).split('/')[-1]}/*")
        wanted.append(Request("ecs:TagResource", tagged, {**context, "ecs:CreateAction": call.operation}))
    return wanted


def _documents(iam: IAMBackend, owner: Any) -> list[str]:
    documents = list(owner.policies.values()) if isinstance(owner.policies, dict) else []
    for policy in owner.managed_policies.values():
        documents += [v.document for v in policy.versions if v.version_id == policy.default_version_id]
    return documents


def _boundary(iam: IAMBackend, owner: Any) -> str | dict[str, Any] | None:
    arn = getattr(owner, "permissions_boundary_arn", None)
    if not arn:
        return None
    policy = iam.managed_policies.get(arn)
    if policy is None:
        return {"Statement": []}
    return next(v.document for v in policy.versions if v.version_id == policy.default_version_id)


def policies_of(principal: Principal) -> tuple[list[str], str | dict[str, Any] | None]:
    iam = iam_backends[principal.account][principal.partition]
    if principal.role_arn:
        role = next((r for r in iam.get_roles() if r.arn == principal.role_arn), None)
        return (_documents(iam, role), _boundary(iam, role)) if role else ([], None)
    user = iam.users.get(principal.user_name)
    if user is None:
        return [], None
    documents = _documents(iam, user)
    for group in iam.groups.values():
        if user in group.users:
            documents += _documents(iam, group)
    return documents, _boundary(iam, user)


def _assume_role(call: Call, principal: Principal) -> None:
    """moto lets anyone assume any role, also one that does not exist."""
    iam = iam_backends[principal.account][principal.partition]
    arn = str(call.params.get("RoleArn", ""))
    role = next((r for r in iam.get_roles() if r.arn == arn), None)
    names = (f"AWS:{principal.arn}", f"AWS:arn:{principal.partition}:iam::{principal.account}:root")
    document = role.assume_role_policy_document if role else "{}"
    if not any(
        trusts(document, name, context=_context(call, principal)) for name in (*names, f"AWS:{principal.account}")
    ):
        raise ApiError(
            "AccessDeniedException",
            f"User: {principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )


def authorize(call: Call, principal: Principal) -> None:
    if call.name in FREE:
        return
    documents, boundary = policies_of(principal)
    for request in requests_of(call, principal):
        decision = evaluate(documents, boundary, request)
        if not decision.allowed:
            call.extra["denied"] = request.action
            raise ApiError(
                "AccessDeniedException",
                f"User: {principal.arn} is not authorized to perform: {request.action} on resource: "
                f"{request.resource} {decision.reason}",
            )
    if call.name == "sts:AssumeRole":
        _assume_role(call, principal)


def role_by_name(account: str, partition: str, name: str) -> Any | None:
    """A role by the name that SSM takes: with its path, without the leading slash, never an ARN."""
    for role in iam_backends[account][partition].get_roles():
        if f"{role.path}{role.name}".lstrip("/") == name:
            return role
    return None


def trusted_by_ssm(account: str, partition: str, name: str) -> bool:
    """As SSM sees it: a role that was made or changed a moment ago may not have arrived there yet."""
    role = role_by_name(account, partition, name)
    if role is None:
        return False
    changed = getattr(role, "trust_changed_at", 0.0)
    if runtime.clock.time() - changed < runtime.settings.iam_propagation_seconds:
        return False
    return trusts(role.assume_role_policy_document, "Service:ssm.amazonaws.com")
