"""A page in a headless Chromium, driven over its debugging pipe: what it asked of the network, said, and shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_LOCAL = ("data:", "file:")


class Tab:
    """One tab; `complaints` are errors on the console and requests that leave the machine."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from, self._rest, self._number, self._session = to_browser, from_browser, b"", 0, ""
        self.complaints: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, path: Path, width: int) -> None:
        """Loads a file at a width in pixels, and waits until it is there."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self._ask("Page.navigate", url=path.resolve().as_uri())
        while self.run("document.readyState") != "complete" or self.run("location.href") == "about:blank":
            pass

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self._ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return dict(found["result"])
            self._note(found)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._from, 1 << 16)
            assert data, "Chromium has ended"
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(text))

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method", ""), event.get("params", {})
        url = told.get("request", {}).get("url", "")
        if method == "Network.requestWillBeSent" and not url.startswith(_LOCAL):
            self.complaints.append(f"asks for {url}")
        if method in ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
            self.complaints.append(json.dumps(told)[:300])
        if method == "Runtime.consoleAPICalled" and told.get("type") in ("error", "warning"):
            self.complaints.append(json.dumps(told)[:300])


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """A browser whose profile is kept in a folder, with one tab."""
    assert PROGRAM is not None
    ours, theirs = os.pipe(), os.pipe()  # to the browser, from it
    options = [*_OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
    # The pipe is file descriptors 3 and 4 by convention.
    script = f'exec 3<&{ours[0]} 4>&{theirs[1]}; exec "$0" "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, PROGRAM, *options], pass_fds=(ours[0], theirs[1]), stderr=subprocess.DEVNULL
    )
    for end in (ours[0], theirs[1]):
        os.close(end)
    try:
        yield Tab(ours[1], theirs[0])
    finally:
        process.terminate()
        process.wait(20)
        for end in (ours[1], theirs[0]):
            os.close(end)
