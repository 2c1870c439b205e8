# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The addresses of packages, signatures and keys."""

from __future__ import annotations

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils._artefacts import artefacts

SERVER = {"region": "eu-west-1", "architecture": "amd64", "family": "debian"}
KEYS = {"amazon-ssm-agent": [{"fingerprint": "A" * 40}], "amazon-ecs-agent": [{"fingerprint": "B" * 40}]}


def found(keys=None, **differences):
    return {a["name"]: a for a in artefacts({**SERVER, **differences}, {**KEYS, **(keys or {})})}


S3 = "https://s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "differences, ssm, ecs",
    [
        ({}, "latest/debian_amd64/amazon-ssm-agent.deb", "latest.amd64.deb"),
        ({"architecture": "arm64"}, "latest/debian_arm64/amazon-ssm-agent.deb", "latest.arm64.deb"),
        ({"family": "rhel"}, "latest/linux_amd64/amazon-ssm-agent.rpm", "latest.x86_64.rpm"),
        ({"family": "suse", "architecture": "arm64"}, "latest/linux_arm64/amazon-ssm-agent.rpm", "latest.aarch64.rpm"),
        (
            {"ssm_agent_version": "3.3.4108.0", "ecs_agent_version": "1.105.1"},
            "3.3.4108.0/debian_amd64/amazon-ssm-agent.deb",
            "1.105.1-1.amd64.deb",
        ),
    ],
)
def test_what_a_server_needs(differences, ssm, ecs):
    result = found(**differences)
    ssm, ecs = f"amazon-ssm-eu-west-1/{ssm}", f"amazon-ecs-agent-eu-west-1/amazon-ecs-init-{ecs}"
    assert [a["path"] for a in result.values()] == [ssm, ecs]
    assert [a["url"] for a in result.values()] == [f"{S3}/{ssm}", f"{S3}/{ecs}"]
    assert [a["signature_url"] for a in result.values()] == [f"{S3}/{ssm}.sig", f"{S3}/{ecs}.asc"]


@pytest.mark.parametrize(
    "region, dualstack, host",
    [
        ("us-east-1", False, "s3.us-east-1.amazonaws.com"),
        ("eu-west-1", True, "s3.dualstack.eu-west-1.amazonaws.com"),
        ("cn-north-1", False, "s3.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", True, "s3.dualstack.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", False, "s3.us-gov-west-1.amazonaws.com"),
        ("eusc-de-east-1", False, "s3.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", False, "s3.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_the_address_of_s3_is_that_of_the_partition(region, dualstack, host):
    for artefact in artefacts({**SERVER, "region": region, "dualstack": dualstack}, KEYS):
        assert artefact["url"].startswith(f"https://{host}/amazon-")
        assert f"-{region}/" in artefact["url"]


def test_a_mirror_has_the_same_layout_and_the_keys():
    result = found(base_url="http://mirror.example.com/aws/")
    assert result["amazon-ssm-agent"]["url"] == (
        "http://mirror.example.com/aws/amazon-ssm-eu-west-1/latest/debian_amd64/amazon-ssm-agent.deb"
    )
    assert result["amazon-ssm-agent"]["gpg_keys"] == [
        {"fingerprint": "A" * 40, "url": f"http://mirror.example.com/aws/keys/{'A' * 40}.gpg"}
    ]
    # a mirror needs no Region that botocore knows
    assert found(base_url="file:///srv/aws", region="none")["amazon-ecs-agent"]["url"].startswith("file:///srv/aws/")


@pytest.mark.parametrize("base_url", ["", "http://mirror.example.com"])
@pytest.mark.parametrize("given", [{"key": "TEXT"}, {"url": "https://keys.example.com/a"}])
def test_a_key_that_the_user_gave_is_taken_from_there(base_url, given):
    spaced = " ".join(["aaaa"] * 10)
    result = found({"amazon-ssm-agent": [{"fingerprint": spaced, **given}]}, base_url=base_url)
    assert result["amazon-ssm-agent"]["gpg_keys"] == [{"fingerprint": "A" * 40, **given}]


def test_aws_publishes_its_keys_by_artefact():
    assert [a["gpg_keys"][0]["url"].rsplit("/", 1)[-1] for a in found().values()] == [
        "amazon-ssm-agent.gpg",
        "amazon-ecs-agent.gpg",
    ]


@pytest.mark.parametrize(
    "differences, said",
    [
        ({"architecture": None}, "amd64 and arm64, not for None"),
        ({"family": None}, "debian, rhel, suse, not for None"),
        ({"region": "nowhere"}, "no address of S3 in 'nowhere': check ecs_anywhere_region"),
        ({"region": "us-iso-east-1", "dualstack": True}, "set ecs_anywhere_package_dualstack to false"),
    ],
)
def test_what_aws_does_not_have(differences, said):
    with pytest.raises(ValueError, match=said):
        artefacts({**SERVER, **differences}, KEYS)


def test_a_fleet_of_several_kinds_needs_each_package_once():
    fleet = {"region": ["eu-west-1", "us-east-1"], "architecture": ["amd64"], "family": ["debian", "rhel", "suse"]}
    result = artefacts({**SERVER, **fleet}, KEYS)
    assert [a["path"].partition("/")[2] for a in result if a["url"].startswith(S3)] == [
        "latest/debian_amd64/amazon-ssm-agent.deb",
        "amazon-ecs-init-latest.amd64.deb",
        "latest/linux_amd64/amazon-ssm-agent.rpm",
        "amazon-ecs-init-latest.x86_64.rpm",
    ]
    assert len(result) == len({a["url"] for a in result}) == 8
    for artefact in result:
        assert artefact["url"].endswith("/" + artefact["path"])
        assert artefact["signature_url"].endswith("/" + artefact["signature_path"])


@pytest.mark.parametrize("family", ["debian", "rhel"])
def test_the_binaries_of_ecs_exec(family):
    result = found(family=family, exec=True, ssm_agent_version="3.3.4108.0")["amazon-ssm-agent-binaries"]
    path = "amazon-ssm-eu-west-1/3.3.4108.0/linux_amd64/amazon-ssm-agent-binaries.tar.gz"
    assert (result["url"], result["signature_url"]) == (f"{S3}/{path}", f"{S3}/{path}.sig")
    assert result["gpg_keys"][0]["fingerprint"] == "A" * 40 and "checksum" not in result
    assert result["file"] == "ecs_anywhere-amazon-ssm-agent-binaries.tar.gz"


def test_a_checksum_is_checked_instead_of_the_signature_that_there_is_not():
    digest = f"sha256:{'0' * 64}"
    both = {"architecture": ["amd64", "arm64"], "exec": True, "ssm_agent_version": "3.3.4108.0"}
    result = artefacts({**SERVER, **both, "exec_checksums": {"amd64": digest, "arm64": None}}, KEYS)
    binaries = [a for a in result if a["name"] == "amazon-ssm-agent-binaries"]
    assert [(a.get("checksum"), a["signature_url"] is None, a["signature_path"] is None) for a in binaries] == [
        (digest, True, True),
        (None, False, False),
    ]
    assert all(a["signature_url"] for a in result if a["name"] != "amazon-ssm-agent-binaries")


def test_there_is_no_newest_of_the_binaries():
    with pytest.raises(ValueError, match="name it as ecs_anywhere_ssm_agent_version"):
        found(exec=True)
