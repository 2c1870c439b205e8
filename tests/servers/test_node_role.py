# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Managed nodes whose role was replaced, as Quick Setup of Systems Manager does it to a whole fleet."""

from __future__ import annotations

import json
import time

import pytest

QUICK_SETUP = "AmazonSSMRoleForInstancesQuickSetup"
ROLE = "ecsAnywhereRole"
RECORD = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Fleet:
    """Two registered servers. The role of the first is replaced again and again, the second must never be touched."""

    affected, other = "role1", "role2"

    def __init__(self, bed):
        self.bed, self.aws = bed, bed.aws
        self.ids = {name: self.identity(name) for name in (self.affected, self.other)}
        self.arns = {i["ec2InstanceId"]: i["containerInstanceArn"] for i in self.aws.container_instances()}

    def identity(self, name):
        return json.loads(self.bed.on(name, "cat /var/lib/amazon/ssm/Vault/Store/RegistrationKey"))["instanceID"]

    @property
    def id(self):
        return self.ids[self.affected]

    def roles(self):
        nodes = {node["InstanceId"]: node["IamRole"] for node in self.aws.nodes()}
        return [nodes[self.ids[name]] for name in (self.affected, self.other)]

    def calls_of_node(self, operation):
        return [c for c in self.aws.calls(operation=operation) if str(c["principal"]).endswith("/" + self.id)]

    def until(self, happened, seconds=60):
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.3)

    def starts(self, name):
        """When the services began and what the credentials are: to see that nothing was touched."""
        units = self.bed.on(name, "systemctl show -p ActiveEnterTimestampMonotonic docker amazon-ssm-agent ecs")
        return units + self.bed.on(name, f"cat {RECORD} /root/.aws/credentials 2>&1 | md5sum")

    def replace_role(self, trusted=True):
        """Give the node the other role, and let the half hour pass after which its agents notice."""
        iam = self.aws.client("iam")
        iam.update_assume_role_policy(RoleName=QUICK_SETUP, PolicyDocument=json.dumps(TRUST))
        self.aws.client("ssm").update_managed_instance_role(InstanceId=self.id, IamRole=QUICK_SETUP)
        if not trusted:
            document = json.dumps(TRUST).replace("ssm.", "ec2.")
            iam.update_assume_role_policy(RoleName=QUICK_SETUP, PolicyDocument=document)
        self.aws.forget_calls()
        self.bed.on(self.affected, f"rm {RECORD}; systemctl restart amazon-ssm-agent")
        if trusted:
            self.until(lambda: self.bed.on(self.affected, f"test -e {RECORD} && echo yes || :") == "yes")
            self.bed.on(self.affected, "systemctl restart ecs")
            self.until(lambda: self.denied("RegisterContainerInstance"))
        else:
            self.until(lambda: self.denied("RequestManagedInstanceRoleToken"))
        self.aws.forget_calls()

    def denied(self, operation):
        return [c for c in self.calls_of_node(operation) if c["error"] == "AccessDeniedException"]

    def run(self, **how):
        return self.bed.register(self.affected, self.other, **how)

    def is_right(self):
        assert self.roles() == [ROLE, ROLE]
        assert [node["PingStatus"] for node in self.aws.nodes()] == ["Online", "Online"]
        instances = self.aws.container_instances()
        assert {i["ec2InstanceId"]: i["containerInstanceArn"] for i in instances} == self.arns
        assert [(i["status"], i["agentConnected"]) for i in instances] == [("ACTIVE", True)] * 2
        assert {name: self.identity(name) for name in self.ids} == self.ids


@pytest.fixture(scope="module")
def fleet(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    iam = bed.aws.client("iam")
    iam.create_role(RoleName=QUICK_SETUP, AssumeRolePolicyDocument=json.dumps(TRUST))
    core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName=QUICK_SETUP, PolicyArn=core)
    bed.add(Fleet.affected, Fleet.other, docker=True)
    assert bed.register(Fleet.affected, Fleet.other).returncode == 0
    yield Fleet(bed)
    bed.remove(Fleet.affected, Fleet.other)


