"""``python -m bgpd`` is the daemon."""

from bgpd.cli.main import main

if __name__ == "__main__":
    main()
