# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Options of the role on real servers: check, which changes nothing; run; run again, which has nothing to do."""

from __future__ import annotations

import json

import pytest
from conftest import testbed

PASSWORD = "hunter2-of-the-proxy"
PROXY = f"http://edge:{PASSWORD}@{testbed.EMULATOR_ADDRESS}:3128"
# A proxy beside AWS, for those who know its password; it notes whom they ask for.
PROXY_PROGRAM = """
import base64, selectors, socket, socketserver, sys
LOGIN = "Basic " + base64.b64encode(sys.argv[1].encode()).decode()
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        method, target, _version = self.rfile.readline().decode().split()
        headers = {}
        while (line := self.rfile.readline().decode().strip()):
            name, _colon, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("proxy-authorization") != LOGIN:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\\r\\n\\r\\n")
            return
        host, _colon, port = target.partition(":")
        with open("/tmp/proxy.log", "a") as log:
            log.write(f"{host}\\n")
        with socket.create_connection(("127.0.0.1", int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n")
            both = selectors.DefaultSelector()
            both.register(self.connection, selectors.EVENT_READ, there)
            both.register(there, selectors.EVENT_READ, self.connection)
            while True:
                for key, _events in both.select():
                    block = key.fileobj.recv(65536)
                    if not block:
                        return
                    key.data.sendall(block)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("0.0.0.0", 3128), Handler).serve_forever()
"""
SSM_CONFIG = "/etc/amazon/ssm/amazon-ssm-agent.json"
# Everything that an option may change.
LOOK = (
    "cat /etc/ecs/ecs.config /var/lib/ecs/ecs.config /etc/hybrid-ecs-anywhere/* /etc/amazon/ssm/*.json "
    "/etc/systemd/system/*.d/*.conf /root/.aws/credentials 2>&1 || :; "
    "systemctl show -p MainPID docker amazon-ssm-agent ecs"
)


@pytest.fixture(scope="module")
def account(bed):
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    return bed


def writes_nothing(bed, *hosts, **how):
    """The check of a run. Returns it."""
    before = [bed.on(host, LOOK) for host in hosts]
    bed.aws.forget_calls()
    checked = bed.register(*hosts, timeout=600, **how, options=["--check", "--diff"])
    assert checked.returncode == 0
    assert bed.aws.operations(writes=True) == []
    assert [bed.on(host, LOOK) for host in hosts] == before
    return checked


def rests(bed, *hosts, **how):
    """A run that has nothing to do, and costs one execution."""
    before = [bed.on(host, LOOK) for host in hosts]
    again = bed.register(*hosts, timeout=600, **how)
    assert again.returncode == 0
    for host in hosts:
        assert again.recap(host)["changed"] == 0
    assert [bed.on(host, LOOK) for host in hosts] == before


FOREIGN = "[default]\naws_access_key_id = AKIABACKUP\naws_secret_access_key = of-the-backup\n"
HELD = {"Mds": {"Endpoint": ""}, "Ssm": {"HealthFrequencyMinutes": 10}}


