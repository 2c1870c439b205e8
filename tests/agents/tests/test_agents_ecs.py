# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ECS agent's program against a Docker API that exists only here."""

import http.server
import json
import os
import re
import socket
import socketserver
import threading
import time
import urllib.parse
from pathlib import Path

import aws_http
import pytest
from agents_world import REGION
from agents_world import Recorder
from agents_world import json_answer
from agents_world import until

ECS = "AmazonEC2ContainerServiceV20141113."


class Docker:
    """Enough of the Docker Engine API, on a unix socket."""

    def __init__(self, path, minimum="1.12"):
        self.containers = {}
        self.images = {"demo:1"}
        self.created = []
        self.pulled = []
        docker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return "socket"

            def log_message(self, *_args):
                pass

            def _serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                path = re.sub(r"^/v1\.\d+", "", parts.path)
                status, found = docker.answer(path, query, body, minimum)
                data = json.dumps(found).encode() if found is not None else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _serve

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self._server = Server(str(path), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def answer(self, path, query, body, minimum):
        if path == "/version":
            return 200, {"Version": "20.10.24", "ApiVersion": "1.45", "MinAPIVersion": minimum}
        if path == "/images/create":
            self.pulled.append(query["fromImage"])
            return 500, {"message": "no network"}
        if path.startswith("/images/"):
            image = path[len("/images/") : -len("/json")]
            return (200, {}) if image in self.images else (404, {"message": "no such image"})
        if path == "/containers/create":
            number = f"{len(self.containers):064x}"
            self.containers[number] = {"State": {"Running": False, "ExitCode": 0}}
            self.created.append((query["name"], body))
            return 201, {"Id": number}
        number, action = path.split("/")[2:4]
        state = self.containers[number]["State"]
        if action == "start":
            state["Running"] = True
        if action == "stop":
            self.end(143, number)
        return (200, self.containers[number]) if action == "json" else (204, None)

    def end(self, code, number=None):
        for one, container in self.containers.items():
            if container["State"]["Running"] and number in (None, one):
                container["State"] = {"Running": False, "ExitCode": code}

    def running(self):
        return [one for one in self.containers.values() if one["State"]["Running"]]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Host:
    """A node with the agent's directories, its credentials, and a Docker daemon."""

    def __init__(self, node, docker, credentials):
        self.node = node
        self.docker = docker
        self.world = node.world
        self.node_id, text = credentials
        node.path("/root/.aws").mkdir(exist_ok=True)
        node.path("/root/.aws/credentials").write_text(text)
        self.env = {
            "ECS_CLUSTER": "c1",
            "AWS_DEFAULT_REGION": REGION,
            "ECS_EXTERNAL": "true",
            "ECS_DATADIR": "/data",
            "ECS_LOGFILE": "/log/ecs-agent.log",
            "HOME": "/nowhere",
            "ECS_AVAILABLE_LOGGING_DRIVERS": '["json-file","syslog","awslogs","fluentd","none"]',
            "ECS_DETAILED_OS_FAMILY": "debian_12",
            "ECS_ENABLE_TASK_ENI": "false",
        }

    def run(self, **changes):
        """Run to the end and return the exit status."""
        env = {key: value for key, value in dict(self.env, **changes).items() if value is not None}
        return self.node.run("/agent", env=env).returncode

    def start(self, **changes):
        return self.node.start("/agent", env=dict(self.env, **changes))

    def log(self):
        path = self.node.path("/log/ecs-agent.log")
        return path.read_text() if path.exists() else ""

    def get(self, path):
        try:
            answer = self.world.do(aws_http.request, "GET", "http://127.0.0.1:51678" + path, timeout=2)
        except aws_http.RequestFailed:
            return None
        return json.loads(answer.body) if answer.status == 200 else None

    def up(self):
        return until(lambda: self.get("/v1/metadata"), what="introspection")

    def connected(self, arn, cluster="c1"):
        found = [one for one in self.world.instances(cluster) if one["containerInstanceArn"] == arn]
        return found[0] if found and found[0]["agentConnected"] else None


@pytest.fixture
def host(node, role_credentials):
    docker = Docker(node.path("/run/docker.sock"))
    yield Host(node, docker, role_credentials)
    docker.close()


def ecs_request(server, operation):
    return [json.loads(body) for _m, _p, headers, body in server.requests if headers["X-Amz-Target"] == ECS + operation]


# --- the way to ACTIVE


def test_it_registers_and_connects(host, world):
    child, mark = host.start(), world.mark()
    metadata = host.up()
    arn = metadata["ContainerInstanceArn"]
    assert metadata == {
        "Cluster": "c1",
        "ContainerInstanceArn": arn,
        "Version": "Amazon ECS Agent - v1.105.1 (*8dfceca6)",
    }
    assert host.get("/") == {"AvailableCommands": ["/v1/metadata", "/v1/tasks", "/license"]}
    assert host.get("/v1/tasks") == {"Tasks": []}
    instance = until(lambda: host.connected(arn), what="agentConnected")
    assert (instance["status"], instance["ec2InstanceId"]) == ("ACTIVE", host.node_id)
    assert instance["versionInfo"] == {
        "agentVersion": "1.105.1",
        "agentHash": "8dfceca6",
        "dockerVersion": "DockerVersion: 20.10.24",
    }
    assert "ecs.capability.external" in [one["name"] for one in instance["attributes"]]
    until(lambda: world.calls("StartTelemetrySession", after=mark), what="TCS")
    operations = [call["operation"] for call in world.calls(after=mark) if call["service"] == "ecs"]
    assert operations.index("RegisterContainerInstance") < operations.index("DiscoverPollEndpoint")
    assert "from provider: RotatingSharedCredentialsProvider" in host.log()
    assert host.node.run("/agent", "--healthcheck").returncode == 0
    assert host.node.stop(child) == 0, "SIGTERM is no failure"
    assert host.get("/v1/metadata") is None
    assert host.node.run("/agent", "--healthcheck").returncode == 1
    assert host.node.mode("/data/agent.db") == 0o600
    # Again: the same instance.
    mark = world.mark()
    host.start()
    assert host.up()["ContainerInstanceArn"] == arn
    assert len(world.calls("RegisterContainerInstance", after=mark)) == 1


def test_the_port_opens_only_after_registration(host, world):
    world.fault("ecs:RegisterContainerInstance", code="ThrottlingException", count=5)
    mark = world.mark()
    host.start()
    until(lambda: world.calls("RegisterContainerInstance", after=mark), what="a try")
    assert host.get("/") is None
    assert host.up()


def echo(payload, **changes):
    attributes = changes.get("attributes", payload["attributes"])
    arn = f"arn:aws:ecs:{REGION}:123456789012:container-instance/c1/0123"
    return json_answer({"containerInstance": {"containerInstanceArn": arn, "attributes": attributes}})


def test_the_registration_request(host, world):
    """And what a second one leaves out."""

    def answer(_method, _path, headers, body):
        if headers["X-Amz-Target"].endswith("RegisterContainerInstance"):
            return echo(json.loads(body))
        return json_answer({"endpoint": "http://127.0.0.1:9/", "telemetryEndpoint": "http://127.0.0.1:9/"})

    extra = {
        "ECS_BACKEND_HOST": "http://127.0.0.1:8201",
        "ECS_INSTANCE_ATTRIBUTES": '{"site": "edge-1"}',
        "ECS_CONTAINER_INSTANCE_TAGS": '{"team": "ops"}',
        "ECS_RESERVED_MEMORY": "64",
    }
    with Recorder(world, answer, 8201) as server:
        child = host.start(**extra)
        until(lambda: ecs_request(server, "DiscoverPollEndpoint"))
        host.node.stop(child)
        child = host.start(**extra)
        until(lambda: len(ecs_request(server, "RegisterContainerInstance")) == 2)
        host.node.stop(child)
        first, second = ecs_request(server, "RegisterContainerInstance")
        headers = server.requests[0][2]
        discover = ecs_request(server, "DiscoverPollEndpoint")[0]
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIA")
    assert first["cluster"] == "c1"
    assert (first["instanceIdentityDocument"], first["instanceIdentityDocumentSignature"]) == ("", "")
    assert not {"versionInfo", "containerInstanceArn", "platformDevices"} & set(first)
    attributes = {one["name"]: one.get("value") for one in first["attributes"]}
    assert 40 <= len(attributes) <= 48
    assert attributes["ecs.os-type"] == "linux"
    assert attributes["ecs.os-family"] == "LINUX"
    assert attributes["ecs.os-type-detailed"] == "debian_12"
    assert attributes["ecs.cpu-architecture"] in ("x86_64", "arm64")
    assert attributes["site"] == "edge-1"
    assert first["tags"] == [{"key": "team", "value": "ops"}]
    resources = {one["name"]: one for one in first["totalResources"]}
    assert resources["CPU"]["integerValue"] == os.cpu_count() * 1024
    assert resources["PORTS"]["stringSetValue"] == ["22", "2375", "2376", "51678", "51679"]
    assert resources["PORTS_UDP"]["stringSetValue"] == []
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) // 1024
    assert resources["MEMORY"]["integerValue"] == total - 64
    assert second["containerInstanceArn"].endswith("/0123")
    assert "site" not in [one["name"] for one in second["attributes"]]
    assert second["clientToken"] != first["clientToken"]
    assert discover == {"cluster": "c1", "containerInstance": second["containerInstanceArn"], "zoneId": ""}


