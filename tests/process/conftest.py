"""What every test of the real program shares."""

import pytest


@pytest.fixture(autouse=True)
def addresses_of_their_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of one test say where they listen where no other test looks."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("addresses")))
