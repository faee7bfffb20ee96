"""One HTTP API for ``bgpctl``, for Prometheus and for probes: rows, views of the speaker, the server.

Import the module that you need: ``rows`` alone is cheap, ``server`` brings aiohttp in.
"""
