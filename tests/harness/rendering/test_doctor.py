"""What the doctor says about machines that are well and machines that are not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.assets.store import AssetStore
from harness.cards import DrawingDevice
from harness.rendering import doctor
from harness.rendering.doctor import Check, Drawing

SOFTWARE = "llvmpipe (LLVM 15.0.6, 256 bits)"
HARDWARE = "NVIDIA H200/PCIe/SSE2"


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine without GPU whose GL libraries load."""
    for name in ("MUJOCO_GL", "PYOPENGL_PLATFORM", "MUJOCO_EGL_DEVICE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor, "can_load", lambda library: True)
    for name in ("_nvidia_names", "_nvidia_devices", "_render_nodes"):
        monkeypatch.setattr(doctor, name, list)


def answer_with(monkeypatch: pytest.MonkeyPatch, **answer: Any) -> None:
    monkeypatch.setattr(doctor, "DRAW", f"print({json.dumps(json.dumps(answer))})")


def only(found: Any) -> Check:
    (check,) = found
    return check


class TestDevice:
    """Which device draws, and which one was asked for; a machine whose EGL has the processor and a card."""

    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "card_names", lambda: ("NVIDIA H200",))
        there = (DrawingDevice(is_software=True), DrawingDevice(0))
        monkeypatch.setattr(doctor, "drawing_devices", lambda: there)

    @pytest.mark.parametrize(
        ("asked", "renderer", "ok", "told"),
        [
            ("1", HARDWARE, True, f"{HARDWARE} draws, as asked: device 1, NVIDIA H200 (cuda:0)"),
            ("0", SOFTWARE, True, f"{SOFTWARE} draws, as asked: device 0, the processor"),
            (
                *("1", SOFTWARE, False),
                f"{SOFTWARE} draws, and not what was asked for: device 1, NVIDIA H200 (cuda:0)",
            ),
            ("0", HARDWARE, False, f"{HARDWARE} draws, and not what was asked for: device 0, the processor"),
            ("1", "NVIDIA A100/PCIe/SSE2", False, "not what was asked for"),
            ("2", SOFTWARE, False, "device 2 was asked for, and there is 0: the processor, 1: NVIDIA H200 (cuda:0)"),
            ("card", SOFTWARE, False, "device card was asked for"),
            ("", HARDWARE, None, f"{HARDWARE} draws, none was asked for (MUJOCO_EGL_DEVICE_ID=N; 0: the processor"),
        ],
    )
    def test_it_is_the_one_asked_for(
        self, asked: str, renderer: str, ok: bool | None, told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", asked)
        check = doctor.check_device(Drawing("egl", renderer))
        assert check.ok is ok
        assert told in check.detail
        assert bool(check.remedy) == (ok is False)

    def test_osmesa_has_no_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "1")
        check = doctor.check_device(Drawing("osmesa", SOFTWARE))
        assert (check.ok, check.remedy) == (None, "")

    def test_a_drawing_that_failed_is_not_as_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "1")
        assert doctor.check_device(Drawing("egl", problem="crashed")).ok is False


class TestDraw:
    def test_the_renderer_of_a_right_picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer_with(monkeypatch, renderer=SOFTWARE, red=200.0, blue=0.0)
        assert doctor.draw("egl") == Drawing("egl", SOFTWARE)

    @pytest.mark.parametrize(("red", "blue"), [(0.3, 0.0), (255.0, 255.0)], ids=["black", "white"])
    def test_a_wrong_picture_is_a_problem(self, monkeypatch: pytest.MonkeyPatch, red: float, blue: float) -> None:
        answer_with(monkeypatch, renderer=SOFTWARE, red=red, blue=blue)
        assert doctor.draw("egl").problem == f"{SOFTWARE} draws a wrong picture"

    @pytest.mark.parametrize(
        ("code", "problem"),
        [
            ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
            ("import time; time.sleep(60)", "no answer within 0.5 s"),
            ("raise SystemExit('no luck')", "no luck"),
            ("import sys; sys.exit(3)", "exit status 3"),
            ("import json; print(json.dumps({'problem': 'two\\nlines'}))", "two lines"),
        ],
        ids=["crash", "hang", "error", "silent", "reported"],
    )
    def test_crashes_and_hangs_are_reported(self, monkeypatch: pytest.MonkeyPatch, code: str, problem: str) -> None:
        monkeypatch.setattr(doctor, "DRAW", code)
        assert doctor.draw("egl", timeout_sec=0.5 if "sleep" in code else 30).problem == problem

    def test_the_child_gets_the_backend(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "DRAW", "import os, json; print(json.dumps({'problem': os.environ['MUJOCO_GL']}))")
        assert doctor.draw("osmesa").problem == "osmesa"


