"""Code of the user's, named on the command line: `file.py:name` or `package.module:name`. Data files never name code."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from backcast.data.errors import InputError
from backcast.engine.audit.foreign.calling import reason
from backcast.engine.given.table import did_you_mean

SHAPE = "file.py:name or package.module:name"


def names_code(target: str) -> bool:
    """Whether it can be an import path or a file with a name."""
    module, colon, name = target.rpartition(":")
    plain = module.replace(".", "_").isidentifier() or module.endswith(".py")
    return bool(colon) and plain and name.replace(".", "_").isidentifier()


def load(target: str, parameter: str = "TARGET") -> tuple[Any, str]:
    """What a target names, and its import path as `module.name`. Errors: InputError, also for what its import raises."""
    if not names_code(target):
        raise InputError(parameter, target, SHAPE)
    where, _, name = target.rpartition(":")
    module = _module(where, parameter)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in vars(module) if not n.startswith("_")]
            raise InputError(parameter, target, f"a name that {where} has", did_you_mean(part, known))
        found = getattr(found, part)
    return found, f"{module.__name__}.{name}"


def _module(where: str, parameter: str) -> ModuleType:
    path = Path(where)
    if where.endswith(".py"):
        if not path.is_file():
            there = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
            raise InputError(parameter, where, "a file that is there", did_you_mean(path.name, there))
        folder, name = str(path.resolve().parent), path.stem
        if not name.isidentifier():
            raise InputError(parameter, where, "a file whose name is letters, digits and _, and ends in .py")
    else:
        folder, name = str(Path.cwd()), where
    if folder not in sys.path:
        sys.path.insert(0, folder)
    known = sys.modules.get(name)
    if known is not None and where.endswith(".py") and _file(known) != path.resolve():
        return _from_file(path, parameter)
    try:
        return importlib.import_module(name)
    except Exception as error:  # what the user's file raises is the user's to read
        raise InputError(parameter, where, "code that can be imported", reason(error)) from error


def _file(module: ModuleType) -> Path | None:
    return Path(module.__file__).resolve() if module.__file__ else None


def _from_file(path: Path, parameter: str) -> ModuleType:
    """A file whose name some other module has."""
    name = f"audited_{path.stem}_{abs(hash(str(path.resolve()))):x}"
    made = importlib.util.spec_from_file_location(name, path)
    assert made is not None and made.loader is not None  # it is a file that ends in .py
    module = importlib.util.module_from_spec(made)
    sys.modules[name] = module
    try:
        made.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(parameter, str(path), "code that can be imported", reason(error)) from error
    return module
