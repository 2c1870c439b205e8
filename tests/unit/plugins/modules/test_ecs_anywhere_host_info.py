# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module over a directory that plays the server, with small servers on loopback and on a socket."""

from __future__ import annotations

import hashlib
import json
import os
import socketserver
import threading
import time

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _host
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import ecs_anywhere_host_info as module

REFUSED = "2026-11-24 02:02:03.0001 ERROR [CredentialRefresher] ... MachineFingerprintDoesNotMatch: x\n"
ARN = "arn:aws:ecs:eu-west-1:123456789012:container-instance/edge/0123456789abcdef0123456789abcdef"
SYSTEMCTL = r"""#!/bin/sh
echo "$@" >> "{root}/systemctl.log"
shift
for name in docker.service ecs.service amazon-ssm-agent.service snap; do
  printf 'LoadState=loaded\nActiveState=%s\nSubState=running\nUnitFileState=enabled\nResult=success\n' {active}
  printf 'ExecMainStatus=0\nNRestarts=0\nMainPID=42\n'
  printf 'Environment=AWS_PROFILE=x\nExecMainStartTimestampMonotonic=1\n\n'
done
"""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A bare server on which nothing answers. Returns what writes a file below its root."""
    root = tmp_path / "root"
    root.mkdir()

    def write(name, content, mode=0o644):
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    (root / "proc" / "self" / "ns").mkdir(parents=True)
    os.symlink("pid:[1]", root / "proc" / "self" / "ns" / "pid")
    monkeypatch.setattr(module, "ROOT", str(root))
    monkeypatch.setattr(module, "IMDS", ("127.0.0.1", 9))
    monkeypatch.setattr(module, "INTROSPECTION", ("127.0.0.1", 9))
    monkeypatch.setattr(_ssm_vault, "ROOT", str(root / "var/lib/amazon/ssm"))
    monkeypatch.setattr(_ssm_vault, "PROC", str(root / "proc"))
    binaries = {source: str(root / path.lstrip("/")) for source, path in _ssm_vault.BINARIES.items()}
    monkeypatch.setattr(_ssm_vault, "BINARIES", binaries)
    write.root = root
    return write


@pytest.fixture
def look(run, server):
    def _look(**args):
        result = run("ecs_anywhere_host_info", aws=False, _ansible_tmpdir=str(server.root), **args)
        assert not result["changed"]
        return result

    return _look


@pytest.fixture
def serve():
    """serve({"GET /path": body}, unix socket or nothing) -> address and the requests that came."""
    servers = []

    def _serve(answers, path=None, delay=0):
        requests = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                line = self.rfile.readline().decode().rsplit(" ", 1)[0]
                headers = []
                while (header := self.rfile.readline().decode().strip()) != "":
                    headers.append(header)
                requests.append((line, headers))
                time.sleep(delay)
                body = answers.get(line)
                body = body(headers) if callable(body) else body
                status = "404 Not Found" if body is None else "200 OK"
                self.wfile.write(f"HTTP/1.0 {status}\r\n\r\n{body or ''}".encode())

        base = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
        listening = base(str(path) if path else ("127.0.0.1", 0), Handler)
        listening.daemon_threads = True
        servers.append(listening)
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        return listening.server_address, requests

    yield _serve
    for listening in servers:
        listening.shutdown()
        listening.server_close()


def systemd(server, active="active"):
    server("/run/systemd/system/x", "")
    server("/usr/bin/systemctl", SYSTEMCTL.format(root=server.root, active=active), 0o755)


def test_a_bare_server(look, server):
    result = look()
    assert result["unreadable"] == []
    assert result["os"]["family"] is None and result["machine_id"] is None
    assert result["systemd"] is False and result["memory_cgroup"] is None and result["cgroup_version"] is None
    assert result["hostname"] == os.uname().nodename and result["architecture"] == os.uname().machine
    assert result["effective_user_is_root"] == (os.geteuid() == 0)
    assert result["imds"] == {"reachable": False, "role": None}
    nothing = {"name": None, "interrupted": False, "half_installed": [], "command_only": False}
    assert result["package_manager"] == nothing
    assert result["docker"] == {
        "installed": False,
        "package": None,
        "package_version": None,
        "engine_version": None,
        "api_version": None,
        "min_api_version": None,
        "podman_shim": False,
        "unit": None,
    }
    assert result["ssm_agent"] == {
        "installed": False,
        "source": None,
        "version": None,
        "binary": None,
        "unit": None,
        "registering": False,
        "fingerprint_mismatch": None,
        "registration": {
            "managed_instance_id": None,
            "region": None,
            "registered_at": None,
            "age": None,
            "stale": False,
            "former_managed_instance_id": None,
            "former_container_instances": [],
            "problem": None,
            "interrupted": None,
        },
    }
    assert result["ecs_agent"] == {
        "installed": False,
        "version": None,
        "unit": None,
        "introspection": None,
        "saved_state": False,
        "log_tail": [],
    }
    nothing = {"exists": False, "canonical": True, "settings": {}}
    assert result["ecs_config"] == {"/etc/ecs/ecs.config": nothing, "/var/lib/ecs/ecs.config": nothing}
    assert "wanted" not in result


def test_a_registered_server(look, server, serve, monkeypatch):
    systemd(server)
    server("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    server("/etc/machine-id", "0123\n")
    server("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    packages = {"docker.io": "20.10.24", "amazon-ssm-agent": "3.3.4108.0-1", "amazon-ecs-init": "1.105.1-1"}
    stanzas = [f"Package: {name}\nStatus: install ok installed\nVersion: {it}\n" for name, it in packages.items()]
    server("/var/lib/dpkg/status", "\n".join(stanzas))
    binary = server("/usr/bin/amazon-ssm-agent", "")
    record = {"instanceID": "mi-1", "region": "eu-west-1", "privateKey": "SECRETKEY"}
    record["privateKeyCreatedDate"] = "2026-11-23 16:51:45.65 +0000 UTC"
    server("/var/lib/amazon/ssm/Vault/Store/RegistrationKey", json.dumps(record))
    server("/var/lib/amazon/ssm/registration", '{"ManagedInstanceID":"mi-1","Region":"eu-west-1"}')
    server("/var/log/amazon/ssm/amazon-ssm-agent.log", REFUSED)
    server("/proc/net/fib_trie", "  |-- 192.0.2.10\n    /32 host LOCAL\n")
    server("/var/lib/ecs/data/agent.db", "")
    server("/var/log/ecs/ecs-agent.log", "level=error msg=old\n")
    server("/etc/ecs/ecs.config", "ECS_CLUSTER=edge\nECS_ENGINE_AUTH_DATA=hunter2\n")
    server("/var/lib/ecs/ecs.config", "A=1\nA=2\n")
    version = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Components": [{"Name": "Engine"}]}
    (server.root / "var" / "run").mkdir()
    serve({"GET /version": json.dumps(version)}, server.root / "var/run/docker.sock")
    metadata = {"Cluster": "edge", "ContainerInstanceArn": ARN, "Version": "Amazon ECS Agent - v1.105.1 (*8dfceca6)"}
    monkeypatch.setattr(module, "INTROSPECTION", serve({"GET /v1/metadata": json.dumps(metadata)})[0])

    result = look()
    assert result["unreadable"] == []
    assert result["machine_id"] == "0123" and result["systemd"]
    assert (result["cgroup_version"], result["memory_cgroup"]) == (2, True)
    assert result["package_manager"]["name"] == "dpkg"
    assert {key: result["docker"][key] for key in ("installed", "package", "package_version", "podman_shim")} == {
        "installed": True,
        "package": "docker.io",
        "package_version": "20.10.24",
        "podman_shim": False,
    }
    engine = [result["docker"][key] for key in ("engine_version", "api_version", "min_api_version")]
    assert engine == ["20.10.24", "1.41", "1.12"]
    ssm = result["ssm_agent"]
    assert ssm["installed"] and ssm["binary"] == str(binary)
    assert (ssm["source"], ssm["version"]) == ("package", "3.3.4108.0-1")
    assert ssm["unit"]["name"] == "amazon-ssm-agent.service" and ssm["unit"]["active_state"] == "active"
    assert ssm["fingerprint_mismatch"] == _host.fingerprint_mismatch(REFUSED)
    assert result["ip_addresses"] == ["192.0.2.10"]
    assert ssm["registration"].pop("age") > 0
    assert ssm["registration"] == {
        "managed_instance_id": "mi-1",
        "region": "eu-west-1",
        "registered_at": "2026-11-23T16:51:45Z",
        "stale": False,
        "former_managed_instance_id": None,
        "former_container_instances": [],
        "problem": None,
        "interrupted": None,
    }
    ecs = result["ecs_agent"]
    assert ecs["installed"] and ecs["version"] == "1.105.1-1" and ecs["saved_state"] and ecs["log_tail"] == []
    assert ecs["introspection"] == {"cluster": "edge", "container_instance_arn": ARN, "version": "1.105.1"}
    digest = "sha256:" + hashlib.sha256(b"hunter2").hexdigest()
    assert result["ecs_config"]["/etc/ecs/ecs.config"] == {
        "exists": True,
        "canonical": True,
        "settings": {"ECS_CLUSTER": "edge", "ECS_ENGINE_AUTH_DATA": digest},
    }
    doubled = result["ecs_config"]["/var/lib/ecs/ecs.config"]
    assert doubled == {"exists": True, "canonical": False, "settings": {"A": "2"}}
    assert "SECRETKEY" not in json.dumps(result) and "hunter2" not in json.dumps(result)
    assert len((server.root / "systemctl.log").read_text().splitlines()) == 1


def test_proxy_configuration_and_credentials(look, server):
    systemd(server)
    secret = "http://u:hunter2@proxy:3128"
    server("/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint", '{"fingerprint":"x","similarityThreshold":10}')
    server("/etc/hybrid-ecs-anywhere/proxy.env", f"HTTP_PROXY={secret}\n")
    told = "[Service]\nEnvironmentFile=/etc/hybrid-ecs-anywhere/proxy.env\n"
    server("/etc/systemd/system/docker.service.d/99-hybrid-ecs-anywhere-proxy.conf", told)
    server("/etc/systemd/system/ecs.service.d/x.conf", "[Service]\nEnvironment=LANG=C AWS_ROLE_ARN=arn\n")
    server("/proc/42/environ", f"PATH=/bin\0HTTP_PROXY={secret}\0")
    server("/root/.aws/credentials", "[default]\naws_access_key_id=AKIAX\n[mine]\naws_access_key_id=AKIAY\n")
    config = server("/etc/amazon/ssm/amazon-ssm-agent.json", '{"Profile": {"ShareProfile": "ecs"}}')
    result = look()
    masked = {"HTTP_PROXY": f"http://sha256:{hashlib.sha256(b'u:hunter2').hexdigest()}@proxy:3128"}
    assert result["proxy"] == {
        "exists": True,
        "settings": masked,
        "drop_ins": {"docker.service": True, "amazon-ssm-agent.service": False},
        "running": {"docker.service": masked, "amazon-ssm-agent.service": masked},
    }
    assert result["credentials"] == {
        "profiles": ["default", "mine"],
        "default": "foreign",
        "unit_variables": {"amazon-ssm-agent.service": ["AWS_PROFILE"], "ecs.service": ["AWS_PROFILE", "AWS_ROLE_ARN"]},
    }
    settings = {"Profile": {"ShareProfile": "ecs"}}
    expected = {"exists": True, "problem": None, "newer_than_agent": True, "settings": settings}
    assert result["ssm_config"] == expected  # the agent was started when the machine was
    for secret in ("hunter2", "AKIAX", "AKIAY"):
        assert secret not in json.dumps(result)
    assert result["similarity_threshold"] == 10
    os.utime(config, (1, 1))
    assert look()["ssm_config"]["newer_than_agent"] is False


def test_a_server_that_is_not_whole_is_looked_around(look, server, serve):
    address = serve({"HEAD /": ""})[0]
    asked = {"what": "ecs", "host": "127.0.0.1", "port": address[1], "plain": True}
    packages = {**asked, "what": "packages"}
    environment = {"HTTPS_PROXY": "http://u:hunter2@proxy:1"}
    result = look(preflight={"endpoints": [asked, packages], "environment": environment})
    around = result["preflight"]
    assert [(e["what"], e["host"], e["problem"]) for e in around["endpoints"]] == [
        ("ecs", "127.0.0.1", None),
        ("packages", "127.0.0.1", None),
    ]
    assert around["clock_offset"] is None
    assert sum(entry["needed"] for entry in around["disk"]) > 10**9
    assert "hunter2" not in json.dumps(result)
    result = look()
    assert result["preflight"] is None and result["selinux"] is None
    assert result["gpu"] == {"missing": ["/dev/nvidiactl", "nvidia-smi", "nvidia-container-runtime"]}
    server("/usr/bin/nvidia-smi", "")
    server("/sys/fs/selinux/enforce", "1")
    result = look()
    assert "nvidia-smi" not in result["gpu"]["missing"] and result["selinux"] == "enforcing"


def test_a_binary_without_a_package_is_what_an_interrupted_rpm_unpacked(look, server):
    binary = server("/usr/bin/amazon-ssm-agent", "")
    ssm = look()["ssm_agent"]
    assert (ssm["installed"], ssm["source"], ssm["binary"]) == (False, None, str(binary))


def test_a_snap(look, server):
    server("/snap/amazon-ssm-agent/current/amazon-ssm-agent", "")
    server("/snap/amazon-ssm-agent/current/meta/snap.yaml", "version: 3.3.40.0\n")
    systemd(server)
    ssm = look()["ssm_agent"]
    assert (ssm["installed"], ssm["source"], ssm["version"]) == (True, "snap", "3.3.40.0")
    assert ssm["unit"]["name"] == "snap.amazon-ssm-agent.amazon-ssm-agent.service"


def test_registration_of_every_kind(look, server):
    store = "/var/lib/amazon/ssm/Vault/Store/RegistrationKey"
    server(store, '{"instanceID":"","region":""}')
    server("/var/lib/amazon/ssm/registration", '{"ManagedInstanceID":"mi-1","Region":"eu-west-1"}')
    server("/var/log/amazon/ssm/amazon-ssm-agent.log", REFUSED)
    server("/proc/net/fib_trie", "  |-- 192.0.2.10\n    /32 host LOCAL\n")
    journal = {"operation": "register", "step": "registering", "previous_id": "mi-1", "service_active": True}
    server("/var/lib/amazon/ssm/.ecs_anywhere_backup/journal.json", json.dumps(journal))
    server("/var/lib/amazon/ssm/.ecs_anywhere_former", "arn:aws:ecs:x\narn:aws:ecs:y")
    server("/proc/7/cmdline", "/usr/bin/amazon-ssm-agent\0-register\0")
    (server.root / "proc/7/ns").mkdir()
    os.symlink("pid:[1]", server.root / "proc/7/ns/pid")
    result = look()
    registration = result["ssm_agent"]["registration"]
    assert registration["managed_instance_id"] is None and registration["stale"]
    assert registration["former_managed_instance_id"] == "mi-1"
    assert registration["former_container_instances"] == ["arn:aws:ecs:x", "arn:aws:ecs:y"]
    assert registration["interrupted"] == {
        "backup_managed_instance_id": "mi-1",
        "operation": "register",
        "step": "registering",
    }
    assert result["ssm_agent"]["registering"]

    server(store, '{"instanceID":')
    server("/var/lib/amazon/ssm/.ecs_anywhere_backup/journal.json", "{")
    result = look()
    assert result["ssm_agent"]["registration"]["problem"] == "it holds no valid JSON"
    assert result["ssm_agent"]["registration"]["interrupted"]["step"] is None
    assert [os.path.basename(entry["what"]) for entry in result["unreadable"]] == ["RegistrationKey", "journal.json"]


def test_what_cannot_be_read_is_named(look, server):
    (server.root / "etc/ecs/ecs.config").mkdir(parents=True)
    (server.root / "etc/machine-id").mkdir()
    result = look()
    assert {"what": "/etc/machine-id", "why": "Is a directory"} in result["unreadable"]
    assert {"what": "/etc/ecs/ecs.config", "why": "Is a directory"} in result["unreadable"]
    assert result["machine_id"] is None and result["ecs_config"]["/etc/ecs/ecs.config"]["exists"]


def test_interrupted_package_installation(look, server):
    server("/var/lib/dpkg/status", "Package: amazon-ecs-init\nStatus: install ok unpacked\nVersion: 1\n")
    server("/var/lib/dpkg/updates/0001", "")
    result = look()
    half = {"name": "dpkg", "interrupted": True, "half_installed": ["amazon-ecs-init"], "command_only": False}
    assert result["package_manager"] == half
    assert result["ecs_agent"]["installed"] is False


@pytest.mark.parametrize("system, manager", [('ID="rocky"\nID_LIKE="rhel fedora"\n', "rpm"), ("ID=debian\n", "dpkg")])
def test_the_system_decides_where_both_package_managers_are(look, server, system, manager):
    server("/etc/os-release", system)
    server("/var/lib/dpkg/status", "Package: docker.io\nStatus: install ok installed\nVersion: 20\n")
    server("/usr/bin/rpm", "#!/bin/sh\nprintf 'pkg\\tdocker-ce\\t27-1\\n'\n", 0o755)
    result = look()
    assert result["package_manager"]["name"] == manager
    assert result["docker"]["package"] == {"rpm": "docker-ce", "dpkg": "docker.io"}[manager]


def test_rpm(look, server):
    # As rpm does: the format once for each package, with tags filled in and \t and \n understood.
    script = """#!/bin/sh
