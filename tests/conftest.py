"""What every test shares."""

import gc
import os
import sys
from types import ModuleType
from typing import cast

import pytest
from hypothesis import settings

# The same examples in every run: a test that fails now and then guards nothing. HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# httpx asks for this package at each request to an app in this process: a package that is not there is searched for each time,
# which was a fourteenth of what the scenarios cost. One that is known to be missing is not searched for.
sys.modules.setdefault("sniffio", cast("ModuleType", None))

# What is collected lives as long as the process, so looking for garbage in it finds none: that was a quarter of the time of
# collecting the tests, in each process of theirs, and of each search later.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on there is garbage, but not among the tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the program does."""
    return "asyncio"
