"""The settings as one frozen tree, and the order in which the sources are merged into it."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from monitor.core.model import TargetName
from monitor.settings.alerting import Alerting
from monitor.settings.derive import derive
from monitor.settings.fields import FREEZE, problem
from monitor.settings.operation import Heartbeat, Http, Log, Server, State
from monitor.settings.silences import Silence
from monitor.settings.target import Target, target_name

LAYERS = "layers"


def _some(targets: Mapping[TargetName, Target]) -> Mapping[TargetName, Target]:
    if not targets:
        raise problem("no_targets", "is empty: there is nothing to monitor; at least one target is needed")
    return targets


class Settings(BaseSettings):
    """Everything an operator decides. Attribute names are the names of the YAML file."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)

    targets: Annotated[
        Mapping[Annotated[TargetName, AfterValidator(target_name)], Target], AfterValidator(_some), FREEZE
    ]
    alerting: Alerting = Field(default_factory=Alerting)
    silences: tuple[Silence, ...] = ()
    """Maintenance windows."""
    heartbeat: Heartbeat = Field(default_factory=Heartbeat)
    server: Server = Field(default_factory=Server)
    http: Http = Field(default_factory=Http)
    state: State = Field(default_factory=State)
    log: Log = Field(default_factory=Log)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return derive(given)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - reads os.environ; ours reads what it is handed
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is none
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - does not fill nested settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers, the strongest first, and then the `defaults` that they agree on."""
        layers = cast("InitSettingsSource", init_settings).init_kwargs[LAYERS]
        return (*(LayerSource(settings_cls, layer) for layer in layers), DefaultsSource(settings_cls))


def build(layers: list[Mapping[str, Any]]) -> Settings:
    """Merge layers, the strongest first, and validate. Raises pydantic.ValidationError."""
    arguments: dict[str, Any] = {LAYERS: layers}
    return Settings(**arguments)


class LayerSource(PydanticBaseSettingsSource):
    """One layer as it was read."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = dict(values)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """One top-level setting."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All of it."""
        return self._values


class DefaultsSource(PydanticBaseSettingsSource):
    """`defaults`, for every target that the layers above know."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """One top-level setting."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """What the targets inherit."""
        defaults = self.current_state.get("defaults", {})
        return {"targets": dict.fromkeys(self.current_state.get("targets", {}), defaults)}
