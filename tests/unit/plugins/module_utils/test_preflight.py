# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a server needs around it: where it has to get to, what time it is there, how much room there is."""

from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _host
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _preflight
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _probe
from test_plan import BARE
from test_plan import RIGHT
from test_plan import UNIT
from test_plan import WANTED
from test_plan import changed
from test_plan import names
from test_plan import plan


def addresses(**wanted):
    return {e["what"]: f"{e['host']}:{e['port']}" for e in _preflight.endpoints({**WANTED, **wanted})}


def test_where_the_agents_connect_to():
    assert addresses() == {
        "ssm": "ssm.eu-west-1.amazonaws.com:443",
        "ssmmessages": "ssmmessages.eu-west-1.amazonaws.com:443",
        "ec2messages": "ec2messages.eu-west-1.amazonaws.com:443",
        "ecs": "ecs.eu-west-1.amazonaws.com:443",
        "ecs-a-1": "ecs-a-1.eu-west-1.amazonaws.com:443",
        "ecs-t-1": "ecs-t-1.eu-west-1.amazonaws.com:443",
        "packages": "s3.eu-west-1.amazonaws.com:443",
    }
    assert addresses(region="cn-north-1")["ssm"] == "ssm.cn-north-1.amazonaws.com.cn:443"
    assert addresses(region="eusc-de-east-1")["ecs"] == "ecs.eusc-de-east-1.amazonaws.eu:443"


def test_endpoints_that_were_set_otherwise():
    assert "packages" not in addresses(package_base_url="file:///mirror")
    assert addresses(package_base_url="http://mirror:8080/aws")["packages"] == "mirror:8080"
    assert addresses(package_base_url="http://mirror/aws")["packages"] == "mirror:80"
    assert "docker packages" not in addresses(docker_source="distro", docker_base_url="https://download.docker.com")
    docker = addresses(docker_source="docker", docker_base_url="https://download.docker.com")
    assert docker["docker packages"] == "download.docker.com:443"


@pytest.mark.parametrize(
    "missing, asked",
    [
        ([], ["ecs"]),
        (["ecs_agent"], ["ecs", "packages"]),
        (["docker"], ["ecs", "packages", "docker packages"]),
    ],
)
def test_where_packages_are_matters_to_who_needs_some(missing, asked):
    endpoints = [{"what": what} for what in ("ecs", "packages", "docker packages")]
    assert [e["what"] for e in _preflight.needed_endpoints(endpoints, missing)] == asked
    assert addresses(ssm_config={"Ssm": {"Endpoint": "https://vpce:8443"}})["ssm"] == "vpce:8443"
    assert addresses(ssm_config={"Mgs": {"Endpoint": "vpce"}})["ssmmessages"] == "vpce:443"
    assert addresses(ssm_config={"Agent": {"ServiceDomain": "corp"}})["ec2messages"] == "ec2messages.eu-west-1.corp:443"
    files = changed(WANTED, "ecs_config:/etc/ecs/ecs.config:ECS_BACKEND_HOST", "https://vpce-ecs")["ecs_config"]
    assert addresses(ecs_config=files)["ecs"] == "vpce-ecs:443"


@pytest.mark.parametrize(
    "path, value, whole",
    [
        ("", None, True),
        ("docker:installed", False, False),
        ("ssm_agent:unit", {**UNIT, "active_state": "inactive"}, False),
        ("ecs_agent:unit", None, False),
        ("ecs_agent:introspection", None, False),
        ("ssm_agent:registration:managed_instance_id", None, False),
    ],
)
def test_a_server_that_is_whole_is_not_looked_around(path, value, whole):
    assert _host.is_whole(changed(RIGHT, path, value)) is whole


def found(offset=0, free=10**10, **problems):
    endpoints = [{**e, "problem": problems.get(e["what"].replace("-", "_"))} for e in _preflight.endpoints(WANTED)]
    needed = _preflight.needed_space(["docker", "ssm_agent", "ecs_agent"])
    disk = [{"directories": sorted(needed), "free": free, "needed": sum(needed.values())}]
    return {"endpoints": endpoints, "clock_offset": offset, "disk": disk}


