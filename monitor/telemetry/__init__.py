"""What the monitor says of itself: metrics, log lines, and how late its event loop is. Listeners of events, never asked."""
