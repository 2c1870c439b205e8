# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The log: standard output, amazon-ssm-agent.log, and errors.log."""

import contextlib
import os
import sys

import appconfig
import aws_http


def make_dirs(path, mode):
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, mode)
            os.chmod(folder, mode)
        except FileExistsError:
            continue


class Log:
    def __init__(self, prefix=""):
        self._prefix = f"[{prefix}] " if prefix else ""
        with contextlib.suppress(OSError):
            make_dirs(appconfig.LOGS + "/audits", 0o700)

    def _append(self, name, line):
        try:
            handle = os.open(os.path.join(appconfig.LOGS, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:
            return
        with os.fdopen(handle, "a", encoding="utf-8") as stream:
            stream.write(line)

    def _write(self, level, text):
        now = aws_http.utc_now().astimezone()
        stamp = now.strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 100:04}"
        line = f"{stamp} {level} {self._prefix}{text}\n"
        try:
            sys.stdout.write(line)
            sys.stdout.flush()
        except OSError:
            pass
        self._append("amazon-ssm-agent.log", line)
        if level == "ERROR":
            self._append("errors.log", line)

    def info(self, text, *values):
        self._write("INFO", text % values if values else text)

    def warn(self, text, *values):
        self._write("WARN", text % values if values else text)

    def error(self, text, *values):
        self._write("ERROR", text % values if values else text)
