"""The C allocator: it keeps what was freed between blocks in use, unless it is asked to give it back to the system."""


def give_back() -> bool:
    """Let the system have the pages that nothing is in (malloc_trim(3)); return whether the C library can be asked to.

    Took 0.6 to 5 ms with 100,000 routes of 200 peers that had all come back at once, for up to 14 of 105 MB.
    """
    try:
        import ctypes  # here: an idle daemon has the time for it that a start has not
    except ImportError:  # a Python without it does without this, too
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # another C library than glibc
        return False
    trim(ctypes.c_size_t(0))
    return True
