"""One off-screen renderer per simulation, owned by the harness.

dm_control's and Gymnasium's own renderers cache which GL context is current and corrupt each other's pictures when
both live in one process. `mujoco.Renderer` makes its context current at every call, so only that one is used.
"""

from __future__ import annotations

import abc
import atexit
import contextlib
import importlib
import os
import sys
import weakref
from collections.abc import Iterable

# PyTorch's CUDA build brings Triton, which carries an LLVM of its own, as Mesa's software rasterizer does. Loaded after
# Mesa's, Triton's ends the process with a segmentation fault (seen at the first optimiser step with torch 2.13 and Mesa
# 22.3 on Debian 12); loaded before, both work.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

if sys.platform == "linux" and not os.environ.get("MUJOCO_GL"):
    os.environ["MUJOCO_GL"] = "egl"  # no display is needed
    if "mujoco" in sys.modules:  # it reads the variable once, when it is imported; here somebody was earlier
        importlib.reload(sys.modules["mujoco.gl_context"])

import mujoco
import numpy as np

from harness.errors import WorkError
from harness.rendering import gl_context
from harness.rendering.cube_texture import ALL_FACES, CubePicture, CubeTexture, faces_in_view, works_as_plain
from harness.simulation import Simulation

RIM = 8  # pixels

_open: weakref.WeakSet[OffscreenRenderer] = weakref.WeakSet()
_inherited: list[object] = []  # a forked process keeps what it inherited, as freeing it would call GL


class OffscreenRenderer:
    """Draws one model from one camera as uint8 (size, size, 3).

    Args:
      model: the compiled model; its off-screen buffer is set to the picture's size, which saves time and moves no
        pixel (the buffer is only where the picture is drawn).
      size: height and width of the picture, pixels.
      profile: "standard", or "fast" for no shadows and no multisampling.
      floor_untouched: a promise that nothing that can be seen, lights included, comes near a plane from above or is
        below one. Planes then shadow nothing and are left out of the shadow map, where filling them takes up to a
        third of the time of a picture in software. The picture is the same, byte for byte. It is not for robots
        that touch the floor: what sinks into it by a millimetre is in its shadow.
    Raises:
      WorkError: if no GL context can be had; `harness doctor` explains.
    """

    def __init__(
        self, model: mujoco.MjModel, size: int, profile: str = "standard", *, floor_untouched: bool = False
    ) -> None:
        gl_context.check_process()
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        if profile == "fast":
            model.vis.quality.offsamples = 0
        try:
            with gl_context.kept():
                self._renderer = mujoco.Renderer(model, size, size)
        except Exception as error:
            # mujoco raises whatever its GL binding raises (ImportError, AttributeError, its own FatalError, ...).
            raise WorkError(f"Cannot draw off screen ({error}). Run: harness doctor") from error
        self._free = weakref.finalize(self, _free, self._renderer)
        self._free.atexit = False  # by then GL is gone: see below
        if profile == "fast":
            self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._model = model
        self._floor_untouched = floor_untouched
        self._sky = _sky_alone(model)
        self._cubes: dict[int, CubeTexture | None] = {}  # None: this driver needs the plain way
        if not _open:  # registered after mujoco's own exit handler, so it runs before that ends the display
            atexit.register(_close_all)
        _open.add(self)

    def draw(self, data: mujoco.MjData, camera: int | str | mujoco.MjvCamera) -> np.ndarray:
        """Draws the scene; returns a fresh uint8 array (size, size, 3), rows from the top. Any thread may draw.

        Raises:
          WorkError: in a process that was forked from one that has drawn.
        """
        gl_context.check_process()
        self._renderer.update_scene(data, camera)
        if self._floor_untouched:
            self._leave_planes_out_of_shadow_map()
        with self._held():
            self._update_cubes()
            return self._renderer.render()

    def _leave_planes_out_of_shadow_map(self) -> None:
        """Marks planes as decoration, which MuJoCo draws like all else but never as a caster of shadows."""
        scene = self._renderer.scene
        for geom in scene.geoms[: scene.ngeom]:
            if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
                geom.category = mujoco.mjtCatBit.mjCAT_DECOR

    def upload_texture(self, texture: int) -> None:
        """Sends changed `model.tex_data` of one texture to this renderer's GL context."""
        self._cubes.pop(texture, None)
        with self._held():
            self._upload(texture)

    def show(self, texture: int, picture: CubePicture) -> None:
        """Does what `upload_texture` does for a cube texture whose `model.tex_data` is this picture, but faster."""
        if texture not in self._cubes:
            with self._held():
                self._cubes[texture] = self._try_fast_way(texture, picture.pixels)
        cube = self._cubes[texture]
        if cube is None:
            with self._held():
                self._upload(texture)
        else:
            cube.show(picture)  # is sent when it is known where the camera looks

    def _update_cubes(self) -> None:
        for texture, cube in self._cubes.items():
            if cube is not None and cube.stale:
                cube.update(self._visible_faces() if texture == self._sky else ALL_FACES)

    def _visible_faces(self) -> Iterable[int]:
        """Faces of the sky around the scene's camera, with a rim of pixels that filters may reach."""
        camera = self._renderer.scene.camera[0]
        if camera.orthographic:
            return ALL_FACES
        forward, up = camera.forward.astype(np.float64), camera.up.astype(np.float64)
        right = np.cross(forward, up)
        half = camera.frustum_top / camera.frustum_near * (1.0 + 2.0 * RIM / self._renderer.height)
        around = np.array([[-half, -half], [-half, half], [half, half], [half, -half]])
        x, y, z = (forward + around @ np.stack([right, up])).T
        return faces_in_view(np.stack([x, z, -y], axis=1))  # MuJoCo's sky is turned about x by a quarter

    def _try_fast_way(self, texture: int, pixels: np.ndarray) -> CubeTexture | None:
        """The texture if, on this driver, the fast way gives byte for byte what MuJoCo's upload gives for noise."""
        noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
        set_texture(self._model, texture, noise)
        self._upload(texture)
        set_texture(self._model, texture, pixels)
        cube = CubeTexture(int(self._renderer._mjr_context.texture[texture]), len(pixels))
        return cube if works_as_plain(cube, noise) else None

    def _upload(self, texture: int) -> None:
        mujoco.mjr_uploadTexture(self._model, self._renderer._mjr_context, texture)

    def _held(self) -> contextlib.AbstractContextManager[None]:
        """This renderer's GL context, current while something is drawn or sent."""
        return gl_context.held(self._renderer._gl_context)

    def name(self) -> str:
        """The GL renderer string, such as `llvmpipe (LLVM 15.0.6, 256 bits)`."""
        from OpenGL import GL

        gl_context.check_process()
        with self._held():
            return str(GL.glGetString(GL.GL_RENDERER).decode())

    def close(self) -> None:
        """Frees the GL context; drawing is over. So does the garbage collector, of one that nobody closed."""
        self._free()
        _open.discard(self)

    def forget(self) -> None:
        """Lets go of the GL context without a call to GL: for a process that was forked while this was open."""
        self._free.detach()
        _inherited.append((self._renderer._gl_context, self._renderer._mjr_context))
        self._renderer._gl_context = self._renderer._mjr_context = None


