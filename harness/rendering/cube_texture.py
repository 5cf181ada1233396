"""Moving pictures on cube textures: what `mjr_uploadTexture` does, but once instead of for each of six faces."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from harness.lazy import np

ALL_FACES = range(6)  # +x, -x, +y, -y, +z, -z of GL's cube


class CubePicture:
    """A square picture for all six faces of a cube texture, and its mipmaps once GL has made them.

    Args:
      pixels: uint8 (S, S, 3), RGB.
      returns: whether it is shown more than once, so that its mipmaps (a third of its size) are worth keeping.
    """

    def __init__(self, pixels: np.ndarray, *, returns: bool) -> None:
        self.pixels = np.ascontiguousarray(pixels)
        self.returns = returns
        self.mipmaps: list[np.ndarray] = []  # from half the size down to one pixel


class CubeTexture:
    """A cube texture in GL all of whose faces show one picture.

    MuJoCo sends the picture to every face and has mipmaps made for every face: 20 ms for 800 x 800 pixels in software.
    Here it is sent to one face, its mipmaps are made once, and GL copies it to those of the other faces that are
    looked at: 1 to 3 ms. The faces then hold the same bytes (`works_as_plain` checks that on the driver at hand).

    Args:
      name: of the texture in GL, set up by MuJoCo.
      size: height and width of a face, pixels.
    """

    def __init__(self, name: int, size: int) -> None:
        from OpenGL import GL  # not before a context was made: that chooses PyOpenGL's platform

        self._gl: Any = GL
        self._name = name
        self._sides = [size >> level for level in range(size.bit_length())]
        self._on_faces: list[CubePicture | None] = [None] * 6
        self._picture: CubePicture | None = None

    @property
    def stale(self) -> bool:
        """Whether some face shows another picture than the newest."""
        return any(shown is not self._picture for shown in self._on_faces)

    def show(self, picture: CubePicture) -> None:
        """Takes a picture of the texture's size; `update` brings it onto faces."""
        self._picture = picture

    def update(self, faces: Iterable[int] = ALL_FACES) -> None:
        """Brings faces up to date; the texture's GL context must be current."""
        picture = self._picture
        stale = [face for face in faces if self._on_faces[face] is not picture]
        if picture is None or not stale:
            return
        self._bind()
        if picture not in self._on_faces:
            self._send_picture(stale[0], picture)
            self._on_faces[stale[0]] = picture
        source = self._on_faces.index(picture)
        for face in stale:
            if face != source:
                self._copy(source, face)
                self._on_faces[face] = picture

    def read(self) -> list[np.ndarray]:
        """Every level of every face, uint8 (side, side, 3); the texture's GL context must be current."""
        self._bind()
        return [pixels for face in ALL_FACES for pixels in self._read(face)]

    def _bind(self) -> None:
        self._gl.glActiveTexture(self._gl.GL_TEXTURE0)
        self._gl.glBindTexture(self._gl.GL_TEXTURE_CUBE_MAP, self._name)

    def _send_picture(self, face: int, picture: CubePicture) -> None:
        """If it has no mipmaps, GL makes them as the base level changes: of this face alone, not as an own command."""
        gl = self._gl
        if picture.mipmaps:
            for level, pixels in enumerate((picture.pixels, *picture.mipmaps)):
                self._send(face, level, pixels)
            return
        gl.glTexParameteri(gl.GL_TEXTURE_CUBE_MAP, gl.GL_GENERATE_MIPMAP, gl.GL_TRUE)
        self._send(face, 0, picture.pixels)
        gl.glTexParameteri(gl.GL_TEXTURE_CUBE_MAP, gl.GL_GENERATE_MIPMAP, gl.GL_FALSE)
        if picture.returns:
            picture.mipmaps = self._read(face)[1:]

    def _send(self, face: int, level: int, pixels: np.ndarray) -> None:
        gl, side = self._gl, self._sides[level]
        target = gl.GL_TEXTURE_CUBE_MAP_POSITIVE_X + face
        gl.glTexSubImage2D(target, level, 0, 0, side, side, gl.GL_RGB, gl.GL_UNSIGNED_BYTE, pixels)

    def _read(self, face: int) -> list[np.ndarray]:
        gl, levels = self._gl, [np.empty((side, side, 3), np.uint8) for side in self._sides]
        target = gl.GL_TEXTURE_CUBE_MAP_POSITIVE_X + face
        for level, pixels in enumerate(levels):
            gl.glGetTexImage(target, level, gl.GL_RGB, gl.GL_UNSIGNED_BYTE, pixels)
        return levels

    def _copy(self, source: int, face: int) -> None:
        for level, side in enumerate(self._sides):
            place = self._name, self._gl.GL_TEXTURE_CUBE_MAP, level, 0, 0
            self._gl.glCopyImageSubData(*place, source, *place, face, side, side, 1)


def works_as_plain(texture: CubeTexture, pixels: np.ndarray) -> bool:
    """Whether a shown picture leaves in the texture exactly what MuJoCo's upload of it has just left there.

    Args:
      texture: MuJoCo has uploaded `pixels` to all its faces; its GL context is current.
      pixels: uint8 (S, S, 3).
    """
    from OpenGL.error import Error

    plain = texture.read()
    picture, other = CubePicture(pixels, returns=True), CubePicture(255 - pixels, returns=False)
    try:
        for source in (0, 4):  # first with mipmaps still to be made, then with remembered ones
            texture.show(other)
            texture.update([source])
            texture.update()
            if any(map(np.array_equal, texture.read(), plain)):  # a face was left alone
                return False
            texture.show(picture)
            texture.update([source])
            texture.update()
            if not all(map(np.array_equal, texture.read(), plain)):
                return False
    except Error:  # a driver without GL 4.3's copies
        return False
    return True


def _face_corners() -> np.ndarray:
    """Corners of the cube's faces, in order around each, float64 (6, 4, 3)."""
    around = ((-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0))
    faces = [np.insert(around, axis, side, axis=1) for axis in range(3) for side in (1.0, -1.0)]
    return np.array(faces)


def _sides(corners: np.ndarray) -> np.ndarray:
    """Inward normals of the sides of pyramids whose tips are the origin, (..., 4, 3) for corners (..., 4, 3)."""
    x, y, z = np.moveaxis(corners, -1, 0)
    u, v, w = np.moveaxis(corners[..., [1, 2, 3, 0], :], -1, 0)
    normals = np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)  # np.cross takes five times as long
    inside = np.sum(normals * corners.sum(axis=-2, keepdims=True), axis=-1, keepdims=True)
    return normals * np.sign(inside)


@cache
def _faces() -> tuple[np.ndarray, np.ndarray]:
    """The cube's faces: their corners, and the inward normals of the pyramids below them; both float64 (6, 4, 3)."""
    corners = _face_corners()
    return corners, _sides(corners)


def faces_in_view(corners: np.ndarray) -> list[int]:
    """The faces of a cube, seen from its centre, that a pyramid of view touches.

    Two convex pyramids with one tip are apart if and only if one of their sides separates them.

    Args:
      corners: directions of the view's corners, in order around it, float (4, 3); less than a half space.
    Returns:
      Numbers of faces, ascending.
    """
    faces, face_sides = _faces()
    outside_view = np.any(np.all(_sides(corners) @ faces.transpose(0, 2, 1) < 0.0, axis=2), axis=1)
    outside_face = np.any(np.all(face_sides @ corners.T < 0.0, axis=2), axis=1)
    return [int(face) for face in np.flatnonzero(~(outside_view | outside_face))]
