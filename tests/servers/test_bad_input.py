# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bad input ends the server's run with one clear message, and nothing was changed: on the server, in AWS."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
import time

import pytest
from conftest import testbed

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
FETCHED = "/var/cache/apt/archives/ecs_anywhere-"
# What a run leaves behind by being a run.
OWN_TRACES = r"^/(proc|sys|run|tmp|dev|var/log|var/lib/systemd|root/\.ansible|var/cache/apt/pkgcache|var/lib/apt)"


def signing_keys():
    inventory = json.loads((testbed.BED / "inventory.json").read_text())
    return inventory["all"]["children"]["edge_servers"]["vars"]["ecs_anywhere_gpg_keys"]


@pytest.fixture(scope="module")
def plain(bed):
    """A bare server that stays bare, because no test here may change it."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add("plain")
    yield "plain"
    bed.remove("plain")


@pytest.fixture
def refused(bed, aws, plain, record_property):
    """Run against the bare server; it must fail with the sentence and leave everything as it was."""

    def run(*sentences, host=plain, writes=(), left=(), fetched=False, **how):
        """fetched: AWS refuses only after the packages were fetched. Good packages may lie in apt's cache."""
        bed.on(host, f"rm -f {FETCHED}*; touch /stamp")
        result = bed.register(host, **how)
        result.note(record_property, host)
        assert result.returncode != 0
        assert result.recap(host)["failed"] == 1
        assert result.recap(host)["changed"] == fetched
        for sentence in sentences:
            assert sentence in result.text
        assert "Traceback" not in result.output
        touched = bed.on(host, f"find / -xdev -newer /stamp -type f | grep -vE '{OWN_TRACES}|^/stamp' || :")
        touched = "\n".join(line for line in touched.splitlines() if not line.startswith(FETCHED))
        assert touched == ""
        assert sorted(set(aws.operations(writes=True))) == sorted(writes)
        assert [activation["ActivationId"] for activation in aws.activations()] == list(left)
        return result

    return run


