"""Finds out why rendering does not work, and what to do about it.

Whatever may crash or hang (graphics drivers, CUDA) is tried in a process of its own with a time limit.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from harness.assets.listing import list_assets
from harness.assets.store import AssetStore, cache_folder
from harness.cards import DEVICE_VARIABLE, card_names, drawing_devices
from harness.distribution import DISTRIBUTION
from harness.errors import UsageError, WorkError
from harness.results.text import escaped

SUPPORTED_PYTHON = ((3, 11), (3, 12))
BACKENDS = ("egl", "osmesa")
LIBRARIES = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}
PACKAGES = {"egl": "libegl1 libgl1-mesa-dri", "osmesa": "libosmesa6"}  # of Debian and Ubuntu
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "software rasterizer", "swiftshader")
TIMEOUT_SEC = 60.0  # a healthy drawing takes about one second; a cold network disk takes longer
MIN_FREE_BYTES = 2_000_000_000

DRAW = """
import json, os
try:
    import mujoco
    light = '<light pos="0 0 3"/>'
    ball = '<geom size="1" rgba="1 0 0 1"/>'
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{light}{ball}</worldbody></mujoco>")
    renderer = mujoco.Renderer(model, 32, 32)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer.update_scene(data)
    pixels = renderer.render()
    from OpenGL import GL
    name = GL.glGetString(GL.GL_RENDERER).decode()
    answer = {"renderer": name, "red": float(pixels[..., 0].max()), "blue": float(pixels[..., 2].min())}
except Exception as error:  # mujoco raises whatever its GL binding raises
    answer = {"problem": f"{type(error).__name__}: {error}"}
