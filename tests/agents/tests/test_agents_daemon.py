# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SSM agent as a daemon: token, credentials file, worker, and what it does without a registration."""

import base64
import configparser
import datetime
import hashlib
import json
import re
import subprocess
import time

import aws_http
import pytest
from agents_world import REGION
from agents_world import Recorder
from agents_world import json_answer
from agents_world import online
from agents_world import until

CREDENTIALS = "/root/.aws/credentials"
IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
TOKEN = "RequestManagedInstanceRoleToken"
ROLE_SESSION = "assumed-role/ecsAnywhereRole/"


def read_credentials(node, section="default"):
    parser = configparser.ConfigParser(default_section="none")
    parser.read(node.path(CREDENTIALS))
    return dict(parser[section])


# --- registered


def test_it_comes_online(node, world):
    node_id, mark = node.registered(), world.mark()
    daemon = node.start("amazon-ssm-agent")
    info = until(lambda: online(node, node_id), what="Online")
    assert info["AgentVersion"] == "3.3.4108.0"
    assert (info["PlatformType"], info["IPAddress"]) == ("Linux", "10.1.2.3")
    until(lambda: world.calls("OpenControlChannel", after=mark), what="the control channel")
    calls = [call for call in world.calls(after=mark) if node_id in call["principal"] or call["operation"] == TOKEN]
    assert {call["status"] for call in calls} <= {101, 200, 201}
    operations = [call["operation"] for call in calls]
    assert operations[0] == TOKEN
    assert operations.count(TOKEN) == 1
    assert operations.count("UpdateInstanceInformation") == 2, "a ping, then the full one"
    assert "ListInstanceAssociations" in operations
    assert all(call["principal"].endswith(ROLE_SESSION + node_id) for call in calls[1:])
    assert node.stop(daemon) == 0
    assert not node.path("/var/lib/amazon/ssm/ipc/health").exists()


def test_files_of_the_daemon(node, world):
    node_id = node.registered()
    node.start("amazon-ssm-agent")
    until(node.path(IDENTITY).exists)
    modes = {
        "/root/.aws": 0o700,
        CREDENTIALS: 0o600,
        IDENTITY: 0o600,
        "/var/lib/amazon/ssm/ipc": 0o750,
    }
    assert {name: node.mode(name) for name in modes} == modes
    assert node.path("/var/lib/amazon/ssm/ipc/health").is_socket()
    assert node.path("/var/lib/amazon/ssm/ipc/termination").is_socket()
    keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
    assert list(read_credentials(node)) == keys
    saved = node.json(IDENTITY)
    expires, retrieved = (
        datetime.datetime.strptime(saved.pop(key), "%Y-%m-%dT%H:%M:%SZ")
        for key in ("CredentialsExpiresAt", "CredentialsRetrievedAt")
    )
    assert 3590 <= (expires - retrieved).total_seconds() <= 3610
    assert saved == {
        "SchemaVersion": "1.1",
        "InstanceId": node_id,
        "IdentityType": "OnPrem",
        "ShareFile": CREDENTIALS,
        "ShareProfile": "",
        "CredentialSource": "SSM",
    }


def test_other_sections_stay_and_default_is_taken(node):
    node.registered()
    node.path("/root/.aws").mkdir()
    mine = "# mine\n[backup]\naws_access_key_id = AKIABACKUP\nregion=x\n\n"
    node.path(CREDENTIALS).write_text(mine + "[default]\naws_access_key_id = AKIAADMIN\noutput = json\n")
    node.start("amazon-ssm-agent")
    until(node.path(IDENTITY).exists)
    assert node.text(CREDENTIALS).startswith(mine)
    found = read_credentials(node)
    assert found["aws_access_key_id"].startswith("ASIA")
    assert found["output"] == "json"


def test_an_unparsable_file_is_replaced(node):
    node.registered()
    node.path("/root/.aws").mkdir()
    node.path(CREDENTIALS).write_text("this is no ini file\n")
    node.start("amazon-ssm-agent")
    until(node.path(IDENTITY).exists)
    assert "this is no" not in node.text(CREDENTIALS)
    assert read_credentials(node)["aws_access_key_id"].startswith("ASIA")


