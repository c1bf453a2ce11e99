"""The configuration: YAML, environment, secrets directory and defaults in, one frozen `Settings` out.

    model, target      what can be set, in pydantic models made of `values` and `secret`
    schema             the models as one tree that everything walks, and as JSON Schema
    load               find and read the sources, merge them by pydantic-settings, validate, complain
      document           the file as a tree of text that knows its lines
      sources            the environment and the secrets directory as such trees
      layer              a tree as a layer of values: twins, nulls, unknown keys, and the place of each
      coherence          what must hold between settings, and what is legal but doubtful; what it costs
    show               the effective values with their sources
    expected           what the exporter should be set to: rules, manifest, form

Precedence: environment, secrets directory, file, `defaults`, built-in. Consumers read attributes named like the YAML keys
and compute nothing: derived defaults are resolved, durations are seconds, secrets are `SecretSource`s that follow rotation.
"""

from monitor.settings.expected import expected_config, expected_headers, labels
from monitor.settings.load import Loaded, load, parse
from monitor.settings.model import Settings
from monitor.settings.problem import ConfigError, Problem
from monitor.settings.schema import all_secrets
from monitor.settings.secret import SecretSource
from monitor.settings.target import Target

__all__ = [
    "ConfigError",
    "Loaded",
    "Problem",
    "SecretSource",
    "Settings",
    "Target",
    "all_secrets",
    "expected_config",
    "expected_headers",
    "labels",
    "load",
    "parse",
]
