# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The built packages: layout, signatures, control data, units, maintainer scripts."""

import json
import subprocess
import tarfile

import pytest
from agents_world import AGENTS
from agents_world import Packages


def field(path, name):
    return subprocess.run(["dpkg-deb", "-f", path, name], check=True, capture_output=True, text=True).stdout.strip()


def listing(path):
    """{name: (mode, owner, link target)}"""
    done = subprocess.run(["dpkg-deb", "-c", path], check=True, capture_output=True, text=True)
    found = {}
    for line in done.stdout.splitlines():
        mode, owner, _size, _day, _time, name, *target = line.split()
        found[name[1:]] = (mode, owner, target[-1] if target else "")
    return found


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Two versions of each in two Regions."""
    options = ["--region", "us-east-1", "--region", "eu-west-1", "--ssm-version", "3.3.100.0"]
    options += ["--ssm-version", "3.3.200.0", "--ecs-version", "1.100.0", "--ecs-version", "1.101.0"]
    return Packages(tmp_path_factory.mktemp("several")).build(*options)


def test_the_layout_is_that_of_the_buckets(several):
    for region in ("us-east-1", "eu-west-1"):
        ssm = several.out / f"packages/amazon-ssm-{region}"
        assert (ssm / "latest/VERSION").read_text() == "3.3.200.0"
        ecs = several.out / f"packages/amazon-ecs-agent-{region}"
        for architecture in ("amd64", "arm64"):
            for label, version in (("3.3.100.0", "3.3.100.0"), ("3.3.200.0", "3.3.200.0"), ("latest", "3.3.200.0")):
                path = ssm / label / f"debian_{architecture}/amazon-ssm-agent.deb"
                assert field(path, "Version") == version + "-1"
                assert field(path, "Architecture") == architecture
                assert path.with_name(path.name + ".sig").exists()
            for label, version in (("1.100.0-1", "1.100.0"), ("1.101.0-1", "1.101.0"), ("latest", "1.101.0")):
                path = ecs / f"amazon-ecs-init-{label}.{architecture}.deb"
                assert field(path, "Version") == version + "-1"
                assert path.with_name(path.name + ".asc").exists()


def test_the_packages_of_rpm_lie_where_awss_lie(several):
    query = ["rpm", "-qp", "--nosignature", "--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH}"]
    for ours, theirs in (("amd64", "x86_64"), ("arm64", "aarch64")):
        ssm = several.out / f"packages/amazon-ssm-us-east-1/3.3.100.0/linux_{ours}/amazon-ssm-agent.rpm"
        ecs = several.out / f"packages/amazon-ecs-agent-us-east-1/amazon-ecs-init-latest.{theirs}.rpm"
        for path, said in (
            (ssm, f"amazon-ssm-agent 3.3.100.0-1 {theirs}"),
            (ecs, f"amazon-ecs-init 1.101.0-1 {theirs}"),
        ):
            done = subprocess.run([*query, path], check=True, capture_output=True, text=True)
            assert done.stdout == said
        assert ssm.with_name(ssm.name + ".sig").exists() and ecs.with_name(ecs.name + ".asc").exists()


def test_a_second_build_does_nothing(packages):
    def times():
        return {path: path.stat().st_mtime_ns for path in packages.out.rglob("*") if "unpacked" not in path.parts}

    before = times()
    packages.build()
    assert times() == before


def gpg(home, *arguments):
    command = ["gpg", "--homedir", home, "--batch", "--status-fd", "1", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def keyring(packages, tmp_path):
    tmp_path.chmod(0o700)
    for name in ("amazon-ssm-agent", "amazon-ecs-agent"):
        gpg(tmp_path, "--import", packages.out / f"keys/{name}.asc")
    return tmp_path


def verified(home, signature, path):
    """Return (key that signed, primary key), or None."""
    for line in gpg(home, "--verify", signature, path).stdout.splitlines():
        words = line.split()
        if words[1:2] == ["VALIDSIG"]:
            return words[2], words[-1]
    return None


def test_signatures(packages, keyring):
    wanted = json.loads((packages.out / "keys/fingerprints.json").read_text())
    ssm, ecs = packages.ssm(), packages.ecs()
    signature = ssm.with_name(ssm.name + ".sig")
    assert verified(keyring, signature, ssm) == (wanted["amazon-ssm-agent"],) * 2
    armoured = ecs.with_name(ecs.name + ".asc")
    assert armoured.read_text().startswith("-----BEGIN PGP SIGNATURE-----")
    signer, primary = verified(keyring, armoured, ecs)
    assert primary == wanted["amazon-ecs-agent"]
    assert signer != primary, "a subkey signs"
    tampered = keyring / "tampered.deb"
    tampered.write_bytes(ssm.read_bytes() + b"x")
    assert verified(keyring, signature, tampered) is None


def test_the_ssm_package(packages):
    path = packages.ssm()
    assert (field(path, "Package"), field(path, "Version")) == ("amazon-ssm-agent", "3.3.4108.0-1")
    assert field(path, "Depends") == ""
    files = listing(path)
    for name in ("amazon-ssm-agent", "ssm-agent-worker", "ssm-cli"):
        assert files["/usr/bin/" + name][:2] == ("-rwxr-xr-x", "root/root")
    assert "/etc/amazon/ssm/amazon-ssm-agent.json.template" in files
    assert "/etc/amazon/ssm/amazon-ssm-agent.json" not in files
    unit = unit_of(packages, "amazon-ssm-agent.service")
    assert unit["Type"] == ["simple"]
    assert unit["ExecStart"] == ["/usr/bin/amazon-ssm-agent"]
    assert (unit["Restart"], unit["RestartSec"]) == (["always"], ["90"])
    assert (unit["RestartPreventExitStatus"], unit["KillMode"]) == (["194"], ["process"])


def unit_of(packages, name):
    values = {}
    for line in (packages.unpacked() / "lib/systemd/system" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values.setdefault(key, []).append(value)
    return values


def test_the_ecs_package(packages):
    path = packages.ecs()
    assert (field(path, "Package"), field(path, "Version")) == ("amazon-ecs-init", "1.105.1-1")
    assert field(path, "Depends") == "docker-ce | docker-engine | docker-ee | docker.io"
    files = listing(path)
    assert files["/usr/libexec/amazon-ecs-init"][0] == "-rwxr-xr-x"
    for name in ("/etc/ecs/", "/var/log/ecs/", "/var/lib/ecs/data/", "/var/cache/ecs/"):
        assert files[name][0] == "drwxr-xr-x"
    assert not [name for name in files if name.endswith(".config")]
    assert files["/var/cache/ecs/ecs-agent.tar"][2] == "ecs-agent-v1.105.1.tar"
    assert (packages.unpacked() / "var/cache/ecs/state").read_text() == "2"
    unit = unit_of(packages, "ecs.service")
    assert unit["EnvironmentFile"] == ["-/var/lib/ecs/ecs.config", "-/etc/ecs/ecs.config"]
    for key in ("Wants", "PartOf", "After"):
        assert "docker.service" in unit[key]
    assert (unit["Restart"], unit["RestartSec"]) == (["on-failure"], ["10s"])
    assert "RestartPreventExitStatus" not in unit
    for key, word in (("Pre", "pre-start"), ("", "start")):
        assert unit["ExecStart" + key] == ["/usr/libexec/amazon-ecs-init " + word]
    for key, word in (("", "stop"), ("Post", "post-stop")):
        assert unit["ExecStop" + key] == ["/usr/libexec/amazon-ecs-init " + word]


def test_the_image_tarball(packages):
    with tarfile.open(packages.unpacked() / "var/cache/ecs/ecs-agent.tar") as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))
        assert manifest["RepoTags"][0] == "amazon/amazon-ecs-agent:latest"
        config = json.load(image.extractfile(manifest["Config"]))
        assert config["config"]["Entrypoint"] == ["/agent"]
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["Layers"]) == 1


# --- maintainer scripts


def script(node, package, name, *arguments):
    node.script("systemctl", 'echo "$@" >> /tmp/systemctl.log\n')
    node.path("/tmp/script").write_text((AGENTS / package / "debian" / name).read_text())
    done = node.run("sh", "/tmp/script", *arguments)
    log = node.path("/tmp/systemctl.log")
    calls = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return done, [call for call in calls if call != "daemon-reload"]


def test_the_ssm_agent_is_enabled_and_started_at_once(node):
    node.path("/run/systemd/system").mkdir(parents=True)
    wanted = ["enable amazon-ssm-agent", "start amazon-ssm-agent"]
    assert script(node, "ssm", "postinst", "configure")[1] == wanted
    assert script(node, "ssm", "prerm", "upgrade")[1] == ["stop amazon-ssm-agent"]
    assert script(node, "ssm", "prerm", "remove")[1] == ["stop amazon-ssm-agent", "disable amazon-ssm-agent"]


def test_the_ecs_agent_is_not(node):
    node.path("/run/systemd/system").mkdir(parents=True)
    assert script(node, "ecs", "postinst", "configure")[1] == []
    assert script(node, "ecs", "prerm", "upgrade")[1] == []
    assert script(node, "ecs", "prerm", "remove")[1] == ["stop ecs", "disable ecs"]


def test_without_systemd_nothing_is_called(node):
    assert script(node, "ssm", "postinst", "configure")[1] == []


def test_the_snap_is_respected(node):
    node.script("snap", "exit 1\n")
    assert script(node, "ssm", "preinst", "install")[0].returncode == 0
    node.script("snap", 'test "$1 $2" = "list amazon-ssm-agent"\n')
    done, _calls = script(node, "ssm", "preinst", "install")
    assert done.returncode == 1
    assert (
        "-> Amazon-ssm-agent is installed in this instance by snap, please use snap to update or uninstall."
        in done.stdout
    )
