# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public S3 buckets of the agents: files below a directory, laid out as <bucket>/<key>, served unsigned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from werkzeug.utils import send_file

from .errors import ApiError
from .runtime import runtime

VIRTUAL_HOST = re.compile(r"^(?P<bucket>.+)\.s3[.-](dualstack\.)?([a-z0-9-]+\.)?amazonaws\.(com(\.cn)?|eu)$")
S3_HOST = re.compile(r"^s3[.-](dualstack\.)?([a-z0-9-]+\.)?amazonaws\.(com(\.cn)?|eu)$")


def locate(method: str, host: str, path: str, signed: bool) -> tuple[str, str] | None:
    """Bucket and key, when this is a request for a public file; None when it is something else."""
    root = runtime.options.packages
    if root is None or method not in ("GET", "HEAD") or signed:
        return None
    name = host.rsplit(":", 1)[0].lower()
    bucket, _, key = path.lstrip("/").partition("/")
    if S3_HOST.match(name):
        return bucket, key
    if virtual := VIRTUAL_HOST.match(name):
        return virtual["bucket"], path.lstrip("/")
    if bucket and bucket not in (".", "..") and (root / bucket).is_dir():
        return bucket, key
    return None


def serve(environ: dict[str, Any], bucket: str, key: str) -> Any:
    """A WSGI response that streams, and knows ranges, ETags and If-Modified-Since."""
    root = Path(runtime.options.packages or ".").resolve()
    directory = (root / bucket).resolve()
    if not bucket or directory.parent != root or not directory.is_dir():
        raise ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
    file = (directory / key).resolve()
    # A bucket that may not be listed says "denied" for what is not there, too.
    if not key or not file.is_relative_to(directory) or not file.is_file():
        raise ApiError("AccessDenied", "Access Denied", 403)
    response = send_file(file, environ, mimetype="application/octet-stream", conditional=True, etag=True)
    for name in ("Content-Disposition", "Cache-Control", "Date"):
        response.headers.pop(name, None)
    return response