print(json.dumps(answer), flush=True)
os._exit(0)  # a broken driver may crash in clean-up, which is not the question
"""

TORCH = """
import json, torch
answer = {"version": torch.__version__, "built_for": torch.version.cuda, "devices": [], "bf16": False}
if torch.cuda.is_available():
    answer["devices"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    answer["bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
print(json.dumps(answer))
"""


@dataclass(frozen=True)
class Check:
    """One thing looked at: `ok` is True, False for a problem, None for what is merely worth knowing."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""  # what to do, one line; only for problems


@dataclass(frozen=True)
class Drawing:
    """What came of drawing one small scene: the GL renderer's name, or what went wrong (one line)."""

    backend: str
    renderer: str = ""
    problem: str = ""


def diagnose(out: TextIO) -> int:
    """Writes every check with its remedy; returns 0 if rendering works, else 1."""
    drawing = draw(chosen_backend())
    for check in checks(drawing):
        _write(check, out)
    if drawing.problem:
        print(f"\nRendering does not work: {escaped(drawing.problem)}", file=out)
    else:
        print(f"\nRendering works ({escaped(drawing.backend) or 'default'}, {escaped(drawing.renderer)}).", file=out)
    return int(bool(drawing.problem))


def checks(drawing: Drawing | None = None) -> list[Check]:
    """Everything looked at, in reading order.

    Args:
      drawing: what came of the chosen backend; drawn now if not given.
    """
    drawing = drawing or draw(chosen_backend())
    gpus = find_gpus()
    return [
        check_system(),
        *check_versions(),
        check_setting(),
        *check_drawing(drawing, gpus),
        check_device(drawing),
        *check_other_backends(drawing.backend),
        check_torch(gpus),
        check_folder("runs folder", Path("runs").absolute()),
        check_cache_folder(),
        *check_assets(AssetStore.from_environment(allow_stand_ins=True)),
    ]


def graphics_problem(timeout_sec: float = TIMEOUT_SEC) -> str | None:
    """Why this machine cannot draw, in one sentence that names the remedy; None if it can (about a second)."""
    drawing = draw(chosen_backend(), timeout_sec)
    if not drawing.problem:
        return None
    return f"Cannot draw off screen ({drawing.problem.rstrip('.')}). {remedy_for(drawing)} (more: harness doctor)"


def require_graphics() -> None:
    """Tries the off-screen GL before any work.

    Raises:
      WorkError: if nothing can be drawn; names the remedy.
    """
    if problem := graphics_problem():
        raise WorkError(problem)


def chosen_backend() -> str:
    """What `MUJOCO_GL` says, or this project's default; empty for the system's own (macOS)."""
    return os.environ.get("MUJOCO_GL", "egl" if sys.platform == "linux" else "").lower().strip()


def draw(backend: str, timeout_sec: float = TIMEOUT_SEC) -> Drawing:
    """Draws a red ball with one backend in a fresh process."""
    environment = {**os.environ, "MUJOCO_GL": backend}
    if not backend:
        del environment["MUJOCO_GL"]
    answer = _ask(DRAW, environment, timeout_sec)
    if "problem" in answer:
        return Drawing(backend, problem=answer["problem"])
    if answer["red"] < 64 or answer["blue"] > 32:
        return Drawing(backend, answer["renderer"], f"{answer['renderer']} draws a wrong picture")
    return Drawing(backend, answer["renderer"])


def _ask(code: str, environment: dict[str, str], timeout_sec: float) -> dict[str, Any]:
    """Runs code that prints one JSON object; a crash or hang becomes `{"problem": one line}`."""
    command = [sys.executable, "-P", "-c", code]  # -P: nothing of the current folder is imported
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_sec)
    except subprocess.TimeoutExpired:
        return {"problem": f"no answer within {timeout_sec:g} s"}
    if done.returncode < 0:
        return {"problem": f"crashed ({signal.Signals(-done.returncode).name})"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        reasons = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"problem": reasons[-1].strip()}
    answer: dict[str, Any] = json.loads(lines[-1])
    if "problem" in answer:
        answer["problem"] = " ".join(answer["problem"].split())
    return answer


def remedy_for(drawing: Drawing) -> str:
    """What to do about a drawing that failed, one line."""
    backend = drawing.backend
    platform_asked = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    if backend in BACKENDS and platform_asked not in ("", backend):
        return f"Unset PYOPENGL_PLATFORM: it asks for {platform_asked}, and MUJOCO_GL for {backend}."
    if backend not in BACKENDS:
        return "Run: export MUJOCO_GL=egl" if sys.platform == "linux" else "Unset MUJOCO_GL."
    if not can_load(LIBRARIES[backend]):
        return f"Run: apt-get install -y {PACKAGES[backend]}"
    if backend == "egl" and (broken := _gpu_remedy()):
        return broken
    other = "osmesa" if backend == "egl" else "egl"
    return (
        f"Run: apt-get install -y --reinstall {PACKAGES[backend]}; "
        f"or draw with {other}: apt-get install -y {PACKAGES[other]} and export MUJOCO_GL={other}"
    )


def _gpu_remedy() -> str:
    """What keeps a GPU that is there from drawing; empty if nothing is known."""
    if _nvidia_devices():
        if not _nvidia_egl():
            return (
                "The NVIDIA driver's EGL is missing: install libnvidia-gl of the driver's version, "
                "or start the container with NVIDIA_DRIVER_CAPABILITIES=all."
            )
        if os.environ.get("MUJOCO_EGL_DEVICE_ID"):
            return "Check MUJOCO_EGL_DEVICE_ID: it names the EGL device to draw with; unset it to try all."
    if closed := [path for path in _render_nodes() if not os.access(path, os.R_OK | os.W_OK)]:
        return f"Let this user open {closed[0]}: add it to the groups render and video."
    return ""


def check_system() -> Check:
    """Operating system and Python."""
    version = platform.python_version()
    detail = f"{_os_name()}, {platform.machine()}, Python {version}"
    if sys.version_info[:2] in SUPPORTED_PYTHON:
        return Check("system", True, detail)
    supported = " and ".join(".".join(map(str, pair)) for pair in SUPPORTED_PYTHON)
    return Check("system", False, detail, f"Use Python {supported}.")


def check_versions() -> Iterator[Check]:
    """Every exact pin of this package against what is installed."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("versions", False, f"{DISTRIBUTION} is not installed", "Run: pip install -e .")
        return
    for requirement in requirements:
        if pin := re.fullmatch(r"([\w.-]+)==([\w.]+?)(\.\*)?", requirement):
            yield _check_pin(pin[1], pin[2], prefix=bool(pin[3]))


def _check_pin(name: str, pinned: str, *, prefix: bool) -> Check:
    wanted = pinned + (".*" if prefix else "")
    remedy = f"Run: pip install '{name}=={wanted}'"
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, f"not installed, {wanted} is needed", remedy)
    public = installed.partition("+")[0]  # without a build's mark, such as +cpu
    if public == pinned or (prefix and public.startswith(pinned + ".")):
        return Check(name, True, installed)
    return Check(name, False, f"{installed}, but scores are only comparable with {wanted}", remedy)


def check_setting() -> Check:
    """The variables that choose the GL backend."""
    names = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID", "DISPLAY")
    given = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return Check("GL setting", None, f"draws with {chosen_backend() or 'the default'}; {' '.join(given) or 'none set'}")


def check_drawing(drawing: Drawing, gpus: list[str]) -> Iterator[Check]:
    """Whether the chosen backend draws, and whether a GPU stands by while the processor draws."""
    name = f"drawing with {drawing.backend or 'the default'}"
    if drawing.problem:
        yield Check(name, False, drawing.problem, remedy_for(drawing))
        return
    software = is_software(drawing.renderer)
    yield Check(name, True, f"{drawing.renderer} ({'software' if software else 'hardware'})")
    if software and gpus:
        remedy = _gpu_remedy() or "Install the EGL of the GPU's driver; harness doctor should then name the GPU."
        yield Check("GPU drawing", False, f"the processor draws although there is {', '.join(gpus)}", remedy)


def check_device(drawing: Drawing) -> Check:
    """Which device draws, and whether it is the one that `MUJOCO_EGL_DEVICE_ID` asks for."""
    name, asked, draws = "drawing device", os.environ.get(DEVICE_VARIABLE, ""), f"{drawing.renderer or 'nothing'} draws"
    if drawing.backend != "egl":
        return Check(name, None, f"{draws}; {DEVICE_VARIABLE} counts with egl only")
    there = [told.described(card_names()) for told in drawing_devices()]
    listed = ", ".join(f"{number}: {device}" for number, device in enumerate(there)) or "none that EGL names"
    if not asked:
        return Check(name, None, f"{draws}, none was asked for ({DEVICE_VARIABLE}=N; {listed})")
    if not asked.isdecimal() or int(asked) >= len(there):
        remedy = f"Unset {DEVICE_VARIABLE}, or give it one of these numbers."
        return Check(name, False, f"{draws}; device {asked} was asked for, and there is {listed}", remedy)
    wanted = drawing_devices()[int(asked)]
    if not drawing.problem and wanted.is_drawn_by(drawing.renderer, card_names(), software=is_software):
        return Check(name, True, f"{draws}, as asked: device {asked}, {there[int(asked)]}")
    remedy = f"Unset {DEVICE_VARIABLE} or name another ({listed}), or install the EGL of the card's driver."
    return Check(name, False, f"{draws}, and not what was asked for: device {asked}, {there[int(asked)]}", remedy)


def check_other_backends(chosen: str) -> Iterator[Check]:
    """Backends that were not chosen: worth knowing, never a problem."""
    if sys.platform != "linux":
        return
    for backend in BACKENDS:
        if backend == chosen:
            continue
        library = LIBRARIES[backend]
        drawing = draw(backend) if can_load(library) else Drawing(backend, problem=f"no {library}")
        detail = drawing.renderer if not drawing.problem else f"not usable ({drawing.problem}), not needed"
        yield Check(f"drawing with {backend}", None, detail)


def is_software(renderer: str) -> bool:
    """Whether a GL renderer's name is that of a software rasterizer."""
    return any(name in renderer.lower() for name in SOFTWARE_RENDERERS)


def check_torch(gpus: list[str]) -> Check:
    """Whether torch works, and sees the GPUs that are there."""
    answer = _ask(TORCH, dict(os.environ), TIMEOUT_SEC)
    if "problem" in answer:
        return Check("torch", False, answer["problem"], "Run: pip install --force-reinstall 'torch==2.13.*'")
    if answer["devices"]:
        detail = f"CUDA {answer['built_for']}, {', '.join(answer['devices'])}, bf16 {_yes(answer['bf16'])}"
        return Check("CUDA", True, detail)
    if not any("NVIDIA" in gpu for gpu in gpus):
        return Check("CUDA", None, "no NVIDIA GPU: training runs on the processor")
    if answer["built_for"] is None:
        return Check("CUDA", False, "torch is a build for processors only", "Install torch's build for CUDA.")
    remedy = f"Update the NVIDIA driver to one for CUDA {answer['built_for']}, or check CUDA_VISIBLE_DEVICES."
    return Check("CUDA", False, f"torch is built for CUDA {answer['built_for']} and sees no device", remedy)


def check_folder(name: str, folder: Path) -> Check:
    """Whether a folder, or the nearest one above it that exists, can be written and has room."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"x")
    except OSError as error:
        return Check(name, False, f"{folder}: {error.strerror}", f"Make {place} writable for this user.")
    free = shutil.disk_usage(place).free
    detail = f"{folder}: {free / 1e9:.1f} GB free"
    if free < MIN_FREE_BYTES:
        return Check(name, False, detail, f"Make room: at least {MIN_FREE_BYTES / 1e9:.0f} GB.")
    return Check(name, True, detail)


def check_cache_folder() -> Check:
    """Whether there is a place for what is fetched and decoded."""
    try:
        return check_folder("cache folder", cache_folder())
    except UsageError as error:
        return Check("cache folder", False, str(error), "Set HOME, or XDG_CACHE_HOME, to a folder.")


def check_assets(store: AssetStore) -> Iterator[Check]:
    """Which third-party files are here, and folders of `$HARNESS_ASSETS` that are not."""
    for folder in store.folders:
        if not folder.is_dir() and folder not in store.may_be_absent:
            yield Check("assets", False, f"no such folder: {folder}", "Correct HARNESS_ASSETS.")
    rows = list_assets(store)
    found = [f"{row['name']} {row['present']}/{row['total'] or '-'}" for row in rows if row["present"]]
    absent = [row["name"] for row in rows if not row["present"]]
    yield Check("assets found", None, ", ".join(found) or "none")
    yield Check("assets absent", None, f"{', '.join(absent) or 'none'} (see: harness assets list)")


def find_gpus() -> list[str]:
    """Names of GPUs the system shows, with or without a working driver."""
    nvidia = _nvidia_names() or [f"an NVIDIA device ({path})" for path in _nvidia_devices()]
    return nvidia or [f"a GPU ({path})" for path in _render_nodes()]


def can_load(library: str) -> bool:
    """Whether the dynamic linker finds and loads a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _nvidia_names() -> list[str]:
    """What `nvidia-smi` lists; nothing if it is not there or fails."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return [name if "NVIDIA" in name else f"NVIDIA {name}" for name in names]


def _nvidia_devices() -> list[Path]:
    return sorted(Path("/dev").glob("nvidia[0-9]*"))


def _render_nodes() -> list[Path]:
    return sorted(Path("/dev/dri").glob("renderD*"))


def _nvidia_egl() -> bool:
    """Whether NVIDIA's EGL library is here for the vendor-neutral one to load."""
    return can_load("libEGL_nvidia.so.0")


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _write(check: Check, out: TextIO) -> None:
    state = {True: "ok", False: "PROBLEM", None: "-"}[check.ok]
    first = f"{state:8} {check.name:22} "
    print(textwrap.fill(escaped(check.detail), 118, initial_indent=first, subsequent_indent=" " * len(first)), file=out)
    if check.remedy:
        print(f"{'':9}-> {escaped(check.remedy)}", file=out)
