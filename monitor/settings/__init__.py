"""The configuration: YAML, environment, secrets directory and defaults in, one frozen `Settings` out.

    load (find, read) → document, environment, secrets_dir   every source becomes a tree that knows its lines
         → lower                                             shape, twins, nulls, unknown keys
         → model (pydantic-settings: merge, validate)        target, checks, alerting, silences, operation
         → derive, coherence                                 defaults made of other settings; what must hold between them
         → explain                                           every complaint with place, path, what is allowed

Precedence: environment, secrets directory, file, `defaults`, built-in. Consumers read attributes named like the YAML keys
and compute nothing: derived defaults are resolved, durations are seconds, secrets are `SecretSource`s that follow rotation.
"""

from monitor.settings.load import Loaded, load, parse
from monitor.settings.model import Settings
from monitor.settings.problem import ConfigError, Problem
from monitor.settings.rules import expected_config, expected_headers, labels
from monitor.settings.secret import SecretSource
from monitor.settings.target import Target

__all__ = [
    "ConfigError",
    "Loaded",
    "Problem",
    "SecretSource",
    "Settings",
    "Target",
    "expected_config",
    "expected_headers",
    "labels",
    "load",
    "parse",
]
