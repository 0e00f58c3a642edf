"""What compiled code depends on, as one number that is the same tomorrow.

Numba fixes what a function refers to when it is compiled: other functions,
their defaults, global numbers and arrays, attributes of modules. A fingerprint
has all of it, whatever file it is in, as far as it does not come with a
version of an installed package. Where it cannot be said whether a value is the
same as that of an earlier process, there is none: ``Undecided``.

It has more than 400 lines, as each kind of value that code may refer to has a
few, and what is left out of one place would be a stale result of another.
"""
import builtins
import dis
import enum
import hashlib
import re
import sys
from functools import cache, partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import default_manager
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.typing.templates import builtin_registry
from numba.np.ufunc.dufunc import DUFunc

from benchmark_utils.sources import is_installed

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, slice,
          type(...), type(NotImplemented))
_MISSING = object()
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
# An address of this process, as Python and as Numba's jitclass write it.
_ADDRESS = re.compile(r"\bat 0x|#[0-9a-f]+<")
# Of a class, what says nothing of what it does.
_INCIDENTAL = {"__dict__", "__weakref__", "__doc__", "__module__",
               "__firstlineno__", "__static_attributes__", "__annotations__",
               "__annotate__", "__annotate_func__", "__annotations_cache__"}


class Undecided(Exception):
    """A value of which nothing says whether it is the same as before."""


def fingerprint(*values):
    """Hash of functions, and of all that they depend on when compiled.

    Of code outside the environment (``sources.is_installed``): bytecode,
    constants, defaults of arguments, what the names in it stand for, and the
    options of the compiler; comments and places in a file do not count. Of
    installed code: its name, and the version of its package. Also what
    ``overload`` has made of a name, for names of either.

    Parameters
    ----------
    *values : function, dispatcher, Numba type, or what these depend on

    Returns
    -------
    str
        The same in another process, and for a copy in another folder.

    Raises
    ------
    Undecided
    """
    reader = _Reader()
    for value in (*values, *_Overloads.known().everywhere):
        reader.add(value)
    return reader.digest.hexdigest()


@cache
def _read(code):
    """What does not change of a code object.

    Returns
    -------
    bytecode : bytes
    constants, inner : tuple
        ``inner`` are the codes that are defined within.
    chains : tuple of tuple of str
        A name from outside, and the attributes that are asked of it.
    attributes : frozenset of str
        Those that are asked of anything, within too.
    """
    chains, attributes, chain = [], set(), None
    for instruction in dis.get_instructions(code):
        if instruction.opname in _ATTRIBUTES:
            attributes.add(instruction.argval)
            if chain is not None:
                chain.append(instruction.argval)
        elif instruction.opname in _LOADS:
            chain = [instruction.argval]
            chains.append(chain)
        elif instruction.opname != "EXTENDED_ARG":
            chain = None
    inner = tuple(c for c in code.co_consts if isinstance(c, CodeType))
    return (
        code.co_code,
        tuple(c for c in code.co_consts if not isinstance(c, CodeType)),
        inner, tuple(dict.fromkeys(map(tuple, chains))),
        frozenset(attributes).union(*(_read(c)[-1] for c in inner)))


