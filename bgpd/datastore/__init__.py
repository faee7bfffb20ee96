"""Where the configuration comes from: bgp.toml alone, or with what a cluster keeps in etcd."""