class TestOptions:
    """A server whose only way to AWS is a proxy that wants a password, and whose root has AWS credentials already."""

    name = "behind"

    @pytest.fixture(scope="class")
    def behind(self, account):
        testbed.podman("exec", "--detach", testbed.EMULATOR, "python3", "-c", PROXY_PROGRAM, f"edge:{PASSWORD}")
        account.add(self.name, docker=True)
        self.wall(account, "-I")
        account.on(
            self.name,
            f"mkdir -p /root/.aws /etc/amazon/ssm && printf '{FOREIGN}' > /root/.aws/credentials\n"
            f"echo '{json.dumps(HELD)}' > {SSM_CONFIG}",
        )
        yield account
        account.remove(self.name)

    def wall(self, bed, action):
        # a REJECT of the firewall, so that whoever goes past the proxy fails at once
        ports = f"-d {testbed.EMULATOR_ADDRESS} -p tcp -m multiport --dports 80,443"
        bed.on(self.name, f"iptables {action} OUTPUT {ports} -j REJECT; iptables {action} FORWARD {ports} -j REJECT")

    def environment_of(self, bed, unit):
        return bed.on(self.name, f"tr '\\0' '\\n' </proc/$(systemctl show -P MainPID {unit})/environ").splitlines()

    @pytest.mark.state("foreign credentials")
    @pytest.mark.state("no route to AWS")
    def test_foreign_credentials_and_a_closed_way_are_told_in_one_message(self, behind, aws, record_property):
        drop_in = "/etc/systemd/system/amazon-ssm-agent.service.d"
        behind.on(
            self.name,
            f"mkdir -p {drop_in} /etc/ecs && printf '[Service]\\nEnvironment=AWS_PROFILE=x\\n' > {drop_in}/x.conf\n"
            "echo AWS_ACCESS_KEY_ID=AKIAOTHER > /etc/ecs/ecs.config && systemctl daemon-reload\n"
            "mkdir -p /var/lib/ecs && echo AWS_SESSION_TOKEN=other > /var/lib/ecs/ecs.config",
        )
        try:
            run = behind.register(self.name, variables={"ecs_anywhere_gpu": True})
        finally:
            files = f"{drop_in}/x.conf /etc/ecs/ecs.config /var/lib/ecs/ecs.config"
            behind.on(self.name, f"rm {files} && systemctl daemon-reload")
        run.note(record_property, self.name)
        assert run.recap(self.name)["failed"] == 1
        assert aws.calls(operation="CreateActivation") == []
        behind.on(self.name, "touch /dev/nvidiactl /usr/bin/nvidia-smi /usr/bin/nvidia-container-runtime")
        for sentence in (
            "AWS_PROFILE in the environment of amazon-ssm-agent.service would give it other credentials",
            "AWS_ACCESS_KEY_ID in /etc/ecs/ecs.config would give the ECS agent other credentials",
            "AWS_SESSION_TOKEN in /var/lib/ecs/ecs.config would give the ECS agent other credentials",
            "the profile [default] of /root/.aws/credentials is not the SSM agent's",
            "it cannot reach ssm.us-east-1.amazonaws.com:443 (Connection refused), ssmmessages.us-east-1.amazonaws.com",
            "s3.us-east-1.amazonaws.com:443 (Connection refused): allow these in the firewall",
            "ecs_anywhere_gpu is set, but it has no /dev/nvidiactl, nvidia-smi, nvidia-container-runtime",
            "Nothing was changed.",
        ):
            assert sentence in run.text

    def test_one_proxy_in_three_places_and_a_profile_of_the_agents_own(self, behind, aws):
        own = {
            "ecs_anywhere_credentials_profile": "ecs",
            "ecs_anywhere_similarity_threshold": 10,
            "ecs_anywhere_gpu": True,
            "ecs_anywhere_ssm_agent_config": {"Ssm": {"CredentialRetryMaxSleepSeconds": 60}},
        }
        proxied = {"variables": {**own, "ecs_anywhere_proxy": {"https": PROXY, "no_proxy": "intranet.example"}}}
        checked = writes_nothing(behind, self.name, **proxied)
        assert "configure_proxy: no proxy is set" in checked.text
        assert "restart_docker: docker.service runs with another proxy than is wanted" in checked.text
        assert f"{SSM_CONFIG} has other values for Profile.ShareProfile, Ssm.Cred" in checked.text
        run = behind.register(self.name, timeout=600, **proxied, options=["--diff", "-vvv"])
        assert run.returncode == 0
        assert PASSWORD not in checked.output + run.output
        assert "+HTTPS_PROXY=http://sha256:" in run.output
        asked = set(testbed.podman("exec", testbed.EMULATOR, "cat", "/tmp/proxy.log").split())
        for service in ("s3", "ssm", "ssmmessages", "ecs", "ecs-a-1"):
            assert f"{service}.us-east-1.amazonaws.com" in asked
        for unit in ("docker", "amazon-ssm-agent"):
            environment = self.environment_of(behind, unit)
            assert f"HTTPS_PROXY={PROXY}" in environment
            never = "intranet.example,169.254.169.254,169.254.170.2,/var/run/docker.sock"
            assert f"NO_PROXY={never}" in environment
            # what every user of the server may ask for
            assert PASSWORD not in behind.on(self.name, f"systemctl show {unit}")
        assert behind.on(self.name, "stat -c %a /etc/hybrid-ecs-anywhere/proxy.env /etc/ecs/ecs.config").split() == [
            "600",
            "600",
        ]
        self.profile_is_its_own(behind)
        rests(behind, self.name, **proxied)

    def profile_is_its_own(self, bed):
        credentials = bed.on(self.name, "cat /root/.aws/credentials")
        assert FOREIGN.strip() in credentials and "\n[ecs]\n" in credentials
        config = json.loads(bed.on(self.name, f"cat {SSM_CONFIG}"))
        ssm = {"HealthFrequencyMinutes": 10, "CredentialRetryMaxSleepSeconds": 60}
        assert config == {"Mds": {"Endpoint": ""}, "Ssm": ssm, "Profile": {"ShareProfile": "ecs"}}
        assert "ECS_ENABLE_GPU_SUPPORT=true" in bed.on(self.name, "cat /var/lib/ecs/ecs.config").splitlines()
        fingerprint = bed.on(self.name, "cat /var/lib/amazon/ssm/Vault/Store/InstanceFingerprint")
        assert json.loads(fingerprint)["similarityThreshold"] == 10

    def test_without_the_variable_all_of_it_goes(self, behind, aws):
        self.wall(behind, "-D")
        # a profile that was named stays; an administrator changed the agent's file and forgot to restart it
        behind.on(self.name, f"sed -i 's/60/61/' {SSM_CONFIG}")
        plain = {"variables": {"ecs_anywhere_credentials_profile": "ecs"}}
        checked = writes_nothing(behind, self.name, **plain)
        assert "configure_proxy: ecs_anywhere_proxy is not set any more" in checked.text
        assert "it reads its configuration only when it starts" in checked.text
        assert behind.register(self.name, timeout=600, **plain).returncode == 0
        assert PASSWORD not in behind.on(self.name, "grep -rs PROXY /etc || :; " + LOOK)
        for unit in ("docker", "amazon-ssm-agent"):
            assert not [line for line in self.environment_of(behind, unit) if "PROXY" in line]
        rests(behind, self.name, **plain)
