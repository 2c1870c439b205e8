# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`amazon-ssm-agent -register` and its relatives: command line, files, request, fingerprint."""

import base64
import json
import re
import stat
import subprocess

import pytest
from agents_world import REGION
from agents_world import Node
from agents_world import Recorder
from agents_world import json_answer

VAULT = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
REGISTRATION = "/var/lib/amazon/ssm/registration"
BAD_CODE = "x" * 20
BAD_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def settled(running_world, packages, tmp_path_factory):
    """A registered node for tests that leave it as it is."""
    node = Node(running_world, packages, tmp_path_factory.mktemp("settled") / "node")
    node.registered()
    yield node
    node.close()


# --- table 2.1


def test_a_fresh_registration(node, world):
    done = node.register()
    node_id = node.vault()["instanceID"]
    assert done.returncode == 0
    line = f"INFO Successfully registered the instance with AWS SSM using Managed instance-id: {node_id}"
    assert line in done.stdout
    assert re.fullmatch("mi-[0-9a-f]{17}", node_id)
    assert line in node.log()


@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        ("", "Registration failed due to EOF"),
        ("n\n", "Registration canceled by user"),
        ("maybe\n", "Invalid response received."),
    ],
)
def test_a_registered_host_asks_and_keeps_what_it_has(settled, stdin, text):
    before = settled.tree()
    done = settled.register(stdin=stdin, activation=(BAD_ID, BAD_CODE))
    assert done.returncode == 1
    assert "Instance already registered. Would you like to override existing with new" in done.stdout
    assert text in done.stdout
    assert settled.tree() == before


@pytest.mark.parametrize(("options", "stdin"), [((), "y\n"), (("-y",), "")])
def test_yes_registers_again_as_another_node(node, world, options, stdin):
    activation = world.activation(limit=2)
    assert node.register(activation=activation).returncode == 0
    old, fingerprint = node.vault(), node.fingerprint()
    assert node.register(*options, activation=activation, stdin=stdin).returncode == 0
    new = node.vault()
    assert new["instanceID"] != old["instanceID"]
    assert new["privateKey"] != old["privateKey"]
    assert node.fingerprint()["fingerprint"] == fingerprint["fingerprint"]
    assert world.node_info(old["instanceID"]), "the old node is an orphan, not gone"
    assert node.register("-y", activation=activation).returncode == 1, "each one counts against the limit"


def test_a_refused_registration_has_already_emptied_the_vault(node):
    old = node.registered()
    key = node.vault()["privateKey"]
    done = node.register("-y", activation=(BAD_ID, BAD_CODE))
    assert done.returncode == 1
    assert "Registration failed due to error registering the instance with AWS SSM. InvalidActivation: " in done.stdout
    assert node.vault()["instanceID"] == ""
    assert node.vault()["privateKey"] != key
    assert node.json(REGISTRATION)["ManagedInstanceID"] == old, "the stale file still names the old id"


def test_a_short_code_is_refused_here_and_empties_the_vault_too(node, world):
    node.registered()
    mark = world.mark()
    done = node.register("-y", activation=("short", "short"))
    assert done.returncode == 1
    assert "InvalidParameter: 2 validation error(s) found." in done.stdout
    assert "- minimum field size of 20, RegisterManagedInstanceInput.ActivationCode." in done.stdout
    assert "- minimum field size of 36, RegisterManagedInstanceInput.ActivationId." in done.stdout
    assert node.vault()["instanceID"] == ""
    assert not world.calls("RegisterManagedInstance", after=mark)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-register"],
        ["-register", "-code", BAD_CODE, "-id", BAD_ID],
        ["-register", "-code", BAD_CODE, "-region", REGION],
        ["-register", "-id", BAD_ID, "-region", REGION],
        ["-clear"],
        ["-clear", "-y"],
        ["-code", BAD_CODE],
    ],
)
def test_incomplete_command_lines_get_the_usage(settled, arguments):
    before = settled.tree()
    done = settled.run("amazon-ssm-agent", *arguments)
    assert done.returncode == 1
    assert "Command-line Usage:" in done.stderr
    assert settled.tree() == before


