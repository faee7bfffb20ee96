"""The BGP finite state machine: events in, actions out. Pure.

RFC 4271 section 8. ``machine`` runs the table of ``transitions``; ``collision`` and ``graceful_restart`` are machines
of their own. Import from the modules.
"""
