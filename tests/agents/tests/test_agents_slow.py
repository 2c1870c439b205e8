# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes its time by nature: all at once."""

import concurrent.futures
import re
import time
import uuid

import agents_world
import pytest
from agents_world import REGION
from agents_world import online
from agents_world import until

IDENTITY = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"


def unreachable(node):
    node.registered()
    node.ssm_config(Ssm={"Endpoint": "http://127.0.0.1:9"})
    begin = time.monotonic()
    arguments = ["-register", "-y", "-code", "x" * 20, "-id", "x" * 36, "-region", REGION]
    done = node.run("amazon-ssm-agent", *arguments)
    return done, time.monotonic() - begin


def untrusted(node):
    node.path("/etc/ssl/certs/ca-certificates.crt").write_text("")
    return node.register()


def another_machine(node):
    """Change the machine-id of a registered node: first with good credentials, then without."""
    node_id = node.registered()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: online(node, node_id), what="Online")
    node.stop(daemon)
    old = node.fingerprint()["fingerprint"]
    node.path("/etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    mark = node.world.mark()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: [call for call in node.world.calls(after=mark) if node_id in call["principal"]], what="a ping")
    meanwhile = node.fingerprint()["fingerprint"]
    node.stop(daemon)
    node.path(IDENTITY).unlink()
    begin = time.monotonic()
    daemon = node.start("amazon-ssm-agent")
    until(lambda: "MachineFingerprintDoesNotMatch" in node.log(), 30, "the refusal")
    return old, meanwhile, time.monotonic() - begin, daemon.poll()


@pytest.fixture(scope="module")
def scenarios(running_world, packages, tmp_path_factory):
    base = tmp_path_factory.mktemp("slow")
    nodes = [agents_world.Node(running_world, packages, base / name) for name in ("one", "two", "three")]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield [(node, pool.submit(run, node)) for node, run in zip(nodes, (unreachable, another_machine, untrusted))]
    for node in nodes:
        node.close()


def test_an_unreachable_endpoint_is_given_up_after_the_sdks_retries(scenarios):
    node, future = scenarios[0]
    done, seconds = future.result()
    assert done.returncode == 1
    assert "RequestError: send request failed\ncaused by: " in done.stdout
    assert 7 < seconds < 15
    assert node.vault()["instanceID"] == "", "an unreachable service costs the identity too"


def test_an_unknown_authority_is_not_trusted(scenarios):
    done = scenarios[2][1].result()
    assert done.returncode == 1
    assert "RequestError: send request failed" in done.stdout
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout


def test_another_machine_id_costs_the_fingerprint(scenarios):
    """With good credentials nobody notices; without, a new uuid replaces the old one and the service refuses."""
    node, future = scenarios[1]
    old, meanwhile, seconds, status = future.result()
    assert meanwhile == old
    assert seconds > 9, "three looks, five seconds apart"
    assert node.fingerprint()["fingerprint"] != old
    assert "Calculated hardware difference, regenerating fingerprint..." in node.log()
    assert re.search(r"Sleeping for 0:(2[5-9]:\d\d|30:00) before", node.log())
    assert status is None, "the unit stays active"
