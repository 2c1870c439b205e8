# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A real browser without a window, and pages for it to look at."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import pytest
from selenium import webdriver

# makes the checkout importable as a collection, for as long as this name lives
_checkout = runpy.run_path(str(Path(__file__).resolve().parents[1] / "unit" / "conftest.py"))


@pytest.fixture(scope="session")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.add_argument("--headless=new")
    options.add_argument("--hide-scrollbars")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # as root there is none
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # both by name, so that nothing is looked for elsewhere
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()