@pytest.mark.parametrize(
    "look, sentence",
    [
        (found(), None),
        (None, None),
        (found(offset=None), None),
        (found(offset=-300), None),
        (found(offset=-3600), "its clock is 3600 seconds behind AWS's"),
        (found(offset=301), "its clock is 301 seconds ahead of AWS's"),
        (found(ecs="timed out"), "it cannot reach ecs.eu-west-1.amazonaws.com:443 (timed out): allow these"),
        (found(ec2messages="no such name"), None),  # newer Regions have none
        (found(ec2messages="x", ssmmessages="y"), "ssmmessages.eu-west-1.amazonaws.com:443 (y), ec2messages."),
        (found(free=5 * 10**8), "/usr and /var/cache and /var/lib and /var/lib/docker have 476 MB left, the inst"),
    ],
)
def test_what_stands_in_the_way_around_a_server(look, sentence):
    result = plan(changed(BARE, "preflight", look), None)
    assert len(result["problems"]) == (1 if sentence else 0)
    assert sentence is None or sentence in result["problems"][0]
    assert bool(names(result)) is (sentence is None)


def test_all_of_it_at_once():
    look = found(offset=999, free=1, ecs="x")
    assert len(plan(changed(changed(BARE, "preflight", look), "memory_cgroup", False), None)["problems"]) == 4


def test_a_kernel_without_memory_control():
    assert "cgroup_enable=memory" in plan(changed(RIGHT, "memory_cgroup", False))["problems"][0]
    assert plan(changed(RIGHT, "memory_cgroup", None))["problems"] == []


@pytest.mark.parametrize(
    "missing, wanted, sentence",
    [
        (["nvidia-smi"], False, None),
        ([], True, None),
        (["/dev/nvidiactl", "nvidia-smi"], True, "it has no /dev/nvidiactl, nvidia-smi: install NVIDIA's driver"),
    ],
)
def test_gpus_need_their_driver_and_runtime(missing, wanted, sentence):
    problems = plan(changed(RIGHT, "gpu", {"missing": missing}), wanted={**WANTED, "gpu": wanted})["problems"]
    assert [sentence in p for p in problems] == ([True] if sentence else [])


@pytest.fixture
def serve():
    """serve(handler class) -> the port of an HTTP server on loopback."""
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Late(http.server.BaseHTTPRequestHandler):
    """AWS, for which it is an hour ago."""

    def do_HEAD(self):
        self.send_response_only(200)
        self.send_header("Date", self.date_time_string(time.time() - 3600))
        self.end_headers()

    def log_message(self, *_args):
        pass


class Proxy(Late):
    """Lets through who knows the password."""

    def do_CONNECT(self):
        if self.headers.get("Proxy-Authorization") != "Basic dTpwQHNz":  # u:p@ss
            self.send_error(407)
            return
        with socket.create_connection(("127.0.0.1", int(self.path.rsplit(":", 1)[1]))):
            self.send_response_only(200)
            self.end_headers()


def endpoint(port, host="127.0.0.1", plain=True):
    return {"what": "ssm", "host": host, "port": port, "plain": plain}


def test_a_clock_is_told_by_the_endpoint(serve):
    entries, offset = _probe.look([endpoint(serve(Late))], {})
    assert entries[0]["problem"] is None
    assert 3598 <= offset <= 3605


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_who_does_not_answer_is_told_why():
    unknown = endpoint(443, host="unknown.invalid", plain=False)
    entries, offset = _probe.look([endpoint(free_port()), unknown], {})
    assert [e["problem"] for e in entries] == ["Connection refused", "no such name"]
    assert offset is None
    assert _probe.look([], {}) == ([], None)


@pytest.mark.parametrize(
    "login, never, said",
    [
        ("u:p%40ss@", "", None),
        ("", "", "the proxy says 407 Proxy Authentication Required"),
        ("", "x.invalid", "no such name"),
    ],
)
def test_through_a_proxy(serve, login, never, said):
    through = endpoint(serve(Late), host="x.invalid", plain=False)  # a name that only the proxy knows
    environment = {"HTTPS_PROXY": f"http://{login}127.0.0.1:{serve(Proxy)}", "NO_PROXY": never}
    assert _probe.problem(through, environment) == said


def test_room_by_file_system(tmp_path):
    needed = {str(tmp_path): 5, str(tmp_path / "not" / "there"): 6}
    (entry,) = _probe.disk(needed)
    assert entry["needed"] == 11 and entry["directories"] == list(needed) and entry["free"] > 0
