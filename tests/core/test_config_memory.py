"""What is remembered of the configuration: when it changed, and what headers that are no longer shown mean."""

from monitor.core.config_memory import ConfigMemory, ConfigSeen, remember, unmask_removal
from monitor.core.drift import AUTHORIZATION, ENDPOINT, ExpectedConfig, ExportConfig, Filter, SameSecret, compare
from monitor.core.secret import HIDDEN, Secret, SecretKind
from tests.core.build import OFF, OURS, THEIRS, manifest, secret

ONE = Filter(key="a", values=("1", "2"))
TWO = Filter(key="b", values=("3",))


def first(config: ExportConfig | None = None, updated_at: float | None = 500.0) -> ConfigMemory:
    """What is remembered after the very first look, at 1000."""
    return remember(None, ConfigSeen(config=config or manifest(), updated_at=updated_at), 1000.0)


def changed_at(
    config: ExportConfig, *, before: ExportConfig | None = None, updated_at: float | None = 500.0
) -> float | None:
    """The date of the present configuration after a second look, at 2000."""
    return remember(first(before), ConfigSeen(config=config, updated_at=updated_at), 2000.0).changed_at


def test_the_very_first_look_is_dated_by_the_manifest() -> None:
    """So that a configuration changed shortly before the start is still settling."""
    assert first().changed_at == 500.0


def test_the_very_first_look_has_no_date_if_the_manifest_has_none() -> None:
    """Nothing is known of when it came to be."""
    assert first(updated_at=None).changed_at is None


def test_the_same_configuration_keeps_its_date() -> None:
    """Even if the manifest was signed anew without a difference."""
    assert changed_at(manifest(), updated_at=1500.0) == 500.0


def test_a_change_is_dated_by_the_first_look_that_shows_it() -> None:
    """The exporter may have begun to use it only then."""
    assert changed_at(manifest({ENDPOINT: "https://x.example"}), updated_at=1500.0) == 2000.0
    assert changed_at(manifest({ENDPOINT: "https://x.example"}), updated_at=None) == 2000.0


def test_a_change_is_dated_by_the_manifest_if_that_is_later() -> None:
    """Clocks differ."""
    assert changed_at(manifest({ENDPOINT: "https://x.example"}), updated_at=2030.0) == 2030.0


def test_a_date_years_ahead_is_nobodys() -> None:
    """Else a configuration would be settling until then, and accused by nothing."""
    assert changed_at(manifest({ENDPOINT: "https://x.example"}), updated_at=4e9) == 2000.0
    first = remember(None, ConfigSeen(config=manifest(), updated_at=4e9), 2000.0)
    assert first.changed_at == 2000.0


def test_off_and_on_are_changes() -> None:
    """In either direction."""
    assert changed_at(OFF) == 2000.0
    assert changed_at(manifest(), before=OFF) == 2000.0


def test_another_key_in_the_gateway_is_a_change() -> None:
    """Recognised by its fingerprint, or by its form."""
    assert changed_at(manifest(key=THEIRS)) == 2000.0
    assert changed_at(manifest(key="tl_ours")) == 2000.0
    assert changed_at(manifest(key=None)) == 2000.0


def test_a_new_key_of_our_own_is_no_change_of_the_gateway() -> None:
    """Whether the gateway's key equals ours is not the gateway's doing."""
    assert changed_at(manifest(expected=THEIRS)) == 500.0
    assert changed_at(manifest({AUTHORIZATION: secret(OURS, THEIRS)})) == 500.0


def test_filters_are_compared_without_their_order() -> None:
    """Neither that of the filters nor that of their values is a change."""
    before = manifest(filters=(ONE, TWO))
    assert changed_at(manifest(filters=(TWO, Filter(key="a", values=("2", "1")))), before=before) == 500.0
    assert changed_at(manifest(filters=(ONE,)), before=before) == 2000.0


def test_what_was_seen_last_is_remembered() -> None:
    """Who changed it is asked of the newest look."""
    seen = ConfigSeen(config=manifest(), updated_at=700.0, updated_by="ana")
    assert remember(first(), seen, 2000.0).seen == seen


# --- a control plane that shows no headers at all ---------------------------------------------------------------------

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
