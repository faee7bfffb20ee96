"""Work on whole tables in slices."""

from collections.abc import Iterator
from typing import Any

from bgpd.speaker.slices import Slicer
from tests.support.virtual_loop import VirtualLoop


def test_a_job_that_fails_does_not_keep_the_others_from_being_done() -> None:
    loop = VirtualLoop()
    done: list[str] = []
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    slicer = Slicer(loop)

    def fails() -> Iterator[None]:
        yield
        raise ValueError("test")

    def works(name: str) -> Iterator[None]:
        yield
        done.append(name)

    slicer.add(fails())
    slicer.add(works("waiting"))
    loop.run_for(1)
    slicer.add(works("later"))
    loop.run_for(1)
    assert done == ["waiting", "later"]
    assert [str(fault["exception"]) for fault in faults] == ["test"]
    assert not len(slicer)
    loop.close()
