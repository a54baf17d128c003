"""A headless Chromium, driven by its own protocol, for tests of pages."""

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium():
    """Where the browser is, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One tab of a browser.

    Attributes:
        events: What the browser reported: requests, messages of the console, exceptions.
    """

    def __init__(self):
        websocket = pytest.importorskip("websocket")
        program = find_chromium()
        if program is None:
            pytest.skip("no Chromium")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ]
        ports = ["--remote-debugging-port=0", "--remote-allow-origins=*"]
        self.process = subprocess.Popen(
            [program, *options, *ports, f"--user-data-dir={self.profile.name}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        address = next(
            filter(None, (re.search(r"ws://[^/]+", line) for line in self.process.stderr))
        )
        with urllib.request.urlopen(f"http{address[0][2:]}/json") as listed:
            tab = next(t for t in json.load(listed) if t["type"] == "page")
        self.socket = websocket.create_connection(tab["webSocketDebuggerUrl"], timeout=180)
        self.numbers = itertools.count(1)
        self.events = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """The answer of the browser to a command."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, path, width=1440, height=900, scheme="light", scripts=True):
        """Show a file in a window of some width."""
        self.resize(width, height)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.events.clear()
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait("Page.loadEventFired")

    def wait(self, event):
        """Until the browser reports an event."""
        while not any(e.get("method") == event for e in self.events):
            self.events.append(json.loads(self.socket.recv()))

    def resize(self, width, height=900):
        """Give the window a size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def run(self, expression):
        """The value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector):
        """Click on the middle of an element, as a mouse does."""
        x, y = self.middle(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def hover(self, selector):
        """Move the mouse to the middle of an element."""
        x, y = self.middle(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def middle(self, selector):
        """The middle of an element, which is scrolled into view."""
        box = f"""(() => {{
            const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: "center", behavior: "instant"}});
            const b = e.getBoundingClientRect();
            return [b.x + b.width / 2, b.y + b.height / 2];
        }})()"""
        return self.run(box)

    def choose(self, selector, value):
        """Choose an option of a list."""
        self.run(f"""(() => {{
            const e = document.querySelector({json.dumps(selector)});
            e.value = {json.dumps(value)};
            e.dispatchEvent(new Event("change"));
        }})()""")

    def complaints(self):
        """Errors and warnings of the console, and exceptions."""
        found = [e for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        entries = [e["params"] for e in self.events if e.get("method") == "Log.entryAdded"]
        found += [e for e in entries if e["entry"]["level"] in ("error", "warning")]
        said = [e["params"] for e in self.events if e.get("method") == "Runtime.consoleAPICalled"]
        return found + [e for e in said if e["type"] in ("error", "warning", "assert")]

    def requests(self):
        """Addresses that the page fetched, but for itself and what it holds."""
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        found = [e["params"]["request"]["url"] for e in sent]
        return [url for url in found[1:] if not url.startswith("data:")]

    def close(self):
        """End the browser."""
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()
        self.profile.cleanup()
