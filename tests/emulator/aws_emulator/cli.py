# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Command line: read options, restore the state, listen until told to stop."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from .config import Options

# moto reads these when it is imported.
ENVIRONMENT = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ALLOW_NONEXISTENT_REGION": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_DISABLE_GLOBAL_CORS": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def read_options(argv: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="emulator", description="AWS for tests, on loopback or in a container.")
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--https-port", type=int, default=443, help="0 = off (%(default)s)")
    parser.add_argument("--http-port", type=int, default=0, help="0 = off (%(default)s)")
    parser.add_argument("--state", type=Path, help="directory that keeps everything over a restart, and the CA")
    parser.add_argument("--packages", type=Path, help="root of the served buckets: <dir>/<bucket>/<key>")
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--region", default="us-east-1", help="where a request does not tell (%(default)s)")
    parser.add_argument("--token-ttl", type=int, default=3600, help="seconds that a node's role token lives")
    parser.add_argument("--ready-file", type=Path, help="written when listening")
    options = Options(**vars(parser.parse_args(argv)))
    if not (options.https_port or options.http_port):
        parser.error("both ports are off")
    if options.packages and not options.packages.is_dir():
        parser.error(f"--packages: {options.packages} is not a directory")
    if not (options.account.isdigit() and len(options.account) == 12):
        parser.error("--account is 12 digits")
    return options


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    options = read_options(argv)
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT, MOTO_ACCOUNT_ID=options.account)
    from .serve import serve  # moto, with the environment above

    directory = options.state or Path(tempfile.mkdtemp(prefix="aws-emulator-"))
    directory.mkdir(parents=True, exist_ok=True)
    servers, authority = serve(options, directory, report)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    facts = {
        "pid": os.getpid(),
        "http_port": options.http_port,
        "https_port": options.https_port,
        "ca": str(authority.ca_path),
    }
    if options.ready_file:
        options.ready_file.write_text(json.dumps(facts) + "\n")
    print(json.dumps(facts), flush=True)
    stop.wait()
    from .runtime import runtime

    runtime.stopping.set()
    runtime.hub.disconnect_all()
    runtime.state.save()
    if not options.state:
        shutil.rmtree(directory, ignore_errors=True)
    return 0
