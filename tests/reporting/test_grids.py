"""The grid of a method, and how it grows."""
import numpy as np
import pytest
import yaml
from harness import SOLVERS

from benchmark_utils.reporting import grids
from benchmark_utils.reporting.suite import Method, configurations, methods


class Solver:
    """What a grid needs of a class of benchopt."""

    name = "Mine"
    parameters = {"step_size": [1.0], "outer_ratio": [1.0], "eta": [0.5],
                  "n_inner_steps": [10], "kind": ["a"], "batch_size": [64]}
    grid = {"eta": [0.1, 1.0], "n_inner_steps": [1, 3, 10],
            "kind": ["a", "b"]}
    constraints = SOLVERS["SOBA"].constraints | SOLVERS["FSLA"].constraints


def method(fixed=None, **attributes):
    return Method(type("Solver", (Solver,), attributes), "Mine", fixed or {})


def test_axes_come_from_the_class_and_what_is_typed():
    assert grids.axes(method()) == {
        **grids.STEPS, "eta": [0.1, 1.0], "n_inner_steps": [1, 3, 10],
        "kind": ["a", "b"], "batch_size": [64]}
    found = grids.axes(method(
        {"eta": ["2e0"]}, grid={"step_size": 0.5, "batch_size": ["1e1"]}))
    assert found["step_size"] == [0.5] and found["eta"] == [2.0]
    assert found["batch_size"] == [10]


@pytest.mark.parametrize("attributes, reason", [
    (dict(grid={"etta": [1]}), "grid=.*Mine.*'etta'"),
    (dict(grid={"eta": [-1.0]}), "eta=-1.0"),
    (dict(fixed={"step_size": [0]}), "step_size=0")])
def test_a_grid_that_is_not_valid_is_named(attributes, reason):
    with pytest.raises(ValueError, match=reason):
        grids.axes(method(**attributes))


def test_what_is_tried_next_does_not_go_below_the_least():
    bounded = method(least={"eta": 0.05})
    found = grids.first(bounded, 24)
    best = {**found[0], "eta": 0.1}
    tried, lowest = [*found, best], {}
    for name, mine in (("bounded", bounded), ("free", method())):
        lowest[name] = min(
            p["eta"] for p in grids.more(mine, tried, best, 100))
    assert lowest == {"bounded": 0.1, "free": 0.01}
    # What is typed is the user's, and what is tried around it too.
    typed = method({"eta": [0.001]}, least={"eta": 0.05})
    found = grids.first(typed, 24)
    assert {p["eta"] for p in found} == {0.001}
    assert grids.more(typed, found, found[0], 6)
    with pytest.raises(ValueError, match="eta=0.1 .*>= 0.5"):
        grids.axes(method(least={"eta": 0.5}))


@pytest.mark.parametrize("name, parameter", [
    ("F2SA", "lmbda0"), ("F3SA", "lmbda0"), ("V-PBGD", "lmbda"),
    ("MEHA", "lmbda0")])
def test_penalties_are_not_tuned_away(name, parameter):
    mine = Method(SOLVERS[name], name, {})
    tried = grids.first(mine, 20)
    best = min(tried, key=lambda p: p[parameter])
    for _ in range(20):
        new = grids.more(mine, tried, best, 6)
        tried += new
        best = min([best, *new], key=lambda p: p[parameter])
    assert 0.1 <= best[parameter] < 0.3


def test_the_whole_grid_where_it_is_small():
    few = method(grid={"step_size": [0.1, 1.0], "outer_ratio": [1, 10]})
    found = grids.first(few, 10)
    assert len(found) == 4
    assert {(p["step_size"], p["outer_ratio"]) for p in found} == {
        (0.1, 1.0), (0.1, 10.0), (1.0, 1.0), (1.0, 10.0)}
    assert all(p["eta"] == 0.5 for p in found)


