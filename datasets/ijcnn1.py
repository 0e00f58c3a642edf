import hashlib

import numpy as np
from scipy import sparse

from benchmark_utils import checks
from benchmark_utils.functions.logistic import (
    PENALTIES,
    REG_PARAMETRIZATIONS,
    LogisticRegression,
)
from benchmark_utils.problems import libsvm
from benchmark_utils.problems.dataset import (
    BilevelDataset,
    data_path,
    logistic_start,
)
from benchmark_utils.problems.problem import BilevelProblem


class Dataset(BilevelDataset):
    """Selection of one ridge penalty per feature, on IJCNN1.

    D. Prokhorov, "IJCNN 2001 neural network competition", as distributed by
    LIBSVM: 49 990 training and 91 701 validation samples of 22 features. The
    problem of the figure in M. Dagréou et al., NeurIPS 2022.

    The data is downloaded by libsvmdata, once, to ``$LIBSVMDATA_HOME``. To
    use a local copy, point ``data_paths: ijcnn1`` of the benchmark's
    ``config.yml`` to a folder with the four files ``ijcnn1_X.npy``,
    ``ijcnn1_y.npy``, ``ijcnn1_test_X.npy`` and ``ijcnn1_test_y.npy``.

    Parameters
    ----------
    reg_parametrization : {"exponential", "linear"}
        Penalty 1/2 sum_k e^{x_k} z_k^2, or 1/2 sum_k x_k z_k^2 on x >= 0.
    penalty : {"feature", "scalar"}
        One x_k a feature, or one x for all.
    """

    name = "ijcnn1"
    requirements = ["pip::libsvmdata"]

    parameters = {
        "reg_parametrization": ["exponential"],
        "penalty": ["feature"],
    }

    # The download is the same whatever the parameters and the seed.
    prepare_cache_ignore = "all"

    shapes = {"ijcnn1": (49_990, 22), "ijcnn1_test": (91_701, 22)}
    digests = {
        "ijcnn1": "1b3c83f5f093b39ebe23aba69342bb4c"
                  "8826b5db9453e0995f8f3562a9771d67",
        "ijcnn1_test": "234f3bfcad5bcc92ed8518a244792580"
                       "253b7337726a506610367b3c7288c8c0",
    }

    def prepare(self):
        for name in self.shapes:
            self._load(name)

    def get_problem(self):
        checks.one_of(*REG_PARAMETRIZATIONS)(
            "reg_parametrization", self.reg_parametrization)
        checks.one_of(*PENALTIES)("penalty", self.penalty)
        inner = LogisticRegression(
            *self._load("ijcnn1"), name="ijcnn1",
            reg_parametrization=self.reg_parametrization,
            penalty=self.penalty)
        outer = LogisticRegression(
            *self._load("ijcnn1_test"), name="ijcnn1_test",
            penalty=self.penalty)
        return BilevelProblem(inner, outer, *logistic_start(
            self.random_generator(), inner.inner_dim,
            self.reg_parametrization, inner.outer_dim))

    def _load(self, name):
        """Features and labels of one of the two sets, checked."""
        local = data_path("ijcnn1")
        files = (libsvm.files_in(local, name) if local.exists()
                 else libsvm.stored(name))
        X, y = map(libsvm.read, files)
        if sparse.issparse(X):
            X = X.toarray()
        for file, array, shape in [
                (files[0], X, self.shapes[name]),
                (files[1], y, self.shapes[name][:1])]:
            if array.shape != shape:
                raise ValueError(
                    f"{file} has shape {array.shape}, not {shape}: remove "
                    "it and run 'benchopt prepare' to download it again")
        if _digest(X, y) != self.digests[name]:
            raise ValueError(
                f"{files[0]} and {files[1].name} do not hold the data that "
                "LIBSVM distributes: remove them and run 'benchopt prepare' "
                "to download it again")
        return X, y


def _digest(X, y):
    """SHA-256 of features and labels to six decimals, which is all of them."""
    with np.errstate(invalid="ignore"):  # NaN, which the digest then shows.
        data = np.rint(1e6 * np.column_stack([X, y])).astype("<i8")
    return hashlib.sha256(data.tobytes()).hexdigest()
