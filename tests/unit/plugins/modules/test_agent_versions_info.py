# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Versions of packages, from files on disk that play AWS's buckets."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _agent_versions
from ansible_collections.hybrid.ecs_anywhere.plugins.modules import agent_versions_info as module

STATUS = """Package: amazon-ssm-agent
Status: install ok installed
Version: 3.3.3598.0-1

Package: amazon-ecs-init
Status: install ok installed
Version: 1.104.0-1
"""


def deb(control, compression="gz", pad=0):
    """A Debian package as far as its version goes, with *pad* bytes of content."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=f"w:{compression}") as tar:
        info = tarfile.TarInfo("./control")
        info.size = len(control)
        tar.addfile(info, io.BytesIO(control))
    suffix = f".{compression}" if compression else ""
    parts = [("debian-binary", b"2.0\n"), (f"control.tar{suffix}", archive.getvalue()), ("data.tar.gz", b"x" * pad)]
    data = b"!<arch>\n"
    for name, content in parts:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}".encode() + b"`\n" + content
        data += b"\n" * (len(content) % 2)
    return data


CONTROL = b"Package: amazon-ecs-init\nVersion: 1.105.1-1\nArchitecture: amd64\n"


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_the_beginning_of_a_package_tells_its_version(compression):
    whole = deb(CONTROL, compression, pad=100000)
    assert _agent_versions.deb_version(whole[:50000]) == "1.105.1-1"


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "does not begin as a Debian package"),
        (b"<html>", "does not begin as a Debian package"),
        (deb(CONTROL)[:100], "does not begin as a Debian package"),
        (deb(b"Package: x\n"), "tells no version"),
        (
            deb(CONTROL).replace(b"control.tar.gz", b"control.tar.zs").replace(b"\x1f\x8b", b"\x28\xb5"),
            "control.tar.zs",
        ),
    ],
)
def test_what_is_no_package_is_told(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        _agent_versions.deb_version(data)


@pytest.mark.parametrize(
    "pin, installed, newest, target",
    [
        ("", "1.104.0-1", "1.105.1-1", "1.105.1"),
        ("", "1.9.0", "1.10.0", "1.10.0"),
        ("", "1.105.1-1", "1.105.1-1", "1.105.1"),
        # the Region is late: no way back
        ("", "1.105.1-1", "1.104.0-1", "1.105.1"),
        ("", "1.105.1-1", None, "1.105.1"),
        ("1.103.0", "1.105.1-1", None, "1.103.0"),
    ],
)
def test_the_version_to_have(pin, installed, newest, target):
    assert _agent_versions.target(pin, installed, newest) == target


SPEC = """Name: amazon-ecs-init
Version: 1.105.1
Release: 1
Summary: x
License: x
%description
x
%install
mkdir -p %{buildroot}/x && head -c 1000000 /dev/urandom >%{buildroot}/x/y
%files
/x/y
"""


@pytest.fixture
def rpm_system(tmp_path):
    """With a package that is larger than what is read of it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID="rocky"\nID_LIKE="rhel fedora"\n')
    (tmp_path / "x.spec").write_text(SPEC)
    define = ("--define", f"_topdir {tmp_path}/build", "--target", "x86_64")
    subprocess.run(["rpmbuild", "-bb", *define, str(tmp_path / "x.spec")], check=True, capture_output=True)
    (package,) = (tmp_path / "build/RPMS").rglob("*.rpm")
    assert package.stat().st_size > module.BEGINNING
    package.rename(tmp_path / "ecs.rpm")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A server of packages on loopback, and a machine with both agents. Returns its address and what was asked."""
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    monkeypatch.setattr(module, "ROOT", str(tmp_path))
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    files = {"/VERSION": b"3.3.4108.0\n", "/ecs.amd64.deb": deb(CONTROL, pad=module.BEGINNING), "/odd": b"odd"}
    package = tmp_path / "ecs.rpm"
    if package.exists():
        files["/ecs.x86_64.rpm"] = package.read_bytes()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Range"]))
            content = files.get(self.path)
            self.send_response(206 if content else 403)
            self.end_headers()
            self.wfile.write((content or b"")[: module.BEGINNING])

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_what_there_is_and_what_there_could_be(bucket, run):
    url, asked = bucket
    result = run("agent_versions_info", aws=False, ssm_agent_url=f"{url}/VERSION", ecs_agent_url=f"{url}/ecs.SUFFIX")
    assert result["ssm_agent"] == {"installed": "3.3.3598.0", "newest": "3.3.4108.0", "target": "3.3.4108.0"}
    assert result["ecs_agent"] == {"installed": "1.104.0", "newest": "1.105.1", "target": "1.105.1"}
    assert asked == [("/VERSION", "bytes=0-262143"), ("/ecs.amd64.deb", "bytes=0-262143")]


def test_a_system_of_rpm_asks_for_its_own_package(rpm_system, bucket, run):
    url, asked = bucket
    result = run("agent_versions_info", aws=False, ecs_agent_url=f"{url}/ecs.SUFFIX")
    assert result["ecs_agent"] == {"installed": None, "newest": "1.105.1", "target": None}
    assert asked == [("/ecs.x86_64.rpm", "bytes=0-262143")]


def test_what_is_no_rpm_package_is_told(rpm_system, bucket, run):
    result = run("agent_versions_info", aws=False, ecs_agent_url=bucket[0] + "/odd")
    assert result["failed"] and "does not begin as an rpm package" in result["msg"]


def test_nobody_is_asked_about_what_is_pinned(bucket, run):
    url, asked = bucket
    pins = {"ssm_agent_version": "3.3.1.0", "ecs_agent_version": "1.2.3"}
    urls = {"ssm_agent_url": f"{url}/VERSION", "ecs_agent_url": f"{url}/ecs.SUFFIX"}
    result = run("agent_versions_info", aws=False, **pins, **urls)
    assert (result["ssm_agent"]["target"], result["ecs_agent"]["target"]) == ("3.3.1.0", "1.2.3")
    assert asked == []


def test_a_server_without_agents_has_no_version_to_have(bucket, run, tmp_path):
    (tmp_path / "var/lib/dpkg/status").unlink()
    nothing = {"installed": None, "newest": None, "target": None}
    result = run("agent_versions_info", aws=False)
    assert (result["ssm_agent"], result["ecs_agent"]) == (nothing, nothing)


@pytest.mark.parametrize(
    "url, sentence", [("/nothing", "(HTTP 403)"), ("/odd", "Pin it with ecs_anywhere_ecs_agent_version")]
)
def test_what_cannot_be_read_is_told(bucket, run, url, sentence):
    result = run("agent_versions_info", aws=False, ecs_agent_url=bucket[0] + url)
    assert result["failed"] and sentence in result["msg"] and bucket[0] + url in result["msg"]
