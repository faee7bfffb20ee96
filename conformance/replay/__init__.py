"""Sessions with real daemons, recorded once and replayed to the speaker in memory, on virtual time.

A recording is a text file in ``recordings/``: what it shows, our configuration, what came and went on the wire with the
time of each, and what our side made of it. The test gives the peer's octets to a speaker again and expects the same
messages from us as were recorded, and the same states and tables as are written down.

How to record one (as root, with the daemon installed):

1. Write a scenario in ``record.py``: our configuration, the other daemon's, and what happens.
2. ``python -m conformance.replay.record NAME`` runs bgpd and the daemon in two namespaces, listens on the wire between
   them, replays what it heard and writes ``recordings/NAME.txt``.
3. Read the file: the last section is what will be expected from now on. When our behaviour changes for a good reason,
   ``python -m conformance.replay.record --again NAME`` writes that section anew, without the daemon.
"""
