"""No more curves than can be told apart."""
import numpy as np
import pytest
from handmade import problem, table
from matplotlib.text import Text

from benchmark_utils.reporting import figures, overview, prints, styles, views

METHODS = [m for *_, members in styles.FAMILIES.values() for m in members]


def everything(*more):
    """One configuration of each method; in a family the last is the best."""
    return problem(table({
        (f"{method}[step_size=1.0]", 0): [(0, 9), (1, 8 - 0.1 * k)]
        for k, method in enumerate([*METHODS, *more])}))


def test_the_top_has_the_best_of_each_family_and_the_poster():
    shown = [c.method for c in views.headline(everything().best())]
    lasts = [members[-1] for *_, members in styles.FAMILIES.values()]
    assert len(shown) == views.MOST
    assert {"SOBA", "SABA", *lasts} == set(shown)


def test_new_methods_are_always_at_the_top():
    shown = [c.method for c in views.headline(
        everything("Mine", "Yours").best())]
    assert {"Mine", "Yours", "SOBA", "SABA"} <= set(shown)
    assert len(shown) == views.MOST


def test_few_methods_are_all_shown():
    few = problem(table({(f"{m}[step_size=1.0]", 0): [(0, 9), (1, 8)]
                         for m in ("SABA", "SRBA", "SPABA")}))
    assert len(views.shown(few, views.FEW)) == 3


@pytest.mark.parametrize("view", views.VIEWS)
def test_each_view(view):
    shown = [c.method for c in views.shown(everything("Mine"), view)]
    if view in styles.FAMILIES:
        # Beside the best of all.
        assert {*styles.FAMILIES[view][2], "Mine"} == set(shown)
    elif view == views.OTHERS:
        assert shown == ["Mine"]
    elif view != views.FEW:
        assert len(shown) == len(METHODS) + 1


def test_the_menu_has_the_families_of_the_table():
    df = table({("SOBA[step_size=1.0]", 0): [(0, 9)],
                ("Mine[step_size=1.0]", 0): [(0, 9)]})
    assert views.options(df) == [
        views.FEW, "one loop", views.OTHERS, views.EACH]
    # All configurations are more than one of each method.
    two = table({(f"SOBA[step_size={k}]", 0): [(0, 9)] for k in range(2)})
    assert views.options(two) == [
        views.FEW, "one loop", views.EACH, views.ALL]
    # A grid has too many configurations for one page.
    grid = table({(f"SOBA[step_size={k}]", 0): [(0, 9)] for k in range(201)})
    assert views.options(grid) == [views.FEW, "one loop", views.EACH]


def test_a_trace_has_what_can_be_seen():
    x = np.arange(1.0, 7.0)
    y = np.array([3.0, 2.0, 2.0, 2.0, 2.0, 1.23456])
    found = views.trace("SOBA", "a", x, y, y, y)
    assert found["x"] == [1, 2, 5, 6] and found["y"] == [3, 2, 2, 1.23]
    assert "y_low" not in found
    found = views.trace("SOBA", "a", x, y, y, y + (x == 3), n_digits=5)
    assert found["x"] == [1, 2, 3, 4, 5, 6]
    assert found["y_high"] == [3, 2, 3, 2, 2, 1.2346]
    assert found["y_low"] == found["y"]
    assert views.trace("SOBA", "a", [1.0], [2.0])["y"] == [2]
    assert views.trace("SOBA", "a", [], [])["x"] == []


def test_names_at_the_ends_are_apart_and_near():
    rng = np.random.default_rng(0)
    for _ in range(50):
        wanted = np.sort(rng.uniform(0, 1, 10) ** 3)
        places = figures._apart(wanted, 0.06)
        assert np.all(np.diff(places) >= 0.06 - 1e-9)
        assert 0 <= places[0] and places[-1] <= 1 + 1e-9
    np.testing.assert_allclose(figures._apart([0.1, 0.5, 0.9], 0.05),
                               [0.1, 0.5, 0.9])
    np.testing.assert_allclose(figures._apart([0.5, 0.5], 0.1), [0.45, 0.55])


