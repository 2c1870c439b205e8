# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Docker from Docker's own repository: a stand-in of it, signed, at the same address."""

from __future__ import annotations

import hashlib
import shutil
from functools import partial

import docker_repository
import pytest
from conftest import testbed

NAME = "ce"
BASE = "https://download.docker.com"
OLD, NEW, TOO_NEW = "27.5.1", "28.0.4", "30.0.0"
SOURCES = "/etc/apt/sources.list.d/hybrid-ecs-anywhere-docker.sources"


@pytest.fixture(scope="module")
def key(signer):
    return signer.make("docker", "never")


@pytest.fixture(scope="module")
def server(bed, signer, key, tmp_path_factory):
    """A bare server, and the repository: as it is, one of tomorrow, and one that somebody tampered with."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    bed.add(NAME)
    bed.on(NAME, f"echo {testbed.EMULATOR_ADDRESS} download.docker.com >> /etc/hosts")
    debs = docker_repository.debs_of(NAME, bed, tmp_path_factory.mktemp("debs"))

    places = {"": (debs, [OLD, NEW]), "tomorrow": ({}, [NEW, TOO_NEW]), "tampered": ({}, [NEW])}
    for place, (content, versions) in places.items():
        root = bed.packages / place / "linux" / "debian"
        shutil.rmtree(bed.packages / (place or "linux"), ignore_errors=True)
        docker_repository.make(root, content, versions, "bookworm", partial(signer.clear_sign, "docker"), key["key"])
    index = bed.packages / "tampered/linux/debian/dists/bookworm/stable/binary-amd64/Packages"
    true = hashlib.sha256(index.read_bytes()).hexdigest()
    index.write_text(index.read_text().replace("test stand-in", "test stand-on"))
    release = bed.packages / "tampered/linux/debian/dists/bookworm/InRelease"
    release.write_text(release.read_text().replace(true, hashlib.sha256(index.read_bytes()).hexdigest()))
    yield bed
    for place in places:
        shutil.rmtree(bed.packages / (place or "linux"))
    bed.remove(NAME)


@pytest.fixture
def run(server, key):
    def _run(*options, name=NAME, **variables):
        wanted = {"docker_source": "docker", "docker_gpg_fingerprints": [key["fingerprint"]], **variables}
        wanted = {f"ecs_anywhere_{option}": value for option, value in wanted.items()}
        return server.register(name, variables=wanted, options=list(options), timeout=600)

    return _run


def installed(bed):
    return bed.on(NAME, "dpkg-query -W -f '${Version}\\n' docker-ce docker-ce-cli 2>/dev/null || :").splitlines()


def versions(version):
    return [f"5:{version}-1~debian.12~bookworm"] * 2


@pytest.mark.parametrize(
    "variables, sentence",
    [
        (
            {"docker_gpg_fingerprints": ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"]},
            "holds none of the pinned keys (9DC858229FC7DD38854AE2D88D81803C0EBFCD88), but",
        ),
        (
            {"docker_base_url": f"{BASE}/tampered"},
            f"apt did not accept what there is at {BASE}/tampered/linux/debian. It says: ",
        ),
        (
            {"docker_base_url": f"{BASE}/tomorrow"},
            f"the newest Docker in {BASE}/tomorrow/linux/debian is {TOO_NEW}, and",
        ),
        ({"docker_version": TOO_NEW}, f"ecs_anywhere_docker_version is {TOO_NEW}, and which API it speaks is not"),
        ({"docker_version": NEW, "docker_source": "distro"}, "set ecs_anywhere_docker_source to `docker`"),
    ],
)
def test_what_is_not_trusted_or_too_new_is_not_installed(server, aws, run, variables, sentence):
    refused = run(**variables)
    assert refused.recap(NAME)["failed"] == 1
    assert sentence in refused.text
    assert installed(server) == []
    assert server.on(NAME, "ls /usr/bin/docker* /usr/sbin/dockerd 2>/dev/null || :") == ""
    assert aws.activations() == []
    # what cannot be trusted is not left to whoever runs apt next
    assert "tampered" not in server.on(NAME, f"cat {SOURCES} 2>/dev/null || :")


def test_docker_ce_is_installed_pinned_and_left_alone(server, aws, run):
    server.on(NAME, f"rm -f {SOURCES} /etc/apt/keyrings/*")
    checked = run("--check", "--diff", docker_version=OLD)
    assert checked.returncode == 0 and "install_docker: Docker is not installed" in checked.text
    assert server.on(NAME, f"ls {SOURCES} /etc/apt/keyrings/* 2>/dev/null || :") == ""

    assert run(docker_version=OLD).returncode == 0
    assert installed(server) == versions(OLD)
    assert f"URIs: {BASE}/linux/debian" in server.on(NAME, f"cat {SOURCES}")
    (instance,) = aws.container_instances()
    assert instance["agentConnected"] and instance["status"] == "ACTIVE"
    assert run(docker_version=OLD).recap(NAME)["changed"] == 0

    pid = server.on(NAME, "systemctl show -P MainPID docker")
    checked = run("--check", docker_version=NEW)
    assert f"install_docker: Docker is {OLD}-1~debian.12~bookworm, wanted is {NEW}" in checked.text
    assert (installed(server), server.on(NAME, "systemctl show -P MainPID docker")) == (versions(OLD), pid)
    assert run(docker_version=NEW).returncode == 0
    assert installed(server) == versions(NEW)
    assert server.on(NAME, "systemctl show -P MainPID docker") != pid

    assert run(docker_version=OLD).returncode == 0
    assert installed(server) == versions(OLD)
    pid = server.on(NAME, "systemctl show -P MainPID docker")
    assert run().recap(NAME)["changed"] == 0  # no pin any more: what is there is kept
    assert (installed(server), server.on(NAME, "systemctl show -P MainPID docker")) == (versions(OLD), pid)
    (after,) = aws.container_instances()
    assert after["containerInstanceArn"] == instance["containerInstanceArn"] and after["agentConnected"]


def test_the_newest_is_installed_where_no_version_is_named(server, aws, run):
    server.on(
        NAME,
        "systemctl stop ecs || :; apt-get purge --yes docker-ce docker-ce-cli amazon-ecs-init >/dev/null 2>&1 || :",
    )
    assert run().returncode == 0
    assert installed(server) == versions(NEW)


def test_a_docker_of_the_distribution_is_kept(server, aws, run):
    server.add("had", docker=True)
    server.on("had", f"echo {testbed.EMULATOR_ADDRESS} download.docker.com >> /etc/hosts")
    try:
        checked = run("--check", name="had")
        assert checked.returncode == 0
        assert "install_ecs_agent" in checked.text and "install_docker" not in checked.text
        refused = run("--check", name="had", docker_version=NEW)
        assert refused.recap("had")["failed"] == 1
        assert "its Docker is docker.io, which docker-ce cannot be installed beside" in refused.text
    finally:
        server.remove("had")