def test_a_share_profile(node):
    node_id = node.registered()
    node.ssm_config(Profile={"ShareProfile": "ecs"})
    node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    assert "[default]" not in node.text(CREDENTIALS)
    assert read_credentials(node, "ecs")["aws_access_key_id"].startswith("ASIA")
    assert node.json(IDENTITY)["ShareProfile"] == "ecs"


def test_renewal_at_half_life(node, world):
    world.control("PUT", "settings", {"token_ttl": 6})
    node.registered()
    mark = world.mark()
    node.start("amazon-ssm-agent")
    until(node.path(IDENTITY).exists)
    first = read_credentials(node)["aws_access_key_id"]
    until(lambda: read_credentials(node)["aws_access_key_id"] != first, what="the second token")
    one, two = world.calls(TOKEN, after=mark)[:2]
    assert 2 <= seconds(two) - seconds(one) <= 4.5


def seconds(call):
    if isinstance(call["time"], (int, float)):
        return call["time"]
    return datetime.datetime.fromisoformat(call["time"].replace("Z", "+00:00")).timestamp()


def test_a_restart_with_good_credentials_asks_for_no_token(node, world):
    node_id = node.registered()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    node.stop(daemon)
    mark = world.mark()
    node.start("amazon-ssm-agent")
    until(lambda: world.calls("UpdateInstanceInformation", after=mark), what="a ping")
    assert not world.calls(TOKEN, after=mark)


def test_a_new_identity_does_not_use_the_old_credentials(node, world):
    node_id = node.registered()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    node.stop(daemon)
    assert node.register("-y").returncode == 0
    mark = world.mark()
    node.start("amazon-ssm-agent")
    until(lambda: world.calls(TOKEN, after=mark), what="a token call")
    new = node.vault()["instanceID"]
    until(lambda: online(node, new), what="Online")


def test_a_running_daemon_does_not_see_a_registration(node, world):
    node_id = node.registered()
    node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    assert node.register("-y").returncode == 0
    mark = world.mark()
    time.sleep(1.5)
    new = node.vault()["instanceID"]
    assert node.json(IDENTITY)["InstanceId"] == node_id
    assert not [call for call in world.calls(after=mark) if new in call["principal"]]


def test_the_token_request_on_the_wire(node, world):
    """Chunked, four signed headers, RSASSA-PSS over the ordinary string to sign, checked with openssl."""
    answer = {
        "AccessKeyId": "ASIAX",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "TokenExpirationDate": time.time() + 3600.5,
        "UpdateKeyPair": False,
    }
    node_id = node.registered()
    with Recorder(world, lambda *_: json_answer(answer), 8103) as server:
        node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:8103"})
        node.start("amazon-ssm-agent")
        until(lambda: server.requests)
        _method, _path, headers, body = server.requests[0]
    assert headers["X-Amz-Target"] == "AmazonSSM." + TOKEN
    assert headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in headers
    assert json.loads(body) == {"Fingerprint": node.fingerprint()["fingerprint"]}
    assert headers["X-Amz-Content-Sha256"] == hashlib.sha256(body).hexdigest()
    stamp = headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/{REGION}/ssm/aws4_request"
    head = f"AWS4-HMAC-SHA256 Credential={node_id}/{scope}, "
    head += "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="
    assert headers["Authorization"].startswith(head)
    signature = base64.b64decode(headers["Authorization"][len(head) :])
    signed = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    url = "http://127.0.0.1:8103/"
    text = aws_http.string_to_sign("POST", url, dict(headers), signed, hashlib.sha256(body).hexdigest(), scope, stamp)
    assert verifies(node, text, signature)
    assert not verifies(node, text + " ", signature)


