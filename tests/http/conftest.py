"""Fixtures of the tests of `monitor.http`."""

import pytest

from tests.http.common import Heard


@pytest.fixture
def heard() -> Heard:
    """What the listeners heard."""
    return Heard()
