# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a run costs and what it leaves: AWS calls, task entries, secrets; and runs that were killed."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
import uuid

import pytest
from conftest import CALLBACKS
from conftest import testbed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def machine(bed, name):
    """What AWS may know the server by, and the server itself."""
    host = json.loads(bed.on(name, "cat /var/lib/amazon/ssm/Vault/Store/RegistrationKey"))
    return host["instanceID"]


@pytest.fixture
def servers(bed):
    """New servers, in an account where nobody has been before."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.aws.forget_calls()
    added = []

    def add(*names, **how):
        bed.add(*names, **how)
        added.extend(names)
        return names

    yield add
    bed.remove(*added)


@pytest.mark.state("bare")
def test_three_servers_one_activation_and_no_secret_left(bed, aws, servers, record_property):
    names = servers("a1", "a2", "a3")
    first = bed.register(*names, options=["-vvv", "--diff"])
    assert first.returncode == 0
    first.note(record_property, names[0])

    assert len(aws.calls(operation="CreateActivation")) == 1
    assert len(aws.calls(operation="DeleteActivation")) == 1
    assert aws.activations() == []
    assert sorted(node["PingStatus"] for node in aws.nodes()) == ["Online"] * 3
    instances = aws.container_instances()
    assert [(i["status"], i["agentConnected"]) for i in instances] == [("ACTIVE", True)] * 3
    assert sorted(i["ec2InstanceId"] for i in instances) == sorted(machine(bed, name) for name in names)

    codes = [secret["code"] for secret in aws.control("GET", "activation-codes")]
    assert len(codes) == 1 and len(codes[0]) >= 20
    elsewhere = "--exclude-dir=proc --exclude-dir=sys --exclude-dir=dev"
    for secret in (codes[0], *testbed.OPERATOR):
        assert secret not in first.output
        for name in names:
            found = bed.on(name, f"grep -rlF {elsewhere} -e '{secret}' / || :")
            assert found == "", f"{secret} is in a file of {name}"

    aws.forget_calls()
    second = bed.register(*names, environment={"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks"})
    assert second.returncode == 0
    assert aws.operations(writes=True) == []
    # however many servers: the cluster, one page of each kind, the role and its policies
    assert len(aws.operations()) <= 7
    for name in names:
        recap = second.recap(name)
        assert recap["changed"] == recap["failed"] == recap["unreachable"] == 0


@pytest.mark.state("right")
def test_a_right_server_costs_one_execution_and_four_entries(bed, aws, servers, tmp_path, record_property):
    names = servers("c1", "c2", docker=True)
    assert bed.register(*names).returncode == 0
    counter = tmp_path / "callback"
    counter.mkdir()
    log = tmp_path / "entries.jsonl"
    (counter / "entries.py").write_text(
        "import json\n"
        "from ansible.plugins.callback import CallbackBase\n"
        "DOCUMENTATION = 'name: entries\\ntype: notification\\nshort_description: x\\ndescription: x\\n'\n"
        "class CallbackModule(CallbackBase):\n"
        "    CALLBACK_NAME = 'entries'\n"
        "    def note(self, result):\n"
        f"        with open({str(log)!r}, 'a') as f:\n"
        "            f.write(json.dumps([result._host.name, result._task.name, result._task.action,\n"
        "                                 bool(result._task.run_once)]) + '\\n')\n"
        "    v2_runner_on_ok = v2_runner_on_skipped = note\n"
        "    def v2_runner_on_failed(self, result, ignore_errors=False): self.note(result)\n"
    )
    result = bed.register(
        *names,
        environment={
            "ANSIBLE_CALLBACK_PLUGINS": f"{counter}:{CALLBACKS}",
            "ANSIBLE_CALLBACKS_ENABLED": "entries,executions",
        },
    )
    assert result.returncode == 0
    result.note(record_property, names[0])
    assert result.executions == dict.fromkeys(names, 1)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for name in names:
        own = [entry for entry in entries if entry[0] == name and not entry[3]]
        assert len(own) <= 4, own
        assert [e for e in own if e[2].endswith("ecs_anywhere_host_info")] == own[-1:], own
    # what runs once for the batch does not grow with it
    assert len([entry for entry in entries if entry[3]]) <= 5


def test_check_mode_tells_the_plan_and_changes_nothing(bed, aws, servers):
    (name,) = servers("k1")
    bed.on(name, "touch /stamp")
    result = bed.register(name, options=["--check", "--diff"])
    assert result.returncode == 0
    for reason in (
        "Docker is not installed",
        "the SSM agent is not installed",
        "it is not registered with Systems Manager",
    ):
        assert reason in result.text
    assert "+ECS_CLUSTER=edge" in result.text
    assert aws.operations(writes=True) == []
    assert bed.on(name, "command -v amazon-ssm-agent dockerd || :") == ""
    assert bed.on(name, "ls /etc/ecs 2>/dev/null || :") == ""
    assert result.recap(name)["changed"] > 0


@pytest.mark.parametrize(
    "moment, happened, docker",
    [
        ("while Docker is installed", "pgrep -x dpkg", False),
        ("while an agent is installed", "pgrep -x dpkg", True),
        ("while the SSM agent registers", "pgrep -f 'amazon-ssm-agent -register'", True),
    ],
)
def test_a_killed_run_is_finished_by_the_next(bed, aws, servers, moment, happened, docker):
    (name,) = servers("killed", docker=docker)
    process = bed.start(name)
    bed.kill_when(process, lambda: bed.on(name, f"{happened} >/dev/null && echo yes || :") == "yes")
    before = bed.on(name, "cat /var/lib/amazon/ssm/Vault/Store/RegistrationKey 2>/dev/null || :")

    result = bed.register(name)
    assert result.returncode == 0, moment
    nodes = aws.control("GET", "managed-nodes")
    assert len(nodes) == 1, f"killed {moment}: {nodes}"
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)]
    assert machine(bed, name) == nodes[0]["managed_instance_id"]
    if before:
        kept = json.loads(before)["instanceID"]
        assert kept in ("", machine(bed, name))
    assert bed.register(name).recap(name)["changed"] == 0


def test_settings_of_the_install_script_are_collapsed_and_the_users_kept(bed, aws, servers):
    (name,) = servers("script", docker=True)
    bed.on(
        name,
        "mkdir -p /etc/ecs /var/lib/ecs\n"
        "printf 'ECS_CLUSTER=edge\\n# mine\\nECS_LOGLEVEL=debug\\nECS_CLUSTER=edge\\n' > /etc/ecs/ecs.config\n"
        "printf 'AWS_DEFAULT_REGION=us-east-1\\nECS_EXTERNAL=true\\nECS_EXTERNAL=true\\n' > /var/lib/ecs/ecs.config",
    )
    assert bed.register(name).returncode == 0
    assert sorted(bed.on(name, "cat /etc/ecs/ecs.config").splitlines()) == ["ECS_CLUSTER=edge", "ECS_LOGLEVEL=debug"]
    assert bed.on(name, "cat /var/lib/ecs/ecs.config") == "AWS_DEFAULT_REGION=us-east-1\nECS_EXTERNAL=true"
    assert "# mine" in bed.on(name, "cat /etc/ecs/ecs.config.before-ecs_anywhere")


def take(aws, secret):
    """Register something with an activation, as the SSM agent of another machine would."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    public = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = {
        "ActivationCode": secret["code"],
        "ActivationId": secret["activation_id"],
        "Fingerprint": str(uuid.uuid4()),
        "PublicKey": base64.b64encode(public).decode(),
        "PublicKeyType": "Rsa",
    }
    headers = {
        "Host": "ssm.us-east-1.amazonaws.com",
        "X-Amz-Target": "AmazonSSM.RegisterManagedInstance",
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = urllib.request.Request(aws.url + "/", method="POST", data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())["InstanceId"]


@pytest.mark.state("activation used up")
def test_an_activation_that_another_machine_used_up_is_deleted_and_the_next_run_works(
    bed, aws, servers, record_property
):
    (name,) = servers("failing", docker=True)
    process = bed.start(name)
    deadline = time.monotonic() + 120
    while not aws.calls(operation="CreateActivation"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    other = take(aws, aws.control("GET", "activation-codes")[0])
    text = " ".join(process.communicate(timeout=300)[0].split())
    assert process.returncode == 2
    assert "The activation has no registration left: another machine may have used it up." in text
    assert len(aws.calls(operation="CreateActivation")) == 1
    assert aws.activations() == []
    # nothing was lost: the next run registers it
    finished = bed.register(name)
    assert finished.returncode == 0
    finished.note(record_property, name)
    assert machine(bed, name) != other
    assert [node["InstanceId"] for node in aws.nodes() if node["PingStatus"] == "Online"] == [machine(bed, name)]


def test_an_activation_of_the_users_own_is_used_and_left_alone(bed, aws, servers):
    (name,) = servers("own", docker=True)
    assert bed.register(name, options=["--check"]).returncode == 0  # says what is missing
    trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = aws.client("iam")
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    mine = aws.client("ssm").create_activation(IamRole="mine", RegistrationLimit=2)
    aws.forget_calls()
    variables = {
        "ecs_anywhere_iam_role": "mine",
        "ecs_anywhere_activation_id": mine["ActivationId"],
        "ecs_anywhere_activation_code": mine["ActivationCode"],
    }
    result = bed.register(name, variables=variables, options=["-vvv"])
    assert result.returncode == 0
    assert mine["ActivationCode"] not in result.output
    assert aws.calls(operation="CreateActivation") == aws.calls(operation="DeleteActivation") == []
    (left,) = aws.activations()
    assert (left["ActivationId"], left["RegistrationsCount"]) == (mine["ActivationId"], 1)
    # the server is registered now and does not need it any more: an unusable one is no problem
    aws.client("ssm").delete_activation(ActivationId=mine["ActivationId"])
    assert bed.register(name, variables=variables).recap(name)["changed"] == 0


def test_an_activation_is_deleted_when_the_only_server_is_lost_on_the_way(bed, aws, servers):
    servers("lost", docker=True)
    process = bed.start("lost")
    deadline = time.monotonic() + 120
    while not aws.calls(operation="CreateActivation"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    testbed.podman("kill", f"{testbed.NETWORK}-lost")
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert len(aws.calls(operation="DeleteActivation")) == 1, output
    assert aws.activations() == []


def test_the_safe_role_is_one_word_and_stays_safe(bed, aws, servers):
    (name,) = servers("safe", docker=True)
    options = {"ecs_anywhere_iam_role_options": {"policy_mode": "least_privilege", "trust": "restricted"}}
    assert bed.register(name, variables=options).returncode == 0
    assert [(i["status"], i["agentConnected"]) for i in aws.container_instances()] == [("ACTIVE", True)]
    denied = [call for call in aws.calls() if call.get("denied") or "AccessDenied" in str(call.get("error"))]
    assert denied == []

    def policies():
        iam = aws.client("iam")
        trust = iam.get_role(RoleName="ecsAnywhereRole")["Role"]["AssumeRolePolicyDocument"]
        return (
            iam.list_attached_role_policies(RoleName="ecsAnywhereRole")["AttachedPolicies"],
            iam.list_role_policies(RoleName="ecsAnywhereRole")["PolicyNames"],
            "aws:SourceAccount" in json.dumps(trust),
        )

    assert policies() == ([], ["ECSAnywhereLeastPrivilege"], True)
    # neither the same run nor one that does not care changes it
    for variables in (options, {}):
        aws.forget_calls()
        assert bed.register(name, variables=variables).recap(name)["changed"] == 0
        assert aws.operations(writes=True) == []
    assert policies() == ([], ["ECSAnywhereLeastPrivilege"], True)
