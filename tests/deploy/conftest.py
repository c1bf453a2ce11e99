"""The helms."""

import pytest

from tests.deploy.chart import Helm, installed


@pytest.fixture(scope="module", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4, and Helm 3."""
    return Helm(installed(request.param), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4 alone, for what does not depend on it."""
    return Helm(installed("helm"), tmp_path_factory.mktemp("helm4"))
