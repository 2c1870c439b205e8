# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon: keeps the role credentials fresh and the worker running."""

import datetime
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import appconfig
import applog
import aws_http
import credentials_file
import fingerprint
import keys
import registration
import vault

LONG_SLEEP = ("AccessDeniedException", "MachineFingerprintDoesNotMatch")
TIME = "%Y-%m-%dT%H:%M:%SZ"


class Identity:
    def __init__(self, record):
        self.instance_id = record["instanceID"]
        self.region = record["region"]
        self.private_key = record["privateKey"]


def signed_by_key(identity, service="ssm"):
    """SigV4's layout with an RSA-PSS signature over its string to sign."""

    def headers_for(method, url, headers, body):
        stamp = aws_http.utc_now().strftime("%Y%m%dT%H%M%SZ")
        payload_hash = hashlib.sha256(body).hexdigest()
        scope = f"{stamp[:8]}/{identity.region}/{service}/aws4_request"
        headers = dict(headers)
        headers["Host"] = aws_http.host_header(aws_http.urllib.parse.urlsplit(url))
        headers["X-Amz-Date"] = stamp
        signed = ["content-type", "host", "x-amz-date", "x-amz-target"]
        text = aws_http.string_to_sign(method, url, headers, signed, payload_hash, scope, stamp)
        headers["X-Amz-Content-Sha256"] = payload_hash
        headers["User-Agent"] = appconfig.user_agent()
        headers["Authorization"] = "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}".format(
            identity.instance_id,
            scope,
            ";".join(signed),
            keys.sign_pss(identity.private_key, text),
        )
        return headers

    return headers_for


class Refresher:
    """Calls for a token at half life, stores it, and says through `ready` when the worker may start."""

    def __init__(self, log, config, identity):
        self.log = log
        self.config = config
        self.identity = identity
        self.ready = threading.Event()
        self.profile = str(config.get("Profile", "ShareProfile"))
        self.share = config.get("Profile", "ShareCreds", True) is not False

    def run(self):
        wait = self._remaining()
        while True:
            if wait:
                time.sleep(wait)
            wait = self._refresh_until_done()

    def _remaining(self):
        """Return how long the saved credentials of this identity may still be used without a call."""
        try:
            with open(appconfig.IDENTITY_CONFIG, encoding="utf-8") as handle:
                saved = json.load(handle)
            expires, retrieved = (
                datetime.datetime.strptime(saved[key], TIME).replace(tzinfo=datetime.timezone.utc)
                for key in ("CredentialsExpiresAt", "CredentialsRetrievedAt")
            )
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        if saved.get("InstanceId") != self.identity.instance_id or saved.get("ShareProfile") != self.profile:
            return 0
        if credentials_file.read(appconfig.share_file(), self.profile or "default") is None:
            return 0
        left = (retrieved + (expires - retrieved) / 2 - aws_http.utc_now()).total_seconds()
        if left <= 0:
            return 0
        self.log.info("Credentials are still valid, next refresh in %d seconds", left)
        self.ready.set()
        return left

    def _refresh_until_done(self):
        failures = 0
        while True:
            try:
                return self._refresh()
            except aws_http.AwsError as error:
                self.log.error("Retrieve credentials produced aws error: %s", error)
                if error.code in LONG_SLEEP:
                    longest = self.config.number("Ssm", "CredentialRetryMaxSleepSeconds", 1800, 60, 1800)
                    pause = min(random.uniform(1500, 1800), longest)
                else:
                    pause = min(2**failures + random.uniform(10, 20), 1800)
            except (aws_http.RequestFailed, OSError, ValueError, subprocess.SubprocessError) as error:
                self.log.error("Retrieve credentials produced error: %s", error)
                pause = min(2**failures, 1800)
            failures = min(failures + 1, 11)
            self.log.info(
                "Sleeping for %s before retrying retrieve credentials", datetime.timedelta(seconds=int(pause))
            )
            time.sleep(pause)

    def _refresh(self):
        url = self.config.endpoint("ssm", self.identity.region)
        payload = {"Fingerprint": fingerprint.current(self.log)}
        answer = aws_http.json_call(
            url, "AmazonSSM.RequestManagedInstanceRoleToken", payload, signed_by_key(self.identity), chunked=True
        )
        credentials = aws_http.Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        expires, update_key = float(answer["TokenExpirationDate"]), answer["UpdateKeyPair"]
        if update_key:
            self._rotate_key(url)
        now = time.time()
        if self.share:
            self._share(credentials)
        self._remember(now, expires)
        self.ready.set()
        return max((expires - now) / 2, 1)

    def _rotate_key(self, url):
        private_key, public_key = keys.generate()
        payload = {"NewPublicKey": public_key, "NewPublicKeyType": "Rsa"}
        try:
            aws_http.json_call(
                url, "AmazonSSM.UpdateManagedInstancePublicKey", payload, signed_by_key(self.identity), chunked=True
            )
        except (aws_http.AwsError, aws_http.RequestFailed) as error:
            self.log.error("Failed to rotate the private key: %s", error)
            return
        self.identity.private_key = private_key
        vault.save_registration(self.identity.instance_id, self.identity.region, private_key, "Rsa")

    def _share(self, credentials):
        path = appconfig.share_file()
        try:
            credentials_file.write(path, self.profile, credentials)
        except (OSError, UnicodeDecodeError, credentials_file.Unparsable) as error:
            self.log.warn("Failed to write credentials to disk: %s. Forcing the write", error)
            credentials_file.write(path, self.profile, credentials, force=True)

    def _remember(self, retrieved, expires):
        stamp = datetime.datetime.fromtimestamp
        applog.make_dirs(os.path.dirname(appconfig.IDENTITY_CONFIG), 0o700)
        vault.write_file(
            appconfig.IDENTITY_CONFIG,
            vault.dump(
                {
                    "SchemaVersion": "1.1",
                    "InstanceId": self.identity.instance_id,
                    "IdentityType": "OnPrem",
                    "ShareFile": appconfig.share_file() if self.share else "",
                    "ShareProfile": self.profile,
                    "CredentialsExpiresAt": stamp(expires, datetime.timezone.utc).strftime(TIME),
                    "CredentialsRetrievedAt": stamp(retrieved, datetime.timezone.utc).strftime(TIME),
                    "CredentialSource": "SSM",
                }
            ),
        )