def test_wss_with_a_port_fails_as_its_certificate_check_would(host, world):
    def answer(_method, _path, headers, body):
        if headers["X-Amz-Target"].endswith("RegisterContainerInstance"):
            return echo(json.loads(body))
        name = f"https://ecs-a-1.{REGION}.amazonaws.com:443/"
        return json_answer({"endpoint": name, "telemetryEndpoint": name})

    with Recorder(world, answer, 8202):
        host.start(ECS_BACKEND_HOST="http://127.0.0.1:8202")
        until(lambda: "x509" in host.log())
    assert "Connected to ACS" not in host.log()


# --- tasks


def run_task(world, host, family, command, **container):
    definition = dict(container, name="main", image="demo:1", memory=64, command=command)
    world.ecs(
        "RegisterTaskDefinition",
        family=family,
        requiresCompatibilities=["EXTERNAL"],
        networkMode="bridge",
        containerDefinitions=[definition],
    )
    arn = host.up()["ContainerInstanceArn"]
    until(lambda: host.connected(arn), what="agentConnected")
    started = world.ecs("StartTask", cluster="c1", containerInstances=[arn], taskDefinition=family)
    assert not started["failures"], started
    return started["tasks"][0]["taskArn"]


def task(world, arn):
    return world.ecs("DescribeTasks", cluster="c1", tasks=[arn])["tasks"][0]


