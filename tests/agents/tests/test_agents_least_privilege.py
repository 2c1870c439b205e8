# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both agents live under the least-privilege policy: nothing is denied, and nothing that they call can be left out."""

import copy
import importlib.util
import json
from pathlib import Path

import agents_world
import aws_http
import pytest
from agents_world import ACCOUNT
from agents_world import REGION
from agents_world import online
from agents_world import until
from test_agents_ecs import Docker
from test_agents_ecs import Host
from test_agents_ecs import run_task
from test_agents_ecs import task

_SOURCE = Path(__file__).resolve().parents[3] / "plugins" / "module_utils" / "_node_policy.py"
_SPEC = importlib.util.spec_from_file_location("node_policy", _SOURCE)
policy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(policy)

# What the ECS agent looks for before it says that it can do ECS Exec.
BINARIES = ("amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
FEATURES = ("instance_tags",)
# The agent has these calls for what no external instance does here: attachments are network interfaces and volumes of
# EC2, and the state of a container is reported with that of its task.
NEVER_CALLED = {"ecs:SubmitAttachmentStateChanges", "ecs:SubmitContainerStateChange"}
SCOPES = {"all clusters": [], "one cluster": ["c1"]}


def document(clusters=("c1",), without=None):
    found = copy.deepcopy(
        policy.node_policy(clusters=clusters, regions=[REGION], features=FEATURES, partition="aws", account=ACCOUNT)
    )
    for statement in found["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    found["Statement"] = [statement for statement in found["Statement"] if statement["Action"]]
    return found


GRANTED = sorted({action for statement in document()["Statement"] for action in statement["Action"]})


class Server:
    """A registered node, its role, and what its agents were denied."""

    def __init__(self, world, packages, folder, role):
        self.world, self.role = world, role
        world.iam("CreateRole", RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
        self.allow(document())
        self.node = agents_world.Node(world, packages, folder / "node")
        for name in ("certs/tls-ca-bundle.pem", *(f"bin/3.3.4108.0/{binary}" for binary in BINARIES)):
            file = self.node.path(f"/managed-agents/execute-command/{name}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        activation = world.ssm("CreateActivation", IamRole=role)
        done = self.node.register(activation=(activation["ActivationId"], activation["ActivationCode"]))
        assert done.returncode == 0, done.stdout + done.stderr
        self.node_id = self.node.vault()["instanceID"]
        self.docker = Docker(self.node.path("/run/docker.sock"))
        self.mark = world.mark()
        self.said = {}
        self.agents = []

    def allow(self, found):
        self.world.iam("PutRolePolicy", RoleName=self.role, PolicyName="p", PolicyDocument=json.dumps(found))

    def close(self):
        self.docker.close()
        self.node.close()

    def calls(self):
        return [call for call in self.world.calls(after=self.mark) if call["principal"].endswith("/" + self.node_id)]

    def denied(self):
        return {call.get("denied") or call["operation"] for call in self.calls() if call["error"]}

    def logs(self):
        """What both agents said in this life."""
        return "".join(path.read_text()[self.said.get(path, 0) :] for path in self._logs())

    def _logs(self):
        paths = [self.node.path(name) for name in ("/var/log/amazon/ssm/amazon-ssm-agent.log", "/log/ecs-agent.log")]
        return [path for path in paths if path.exists()]

    def reached(self, check):
        """Whether the life goes on: it does not once something was denied."""
        return until(lambda: self.denied() or check()) and not self.denied()

    def live(self):
        """From the start of both agents to the end of a task, or to the first denial."""
        self.mark = self.world.mark()
        self.said = {path: len(path.read_text()) for path in self._logs()}
        self.node.path("/data/agent.db").unlink(missing_ok=True)
        self.agents = [self.node.start("amazon-ssm-agent")]
        if self.reached(self._ssm_is_connected) and self._ecs_starts():
            self._a_task_runs()
        self.reached(self._everything_was_called)

    def rest(self):
        for agent in self.agents:
            self.node.stop(agent)

    def _names(self):
        return {f"{call['service']}:{call['operation']}" for call in self.calls()}

    def _ssm_is_connected(self):
        return online(self.node, self.node_id) and "ssmmessages:OpenControlChannel" in self._names()

    def _everything_was_called(self):
        return self._names() >= set(GRANTED) - NEVER_CALLED - {"ecs:TagResource"}

    def _ecs_starts(self):
        credentials = self.node.text("/root/.aws/credentials")
        self.host = Host(self.node, self.docker, (self.node_id, credentials))
        self.agents.append(
            self.host.start(ECS_CONTAINER_INSTANCE_TAGS='{"site": "hh"}', ECS_INSTANCE_ATTRIBUTES='{"rack": "4"}')
        )
        return self.reached(self._ecs_is_connected)

    def _ecs_is_connected(self):
        metadata = self.host.get("/v1/metadata")
        self.instance = metadata and self.host.connected(metadata["ContainerInstanceArn"])
        return self.instance and "ecs:StartTelemetrySession" in self._names()

    def _a_task_runs(self):
        self.task = run_task(self.world, self.host, "life", ["work"])
        if not self.reached(lambda: task(self.world, self.task)["lastStatus"] == "RUNNING"):
            return
        (_name, body) = self.docker.created[-1]
        (uri,) = [value for value in body["Env"] if value.startswith("ECS_CONTAINER_METADATA_URI_V4=")]
        path = uri.split("169.254.170.2")[1]
        answer = self.world.do(aws_http.request, "GET", f"http://127.0.0.1:51679{path}/taskWithTags")
        self.metadata = json.loads(answer.body)
        self.world.ecs("StopTask", cluster="c1", task=self.task)
        self.reached(lambda: task(self.world, self.task)["lastStatus"] == "STOPPED")


@pytest.mark.parametrize("clusters", SCOPES.values(), ids=SCOPES)
def test_a_full_life_without_a_denial(world, packages, tmp_path, clusters):
    world.control("PUT", "settings", {"long_poll_seconds": 1})
    server = Server(world, packages, tmp_path, f"life{len(clusters)}")
    try:
        server.allow(document(clusters))
        server.live()
        assert server.denied() == set(), server.logs()
        assert server._everything_was_called(), server._names()
        attributes = {one["name"]: one.get("value") for one in server.instance["attributes"]}
        assert {"ecs.capability.external", "ecs.capability.execute-command"} <= set(attributes)
        assert attributes["rack"] == "4"
        assert server.metadata["TaskARN"] == server.task
        assert server.metadata["ContainerInstanceTags"] == {"site": "hh"}
        assert "Errors" not in server.metadata
        assert task(world, server.task)["containers"][0]["exitCode"] == 143
        # what is granted and never called is granted for a reason that is known
        assert set(GRANTED) - server._names() == NEVER_CALLED | {"ecs:TagResource"}
    finally:
        server.close()


@pytest.fixture(scope="module")
def one_server(running_world, packages, tmp_path_factory):
    server = Server(running_world, packages, tmp_path_factory.mktemp("denied"), "denied")
    yield server
    server.close()


@pytest.mark.parametrize("action", sorted(set(GRANTED) - NEVER_CALLED))
def test_the_same_life_with_one_action_less_is_denied_that_action(world, one_server, action):
    world.control("PUT", "settings", {"long_poll_seconds": 1})
    one_server.allow(document(without=action))
    try:
        one_server.live()
        assert one_server.denied() == {action}
        words = f"is not authorized to perform: {action} on resource"
        until(lambda: words in one_server.logs(), what="the agent's own word of it")
    finally:
        one_server.rest()


def test_another_cluster_is_out_of_reach(world, one_server):
    one_server.allow(document(["c2"]))
    try:
        one_server.live()
        assert one_server.denied() == {"ecs:RegisterContainerInstance"}
    finally:
        one_server.rest()


def test_another_region_is_out_of_reach(world, one_server):
    found = policy.node_policy(
        clusters=["c1"], regions=["eu-west-1"], features=FEATURES, partition="aws", account=ACCOUNT
    )
    one_server.allow(found)
    try:
        one_server.live()
        assert "ssm:UpdateInstanceInformation" in one_server.denied()
    finally:
        one_server.rest()
