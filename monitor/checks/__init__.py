"""What is looked at, and what an answer means.

A check asks through ports, decides what the answer says about the target, and reports it to its target store. What an error means
is decided here: no answer from the gateway is a fault of the target; no answer from a read API only means that we
cannot see.
"""
