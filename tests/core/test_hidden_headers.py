"""A control plane that shows no headers at all: what that says, and what it does not."""

from monitor.core.drift import (
    AUTHORIZATION,
    ConfigSeen,
    ExpectedConfig,
    ExportConfig,
    SameSecret,
    compare,
    remember,
    unmask_removal,
)
from monitor.core.secret import HIDDEN, Secret, SecretKind

EXPECTED = ExpectedConfig(rules={AUTHORIZATION: SameSecret("12345678")})
SHOWN = ConfigSeen(
    config=ExportConfig(fields={AUTHORIZATION: Secret(kind=SecretKind.LITERAL, fingerprint="12345678", equal=True)})
)
NOT_SHOWN = ConfigSeen(config=ExportConfig(fields={AUTHORIZATION: HIDDEN}))


def test_a_header_that_was_never_shown_cannot_be_compared() -> None:
    """Nothing shown says nothing: no drift."""
    seen = unmask_removal(None, NOT_SHOWN)
    assert compare(EXPECTED, seen.config).not_comparable == (AUTHORIZATION,)
    assert str(HIDDEN) == "not shown"


def test_a_header_that_was_shown_and_is_not_any_more_is_gone() -> None:
    """A control plane that has shown it would show it still: the export stops."""
    seen = unmask_removal(remember(None, SHOWN, 1.0), NOT_SHOWN)
    assert compare(EXPECTED, seen.config).stops_export


def test_a_header_that_is_gone_stays_gone_over_the_next_looks() -> None:
    """The second look at the same answer does not take it back."""
    memory = remember(None, SHOWN, 1.0)
    for now in (2.0, 3.0):
        memory = remember(memory, unmask_removal(memory, NOT_SHOWN), now)
        assert compare(EXPECTED, memory.seen.config).stops_export


def test_a_header_that_is_shown_again_is_compared_again() -> None:
    """Restored is restored."""
    memory = remember(None, SHOWN, 1.0)
    memory = remember(memory, unmask_removal(memory, NOT_SHOWN), 2.0)
    assert unmask_removal(memory, SHOWN) == SHOWN


def test_a_header_that_nobody_expects_and_nobody_shows_is_no_difference() -> None:
    """Hidden is not uninvited."""
    assert not compare(ExpectedConfig(rules={}), NOT_SHOWN.config).differences