def test_a_task_runs_ends_and_is_reported(host, world):
    child = host.start()
    environment = [{"name": "A", "value": "b"}]
    arn = run_task(world, host, "fam", ["work"], environment=environment, portMappings=[{"containerPort": 80}])
    found = until(lambda: task(world, arn)["lastStatus"] == "RUNNING" and task(world, arn), what="RUNNING")
    ((name, body),) = host.docker.created
    assert re.fullmatch(r"ecs-fam-\d+-main-[0-9a-f]{20}", name)
    assert (body["Image"], body["Cmd"], body["HostConfig"]["Memory"]) == ("demo:1", ["work"], 64 << 20)
    assert "A=b" in body["Env"]
    assert body["Labels"]["com.amazonaws.ecs.task-arn"] == arn
    assert found["containers"][0]["runtimeId"] == next(iter(host.docker.containers))
    assert host.docker.pulled == ["demo:1"], "asked for, then taken from what is there"
    (listed,) = host.get("/v1/tasks")["Tasks"]
    assert (listed["Arn"], listed["KnownStatus"], listed["Containers"][0]["DockerName"]) == (arn, "RUNNING", name)
    # The agent goes, the container stays; the next agent takes it up.
    assert host.node.stop(child) == 0
    assert len(host.docker.running()) == 1
    host.start()
    host.up()
    host.docker.end(3)
    until(lambda: task(world, arn)["lastStatus"] == "STOPPED", what="STOPPED")
    assert task(world, arn)["containers"][0]["exitCode"] == 3
    assert host.get("/v1/tasks") == {"Tasks": []}


