"""A BGP-4 speaker for container clusters that route without an overlay."""

__version__ = "0.1.0"
