# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import json
import os
import stat

import pytest

MODULE = "ecs_agent_config"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "etc" / "ecs" / "ecs.config"


@pytest.fixture
def config(run, tmp_path, path):
    def _config(*, check=False, **args):
        return run(MODULE, check=check, diff=True, aws=False, path=str(path), _ansible_tmpdir=str(tmp_path), **args)

    return _config


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_makes_file_and_directory(config, path):
    result = config(settings={"ECS_CLUSTER": "c1"})
    assert result["changed"]
    assert path.read_text() == "ECS_CLUSTER=c1\n"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o755
    assert result["settings"] == {"ECS_CLUSTER": "c1"}
    assert not config(settings={"ECS_CLUSTER": "c1"})["changed"]


def test_first_take_over_keeps_a_backup_and_later_writes_do_not(config, path):
    path.parent.mkdir(parents=True)
    original = '# mine\nECS_CLUSTER="c0"\nECS_LOGLEVEL=warn\nECS_CLUSTER=c00\n'
    path.write_text(original)
    path.chmod(0o640)
    result = config(settings={"ECS_CLUSTER": "c1"})
    backup = path.with_name("ecs.config.before-ecs_anywhere")
    assert result["backup_file"] == str(backup)
    assert result["dropped"] == ["# mine", 'ECS_CLUSTER="c0"']
    assert backup.read_text() == original
    assert mode(backup) == 0o600
    assert path.read_text() == "ECS_CLUSTER=c1\nECS_LOGLEVEL=warn\n"
    assert mode(path) == 0o640

    result = config(settings={"ECS_CLUSTER": "c2"})
    assert result["changed"] and result["backup_file"] is None
    assert backup.read_text() == original


def test_our_own_file_is_not_taken_over(config, path):
    config(settings={"A": "1"})
    config(settings={"A": "2"})
    assert path.with_name("ecs.config.before-ecs_anywhere").read_text() == ""


def test_no_backup_when_not_wanted_or_nothing_changes(config, path):
    path.parent.mkdir(parents=True)
    path.write_text("A=1\n")
    assert not config(settings={"A": "1"})["changed"]
    config(settings={"A": "2"}, backup=False)
    assert os.listdir(path.parent) == ["ecs.config"]


def test_check_mode_predicts_and_writes_nothing(config, path):
    result = config(check=True, settings={"A": "1"})
    assert result["changed"] and result["settings"] == {"A": "1"}
    assert result["diff"]["after"] == "A=1\n"
    assert not path.parent.exists()


def test_nothing_wanted_of_nothing_makes_no_file(config, path):
    assert not config(settings={"A": None})["changed"]
    assert not path.exists()


def test_a_link_stays_a_link(config, path, tmp_path):
    target = tmp_path / "real.config"
    target.write_text("A=1\n")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    config(settings={"A": "2"})
    assert path.is_symlink() and target.read_text() == "A=2\n"


def test_bytes_that_are_no_text_survive(config, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"A=\xff\n")
    config(settings={"B": "2"})
    assert path.read_bytes() == b"A=\xff\nB=2\n"


def test_secrets_are_never_shown(config, path, capsys):
    path.parent.mkdir(parents=True)
    path.write_text("#ECS_ENGINE_AUTH_DATA=oldsecret\nAWS_SECRET_ACCESS_KEY=foundsecret\nsecretrest\n")
    result = config(
        settings={
            "ECS_ENGINE_AUTH_DATA": {"r": "newsecret"},
            "HTTP_PROXY": "http://u:secretpw@p:1",
            "ECS_CLUSTER": "c1",
        }
    )
    shown = json.dumps(result)
    for secret in ("oldsecret", "foundsecret", "newsecret", "secretpw", "secretrest"):
        assert secret not in shown
    assert "newsecret" in path.read_text() and "secretpw" in path.read_text()
    # Hidden are the secrets alone.
    assert result["settings"]["ECS_CLUSTER"] == "c1"
    assert result["invocation"]["module_args"]["settings"]["ECS_CLUSTER"] == "c1"


@pytest.mark.parametrize("settings, said", [({"A": "x\ny"}, "line break"), ({"A=": "c"}, "name of a variable")])
def test_refuses_what_the_file_cannot_say(config, path, settings, said):
    result = config(settings=settings)
    assert result["failed"] and said in result["msg"] and str(path) in result["msg"]
    assert not path.exists()


def test_a_directory_in_its_place_is_one_clear_failure(config, path):
    path.mkdir(parents=True)
    assert config(settings={"A": "1"})["msg"] == f"Cannot read {path}: Is a directory."