def verifies(node, text, signature):
    folder = node.path("/tmp")
    (folder / "key").write_bytes(base64.b64decode(node.vault()["privateKey"]))
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "rsa", "-inform", "DER", "-in", folder / "key", "-pubout", "-out", folder / "public"]
    subprocess.run(command, check=True, capture_output=True)
    command = ["openssl", "dgst", "-sha256", "-verify", folder / "public", "-signature", folder / "signature"]
    command += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
    return subprocess.run(command, input=text.encode(), check=False, capture_output=True).returncode == 0


def test_a_key_rotation(node, world):
    """UpdateKeyPair: a new key, announced under the old one's signature, then kept."""
    answer = {
        "AccessKeyId": "ASIAX",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "TokenExpirationDate": time.time() + 3600,
        "UpdateKeyPair": True,
    }
    node_id = node.registered()
    old = node.vault()
    with Recorder(world, lambda *_: json_answer(answer), 8104) as server:
        node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:8104"})
        node.start("amazon-ssm-agent")
        until(node.path(IDENTITY).exists)
        sent = [request for request in server.requests if request[2]["X-Amz-Target"].endswith("PublicKey")]
    assert sent[0][2]["X-Amz-Target"] == "AmazonSSM.UpdateManagedInstancePublicKey"
    assert json.loads(sent[0][3])["NewPublicKeyType"] == "Rsa"
    assert f"Credential={node_id}/" in sent[0][2]["Authorization"]
    assert node.vault()["privateKey"] != old["privateKey"]
    assert node.vault()["instanceID"] == node_id


# --- trouble


@pytest.mark.parametrize("code", ["AccessDeniedException", "MachineFingerprintDoesNotMatch"])
def test_a_refused_token_means_a_sleep_of_half_an_hour(node, world, code):
    world.fault("ssm:" + TOKEN, code=code)
    node_id, mark = node.registered(), world.mark()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: re.search(r"Sleeping for 0:(2[5-9]:\d\d|30:00) before", node.log()), what="the sleep")
    assert code in node.log()
    time.sleep(1)
    assert daemon.poll() is None, "the unit stays active"
    assert len(world.calls(TOKEN, after=mark)) == 1
    assert not [call for call in world.calls(after=mark) if node_id in call["principal"] and call["status"] == 200]
    assert not node.path(CREDENTIALS).exists()


def test_another_aws_error_means_some_seconds(node, world):
    world.fault("ssm:" + TOKEN, code="ValidationException")
    node.registered()
    node.start("amazon-ssm-agent")
    until(lambda: re.search(r"Sleeping for 0:00:(1|2)\d before", node.log()), what="the sleep")


def test_no_aws_error_means_a_short_sleep(node, world):
    node.registered()
    with Recorder(world, lambda *_: (200, {}, b"no json"), 8105) as server:
        node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:8105"})
        node.start("amazon-ssm-agent")
        until(lambda: len(server.requests) >= 2, what="a second try")
    assert "Sleeping for 0:00:01 before" in node.log()


def test_without_a_registration_it_asks_the_metadata_service_and_ends_with_0(node, world):
    with Recorder(world, lambda *_: (404, {}, b""), 8106) as server:
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:8106"}
        done = node.run("amazon-ssm-agent", env=env)
    assert done.returncode == 0
    assert server.requests[0][:2] == ("PUT", "/latest/api/token")
    order = ["[OnPrem]", "[EC2]", "[CustomIdentity]", "Agent failed to assume any identity"]
    found = [node.log().index(text) for text in order]
    assert found == sorted(found)
    begin = time.monotonic()
    assert node.run("amazon-ssm-agent", env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}).returncode == 0
    assert time.monotonic() - begin < 4


def test_without_a_control_channel_it_polls_for_messages(node, world):
    world.fault("ssmmessages:CreateControlChannel", code="AccessDeniedException")
    world.control("PUT", "settings", {"long_poll_seconds": 1})
    node_id, mark = node.registered(), world.mark()
    node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    until(lambda: world.calls("GetMessages", after=mark), what="polling")
    assert "CreateControlChannel failed" in node.log()