def test_a_task_is_stopped_by_order(host, world):
    host.start()
    arn = run_task(world, host, "fam2", ["work"])
    until(lambda: task(world, arn)["lastStatus"] == "RUNNING", what="RUNNING")
    world.ecs("StopTask", cluster="c1", task=arn)
    until(lambda: task(world, arn)["lastStatus"] == "STOPPED", what="STOPPED")
    assert task(world, arn)["containers"][0]["exitCode"] == 143
    assert not host.docker.running()


def test_an_image_that_is_nowhere_stops_the_task(host, world):
    host.docker.images.clear()
    host.start()
    arn = run_task(world, host, "fam3", ["work"])
    until(lambda: task(world, arn)["lastStatus"] == "STOPPED", what="STOPPED")
    assert "CannotPullContainerError" in task(world, arn)["stoppedReason"]


# --- exit statuses


def test_another_cluster_than_the_saved_one(host, world):
    host.node.stop(registered(host))
    before = host.node.path("/data/agent.db").read_bytes()
    mark = world.mark()
    assert host.run(ECS_CLUSTER="c2") == 5
    assert (
        "Data mismatch; saved cluster 'c1' does not match configured cluster 'c2'."
        " Perhaps you want to delete the configured checkpoint file?" in host.log()
    )
    assert not world.calls("RegisterContainerInstance", after=mark)
    assert host.node.path("/data/agent.db").read_bytes() == before
    host.node.path("/data/agent.db").unlink()
    host.start(ECS_CLUSTER="c2")
    assert "/c2/" in host.up()["ContainerInstanceArn"]


def registered(host, **changes):
    child = host.start(**changes)
    host.up()
    return child


def test_a_quoted_cluster_is_another_cluster(host):
    assert host.run(ECS_CLUSTER='"c1"') == 5
    assert "ClientException" in host.log() or "InvalidParameterException" in host.log()


def test_no_region(host):
    assert host.run(AWS_DEFAULT_REGION=None) == 1


def test_no_docker(host):
    assert host.run(DOCKER_HOST="unix:///run/absent.sock") == 1


def test_a_docker_too_new_for_the_agent(host):
    docker = Docker(host.node.path("/run/new.sock"), minimum="1.45")
    assert host.run(DOCKER_HOST="unix:///run/new.sock") == 1
    assert "docker client factory: client not found for docker version" in host.log()
    docker.close()


def test_no_credentials(host):
    host.node.path("/root/.aws/credentials").unlink()
    assert host.run(AWS_EC2_METADATA_DISABLED="true") == 1
    assert "NoCredentialProviders" in host.log()


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [
        ("ClientException", 400, 5),
        ("InvalidParameterException", 400, 5),
        ("AccessDeniedException", 400, 1),
        ("InternalFailure", 500, 1),
        ("ServiceUnavailable", 503, 1),
    ],
)
def test_errors_that_end_the_agent(host, world, code, status, wanted):
    world.fault("ecs:RegisterContainerInstance", code=code, status=status)
    assert host.run() == wanted
    assert code in host.log()


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("ServerException", 500), ("LimitExceededException", 400)]
)
def test_errors_that_are_waited_out(host, world, code, status):
    # Four tries are one call's own retries; the fifth error is the first one that the agent waits out itself.
    world.fault("ecs:RegisterContainerInstance", code=code, status=status, count=5)
    child = host.start()
    assert host.up()
    assert child.poll() is None
    assert code in host.log()


