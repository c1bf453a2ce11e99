"""What the tests of the settings share: a small configuration, and short ways to load one or to be refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.settings import ConfigError, Loaded, Settings, Target, parse
from monitor.settings.target import Traceloop

MINIMAL = """\
targets:
  prod:
    control_plane: {url: https://acme.truefoundry.cloud, token: tfy-Secret-1}
    gateway: {model: openai-main/gpt-4o-mini}
    traceloop: {api_key: tl_Secret_2, environment: prd}
"""

BY_ENVIRONMENT = {
    "TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__URL": "https://acme.truefoundry.cloud",
    "TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__TOKEN": "tfy-Secret-1",
    "TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL": "openai-main/gpt-4o-mini",
    "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY": "tl_Secret_2",
    "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT": "prd",
}

NOWHERE = Path("/nowhere")


def loaded(text: str = MINIMAL, environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE) -> Loaded:
    """Load a text as the file `config.yaml`."""
    return parse(text, environ or {}, cwd, file=cwd / "config.yaml", name="config.yaml")


def settings(text: str = MINIMAL, environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE) -> Settings:
    """The settings of a text."""
    return loaded(text, environ, cwd).settings


def prod(text: str = MINIMAL, environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE) -> Target:
    """The target `prod` of a text."""
    return next(target for name, target in settings(text, environ, cwd).targets.items() if name == "prod")


def traceloop_of(target: Target) -> Traceloop:
    """The section `traceloop` of a target that has one."""
    assert target.traceloop is not None
    return target.traceloop


def with_target(*lines: str) -> str:
    """The small configuration with more lines in its target."""
    return MINIMAL + "".join(f"    {line}\n" for line in lines)


def complaints(text: str = MINIMAL, environ: Mapping[str, str] | None = None, cwd: Path = NOWHERE) -> list[str]:
    """The lines with which a text is refused."""
    with pytest.raises(ConfigError) as refused:
        loaded(text, environ, cwd)
    return str(refused.value).splitlines()
