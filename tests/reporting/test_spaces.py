"""The search space of a method, and points in it."""
import math

import numpy as np
import pytest
import yaml
from harness import SOLVERS

from benchmark_utils.reporting.spaces import STEPS, Space, key
from benchmark_utils.reporting.suite import Method, configurations, methods


class Solver:
    """What a space needs of a class of benchopt."""

    name = "Mine"
    parameters = {"step_size": [1.0], "outer_ratio": [1.0], "eta": [0.5],
                  "n_inner_steps": [10], "kind": ["a"], "batch_size": [64]}
    search_space = {"eta": (0.1, 10.0), "n_inner_steps": (1, 30),
                    "kind": ["a", "b"]}
    constraints = SOLVERS["SOBA"].constraints | SOLVERS["FSLA"].constraints


def space(fixed=None, **attributes):
    return Space(Method(type("Solver", (Solver,), attributes), "Mine",
                        fixed or {}))


def test_axes_come_from_the_class_and_what_is_typed():
    assert space().axes == {
        **STEPS, "eta": (0.1, 10.0), "n_inner_steps": (1, 30),
        "kind": ["a", "b"], "batch_size": [64]}
    found = space({"eta": ["2e0"]}, search_space={
        "step_size": 0.5, "batch_size": ["1e1"]}).axes
    assert found["step_size"] == [0.5] and found["eta"] == [2.0]
    assert found["batch_size"] == [10]


@pytest.mark.parametrize("attributes, reason", [
    (dict(search_space={"etta": [1]}), "search_space=.*Mine.*'etta'"),
    (dict(search_space={"eta": [-1.0]}), "eta=-1.0"),
    (dict(search_space={"eta": (-1.0, 1.0)}), r"eta=\(-1.0, 1.0\).*low < h"),
    (dict(search_space={"eta": (1.0, 1.0)}), r"eta=\(1.0, 1.0\).*low < h"),
    (dict(least={"eta": 0.2}), "eta=0.1"),
    (dict(grid={"eta": [1.0]}), "grid of Mine .* search_space now"),
    (dict(fixed={"step_size": [0]}), "step_size=0")])
def test_a_space_that_is_not_valid_is_named(attributes, reason):
    with pytest.raises(ValueError, match=reason):
        space(**attributes)


@pytest.mark.parametrize("n", [1, 4, 16, 20, 64])
def test_points_differ_and_begin_with_the_defaults(n):
    found = space().points(n)
    assert len({key(p) for p in found}) == len(found) == n
    assert found[0] == {name: default for name, (default, *_)
                        in Solver.parameters.items()}
    assert found == space().points(n)
    for point in found:
        assert 1 <= point["n_inner_steps"] <= 30
        assert isinstance(point["n_inner_steps"], int)
        assert 0.03 <= point["step_size"] <= 10


def test_points_cover_the_space_evenly():
    found = space().points(64)[1:]
    for name, (low, high) in [*STEPS.items(), ("eta", (0.1, 10.0))]:
        shares = np.log([p[name] / low for p in found]) / math.log(high / low)
        counts, _ = np.histogram(shares, bins=4, range=(0, 1))
        assert counts.min() >= 12, (name, counts)
    kinds = [p["kind"] for p in found]
    assert abs(kinds.count("a") - kinds.count("b")) <= 9


def test_choices_alone_come_to_an_end():
    few = space(search_space={"step_size": [0.1, 1.0], "outer_ratio": 1.0,
                              "kind": ["a", "b"]})
    found = few.points(32)
    assert len(found) == 4 and few.points(8, found, found[0], 1) == []


