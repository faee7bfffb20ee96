"""Sessions with other BGP daemons, in network namespaces: what goes over the wire means the same at both ends."""