class TestRemedies:
    def remedy(self, backend: str = "egl") -> str:
        return doctor.remedy_for(Drawing(backend, problem="broken"))

    @pytest.mark.parametrize(("backend", "packages"), doctor.PACKAGES.items())
    def test_a_missing_library_is_installed(self, monkeypatch: pytest.MonkeyPatch, backend: str, packages: str) -> None:
        monkeypatch.setattr(doctor, "can_load", lambda library: library != doctor.LIBRARIES[backend])
        assert self.remedy(backend) == f"Run: apt-get install -y {packages}"

    def test_a_library_that_is_there_is_reinstalled_or_passed_by(self) -> None:
        assert "--reinstall libegl1 libgl1-mesa-dri" in self.remedy()
        assert "export MUJOCO_GL=osmesa" in self.remedy()

    def test_an_unknown_backend(self) -> None:
        assert self.remedy("foo") == "Run: export MUJOCO_GL=egl"

    def test_contradicting_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")
        assert self.remedy().startswith("Unset PYOPENGL_PLATFORM")
        assert "PYOPENGL" not in self.remedy("osmesa")

    def test_nvidia_without_its_egl(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_nvidia_devices", lambda: [Path("/dev/nvidia0")])
        monkeypatch.setattr(doctor, "can_load", lambda library: "nvidia" not in library)
        assert "NVIDIA_DRIVER_CAPABILITIES=all" in self.remedy()

    def test_a_device_that_may_not_be_opened(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(doctor, "_render_nodes", lambda: [tmp_path / "renderD128"])
        assert "groups render and video" in self.remedy()


class TestChecks:
    def test_software_drawing_beside_a_gpu_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_nvidia_names", lambda: ["NVIDIA H200"])
        drawn, beside = doctor.check_drawing(Drawing("egl", SOFTWARE), doctor.find_gpus())
        assert (drawn.ok, beside.ok) == (True, False)
        assert beside.detail == "the processor draws although there is NVIDIA H200"
        assert beside.remedy
        assert only(doctor.check_drawing(Drawing("egl", HARDWARE), ["NVIDIA H200"])).detail == f"{HARDWARE} (hardware)"
        assert only(doctor.check_drawing(Drawing("egl", SOFTWARE), [])).detail == f"{SOFTWARE} (software)"

    def test_gpus_are_found_with_or_without_a_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert doctor.find_gpus() == []
        monkeypatch.setattr(doctor, "_render_nodes", lambda: [Path("/dev/dri/renderD128")])
        assert doctor.find_gpus() == ["a GPU (/dev/dri/renderD128)"]
        monkeypatch.setattr(doctor, "_nvidia_devices", lambda: [Path("/dev/nvidia0")])
        assert doctor.find_gpus() == ["an NVIDIA device (/dev/nvidia0)"]

    def test_versions_are_compared_with_the_pins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pins = ["mujoco==3.3.0", "torch==2.13.*", "gymnasium==1.4.0", "metaworld==3.1.1", "numpy<3,>=2.2"]
        installed = {"mujoco": "3.4.0", "torch": "2.13.1+cpu", "gymnasium": "1.4.0"}

        def version(name: str) -> str:
            if name not in installed:
                raise doctor.importlib.metadata.PackageNotFoundError(name)
            return installed[name]

        monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: pins)
        monkeypatch.setattr(doctor.importlib.metadata, "version", version)
        found = {check.name: check for check in doctor.check_versions()}
        assert {name: check.ok for name, check in found.items()} == {
            "mujoco": False,
            "torch": True,
            "gymnasium": True,
            "metaworld": False,
        }
        assert found["mujoco"].detail == "3.4.0, but scores are only comparable with 3.3.0"
        assert found["mujoco"].remedy == "Run: pip install 'mujoco==3.3.0'"
        installed["torch"] = "2.130.0"
        assert {check.name: check.ok for check in doctor.check_versions()}["torch"] is False

    def test_supported_python_is_the_projects(self) -> None:
        text = (Path(doctor.__file__).parents[2] / "pyproject.toml").read_text()
        low, high = doctor.SUPPORTED_PYTHON[0], doctor.SUPPORTED_PYTHON[-1]
        asked = f">={low[0]}.{low[1]},<{high[0]}.{high[1] + 1}"
        assert tomllib.loads(text)["project"]["requires-python"] == asked

    @pytest.mark.parametrize(
        ("answer", "gpus", "ok", "words"),
        [
            ({"built_for": None, "devices": [], "bf16": False}, [], None, "no NVIDIA GPU"),
            ({"built_for": None, "devices": [], "bf16": False}, ["NVIDIA H200"], False, "build for processors"),
            ({"built_for": "13.0", "devices": [], "bf16": False}, ["NVIDIA H200"], False, "sees no device"),
            ({"built_for": "13.0", "devices": ["H200"], "bf16": True}, ["NVIDIA H200"], True, "H200, bf16 yes"),
            ({"problem": "crashed (SIGILL)"}, [], False, "SIGILL"),
        ],
    )
    def test_cuda(
        self, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], gpus: list[str], ok: bool | None, words: str
    ) -> None:
        monkeypatch.setattr(doctor, "_ask", lambda *_: answer)
        check = doctor.check_torch(gpus)
        assert check.ok is ok
        assert words in check.detail
        assert bool(check.remedy) == (ok is False)

    def test_folders(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        check = doctor.check_folder("runs folder", tmp_path / "not/yet")
        assert check.ok
        assert list(tmp_path.iterdir()) == []
        monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**18)
        assert doctor.check_folder("runs folder", tmp_path).remedy.startswith("Make room")

        def refuse(dir: Path) -> Any:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
        check = doctor.check_folder("runs folder", tmp_path / "runs")
        assert (check.ok, check.remedy) == (False, f"Make {tmp_path} writable for this user.")

    def test_assets_and_folders_that_are_not_there(self, tmp_path: Path) -> None:
        place = tmp_path / "weights/resnet18-f37072fd.pth"
        place.parent.mkdir()
        place.write_bytes(b"")
        store = AssetStore([tmp_path, tmp_path / "nowhere"], allow_stand_ins=True)
        wrong, found, absent = doctor.check_assets(store)
        assert (wrong.ok, wrong.detail) == (False, f"no such folder: {tmp_path / 'nowhere'}")
        assert found.detail == "resnet18 1/1, resnet18_full 1/1"
        assert "video_hard" in absent.detail


