# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One proxy in three places: what it means, and what follows from what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.hybrid.ecs_anywhere.plugins.filter.proxy_environment import proxy_environment
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _proxy_plan
from test_plan import RIGHT
from test_plan import WANTED
from test_plan import changed
from test_plan import names
from test_plan import plan

ALWAYS = "169.254.169.254,169.254.170.2,/var/run/docker.sock"
URL = "http://proxy:3128"
ENV = {"HTTP_PROXY": URL, "HTTPS_PROXY": URL, "NO_PROXY": ALWAYS}
DOCKER, SSM = "docker.service", "amazon-ssm-agent.service"


@pytest.mark.parametrize(
    "given, http, https, never",
    [
        (URL, URL, URL, ALWAYS),
        ("proxy:3128", URL, URL, ALWAYS),
        ({"http": URL}, URL, URL, ALWAYS),
        ({"http": URL, "https": "https://other:1"}, URL, "https://other:1", ALWAYS),
        ({"https": URL, "no_proxy": "a.example, 10.0.0.0/8,"}, URL, URL, f"a.example,10.0.0.0/8,{ALWAYS}"),
        ({"https": URL, "no_proxy": ["a", "169.254.170.2"]}, URL, URL, f"a,169.254.170.2,{ALWAYS}"),
    ],
)
def test_what_a_proxy_means(given, http, https, never):
    assert _proxy_plan.environment(given) == {
        "HTTP_PROXY": http,
        "HTTPS_PROXY": https,
        "NO_PROXY": ",".join(dict.fromkeys(never.split(","))),
    }


@pytest.mark.parametrize("given", ["", None, {}])
def test_no_proxy(given):
    assert _proxy_plan.environment(given) == {}


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"no_proxy": "a"}, "names no proxy"),
        ({"http": URL, "ftp": URL}, "a dictionary of http, https, no_proxy"),
        (["a"], "is a URL"),
        ("socks5://user:hunter2@proxy:1", "is not the URL of a proxy"),
        ("http://user:hunter2@:3128", "is not the URL of a proxy"),
        ("http://user:hunter2@proxy:port", "is not the URL of a proxy"),
        ('http://user:hunter2"@proxy', "holds a space, a quote"),
        ({"http": URL, "no_proxy": 'a"b'}, "no_proxy of ecs_anywhere_proxy"),
    ],
)
def test_what_is_no_proxy_is_said_without_its_password(given, sentence):
    with pytest.raises(AnsibleFilterError) as error:
        proxy_environment(given)
    assert sentence in str(error.value) and "hunter2" not in str(error.value)


def proxy(exists=True, docker=True, ssm=True, **other):
    settings, docker_runs, ssm_runs = (other.get(key, ENV) for key in ("settings", "docker_runs", "ssm_runs"))
    return {
        "exists": exists,
        "settings": settings if exists else {},
        "drop_ins": {DOCKER: docker, SSM: ssm},
        "running": {DOCKER: docker_runs, SSM: ssm_runs},
    }


NONE = proxy(exists=False, docker=False, ssm=False, docker_runs={}, ssm_runs={})
OTHER = {**ENV, "HTTPS_PROXY": "http://other:1"}


@pytest.mark.parametrize(
    "read, wanted, configure, restart",
    [
        (NONE, {}, None, []),
        (None, ENV, None, []),
        (NONE, ENV, "no proxy is set", [SSM, DOCKER]),
        (proxy(exists=False, docker_runs=None, ssm_runs=None), ENV, "no proxy is set", []),
        (proxy(), ENV, None, []),
        (proxy(), OTHER, "another proxy was set", [SSM, DOCKER]),
        (proxy(ssm=False), ENV, "amazon-ssm-agent.service is not told", []),
        # a run that was killed before it came to the restarts
        (proxy(docker_runs={}), ENV, None, [DOCKER]),
        (proxy(ssm_runs=OTHER), ENV, None, [SSM]),
        # taken away: whole, or by a run that was killed; an administrator's own proxy is left alone
        (proxy(), {}, "not set any more", [SSM, DOCKER]),
        (proxy(docker=False, ssm=False, docker_runs={}), {}, "not set any more", [SSM]),
        (proxy(docker_runs=OTHER, ssm_runs=None), {}, "not set any more", []),
        (proxy(exists=False, docker_runs=OTHER), {}, None, []),
    ],
)
def test_what_follows_from_what_is_there(read, wanted, configure, restart):
    found = _proxy_plan.proxy_plan(read, wanted)
    assert (configure in found.configure) if configure else (found.configure is None)
    assert sorted(found.restart) == sorted(restart)