def imds_answers():
    url = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    try:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        return aws_http.request("PUT", url + "/latest/api/token", headers, timeout=1).status == 200
    except aws_http.RequestFailed:
        return False


def no_identity(log):
    log.error("[OnPrem] Failed to find agent identity: instance is not registered")
    if imds_answers():
        log.error("[EC2] Failed to get the instance's identity from IMDS")
    else:
        log.error("[EC2] Unable to reach the instance metadata service")
    log.error("[CustomIdentity] no custom identity is configured")
    time.sleep(0.5)
    log.error("Agent failed to assume any identity")
    log.error("failed to find agent identity")
    return 0


class Channels:
    """The sockets by which the core watches its worker."""

    def __init__(self):
        applog.make_dirs(appconfig.DATA, 0o700)
        applog.make_dirs(appconfig.IPC, 0o750)
        self._sockets = []
        for name in ("health", "termination"):
            path = os.path.join(appconfig.IPC, name)
            if os.path.lexists(path):
                os.unlink(path)
            channel = socket.socket(socket.AF_UNIX)
            channel.bind(path)
            channel.listen(4)
            self._sockets.append((path, channel))

    def close(self):
        for path, channel in self._sockets:
            channel.close()
            if os.path.lexists(path):
                os.unlink(path)


def serve(log):
    log.info("amazon-ssm-agent - v%s", appconfig.VERSION)
    config = appconfig.Config()
    record = vault.registration()
    if not record:
        return no_identity(log)
    identity = Identity(record)
    # A plain list: an Event set in a handler can meet its own lock.
    signals = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    channels = Channels()
    log.info("[OnPrem] agent identity is %s", identity.instance_id)
    refresher = Refresher(log, config, identity)
    threading.Thread(target=refresher.run, daemon=True).start()
    prefix = os.path.dirname(os.path.realpath(sys.argv[0]))
    worker = None
    next_check = 0.0
    while not signals:
        time.sleep(0.1)
        if (
            refresher.ready.is_set()
            and time.monotonic() >= next_check
            and (worker is None or worker.poll() is not None)
        ):
            log.info("[WorkerProvider] starting ssm-agent-worker")
            worker = subprocess.Popen([os.path.join(prefix, "ssm-agent-worker")], stdin=subprocess.DEVNULL)
            next_check = time.monotonic() + 60  # the health watchdog's rhythm
    log.info("amazon-ssm-agent got signal: terminated, stopping")
    if worker is not None and worker.poll() is None:
        worker.terminate()
        try:
            worker.wait(5)
        except subprocess.TimeoutExpired:
            worker.kill()
    channels.close()
    log.info("Bye.")
    return 0


def main(arguments):
    if arguments:
        try:
            flags = registration.parse(arguments)
        except registration.BadFlag as error:
            sys.stderr.write(f"{error}\n")
            registration.usage()
            return 2
        if flags:
            return registration.run(flags)
        return registration.usage()
    return serve(applog.Log("amazon-ssm-agent"))
