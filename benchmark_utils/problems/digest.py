"""A digest of a problem: what was read is part of the key of its results."""
from types import FunctionType

from joblib.hashing import NumpyHasher


def digest(problem):
    """Hash of all arrays and numbers that a problem is made of.

    As ``joblib.hash``, which reads arrays once and copies none; also of what
    functions such as the scores refer to, a test set for instance.

    Parameters
    ----------
    problem : BilevelProblem

    Returns
    -------
    str
        The same in another process.

    Raises
    ------
    Exception
        If something cannot be hashed.
    """
    return _Hasher().hash(problem)


class _Hasher(NumpyHasher):
    """joblib's, for functions that cannot be pickled."""

    def reducer_override(self, value):
        if isinstance(value, FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return tuple, ((value.__qualname__, cells, value.__defaults__),)
        if hasattr(type(value), "__torch_function__"):
            # A tensor of PyTorch, whose pickle is another each time.
            return tuple, ((value.detach().numpy(),),)
        if hasattr(value, "_get_state"):
            # A dataset that a score refers to: benchopt would leave out all
            # but its parameters.
            return dict, ({name: attribute
                           for name, attribute in vars(value).items()
                           if not name.startswith("_")},)
        return NotImplemented
