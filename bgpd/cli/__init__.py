"""The commands: ``bgpd``, the daemon, and ``bgpctl``, the operator's tool. The only place of uvloop, typer and rich."""
