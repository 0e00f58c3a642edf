"""How methods are drawn: the same colour, line and marker in every plot.

A family shares a hue. Within it, shade, line and marker differ, so that no
two methods are told apart by colour alone. Nor are those of two families whose
colours are alike to people with protanopia or deuteranopia: they have other
lines, too.
"""
import colorsys
import zlib
from functools import cache

from benchmark_utils.reporting.vision import difference

#: A hue (0 to 1), a saturation and the members, of each family.
FAMILIES = {
    "one loop": (0.58, 1.0, ["SOBA", "TTSA", "NSBO-SGD", "SLIP"]),
    "momentum": (
        0.48, 1.0, ["MA-SOBA", "FSLA", "SUSTAIN", "MRBO", "FMBO"]),
    "variance reduced": (
        0.05, 1.0, ["SABA", "SRBA", "SPABA", "VRBO", "SFFBA", "MSEBA"]),
    "two loops": (0.33, 0.9, ["StocBiO", "AmIGO", "BSA", "ALSET"]),
    "penalty, first order": (
        0.78, 0.65, ["F2SA", "F2SA-p", "F3SA", "BOME", "V-PBGD", "MEHA",
                     "FdeHBO", "PZOBO"]),
    "adaptive steps": (
        0.14, 1.0, ["S-TFBO", "D-TFBO", "AdamBO", "Ada-BiO", "BiAdam"]),
    "deterministic": (
        0.95, 0.75, ["AID-GD", "ITD", "HOAG", "MAID", "SHINE", "LancBiO",
                     "RAHGD", "L-BFGS"]),
    "black box": (0.0, 0.0, ["Optuna", "RandomSearch"]),
}

#: Of benchopt and matplotlib alike: all can be seen.
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", "p", ">", "h", "d",
           "H", "8", "1", "2", "3", "4"]
LINES = ["-", "--", "-.", ":", (0, (10, 2.5)), (0, (5, 1, 1, 1, 1, 1)),
         (0, (2, 1)), (0, (9, 2, 2, 2)), (0, (1, 3)),
         (0, (6, 1, 1, 1, 1, 1, 1, 1))]
#: Colours that are nearer, however they are seen, have other lines.
ALIKE = 15.0
# Brightness of the members in turn: neighbours differ most. The hue moves a
# little, too.
_VALUES = [0.78, 0.40, 0.95, 0.58, 0.35, 0.88, 0.50, 0.68]
_SPREAD = 0.035
# Brighter lines are hard to see on white.
_BRIGHTEST = 0.5
_N_OTHERS = 6 * len(MARKERS)
_others = {}  # Places of methods outside the families.


def order(method):
    """Sorting key: families in turn, then methods outside of them."""
    known = [m for *_, members in FAMILIES.values() for m in members]
    return (known.index(method) if method in known else len(known), method)


def family_of(method):
    """Family that a method belongs to, or None."""
    return next((family for family, (*_, members) in FAMILIES.items()
                 if method in members), None)


def color(method):
    """Colour of a method, as red, green, blue and opacity."""
    for hue, saturation, members in FAMILIES.values():
        if method in members:
            k, n = members.index(method), len(members)
            return _visible(
                hue + _SPREAD * (2 * k / max(1, n - 1) - 1),
                saturation, _VALUES[k % len(_VALUES)])
    # Between the hues of the families.
    place = _place(method)
    return _visible(place % 6 / 6 + 0.22, 0.85, 0.45 + 0.1 * (place % 5))


def _visible(hue, saturation, value):
    """A colour that is dark enough to be seen on white."""
    rgb = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    seen = sum(weight * part for weight, part in zip(
        (0.21, 0.72, 0.07), rgb, strict=True))
    return *(part * min(1.0, _BRIGHTEST / seen) for part in rgb), 1.0


def marker(method):
    """Marker of a method, as matplotlib names it."""
    for first, (*_, members) in enumerate(FAMILIES.values()):
        if method in members:
            return MARKERS[(first + members.index(method)) % len(MARKERS)]
    return MARKERS[_place(method) % len(MARKERS)]


def line(method):
    """Line style of a method, as matplotlib takes it."""
    known = _lines()
    if method in known:
        return LINES[known[method]]
    return LINES[_first_free(_place(method), {
        known[other] for other in known
        if difference(color(method), color(other)) < ALIKE})]


@cache
def _lines():
    """Numbers of the lines of all methods of the families."""
    found = {}
    for *_, members in FAMILIES.values():
        for k, method in enumerate(members):
            found[method] = _first_free(k, {
                found[other] for other in found if other in members
                or difference(color(method), color(other)) < ALIKE})
    return found


def _first_free(wanted, taken):
    """A number of a line that is not taken, from the wanted one on."""
    places = [(wanted + k) % len(LINES) for k in range(len(LINES))]
    return next((k for k in places if k not in taken), places[0])


def style(method, label):
    """What benchopt's plots want of a curve.

    Parameters
    ----------
    method : str
        ``name`` of a solver.
    label : str
        Text of the legend.

    Returns
    -------
    dict
        With ``label``, ``color`` (RGBA) and ``marker``.
    """
    return dict(label=label, color=color(method), marker=marker(method))


def embed_fonts():
    """Let matplotlib write fonts of type 42 to PDF and PostScript.

    Conferences refuse those of Type 3, which are its default.
    """
    import matplotlib

    for key in ("pdf.fonttype", "ps.fonttype"):
        matplotlib.rcParams[key] = 42


def _place(method):
    """A number of a method outside the families that no other one has.

    It follows from the name, so that it is the same in all plots, but for
    names that would share it.
    """
    if method not in _others:
        place = zlib.crc32(method.encode()) % _N_OTHERS
        while place in _others.values() and len(_others) < _N_OTHERS:
            place = (place + 1) % _N_OTHERS
        _others[method] = place
    return _others[method]
