# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks: a payload becomes containers, their ends become state changes."""

import json
import os
import threading
import time
import uuid

import aws_http
import docker_api


class Engine:
    def __init__(self, agent):
        self.agent = agent
        self.log = agent.log
        self.docker = agent.docker
        self.state = agent.state
        self._lock = threading.Lock()

    # --- what comes from ACS

    def accept(self, payload):
        for task in payload.get("tasks") or []:
            arn = task["arn"]
            with self._lock:
                known = self.state.tasks.get(arn)
                if known is None and task.get("desiredStatus") != "STOPPED":
                    record = {
                        "family": task["family"],
                        "version": str(task["version"]),
                        "desired": "RUNNING",
                        "known": "NONE",
                        "containers": {
                            spec["name"]: {"spec": spec, "id": "", "dockerName": "", "known": "NONE"}
                            for spec in task.get("containers") or []
                        },
                    }
                    self.state.put_task(arn, record)
                    threading.Thread(target=self._start, args=(arn, record), daemon=True).start()
                elif known is not None and task.get("desiredStatus") == "STOPPED" and known["desired"] != "STOPPED":
                    known["desired"] = "STOPPED"
                    self.state.save()
                    threading.Thread(target=self._stop, args=(known,), daemon=True).start()
                elif known is None:
                    threading.Thread(target=self._submit, args=(arn, "STOPPED", [], ""), daemon=True).start()

    def resume(self):
        """Take up the containers that outlived the former agent."""
        for arn, task in list(self.state.tasks.items()):
            if task["known"] == "NONE":
                threading.Thread(target=self._start, args=(arn, task), daemon=True).start()
                continue
            threading.Thread(target=self._watch, args=(arn, task), daemon=True).start()
            if task["desired"] == "STOPPED":
                threading.Thread(target=self._stop, args=(task,), daemon=True).start()

    # --- the life of a task

    def _start(self, arn, task):
        try:
            for name, container in task["containers"].items():
                self._run_container(arn, task, name, container)
        except docker_api.DockerError as error:
            self.log.error("Task engine [%s]: %s", arn, error)
            self._stop(task)
            self._finish(arn, task, str(error))
            return
        task["known"] = "RUNNING"
        self.state.put_task(arn, task)
        self._submit(arn, "RUNNING", self._changes(task), "")
        self._watch(arn, task)

    def _image(self, image):
        behavior = self.agent.config.pull_behavior
        if behavior in ("once", "prefer-cached") and self.docker.has_image(image):
            return
        try:
            self.docker.pull(image)
        except docker_api.DockerError as error:
            if behavior == "always" or not self.docker.has_image(image):
                raise docker_api.DockerError(f"CannotPullContainerError: {error}") from error
            self.log.warn("Failed to pull %s, using the cached image: %s", image, error)

    def _run_container(self, arn, task, name, container):
        spec = container["spec"]
        self._image(spec["image"])
        docker_name = "ecs-{}-{}-{}-{}".format(task["family"], task["version"], name, os.urandom(10).hex())
        host = json.loads((spec.get("dockerConfig") or {}).get("hostConfig") or "{}")
        memory = int(spec.get("memory") or 0)
        host["Memory"] = memory * 1024 * 1024
        host["CpuShares"] = max(int(spec.get("cpu") or 0), 2)
        ports, bindings = {}, {}
        for port in spec.get("portMappings") or []:
            key = "{}/{}".format(port["containerPort"], port.get("protocol") or "tcp")
            ports[key] = {}
            bindings.setdefault(key, []).append({"HostPort": str(port.get("hostPort") or "")})
        host["PortBindings"] = bindings
        container["endpoint"] = str(uuid.uuid4())
        environment = dict(spec.get("environment") or {}, AWS_EXECUTION_ENV="AWS_ECS_EC2")
        environment["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/" + container["endpoint"]
        body = {
            "Image": spec["image"],
            "Cmd": spec.get("command"),
            "Entrypoint": spec.get("entryPoint"),
            "Env": ["{}={}".format(*pair) for pair in environment.items()],
            "ExposedPorts": ports,
            "HostConfig": host,
            "Labels": {
                "com.amazonaws.ecs.cluster": self.state.cluster,
                "com.amazonaws.ecs.container-name": name,
                "com.amazonaws.ecs.task-arn": arn,
                "com.amazonaws.ecs.task-definition-family": task["family"],
                "com.amazonaws.ecs.task-definition-version": task["version"],
            },
        }
        body = {key: value for key, value in body.items() if value is not None}
        created = self.docker.call("POST", "/containers/create", {"name": docker_name}, body)
        container.update(id=created["Id"], dockerName=docker_name)
        self.state.put_task(arn, task)
        try:
            self.docker.call("POST", "/containers/{}/start".format(created["Id"]))
        except docker_api.DockerError as error:
            raise docker_api.DockerError(f"CannotStartContainerError: {error}") from error
        container["known"] = "RUNNING"

    def _stop(self, task):
        for container in task["containers"].values():
            if container["id"]:
                try:
                    timeout = int(container["spec"].get("stopTimeout") or 30)
                    self.docker.call(
                        "POST", "/containers/{}/stop".format(container["id"]), {"t": timeout}, timeout=timeout + 60
                    )
                except docker_api.DockerError as error:
                    self.log.warn("Could not stop %s: %s", container["dockerName"], error)

    def _watch(self, arn, task):
        """Wait until an essential container ends, end the others, report."""
        while True:
            ended = False
            for container in task["containers"].values():
                ended |= self._look(container) and container["spec"].get("essential", True) is not False
            if ended or all(container["known"] == "STOPPED" for container in task["containers"].values()):
                break
            time.sleep(1)
        self._stop(task)
        self._finish(arn, task, "")

    def _look(self, container):
        """Return whether the container is over; take its exit code."""
        if container["known"] == "STOPPED":
            return True
        try:
            found = self.docker.inspect(container["id"])
        except docker_api.DockerError as error:
            self.log.warn("Could not inspect %s: %s", container["dockerName"], error)
            return False
        if found is not None and found["State"].get("Running"):
            return False
        container["known"] = "STOPPED"
        container["exitCode"] = found["State"].get("ExitCode") if found is not None else None
        return True

    def _finish(self, arn, task, reason):
        for container in task["containers"].values():
            if container["id"]:
                self._look(container)
            container["known"] = "STOPPED"
        task["known"] = "STOPPED"
        self._submit(arn, "STOPPED", self._changes(task), reason)
        self.state.drop_task(arn)

    # --- reports

    @staticmethod
    def _changes(task):
        changes = []
        for name, container in task["containers"].items():
            change = {"containerName": name, "runtimeId": container["id"], "status": container["known"]}
            if container.get("exitCode") is not None:
                change["exitCode"] = container["exitCode"]
            changes.append(change)
        return changes

    def _submit(self, arn, status, containers, reason):
        payload = {
            "cluster": self.state.cluster,
            "task": arn,
            "status": status,
            "containers": containers,
            "reason": reason,
        }
        delay = 1
        while True:
            try:
                self.agent.call("SubmitTaskStateChange", payload)
                return
            except aws_http.AwsError as error:
                self.log.error("Could not submit a task state change: %s", error)
                if error.code in ("InvalidParameterException", "ClientException"):
                    return
            except (aws_http.RequestFailed, self.agent.NoCredentials) as error:
                self.log.error("Could not submit a task state change: %s", error)
            time.sleep(delay)
            delay = min(delay * 2, 60)
