"""What decides. Every rule by which this program judges a gateway lives in this package.

The laws of this package, enforced by import-linter, ruff and the tests:

1. What decides lives here; nothing here acts: no I/O, no clock, no async, no logging, no randomness.
2. Time arrives as an argument called ``now`` (Unix seconds, UTC).
3. Functions return new values; nothing is mutated.
4. Every enum is closed; every ``match`` ends in ``assert_never`` or has a test of totality.

Where to look: `model` is the vocabulary, `faults` the table of faults: when each is said, why, what to do; `secret`, `drift` and
`key` compare the configuration, `trace` and `arrival` judge one trace, `series` all of them (`signs` is what is asked of each),
`trend` debounces a check, `triage`, `weighing` and `diagnosis` name the broken hop, `switches` and `hop` are what is seen beside the
checks and `circumstances` what is made of that, `mend` what is being proven, `life` opens and resolves incidents (`register` keeps
them, `gap` is one that was over at once, `window` what became of its canaries), `telling` decides what to tell, `silence` what not
to, `budget` and `cadence` when a canary may be sent, and `absorb` is the only way anything remembered changes.
"""
