"""Intake: everyday UPDATEs go to their tables in runs, without a look at each of them by itself. Hot."""

from collections.abc import Mapping

from bgpd.families import Family
from bgpd.messages.everyday import classic, multiprotocol
from bgpd.messages.negotiated import Negotiated
from bgpd.rib.adj_rib_in import AdjRibIn
from bgpd.session.connection import Inbox


def take_everyday(
    inbox: Inbox, stop: int, negotiated: Negotiated, ribs: Mapping[Family, AdjRibIn], most_routes: int
) -> None:
    """Take the UPDATEs that are next in the inbox as far as they are everyday ones; the index is at the first other.

    stop: as for ``connection.Deliver``. most_routes: a table that might get more is left to be looked at one by one.
    """
    buffer, messages = inbox.buffer, inbox.messages
    _, start, _ = messages[inbox.index]
    if buffer[start] or buffer[start + 1]:  # it withdraws
        return
    for family in negotiated.families:
        rib = ribs[family]
        # No route is less than an octet; the last message begins before ``stop`` and may reach far behind it
        if rib.has_path_ids or len(rib) + stop - start + negotiated.max_receive > most_routes:
            continue
        run = map(messages.__getitem__, range(inbox.index, len(messages)))
        routes = classic(buffer, run, stop) if family.is_classic else multiprotocol(buffer, run, stop, family)
        inbox.index += rib.announce_run(routes)
