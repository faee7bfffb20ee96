"""A daemon under peers that come and go at random: nothing may be left of those that went.

``python -m conformance.soak.run`` (``make soak``) starts bgpd, joins it with simulated peers over loopback, lets it
settle and measures it; then peers flap at random for the given time, all come back once more with the routes they had,
and it is measured again. Tasks, file descriptors and paths must be as many as before, memory within a tenth.
"""