class _Reader:
    """Walks along values, and writes what it sees into a hash."""

    def __init__(self):
        self.digest = hashlib.sha256()
        self.seen = {}
        self.overloads = _Overloads.known()

    def put(self, *parts):
        """Write text or bytes, each with its length."""
        for part in parts:
            part = part if isinstance(part, bytes) else str(part).encode(
                errors="surrogatepass")
            self.digest.update(b"%d:" % len(part) + part)

    def add(self, value):
        """Write a value, by whatever it depends on."""
        kind = type(value)
        if kind in _PLAIN:
            self.put(kind.__name__, repr(value))
            return
        # Equal numbers may be one object in one process, and two in another.
        if isinstance(value, _OBJECTS):
            if self._is_seen(value):
                return
        self.put(kind.__module__, kind.__qualname__)
        for found in self.overloads.of.get(id(value), ()):
            self.add(found)
        way = _way(kind)
        if way is not None:
            way(self, value)
        elif not self._by_name(value):
            raise Undecided(f"{value!r} of type {kind.__qualname__}")

    def _is_seen(self, value):
        """Whether it is written already, and if so, as which."""
        number, _ = self.seen.get(id(value), (None, None))
        if number is None:
            # With the value, so that its address remains its own.
            self.seen[id(value)] = len(self.seen), value
            return False
        self.put("seen", number)
        return True

    def _by_name(self, value):
        """Write the name and the version of what an import finds again."""
        module = getattr(value, "__module__", None)
        name = getattr(value, "__qualname__", None) or getattr(
            value, "__name__", None)
        if isinstance(value, np.ufunc):
            module = module or "numpy"
        if not isinstance(module, str) or not isinstance(name, str):
            return False
        if not _is_installed(module):
            return False
        found = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not value:
            return False
        self.put(module, name, _version(module))
        return True

    def _scalar(self, value):
        if value.dtype.hasobject:
            raise Undecided(f"{value!r} of type object")
        self.put(repr(value.dtype), value.tobytes())

    def _array(self, value):
        if value.dtype.hasobject or type(value) is not np.ndarray:
            raise Undecided(f"an array of type {type(value).__name__} and "
                            f"dtype {value.dtype}")
        flags = value.flags
        self.put(repr(value.dtype), value.shape, flags.c_contiguous,
                 flags.f_contiguous, flags.writeable, flags.aligned,
                 value.tobytes())

    def _text(self, value):
        text = str(value)
        if _ADDRESS.search(text):
            raise Undecided(text)
        self.put(text)

    def _single(self, value):
        """The only one of its class, which is written already."""

    def _plain(self, value):
        """Of a class of its own, such as a number that has a unit."""
        base = next(kind for kind in _PLAIN if isinstance(value, kind))
        self.put(base.__name__, base.__repr__(value))
        self.add(type(value))

    def _sequence(self, value):
        self.put(len(value))
        for entry in value:
            self.add(entry)
        if hasattr(value, "_fields"):
            self.add(type(value))

    def _set(self, value):
        # Their order differs between processes.
        self.put(*sorted(
            repr(entry) if type(entry) in _PLAIN else fingerprint(entry)
            for entry in value))

    def _mapping(self, value):
        self.put(len(value))
        for key, entry in value.items():
            self.add(key)
            self.add(entry)

    def _type(self, value):
        """A type of Numba, with the fields of tuples that have names."""
        if isinstance(value, types.Dispatcher):
            self.add(value.dispatcher)
            return
        if isinstance(value, (types.ClassType, types.ClassInstanceType)):
            raise Undecided(f"the jitclass {value}")
        self._text(value)
        if isinstance(value, types.BaseTuple):
            for inner in value.types:
                self.add(inner)
        if isinstance(value, types.BaseNamedTuple):
            self.put(*value.fields)
        if not _is_ours(type(value)):
            self.add(type(value))

    def _dispatcher(self, value):
        self.add(dict(sorted(value.targetoptions.items())))
        self.add(dict(sorted(value.locals.items())))
        self.add(value._compiler.pipeline_class)
        self.add(value.py_func)

    def _dufunc(self, value):
        self.put(value.identity, *(value.types if value._frozen else ()))
        self.add(value._dispatcher.targetoptions)
        self.add(value._dispatcher.py_func)

    def _intrinsic(self, value):
        self.put(value._prefer_literal)
        self.add(value._ctor_kwargs)
        self.add(value._defn)

    def _builtin(self, value):
        owner = value.__self__
        self.put(value.__qualname__)
        if isinstance(owner, ModuleType):
            self.put(owner.__name__, _version(owner.__name__))
        else:
            self.add(owner)

    def _partial(self, value):
        self.add((value.func, value.args, value.keywords))

    def _method(self, value):
        self.add(value.__func__)
        self.add(value.__self__)

    def _function(self, value):
        if is_installed(value.__code__.co_filename) and self._by_name(value):
            return
        self.put(value.__qualname__)
        cells = dict(zip(value.__code__.co_freevars,
                         value.__closure__ or (), strict=True))
        self._code(value.__code__, value.__globals__, cells)
        self.add(value.__defaults__)
        self.add(value.__kwdefaults__)

    def _code(self, code, names, cells, asked=frozenset()):
        bytecode, constants, inner, chains, attributes = _read(code)
        attributes = attributes | asked
        self.put(bytecode, code.co_argcount, code.co_posonlyargcount,
                 code.co_kwonlyargcount, code.co_flags, code.co_names,
                 code.co_varnames, code.co_freevars, code.co_cellvars,
                 getattr(code, "co_exceptiontable", b""))
        self._sequence(constants)
        for name, *path in chains:
            self.put(name)
            if name in cells:
                try:
                    value = cells[name].cell_contents
                except ValueError:  # Not set yet.
                    self.put("empty")
                    continue
            else:
                value = names.get(name, getattr(builtins, name, _MISSING))
                if value is _MISSING:  # Not defined yet.
                    self.put("unknown")
                    continue
            self._attribute(value, path, attributes)
        for attribute in sorted(attributes & self.overloads.by_name.keys()):
            for found in self.overloads.by_name[attribute]:
                self.add(found)
        for other in inner:
            self._code(other, names, cells, attributes)

    def _attribute(self, value, path, attributes):
        """Write what is meant by value.a.b: its first part but modules."""
        for part in path:
            if not isinstance(value, ModuleType):
                break
            self.put(part)
            try:
                value = getattr(value, part)
            except AttributeError:
                self.put("unknown")
                return
        if not isinstance(value, ModuleType):
            self.add(value)
        elif (key := (id(value), attributes)) not in self.seen:
            # It is in a variable, which may be asked for any attribute.
            self.seen[key] = len(self.seen), value
            self.put(value.__name__, _version(value.__name__))
            if not _is_installed(value.__name__):
                for name in sorted(attributes & vars(value).keys()):
                    self._attribute(value, [name], attributes)

    def _class(self, value):
        if isinstance(getattr(value, "class_type", None), types.ClassType):
            raise Undecided(f"the jitclass {value.__name__}")
        if self._by_name(value):
            return
        self.put(value.__qualname__, *(
            f"{base.__module__}.{base.__qualname__}"
            for base in value.__mro__[1:] if _is_ours(base)))
        for base in value.__mro__[1:]:
            if not _is_ours(base):
                self.add(base)
        if hasattr(value, "_fields"):
            self.put(*value._fields)
            self.add(getattr(value, "_field_defaults", None))
        elif issubclass(value, enum.Enum):
            self.add({name: member.value
                      for name, member in value.__members__.items()})
        else:
            for name, entry in sorted(vars(value).items()):
                if name not in _INCIDENTAL and not name.startswith("_abc_"):
                    self.put(name)
                    self._member(entry)
        if issubclass(value, types.Type) and value in (
                default_manager._handlers):
            self.add(default_manager._handlers[value])

    def _member(self, value):
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, property):
            value = (value.fget, value.fset, value.fdel)
        self.add(value)

    def _enum(self, value):
        self.put(value.name)
        self.add(type(value))

    # In this order: a class before those that it inherits from.
    _WAYS = [
        (enum.Enum, _enum),
        (np.generic, _scalar),
        (np.ndarray, _array),
        ((np.dtype, ir.Type, ir.Constant), _text),
        (type(ir.Undefined), _single),
        (_PLAIN, _plain),
        ((tuple, list), _sequence),
        ((set, frozenset), _set),
        ((dict, MappingProxyType), _mapping),
        (types.Type, _type),
        (Dispatcher, _dispatcher),
        (DUFunc, _dufunc),
        (_Intrinsic, _intrinsic),
        (FunctionType, _function),
        (BuiltinFunctionType, _builtin),
        (partial, _partial),
        (MethodType, _method),
        (type, _class),
    ]


