"""What every table of bgp.toml is made of.

A key's type carries its range, its description (``about``) and how its text is written (``written``): the reader checks
with them, and the reference in ``docs/configuration.md`` is made of them. A text default of ``""`` with ``required``
means that the key must be there.
"""

import msgspec
from msgspec import Meta

from bgpd.config.syntax import Syntax


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any table of the file."""


def about(description: str, *, default: str = "", written: Syntax | None = None, required: bool = False) -> Meta:
    """Return a key's description, and what the reader needs to know beside its type.

    default: in words, where the field's own default does not say it. written: how its text is written. required: the
    key must be there, whatever the field's default.
    """
    return Meta(description=description, extra={"default": default, "syntax": written, "required": required})


def written(how: Syntax) -> Meta:
    """Return how a value's text is written."""
    return Meta(extra={"syntax": how})
