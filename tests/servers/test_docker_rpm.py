# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Docker by dnf, on look-alikes (build-rpm-image) of RHEL 9, Rocky 8 and Fedora: from Docker's own repository, of which
there is a signed stand-in at the same address, and from the distribution."""

from __future__ import annotations

import shutil

import docker_rpms
import pytest
from conftest import testbed
from test_packages import NEW as NEW_AGENTS
from test_packages import OLD as OLD_AGENTS

BASE = "https://download.docker.com"
OLD, NEW, TOO_NEW = "27.5.1", "28.0.4", "30.0.0"
REPOSITORY = "/etc/yum.repos.d/hybrid-ecs-anywhere-docker.repo"
# /etc/os-release, and what Ansible looks for in /etc/redhat-release
RHEL = (
    'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\n',
    "Red Hat Enterprise Linux release 9.4 (Plow)",
)
ROCKY = (
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.10"\nPRETTY_NAME="Rocky Linux 8.10 (Green Obsidian)"\n',
    "Rocky Linux release 8.10 (Green Obsidian)",
)
FEDORA = (
    'ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora Linux 40 (Server Edition)"\n',
    "Fedora release 40 (Forty)",
)
# What RHEL 8 has beside the Python that Ansible uses there: one too old for Ansible's modules, and dnf for that alone.
OLD_PYTHON = r"""
mkdir -p /usr/lib/python3.6/site-packages /usr/libexec
mv /usr/lib/python3/dist-packages/dnf /usr/lib/python3.6/site-packages/
cat >/usr/libexec/platform-python <<'SCRIPT'
#!/bin/sh
case $1 in
    -c | /usr/bin/dnf*) PYTHONPATH=/usr/lib/python3.6/site-packages exec /usr/bin/python3 "$@" ;;
