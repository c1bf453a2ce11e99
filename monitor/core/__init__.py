"""What decides. Every rule by which this program judges a gateway lives in this package.

The laws of this package, enforced by import-linter, ruff and the tests:

1. What decides lives here; nothing here acts: no I/O, no clock, no async, no logging, no randomness.
2. Time arrives as an argument called ``now`` (Unix seconds, UTC).
3. Functions return new values; nothing is mutated.
4. Every enum is closed; every ``match`` ends in ``assert_never`` or has a test of totality.

Where to look: `model` is the vocabulary, `faults` the table of faults. `engine` is the only way anything remembered changes; `trace`
and `arrival` judge one trace, `series` all of them (`outcomes` says which faults show in which), `trend` debounces a check. `secret`
and `drift` compare the configuration, `key` asks whose key is wrong, `suspicions` words what a look holds against the world. `refine`
and `diagnosis` name what is broken, with `hints` from `gateway_policies` and `pipeline_counters`; `mend` is what is being proven,
`incident_lifecycle` opens and resolves incidents, `notify` decides who must be notified of them, `silence` of what nobody is, `budget`
and `cadence` when a canary may be sent.
"""
