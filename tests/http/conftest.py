"""Fixtures of the tests of `monitor.http`."""

from collections.abc import Callable
from typing import Any

import pytest
import trustme

from tests.http.common import Received


@pytest.fixture
def received() -> Received:
    """What the listeners received."""
    return Received()


@pytest.fixture
def ca_file(tmp_path: Any) -> Callable[[trustme.CA], str]:
    """Writes an authority's certificate to a file."""

    def write(authority: trustme.CA) -> str:
        path = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(path))
        return str(path)

    return write