@pytest.mark.state("node role replaced")
@pytest.mark.parametrize("trusted", [True, False], ids=["the ECS agent is denied", "the SSM agent sleeps"])
def test_the_role_is_repaired_on_the_server_that_lost_it(aws, fleet, trusted, record_property):
    fleet.replace_role(trusted)
    untouched = fleet.starts(fleet.other)

    before = fleet.starts(fleet.affected)
    checked = fleet.run(options=["--check", "--diff"])
    assert checked.returncode == 0
    assert f"its managed node {fleet.id} has the role {QUICK_SETUP}, wanted is {ROLE}" in checked.text
    assert checked.recap(fleet.affected)["changed"] > 0 and checked.recap(fleet.other)["changed"] == 0
    assert aws.operations(writes=True) == []
    assert fleet.roles() == [QUICK_SETUP, ROLE]
    assert fleet.starts(fleet.affected) == before

    repaired = fleet.run()
    assert repaired.returncode == 0
    repaired.note(record_property, fleet.affected)
    assert repaired.recap(fleet.affected)["changed"] > 0 and repaired.recap(fleet.other)["changed"] == 0
    assert aws.operations(writes=True) == ["UpdateManagedInstanceRole"]
    fleet.is_right()
    assert "/ecsAnywhereRole/" in fleet.calls_of_node("RegisterContainerInstance")[-1]["principal"]
    assert fleet.starts(fleet.other) == untouched

    aws.forget_calls()
    again = fleet.run()
    assert again.returncode == 0
    assert again.recap(fleet.affected)["changed"] == again.recap(fleet.other)["changed"] == 0
    assert aws.operations(writes=True) == []


@pytest.mark.parametrize("operation", ["before AWS is told", "after AWS was told"])
def test_a_killed_repair_is_finished_by_the_next_run(bed, aws, fleet, operation):
    fleet.replace_role()
    process = bed.start(fleet.affected, fleet.other)
    if operation == "before AWS is told":
        stopped = "systemctl is-active -q amazon-ssm-agent || echo yes"
        bed.kill_when(process, lambda: bed.on(fleet.affected, stopped) == "yes")
    else:
        bed.kill_when(process, lambda: aws.calls(operation="UpdateManagedInstanceRole"))
    result = fleet.run()
    assert result.returncode == 0
    assert result.recap(fleet.other)["changed"] == 0
    assert len(aws.calls(operation="UpdateManagedInstanceRole")) == 1
    fleet.is_right()
    assert fleet.run().recap(fleet.affected)["changed"] == 0


class TestRefused:
    def test_a_role_that_does_not_trust_systems_manager(self, bed, aws, fleet):
        iam = aws.client("iam")
        iam.create_role(RoleName="untrusting", AssumeRolePolicyDocument=json.dumps(TRUST).replace("ssm.", "ec2."))
        variables = {"ecs_anywhere_iam_role": "untrusting", "ecs_anywhere_manage_iam_role": False}
        result = bed.register(fleet.affected, variables=variables)
        self._is_refused(bed, fleet, result, "wanted is untrusting", "ValidationException", '"ec2.amazonaws.com"')

    def test_a_missing_permission(self, bed, aws, fleet):
        iam = aws.client("iam")
        iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.create_user(UserName="passless")
        statement = {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="passless", PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName="passless")["AccessKey"]
        result = bed.register(
            fleet.affected,
            variables={"ecs_anywhere_iam_role": "trusting", "ecs_anywhere_manage_iam_role": False},
            environment={
                "TESTBED_ACCESS_KEY_ID": key["AccessKeyId"],
                "TESTBED_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            },
        )
        self._is_refused(bed, fleet, result, "lack the permission iam:PassRole")

    def _is_refused(self, bed, fleet, result, *sentences):
        assert result.recap(fleet.affected)["failed"] == 1
        for sentence in ("the role of its managed node was not repaired", *sentences):
            assert sentence in result.text
        assert "Traceback" not in result.output
        assert bed.on(fleet.affected, "systemctl is-active amazon-ssm-agent") == "active"
        fleet.is_right()
