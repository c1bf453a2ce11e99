"""Gateway Trace Monitor: proves, minute by minute, that the traces of a TrueFoundry AI Gateway really arrive in Traceloop."""
