# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: it may change at any time.

from __future__ import annotations


class ModuleDocFragment:
    # What all modules that manage an IAM role have in common; module_utils/_role_module.py has the same as ARGUMENTS.
    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the role shall exist.
      - With V(absent), managed policies are detached, inline policies deleted, and the role is taken out of instance
        profiles before it is deleted. The profiles themselves stay.
      - Whoever works under a deleted role loses the credentials within the hour.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - The path of the role. A new role gets V(/) when this is not given.
      - A path cannot be changed. If the role exists with another path, the module fails before it changes anything.
    type: str
    aliases: [prefix, path_prefix]
  description:
    description:
      - The description of the role. Not given means that an existing one stays.
    type: str
  max_session_duration:
    description:
      - The longest session of the role in seconds, V(3600) to V(43200). Not given means that an existing value stays,
        and that a new role gets IAM's own default, 3600.
    type: int
  boundary:
    description:
      - ARN of the managed policy that is the role's permissions boundary.
      - An empty string removes the boundary. Not given means that an existing one stays.
    type: str
    aliases: [boundary_policy_arn]
  trust:
    description:
      - V(plain) lets the service assume the role without conditions, as in AWS's guides. Conditions on the service are
        taken away.
      - V(restricted) lets it do so only on behalf of this account (C(aws:SourceAccount)) and of its resources in
        O(regions) (C(aws:SourceArn)), which is what AWS recommends against the confused deputy problem. Other accounts
        and Regions, and unconditional trust, are taken away.
      - Not given means V(plain) for a new role, or one whose trust does not let the service in. Any trust that does,
        with conditions or without, stays as it is.
      - Other principals of the trust policy stay in any case.
    type: str
    choices: [plain, restricted]
  managed_policies:
    description:
      - Managed policies to attach beside those that the module attaches anyway, as ARN, name, or path and name such as
        V(service-role/AmazonECSTaskExecutionRolePolicy).
      - Names of policies that are not attached yet cost a listing of all policies (C(iam:ListPolicies)). ARNs do not.
      - IAM attaches 10 managed policies to a role, unless the account has a higher quota.
    type: list
    elements: str
    default: []
    aliases: [managed_policy]
  purge_policies:
    description:
      - Whether to detach managed policies that the module would not attach.
      - Unlike in M(amazon.aws.iam_role) the default is V(false), so that adopting a role never takes a permission
        from those who already work under it.
      - Inline policies are left alone by this. See O(purge_inline_policies).
    type: bool
    default: false
    aliases: [purge_policy, purge_managed_policies]
  inline_policies:
    description:
      - Inline policies of your own. Keys are names; values are policy documents, as dictionary or as JSON text.
      - A policy whose document already means the same is not written again, whatever the order of its statements and
        lists, and whether single values are in lists.
      - IAM takes 10,240 characters in all inline policies of a role together, blanks not counted.
    type: dict
    default: {}
  purge_inline_policies:
    description:
      - Whether to delete inline policies that are neither in O(inline_policies) nor the module's own.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until IAM shows a role that was just created.
    type: bool
    default: true
  wait_timeout:
    description:
      - How long to wait in seconds.
    type: int
    default: 120
notes:
  - >-
    How trust is compared: the trust is right if some statement lets the service do C(sts:AssumeRole), however
    it is written (object or list, order, C(Sid), C(Version), wildcards in the action). Conditions on
    C(aws:SourceAccount), C(aws:SourceArn) and the like make a trust stricter; such a trust is right too and is not
    loosened unless O(trust=plain), or unless its conditions name other accounts only, or C(sts:ExternalId), which AWS's
    services never meet.
  - >-
    Further statements and principals of a trust stay, because others may rely on them. They are drift only if they
    defeat the trust, which is an unconditional C(Deny) of the same. A repair adds the wanted statement, removes the
    statements that defeat it or that try the same and fail, and keeps all others.
  - >-
    Policies are added before others are taken away. IAM spreads each change within seconds but does not promise an
    order (U(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html)), so that a request may be denied in
    those seconds.
attributes:
  check_mode:
    support: full
    details:
      - The predicted role is returned. What only AWS can tell of a role that does not exist yet is null
        (C(role_id), C(create_date)), and its ARN carries the account V(000000000000) where the account did not have to
        be asked for.
  diff_mode:
    support: full
  idempotent:
    support: full
"""
