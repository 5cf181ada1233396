"""Whose turn it is with GL: contexts are held only while something is drawn, and never used in a forked process.

A context that stays current belongs to the thread that drew with it, so that another thread cannot (EGL_BAD_ACCESS).
A process that was forked from one that has drawn has GL's memory without its threads, and would wait for them for ever.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from harness.errors import WorkError

_has_drawn = False  # whether a context was ever made in this process
_forked = False  # whether this process was forked from one in which that is so
_at_fork: list[Callable[[], None]] = []


def check_process() -> None:
    """Notes that this process draws.

    Raises:
      WorkError: if it was forked from one that has drawn.
    """
    global _has_drawn
    if _forked:
        raise WorkError(
            "This process was forked from one that had drawn, where drawing would hang: start it with spawn, such as "
            "gymnasium.make_vec(..., vector_kwargs={'context': 'spawn'})."
        )
    _has_drawn = True


def when_forked(forget: Callable[[], None]) -> None:
    """Registers what lets a forked process forget the GL objects that it inherits, without a call to GL."""
    _at_fork.append(forget)


def _after_fork() -> None:
    global _forked
    if _has_drawn:
        _forked = True
        for forget in _at_fork:
            forget()


os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def held(context: Any) -> Iterator[None]:
    """Holds mujoco's GL context in this thread, and gives it back.

    Args:
      context: of `mujoco.Renderer`; None where there is none to hold.
    """
    if context is None:
        yield
        return
    context.make_current()
    try:
        yield
    finally:
        release()


def release() -> None:
    """Leaves this thread without a current context, so that another one may draw."""
    if os.environ.get("MUJOCO_GL") != "egl":  # OSMesa's is a buffer in memory, which any thread may take over
        return
    import mujoco.egl as backend

    egl = backend.EGL
    if backend.EGL_DISPLAY is not None:
        egl.eglMakeCurrent(backend.EGL_DISPLAY, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, egl.EGL_NO_CONTEXT)
