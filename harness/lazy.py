"""numpy, imported when it is first used: declarations of suites and shifts are listed without waiting for it.

`from harness.lazy import np` instead of `import numpy as np`, in modules that declarations import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        """Stands for the module; a name that was asked for once is found without further ado."""

        def __getattr__(self, name: str) -> Any:
            import numpy

            value = getattr(numpy, name)
            setattr(self, name, value)
            return value

    np = _Numpy()

__all__ = ["np"]
