"""Sets of LIBSVM as libsvmdata stores them: read, downloaded, checked.

libsvmdata 0.5 removes files before it downloads, by a pattern that other
names fit as well, and has w1a's file for w3a to w6a. Here it downloads into a
folder of its own, and what has arrived whole, and has the numbers of samples
and features of LIBSVM's page, is moved to where libsvmdata looks for it. What
is there already is never removed or overwritten.
"""
import copy
import tempfile
from pathlib import Path

import numpy as np
from libsvmdata.core import ALL_DATASETS
from scipy import sparse

# Samples of the training and, where there is one, of the test set, and
# features, as on https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/.
_PAGES = {
    "a1a": (1_605, 30_956, 123), "a2a": (2_265, 30_296, 123),
    "a3a": (3_185, 29_376, 123), "a4a": (4_781, 27_780, 123),
    "a5a": (6_414, 26_147, 123), "a6a": (11_220, 21_341, 123),
    "a7a": (16_100, 16_461, 123), "a8a": (22_696, 9_865, 123),
    "a9a": (32_561, 16_281, 123),
    "australian": (690, None, 14), "australian_scale": (690, None, 14),
    "breast-cancer": (683, None, 10), "breast-cancer_scale": (683, None, 10),
    "cod-rna": (59_535, 271_617, 8), "colon-cancer": (62, None, 2_000),
    "covtype.binary": (581_012, None, 54),
    "diabetes": (768, None, 8), "diabetes_scale": (768, None, 8),
    "duke breast-cancer": (44, None, 7_129),
    "epsilon": (400_000, 100_000, 2_000),
    "fourclass": (862, None, 2), "fourclass_scale": (862, None, 2),
    "german.numer": (1_000, None, 24), "german.numer_scale": (1_000, None, 24),
    "gisette": (6_000, None, 5_000), "heart": (270, None, 13),
    "heart_scale": (270, None, 13), "HIGGS": (11_000_000, None, 28),
    "ijcnn1": (49_990, 91_701, 22), "ionosphere": (351, None, 34),
    "kdda_train": (8_407_752, None, 20_216_830),
    "leukemia": (38, 34, 7_129), "liver-disorders": (145, 200, 5),
    "liver-disorders_scale": (145, None, 5), "madelon": (2_000, 600, 500),
    "news20.binary": (19_996, None, 1_355_191), "phishing": (11_055, None, 68),
    "rcv1.binary": (20_242, 677_399, 47_236),
    "real-sim": (72_309, None, 20_958), "skin_nonskin": (245_057, None, 3),
    "sonar": (208, None, 60), "splice": (1_000, 2_175, 60),
    "splice_scale": (1_000, None, 60), "SUSY": (5_000_000, None, 18),
    "svmguide1": (3_089, 4_000, 4), "url": (2_396_130, None, 3_231_961),
    "w1a": (2_477, 47_272, 300), "w2a": (3_470, 46_279, 300),
    "w3a": (4_912, 44_837, 300), "w4a": (7_366, 42_383, 300),
    "w5a": (9_888, 39_861, 300), "w6a": (17_188, 32_561, 300),
    "w7a": (24_692, 25_057, 300), "w8a": (49_749, 14_951, 300),
    "webspam": (350_000, None, 16_609_143),
    # Of several classes.
    "aloi": (108_000, None, 128), "cifar10": (50_000, 10_000, 3_072),
    "connect-4": (67_557, None, 126),
    "covtype.multiclass": (581_012, None, 54),
    "covtype.multiclass_scale": (581_012, None, 54),
    "dna": (2_000, None, 180), "glass": (214, None, 9), "iris": (150, None, 4),
    "letter": (15_000, None, 16), "mnist": (60_000, None, 780),
    "news20.multiclass": (15_935, None, 62_061),
    "pendigits": (7_494, 3_498, 16),
    "rcv1.multiclass": (15_564, 518_571, 47_236),
    "sector": (6_412, 3_207, 55_197), "sector.scale": (6_412, 3_207, 55_197),
    "sensit": (78_823, None, 100), "smallNORB": (24_300, None, 18_432),
    "usps": (7_291, 2_007, 256),
}

#: Samples and features of each set by its name in libsvmdata.
SHAPES = {
    **{name: (n, p) for name, (n, _, p) in _PAGES.items()},
    **{f"{name}_test": (n, p) for name, (_, n, p) in _PAGES.items() if n},
}