class DrawnSimulation(Simulation):
    """A simulation of one live MuJoCo model that draws with a renderer of its own.

    The renderer is made at the first picture, so that shifts set the model up before its one upload. Subclasses keep
    `model` the same object for their whole life; a shift may write any visual field of it (and call `upload_texture`
    for one it changed), or poses of `data` just before a picture is drawn.

    Args:
      image_size: height and width of the picture, pixels.
      profile: the renderer's, "standard" or "fast".
      floor_untouched: see `OffscreenRenderer`.
    """

    any_thread = True
    camera: int | str

    def __init__(self, image_size: int, profile: str, *, floor_untouched: bool = False) -> None:
        self.image_size = image_size
        self._profile = profile
        self._floor_untouched = floor_untouched
        self._renderer: OffscreenRenderer | None = None

    @property
    @abc.abstractmethod
    def model(self) -> mujoco.MjModel:
        """The live compiled model."""

    @property
    @abc.abstractmethod
    def data(self) -> mujoco.MjData:
        """The live state."""

    @property
    def cameras(self) -> tuple[int | str, ...]:
        """The cameras that are drawn, in order."""
        return (self.camera,)

    def check_can_draw(self) -> None:
        gl_context.check_can_draw()

    def render(self) -> np.ndarray:
        return self.draw(self.camera)

    def draw(self, camera: int | str) -> np.ndarray:
        """Draws the scene from a camera; uint8 (H, W, 3), rows from the top, a fresh array."""
        return self._drawer().draw(self.data, camera)

    def upload_texture(self, texture: int) -> None:
        """Sends changed `model.tex_data` of one texture to the renderer, if it has been made."""
        if self._renderer is not None:
            self._renderer.upload_texture(texture)

    def show(self, texture: int, picture: CubePicture) -> None:
        """Writes a picture into `model.tex_data` of a cube texture with square data, and uploads it the fastest way."""
        set_texture(self.model, texture, picture.pixels)
        if self._renderer is not None:
            self._renderer.show(texture, picture)

    def renderer_name(self) -> str:
        return self._drawer().name()

    def discard_renderer(self) -> None:
        """Frees the renderer; the next picture is drawn by a new one, with the model's textures as they are then."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def close(self) -> None:
        self.discard_renderer()

    def _drawer(self) -> OffscreenRenderer:
        if self._renderer is None:
            promise = self._floor_untouched
            self._renderer = OffscreenRenderer(self.model, self.image_size, self._profile, floor_untouched=promise)
        return self._renderer


def _sky_alone(model: mujoco.MjModel) -> int | None:
    """The texture that is the sky, which is the first of its type, if it is on nothing else."""
    skies = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX)
    return int(skies[0]) if len(skies) and skies[0] not in model.mat_texid else None


def set_texture(model: mujoco.MjModel, texture: int, pixels: np.ndarray) -> None:
    """Writes uint8 (H, W, 3) to where the data of a texture starts."""
    start = int(model.tex_adr[texture])
    model.tex_data[start : start + pixels.size] = pixels.ravel()


def _free(renderer: mujoco.Renderer) -> None:
    """Frees what a renderer has in GL, with its own context current.

    mujoco.Renderer frees the context first, and then textures and buffers by their numbers in whatever context is
    current: those of a picture that is being drawn, if the garbage collector runs in the midst of it.
    """
    with gl_context.held(renderer._gl_context):
        if renderer._mjr_context is not None:
            renderer._mjr_context.free()
        renderer._mjr_context = None
        renderer.close()


def _forget_all() -> None:
    for renderer in list(_open):
        renderer.forget()


gl_context.when_forked(_forget_all)


def _close_all() -> None:
    for renderer in list(_open):
        renderer.close()
