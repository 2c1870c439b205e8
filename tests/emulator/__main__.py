# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start the AWS emulator: python tests/emulator --help"""

from aws_emulator.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
