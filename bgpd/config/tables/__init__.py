"""The tables of bgp.toml: one Struct for each, one field for each key. Import from the modules."""