def test_register_clear_removes_the_identity_and_little_else(node):
    old = node.registered()
    node.path("/root/.aws").mkdir()
    node.path("/root/.aws/credentials").write_text("[default]\n")
    done = node.run("amazon-ssm-agent", "-register", "-clear")
    assert done.returncode == 0
    assert "Registration information has been removed from the instance." in done.stdout
    assert node.vault()["instanceID"] == ""
    assert node.text("/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint") == ""
    assert node.json(REGISTRATION)["ManagedInstanceID"] == old
    assert node.path("/root/.aws/credentials").exists()
    assert node.run("ssm-cli", "get-instance-information").returncode != 0


def test_clear_is_ignored_beside_an_activation(settled):
    before = settled.tree()
    done = settled.register("-clear", activation=(BAD_ID, BAD_CODE))
    assert done.returncode == 1
    assert "Registration failed due to EOF" in done.stdout
    assert settled.tree() == before


def test_version(settled):
    done = settled.run("amazon-ssm-agent", "-version")
    assert (done.returncode, done.stdout) == (0, "SSM Agent version: 3.3.4108.0\n")


# --- table 2.2


def test_files_and_modes(settled):
    node_id = settled.vault()["instanceID"]
    base = "/var/lib/amazon/ssm"
    wanted = {
        "/var/lib/amazon": 0o700,
        base: 0o700,
        REGISTRATION: 0o600,
        base + "/Vault": 0o600,
        base + "/Vault/Store": 0o600,
        base + "/Vault/Manifest": 0o600,
        VAULT: 0o600,
        base + "/Vault/Store/InstanceFingerprint": 0o600,
        "/var/log/amazon/ssm": 0o700,
        "/var/log/amazon/ssm/amazon-ssm-agent.log": 0o644,
    }
    assert {name: settled.mode(name) for name in wanted} == wanted
    assert stat.S_ISDIR(settled.path(base + "/Vault").stat().st_mode)
    assert settled.text(REGISTRATION) == f'{{"ManagedInstanceID":"{node_id}","Region":"{REGION}"}}'
    store = base + "/Vault/Store/"
    names = ("InstanceFingerprint", "RegistrationKey")
    assert settled.json(base + "/Vault/Manifest") == {name: store + name for name in names}


def test_the_vault_record(settled):
    record = settled.vault()
    keys = ["instanceID", "region", "instanceType", "availabilityZone", "privateKey", "publicKey"]
    assert list(record) == [*keys, "privateKeyType", "privateKeyCreatedDate"]
    assert record["instanceID"] == settled.json(REGISTRATION)["ManagedInstanceID"]
    assert (record["region"], record["privateKeyType"]) == (REGION, "Rsa")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000 UTC", record["privateKeyCreatedDate"])
    der = base64.b64decode(record["privateKey"])
    command = ["openssl", "asn1parse", "-inform", "DER"]
    shape = subprocess.run(command, input=der, capture_output=True, check=True).stdout.decode()
    kinds = re.findall(r"prim: (\w+)", shape)
    assert kinds == ["INTEGER"] * 9, "PKCS#1, not PKCS#8"


def test_the_fingerprint_record(settled):
    record = settled.fingerprint()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", record["fingerprint"])
    assert record["similarityThreshold"] == 40
    assert len(record["hardwareHash"]) == 9
    assert record["hardwareHash"]["machine-id"] == settled.text("/etc/machine-id").strip()
    assert record["hardwareHash"]["ipaddress-info"] == "10.1.2.3"


# --- 2.3


def test_the_request(node, world):
    with Recorder(world, lambda *_: json_answer({"InstanceId": "mi-0123456789abcdef0"}), 8101) as server:
        node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:8101"})
        assert node.register(activation=(BAD_ID, BAD_CODE)).returncode == 0
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("POST", "/")
    assert headers["X-Amz-Target"] == "AmazonSSM.RegisterManagedInstance"
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["Accept-Encoding"] == "gzip"
    assert re.match(r"aws-sdk-go/1\.51\.20 \(.*\) amazon-ssm-agent/3\.3\.4108\.0$", headers["User-Agent"])
    assert "Authorization" not in headers
    assert "X-Amz-Date" not in headers
    sent = json.loads(body)
    keys = ["ActivationCode", "ActivationId", "Fingerprint", "PublicKey", "PublicKeyType"]
    assert (list(sent), sent["ActivationCode"], sent["ActivationId"]) == (keys, BAD_CODE, BAD_ID)
    assert (len(sent["PublicKey"]), sent["PublicKeyType"]) == (392, "Rsa")
    assert sent["Fingerprint"] == node.fingerprint()["fingerprint"]


