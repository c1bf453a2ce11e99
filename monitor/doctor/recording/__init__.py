"""Redacted answers for a bug report: one file for each exchange, and an index.

Nothing is kept unless it is known to be harmless. Whatever is not a public word, a number, or a moment is replaced by a made-up
one, always the same for the same, so that what was equal stays equal and a recording can be played to the adapters again.

    words        the public words that are kept
    disguise     texts, names, ids, hosts and secrets to made-up ones
    feedback     the header that holds JSON in base64
    sample       one exchange
    settings     the configuration
    recorder     the directory
"""

from monitor.doctor.recording.recorder import Recorder, Unfit

__all__ = ["Recorder", "Unfit"]
