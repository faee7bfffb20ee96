"""The text form of a recorded session.

Sections are headed by ``--- name``: ``about`` (prose), ``node`` (AS number, a line), ``config`` (tables of bgp.toml),
``wire`` and ``expected``. A line of ``wire`` is time in seconds since the first one, connection's number, what
happened, and octets in hex: ``dial`` (we opened it), ``accept`` (the peer did), ``<`` octets to us, ``>`` octets from
us, ``fin`` and ``reset`` by the peer, ``look`` (the tables are written down; connection 0).
"""

from dataclasses import dataclass
from enum import Enum


class What(Enum):
    """What happened on the wire."""

    DIAL = "dial"
    ACCEPT = "accept"
    RECEIVED = "<"
    SENT = ">"
    FIN = "fin"
    RESET = "reset"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One thing on the wire. at: seconds since the first. connection: counted from 1, 0 = none."""

    at: float
    connection: int
    what: What
    octets: bytes = b""

    def format(self) -> str:
        """Return its line."""
        return f"{self.at:.6f} {self.connection} {self.what.value} {self.octets.hex()}".rstrip()

    @classmethod
    def parse(cls, line: str) -> "WireEvent":
        """Return the event of a line. Raises ValueError."""
        at, connection, what, *octets = line.split()
        return cls(float(at), int(connection), What(what), bytes.fromhex("".join(octets)))


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded session. config: what stands below [node] in bgp.toml. expected: what our side made of it."""

    about: str
    asn: int
    config: str
    wire: tuple[WireEvent, ...]
    expected: tuple[str, ...] = ()

    def format(self) -> str:
        """Return the text."""
        wire = "\n".join(event.format() for event in self.wire)
        sections = {
            "about": self.about.strip(),
            "node": str(self.asn),
            "config": self.config.strip(),
            "wire": wire,
            "expected": "\n".join(self.expected),
        }
        return "".join(f"--- {name}\n{text}\n" for name, text in sections.items())

    @classmethod
    def parse(cls, text: str) -> "Recording":
        """Return the recording in a text. Raises ValueError."""
        sections: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in text.splitlines():
            if line.startswith("--- "):
                lines = sections.setdefault(line.removeprefix("--- "), [])
            else:
                lines.append(line)
        return cls(
            "\n".join(sections["about"]),
            int(sections["node"][0]),
            "\n".join(sections["config"]),
            tuple(map(WireEvent.parse, sections["wire"])),
            tuple(sections["expected"]),
        )