def test_an_aws_error_is_not_retried_but_a_server_error_is(node, world):
    world.fault("ssm:RegisterManagedInstance", code="InternalServerError", status=500, count=1)
    assert node.register().returncode == 0
    mark = world.mark()
    world.fault("ssm:RegisterManagedInstance", code="InvalidActivation", count=1)
    assert node.register("-y").returncode == 1
    assert len(world.calls("RegisterManagedInstance", after=mark)) == 1


# --- 2.4


def test_the_threshold_can_be_set(node):
    node.registered()
    done = node.run("amazon-ssm-agent", "-fingerprint", "-similarityThreshold", "70")
    assert done.returncode == 0
    assert node.fingerprint()["similarityThreshold"] == 70
    assert node.run("amazon-ssm-agent", "-fingerprint", "-similarityThreshold", "0").returncode == 1
    assert node.fingerprint()["similarityThreshold"] == 70
    assert node.register("-y", "-disableSimilarityCheck").returncode == 0
    assert node.fingerprint()["similarityThreshold"] == -1


@pytest.mark.parametrize(
    ("threshold", "changed", "same"),
    [
        (-1, {"machine-id": "other"}, True),
        (40, {"machine-id": "other"}, False),
        (40, {"ipaddress-info": "other"}, True),
        (100, {"hostname-info": "other"}, True),  # the same address is enough
        (100, {"hostname-info": "other", "ipaddress-info": "other"}, False),
        (40, dict.fromkeys(("a", "b", "c", "d", "e", "ipaddress-info"), "other"), False),
        (30, dict.fromkeys(("a", "b", "c", "d", "e", "ipaddress-info"), "other"), True),
    ],
)
def test_similarity(settled, threshold, changed, same):
    saved = dict.fromkeys(("a", "b", "c", "d", "e", "hostname-info", "ipaddress-info", "machine-id", "x"), "value")
    code = (
        "import sys, json; sys.dont_write_bytecode = True; sys.path.insert(0, '/opt/usr/lib/amazon-ssm-agent');"
        "import fingerprint; print(fingerprint.same_machine(*json.loads(sys.argv[1])))"
    )
    values = json.dumps([saved, {**saved, **changed}, threshold])
    assert settled.run("/usr/bin/python3", "-c", code, values).stdout.strip() == str(same)


# --- 3.1


def test_a_broken_configuration_falls_back_silently_to_aws(node, world):
    node.path("/etc/amazon/ssm").mkdir()
    node.path("/etc/amazon/ssm/amazon-ssm-agent.json").write_text('{"Ssm": {"Endpoint": "http://127.0.0.1:9"},}')
    done = node.register()
    assert done.returncode == 0, "the real host answered, not port 9"
    assert "Failed to unmarshal config override. Fall back to default." in done.stdout


def test_a_service_domain(node):
    node.ssm_config(Agent={"ServiceDomain": "corp.test"})
    node.path("/etc/hosts").write_text(f"127.0.0.1 ssm.{REGION}.corp.test\n")
    assert node.register().returncode == 0, "no other name leads anywhere"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_from_the_environment(node, world, variable):
    with Recorder(world, lambda *_: json_answer({"InstanceId": "mi-0123456789abcdef0"}), 8102) as proxy:
        node.ssm_config(Ssm={"Endpoint": "http://ssm.corp.test"})
        env = {variable: "http://127.0.0.1:8102"}
        assert node.register(activation=(BAD_ID, BAD_CODE), env=env).returncode == 0
        assert proxy.requests[0][1] == "http://ssm.corp.test/"
        node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:8102"})
        assert node.register("-y", activation=(BAD_ID, BAD_CODE), env={variable: "http://127.0.0.1:9"}).returncode == 0
        assert proxy.requests[1][1] == "/", "loopback is not proxied"


def test_ssm_cli(settled):
    node_id = settled.vault()["instanceID"]
    done = settled.run("ssm-cli", "get-instance-information")
    wanted = {"instance-id": node_id, "region": REGION, "release-version": "3.3.4108.0"}
    assert json.loads(done.stdout) == wanted
    checks = json.loads(settled.run("ssm-cli", "get-diagnostics").stdout)["DiagnosticsOutput"]
    assert checks[0]["Status"] == "Success"
