# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hardware fingerprint: nine values, a uuid, and the rule that says whether this is still the same machine."""

import base64
import hashlib
import os
import socket
import subprocess
import time
import uuid

import aws_http
import vault

DEFAULT_THRESHOLD = 40
TRIES, PAUSE = 3, 5


def _md5_of(command):
    try:
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return base64.b64encode(hashlib.md5(output).digest()).decode()


def _first_line(*paths):
    for path in paths:
        try:
            with open(path, encoding="utf-8") as handle:
                return handle.read().strip()
        except OSError:
            continue
    return ""


def _mac():
    for _index, name in socket.if_nameindex():
        mac = _first_line(f"/sys/class/net/{name}/address")
        if mac and mac != "00:00:00:00:00:00":
            return mac
    return ""


def hardware():
    values = {
        "machine-id": _first_line("/etc/machine-id", "/var/lib/dbus/machine-id"),
        "hostname-info": socket.gethostname(),
        "ipaddress-info": aws_http.first_ipv4()[1],
        "macaddr-info": _mac(),
        "disk-info": _md5_of(["ls", "-l", "/dev/disk/by-uuid"]),
    }
    for kind in ("processor", "memory", "bios", "system"):
        values[kind + "-hash"] = _md5_of(["/usr/sbin/dmidecode", "-t", kind])
    return dict(sorted(values.items()))


def same_machine(saved, current, threshold):
    if threshold == -1:
        return True
    if saved.get("machine-id") != current["machine-id"]:
        return False
    if current["ipaddress-info"] and saved.get("ipaddress-info") == current["ipaddress-info"]:
        return True
    equal = sum(1 for key, value in current.items() if saved.get(key) == value)
    return equal * 100 / len(current) >= threshold


def _save(value, values, threshold):
    record = {"fingerprint": value, "hardwareHash": values, "similarityThreshold": threshold}
    vault.store(vault.FINGERPRINT_KEY, vault.dump(record))


def current(log):
    """Return the fingerprint; a machine too different from the saved one gets a new one, saved over the old."""
    saved = vault.load(vault.FINGERPRINT_KEY)
    threshold = saved.get("similarityThreshold", DEFAULT_THRESHOLD)
    value = saved.get("fingerprint")
    for attempt in range(1, TRIES + 1):
        values = hardware()
        if not value:
            break
        if same_machine(saved.get("hardwareHash") or {}, values, threshold):
            if values != saved.get("hardwareHash"):
                _save(value, values, threshold)
            return value
        if attempt < TRIES:
            time.sleep(PAUSE)
    if value:
        log.error("Machine configuration has changed more than the allowed threshold.")
        log.info("Calculated hardware difference, regenerating fingerprint...")
    value = str(uuid.uuid4())
    _save(value, values, threshold)
    return value


def set_threshold(threshold):
    if threshold != -1 and not 1 <= threshold <= 100:
        raise ValueError(
            f"Invalid Similarity Threshold value of {threshold}. Value must be between 1 and 100 or -1 to disable."
        )
    saved = vault.load(vault.FINGERPRINT_KEY)
    value = saved.get("fingerprint") or str(uuid.uuid4())
    _save(value, saved.get("hardwareHash") or hardware(), threshold)


def clear():
    if os.path.isdir(vault.appconfig.VAULT):
        vault.store(vault.FINGERPRINT_KEY, "")
