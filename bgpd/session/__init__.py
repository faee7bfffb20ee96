"""BGP over TCP: the only code that dials, listens, reads and writes.

``peer`` is one configured peer, ``listener`` accepts connections for all of them, ``sockets`` is the kernel's side.
Import from the modules.
"""
