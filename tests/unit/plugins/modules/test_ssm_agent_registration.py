# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The module against a small agent and a small systemctl. Paths are those of a temporary root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_registration
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _ssm_vault
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import ssm_agent_registration as module

CODE = "TheCodeOfTheActivation"
ACTIVATION = {
    "activation_id": "01234567-89ab-cdef-0123-456789abcdef",
    "activation_code": CODE,
    "region": "eu-west-1",
}

# Empties the vault before it "calls AWS", as the real one does. What AWS does is told by the file "aws".
AGENT = r"""#!/bin/sh
here=$(dirname "$0")
root=$here/ssm
echo "$@" >> "$here/agent.log"
[ ! -e "$here/active-amazon-ssm-agent.service" ] || touch "$here/beside-the-daemon"
put() { # id region
  mkdir -p "$root/Vault/Store"
  printf '{"instanceID":"%s","region":"%s","privateKey":"%s"}' "$1" "$2" "$3" > "$root/Vault/Store/RegistrationKey.tmp"
  mv "$root/Vault/Store/RegistrationKey.tmp" "$root/Vault/Store/RegistrationKey"
  printf '{"fingerprint":"%s"}' "$3" > "$root/Vault/Store/InstanceFingerprint"
  printf '{"RegistrationKey":"x"}' > "$root/Vault/Manifest"
}
case "$*" in "-register -clear") put "" "" ""; exit 0;; esac
case "$*" in *" -y"*) ;; *)
  if grep -q '"instanceID":"mi-' "$root/Vault/Store/RegistrationKey" 2>/dev/null; then
    read answer || { echo "Registration failed due to EOF"; exit 1; }
  fi;;
esac
put "" "" $$
aws=$(cat "$here/aws" 2>/dev/null)
case "$aws" in
  slow*) sleep "${aws#slow}";;
  "") ;;
  *) echo "sent code $3"; echo "ERROR $aws"; exit 1;;
esac
echo "asked AWS"
echo made >> "$here/made"
id=mi-new$(wc -l < "$here/made")
put "$id" "$7" $$
printf '{"ManagedInstanceID":"%s","Region":"%s"}' "$id" "$7" > "$root/registration"
echo "Successfully registered the instance with AWS SSM using Managed instance-id: $id"
"""

SYSTEMCTL = r"""#!/bin/sh
here=$(dirname "$0")/..
case "$1" in
  is-active) if [ -e "$here/active-$2" ]; then echo active; else echo inactive; exit 3; fi; exit;;
  stop) rm -f "$here/active-$2";;
  restart) if [ -e "$here/broken" ]; then echo "Job failed." >&2; exit 1; fi; touch "$here/active-$2";;
esac
echo "$1 $2" >> "$here/systemctl.log"
"""


class Server:
    """A server in a directory."""

    def __init__(self, top):
        self.top = top
        self.ssm = top / "ssm"
        self.agent_db = top / "ecs" / "agent.db"

    def build(self, *, registered=False, ecs=True):
        shutil.rmtree(self.top, ignore_errors=True)
        self.agent_db.parent.mkdir(parents=True)
        (self.top / "bin").mkdir()
        for path, text in [(self.top / "amazon-ssm-agent", AGENT), (self.top / "bin" / "systemctl", SYSTEMCTL)]:
            path.write_text(text)
            path.chmod(0o755)
        self.ssm.mkdir(mode=0o700)
        (self.top / "active-amazon-ssm-agent.service").touch()
        if registered:
            store = self.ssm / "Vault" / "Store"
            store.mkdir(parents=True)
            record = {"instanceID": "mi-old", "region": "us-east-1", "privateKey": "old"}
            (store / "RegistrationKey").write_text(json.dumps(record))
            (store / "InstanceFingerprint").write_text('{"fingerprint":"old"}')
            (self.ssm / "registration").write_text('{"ManagedInstanceID":"mi-old","Region":"us-east-1"}')
            if os.geteuid() == 0:  # as the agent makes them: only root can enter
                store.chmod(0o600)
                store.parent.chmod(0o600)
        if ecs:
            self.agent_db.write_text("old")
            (self.top / "active-ecs.service").touch()
        return self

    def aws_says(self, text):
        (self.top / "aws").write_text(text)

    def lines(self, name):
        path = self.top / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def made(self):
        return len(self.lines("made"))

    @property
    def vault(self):
        return _ssm_vault.read_vault()

    def active(self, unit):
        return (self.top / f"active-{unit}.service").exists()

    def is_old(self):
        """Everything is as it was when the server was registered."""
        store = self.ssm / "Vault" / "Store"
        assert json.loads((store / "RegistrationKey").read_text())["privateKey"] == "old"
        assert (store / "InstanceFingerprint").read_text() == '{"fingerprint":"old"}'
        assert not (self.ssm / "Vault" / "Manifest").exists()
        assert not self.vault.stale
        assert self.agent_db.read_text() == "old"
        assert not list(store.glob("*.ecs_anywhere"))
        return True

    def is_clean(self):
        """No journal, backup or leftover, no activation code anywhere, and the daemon was stopped first."""
        assert not (self.top / "beside-the-daemon").exists()
        assert not list(self.ssm.glob(".ecs_anywhere_backup*"))
        assert not (self.top / "ecs" / "agent.db.ecs_anywhere").exists()
        for parent, _unused, names in os.walk(self.ssm):
            for name in names:
                with open(os.path.join(parent, name), "rb") as stream:
                    assert CODE.encode() not in stream.read()
        return True


