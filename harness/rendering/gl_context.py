"""Whose turn it is with GL: contexts are held only while something is drawn, and never used in a forked process.

A context that stays current belongs to the thread that drew with it, so that another thread cannot (EGL_BAD_ACCESS).
Other libraries draw in the same thread and believe that theirs is still current, so it is given back to them.
A process that was forked from one that has drawn has GL's memory without its threads, and would wait for them for ever.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import WorkError

MESA_THREADS = "llvmpipe-"  # what Mesa's software rasterizer calls the threads it starts with its first context

_has_drawn = False  # whether a context was ever made in this process
_forked = False  # whether this process was forked from one in which that is so
_at_fork: list[Callable[[], None]] = []


def check_process() -> None:
    """Notes that this process draws; raises as `check_can_draw`."""
    global _has_drawn
    check_can_draw()
    _has_drawn = True


def check_can_draw() -> None:
    """Checks that this process may draw.

    Raises:
      WorkError: if it was forked from one that has drawn.
    """
    if _forked:
        raise WorkError(
            "This process was forked from one that had drawn, where drawing would hang: start it with spawn, such as "
            "gymnasium.make_vec(..., vector_kwargs={'context': 'spawn'})."
        )


def when_forked(forget: Callable[[], None]) -> None:
    """Registers what lets a forked process forget the GL objects that it inherits, without a call to GL."""
    _at_fork.append(forget)


def _before_fork() -> None:
    global _has_drawn
    _has_drawn = _has_drawn or _others_have_drawn()


def _others_have_drawn() -> bool:
    """Whether another library has made a context: with mujoco's own classes, or any that started Mesa's threads."""
    if getattr(sys.modules.get("mujoco.egl"), "EGL_DISPLAY", None) is not None:
        return True
    return any(_thread_name(task).startswith(MESA_THREADS) for task in Path("/proc/self/task").glob("*/comm"))


def _thread_name(task: Path) -> str:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        return task.read_text(errors="replace")
    return ""


def _after_fork() -> None:
    global _forked
    if _has_drawn:
        _forked = True
        for forget in _at_fork:
            forget()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


@contextlib.contextmanager
def held(context: Any) -> Iterator[None]:
    """Holds mujoco's GL context in this thread, which then gets back what it had: another library's context, or none.

    Args:
      context: of `mujoco.Renderer`; None where there is none to hold.
    """
    if context is None:
        yield
        return
    with kept():
        context.make_current()
        yield


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Leaves this thread with the current context that it had, none included, so that another thread may draw."""
    backend = _egl()
    if backend is None:
        yield
        return
    before = _current(backend.EGL)
    try:
        yield
    finally:
        _restore(backend, before)


def _egl() -> Any | None:
    """mujoco's EGL module where it draws with that; OSMesa's contexts are buffers that any thread may take over."""
    import mujoco.gl_context

    return sys.modules.get("mujoco.egl") if mujoco.gl_context.GLContext.__module__ == "mujoco.egl" else None


def _current(egl: Any) -> tuple[Any, ...] | None:
    """Display, surfaces and context that this thread has now; None if it has none."""
    context = egl.eglGetCurrentContext()
    if not context:
        return None
    surfaces = egl.eglGetCurrentSurface(egl.EGL_DRAW), egl.eglGetCurrentSurface(egl.EGL_READ)
    return egl.eglGetCurrentDisplay(), *surfaces, context


def _restore(backend: Any, before: tuple[Any, ...] | None) -> None:
    egl, display = backend.EGL, backend.EGL_DISPLAY
    if before is not None:
        egl.eglMakeCurrent(*before)
    elif display is not None:
        egl.eglMakeCurrent(display, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, egl.EGL_NO_CONTEXT)
