# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logfmt log of the ECS agent and of ecs-init."""

import os
import sys

import aws_http


class Log:
    def __init__(self, path, console=False):
        self._path = path
        self._console = console

    def _write(self, level, text, values):
        message = (text % values if values else text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        line = 'level={} time={} msg="{}"\n'.format(level, aws_http.utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"), message)
        if self._console:
            sys.stderr.write(line)
            sys.stderr.flush()
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:
            return
        with os.fdopen(handle, "a", encoding="utf-8") as stream:
            stream.write(line)

    def info(self, text, *values):
        self._write("info", text, values)

    def warn(self, text, *values):
        self._write("warn", text, values)

    def error(self, text, *values):
        self._write("error", text, values)

    def critical(self, text, *values):
        self._write("critical", text, values)
