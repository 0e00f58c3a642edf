"""How samples of multinomial functions are stored, for any sizes."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmark_utils.functions.multinomial import layout
from benchmark_utils.functions.multinomial.layout import (
    GROUP,
    PANEL,
    cut,
    dense_entries,
    sparse_entries,
)


def restored(entries, chunks, shape):
    """Samples in the order of their places, from what is stored of them."""
    n, p = shape
    X = np.zeros(shape)
    w = min(chunks.size, PANEL)
    panels = entries.panels.reshape(
        len(chunks.start), chunks.size // w, len(entries.whole), w)
    all_values = entries.values.reshape(-1, GROUP)
    for c, (start, stop) in enumerate(
            zip(chunks.start, chunks.stop, strict=True)):
        rows = panels[c].transpose(0, 2, 1).reshape(chunks.size, -1)
        assert not rows[stop - start:].any()
        X[start:stop, entries.whole] = rows[:stop - start]
        groups = slice(*entries.first_group[c:c + 2])
        stored = slice(*entries.first_row[c:c + 2])
        columns = entries.columns.reshape(-1, GROUP)[groups]
        values = all_values[stored]
        counts = entries.counts[groups].astype(int)
        assert np.all(np.diff(counts) >= 0)
        repeated = np.repeat(columns, counts, axis=0)
        for slot in range(GROUP):
            X[start + entries.rows[stored], repeated[:, slot]] += (
                values[:, slot])
            # A feature has values in the last of its places alone.
            again = np.any(
                columns[:, slot + 1:] == columns[:, slot:slot + 1], axis=1)
            assert not values[np.repeat(again, counts), slot].any()
    assert entries.first_row[-1] == len(entries.rows)
    assert entries.first_group[-1] == len(entries.counts)
    return X + entries.background if entries.background.size else X


@pytest.fixture(scope="module", autouse=True)
def small_slabs():
    """Several of them, in small data too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "_SLAB", 300)
        patch.setattr(layout, "_SLAB_ROWS", 30)
        yield


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 70),
       st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.booleans(),
       st.integers(0, 2**32 - 1), st.data())
def test_nothing_is_lost(n, p, n_scores, density, is_sparse, seed, data):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(n, p)) * (rng.uniform(size=(n, p)) < density)
    X = X * rng.integers(2, size=p)  # Columns of zeros.
    offset = rng.integers(-1, 2, size=p).astype(float)
    batch_size = data.draw(st.integers(1, n))
    chunks = cut(n, batch_size, n_scores * 2**12)
    order = rng.permutation(n)
    if is_sparse:
        entries = sparse_entries(
            sparse.csr_array(X.astype(float)), chunks, order, offset)
    else:
        X = X + offset
        entries = dense_entries(X, chunks, order)
        offset = 0.0
    assert np.array_equal(
        restored(entries, chunks, X.shape), X[order] + offset)


@given(st.integers(1, 1000), st.integers(1, 300), st.integers(1, 10**6))
def test_every_batch_is_a_run_of_chunks(n, batch_size, n_scores):
    batch_size = min(batch_size, n)
    chunks = cut(n, batch_size, n_scores)
    assert chunks.size <= 64 and (
        chunks.size <= PANEL or chunks.size % PANEL == 0)
    sizes = chunks.stop - chunks.start
    assert np.all((0 < sizes) & (sizes <= chunks.size)) and sizes.sum() == n
    for batch in range(-(-n // batch_size)):
        run = slice(batch * chunks.per_batch, (batch + 1) * chunks.per_batch)
        assert chunks.start[run][0] == batch * batch_size
        assert chunks.stop[run][-1] == min((batch + 1) * batch_size, n)


def test_only_what_differs_is_stored(rng):
    """Images: most pixels of most of them are 0, before they are centred."""
    X = rng.uniform(size=(300, 50)) * (rng.uniform(size=(300, 50)) < 0.2)
    X[:, 3] = rng.uniform(size=300)
    X = X - X.mean(axis=0)
    entries = dense_entries(X, cut(300, 64, 16), np.arange(300))
    assert entries.whole.tolist() == [3]
    assert entries.panels.size == 5 * 64
    assert np.count_nonzero(entries.values) < 0.25 * X.size
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(entries.background, 0.0)