@pytest.fixture
def server(tmp_path, monkeypatch):
    top = tmp_path / "server"
    (tmp_path / "proc" / "self").mkdir(parents=True)
    monkeypatch.setattr(_ssm_vault, "PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(_ssm_vault, "ROOT", str(top / "ssm"))
    monkeypatch.setattr(_ssm_vault, "BINARIES", {"package": str(top / "amazon-ssm-agent")})
    monkeypatch.setattr(module, "AGENT_DB", str(top / "ecs" / "agent.db"))
    monkeypatch.setattr(module, "AGENT_DB_MOVED", str(top / "ecs" / "agent.db.ecs_anywhere"))
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setenv("PATH", f"{top / 'bin'}:{os.environ['PATH']}")
    return Server(top)


@pytest.fixture
def register(run, server):
    def _register(*, check=False, diff=False, **args):
        return run("ssm_agent_registration", check=check, diff=diff, aws=False, _ansible_tmpdir=str(server.top), **args)

    return _register


def test_registers_a_bare_server(register, server):
    server.build(ecs=False)
    result = register(**ACTIVATION, diff=True)
    assert result["changed"]
    assert (result["managed_instance_id"], result["region"]) == ("mi-new1", "eu-west-1")
    assert result["previous_managed_instance_id"] is None
    assert not result["ecs_state_reset"] and not result["recovered"]
    assert result["diff"]["after"] == {"managed_instance_id": "mi-new1", "region": "eu-west-1"}
    unit = "amazon-ssm-agent.service"
    assert server.lines("systemctl.log") == [f"stop {unit}", f"enable {unit}", f"restart {unit}"]
    assert server.lines("agent.log") == [f"-register -code {CODE} -id {ACTIVATION['activation_id']} -region eu-west-1"]
    assert server.is_clean()


def test_registered_is_left_alone(register, server):
    server.build(registered=True)
    result = register(**{**ACTIVATION, "region": "us-east-1"})
    assert not result["changed"] and result["managed_instance_id"] == "mi-old"
    assert "Set replace" not in json.dumps(result)
    assert not server.lines("agent.log") and not server.lines("systemctl.log")
    assert server.is_old()


def test_the_vault_alone_tells_who_is_registered(register, server):
    server.build()
    (server.ssm / "registration").write_text('{"ManagedInstanceID":"mi-stale","Region":"us-east-1"}')
    result = register(**ACTIVATION)
    assert result["managed_instance_id"] == "mi-new1" and not server.vault.stale
    assert result["ecs_state_reset"] and not server.agent_db.exists()


def test_another_region_is_told_and_needs_replace(register, server):
    server.build(registered=True)
    result = register(**ACTIVATION)
    assert not result["changed"] and "in us-east-1, not in eu-west-1" in json.dumps(result["warnings"])
    assert server.is_old()


def test_replace_resets_the_ecs_agent(register, server):
    server.build(registered=True)
    result = register(**ACTIVATION, replace=True, disable_similarity_check=True)
    assert result["changed"] and result["ecs_state_reset"]
    assert (result["previous_managed_instance_id"], result["managed_instance_id"]) == ("mi-old", "mi-new1")
    assert server.lines("agent.log")[0].endswith("-disableSimilarityCheck -y")
    assert not server.agent_db.exists() and not server.active("ecs") and server.active("amazon-ssm-agent")
    assert "stop ecs.service" in server.lines("systemctl.log")
    assert server.is_clean()


@pytest.mark.parametrize("answer", ["InvalidActivation: ", "RequestError: send request failed"])
def test_failure_restores_the_identity(register, server, answer):
    server.build(registered=True)
    server.aws_says(answer)
    result = register(**ACTIVATION, replace=True)
    assert result["failed"] and "it still is mi-old" in result["msg"]
    assert _ssm_registration.explain(answer) in result["msg"]
    assert CODE not in json.dumps(result)
    assert [line.strip() for line in result["agent_output"]] == ["sent code ********", f"ERROR {answer}".strip()]
    assert server.is_old() and server.is_clean()
    assert server.active("amazon-ssm-agent") and server.active("ecs")


def test_failure_of_a_bare_server_leaves_it_bare(register, server):
    server.build(ecs=False)
    server.aws_says("ActivationExpired: x")
    result = register(**ACTIVATION)
    assert result["failed"] and "it is not registered" in result["msg"]
    assert not (server.ssm / "Vault").exists() and server.is_clean()


def test_a_command_that_takes_too_long_is_ended(register, server):
    server.build(registered=True)
    server.aws_says("slow30")
    started = time.monotonic()
    result = register(**ACTIVATION, replace=True, timeout=1)
    assert time.monotonic() - started < 10
    assert result["failed"] and "more than 1 seconds" in result["msg"] and "it still is mi-old" in result["msg"]
    assert server.is_old() and server.is_clean()


@pytest.mark.parametrize(
    "args, said",
    [
        ({}, "needs activation_id, activation_code, region"),
        ({**ACTIVATION, "activation_code": "short"}, "activation_code is not"),
        ({**ACTIVATION, "activation_id": "short"}, "activation_id is not"),
    ],
)
def test_what_the_agent_would_refuse_is_refused_before_anything_is_touched(register, server, args, said):
    server.build(registered=True)
    result = register(replace=True, **args)
    assert result["failed"] and said in result["msg"]
    assert server.is_old() and server.is_clean()
    assert not server.lines("agent.log") and not server.lines("systemctl.log")


def test_no_agent(register, server):
    server.build()
    (server.top / "amazon-ssm-agent").unlink()
    assert "not installed" in register(**ACTIVATION)["msg"]


def test_a_vault_that_cannot_be_understood_is_replaced_only_when_told(register, server):
    server.build(registered=True)
    (server.ssm / "Vault" / "Store" / "RegistrationKey").write_text("{")
    result = register(**ACTIVATION)
    assert result["failed"] and "Set replace" in result["msg"] and not server.lines("agent.log")
    result = register(**ACTIVATION, replace=True)
    assert result["managed_instance_id"] == "mi-new1" and server.lines("agent.log")[0].endswith(" -y")


@pytest.mark.parametrize("registered", [False, True])
def test_check_mode_predicts_and_touches_nothing(register, server, registered):
    server.build(registered=registered)
    before = sorted(server.top.rglob("*"))
    result = register(check=True, replace=registered, region="eu-west-1")
    assert result["changed"] and result["managed_instance_id"] is None and result["ecs_state_reset"]
    assert result["previous_managed_instance_id"] == ("mi-old" if registered else None)
    assert sorted(server.top.rglob("*")) == before
    assert not register(check=True, state="recovered")["changed"]
    assert register(check=True, state="cleared")["changed"]
    assert sorted(server.top.rglob("*")) == before


def test_clear(register, server):
    server.build(registered=True)
    result = register(state="cleared")
    assert result["changed"] and result["managed_instance_id"] is None and result["ecs_state_reset"]
    assert result["previous_managed_instance_id"] == "mi-old"
    assert server.lines("agent.log") == ["-register -clear"]
    assert not (server.ssm / "registration").exists() and not server.agent_db.exists()
    assert not server.active("amazon-ssm-agent") and not server.active("ecs")
    assert server.is_clean()
    assert not register(state="cleared")["changed"]


def test_clear_tidies_what_an_earlier_clear_left(register, server):
    server.build()
    (server.ssm / "registration").write_text('{"ManagedInstanceID":"mi-stale"}')
    assert register(state="cleared")["changed"]
    assert not server.vault.registration_exists and not server.agent_db.exists() and not server.lines("agent.log")


def test_nothing_is_made_where_there_is_nothing(register, server):
    server.build(ecs=False)
    server.ssm.rmdir()
    assert not register(state="cleared")["changed"]
    assert not register(state="recovered")["changed"]
    assert not server.ssm.exists()


def test_a_service_that_does_not_start_is_told_and_tried_again(register, server):
    server.build(registered=True)
    (server.top / "broken").touch()
    result = register(**ACTIVATION, replace=True)
    assert result["failed"] and "registered as mi-new1" in result["msg"] and "Job failed." in result["msg"]
    server.agent_db.write_text("of mi-new1")  # the ECS agent was started meanwhile
    (server.top / "broken").unlink()
    result = register(state="recovered")
    assert result["changed"] and result["recovered"] and server.active("amazon-ssm-agent")
    assert server.agent_db.read_text() == "of mi-new1"
    assert server.made == 1 and server.is_clean()


def test_waits_for_the_new_nodes_credentials(register, server, monkeypatch):
    server.build(registered=True)
    monkeypatch.setattr(module, "CREDENTIALS_WAIT", 0.1)
    config = server.ssm / "runtimeconfig" / "identity_config.json"
    config.parent.mkdir()
    config.write_text('{"InstanceId":"mi-old"}')
    result = register(**ACTIVATION, replace=True)
    assert "has not replaced the credentials of mi-old" in json.dumps(result["warnings"])


# --- two at once, and kills ---


def in_child(server, args, prepare=lambda: None):
    """Run the module in a process of its own."""
    pid = os.fork()
    if pid:
        return pid
    try:
        out = os.open(server.top / "child.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        prepare()
        with patch_module_args({**args, "_ansible_tmpdir": str(server.top)}):
            module.main()
    except BaseException:
        os._exit(3)
    os._exit(4)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_registration_outlives_the_module_and_the_next_run_waits_for_it(register, server):
    server.build(registered=True)
    server.aws_says("slow1")
    child = in_child(server, {**ACTIVATION, "replace": True}, os.setsid)
    wait_for(lambda: server.lines("agent.log"))
    os.killpg(child, signal.SIGKILL)  # as when a connection ends with all that it started
    os.waitpid(child, 0)
    assert server.made == 0
    result = register(**ACTIVATION, replace=True)  # the same once more
    assert result["recovered"] and result["managed_instance_id"] == "mi-new1" and result["ecs_state_reset"]
    assert result["previous_managed_instance_id"] == "mi-old"
    assert server.made == 1 and len(server.lines("agent.log")) == 1
    assert not server.agent_db.exists() and server.is_clean()


def test_a_reset_that_was_done_is_not_done_again(register, server):
    """Killed between the reset and its note in the journal; then the server rebooted, and the ECS agent registered."""
    server.build(registered=True)
    child = in_child(server, {**ACTIVATION, "replace": True}, lambda: die_at_step(_ssm_registration.STARTING))
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert _ssm_vault.read_journal().step == _ssm_registration.RESETTING and not server.agent_db.exists()
    server.agent_db.write_text("of mi-new1")
    result = register(state="recovered")
    assert result["recovered"] and result["ecs_state_reset"]
    assert server.agent_db.read_text() == "of mi-new1" and server.is_clean()


def die_at_step(name):
    real = module.step

    def deadly(journal, step):
        if step == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(journal, step)

    module.step = deadly


def test_the_next_run_does_not_wait_for_ever(register, server):
    server.build()
    server.aws_says("slow3")
    child = in_child(server, ACTIVATION)
    wait_for(lambda: server.lines("agent.log"))
    result = register(**ACTIVATION, timeout=1)
    assert result["failed"] and "Another registration" in result["msg"]
    os.waitpid(child, 0)
    assert server.vault.instance_id == "mi-new1" and server.is_clean()


def test_waits_for_a_registration_of_somebody_else(register, server, tmp_path):
    """One that holds no lock of ours, such as that of an installer."""
    server.build()
    process = tmp_path / "proc" / "4194304"
    for name in (process, tmp_path / "proc" / "self"):
        (name / "ns").mkdir(parents=True, exist_ok=True)
        os.symlink("pid:[1]", name / "ns" / "pid")
    (process / "cmdline").write_bytes(b"amazon-ssm-agent\0-register\0")
    other = subprocess.Popen(
        ["sh", "-c", f"sleep 0.5; {server.top}/amazon-ssm-agent -register -code c -id i -region r; rm -r {process}"],
        stdout=subprocess.DEVNULL,
    )
    result = register(**ACTIVATION, replace=True)
    other.wait()
    assert not result["changed"] and result["managed_instance_id"] == "mi-new1" and server.made == 1


def kill_before_effect(number):
    """Let the process die before the numbered thing that it does to the server."""
    count = [0]

    def deadly(function):
        def _deadly(*args, **kwargs):
            count[0] += 1
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return _deadly

    for name in ("rename", "unlink", "mkdir", "rmdir"):
        setattr(os, name, deadly(getattr(os, name)))
    shutil.copy2 = deadly(shutil.copy2)
    subprocess.Popen.wait = deadly(subprocess.Popen.wait)
    _ssm_registration.run_agent = deadly(_ssm_registration.run_agent)
    module.Services.change = deadly(module.Services.change)


def agent_ended(server):
    """Whether nobody holds the lock, which the agent's command keeps as long as it runs."""
    lock = os.open(server.ssm / ".ecs_anywhere_lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return module.locked(lock)
    finally:
        os.close(lock)


REPLACE = {**ACTIVATION, "replace": True}
CLEAR = {"state": "cleared"}


@pytest.mark.parametrize(
    "registered, args, answer",
    [(False, ACTIVATION, ""), (True, REPLACE, ""), (True, REPLACE, "InvalidActivation: "), (True, CLEAR, "")],
    ids=["fresh", "replace", "replace-fails", "clear"],
)
@pytest.mark.parametrize("next_run", ["recovered", "same"])
def test_killed_anywhere_the_next_run_ends_consistent(register, server, registered, args, answer, next_run):
    steps = set()
    for number in range(1, 200):
        server.build(registered=registered)
        server.aws_says(answer)
        child = in_child(server, args, lambda number=number: kill_before_effect(number))
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        wait_for(lambda: agent_ended(server))
        if not killed:
            break
        journal = _ssm_vault.read_journal()
        steps.add(journal.step if journal else None)
        ended = journal is None and server.vault.instance_id == "mi-new1"

        if next_run == "recovered":
            result = register(state="recovered")
            assert not result.get("failed"), result
            assert result["recovered"] == (journal is not None)
            check_consistent(server, registered, args)
        elif not ended:  # after its end, another replacement would be a second one
            result = register(**args)
            assert bool(result.get("failed")) == bool(answer), result
            check_consistent(server, registered, args)
            if args is CLEAR:
                assert server.vault.instance_id is None
            elif answer:
                assert server.is_old()
            else:
                assert server.vault.instance_id == "mi-new1" and server.made == 1
        register(state="recovered")
        assert server.is_clean()
    else:
        pytest.fail("it never ended")
    assert number > 10
    expected = {None, _ssm_registration.PREPARED, _ssm_registration.REGISTERING}
    if not answer:
        expected |= {_ssm_registration.RESETTING} | ({_ssm_registration.STARTING} if args is not CLEAR else set())
    assert steps == expected


def check_consistent(server, registered, args):
    identity = server.vault.instance_id
    if identity == "mi-old":
        assert server.is_old() and server.active("ecs")
    elif identity is None:
        assert args is CLEAR or not registered, "the identity is lost"
        if args is CLEAR:
            assert not server.agent_db.exists() and not server.vault.registration_exists
        else:
            assert server.agent_db.exists()
    else:
        assert not server.agent_db.exists() and not server.active("ecs")
    assert not server.vault.stale
    if identity:
        assert server.active("amazon-ssm-agent")
