# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A stand-in for Docker's own repository of rpm packages: its layout, its signatures, its package names, and in them
the engine that the look-alike of an RPM system has, so that containers really run. Fedora's engine is of it, too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NamedTuple

from conftest import testbed

MAKER = "maker"
UNPACK = """
mkdir -p /root/engine && cd /root/engine
rpm2archive - </opt/rpm/x86_64/docker-20.10.24-1.x86_64.rpm | tar -xz && rm -rf usr/share
find . ! -type d | while read -r file; do [ ! -e "/$file" ] || rm "$file"; done  # libraries that others need as well
"""
# As Docker's own: a new engine is started by nobody, one that runs is restarted.
SCRIPTS = """%post
systemctl daemon-reload || :
getent group docker >/dev/null || groupadd --system docker
%preun
[ "$1" -gt 0 ] || systemctl disable --now docker.service docker.socket || :
%postun
[ "$1" -lt 1 ] || { systemctl daemon-reload; systemctl try-restart docker.service; } || :
"""
BUILD = """
cd /root/engine && find . ! -type d {which} >/root/list && sed 's|^.|"|; s|$|"|' /root/list >/root/files
cat >/root/spec <<'SPEC'
Name: {name}
Epoch: {epoch}
Version: {version}
Release: {release}
Summary: {name} (test stand-in)
License: Apache-2.0
AutoReqProv: no
{relations}
%description
{name} (test stand-in)
%install
tar -C /root/engine -c -T /root/list | tar -x -C %{{buildroot}}
{scripts}
%files -f /root/files
SPEC
rpmbuild -bb --quiet --define '_rpmdir /root/rpm' --define '__os_install_post %{{nil}}' \
  --define '_build_id_links none' --define 'debug_package %{{nil}}' --define '_binary_payload w1.gzdio' /root/spec 2>&1
"""
CONTAINERD = ("./usr/bin/containerd*", "./usr/bin/ctr", "./usr/*bin/runc", "./lib/systemd/system/containerd.service")
CLI = ("./usr/bin/docker",)


class Package(NamedTuple):
    epoch: int
    relations: str
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    scripts: str = ""

    def which(self) -> str:
        chosen = " -o ".join(f"-path '{path}'" for path in self.only) or "-true"
        return f"\\( {chosen} \\) " + " ".join(f"! -path '{path}'" for path in self.without)


NEEDS = "Requires: docker-ce-cli\nRequires: containerd.io\nConflicts: docker"
PACKAGES = {
    "docker-ce": Package(3, NEEDS, without=(*CONTAINERD, *CLI), scripts=SCRIPTS),
    "docker-ce-cli": Package(1, "", only=CLI),
    "containerd.io": Package(0, "Conflicts: runc", only=CONTAINERD),
    "moby-engine": Package(0, "Conflicts: docker", scripts=SCRIPTS),
}


@contextmanager
def maker(bed):
    """A look-alike server that has what makes packages; the ones under test stay as they are."""
    bed.add(MAKER, image="rpm")
    try:
        bed.on(MAKER, UNPACK)
        yield
    finally:
        bed.remove(MAKER)


def build(bed, name, version, release, whole=True):
    """One package, below /root/rpm of the maker. whole: with its files, and not with a small one alone."""
    package = PACKAGES[name]
    which = package.which() if whole else "-path ./etc/default/docker"
    parts = {"which": which, "scripts": package.scripts if whole else "", "relations": package.relations}
    bed.on(MAKER, BUILD.format(name=name, epoch=package.epoch, version=version, release=release, **parts))


def publish(bed, folder, signer=None, user="docker@example.com"):
    """What was built becomes a repository in a folder of this machine; signer: whose key signs the packages."""
    sign = ""
    if signer:
        secret = signer.gpg("--armor", "--export-secret-keys", user)
        bed.on(MAKER, f"gpg --batch --quiet --import <<'KEY'\n{secret}KEY\n")
        name = f"--define '__gpg /usr/bin/gpg' --define '_gpg_name {user}'"
        sign = f"rpmsign {name} --addsign /root/rpm/x86_64/*.rpm 2>&1\n"
    bed.on(
        MAKER,
        f"{sign}rm -rf /root/stable && mkdir /root/stable && mv /root/rpm/x86_64 /root/stable/Packages\n"
        "createrepo_c --quiet /root/stable",
    )
    folder.parent.mkdir(parents=True)
    testbed.podman("cp", f"{testbed.NETWORK}-{MAKER}:/root/stable", str(folder))


def docker_ce(bed, root, major, versions, public_key, whole=True, **signed):
    """root: linux/DISTRIBUTION of the repository; major: the version of the system that it has packages for."""
    for version in versions:
        for name in ("docker-ce", "docker-ce-cli"):
            build(bed, name, version, "1.el", whole)
    build(bed, "containerd.io", "1.7.25", "3.1.el", whole)
    publish(bed, root / major / "x86_64" / "stable", **signed)
    (root / "gpg").write_text(public_key)
