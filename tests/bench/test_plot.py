import itertools
from xml.etree import ElementTree

from bench.plot import Line, plot

LINES = (Line("one", 0, ((100.0, 1.0), (1000.0, 10.0))), Line("two", 1, ((100.0, 2.0),)), Line("none", 2, ()))
SVG = "{http://www.w3.org/2000/svg}"


def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(plot("a < b", "prefixes", "seconds", LINES))


def test_a_plot_is_well_formed_and_has_its_texts() -> None:
    texts = [element.text for element in drawn().iter(f"{SVG}text")]

    assert {"a < b", "prefixes", "seconds", "one", "two"} <= set(texts)
    assert "none" not in texts


def test_more_is_higher_and_further_right() -> None:
    first, second = [
        (float(element.get("cx", "")), float(element.get("cy", ""))) for element in drawn().iter(f"{SVG}circle")
    ][:2]

    assert second[0] > first[0]
    assert second[1] < first[1]


def test_names_do_not_cover_one_another() -> None:
    lines = [Line(str(number), number, ((1.0, 1.0), (2.0, 1.0 + number / 1000))) for number in range(5)]
    root = ElementTree.fromstring(plot("close", "x", "y", lines))
    heights = sorted(
        float(t.get("y", "")) for t in root.iter(f"{SVG}text") if (t.text or "-") in "01234" and t.get("x") == "632.0"
    )

    assert len(heights) == 5
    assert min(later - earlier for earlier, later in itertools.pairwise(heights)) >= 15
