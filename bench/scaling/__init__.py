"""What many reflectors and hierarchies of them do to sessions, messages and memory: a simulation in virtual time.

``python -m bench.scaling`` writes docs/scaling.md. Nothing is random, so it writes the same page each time.
"""
