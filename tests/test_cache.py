"""What is compiled is kept, found again, and never run by mistake."""
import hashlib
import os
import shutil
import subprocess
import sys

import numba
import pytest
from harness import ROOT, copy_suite, run
from numba.extending import intrinsic

from benchmark_utils.compiling import cache
from benchmark_utils.compiling.compiled import jit, kernel

# Warms up two solvers on a kind of function; prints what it compiles, and
# where the iterates are.
WARM_UP = """
import sys
sys.path.insert(0, "tests")
from numba.core import event
from harness import make_problem, make_solver, run_solver

class Compiled(event.Listener):
    def on_start(self, e):
        print("compiles", e.data["dispatcher"].py_func.__name__)
    def on_end(self, e):
        pass

event.register("numba:compile", Compiled())
problem = make_problem(sys.argv[1], n_train=60, n_validation=50,
                       n_features=6)
for name in ("SOBA", "SABA"):
    solver = make_solver(name, problem, batch_size=8, eval_freq=4)
    solver.warm_up()
    result = run_solver(solver, 12)
    print("ends at", result["outer_var"].tolist())
"""


@pytest.fixture
def suite(tmp_path):
    """A copy of the suite, and the folder of its compiled code."""
    folder = copy_suite(tmp_path / "suite")
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "harness.py", folder / "tests")
    return folder, tmp_path / "compiled"


def warm_up(suite, kind="simulated_logistic", **environment):
    """Names of the functions that are compiled, and the iterates."""
    folder, compiled = suite
    code, text = run(
        ["-c", WARM_UP, kind], folder, NUMBA_CACHE_DIR=str(compiled),
        PYTHONPATH=str(folder), **environment)
    assert code == 0, text
    lines = text.splitlines()
    return ([line.split()[1] for line in lines if "compiles" in line],
            [line for line in lines if "ends at" in line])


def edit(suite, file, old, new):
    file = suite[0] / file
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new))


def test_an_edit_compiles_what_it_touches_and_nothing_else(suite):
    names, ends = warm_up(suite)
    assert {"soba", "saba", "_directions"} <= set(names)
    assert warm_up(suite) == ([], ends)

    kernels = "benchmark_utils/functions/logistic/dense_kernels.py"
    edit(suite, kernels, "margin[i] = -scale / (1.0 + exp(margin[i]))",
         "margin[i] = -2.0 * scale / (1.0 + exp(margin[i]))")
    names, edited = warm_up(suite)
    # The kernel, and the one that calls it, alone in its own module.
    assert set(names) == {"_gradient_weights", "_grad_z", "_gradients"}
    assert edited != ends
    assert warm_up(suite) == ([], edited)

    # Comments do not count, wherever they move what follows.
    edit(suite, kernels, "@kernel\ndef _margins", "# A word.\n@kernel\n"
         "def _margins")
    assert warm_up(suite) == ([], edited)

    # What solvers share: both solvers, and no kernel of a kind.
    edit(suite, "benchmark_utils/methods/estimators.py",
         "D_v[c] += f1[c]", "D_v[c] += 2.0 * f1[c]")
    names, _ = warm_up(suite)
    assert set(names) == {"bilevel_directions", "soba"}


# Whole, but of a version of the suite whose modules had other names.
_PICKLED = b"cbenchmark_utils.compiled\njit\n."
OLD = hashlib.sha256(_PICKLED).digest() + _PICKLED


def test_damaged_files_are_compiled_again(suite):
    _, ends = warm_up(suite)
    files = sorted(suite[1].rglob("*.nbc"))
    assert len(files) > 20
    for k, file in enumerate(files):
        data = file.read_bytes()
        flipped = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        file.write_bytes([b"", data[:40], data[:-5], flipped, OLD][k % 5])
    names, again = warm_up(suite)
    assert "soba" in names and again == ends
    assert warm_up(suite) == ([], ends)