def test_a_thinned_grid_keeps_all_pairs_of_steps():
    found = grids.first(method(), 48)
    assert len(found) == len({grids.key(p) for p in found}) == 48
    pairs = [(p["step_size"], p["outer_ratio"]) for p in found]
    assert len(set(pairs)) == 24
    # The other parameters take turns.
    for name, values in method().cls.grid.items():
        counts = [sum(p[name] == value for p in found) for value in values]
        assert max(counts) - min(counts) <= 8, (name, counts)
    assert found == grids.first(method(), 48)
    assert len(grids.first(method(), 10)) == 10


def steps(found):
    return [(p["step_size"], p["outer_ratio"]) for p in found]


def test_growth_goes_beyond_the_edge_then_around():
    two = method(grid={"step_size": [0.1, 0.32, 1.0],
                       "outer_ratio": [0.1, 1.0, 10.0]})
    tried = grids.first(two, 9)
    best = next(p for p in tried if steps([p]) == [(1.0, 0.1)])
    found = steps(grids.more(two, tried, best, 20))
    # Beyond both edges, also with the same step of x.
    assert found[:4] == [(3.2, 0.1), (3.2, 0.32), (1.0, 0.01), (0.1, 0.01)]
    # Values between, where neighbours are far apart.
    assert set(found[4:]) == {(1.0, 0.32), (0.56, 0.1)}
    # An inner best is only refined.
    best = next(p for p in tried if steps([p]) == [(0.32, 1.0)])
    found = steps(grids.more(two, tried, best, 20))
    assert set(found) == {(0.18, 1.0), (0.56, 1.0), (0.32, 0.32),
                          (0.32, 3.2)}
    assert len(grids.more(two, tried, best, 3)) == 3


def test_growth_knows_what_is_allowed():
    own = method(grid={"step_size": [1.0], "outer_ratio": [1.0],
                       "n_inner_steps": [1, 3, 10], "eta": [0.5]})
    tried = grids.first(own, 9)
    best = next(p for p in tried if p["n_inner_steps"] == 1)
    found = [p["n_inner_steps"] for p in grids.more(own, tried, best, 9)]
    assert found == [2]  # Not 0, and integers.
    # A value that was typed stays.
    typed = method({"step_size": [0.1, 1.0]})
    tried = grids.first(typed, 400)
    assert {p["step_size"] for p in grids.more(typed, tried, tried[0], 99)
            } <= {0.1, 1.0}


def test_where_all_diverged_steps_shrink():
    tried = grids.first(method(grid={}), 24)
    found = steps(grids.more(method(grid={}), tried, None, 3))
    assert found == [(0.032, 10.0), (0.032, 3.2), (0.1, 100.0)]


def test_one_configuration_has_nothing_to_grow():
    one = method(grid={"step_size": [1.0], "outer_ratio": [1.0]})
    tried = grids.first(one, 5)
    assert len(tried) == 1
    assert grids.more(one, tried, tried[0], 5) == []


def test_names_are_those_that_a_config_file_gives():
    one, = methods(["RandomSearch"])[0]
    for parameters in grids.first(one, 5):
        text = yaml.safe_dump({"solver": [one.entry(parameters)]})
        (read, values), = configurations(yaml.safe_load(text))
        name = str(read.cls.get_instance(**values))
        assert name == one.full_name(parameters)
        assert "box=[" in name


def test_every_solver_of_the_suite_has_a_grid():
    found, _ = methods()
    assert len(found) >= 21
    for one in found:
        tried = grids.first(one, 40)
        assert 1 <= len(tried) <= 40
        assert len({one.full_name(p) for p in tried}) == len(tried)
        for parameters in grids.more(one, tried, tried[0], 6):
            assert one.full_name(parameters)
        assert np.all([set(p) == set(one.cls.parameters) for p in tried])


def test_smaller_steps_leave_what_is_typed_and_are_allowed():
    parameters = {"step_size": 1.0, "outer_ratio": 0.01, "eta": 0.5}
    assert grids.smaller(method(), parameters) == [
        {**parameters, "outer_ratio": 0.032},
        {**parameters, "step_size": 0.32}]
    assert grids.smaller(method({"outer_ratio": [0.01]}), parameters) == [
        {**parameters, "step_size": 0.32}]
    assert grids.smaller(method(), {"eta": 0.5}) == []
