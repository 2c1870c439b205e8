# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""moto finds a backend's URLs by the name of its module."""

from .ssm_responses import HybridSsmResponse

url_bases = [r"https?://ssm\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/$": HybridSsmResponse.dispatch}