def test_two_processes_that_compile_at_once(suite):
    folder, compiled = suite
    command = [sys.executable, "-c", WARM_UP, "simulated_logistic"]
    environment = {
        "NUMBA_CACHE_DIR": str(compiled), "PYTHONPATH": str(folder)}

    both = [subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    texts = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    ends = [[line for line in text.splitlines() if "ends at" in line]
            for text in texts]
    assert ends[0] == ends[1]
    assert warm_up(suite) == ([], ends[0])
    assert not [file for file in compiled.rglob("*")
                if file.is_file() and file.suffix != ".nbc"]


def test_kernels_that_are_closures_are_kept(suite):
    """One file each, whatever the process."""
    _, ends = warm_up(suite, "simulated_multinomial")
    files = sorted(suite[1].rglob("*.nbc"))
    assert warm_up(suite, "simulated_multinomial") == ([], ends)
    assert sorted(suite[1].rglob("*.nbc")) == files


@pytest.mark.parametrize("package", ["numba", "llvmlite", "np"])
def test_another_version_finds_nothing(tmp_path, monkeypatch, package):
    files = cache.Files(tmp_path / "kept", "f")
    files.save("key", 1)
    assert files.load("key") == 1
    monkeypatch.setattr(getattr(cache, package), "__version__", "0.0")
    assert files.load("key") is None


@kernel
def _called(x):
    x[0] += 1.0


def _calls(x):
    _called(x)


def test_a_fingerprint_has_what_is_called():
    before = cache.fingerprint(_calls)
    assert cache.fingerprint(_calls) == before
    old = _called.py_func

    def other(x):
        x[0] += 2.0

    _called.py_func = other
    try:
        assert cache.fingerprint(_calls) != before
    finally:
        _called.py_func = old


def _intrinsic(position):
    @intrinsic
    def call(typing, x):
        return x(x), lambda context, builder, signature, values: (
            values[0] if position else values[0])

    return call


_INTRINSIC = _intrinsic(0)


def _calls_an_intrinsic(x):
    return _INTRINSIC(x)


def test_a_fingerprint_has_what_intrinsics_are_made_of(monkeypatch):
    before = cache.fingerprint(_calls_an_intrinsic)
    assert cache.fingerprint(_calls_an_intrinsic) == before
    monkeypatch.setitem(globals(), "_INTRINSIC", _intrinsic(1))
    assert cache.fingerprint(_calls_an_intrinsic) != before


_CONSTANT = 1.0


def _uses_a_constant():
    return _CONSTANT


def test_a_fingerprint_has_global_numbers_and_options(monkeypatch):
    before = cache.fingerprint(_uses_a_constant)
    monkeypatch.setitem(globals(), "_CONSTANT", 2.0)
    assert cache.fingerprint(_uses_a_constant) != before
    assert (cache.fingerprint(jit(_uses_a_constant))
            != cache.fingerprint(numba.njit(_uses_a_constant)))


def test_a_full_disk_or_no_folder_is_no_error(monkeypatch):
    monkeypatch.setattr(cache, "_FOLDER", "")

    @jit
    def f(x):
        return 2.0 * x

    assert f(1.5) == 3.0


# Two functions that Numba cannot keep, and one that nobody can.
NOT_KEPT = """
import sys
import numba
import numpy as np
from numba.experimental import jitclass
from benchmark_utils.compiling.compiled import jit

LARGE = np.full(3_000_000, float(sys.argv[1]))

@jitclass([("x", numba.float64)])
class Point:
    def __init__(self, x):
        self.x = x

@jit
def of_an_array(x):
    return x * LARGE[5]

@jit
def of_a_class(x):
    return x * Point(FACTOR).x

@jit
def plain(x):
    return 2.0 * x

print(of_an_array(1.5), of_a_class(1.5), plain(1.5))
"""


@pytest.mark.parametrize("level", ["0", "3"])
def test_what_cannot_be_kept_is_compiled_anew(suite, level):
    folder, compiled = suite
    for factor in ("3.0", "4.0", "4.0"):
        (folder / "of_a_user.py").write_text(
            NOT_KEPT.replace("FACTOR", factor), encoding="utf-8")
        code, text = run(
            ["of_a_user.py", factor], folder, NUMBA_OPT=level,
            NUMBA_CACHE_DIR=str(compiled), PYTHONPATH=str(folder))
        expected = f"{1.5 * float(factor)} {1.5 * float(factor)} 3.0"
        assert code == 0 and text.splitlines()[-1] == expected, text
        assert "of_a_class is compiled in each process" in text
    assert not [file for file in compiled.rglob("*.nbc")
                if "plain" not in file.name]


def test_a_file_that_cannot_take_its_place_leaves_nothing(
        tmp_path, monkeypatch):
    """On Windows, where another process has it open."""
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        cache.Files(tmp_path / "kept", "f").save("key", 1)
    assert list((tmp_path / "kept").iterdir()) == []


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root can make a folder for another user")
OTHER = 12345


def run_anything(marker):
    """What a pickle of another user's may do."""
    open(marker, "w").close()


class Malicious:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return run_anything, (self.marker,)


@needs_root
@pytest.mark.parametrize("what", ["the folder", "the one above", "a link"])
def test_the_folder_of_another_user_is_passed_over(
        tmp_path, monkeypatch, what, caplog):
    """In /tmp, where anybody may be the first."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "_ROOT", tmp_path / "taken" / "suite")
    (tmp_path / "taken").touch()  # The suite cannot be written to.
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    above = tmp_path / "benchmark_bilevel_0"
    if what == "a link":
        (tmp_path / "anywhere").mkdir()
        above.symlink_to(tmp_path / "anywhere")
    else:
        (above / "code").mkdir(parents=True)
        os.chown(above if what == "the one above" else above / "code",
                 OTHER, OTHER)
    assert cache.writable_folder("code") == ""
    if what != "a link":
        assert "compiled code is not kept in" in caplog.text
        assert "12345" in caplog.text


@needs_root
def test_another_user_cannot_have_his_command_run(tmp_path, monkeypatch):
    """Each folder of the three, and each file, of two users."""
    chosen, suite = tmp_path / "chosen", tmp_path / "suite"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(chosen))
    monkeypatch.setattr(cache, "_ROOT", suite)
    folder = chosen / "code"
    folder.mkdir(parents=True)
    os.chown(folder, OTHER, OTHER)
    # Passed over for the suite's own, which is then for this user alone.
    own = suite / "__cache__" / "numba" / "code"
    own.mkdir(parents=True)
    own.chmod(0o777)
    assert cache.writable_folder("code") == str(own)
    assert own.stat().st_mode & 0o777 == 0o700

    marker = tmp_path / "run"
    files = cache.Files(own / "kernels", "f")
    files.save("key", Malicious(marker))
    kept, = files.folder.iterdir()
    os.chown(kept, OTHER, OTHER)
    assert files.load("key") is None and not marker.exists()
    os.chown(kept, 0, 0)
    kept.chmod(0o666)
    assert files.load("key") is None and not marker.exists()
    kept.chmod(0o600)
    files.load("key")
    assert marker.exists()  # So that the above is no accident.

    marker.unlink()
    os.chown(files.folder, OTHER, OTHER)
    assert files.load("key") is None and not marker.exists()
    with pytest.raises(PermissionError, match="of user 12345"):
        files.save("key", 1)
