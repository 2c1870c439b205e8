# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the agents run in tests: a network namespace without a way out, and a root directory per node."""

import concurrent.futures
import ctypes
import http.server
import io
import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
AGENTS = HERE.parent
EMULATOR = AGENTS.parent / "emulator"
sys.path.insert(0, str(AGENTS / "common"))

import aws_http  # noqa: E402

REGION = "us-east-1"
ACCOUNT = "123456789012"
OPERATOR = aws_http.Credentials("AKIAOPERATOR00000000", "operator-secret-for-tests-only-0000000000")
NAMES = ("ssm", "ssmmessages", "ec2messages", "ecs", "ecs-a-1", "ecs-t-1", "s3", "sts")
CLONE_NEWNET = 0x40000000
ROLE = "ecsAnywhereRole"


def until(check, seconds=15.0, what="it"):
    """Return check()'s first true answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s: {check}")
        time.sleep(0.1)


class World:
    """The namespace, the emulator in it, and an operator's view of it."""

    address = "127.0.0.1"

    @property
    def http(self):
        return f"http://{self.address}:5000"

    def __init__(self, folder):
        self.folder = folder
        self._children = []
        holder = self.spawn(["unshare", "--net", "sleep", "3600"])
        self.pid = holder.pid
        until(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != os.readlink("/proc/self/ns/net"), 5, "the namespace")
        for command in (
            "ip link set lo up",
            "ip link add v0 type veth peer name v1",
            "ip address add 10.1.2.3/24 dev v0",
            "ip link set v0 up",
            "ip link set v1 up",
        ):
            subprocess.run(self.inside(command.split()), check=True)
        # Network namespaces belong to threads: this one makes the operator's sockets.
        self._thread = concurrent.futures.ThreadPoolExecutor(8, initializer=self._enter)

    def _enter(self):
        with open(f"/proc/{self.pid}/ns/net", "rb") as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def inside(self, command):
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]

    def spawn(self, command, **options):
        child = subprocess.Popen(command, start_new_session=True, **options)
        self._children.append(child)
        return child

    def do(self, function, *arguments, **options):
        return self._thread.submit(function, *arguments, **options).result(60)

    def start_emulator(self, packages):
        state = self.folder / "emulator"
        ready = state / "ready"
        state.mkdir()
        command = [sys.executable, str(EMULATOR), "--listen", self.address, "--https-port", "443"]
        command += ["--http-port", "5000", "--state", str(state), "--ready-file", str(ready)]
        command += ["--packages", str(packages.out / "packages")]
        with open(state / "log", "wb") as log:
            emulator = self.spawn(self.inside(command), stdout=log, stderr=log)

        def up():
            assert emulator.poll() is None, (state / "log").read_text()[-3000:]
            return ready.exists()

        until(up, 60, "the emulator's start")
        self.ca = (state / "ca.pem").read_bytes()
        trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.iam("CreateRole", RoleName=ROLE, AssumeRolePolicyDocument=document)
        for policy in ("AmazonSSMManagedInstanceCore", "service-role/AmazonEC2ContainerServiceforEC2Role"):
            self.iam("AttachRolePolicy", RoleName=ROLE, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        for cluster in ("c1", "c2"):
            self.ecs("CreateCluster", clusterName=cluster)

    def close(self):
        self._thread.shutdown()
        for child in reversed(self._children):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                try:
                    child.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait(5)

    # --- the operator

    def _json(self, service, target, payload):
        def signed(method, url, headers, body):
            return aws_http.sign(method, url, headers, body, OPERATOR, service, REGION)

        return self.do(aws_http.json_call, self.http, target, payload, signed, retries=0)

    def ssm(self, operation, **payload):
        return self._json("ssm", "AmazonSSM." + operation, payload)

    def ecs(self, operation, **payload):
        return self._json("ecs", "AmazonEC2ContainerServiceV20141113." + operation, payload)

    def iam(self, action, **values):
        body = urllib.parse.urlencode(dict(values, Action=action, Version="2010-05-08")).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = aws_http.sign("POST", self.http + "/", headers, body, OPERATOR, "iam", REGION)
        answer = self.do(aws_http.request, "POST", self.http + "/", headers, body)
        assert answer.status == 200, answer.body

    def control(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.do(
            aws_http.request, method, f"{self.http}/_emulator/{path}", {"Content-Type": "application/json"}, data
        )
        assert answer.status < 300, answer.body
        return json.loads(answer.body or b"null")

    def fault(self, operation, **values):
        self.control("POST", "faults", dict(values, operation=operation))

    def calls(self, operation="", after=0):
        found = self.control("GET", f"calls?after={after}")
        found = found["calls"] if isinstance(found, dict) else found
        return [call for call in found if not operation or call["operation"] == operation]

    def mark(self):
        return max([call["n"] for call in self.calls()], default=0)

    def activation(self, limit=1):
        found = self.ssm("CreateActivation", IamRole=ROLE, RegistrationLimit=limit)
        return found["ActivationId"], found["ActivationCode"]

    def node_info(self, node_id):
        found = self.ssm("DescribeInstanceInformation", Filters=[{"Key": "InstanceIds", "Values": [node_id]}])
        return (found["InstanceInformationList"] or [None])[0]

    def instances(self, cluster="c1"):
        arns = self.ecs("ListContainerInstances", cluster=cluster)["containerInstanceArns"]
        if not arns:
            return []
        return self.ecs("DescribeContainerInstances", cluster=cluster, containerInstances=arns)["containerInstances"]


class BridgeWorld(World):
    """The same on the bridge of a container network, without a namespace of its own."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address
        self._children = []
        self._thread = concurrent.futures.ThreadPoolExecutor(4)

    def inside(self, command):
        return list(command)


def online(node, node_id):
    """Return what SSM knows of the node once the full ping came."""
    found = node.world.node_info(node_id)
    return found if found and found["PingStatus"] == "Online" and found.get("ComputerName") else None


class Recorder:
    """A server in the namespace that keeps what it was sent, byte for byte, and answers as told."""

    def __init__(self, world, answer, port):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while True:
                        size = int(self.rfile.readline(), 16)
                        body += self.rfile.read(size)
                        self.rfile.readline()
                        if not size:
                            break
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests.append((self.command, self.path, self.headers, body))
                status, headers, content = answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for pair in dict(headers, **{"Content-Length": str(len(content))}).items():
                    self.send_header(*pair)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_CONNECT = _serve

            def log_message(self, *_args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = world.do(Server, ("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self._server.shutdown()
        self._server.server_close()


def json_answer(payload, status=200):
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(payload).encode()


class Node:
    """A root directory with the packages unpacked under /opt, entered through namespaces of its own."""

    def __init__(self, world, packages, root):
        self.world = world
        self.root = root
        self._children = []
        for name in ("usr", "dev", "proc", "sys", "etc/ssl/certs", "root", "run", "tmp", "opt", "fake", "log", "mnt"):
            (root / name).mkdir(parents=True)
        for name in ("var/lib", "var/log", "etc/amazon", "etc/ecs", "data"):
            (root / name).mkdir(parents=True)
        (root / "var/run").symlink_to("/run")
        (root / "rotatingcreds").symlink_to("/root/.aws")
        for name in ("bin", "sbin", "lib", "lib64"):
            if Path("/", name).is_symlink():
                (root / name).symlink_to(os.readlink(f"/{name}"))
        for name in ("passwd", "group", "os-release", "ssl/openssl.cnf"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), root / "etc" / name)
        shutil.copytree("/etc/alternatives", root / "etc/alternatives", symlinks=True)
        hosts = [f"127.0.0.1 {name}.{REGION}.amazonaws.com" for name in NAMES]
        (root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
        (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        (root / "etc/ssl/certs/ca-certificates.crt").write_bytes(getattr(world, "ca", b""))
        unpacked = packages.unpacked()
        shutil.copytree(unpacked / "var", root / "var", dirs_exist_ok=True, symlinks=True)
        self._unpack_image()
        mounts = " && ".join(f"mount --rbind /{name} {root}/{name}" for name in ("usr", "dev", "proc", "sys"))
        mounts += f" && mount --bind {unpacked} {root}/opt"
        script = f"{mounts} && touch {root}/ready && exec chroot {root} sleep 3600"
        self._holder = world.spawn(world.inside(["unshare", "--mount", "sh", "-ec", script]))
        until(lambda: (root / "ready").exists(), 10, "the node's root")
        # The marker comes just before the exec: wait for the root itself.
        until(lambda: os.readlink(f"/proc/{self._holder.pid}/root") == str(root), 5, "chroot")

    def _unpack_image(self):
        with tarfile.open(self.root / "var/cache/ecs/ecs-agent.tar") as image:
            manifest = json.load(image.extractfile("manifest.json"))
            layer = image.extractfile(manifest[0]["Layers"][0]).read()
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for member in archive.getmembers():
                if member.name.startswith("agent"):
                    archive.extract(member, self.root)

    def command(self, arguments, env=None):
        path = "/fake:/opt/usr/bin:/opt/usr/libexec:/usr/sbin:/usr/bin:/sbin:/bin"
        values = dict({"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}, **(env or {}))
        enter = ["nsenter", "-t", str(self._holder.pid), "--mount", "--net", "--root", "--wd"]
        return [*enter, "env", "-i", *(f"{key}={value}" for key, value in values.items()), *arguments]

    def run(self, *arguments, stdin="", env=None, timeout=60):
        return subprocess.run(
            self.command(arguments, env), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )

    def start(self, *arguments, env=None):
        with open(self.root / "tmp" / "output", "ab") as log:
            child = self.world.spawn(self.command(arguments, env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._children.append(child)
        return child

    def stop(self, child):
        if child.poll() is None:
            child.terminate()
        return child.wait(10)

    def close(self):
        for child in [*self._children, self._holder]:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                try:
                    child.wait(5)
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait(5)

    def path(self, name):
        return self.root / name.lstrip("/")

    def text(self, name):
        return self.path(name).read_text()

    def json(self, name):
        return json.loads(self.text(name))

    def mode(self, name):
        return self.path(name).stat().st_mode & 0o777

    def script(self, name, body):
        """A program of that name, found before the real one."""
        path = self.path("/fake/" + name)
        path.write_text("#!/bin/sh\n" + body)
        path.chmod(0o755)

    def ssm_config(self, **sections):
        self.path("/etc/amazon/ssm").mkdir(exist_ok=True)
        self.path("/etc/amazon/ssm/amazon-ssm-agent.json").write_text(json.dumps(sections))

    # --- what a registered node shows

    def register(self, *options, activation=None, stdin="", region=REGION, env=None):
        number, code = activation or self.world.activation()
        arguments = ["-register", "-code", code, "-id", number, "-region", region, *options]
        return self.run("amazon-ssm-agent", *arguments, stdin=stdin, env=env)

    def registered(self):
        """Register and return the mi- id."""
        done = self.register()
        assert done.returncode == 0, done.stdout + done.stderr
        return self.vault()["instanceID"]

    def vault(self):
        return self.json("/var/lib/amazon/ssm/Vault/Store/RegistrationKey")

    def fingerprint(self):
        return self.json("/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint")

    def log(self):
        path = self.path("/var/log/amazon/ssm/amazon-ssm-agent.log")
        return path.read_text() if path.exists() else ""

    def tree(self):
        """Every file under the data directory with its content: to see that nothing changed."""
        base = self.path("/var/lib/amazon")
        return {str(path): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}


class Packages:
    def __init__(self, out):
        self.out = out

    def unpacked(self):
        folder = self.out / "unpacked"
        if not folder.exists():
            for path in (self.ssm(), self.ecs()):
                subprocess.run(["dpkg-deb", "-x", path, folder], check=True)
        return folder

    def build(self, *options):
        subprocess.run([AGENTS / "build", "--out", self.out, *options], check=True, timeout=120)
        return self

    def ssm(self, label="latest", region=REGION):
        return self.out / f"packages/amazon-ssm-{region}/{label}/debian_amd64/amazon-ssm-agent.deb"

    def ecs(self, label="latest", region=REGION):
        return self.out / f"packages/amazon-ecs-agent-{region}/amazon-ecs-init-{label}.amd64.deb"