WITH = {**WANTED, "proxy": ENV}
CONFIGURED = changed(
    changed(RIGHT, "proxy", proxy()), "ecs_config:/etc/ecs/ecs.config:settings", {"ECS_CLUSTER": "edge", **ENV}
)


def test_a_server_with_its_proxy_is_right():
    assert names(plan(CONFIGURED, wanted=WITH)) == []


def test_docker_is_restarted_and_the_ecs_agent_with_it():
    result = plan(changed(RIGHT, "proxy", NONE), wanted=WITH)
    assert names(result) == ["configure_proxy", "configure_ecs_agent", "restart_docker", "restart_ssm_agent", "wait"]
    assert "live-restore" in result["steps"][2]["reason"]
    # one that is starting is not restarted by systemd
    starting = changed(changed(RIGHT, "proxy", NONE), "ecs_agent:unit:active_state", "activating")
    assert "restart_ecs_agent" in names(plan(starting, wanted=WITH))


def test_the_agents_settings_go_with_the_proxy_but_not_what_somebody_else_set():
    assert names(plan(CONFIGURED))[:2] == ["configure_proxy", "configure_ecs_agent"]
    assert proxy_environment("", CONFIGURED) == dict.fromkeys(ENV)
    own = changed(CONFIGURED, "ecs_config:/etc/ecs/ecs.config:settings:HTTPS_PROXY", "http://mine")
    assert proxy_environment("", own) == {"HTTP_PROXY": None, "NO_PROXY": None}
    # a setting by name counts more
    given = changed(WITH, "ecs_config:/etc/ecs/ecs.config", {"HTTPS_PROXY": "http://mine"})
    assert names(plan(CONFIGURED, wanted=given)) == ["configure_ecs_agent", "restart_ecs_agent", "wait"]


@pytest.mark.parametrize(
    "host, never, expected",
    [
        ("ecs.eu-west-1.amazonaws.com", "", False),
        ("ecs.eu-west-1.amazonaws.com", "other, amazonaws.com", True),
        ("ecs.eu-west-1.amazonaws.com", ".amazonaws.com", True),
        ("notamazonaws.com", "amazonaws.com", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8,/var/run/docker.sock", False),
        ("a", "*", True),
    ],
)
def test_hosts_that_are_asked_directly(host, never, expected):
    assert _proxy_plan.bypasses(host, never) is expected


def test_a_process_tells_its_proxy_without_the_password():
    found = _proxy.of_process("PATH=/bin\0HTTP_PROXY=http://u:hunter2@proxy:1\0NO_PROXY=\0")
    assert list(found) == ["HTTP_PROXY"] and found["HTTP_PROXY"].endswith("@proxy:1")
    assert "hunter2" not in str(found)


def test_the_role_writes_what_the_read_looks_for():
    role = Path(__file__).resolve().parents[4] / "roles" / "ecs_anywhere"
    variables = yaml.safe_load((role / "vars" / "main.yml").read_text())
    assert variables["__ecs_anywhere_proxy_file"] == _proxy.FILE
    assert variables["__ecs_anywhere_proxy_drop_in"] == _proxy.DROP_IN
    (tell,) = [t for t in yaml.safe_load((role / "tasks" / "proxy.yml").read_text()) if "ansible.builtin.copy" in t]
    content = tell["ansible.builtin.copy"]["content"].replace("{{ __ecs_anywhere_proxy_file }}", _proxy.FILE)
    assert _proxy.drop_in_reads_file(content)
    assert not _proxy.drop_in_reads_file(None)
    assert not _proxy.drop_in_reads_file("[Service]\nEnvironmentFile=/elsewhere\n")