@pytest.fixture
def node_role(aws):
    """The role is there and right, so that managing it changes nothing."""
    iam = aws.client("iam")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="ecsAnywhereRole", AssumeRolePolicyDocument=json.dumps(TRUST))
    for policy in ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role"):
        iam.attach_role_policy(RoleName="ecsAnywhereRole", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    aws.forget_calls()


@pytest.mark.usefixtures("node_role")
class TestInAws:
    def test_unknown_cluster(self, refused):
        refused("nowhere", "us-east-1", variables={"ecs_anywhere_cluster": "nowhere"})

    def test_wrong_region(self, refused):
        refused("edge", "eu-west-1", variables={"ecs_anywhere_region": "eu-west-1"})

    def test_expired_activation(self, refused, aws):
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
        mine = aws.client("ssm").create_activation(IamRole="ecsAnywhereRole", ExpirationDate=soon)
        time.sleep(3)
        aws.forget_calls()
        self._refuse_own(refused, mine, "expired at", left=[mine["ActivationId"]])
        aws.client("ssm").delete_activation(ActivationId=mine["ActivationId"])

    def test_unknown_activation(self, refused):
        unknown = {"ActivationId": "00000000-1111-2222-3333-444444444444", "ActivationCode": "x" * 20}
        self._refuse_own(refused, unknown, "does not exist in us-east-1")

    def _refuse_own(self, refused, mine, sentence, **expected):
        refused(
            f"the activation {mine['ActivationId']} {sentence}",
            variables={
                "ecs_anywhere_activation_id": mine["ActivationId"],
                "ecs_anywhere_activation_code": mine["ActivationCode"],
            },
            **expected,
        )

    def test_role_as_unique_id(self, refused):
        refused("AROAEXAMPLEEXAMPLEID1", variables={"ecs_anywhere_iam_role": "AROAEXAMPLEEXAMPLEID1"})

    def test_role_that_does_not_trust_systems_manager(self, refused, aws):
        iam = aws.client("iam")
        document = json.dumps(TRUST).replace("ssm.", "ec2.")
        iam.create_role(RoleName="untrusting", AssumeRolePolicyDocument=document)
        aws.forget_calls()
        refused(
            "untrusting",
            "ValidationException",
            "ssm.amazonaws.com",
            variables={"ecs_anywhere_iam_role": "untrusting", "ecs_anywhere_manage_iam_role": False},
            writes=["CreateActivation"],  # refused by AWS
            fetched=True,
        )

    @pytest.mark.parametrize(
        "missing",
        ["ecs:DescribeClusters", "iam:GetRole", "iam:ListAttachedRolePolicies", "ssm:CreateActivation", "iam:PassRole"],
    )
    def test_missing_permission(self, refused, aws, missing):
        needed = {
            "ecs:DescribeClusters",
            "ecs:ListContainerInstances",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "iam:PassRole",
            "ssm:AddTagsToResource",
            "ssm:CreateActivation",
            "ssm:DeleteActivation",
        }
        refused_late = missing in ("ssm:CreateActivation", "iam:PassRole")
        iam = aws.client("iam")
        name = "without-" + missing.replace(":", "-")
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": sorted(needed - {missing}), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="operator", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        aws.forget_calls()
        refused(
            missing,
            environment={
                "TESTBED_ACCESS_KEY_ID": key["AccessKeyId"],
                "TESTBED_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            },
            writes=["CreateActivation"] if refused_late else [],  # refused by AWS
            fetched=refused_late,
        )


@pytest.mark.usefixtures("node_role")
class TestPackages:
    @pytest.fixture
    def mirror(self):
        """A mirror beside the true one, to be tampered with."""
        packages = testbed.CACHE / "agents" / "packages"
        copy = packages / "mirror"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for bucket in ("amazon-ssm-us-east-1", "amazon-ecs-agent-us-east-1"):
            shutil.copytree(packages / bucket, copy / bucket, symlinks=True)
        yield copy
        shutil.rmtree(copy)

    @pytest.fixture
    def not_fetched(self, bed, plain, refused):
        def run(artefact, *sentences, **variables):
            refused(*sentences, variables=variables)
            assert bed.on(plain, f"ls {FETCHED}{artefact}.deb 2>/dev/null || :") == ""

        return run

    def test_tampered_package(self, not_fetched, aws, mirror):
        package = mirror / "amazon-ecs-agent-us-east-1" / "amazon-ecs-init-latest.amd64.deb"
        content = package.read_bytes()
        package.unlink()
        package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        not_fetched(
            "amazon-ecs-agent",
            "amazon-ecs-init-latest.amd64.deb",
            "signature",
            ecs_anywhere_package_base_url=f"{aws.url}/mirror",
        )

    def test_package_without_signature(self, not_fetched, aws, mirror):
        (mirror / "amazon-ssm-us-east-1" / "latest" / "debian_amd64" / "amazon-ssm-agent.deb.sig").unlink()
        not_fetched(
            "amazon-ssm-agent",
            "amazon-ssm-agent.deb.sig",
            "403",  # what S3 answers for a key that is not there
            ecs_anywhere_package_base_url=f"{aws.url}/mirror",
        )

    def test_wrong_signing_key(self, not_fetched):
        keys = signing_keys()
        keys["amazon-ssm-agent"] = keys["amazon-ecs-agent"]
        not_fetched("amazon-ssm-agent", "amazon-ssm-agent", "key", ecs_anywhere_gpg_keys=keys)

    def test_unpinned_fingerprint(self, not_fetched):
        keys = signing_keys()
        keys["amazon-ssm-agent"][0]["fingerprint"] = "0" * 40
        not_fetched("amazon-ssm-agent", "0" * 40, ecs_anywhere_gpg_keys=keys)


@pytest.mark.usefixtures("node_role")
class TestOnTheServer:
    """The state is made on the server, and taken back."""

    @pytest.fixture
    def in_state(self, bed, plain):
        undo = []

        def make(script, back):
            bed.on(plain, script)
            undo.append(back)

        yield make
        for back in undo:
            bed.on(plain, back)

    def test_unsupported_system(self, refused, in_state):
        in_state(
            "cp -P /etc/os-release /etc/os-release.kept; rm /etc/os-release; "
            "printf 'ID=slackware\\nVERSION_ID=15.0\\nPRETTY_NAME=\"Slackware 15.0\"\\n' > /etc/os-release",
            "rm /etc/os-release; mv /etc/os-release.kept /etc/os-release",
        )
        refused("Slackware 15.0 is not supported", "debian 11/12/13")

    def test_unsupported_architecture(self, refused, in_state):
        in_state(
            "printf '#!/bin/sh\\nexec setarch i686 /usr/bin/python3 \"$@\"\\n' > /usr/local/bin/python-i686; "
            "chmod +x /usr/local/bin/python-i686",
            "rm /usr/local/bin/python-i686",
        )
        refused(
            "the architecture i686 is not supported",
            variables={"ansible_python_interpreter": "/usr/local/bin/python-i686"},
        )

    @pytest.mark.state("podman's shim")
    def test_podman_instead_of_docker(self, refused, in_state):
        in_state(
            "printf '#!/bin/sh\\nexec /usr/bin/podman \"$@\"\\n' > /usr/bin/docker; chmod +x /usr/bin/docker",
            "rm /usr/bin/docker",
        )
        refused("podman's compatibility shim")

    @pytest.mark.state("Docker too new")
    def test_an_engine_that_the_agent_does_not_understand(self, refused, in_state):
        engine = (
            "import http.server, json, socketserver\n"
            "VERSION = {'Version': '30.0.0', 'ApiVersion': '1.60', 'MinAPIVersion': '1.50'}\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "    address_string = lambda self: 'client'\n"
            "    def do_GET(self):\n"
            "        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(VERSION).encode())\n"
            "socketserver.ThreadingUnixStreamServer('/run/docker.sock', H).serve_forever()\n"
        )
        in_state(
            "touch /usr/bin/dockerd; cat > /run/engine.py <<'END'\n" + engine + "END\n"
            "systemd-run --quiet --unit docker /usr/bin/python3 /run/engine.py; sleep 1",
            "systemctl stop docker; rm -f /usr/bin/dockerd /run/docker.sock /run/engine.py",
        )
        refused("Docker 30.0.0 speaks API 1.50 and newer, the ECS agent at most 1.44")

    @pytest.mark.state("disk too small")
    def test_no_room_for_packages(self, refused, in_state):
        in_state(
            "mount -t tmpfs -o size=60m tmpfs /var/cache; mkdir -p /var/cache/apt/archives/partial",
            "umount /var/cache",
        )
        refused("/var/cache have 60 MB left, the installation takes up to 400 MB: make room")

    @pytest.mark.state("IMDS with a role")
    def test_ec2_instance_with_a_role(self, refused, in_state):
        server = (
            "import http.server\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "    def answer(self):\n"
            "        texts = {'/latest/api/token': b'token',\n"
            "                 '/latest/meta-data/iam/security-credentials/': b'web-server',\n"
            "                 '/latest/meta-data/instance-id': b'i-0123456789abcdef0'}\n"
            "        text = texts.get(self.path)\n"
            "        self.send_response(200 if text else 404)\n"
            "        self.send_header('Content-Length', str(len(text or b'')))\n"
            "        self.send_header('Server', 'EC2ws'); self.end_headers(); self.wfile.write(text or b'')\n"
            "    do_GET = do_PUT = answer\n"
            "http.server.ThreadingHTTPServer(('169.254.169.254', 80), H).serve_forever()\n"
        )
        in_state(
            "ip address add 169.254.169.254/32 dev lo; cat > /run/imds.py <<'END'\n" + server + "END\n"
            "systemd-run --quiet --unit imds /usr/bin/python3 /run/imds.py; sleep 1",
            "systemctl stop imds; ip address delete 169.254.169.254/32 dev lo; rm /run/imds.py",
        )
        refused("this is an EC2 instance with the role web-server")

    @pytest.mark.state("Docker missing")
    def test_docker_left_to_the_user_and_missing(self, refused):
        refused("ecs_anywhere_docker_source is `none`", variables={"ecs_anywhere_docker_source": "none"})

    def test_no_systemd(self, refused, bed):
        testbed.run_container(
            f"{testbed.NETWORK}-initless", "initless", testbed.NETWORK, suite="bookworm", command=("/bin/sleep", "600")
        )
        try:
            refused("systemd does not run here", host="initless")
        finally:
            bed.remove("initless")

    def test_one_bad_server_does_not_stop_the_others(self, bed, aws, plain, in_state):
        in_state(
            "mv /etc/os-release /etc/os-release.kept; echo ID=plan9 > /etc/os-release",
            "mv /etc/os-release.kept /etc/os-release",
        )
        bed.add("other", docker=True)
        try:
            result = bed.register(plain, "other")
            assert result.recap(plain)["failed"] == 1
            assert result.recap("other")["failed"] == 0
            assert [i["status"] for i in aws.container_instances()] == ["ACTIVE"]
            assert [bool(c["error"]) for c in aws.calls(operation="CreateActivation")] == [False]
        finally:
            bed.remove("other")


def test_a_strategy_without_once_is_refused(bed, aws, plain, tmp_path):
    play = tmp_path / "free.yml"
    play.write_text(
        "- hosts: all\n  strategy: free\n  gather_facts: false\n  become: true\n"
        "  roles:\n    - hybrid.ecs_anywhere.ecs_anywhere\n"
    )
    result = bed.register(plain, playbook=str(play))
    assert "strategy is 'free'" in result.text
    assert result.recap(plain)["failed"] == 1
    assert aws.operations() == []


@pytest.mark.parametrize("name", ["ecs_anywhere_region", "ecs_anywhere_cluster"])
def test_required_variables_are_asked_for(bed, aws, plain, name):
    result = bed.register(plain, without=name)
    assert result.returncode != 0
    assert f"missing required arguments: {name}" in result.text
    assert aws.operations() == []


def test_an_empty_cluster_is_not_the_default_cluster(refused):
    refused("cluster must not be empty", variables={"ecs_anywhere_cluster": ""})
