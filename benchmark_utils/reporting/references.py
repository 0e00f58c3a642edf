"""What gaps are measured from: min h, or the lowest h that is known."""
from collections import namedtuple
from pathlib import Path

import yaml

from benchmark_utils.reporting import tables

REFERENCES = Path(__file__).resolve().parents[2] / "references.yml"
# Beyond what is stored as the lowest value, by more than it is rounded to.
_LOWER = 1e-9
_OF_THIS_RUN = "lowest h of this run"

#: A value of h, and where it is from.
Reference = namedtuple("Reference", ["h_star", "origin"])


def by_seed(df, dataset):
    """Values that gaps are measured from, and where they are from.

    Parameters
    ----------
    df : pandas.DataFrame
        Runs on a dataset, with their ``base_seed`` as text.
    dataset : str
        Full name.

    Returns
    -------
    dict of {str: Reference}
        By seed. The origin is "min h" where the minimum is known, else the
        text stored in ``references.yml`` beside the lowest value known, else
        "lowest h of this run", which flatters the best run and is no
        reference. It is also what holds where a run has gone below what is
        stored: below that of all seeds, for all of them.
    """
    stored = _stored(dataset)
    lowest = df.groupby("base_seed")["objective_value"].min()
    found = {}
    for seed, rows in df.groupby("base_seed"):
        known = _minimum(rows) or stored.get("", stored.get(seed))
        below = lowest.min() if "" in stored else lowest[seed]
        found[seed] = known if known and (
            known.origin == "min h" or not _is_below(below, known.h_star)
        ) else Reference(float(below), _OF_THIS_RUN)
    return found


def _is_below(h, h_star):
    return h < h_star - _LOWER * max(1.0, abs(h_star))


def _minimum(rows):
    """min h, where the rows say how far they are from it."""
    if "objective_value_gap" in rows:
        gaps = rows["objective_value"] - rows["objective_value_gap"]
        if gaps.notna().any():
            return Reference(float(gaps.median()), "min h")
    return None


def _stored(dataset):
    """Of ``references.yml``: by seed, or by "" for one of all seeds."""
    stored = yaml.safe_load(REFERENCES.read_text(encoding="utf-8")) or {}
    entry = next((entry for name, entry in stored.items()
                  if tables.same_name(name, dataset)), None)
    if entry is None:
        return {}
    values = entry.get("values") or {entry.get("seed", ""): entry["value"]}
    return {str(seed): Reference(float(value), entry["origin"])
            for seed, value in values.items()}