def test_around_the_best_ranges_are_half_as_wide():
    whole = space()
    best = whole.points(8)[3] | {"step_size": 10.0, "kind": "b"}
    found = whole.points(64, [best], best, halvings=1)
    steps = [p["step_size"] for p in found]
    quarter = (10.0 / 0.03) ** 0.25
    # Beyond the end of the range, where the best lies there.
    assert 10.0 < max(steps) <= 10.1 * quarter
    assert min(steps) >= 0.99 * 10.0 / quarter
    # Three in four have the choice of the best.
    assert sum(p["kind"] == "b" for p in found) > 32
    assert whole.points(8, [best], best, 1) != whole.points(8, [best], best, 2)


def test_ends_with_a_least_value_or_a_constraint_stay():
    closed = space(search_space={"eta": (0.5, 10.0)}, least={"eta": 0.5})
    best = closed.points(1)[0] | {"eta": 0.5, "n_inner_steps": 1}
    found = closed.points(64, [best], best, 1)
    assert min(p["eta"] for p in found) >= 0.5
    own = space(search_space={"theta": (0.1, 1.0)},
                parameters={"theta": [0.5]},
                constraints=SOLVERS["SABA"].constraints)
    found = own.points(32, [{"theta": 1.0}], {"theta": 1.0}, 1)
    # theta is at most 1, says its constraint.
    assert found and max(p["theta"] for p in found) <= 1.0


def test_what_is_typed_stays():
    typed = space({"step_size": [0.1, 1.0]})
    tried = typed.points(32)
    more = typed.points(32, tried, tried[0], 1)
    assert {p["step_size"] for p in tried + more} == {0.1, 1.0}


def test_the_most_careful_has_the_smallest_step_of_x():
    tried = [{"step_size": 1.0, "outer_ratio": 10.0},
             {"step_size": 0.1, "outer_ratio": 0.1}]
    assert space().smallest(tried) is tried[0]
    assert space().smallest([{"eta": 1.0}]) == {"eta": 1.0}


def test_ends_of_the_space_are_said():
    point = space().points(1)[0]
    assert space().edges(point) == []
    edge, = space().edges(point | {"step_size": 30.0})
    assert edge == "step_size=30.0 of 0.03 to 10.0"


def test_parameters_that_are_given_together_stay_so():
    joint = space(parameters={"a, b": [(1, 2)]}, constraints={},
                  search_space={"a, b": [(1, 2), (3, 4)]})
    assert joint.points(5) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_names_are_those_that_a_config_file_gives():
    one, = methods(["RandomSearch"])[0]
    for parameters in Space(one).points(5):
        text = yaml.safe_dump({"solver": [one.entry(parameters)]})
        (read, values), = configurations(yaml.safe_load(text))
        name = str(read.cls.get_instance(**values))
        assert name == one.full_name(parameters)
        assert "box=[" in name


def test_every_solver_of_the_suite_has_a_space():
    found, _ = methods()
    assert len(found) >= 21
    for one in found:
        whole = Space(one)
        tried = whole.points(16)
        assert 1 <= len(tried) <= 16
        tried += whole.points(8, tried, tried[0], 1)
        assert len({one.full_name(p) for p in tried}) == len(tried)
        names = {name.strip() for key in one.cls.parameters
                 for name in key.split(",")}
        assert all(set(p) == names for p in tried)


@pytest.mark.parametrize("name, parameter", [
    ("F2SA", "lmbda0"), ("F3SA", "lmbda0"), ("V-PBGD", "lmbda"),
    ("MEHA", "lmbda0"), ("SRBA", "period_frac"), ("VRBO", "period_frac")])
def test_what_makes_another_method_is_not_searched(name, parameter):
    """Multipliers far under their bound, a period of one iteration."""
    whole = Space(Method(SOLVERS[name], name, {}))
    best = {**whole.points(1)[0], parameter: 0.1}
    found = whole.points(64, [best], best, 1)
    assert len(found) > 30 and min(p[parameter] for p in found) >= 0.1


def test_what_is_typed_may_be_below_the_least():
    typed = space({"eta": [0.001]}, least={"eta": 0.05})
    assert {p["eta"] for p in typed.points(8)} == {0.001}