@pytest.mark.parametrize("change", ["missing", "different"])
def test_an_attribute_that_does_not_come_back(host, world, change):
    def answer(_method, _path, _headers, body):
        payload = json.loads(body)
        attributes = [one for one in payload["attributes"] if one["name"] != "ecs.os-type"]
        if change == "different":
            attributes.append({"name": "ecs.os-type", "value": "windows"})
        return echo(payload, attributes=attributes)

    with Recorder(world, answer, 8203):
        assert host.run(ECS_BACKEND_HOST="http://127.0.0.1:8203") == 5
    assert not host.node.path("/data/agent.db").exists()


# --- credentials


def provider(host, **env):
    child = host.start(**env)
    found = until(lambda: re.search(r"from provider: (\w+)", host.log()), what="credentials")
    host.node.stop(child)
    return found.group(1)


def test_the_environment_comes_first(host):
    env = {"AWS_ACCESS_KEY_ID": "AKIAFOREIGN", "AWS_SECRET_ACCESS_KEY": "x"}
    assert provider(host, **env) == "EnvConfigCredentials"


def test_the_shared_file_comes_after_the_rotating_one(host):
    node = host.node
    node.path("/home").mkdir()
    node.path("/home/.aws").mkdir()
    text = node.text("/root/.aws/credentials")
    node.path("/home/.aws/credentials").write_text(text)
    assert provider(host, HOME="/home") == "RotatingSharedCredentialsProvider"
    node.path("/root/.aws/credentials").unlink()
    node.path("/log/ecs-agent.log").unlink()
    assert provider(host, HOME="/home") == "SharedConfigCredentials"


def test_the_metadata_service_comes_last(host, world):
    def answer(method, path, _headers, _body):
        if method == "PUT":
            return 200, {}, b"token"
        keys = {"AccessKeyId": "ASIAIMDS", "SecretAccessKey": "x", "Token": "t"}
        return (200, {}, b"other") if path.endswith("/") else (200, {}, json.dumps(keys).encode())

    host.node.path("/root/.aws/credentials").unlink()
    with Recorder(world, answer, 8204) as server:
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:8204"}
        assert provider(host, **env) == "EC2RoleProvider"
        assert [path for _m, path, _h, _b in server.requests][-1].endswith("/iam/security-credentials/other")


def test_an_alternate_profile(host):
    node = host.node
    node.path("/root/.aws/credentials").write_text(
        node.text("/root/.aws/credentials").replace("[default]", "[default]\nx = y\n\n[ecs]")
    )
    assert host.run(AWS_EC2_METADATA_DISABLED="true") == 1
    registered(host, ECS_ALTERNATE_CREDENTIAL_PROFILE="ecs")


def test_a_config_file_in_json_and_the_environment_above_it(host):
    host.node.path("/etc/ecs/ecs.config.json").write_text(json.dumps({"Cluster": "c2", "AWSRegion": REGION}))
    env = {"AWS_DEFAULT_REGION": None, "ECS_CLUSTER": None}
    host.env = {key: value for key, value in host.env.items() if key not in env}
    child = registered(host)
    assert host.up()["Cluster"] == "c2"
    host.node.stop(child)
    host.node.path("/data/agent.db").unlink()
    registered(host, ECS_CLUSTER="c1")
    assert host.up()["Cluster"] == "c1"


def test_no_cluster_means_default_and_makes_it(host, world):
    host.env["ECS_CLUSTER"] = ""
    registered(host)
    assert host.up()["Cluster"] == "default"
    assert world.calls("CreateCluster")[-1]["principal"].endswith(host.node_id)