def files_in(folder, name):
    """Files of features and of labels of a set, whether they exist or not."""
    files = []
    for part in "Xy":
        sparse_file = folder / f"{name}_{part}.npz"
        files.append(sparse_file if sparse_file.exists()
                     else sparse_file.with_suffix(".npy"))
    return files


def stored(name):
    """Files of a set where libsvmdata keeps them, downloaded if need be.

    Parameters
    ----------
    name : str
        As in libsvmdata; the test set of a9a is a9a_test.

    Returns
    -------
    list of 2 Path
        Of features and of labels, for ``read``.

    Raises
    ------
    OSError
        If the set cannot be had; it says where it was looked for.
    ValueError
        If what was downloaded is another set, or if a file is in its way.
    """
    entry = ALL_DATASETS[name]
    files = files_in(entry.dataset_dir, name)
    if all(file.exists() for file in files):
        return files
    try:
        _download(entry)
    except OSError as error:
        raise OSError(
            f"no {name} in {entry.dataset_dir}, and the download failed "
            f"({error}); set LIBSVMDATA_HOME to the folder that holds "
            f"libsvm/{files[0].name} and {files[1].name}, or make the network "
            "available and run 'benchopt prepare'") from error
    return files_in(entry.dataset_dir, name)


def read(file):
    """What a file holds, or an error that names it if it is damaged."""
    try:
        if file.suffix == ".npz":
            return sparse.load_npz(file)
        return np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # Whatever a damaged archive may raise.
        raise ValueError(
            f"{file} is damaged ({error}): remove it and run "
            "'benchopt prepare' to download it again") from error


def fit_page(name, X, y, where):
    """Check a set against LIBSVM's page; widen it where that is explained.

    A file in LIBSVM's format does not say how many features there are: the
    last ones are lost where no sample has them. Sparse data is given them
    back, as zeros. libsvmdata 0.5 takes usps for a set of 7 291 features:
    those that are too many, and all zeros, are left out.

    Parameters
    ----------
    name : str
    X : array or sparse matrix, shape (n_samples, n_features)
    y : array, shape (n_samples,)
    where : str or Path
        Where the data is from, for the error.

    Returns
    -------
    X : array or CSR matrix, shape (n_samples, n_features)
    y : array, shape (n_samples,)

    Raises
    ------
    ValueError
        If the numbers of samples or of features are not those of the page.
    """
    # A set that is new to libsvmdata: it knows the number of features.
    n, p = SHAPES.get(name) or (X.shape[0], ALL_DATASETS[name].n_features)
    if sparse.issparse(X) and X.shape[1] != p and not X[:, p:].count_nonzero():
        X = X.tocsr(copy=True)
        X.resize(X.shape[0], p)
    if X.shape != (n, p):
        raise ValueError(
            f"name={name!r} is not valid: {where} has {X.shape[0]} samples "
            f"of {X.shape[1]} features, and LIBSVM's page says {n} of {p}; "
            "it is another set, as libsvmdata 0.5 has it for w3a to w6a")
    return X, y


def _download(entry):
    """Let libsvmdata fetch a set, and add it to its folder once it is whole.

    Raises
    ------
    OSError
        If the download fails; nothing has changed then.
    ValueError
        If it is not the set of that name, or a file is in the way.
    """
    name, folder = entry.dataset_name, entry.dataset_dir
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder) as new:
        private = copy.copy(entry)
        private.dataset_dir = Path(new)
        try:
            X, y = private.get_X_y()
        except Exception as error:  # Whatever a download may raise.
            raise OSError(f"{type(error).__name__}: {error}") from error
        fit_page(name, X, y, entry.dataset_url)
        missing = []
        for file in files_in(Path(new), name):
            place = folder / file.name
            if not place.exists():
                missing.append((file, place))
            elif not _equal(read(place), read(file)):
                raise ValueError(
                    f"{place} is not what LIBSVM distributes: move it away, "
                    "and run 'benchopt prepare' to download it")
        for file, place in missing:
            file.replace(place)


def _equal(a, b):
    if sparse.issparse(a) and sparse.issparse(b):
        return a.shape == b.shape and (a != b).nnz == 0
    return np.array_equal(a, b)
