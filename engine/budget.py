"""One thread budget for everything that runs in a process."""

from __future__ import annotations

import os

from backcast.data.errors import InputError


def thread_budget(threads: object) -> int:
    """The number of threads to use: as configured, or all cores that this process may run on."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= 1024:
        raise InputError("threads", threads, "an integer from 1 to 1024, or null for all cores")
    return threads
