"""The HTML report in a real browser, at the width of a desktop and of a narrow window."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from xcgraph.report.html import render_html
from xcgraph.report.report import build_report, write_files

CHROME = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROME and DRIVER), reason="needs Chromium and its chromedriver on the PATH"
)
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


class Browser:
    """A minimal WebDriver client."""

    def __init__(self, port):
        self._root = f"http://127.0.0.1:{port}"
        capabilities = {
            "goog:chromeOptions": {"binary": CHROME, "args": OPTIONS},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self._wait()
        found = self._post("/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{found['sessionId']}"

    def open(self, path, width):
        self._post(f"{self._session}/window/rect", {"width": width, "height": 900})
        self._post(f"{self._session}/url", {"url": path.as_uri()})

    def evaluate(self, script, *arguments):
        body = {"script": f"return {script}", "args": list(arguments)}
        return self._post(f"{self._session}/execute/sync", body)

    def messages(self):
        return self._post(f"{self._session}/se/log", {"type": "browser"})

    def close(self):
        request = urllib.request.Request(self._root + self._session, method="DELETE")
        urllib.request.urlopen(request, timeout=60).close()

    def _wait(self):
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self._root}/status", timeout=10).close()
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return

    def _post(self, path, body):
        request = urllib.request.Request(
            self._root + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


@pytest.fixture(scope="module")
def browser():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        browser = Browser(port)
        yield browser
        browser.close()
    finally:
        driver.terminate()
        driver.wait()


@pytest.fixture
def report(run_maker, sources):
    for seed in (0, 1):
        for hops in (1, 2):
            run_maker.make("eclare", seed, skill=0.4 * hops, hops=hops)
        run_maker.make("decaf", seed, skill=0.2, hops=0, fusion="gated")
    return build_report([run_maker.root], sources)


FIRST_COLUMN = "[...document.querySelector('tbody').rows].map((row) => row.cells[{0}].textContent)"
CLICK = "document.querySelectorAll('thead')[0].rows[0].cells[{0}].querySelector('button').click()"


@pytest.mark.parametrize("width", [1280, 500])  # Chromium opens no window narrower than 500
def test_page_shows_all_figures_and_sorts_tables(browser, report, tmp_path, width):
    write_files(tmp_path, render_html(report))
    browser.open(tmp_path / "report.html", width)

    assert browser.messages() == []
    assert browser.evaluate("document.title") == report.title
    sizes = browser.evaluate(
        "[...document.querySelectorAll('figure svg')].map((svg) => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == len(report.chapters[0].pictures)
    assert all(width > 300 and height > 150 for width, height in sizes)
    # Wide tables scroll inside their own box, so the page does not scroll sideways.
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    precision = report.chapters[0].results[0].columns.index("P@1")
    for order in (True, False):
        browser.evaluate(CLICK.format(precision))
        values = [float(text.split()[0]) for text in browser.evaluate(FIRST_COLUMN.format(precision))]
        assert values == sorted(values, reverse=order)
    browser.evaluate(CLICK.format(0))
    names = browser.evaluate(FIRST_COLUMN.format(0))
    assert names == sorted(names)
    assert len(names) == 3
    assert browser.messages() == []
