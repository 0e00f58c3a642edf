"""The layout of dense samples that kinds of function share."""
from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.compiling.vectors import aligned_zeros


def in_chunks(X, batch_size, max_chunk):
    """Lay samples out in chunks, each batch a run of them.

    Every loop over the samples of a chunk then runs along contiguous memory.

    Parameters
    ----------
    X : array of float64, shape (n, p)
    batch_size : int
        The last batch may be short.
    max_chunk : int
        Most samples in a chunk: a multiple of 8, whole vector registers.

    Returns
    -------
    rows : array of float64, shape (n_chunks, p, chunk_size)
        Zero samples fill up short chunks.
    chunks_per_batch : int
    """
    n, p = X.shape
    per_batch = -(-batch_size // max_chunk)
    chunk_size = -(-batch_size // per_batch)
    if chunk_size > 8:
        # Whole vector registers.
        chunk_size = -(-chunk_size // 8) * 8
        per_batch = -(-batch_size // chunk_size)
    n_whole = n // batch_size
    last = X[n_whole * batch_size:]
    n_chunks = n_whole * per_batch - (-len(last) // chunk_size)
    rows = aligned_zeros(n_chunks * p * chunk_size).reshape(
        n_chunks, p, chunk_size)
    whole = X[:n_whole * batch_size].reshape(n_whole, batch_size, p)
    for c in range(per_batch):
        piece = whole[:, c * chunk_size:(c + 1) * chunk_size]
        rows[c:n_whole * per_batch:per_batch, :, :piece.shape[1]] = (
            piece.transpose(0, 2, 1))
    for c in range(n_chunks - n_whole * per_batch):
        piece = last[c * chunk_size:(c + 1) * chunk_size]
        rows[n_whole * per_batch + c, :, :len(piece)] = piece.T
    return rows, per_batch


@kernel
def first_chunk(f, batch):
    """Index of the first chunk of a batch, or of all samples."""
    return 0 if batch < 0 else batch * f.chunks_per_batch


@kernel
def last_chunk(f, batch):
    """One more than the index of the last chunk."""
    n_chunks = f.rows.shape[0]
    if batch < 0:
        return n_chunks
    return min((batch + 1) * f.chunks_per_batch, n_chunks)
