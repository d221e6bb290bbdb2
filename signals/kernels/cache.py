"""Where compiled kernels are kept: a folder keyed by the kernel sources.

Numba does not notice an edited function that is called from another file, so the folder's name is a hash of every
kernel source, of Numba's version and of Python's: an edit anywhere starts an empty cache.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba.core import config

_PACKAGE = Path(__file__).resolve().parents[2]
_KERNELS = (
    "signals/kernels",
    "engine/costs",
    "engine/simulators",
    "engine/simulators/kernel",
    "engine/portfolio",
    "data",
)


def use_kernel_cache() -> Path | None:
    """Point Numba at `<home>/cache/numba/<hash>`; call it before the first kernel of a module is defined.

    A `NUMBA_CACHE_DIR` that the user set takes the place of `<home>/cache/numba`. Where that cannot be written, a
    temporary folder of this user is used; where that cannot be either, Numba's default stays and None is returned.
    """
    key, chosen = sources_hash(), vars(config)["CACHE_DIR"]
    if chosen and Path(chosen).name == key:
        return Path(chosen)
    temporary = Path(tempfile.gettempdir()) / f"backcast-numba-{_user()}"
    for parent in (Path(chosen) if chosen else _home() / "cache" / "numba", temporary):
        folder = parent / key
        if _writable(folder):
            vars(config)["CACHE_DIR"] = str(folder)
            return folder
    return None


def _home() -> Path:
    return Path(os.environ.get("BACKCAST_HOME") or Path.home() / ".backcast")


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def sources_hash() -> str:
    """The hash of everything that a compiled kernel may depend on."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for folder in _KERNELS:
        for source in sorted((_PACKAGE / folder).glob("*.py")):
            text = source.read_bytes()
            if b"@compiled" in text or b"njit" in text:
                digest.update(source.name.encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


use_kernel_cache()
compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
"""The decorator of every kernel: cached, without the GIL, IEEE division, no fastmath."""

_WITHIN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
compiled_within = numba.njit(nogil=True, error_model="numpy", **_WITHIN)
"""The decorator of a function that only kernels call: Python cannot, which saves most of the time to compile it."""
