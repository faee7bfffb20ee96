"""Import and export policy."""