echo package x is not installed
printf '%b' "$(printf '%s' "$3" | sed 's/%{NAME}/docker-ce/; s/%{.*}/27/')"
"""
    server("/usr/bin/rpm", script, 0o755)
    result = look()
    assert result["package_manager"]["name"] == "rpm"
    assert result["docker"]["package"] == "docker-ce" and result["docker"]["installed"]


@pytest.mark.parametrize(
    "rpm, bindings, command_only",
    [
        (True, ["/usr/lib/python3.6/site-packages/dnf/__init__.py"], True),
        (True, ["/usr/lib/python3.9/site-packages/dnf/__init__.py"], False),
        (True, [f"/usr/lib/python3.{minor}/site-packages/dnf/__init__.py" for minor in (6, 11)], False),
        (True, ["/usr/lib/python3.6/site-packages/dnf5.py"], False),
        # without rpm it is nobody's package manager
        (False, ["/usr/lib/python3.6/site-packages/dnf/__init__.py"], False),
    ],
)
def test_whether_a_python_of_ansible_has_dnf(look, server, rpm, bindings, command_only):
    if rpm:
        server("/usr/bin/rpm", "#!/bin/sh\n", 0o755)
    for path in bindings:
        server(path, "")
    assert look()["package_manager"]["command_only"] is command_only


@pytest.mark.parametrize("how", ["package", "script", "link", "socket", "engine"])
def test_podman_in_disguise(look, server, serve, how):
    (server.root / "var" / "run").mkdir(parents=True)
    if how == "package":
        server("/var/lib/dpkg/status", "Package: podman-docker\nStatus: install ok installed\nVersion: 4\n")
    elif how == "script":
        server("/usr/bin/docker", '#!/bin/sh\nexec /usr/bin/podman "$@"\n')
    elif how == "link":
        server("/usr/bin/podman", "")
        os.symlink("podman", server.root / "usr/bin/docker")
    elif how == "socket":
        os.symlink("/run/podman/podman.sock", server.root / "var/run/docker.sock")
    else:
        systemd(server)
        version = json.dumps({"Components": [{"Name": "Podman Engine"}]})
        serve({"GET /version": version}, server.root / "var/run/docker.sock")
    docker = look()["docker"]
    assert docker["podman_shim"] and not docker["installed"]


def test_docker_itself_is_no_podman(look, server):
    server("/usr/bin/docker", "\x7fELF podman")
    server("/usr/bin/dockerd", "")
    docker = look()["docker"]
    assert docker["installed"] and not docker["podman_shim"]


def test_a_sleeping_engine_is_not_woken(look, server, serve):
    """Its socket may be systemd's, which starts the engine for whoever connects."""
    systemd(server, active="inactive")
    (server.root / "var" / "run").mkdir(parents=True)
    requests = serve({"GET /version": '{"Version":"1"}'}, server.root / "var/run/docker.sock")[1]
    assert look()["docker"]["engine_version"] is None and requests == []
    server("/run/docker.pid", "42")  # an engine that runs without systemd
    server("/proc/42/cmdline", "dockerd\0")
    assert look()["docker"]["engine_version"] == "1"


