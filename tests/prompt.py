"""How long something done "at once" may take in a test.

Quicker is promised (a second for a refusal, half a second for help); `benchmarks/startup.py` measures it. A test only
tells a refusal from one that came after work had begun: on a shared machine the same processor time has been seen to
double, and an interpreter in which thousands of tests ran collects its garbage when it likes.
"""

from __future__ import annotations

AT_ONCE = 4.0  # seconds
