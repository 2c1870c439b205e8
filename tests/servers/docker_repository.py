# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A stand-in for Docker's own repository: its layout, its signature, its package names, and in them the engine of the
distribution, so that containers really run."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from conftest import testbed

# As Docker's packages do, the new engine is started by the package.
POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    getent group docker >/dev/null || groupadd --system docker
    systemctl daemon-reload
    systemctl unmask docker.socket docker.service >/dev/null 2>&1 || :
    systemctl enable docker.service >/dev/null 2>&1
    systemctl restart docker.service
fi
"""
PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ]; then
    systemctl stop docker.socket docker.service
fi
"""
# name -> packages of the distribution whose files it has, and what it conflicts with
PACKAGES = {
    "docker-ce": (["docker.io"], ["docker.io"]),
    "docker-ce-cli": ([], []),
    "containerd.io": (["containerd", "runc"], ["containerd", "runc"]),
}


def _run(*command, **how):
    return subprocess.run(command, check=True, capture_output=True, text=True, **how).stdout


def _deb(pool, name, version, debs):
    """debs: the distribution's packages; without them it is an empty one."""
    sources, conflicts = PACKAGES[name]
    depends = ["containerd.io", "docker-ce-cli"] if name == "docker-ce" else []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        (tree / "DEBIAN").mkdir(parents=True)
        for source in sources if debs else ():
            _run("dpkg-deb", "--extract", str(debs[source]), str(tree))
            needed = _run("dpkg-deb", "--field", str(debs[source]), "Depends").strip().split(", ")
            depends += [need for need in needed if need.split()[0] not in ("containerd", "runc")]
        fields = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "tests <t@example.com>"}
        relations = {"Depends": depends, "Conflicts": conflicts, "Replaces": conflicts}
        fields |= {key: ", ".join(value) for key, value in relations.items() if value}
        fields["Description"] = f"{name} (test stand-in)"
        (tree / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        if name == "docker-ce":
            for script, text in (("postinst", POSTINST), ("prerm", PRERM)):
                (tree / "DEBIAN" / script).write_text(text)
                (tree / "DEBIAN" / script).chmod(0o755)
        file = pool / f"{name}_{version.replace(':', '%3a')}_amd64.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(file))


def debs_of(server, bed, folder):
    """What the distribution has of it, from the server's own repository, in a folder of this machine."""
    debs = {}
    for name in ("docker.io", "containerd", "runc"):
        path = bed.on(server, f"ls /opt/apt/{name}_*.deb")
        debs[name] = folder / path.rpartition("/")[2]
        testbed.podman("cp", f"{testbed.NETWORK}-{server}:{path}", str(debs[name]))
    return debs


def make(root, debs, versions, codename, sign, public_key):
    """root: linux/debian of the repository. sign: from a file to a signed one."""
    pool = root / "dists" / codename / "pool" / "stable" / "amd64"
    pool.mkdir(parents=True)
    for version in versions:
        for name in ("docker-ce", "docker-ce-cli"):
            _deb(pool, name, f"5:{version}-1~debian.12~{codename}", debs)
    _deb(pool, "containerd.io", "1.7.25-1", debs)
    suite = root / "dists" / codename
    listing = _run("dpkg-scanpackages", "--multiversion", str(pool.relative_to(root)), cwd=root)
    index = suite / "stable" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text(listing)
    release = [f"Origin: Docker\nLabel: Docker CE\nSuite: {codename}\nCodename: {codename}"]
    release += ["Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: stable\nSHA256:"]
    release += [f" {hashlib.sha256(listing.encode()).hexdigest()} {len(listing)} {index.relative_to(suite)}\n"]
    (suite / "Release").write_text("\n".join(release))
    sign(suite / "Release", suite / "InRelease")
    (root / "gpg").write_text(public_key)
