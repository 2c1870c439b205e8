# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RSA through the openssl program: key pairs as base64 DER, and RSASSA-PSS signatures."""

import base64
import os
import subprocess
import textwrap


def _openssl(arguments, data=b"", **options):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True, **options).stdout


def _der(data, at):
    """Return (tag, start of the content, end of the content) of the DER element at an offset."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return data[at], start, start + length


def _pkcs1(der):
    """Unwrap PKCS#8: SEQUENCE { version, SEQUENCE algorithm, OCTET STRING key }."""
    _tag, start, _end = _der(der, 0)
    _tag, _start, after_version = _der(der, start)
    tag, _start, after_algorithm = _der(der, after_version)
    if tag != 0x30:
        return der
    _tag, key_start, key_end = _der(der, after_algorithm)
    return der[key_start:key_end]


def generate():
    """Return (private key: PKCS#1, public key: SubjectPublicKeyInfo), both base64 of DER."""
    der = _openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"])
    public = _openssl(["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], der)
    return base64.b64encode(_pkcs1(der)).decode(), base64.b64encode(public).decode()


def sign_pss(private_key, text):
    """Return the base64 signature of a text: SHA-256, salt of 32 bytes."""
    body = "\n".join(textwrap.wrap(private_key, 64))
    pem = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n"
    # In memory only: openssl wants the key as a file.
    handle = os.memfd_create("key")
    try:
        os.write(handle, pem.encode())
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
        signature = _openssl(
            ["dgst", "-sha256", "-sign", f"/proc/self/fd/{handle}", *options], text.encode(), pass_fds=(handle,)
        )
    finally:
        os.close(handle)
    return base64.b64encode(signature).decode()