# Of these it matters which one it is; and they may refer to themselves.
_OBJECTS = (FunctionType, Dispatcher, DUFunc, _Intrinsic, type, partial, list,
            dict)


@cache
def _way(kind):
    """How values of a class are written; None if nothing is known of it."""
    return next((way for known, way in _Reader._WAYS
                 if issubclass(kind, known)), None)


@cache
def _is_installed(module):
    """As ``sources.is_installed``, by name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module.partition(".")[0] in sys.stdlib_module_names
    return is_installed(file)


@cache
def _version(module):
    """That of the package; for the standard library, Python's is a key."""
    package = sys.modules.get(module.partition(".")[0])
    return str(getattr(package, "__version__", ""))


def _is_ours(kind):
    return not _is_installed(kind.__module__)


class _Overloads:
    """What code outside the environment has told Numba of functions.

    Attributes
    ----------
    of : dict of {int: list}
        What belongs to an object, by its address.
    by_name : dict of {str: list}
        The same for attributes and methods.
    everywhere : list
        What any code may use without a name: operators.
    """

    _known = None

    def __init__(self):
        self.of, self.by_name, self.everywhere = {}, {}, []
        self._n_seen = dict.fromkeys(("functions", "globals", "attributes"), 0)

    @classmethod
    def known(cls):
        """All that has been told until now."""
        if cls._known is None:
            cls._known = cls()
        cls._known._follow()
        return cls._known

    def _new(self, what):
        found = getattr(builtin_registry, what)
        start, self._n_seen[what] = self._n_seen[what], len(found)
        return found[start:]

    def _follow(self):
        if all(len(getattr(builtin_registry, what)) == n
               for what, n in self._n_seen.items()):
            return
        for template in self._new("functions"):
            if hasattr(template, "_overload_func"):
                self._put(template.key, template)
        for value, kind in self._new("globals"):
            if not isinstance(value, _Intrinsic):  # It has its definition.
                for template in getattr(kind, "templates", ()):
                    if not hasattr(template, "_overload_func"):
                        self._put(value, template)
        for template in self._new("attributes"):
            depends = _depends(template)
            if depends is None:
                continue
            name = getattr(template, "_attr", None)
            names = [name] if name else [
                resolve[8:] for resolve in dir(template)
                if resolve.startswith("resolve_")]
            for name in names:
                self.by_name.setdefault(name, []).append(depends)
            if not names:
                self.everywhere.append(depends)

    def _put(self, value, template):
        depends = _depends(template)
        if depends is not None:
            unnamed = isinstance(value, str) or any(
                value is known for known in (bool, iter, next)) or getattr(
                    value, "__module__", "") in ("operator", "_operator")
            (self.everywhere if unnamed
             else self.of.setdefault(id(value), [])).append(depends)


class _Unknown:
    """What nothing is known of: it is undecided."""

    def __repr__(self):
        return "a typing template of Numba's"


def _depends(template):
    """What a template of Numba's depends on, or None if it is installed."""
    if hasattr(template, "depends_on"):
        return template.depends_on
    overload = getattr(template, "_overload_func", None)
    function = overload or getattr(template, "generic", None)
    made_from = [cell.cell_contents
                 for cell in getattr(function, "__closure__", None) or ()]
    if _is_installed(template.__module__) and all(
            is_installed(part.__code__.co_filename)
            for part in (function, *made_from)
            if isinstance(part, FunctionType)):
        return None
    if overload is None:
        return _Unknown()
    return (overload, getattr(template, "_jit_options", None),
            getattr(template, "_strict", None), template._inline._inline,
            template.prefer_literal)
