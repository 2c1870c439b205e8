# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ssm-agent-worker: pings, the control channel, message polling and associations, with the role's credentials."""

import json
import random
import re
import signal
import socket
import threading
import time
import uuid

import appconfig
import applog
import aws_http
import credentials_file
import vault
import ws_client

MDS = "EC2WindowsMessageDeliveryService.GetMessages"


def os_release():
    values = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as handle:
            for line in handle:
                key, _equals, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
    except OSError:
        pass
    return values


class Worker:
    def __init__(self, log):
        self.log = log
        self.config = appconfig.Config()
        record = vault.registration()
        self.instance_id, self.region = record["instanceID"], record["region"]
        self.profile = str(self.config.get("Profile", "ShareProfile")) or "default"
        self.channel = ""  # "", ssmmessages or ec2messages
        self.settled = threading.Event()  # the first attempt at the control channel is over
        self.stop = threading.Event()

    def signed(self, service):
        def headers_for(method, url, headers, body):
            credentials = credentials_file.read(appconfig.share_file(), self.profile)
            if credentials is None:
                raise aws_http.RequestFailed(url, "NoCredentialProviders: no valid providers in chain")
            return dict(
                aws_http.sign(method, url, headers, body, credentials, service, self.region),
                **{"User-Agent": appconfig.user_agent()},
            )

        return headers_for

    def call(self, service, target, payload, **options):
        url = self.config.endpoint(service, self.region)
        return aws_http.json_call(url, target, payload, self.signed(service), **options)

    # --- pings

    def ping(self, full):
        payload = {
            "AgentName": "amazon-ssm-agent",
            "AgentVersion": appconfig.VERSION,
            "InstanceId": self.instance_id,
            "PlatformType": "Linux",
        }
        if full:
            release = os_release()
            payload.update(
                AgentStatus="Active",
                AvailabilityZone="",
                AvailabilityZoneId="",
                ComputerName=socket.getfqdn() if "." in socket.gethostname() else socket.gethostname(),
                IPAddress=aws_http.first_ipv4()[1],
                PlatformName=release.get("NAME", ""),
                PlatformVersion=release.get("VERSION_ID", ""),
                SSMConnectionChannel=self.channel,
            )
        self.call("ssm", "AmazonSSM.UpdateInstanceInformation", payload)

    def health(self):
        minutes = self.config.number("Ssm", "HealthFrequencyMinutes", 5, 5, 60)
        full = False
        while True:
            try:
                self.ping(full)
            except (aws_http.AwsError, aws_http.RequestFailed) as error:
                self.log.error("[HealthCheck] error when calling AWS APIs. error details - %s", error)
            # A ping without details opens, the full one follows as soon as the channel is settled.
            if not full:
                self.settled.wait(3)
                full = True
                continue
            if self.stop.wait(minutes * 60):
                return

    # --- ssmmessages

    def token(self, base):
        url = f"{base}/v1/control-channel/{self.instance_id}"
        body = json.dumps({"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4())}).encode()
        headers = {"Content-Type": "application/json"}
        answer = aws_http.request("POST", url, self.signed("ssmmessages")("POST", url, headers, body), body)
        if answer.status != 201:
            raise ws_client.Closed(
                "CreateControlChannel failed with error: createControlChannel request failed: unexpected response"
                " from the service {}".format(answer.body.decode("utf-8", "replace"))
            )
        text = answer.body.decode()
        found = re.search(r"<TokenValue>([^<]+)</TokenValue>", text)
        if not found or "<MessageSchemaVersion>" not in text:
            raise ws_client.Closed("CreateControlChannel failed: no token in the response")
        return found.group(1)

    def open_channel(self):
        base = self.config.endpoint("ssmmessages", self.region)
        token = self.token(base)
        url = "wss://{}/v1/control-channel/{}?role=subscribe&stream=input".format(
            base.split("://")[1], self.instance_id
        )
        connection = ws_client.WebSocket(url, self.signed("ssmmessages")("GET", url, {}, b""))
        connection.send(
            json.dumps(
                {
                    "Cookie": None,
                    "MessageSchemaVersion": "1.0",
                    "RequestId": str(uuid.uuid4()),
                    "TokenValue": token,
                    "AgentVersion": appconfig.VERSION,
                    "PlatformType": "linux",
                }
            )
        )
        return connection

    def control_channel(self):
        failures = 0
        while not self.stop.is_set():
            try:
                connection = self.open_channel()
                failures, self.channel = 0, "ssmmessages"
                self.settled.set()
                self.log.info("[MessageService] [MGSInteractor] Successfully established control channel")
                self.listen(connection)
            except (ws_client.Closed, aws_http.RequestFailed, OSError) as error:
                self.channel = "ec2messages"
                self.settled.set()
                self.log.error("[MessageService] [MGSInteractor] %s", error)
            failures = min(failures + 1, 8)
            if self.stop.wait(random.uniform(1, 2) * 2**failures):
                return

    def listen(self, connection):
        connection.settimeout(60)
        while not self.stop.is_set():
            try:
                connection.receive()
            except socket.timeout:
                connection.ping()

    # --- ec2messages, associations

    def poll_messages(self):
        while not self.stop.is_set():
            if self.channel == "ssmmessages":
                self.stop.wait(5)
                continue
            payload = {
                "Destination": self.instance_id,
                "MessagesRequestId": str(uuid.uuid4()),
                "VisibilityTimeoutInSeconds": 10,
            }
            begin = time.monotonic()
            try:
                self.call("ec2messages", MDS, payload, timeout=40)
            except (aws_http.AwsError, aws_http.RequestFailed) as error:
                self.log.error(
                    "[MessageService] [MDSInteractor] error when calling AWS APIs. error details - %s", error
                )
                self.stop.wait(15)
            # A server that does not hold the poll must not be asked in a tight loop.
            self.stop.wait(max(0, 1 - (time.monotonic() - begin)))

    def associations(self):
        while True:
            try:
                self.call(
                    "ssm", "AmazonSSM.ListInstanceAssociations", {"InstanceId": self.instance_id, "MaxResults": 20}
                )
            except (aws_http.AwsError, aws_http.RequestFailed) as error:
                self.log.error("[Association] unable to load instance associations, %s", error)
            if self.stop.wait(600):
                return

    def run(self):
        # A plain list: an Event set in a handler can meet its own lock.
        signals = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: signals.append(number))
        self.log.info("ssm-agent-worker - v%s", appconfig.VERSION)
        for task in (self.health, self.control_channel, self.poll_messages, self.associations):
            threading.Thread(target=task, daemon=True).start()
        while not signals:
            time.sleep(0.1)
        self.stop.set()
        return 0


def main(_arguments):
    log = applog.Log("ssm-agent-worker")
    if not vault.registration():
        log.error("failed to find agent identity")
        return 1
    return Worker(log).run()
