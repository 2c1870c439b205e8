# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""agent.db: what survives a restart of the agent."""

import json
import os
import threading


class State:
    def __init__(self, directory):
        self._path = os.path.join(directory, "agent.db")
        self._lock = threading.RLock()
        self.cluster = ""
        self.arn = ""
        self.sequence = 0
        self.tasks = {}

    def load(self):
        try:
            with open(self._path, encoding="utf-8") as handle:
                saved = json.load(handle)
        except FileNotFoundError:
            return
        self.cluster, self.arn = saved["cluster"], saved["containerInstanceArn"]
        self.sequence, self.tasks = saved["seqNum"], saved["tasks"]

    def save(self):
        with self._lock:
            data = {
                "cluster": self.cluster,
                "containerInstanceArn": self.arn,
                "seqNum": self.sequence,
                "tasks": self.tasks,
            }
            handle = os.open(self._path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(data, stream)
                stream.flush()
                os.fsync(handle)
            os.replace(self._path + ".new", self._path)

    def put_task(self, arn, task):
        with self._lock:
            self.tasks[arn] = task
            self.save()

    def drop_task(self, arn):
        with self._lock:
            self.tasks.pop(arn, None)
            self.save()
