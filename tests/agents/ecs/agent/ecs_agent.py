# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ECS agent: start sequence, registration, and what each error means for the exit status."""

import os
import signal
import threading
import time
import urllib.request
import uuid

import agent_config
import agent_log
import agent_state
import aws_http
import backend
import capabilities
import docker_api
import introspection
import task_engine

TARGET = "AmazonEC2ContainerServiceV20141113."
RETRIED = (*aws_http.THROTTLES, "ServerException")
TERMINAL = ("ClientException", "InvalidParameterException", "InvalidParameter")
OK, ERROR, TERMINAL_EXIT = 0, 1, 5


class Stop(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Agent:
    HASH = "8dfceca6"
    NoCredentials = agent_config.NoCredentials
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "version"), encoding="utf-8") as _handle:
        VERSION = _handle.read().strip()

    def __init__(self):
        self.config = agent_config.Config()
        self.log = agent_log.Log(self.config.log_file or os.devnull, console=True)
        self.docker = docker_api.Docker()
        self.state = agent_state.State(self.config.data_dir)
        self.credentials = agent_config.CredentialChain(self.config, self.log)
        self.engine = task_engine.Engine(self)
        self.telemetry = ""

    # --- API

    def call(self, operation, payload, retries=3):
        region = self.config.region
        url = self.config.backend or aws_http.service_url("ecs", region)
        if "://" not in url:
            url = "https://" + url

        def signed(method, target, headers, body):
            headers = aws_http.sign(method, target, headers, body, self.credentials.get(), "ecs", region)
            return dict(headers, **{"User-Agent": f"Amazon ECS Agent - v{self.VERSION} (*{self.HASH})"})

        return aws_http.json_call(url, TARGET + operation, payload, signed, retries=retries, base_delay=0.1)

    def discover(self):
        payload = {"cluster": self.state.cluster, "containerInstance": self.state.arn, "zoneId": ""}
        found = self.call("DiscoverPollEndpoint", payload)
        self.telemetry = found["telemetryEndpoint"]
        return found

    # --- registration

    def check_saved_cluster(self):
        try:
            self.state.load()
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.log.critical("Error loading previously saved state: %s", error)
            raise Stop(TERMINAL_EXIT) from error
        wanted = self.config.cluster or "default"
        if self.state.cluster and self.state.cluster != wanted:
            self.log.critical(
                "Data mismatch; saved cluster '%s' does not match configured cluster '%s'."
                " Perhaps you want to delete the configured checkpoint file?",
                self.state.cluster,
                wanted,
            )
            raise Stop(TERMINAL_EXIT)
        self.state.cluster = wanted

    def registration_request(self):
        payload = {
            "cluster": self.state.cluster,
            "clientToken": str(uuid.uuid4()),
            "instanceIdentityDocument": "",
            "instanceIdentityDocumentSignature": "",
            "attributes": capabilities.attributes(self.config, self.docker),
            "totalResources": capabilities.resources(self.config),
        }
        tags = self.config.json_map("ECS_CONTAINER_INSTANCE_TAGS", self.log)
        if tags:
            payload["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        if self.state.arn:
            payload["containerInstanceArn"] = self.state.arn
        else:
            custom = self.config.json_map("ECS_INSTANCE_ATTRIBUTES", self.log)
            payload["attributes"] += [{"name": key, "value": value} for key, value in custom.items()]
        return payload

    def register(self):
        payload = self.registration_request()
        instance = self.call_patiently(payload)["containerInstance"]
        answered = {one["name"]: one.get("value") or "" for one in instance.get("attributes") or []}
        for sent in payload["attributes"]:
            if answered.get(sent["name"]) != (sent.get("value") or ""):
                self.log.critical(
                    "Instance registration attempt with an invalid attribute: %s: expected '%s', got '%s'",
                    sent["name"],
                    sent.get("value") or "",
                    answered.get(sent["name"]),
                )
                raise Stop(TERMINAL_EXIT)
        self.state.arn = instance["containerInstanceArn"]
        self.state.save()
        self.log.info("Registration completed successfully. I am running as '%s' in cluster '%s'",
                      self.state.arn, self.state.cluster)  # fmt: skip

    def call_patiently(self, payload):
        """Throttling and ServerException are waited out, up to an hour; the rest decides the exit status."""
        deadline, delay = time.monotonic() + 3600, 1.0
        while True:
            try:
                return self.call("RegisterContainerInstance", payload)
            except aws_http.AwsError as error:
                self.log.error("Unable to register as a container instance with ECS: %s", error)
                if error.code == "ClientException" and self.cluster_is_missing(error):
                    self.log.info("Creating a cluster, name: default")
                    self.create_default_cluster()
                    continue
                if error.code in RETRIED and time.monotonic() < deadline:
                    time.sleep(delay)
                    delay = min(delay * 1.5, 180)
                    continue
                self.log.critical("Error %sregistering container instance: %s", "re-" * bool(self.state.arn), error)
                raise Stop(TERMINAL_EXIT if error.code in TERMINAL else ERROR) from error
            except (aws_http.RequestFailed, agent_config.NoCredentials) as error:
                self.log.error("Unable to register as a container instance with ECS: %s", error)
                raise Stop(ERROR) from error

    def cluster_is_missing(self, error):
        return not self.config.cluster and not self.state.arn and "not found" in error.message.lower()

    def create_default_cluster(self):
        try:
            self.call("CreateCluster", {"clusterName": "default"})
        except (aws_http.AwsError, aws_http.RequestFailed, agent_config.NoCredentials) as error:
            self.log.critical("Could not create the default cluster: %s", error)
            raise Stop(ERROR) from error

    # --- start

    def start(self):
        self.log.info("Starting Amazon ECS Agent (version: %s, commit: %s)", self.VERSION, self.HASH)
        if not self.config.region:
            self.log.critical("Error loading config: AWS_DEFAULT_REGION is not set and no instance metadata is there")
            return ERROR
        try:
            self.docker.open()
        except docker_api.DockerError as error:
            self.log.error("Error creating Docker client: %s", error)
            return ERROR
        if self.config.get("ECS_ENABLE_TASK_ENI", "TaskENIEnabled") != "false":
            self.log.error("Could not load the pause container's image")
        self.check_saved_cluster()
        try:
            self.credentials.get()
        except agent_config.NoCredentials as error:
            self.log.error("Unable to get valid credentials: %s", error)
            return ERROR
        self.register()
        introspection.open_ports(self)
        self.engine.resume()
        for session in (backend.Tcs(self), backend.Acs(self)):
            threading.Thread(target=session.run, daemon=True).start()
        while True:  # a signal that another thread was given is seen only when this one wakes
            time.sleep(0.5)


def healthcheck():
    try:
        with urllib.request.urlopen("http://localhost:51678/v1/metadata", timeout=5):
            return OK
    except OSError:
        return ERROR


def terminate(*_args):
    # Containers of tasks stay; the state is already on the disk.
    os._exit(OK)


def main(arguments):
    if arguments in (["--version"], ["-version"]):
        print(f"Amazon ECS Agent - v{Agent.VERSION} (*{Agent.HASH})")
        return OK
    if arguments in (["--healthcheck"], ["-healthcheck"]):
        return healthcheck()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, terminate)
    try:
        return Agent().start()
    except Stop as stop:
        return stop.status
