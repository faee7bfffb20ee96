"""BGP over TCP: the only code that dials, listens, reads and writes; and finds out who is on a link.

``peer`` is one configured peer, ``listener`` accepts connections for all of them, ``sockets`` is the kernel's side,
``router_discovery`` finds peers that are named by their interface. Import from the modules.
"""
