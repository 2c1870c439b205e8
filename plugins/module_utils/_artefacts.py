# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

# This is a private module_util: it may change without notice.

"""Where the agents' packages, their signatures and keys are: AWS's buckets, and a mirror of the same layout."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

SSM, ECS = "amazon-ssm-agent", "amazon-ecs-agent"
# What ECS Exec brings into containers, signed as the SSM agent is. There is no "latest" of it.
EXEC = "amazon-ssm-agent-binaries"

# Where AWS publishes its public keys. Nobody has to trust that: the pinned fingerprint decides.
AWS_KEYS = "https://raw.githubusercontent.com/aws/amazon-ecs-agent/master/scripts"

# The names that rpm has for what Debian and the addresses of the SSM agent call amd64 and arm64.
_RPM_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
FAMILIES = ("debian", "rhel", "suse")
_ENDS = (".deb", ".rpm", ".tar.gz")


def s3_root(region: str, dualstack: bool) -> str:
    """The address of S3 in a Region, of whatever partition. Raises ValueError when there is none."""
    from botocore.loaders import Loader
    from botocore.regions import EndpointResolver

    resolver = EndpointResolver(Loader().load_data("endpoints"))
    endpoint = resolver.construct_endpoint("s3", region, use_dualstack_endpoint=dualstack)
    if endpoint is None:
        kind = "dual stack address" if dualstack else "address"
        raise ValueError(
            f"botocore on the controller knows no {kind} of S3 in {region!r}: check ecs_anywhere_region"
            + (" or set ecs_anywhere_package_dualstack to false" if dualstack else "")
            + ", or give the packages' address as ecs_anywhere_package_base_url"
        )
    return f"https://{endpoint['hostname']}"


def _paths(region: str, architecture: str, family: str, versions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Path below the root and suffix of the signature, by artefact."""
    ssm, ecs = versions[SSM] or "latest", f"{versions[ECS]}-1" if versions[ECS] else "latest"
    if family == "debian":
        ssm_file, ecs_file = f"debian_{architecture}/amazon-ssm-agent.deb", f"{ecs}.{architecture}.deb"
    else:
        ssm_file = f"linux_{architecture}/amazon-ssm-agent.rpm"
        ecs_file = f"{ecs}.{_RPM_ARCHITECTURES[architecture]}.rpm"
    binaries = {EXEC: (f"amazon-ssm-{region}/{ssm}/linux_{architecture}/{EXEC}.tar.gz", ".sig")}
    return {
        SSM: (f"amazon-ssm-{region}/{ssm}/{ssm_file}", ".sig"),
        **(binaries if versions[EXEC] else {}),
        ECS: (f"amazon-ecs-agent-{region}/amazon-ecs-init-{ecs_file}", ".asc"),
    }


def _key(entry: Mapping[str, Any], artefact: str, mirror: str) -> dict[str, str]:
    """A pinned key with where it is to be had, if the user did not say."""
    fingerprint = "".join(entry["fingerprint"].split()).upper()
    if entry.get("key"):
        return {"fingerprint": fingerprint, "key": entry["key"]}
    at = f"{mirror}/keys/{fingerprint}.gpg" if mirror else f"{AWS_KEYS}/{artefact}.gpg"
    return {"fingerprint": fingerprint, "url": entry.get("url") or at}


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def artefacts(wanted: Mapping[str, Any], gpg_keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both agents for one kind of server, and ECS Exec's binaries if they are wanted; for several kinds when Region,
    architecture or family is a list. Each once.

    Raises ValueError for what AWS does not have.
    """
    mirror = (wanted.get("base_url") or "").rstrip("/")
    versions = {SSM: wanted.get("ssm_agent_version") or "", ECS: wanted.get("ecs_agent_version") or ""}
    versions[EXEC] = versions[SSM] if wanted.get("exec") else ""
    if wanted.get("exec") and not versions[EXEC]:
        raise ValueError("ECS Exec's binaries are had by version alone: name it as ecs_anywhere_ssm_agent_version")
    checksums = wanted.get("exec_checksums") or {}
    found: dict[str, dict[str, Any]] = {}
    for region in _each(wanted["region"]):
        root = mirror or s3_root(region, bool(wanted.get("dualstack")))
        for architecture, family in product(_each(wanted["architecture"]), _each(wanted["family"])):
            if architecture not in _RPM_ARCHITECTURES:
                raise ValueError(
                    f"AWS builds the agents for {' and '.join(_RPM_ARCHITECTURES)}, not for {architecture!r}"
                )
            if family not in FAMILIES:
                raise ValueError(f"AWS builds the agents for the families {', '.join(FAMILIES)}, not for {family!r}")
            for name, (path, suffix) in _paths(region, architecture, family, versions).items():
                signer = SSM if name == EXEC else name
                found[path] = {
                    "name": name,
                    "path": path,
                    "file": f"ecs_anywhere-{name}{next(end for end in _ENDS if path.endswith(end))}",
                    "url": f"{root}/{path}",
                    "signature_url": f"{root}/{path}{suffix}",
                    "signature_path": f"{path}{suffix}",
                    "gpg_keys": [_key(entry, signer, mirror) for entry in gpg_keys[signer]],
                }
                if name == EXEC and checksums.get(architecture):
                    # of something that is not signed
                    found[path].update(checksum=checksums[architecture], signature_url=None, signature_path=None)
    return list(found.values())