@pytest.mark.parametrize("answer", ["<html>", "[]"])
def test_an_engine_that_answers_nonsense(look, server, serve, answer):
    systemd(server)
    (server.root / "var" / "run").mkdir(parents=True)
    serve({"GET /version": answer}, server.root / "var/run/docker.sock")
    result = look()
    assert result["docker"]["engine_version"] is None
    assert bool(result["unreadable"]) == (answer == "<html>")


def test_an_agent_that_does_not_answer(look, server, serve, monkeypatch):
    monkeypatch.setattr(module, "SOCKET_TIMEOUT", 0.1)
    server("/var/log/ecs/ecs-agent.log", "level=info msg=x\n" * 9000 + "level=error msg=y\n")
    monkeypatch.setattr(module, "INTROSPECTION", serve({}, delay=1)[0])
    result = look()
    assert result["ecs_agent"]["introspection"] is None
    assert result["ecs_agent"]["log_tail"] == ["level=error msg=y"]
    assert result["unreadable"][0]["what"] == "http://127.0.0.1:51678/v1/metadata"
    monkeypatch.setattr(module, "INTROSPECTION", serve({"GET /v1/metadata": "hello"})[0])
    assert look()["unreadable"][0]["why"] == "it does not answer as the ECS agent does"


def needs_token(answer):
    return lambda headers: answer if "X-aws-ec2-metadata-token: T" in headers else None


