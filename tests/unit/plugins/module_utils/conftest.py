# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber


@pytest.fixture
def api(monkeypatch):
    """api("iam") -> (client, Stubber); all that was stubbed must have been called."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    stubbers = []

    def _api(service):
        client = boto3.client(service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
        stubbers.append(Stubber(client))
        stubbers[-1].activate()
        return client, stubbers[-1]

    yield _api
    for stubber in stubbers:
        stubber.assert_no_pending_responses()
