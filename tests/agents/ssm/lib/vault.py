# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The vault: a manifest that names one file per key, and what is kept of a registration in it."""

import json
import os

import appconfig
import applog
import aws_http

MANIFEST = appconfig.VAULT + "/Manifest"
REGISTRATION_KEY = "RegistrationKey"
FINGERPRINT_KEY = "InstanceFingerprint"


def write_file(path, data):
    """Replace a file, private to root, without a moment at which it is half written."""
    handle = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, 0o600)
        stream.write(data)
    os.replace(path + ".tmp", path)


def dump(value):
    return json.dumps(value, separators=(",", ":"))


def _manifest():
    try:
        with open(MANIFEST, encoding="utf-8") as handle:
            data = json.load(handle)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def store(key, text):
    applog.make_dirs(appconfig.DATA, 0o700)
    # Vault and Store lack the x bit, as the agent leaves them: only root's capability passes.
    applog.make_dirs(appconfig.STORE, 0o600)
    path = os.path.join(appconfig.STORE, key)
    write_file(path, text)
    manifest = _manifest()
    manifest[key] = path
    write_file(MANIFEST, json.dumps(dict(sorted(manifest.items())), separators=(",", ":")))


def load(key):
    path = _manifest().get(key)
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as handle:
            data = json.load(handle)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def registration():
    """Return the registration record; its instanceID is empty when the host is not registered."""
    record = load(REGISTRATION_KEY)
    return record if record.get("instanceID") else {}


def save_registration(instance_id, region, private_key, key_type):
    created = aws_http.utc_now()
    record = {
        "instanceID": instance_id,
        "region": region,
        "instanceType": "",
        "availabilityZone": "",
        "privateKey": private_key,
        "publicKey": "",
        "privateKeyType": key_type,
        "privateKeyCreatedDate": created.strftime("%Y-%m-%d %H:%M:%S.")
        + f"{created.microsecond:06}".rstrip("0").ljust(1, "0")
        + " +0000 UTC",
    }
    store(REGISTRATION_KEY, dump(record))
