# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two websockets of the agent: ACS brings work, TCS takes telemetry."""

import json
import random
import socket
import threading
import time
import urllib.parse

import agent_config
import aws_http
import ws_client


def websocket_url(endpoint, query):
    parts = urllib.parse.urlsplit(endpoint)
    if parts.scheme == "https" and parts.port:
        raise ws_client.Closed(f"x509: certificate is valid for {parts.hostname}, not {parts.netloc}")
    scheme = {"http": "ws", "https": "wss"}[parts.scheme]
    # A space is %20 and never +: the signature is made over that.
    text = urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/ws?{text}"


class Session:
    """One endpoint, connected again and again."""

    name = ""

    def __init__(self, agent):
        self.agent = agent
        self.log = agent.log

    def query(self):
        raise NotImplementedError

    def endpoint(self, found):
        raise NotImplementedError

    def serve(self, connection, deadline):
        raise NotImplementedError

    def run(self):
        failures = 0
        while True:
            try:
                begin = time.monotonic()
                connection = self.connect()
                self.log.info("Connected to %s endpoint", self.name)
                # The agent leaves a connection after 30 to 35 minutes.
                self.serve(connection, begin + random.uniform(1800, 2100))
                connection.close()
                failures = 0
                continue
            except (ws_client.Closed, aws_http.AwsError, aws_http.RequestFailed, agent_config.NoCredentials) as error:
                self.log.error("Error from %s: %s", self.name, error)
                self.agent.credentials.forget()
                if time.monotonic() - begin > 60:
                    failures = 0
            pause = min(0.25 * 2**failures, 120) * random.uniform(1, 1.3)
            failures = min(failures + 1, 10)
            time.sleep(pause)

    def connect(self):
        found = self.agent.discover()
        url = websocket_url(self.endpoint(found), self.query())
        headers = aws_http.sign("GET", url, {}, b"", self.agent.credentials.get(), "ecs", self.agent.config.region)
        return ws_client.WebSocket(url, headers)


class Acs(Session):
    name = "ACS"

    def query(self):
        return {
            "agentHash": self.agent.HASH,
            "agentVersion": self.agent.VERSION,
            "clusterArn": self.agent.state.cluster,
            "containerInstanceArn": self.agent.state.arn,
            "dockerVersion": "DockerVersion: " + self.agent.docker.version,
            "protocolVersion": "2",
            "sendCredentials": "true",
            "seqNum": str(self.agent.state.sequence or 1),
        }

    def endpoint(self, found):
        return found["endpoint"]

    def serve(self, connection, deadline):
        connection.settimeout(120)  # heartbeats come every minute or so
        while time.monotonic() < deadline:
            try:
                self.handle(connection, json.loads(connection.receive()))
            except socket.timeout as error:
                raise ws_client.Closed("no heartbeat") from error

    def handle(self, connection, frame):
        kind, message = frame.get("type"), frame.get("message") or {}
        identity = {"cluster": self.agent.state.cluster, "containerInstance": self.agent.state.arn}
        if kind == "HeartbeatMessage":
            answer = {"type": "HeartbeatAckRequest", "message": {"messageId": message.get("messageId")}}
            connection.send(json.dumps(answer))
        elif kind == "PayloadMessage":
            self.agent.engine.accept(message)
            self.agent.state.sequence = max(self.agent.state.sequence, int(message.get("seqNum") or 0))
            self.agent.state.save()
            answer = {"type": "AckRequest", "message": dict(identity, messageId=message.get("messageId"))}
            connection.send(json.dumps(answer))
        elif kind == "CloseMessage" or str(kind).endswith("Exception"):
            raise ws_client.Closed("{}: {}".format(kind, message.get("message", "")))


class Tcs(Session):
    name = "TCS"

    def query(self):
        return {
            "agentHash": self.agent.HASH,
            "agentVersion": self.agent.VERSION,
            "cluster": self.agent.state.cluster,
            "containerInstance": self.agent.state.arn,
            "dockerVersion": "DockerVersion: " + self.agent.docker.version,
        }

    def endpoint(self, found):
        return found["telemetryEndpoint"]

    def serve(self, connection, deadline):
        connection.settimeout(120)
        failed = threading.Event()
        threading.Thread(target=self.drain, args=(connection, failed), daemon=True).start()
        while time.monotonic() < deadline:
            self.publish(connection, "PublishMetricsRequest", {"taskMetrics": []})
            self.publish(connection, "PublishInstanceStatusRequest", {"statuses": [self.runtime_status()]})
            if failed.wait(20):
                raise ws_client.Closed("closed by the service")

    def runtime_status(self):
        now = int(time.time())
        return {"lastStatusChange": now, "lastUpdated": now, "status": "OK", "type": "CONTAINER_RUNTIME"}

    @staticmethod
    def drain(connection, failed):
        try:
            while True:
                connection.receive()
        except (ws_client.Closed, OSError):
            failed.set()

    def publish(self, connection, kind, message):
        metadata = {
            "cluster": self.agent.state.cluster,
            "containerInstance": self.agent.state.arn,
            "messageId": f"{random.getrandbits(128):032x}",
        }
        body = json.dumps(
            {"type": kind, "message": dict(message, metadata=metadata, timestamp=int(time.time()))}
        ).encode()
        url = f"http://{urllib.parse.urlsplit(self.agent.telemetry).netloc}/"
        headers = {"X-Amz-Target": "AmazonEC2ContainerServiceTelemetry." + kind, "Content-Length": str(len(body))}
        signed = aws_http.sign(
            "POST", url, headers, body, self.agent.credentials.get(), "ecs", self.agent.config.region
        )
        head = "".join("{}: {}\r\n".format(*pair) for pair in sorted(signed.items()))
        connection.send(head + "\r\n" + body.decode())
