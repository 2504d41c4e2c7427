"""The report in a real browser: it works, fits, and nothing in the data does anything."""

import json
import shutil
import subprocess
import sys

import pytest

HOSTILE = {
    "script": "<script>document.title='owned'</script><img src=x onerror=document.title=1>",
    "attribute": "\"><b onmouseover='document.title=1'>x</b> ' title='",
    "direction": "\u202eThis runs backwards\u202c and \u2066isolates\u2069 \u200f",
    "control": "bell \x07 escape \x1b[31m null \x00 form feed \x0c delete \x7f",
    "emoji": "👩\u200d👩\u200d👧 🏳️\u200d🌈 " * 30,
    "one word": "W" * 3000,
    "marks": "Z" + "\u0310\u0340" * 500,
    "arabic": "مرحبا بالعالم " * 20,
    "template": "{{ 7 * 7 }} {% for x in y %} ${alert(1)}",
    "huge": "return self " * 850_000,
}

#: Elements whose text sticks out of them or of the page. What scrolls by itself is let be.
_OVERFLOWING = """
const out = [];
for (const e of document.querySelectorAll('body *')) {
  const s = getComputedStyle(e);
  if (s.display === 'none' || e.closest('.scroll') && !e.matches('.scroll') || e.closest('svg')) continue;
  const box = e.getBoundingClientRect();
  if (box.width && (box.right > innerWidth + 1 || box.left < -1)) out.push(e.outerHTML.slice(0, 120));
  else if (s.overflowX === 'visible' && s.display !== 'inline' && e.scrollWidth > e.clientWidth + 1
           && e.clientWidth && !e.matches('.axis, .axis *, .plot, .plot *'))
    out.push('wide: ' + e.outerHTML.slice(0, 120));
}
return out;
"""  # noqa: E501


@pytest.fixture(scope="session")
def browser():
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed (pip install 'zipsel[browser]')"
    )
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def show(browser):
    """Open a page at a width, in a colour scheme."""

    def run(path, width=1400, scheme="light"):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.get(path.as_uri())
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        return browser

    return run


def run_zipsel(cwd, *arguments):
    subprocess.run(
        [sys.executable, "-m", "zipsel", *arguments], cwd=cwd, check=True, capture_output=True
    )


@pytest.fixture(scope="session")
def demo(browser, tmp_path_factory):
    """The demo's run (asks for the browser first: without one it would be work for nothing)."""
    folder = tmp_path_factory.mktemp("demo")
    run_zipsel(folder, "demo", "--quiet", "--output", "demo")
    return folder / "demo" / "subset"


@pytest.fixture(scope="session")
def hostile(browser, tmp_path_factory):
    """A run over records that mean harm, by name, group and content."""
    folder = tmp_path_factory.mktemp("hostile")
    pool = folder / "<img src=x onerror=alert(1)>.jsonl"
    records = [
        {"text": f"return self {text} def", "kind": f"{name} {text[:200]}"}
        for name, text in HOSTILE.items()
    ]
    lines = [json.dumps(record).encode() for record in records]
    pool.write_bytes(b"\n".join([*lines, b'{"text": "<script>broken', b""]))
    (folder / "target.jsonl").write_text(json.dumps({"text": "def f(self): return self\u202e x"}))
    run_zipsel(
        folder, "select", pool.name, "--target", "target.jsonl", "--output", "out",
        "--top-k", "9", "--group-field", "kind", "--max-rejects", "5", "--quiet",
    )  # fmt: skip
    return folder / "out"


