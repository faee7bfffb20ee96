"""The benchmark suite: daemons side by side on one machine, and the figures that are kept (README.md)."""
