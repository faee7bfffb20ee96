"""The speaker: where all parts come together. The only package that imports them all; only ``cli`` imports it."""

from bgpd.speaker.speaker import Speaker

__all__ = ["Speaker"]