EC2 = {
    "PUT /latest/api/token": "T",
    "GET /latest/meta-data/instance-id": needs_token("i-0123456789abcdef0"),
    "GET /latest/meta-data/iam/security-credentials/": needs_token("myRole\n"),
}


@pytest.mark.parametrize(
    "answers, expected",
    [
        (EC2, (True, "myRole")),
        ({**EC2, "GET /latest/meta-data/iam/security-credentials/": None}, (True, None)),
        ({"GET /latest/meta-data/instance-id": "i-01234567"}, (True, None)),  # version 1
        ({"GET /latest/meta-data/instance-id": "<html>"}, (False, None)),
        ({"PUT /latest/api/token": "T"}, (False, None)),
        ({}, (False, None)),
    ],
)
def test_imds(look, server, serve, monkeypatch, answers, expected):
    server("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    monkeypatch.setattr(module, "IMDS_BUDGET", 5)
    monkeypatch.setattr(module, "IMDS", serve(answers)[0])
    imds = look()["imds"]
    assert (imds["reachable"], imds["role"]) == expected


def test_a_metadata_service_that_hangs_costs_its_budget_only(look, server, serve, monkeypatch):
    monkeypatch.setattr(module, "IMDS", serve(EC2, delay=1)[0])
    started = time.monotonic()
    assert look()["imds"] == {"reachable": False, "role": None}
    assert time.monotonic() - started < 0.8


def test_check_mode(run, server):
    assert run("ecs_anywhere_host_info", check=True, aws=False, _ansible_tmpdir=str(server.root))["hostname"]