def test_what_is_printed_has_the_first_of_the_table():
    # Of each family the last is the best: those of the largest are.
    def shown(*more):
        return {c.method for c in views.first(everything(*more).best())}

    best = {f"Fast {k}" for k in range(views.FIRST)}
    assert shown(*best) == {*best, "SOBA", "SABA"}
    largest = METHODS[-views.FIRST:]
    assert shown() == {*largest, "SOBA", "SABA"}
    many = shown(*(f"New {k}" for k in range(20)))
    assert {"SOBA", "SABA"} < many and len(many) == views.MOST_PRINTED


DRAWN = {
    "headline": lambda width: figures.headline(everything("Mine"), "t", width),
    "families": lambda width: figures.families(everything("Mine"), "t", width),
    "profile": lambda width: figures.profile(
        [everything("Mine")], "time", 0.9, width),
    "ranks": lambda width: overview.Overview([everything("Mine")]).draw(width),
    "critical difference": lambda width: overview.Overview(
        [everything("Mine")] * 8).separation.draw(width)}


@pytest.mark.parametrize("width", prints.WIDTHS.values())
@pytest.mark.parametrize("name", DRAWN)
def test_text_in_print_is_large_enough_and_on_the_page(name, width):
    figure = DRAWN[name](width)
    figure.canvas.draw()
    assert figure.get_figwidth() == width
    assert figure.get_figheight() < 9.5  # Of a page.
    renderer = figure.canvas.get_renderer()
    beyond = {tick.label1 for ax in figure.axes
              for axis in (ax.xaxis, ax.yaxis)
              for tick in axis.get_major_ticks() if not (
                  axis.get_view_interval()[0] <= tick.get_loc()
                  <= axis.get_view_interval()[1])}
    shown = [text for text in figure.findobj(Text) if text not in beyond
             and text.get_visible() and text.get_text().strip()]
    assert len(shown) > 5
    for text in shown:
        assert text.get_fontsize() >= 7.0, text
        assert "$" not in text.get_text()  # An exponent is smaller.
        box = Text.get_window_extent(text, renderer)
        assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert -1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
    if name in ("headline", "profile"):
        for ax in figure.axes:
            assert len(ax.texts) <= views.MOST_PRINTED
    prints.pyplot().close(figure)


def test_a_gap_of_zero_is_drawn_with_a_mark():
    found = problem(table({
        ("SOBA[step_size=1.0]", 0): [(0, 9), (1, 1), (2, 1e-3)],
        ("SABA[step_size=1.0]", 0): [(0, 9), (1, 0), (2, 0)]}, gap=0.0))
    for draw in (figures.headline, figures.families):
        figure = draw(found, "title")
        ax = figure.axes[0]
        marks = [line for a in figure.axes for line in a.lines
                 if line.get_gid() == "zero" and len(line.get_xdata())]
        assert marks
        for mark in marks:
            # Below all others, where the axis says 0.
            assert mark.get_ydata()[0] == pytest.approx(1e-4)
            assert mark.get_marker() == "v"
        ticks = dict(zip(ax.get_yticks(), (
            label.get_text() for label in ax.get_yticklabels()), strict=True))
        assert ticks[min(ticks)] == "0"
        assert min(ticks) == pytest.approx(1e-4)
        assert min(ticks) >= ax.get_ylim()[0]
        assert any("triangles" in text.get_text() for text in figure.texts)
        prints.pyplot().close(figure)


@pytest.mark.parametrize("width", prints.WIDTHS.values())
@pytest.mark.parametrize("draw", [figures.headline, figures.families])
def test_names_in_figures_do_not_overlap(draw, width):
    figure = draw(everything("Mine"), "title", width)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for ax in figure.axes:
        # Of the text alone, without the line to its curve.
        boxes = [Text.get_window_extent(text, renderer).padded(-1.0)
                 for text in ax.texts]
        for k, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[k + 1:])
            assert box.x1 <= figure.bbox.x1
            assert not any(box.overlaps(other.get_window_extent())
                           for other in figure.axes if other.axison)
    prints.pyplot().close(figure)
