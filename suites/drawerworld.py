"""Opening and closing a drawer on a table of another texture (DrawerWorld, Wang et al. 2021)."""

from __future__ import annotations

from harness.spec import Setting, Suite
from harness.suites.domains import metaworld_protocol as metaworld
from harness.suites.shifts import AXES
from harness.suites.shifts.texture import Texture

# In the order of PIE-G's table, then the original's other textures. Training shows a checkered table ("grid").
PIEG_TEXTURES = ("wood", "metal", "blanket")
TEXTURES = (*PIEG_TEXTURES, "black", "fabric", "marble")

SUITE = Suite(
    name="drawerworld",
    version=1,
    domain=metaworld.DRAWERWORLD_DOMAIN,
    axes=AXES,
    offers_states=True,
    demonstrators={"expert": dict.fromkeys(metaworld.DRAWERWORLD_TASKS, "")},
    tasks=metaworld.DRAWERWORLD_TASKS,
    settings=tuple(Setting(name, (Texture(metaworld.DRAWERWORLD_TABLE, (name,)),)) for name in TEXTURES),
    protocol=metaworld.DRAWERWORLD_PROTOCOL,
    description="Metaworld's drawer from above, the table in six other textures.",
    source=(
        "Wang et al. 2021 (VAI, arXiv 2108.13382), TonyLianLong/VAI-ReinforcementLearning@efc6a3b7; "
        "textures compared by Yuan et al. 2022 (PIE-G, arXiv 2212.08860)"
    ),
    published_suite="drawerworld",
    published_note=(
        "DrawerWorld's published successes are those of Metaworld v1: compare success under v1 (the column "
        "'success: v1', shown where it differs from the headline, v3)."
    ),
    views={"mean over PIE-G's textures": PIEG_TEXTURES},
    held_out=("drawerworld",),
)
