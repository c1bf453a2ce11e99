"""Stories on a virtual clock: what would be told, to whom and when, without waiting and without asking anybody.

timeline, script   what happens, read from a file
stage              the real daemon on the sandbox; only clock and network are not real
play               lets it happen
history, replay    or else what was recorded of the real world, through the same engine and the same telling
reader             what stands in Slack, and how it got there
"""