esac
echo 'SyntaxError: future feature annotations is not defined' >&2
exit 1
SCRIPT
chmod 755 /usr/libexec/platform-python
sed -i '1s|.*|#!/usr/libexec/platform-python|' /usr/bin/dnf-3
"""


@pytest.fixture(scope="module")
def keys(signer):
    return {name: signer.make(name, "never") for name in ("docker", "stranger")}


@pytest.fixture(scope="module")
def repositories(bed, signer, keys):
    """As they are, one of tomorrow, one whose packages somebody else signed, one for another version of the system."""
    bed.aws.control("POST", "reset")
    bed.aws.client("ecs").create_cluster(clusterName="edge")
    roots = {place: bed.packages / place / "linux" for place in ("", "tomorrow", "stranger", "elsewhere")}
    tops = [bed.packages / (place or "linux") for place in roots]
    for top in tops:
        shutil.rmtree(top, ignore_errors=True)
    key = keys["docker"]["key"]
    with docker_rpms.maker(bed):
        docker_rpms.docker_ce(bed, roots[""] / "centos", "8", [OLD, NEW], key, signer=signer)
        (roots[""] / "rhel").mkdir()
        (roots[""] / "rhel" / "9").symlink_to("../centos/8")
        (roots[""] / "rhel" / "gpg").write_text(key)
        docker_rpms.docker_ce(bed, roots["tomorrow"] / "rhel", "9", [NEW, TOO_NEW], key, whole=False, signer=signer)
        how = {"whole": False, "signer": signer, "user": "stranger@example.com"}
        docker_rpms.docker_ce(bed, roots["stranger"] / "rhel", "9", [NEW], key, **how)
        docker_rpms.docker_ce(bed, roots["elsewhere"] / "rhel", "10", [NEW], key, whole=False, signer=signer)
    yield bed
    for top in tops:
        shutil.rmtree(top)


def like(bed, name, system):
    bed.add(name, image="rpm")
    bed.on(name, f"printf '%s' '{system[0]}' >/etc/os-release; echo '{system[1]}' >/etc/redhat-release")
    bed.on(name, "rm -rf /opt/rpm/x86_64/docker-* /opt/rpm/repodata && createrepo_c --quiet /opt/rpm")
    bed.on(name, f"echo {testbed.EMULATOR_ADDRESS} download.docker.com >> /etc/hosts")


@pytest.fixture(scope="module")
def rhel(repositories):
    like(repositories, "rhel9", RHEL)
    yield repositories
    repositories.remove("rhel9")


@pytest.fixture
def run(bed, keys):
    def _run(name, *options, playbook="hybrid.ecs_anywhere.register", agents=None, **variables):
        wanted = {"docker_source": "docker", "docker_gpg_fingerprints": [keys["docker"]["fingerprint"]], **variables}
        wanted = {f"ecs_anywhere_{option}": value for option, value in wanted.items()} | (agents or {})
        return bed.register(name, variables=wanted, options=list(options), timeout=600, playbook=playbook)

    return _run


def installed(bed, name, *packages):
    query = " ".join(packages or ("docker-ce", "docker-ce-cli"))
    output = bed.on(name, f"rpm -q --qf '%{{VERSION}}\\n' {query} || :")
    return [line for line in output.splitlines() if "not installed" not in line]


def engine(bed, name):
    return bed.on(name, "systemctl show -P MainPID docker")


def works(aws):
    (instance,) = aws.container_instances()
    return instance["agentConnected"] and instance["status"] == "ACTIVE" and instance["containerInstanceArn"]


@pytest.mark.parametrize(
    "variables, sentence",
    [
        (
            {"docker_gpg_fingerprints": ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"]},
            "holds none of the pinned keys (9DC858229FC7DD38854AE2D88D81803C0EBFCD88), but",
        ),
        ({"docker_base_url": f"{BASE}/stranger"}, "Failed to validate GPG signature for "),
        (
            {"docker_base_url": f"{BASE}/elsewhere"},
            f"dnf did not accept what there is at {BASE}/elsewhere/linux/rhel/9/$basearch/stable. It says: ",
        ),
        ({"docker_base_url": f"{BASE}/tomorrow"}, f"the newest Docker in {BASE}/tomorrow/linux/rhel is {TOO_NEW}, and"),
        ({"docker_source": "distro"}, "Red Hat Enterprise Linux 9.4 (Plow) has none of its own"),
    ],
)
def test_what_is_not_trusted_or_too_new_is_not_installed(rhel, aws, run, variables, sentence):
    refused = run("rhel9", **variables)
    assert refused.recap("rhel9")["failed"] == 1
    assert sentence in refused.text
    assert installed(rhel, "rhel9") == []
    assert rhel.on("rhel9", "ls /usr/bin/docker /usr/sbin/dockerd 2>/dev/null || :") == ""
    assert aws.activations() == []
    # what dnf cannot use is not left to whoever runs it next
    assert "elsewhere" not in rhel.on("rhel9", f"cat {REPOSITORY} 2>/dev/null || :")


def test_docker_ce_is_installed_pinned_and_left_alone(rhel, aws, run):
    rhel.on("rhel9", f"rm -f {REPOSITORY} /etc/pki/rpm-gpg/*; rpm -e --allmatches gpg-pubkey 2>/dev/null || :")
    checked = run("rhel9", "--check", docker_version=OLD)
    assert checked.returncode == 0 and "install_docker: Docker is not installed" in checked.text
    assert rhel.on("rhel9", f"ls {REPOSITORY} /etc/pki/rpm-gpg/* 2>/dev/null || :") == ""

    assert run("rhel9", docker_version=OLD).returncode == 0
    assert installed(rhel, "rhel9") == [OLD, OLD]
    repository = rhel.on("rhel9", f"cat {REPOSITORY}").replace(" ", "").splitlines()
    assert f"baseurl={BASE}/linux/rhel/9/$basearch/stable" in repository and "gpgcheck=1" in repository
    arn = works(aws)
    assert arn
    assert run("rhel9", docker_version=OLD).recap("rhel9")["changed"] == 0

    pid = engine(rhel, "rhel9")
    checked = run("rhel9", "--check", docker_version=NEW)
    assert f"install_docker: Docker is {OLD}-1.el, wanted is {NEW}" in checked.text
    assert (installed(rhel, "rhel9"), engine(rhel, "rhel9")) == ([OLD, OLD], pid)
    assert run("rhel9", docker_version=NEW).returncode == 0
    assert installed(rhel, "rhel9") == [NEW, NEW]
    assert engine(rhel, "rhel9") != pid

    assert run("rhel9", docker_version=OLD).returncode == 0
    assert installed(rhel, "rhel9") == [OLD, OLD]
    pid = engine(rhel, "rhel9")
    assert run("rhel9").recap("rhel9")["changed"] == 0  # no pin any more: what is there is kept
    assert (installed(rhel, "rhel9"), engine(rhel, "rhel9")) == ([OLD, OLD], pid)
    assert works(aws) == arn


def test_without_dnf_for_the_python_of_ansible(repositories, aws, run):
    """Rocky 8: the command does all that the module of Ansible does elsewhere."""
    bed, name = repositories, "rocky8"
    aws.control("POST", "reset")
    aws.client("ecs").create_cluster(clusterName="edge")
    like(bed, name, ROCKY)
    bed.on(name, OLD_PYTHON)
    try:
        checked = run(name, "--check")
        assert checked.returncode == 0 and "install_docker: Docker is not installed" in checked.text
        assert installed(bed, name) == []
        failed = run(name, docker_version="27.9.9")
        assert failed.recap(name)["failed"] == 1
        assert "`dnf install docker-ce-27.9.9 docker-ce-cli-27.9.9 containerd.io` failed. It says: " in failed.text
        assert "Unable to find a match: docker-ce-27.9.9" in failed.text

        assert run(name, docker_version=OLD, agents=OLD_AGENTS).returncode == 0
        assert installed(bed, name) == [OLD, OLD]
        arn = works(aws)
        assert arn
        assert run(name, docker_version=OLD, agents=OLD_AGENTS).recap(name)["changed"] == 0
        for docker, agents in ((NEW, NEW_AGENTS), (OLD, OLD_AGENTS)):
            assert run(name, docker_version=docker, agents=agents).returncode == 0
            assert installed(bed, name) == [docker, docker]
            assert installed(bed, name, "amazon-ssm-agent", "amazon-ecs-init") == list(agents.values())
            assert works(aws) == arn

        # the newest that there is, where Docker is gone and no version is named
        bed.on(name, "systemctl stop ecs; rpm -e docker-ce docker-ce-cli")
        assert run(name, agents=OLD_AGENTS).returncode == 0
        assert installed(bed, name) == [NEW, NEW]

        left = run(name, playbook="hybrid.ecs_anywhere.deregister", remove_packages=True)
        assert left.returncode == 0
        assert installed(bed, name, "amazon-ssm-agent", "amazon-ecs-init") == []
        assert installed(bed, name) == [NEW, NEW]
        assert bed.on(name, "ls -d /var/cache/ecs_anywhere 2>/dev/null || :") == ""
        assert run(name, playbook="hybrid.ecs_anywhere.deregister", remove_packages=True).recap(name)["changed"] == 0
    finally:
        bed.remove(name)


def test_fedora_has_a_docker_of_its_own(bed, aws, run, tmp_path):
    aws.control("POST", "reset")
    aws.client("ecs").create_cluster(clusterName="edge")
    with docker_rpms.maker(bed):
        docker_rpms.build(bed, "moby-engine", "24.0.5", "1.fc40")
        docker_rpms.publish(bed, tmp_path / "x" / "fedora")
    like(bed, "fedora", FEDORA)
    try:
        bed.put("fedora", tmp_path / "x" / "fedora", "/opt/fedora")
        bed.on("fedora", "cd /etc/yum.repos.d && sed 's|distro|moby|; s|/opt/rpm|/opt/fedora|' distro.repo >moby.repo")
        assert run("fedora", docker_source="distro").returncode == 0
        assert installed(bed, "fedora", "moby-engine") == ["24.0.5"]
        assert works(aws)
        assert run("fedora", docker_source="distro").recap("fedora")["changed"] == 0
        left = run("fedora", playbook="hybrid.ecs_anywhere.deregister", remove_packages=True)
        assert left.returncode == 0
        assert installed(bed, "fedora", "amazon-ssm-agent", "amazon-ecs-init") == []
        assert installed(bed, "fedora", "moby-engine") == ["24.0.5"]
    finally:
        bed.remove("fedora")
