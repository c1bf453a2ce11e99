"""What decides. Every rule by which this program judges a gateway lives in this package.

The laws of this package, enforced by import-linter, ruff and the tests:

1. What decides lives here; nothing here acts: no I/O, no clock, no async, no logging, no randomness.
2. Time arrives as an argument called ``now`` (Unix seconds, UTC).
3. Functions return new values; nothing is mutated.
4. Every enum is closed; every ``match`` ends in ``assert_never`` or has a test of totality.

Where to look: `engine` is the only way anything remembered changes, `inputs` is what changes it, `events` what is said of a change.
`model` is the vocabulary, `faults` the table of faults, `backend` what can be told of a trace where it arrives. `trace` and
`arrival` judge one trace, `trace_looks` applies a look for one, `streaks` says what a check and what all traces together confirm
(`outcomes`: which faults show in which traces). `volume` compares two counts. `secret` and `drift` compare the configuration,
`config_memory` remembers it, `key` asks whose key is wrong, `suspicions` words what a check suspects, `text` how all of it is
written. `refine` and `diagnosis` name what is wrong, and what a fixed cause still has to prove; `path` says at which hop, with
`hints` from `gateway_policies` and `pipeline_counters`. `incident_lifecycle` opens and resolves incidents and counts what became of
their canaries, `notify` decides who must be notified of them, `delivery` which of them are one event to the people on call, what
goes first and what is tried again when, `silence` of what nobody is, `pace` when a check looks and when a canary may be sent.
"""