# --- ACS and TCS on the wire


class Backend:
    """A websocket server that says what it is told and keeps what it hears."""

    def __init__(self, world, port):
        self.heard, self.request, self.say = [], [], threading.Event()
        self._listener = world.do(socket.create_server, ("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        import base64
        import hashlib

        stream = connection.makefile("rb")
        head = []
        while True:
            line = stream.readline().decode().strip()
            if not line:
                break
            head.append(line)
        self.request.append(head)
        values = dict(line.split(": ", 1) for line in head[1:])
        key = values["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"  # noqa: E501
        connection.sendall(answer.encode())
        if "cluster=" not in head[0]:
            message = {"type": "HeartbeatMessage", "message": {"healthy": True, "messageId": "m1"}}
            text = json.dumps(message).encode()
            connection.sendall(b"\x89\x02hi" + bytes([0x81, len(text)]) + text)
        try:
            while True:
                first, second = stream.read(2)
                length = second & 127
                length = int.from_bytes(stream.read({126: 2, 127: 8}.get(length, 0)), "big") or length
                mask, data = stream.read(4), stream.read(length)
                self.heard.append((first & 15, bytes(one ^ mask[at % 4] for at, one in enumerate(data)).decode()))
        except (OSError, ValueError):
            return

    def close(self):
        self._listener.close()


def test_acs_and_tcs(host, world):
    def answer(_method, _path, headers, body):
        if headers["X-Amz-Target"].endswith("RegisterContainerInstance"):
            return echo(json.loads(body))
        return json_answer({"endpoint": "http://127.0.0.1:8206/", "telemetryEndpoint": "http://127.0.0.1:8206/"})

    backend = Backend(world, 8206)
    with Recorder(world, answer, 8205):
        host.start(ECS_BACKEND_HOST="http://127.0.0.1:8205")
        until(lambda: len([1 for code, _text in backend.heard if code == 1]) >= 3, what="frames")
    until(lambda: (10, "hi") in backend.heard, what="a pong")
    acs = next(head for head in backend.request if "clusterArn" in head[0])
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(acs[0].split()[1]).query))
    assert acs[0].startswith("GET /ws?")
    assert "+" not in acs[0], "a space is %20: that is what was signed"
    assert (query["clusterArn"], query["protocolVersion"], query["sendCredentials"]) == ("c1", "2", "true")
    assert (query["agentVersion"], query["agentHash"], query["seqNum"]) == ("1.105.1", "8dfceca6", "1")
    assert query["dockerVersion"] == "DockerVersion: 20.10.24"
    assert any(line.startswith("Authorization: AWS4-HMAC-SHA256 ") for line in acs)
    texts = [text for code, text in backend.heard if code == 1]
    assert {"type": "HeartbeatAckRequest", "message": {"messageId": "m1"}} in [
        json.loads(text) for text in texts if text.startswith("{")
    ]
    frames = [text.split("\r\n\r\n", 1) for text in texts if not text.startswith("{")]
    kinds = [json.loads(body)["type"] for _head, body in frames]
    assert kinds[:2] == ["PublishMetricsRequest", "PublishInstanceStatusRequest"]
    assert "Authorization: AWS4-HMAC-SHA256 " in frames[0][0]
    assert json.loads(frames[0][1])["message"]["metadata"]["cluster"] == "c1"
    backend.close()


def test_a_lost_connection_comes_back(host, world):
    host.start()
    arn = host.up()["ContainerInstanceArn"]
    until(lambda: host.connected(arn), what="agentConnected")
    mark = world.mark()
    world.fault("ecs:Poll", code="ServerException", status=500, count=1)
    begin = time.monotonic()
    host.node.run("ss", "-K", "dport", "=", "443")
    until(lambda: len(world.calls("Poll", after=mark)) >= 2, what="another connection")
    until(lambda: host.connected(arn), what="agentConnected")
    assert time.monotonic() - begin < 15