class TestDiagnose:
    @pytest.fixture(autouse=True)
    def few_checks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "check_torch", lambda gpus: Check("CUDA", None, "not asked"))
        monkeypatch.setattr(doctor, "check_other_backends", lambda chosen: [])

    def test_a_machine_that_draws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer_with(monkeypatch, renderer=SOFTWARE, red=200.0, blue=0.0)
        out = io.StringIO()
        assert doctor.diagnose(out) == 0
        assert out.getvalue().endswith(f"\nRendering works (egl, {SOFTWARE}).\n")
        assert f"ok       drawing with egl       {SOFTWARE} (software)\n" in out.getvalue()

    def test_a_machine_that_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer_with(monkeypatch, problem="ImportError: no EGL")
        monkeypatch.setattr(doctor, "can_load", lambda library: False)
        out = io.StringIO()
        assert doctor.diagnose(out) == 1
        assert "PROBLEM  drawing with egl       ImportError: no EGL\n" in out.getvalue()
        assert "         -> Run: apt-get install -y libegl1 libgl1-mesa-dri\n" in out.getvalue()
        assert out.getvalue().endswith("\nRendering does not work: ImportError: no EGL\n")

    def test_every_problem_has_a_remedy_and_nothing_else_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for answer in ({"renderer": SOFTWARE, "red": 200.0, "blue": 0.0}, {"problem": "broken"}):
            answer_with(monkeypatch, **answer)
            found = doctor.checks()
            assert len(found) > 10
            assert [check.name for check in found if bool(check.remedy) != (check.ok is False)] == []

    def test_one_sentence_for_a_run_that_cannot_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer_with(monkeypatch, renderer=SOFTWARE, red=200.0, blue=0.0)
        assert doctor.graphics_problem() is None
        answer_with(monkeypatch, problem="ImportError: no EGL.")
        monkeypatch.setattr(doctor, "can_load", lambda library: False)
        assert doctor.graphics_problem() == (
            "Cannot draw off screen (ImportError: no EGL). "
            "Run: apt-get install -y libegl1 libgl1-mesa-dri (more: harness doctor)"
        )


@pytest.mark.render
def test_this_machine_draws_with_egl() -> None:
    drawing = doctor.draw("egl")
    assert drawing.problem == ""
    assert drawing.renderer


@pytest.mark.render
def test_a_wrong_setting_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "foo")
    problem = doctor.graphics_problem()
    assert problem is not None
    assert "invalid value for environment variable MUJOCO_GL: foo" in problem
    assert "Run: export MUJOCO_GL=egl" in problem


def test_the_module_imports_neither_torch_nor_a_simulator() -> None:
    code = (
        "import sys, harness.rendering.doctor; print(sorted({'torch', 'numpy', 'mujoco', 'OpenGL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "[]"