def console_errors(window):
    return [entry for entry in window.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("run", ["demo", "hostile"])
def test_nothing_overflows_and_nothing_fails(request, show, run, width, scheme):
    window = show(request.getfixturevalue(run) / "report.html", width, scheme)
    assert console_errors(window) == []
    assert window.execute_script("return document.documentElement.scrollWidth") <= width
    assert window.execute_script(_OVERFLOWING) == []


def test_theme_follows_the_system_and_then_the_button(demo, show):
    window = show(demo / "report.html", scheme="dark")
    button = window.find_element("id", "theme")

    def paper():
        return window.execute_script("return getComputedStyle(document.body).backgroundColor")

    dark = paper()
    assert button.text == "theme: auto"
    button.click()
    assert button.text == "theme: light"
    light = paper()
    button.click()
    assert button.text == "theme: dark"
    assert paper() == dark != light
    button.click()
    assert button.text == "theme: auto"


def test_the_table_of_shards_sorts(demo, show):
    window = show(demo / "report.html")

    def column(number):
        return window.execute_script(
            "return [...document.querySelectorAll('#shards tbody tr')]"
            ".map(r => r.cells[arguments[0]].textContent)",
            number,
        )

    buttons = window.find_elements("css selector", "#shards th button")
    buttons[0].click()
    assert column(0) == sorted(column(0))
    buttons[0].click()
    assert column(0) == sorted(column(0), reverse=True)
    buttons[4].click()
    chosen = [int(text.replace(",", "")) for text in column(4)]
    assert chosen == sorted(chosen, reverse=True)
    buttons[4].click()
    assert [int(text.replace(",", "")) for text in column(4)] == chosen[::-1]


def test_a_saving_says_where_it_comes_from_when_tapped(demo, show):
    run_zipsel(
        demo.parent.parent, "select", "demo/pool", "--target", "demo/target.jsonl", "--output",
        "demo/fused", "--top-k", "50", "--scorer", "fused", "--quiet",
    )  # fmt: skip
    window = show(demo.parent / "fused" / "report.html", 360)
    span = window.find_element("css selector", "#why .m[title]")
    window.execute_script("arguments[0].click()", span)
    tip = window.find_element("id", "tip")
    assert tip.is_displayed()
    assert tip.text.startswith("saves ")
    assert "target example" in tip.text


def test_the_report_answers_its_questions(demo, show):
    window = show(demo / "report.html")
    text = window.find_element("tag name", "body").text
    for question in (
        "What did I get?",
        "Why these?",
        "Can I trust it?",
        "What was thrown away?",
        "How do I repeat it?",
    ):
        assert question in text
    assert "zipsel demo --quiet --output demo" in text


def test_hostile_records_are_shown_and_do_nothing(hostile, show):
    window = show(hostile / "report.html")
    text = window.find_element("tag name", "body").text
    assert "<script>document.title='owned'</script>" in text
    assert "{{ 7 * 7 }}" in text
    assert "U+202E" in text
    assert "␛[31m" in text
    assert window.title.startswith("zipsel: 9 of ")
    assert len(window.find_elements("css selector", "img, iframe, object, b[onmouseover]")) == 0
    assert len(window.find_elements("tag name", "script")) == 1
    assert (hostile / "report.html").stat().st_size < 500_000


def test_explanations_fit_and_work(hostile, show):
    folder = hostile.parent
    run_zipsel(folder, "explain", "--run", "out", "--top", "9", "--html", "why.html")
    for width in (360, 1400):
        window = show(folder / "why.html", width)
        assert console_errors(window) == []
        assert window.execute_script(_OVERFLOWING) == []
        assert len(window.find_elements("tag name", "script")) == 1
    assert window.title == "zipsel: 9 explained"


def test_a_comparison_fits_and_works(demo, show):
    folder = demo.parent
    run_zipsel(
        folder.parent, "select", "demo/pool", "--target", "demo/target.jsonl", "--output",
        "demo/other", "--top-k", "200", "--scorer", "ngram", "--group-field", "kind", "--quiet",
    )  # fmt: skip
    run_zipsel(folder, "report", "subset", "other", "--html", "compare.html")
    for width in (360, 1400):
        window = show(folder / "compare.html", width)
        assert console_errors(window) == []
        assert window.execute_script(_OVERFLOWING) == []
