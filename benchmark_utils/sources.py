"""Which code may change while the versions of all packages stay the same.

That is what lies outside the environment: this suite, modules beside it, and
packages that are installed in place ("editable"). Whatever is kept has a key
that follows this code.
"""
import ast
import hashlib
import re
import site
import sys
import sysconfig
from functools import cache
from pathlib import Path

# Roots of import statements, and of little else: text that looks like one
# names a module that does not exist.
_IMPORTS = re.compile(
    rb"(?:^|[;:])[ \t]*(?:from[ \t]+([.\w]+)|import[ \t]+([^\n;#]+))", re.M)
# Counted elsewhere, in ``SOURCE_HASH`` or with the file itself.
_SUITE = ("benchmark_utils", "benchopt_benchmarks")


@cache
def _environment():
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    return [Path(path).resolve() for path in {
        *(paths[key] for key in ("stdlib", "platstdlib", "purelib",
                                 "platlib")),
        *getattr(site, "getsitepackages", list)(),
        site.getusersitepackages()}]


@cache
def is_installed(file):
    """Whether a file is of the environment, and changes with a version.

    Parameters
    ----------
    file : str or None
        None is code without a file: what is built in.

    Returns
    -------
    bool
    """
    if file is None or file.startswith("<frozen "):
        return True
    path = Path(file)
    # Also of another environment, and through a symbolic link.
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    path = path.resolve()
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(
        folder in path.parents for folder in _environment())


def imported_by(*files):
    """Hash of the modules outside the environment that files import.

    Also of those that these import in turn. Followed are import statements,
    in functions too; not a name that is put together at run time, nor the
    files that code reads.

    Parameters
    ----------
    *files : Path

    Returns
    -------
    str
        Empty where all that is imported is installed, or of this suite.
    """
    found, pending = {}, [(Path(file), "") for file in files]
    while pending:
        file, package = pending.pop()
        for name, origin, inside in _followed(file.read_bytes(), package):
            if name not in found:
                found[name] = Path(origin).read_bytes()
                if origin.endswith(".py"):
                    pending.append((Path(origin), inside))
    if not found:
        return ""
    digest = hashlib.sha256()
    for name, content in sorted(found.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _followed(source, package):
    """Modules that a source imports and that are not of the environment.

    Parameters
    ----------
    source : bytes
    package : str
        The package it is in, for imports that start with a dot.

    Yields
    ------
    name, file, package : str
    """
    roots = {root.split()[0].split(b".")[0].decode(errors="replace")
             for module, modules in _IMPORTS.findall(source)
             for root in (module + b" ", *modules.split(b","))
             if root.split()}
    # Parsing takes a hundred times longer, and few files need it.
    if not any(root == "" or _locate(root) for root in roots):
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for name in _names(tree, package):
        parts = name.split(".")
        for k in range(1, len(parts) + 1):
            module = ".".join(parts[:k])
            if not (place := _locate(module)):
                break
            if place[0]:
                yield module, *place


def _names(tree, package):
    """Full names of all that may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[:1 - node.level or None]
            parts = [*(base if node.level else []),
                     *filter(None, [node.module])]
            yield ".".join(parts)
            yield from (".".join([*parts, alias.name]) for alias in node.names)


@cache
def _locate(name):
    """Where a module is that is not installed.

    Nothing is run for it.

    Returns
    -------
    (str, str) or None
        Its file, empty for a folder without one, and the package for what
        this file imports; None for an installed module, one of this suite,
        and a name that is none.
    """
    root, _, _ = name.partition(".")
    if not root or root in _SUITE or root in sys.stdlib_module_names:
        return None
    spec = _spec(name)
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    file = spec.origin if spec.has_location else None
    if file is None and not folders:
        return None
    if is_installed(file or str(folders[0])):
        return None
    inside = name if spec.submodule_search_locations is not None else (
        name.rpartition(".")[0])
    return file or "", inside


def _spec(name):
    """How a module would be imported."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None:
        return spec
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        above = _spec(parent)
        path = getattr(above, "submodule_search_locations", None)
        if path is None:
            return None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except (AttributeError, ImportError, ValueError):
            continue
        if spec is not None:
            return spec
    return None
