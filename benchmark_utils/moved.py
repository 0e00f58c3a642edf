"""Names of modules of earlier versions: refused with the new name."""
import sys
from importlib.abc import MetaPathFinder

_FOLDERS = {
    "compiling": ["cache", "compiled", "functions.indirect",
                  "functions.apart", "functions.vectors"],
    "problems": ["dataset", "digest", "handwritten", "images", "libsvm",
                 "multiclass", "problem"],
}
_NEW = {
    **{old: f"{folder}.{old.rpartition('.')[2]}"
       for folder, names in _FOLDERS.items() for old in names},
    "functions.logistic_kernels": "functions.logistic.dense_kernels",
    "functions.sparse_logistic": "functions.logistic.sparse",
    "functions.sparse_logistic_kernels": "functions.logistic.sparse_kernels",
    "functions.sparse_multinomial": "functions.multinomial.sparse",
    "functions.multinomial_kernels": "functions.multinomial.kernels",
    "functions.multinomial_layout": "functions.multinomial.layout",
    "functions.quadratic_kernels": "functions.quadratic.kernels",
    "functions.hyper_representation_kernels":
        "functions.hyper_representation.kernels",
    "functions.products": "functions.hyper_representation.products",
}


class Moved(MetaPathFinder):
    """Asked last, for what nothing else has found."""

    def find_spec(self, name, path=None, target=None):
        """Refuse a module that has another name now.

        Raises
        ------
        ImportError
            With both names.
        """
        package, _, module = name.partition(".")
        if package == "benchmark_utils" and module in _NEW:
            raise ImportError(
                f"{name} is {package}.{_NEW[module]} now", name=name)


def name_what_has_moved():
    """Take part in imports, once a process."""
    if not any(type(finder).__name__ == Moved.__name__
               for finder in sys.meta_path):
        sys.meta_path.append(Moved())
