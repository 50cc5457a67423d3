"""The web application in a real headless browser, by keyboard, on a phone and on a desk. `pytest -m browser`"""

import json
import re
import shutil
from urllib.parse import urlsplit

import pytest
from web_site import make_places, served

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BROWSER = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
SIZES = {"desk": (1280, 900), "phone": (360, 780)}
SEEN = """() => ({
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
  broken: [...document.images].filter(image => image.complete && !image.naturalWidth).length,
  unnamed: [...document.querySelectorAll("input:not([type=hidden]), textarea, button")].filter(
    one => !(one.labels && one.labels.length) && !one.getAttribute("aria-label") && !one.textContent.trim()).length,
  unheaded: document.querySelectorAll("h1").length !== 1,
  small: [...document.querySelectorAll("button, a.button")].filter(
    one => one.checkVisibility() && one.getBoundingClientRect().height < 32).length,
})"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no chromium here: apt-get install chromium")
    return make_places(tmp_path_factory.mktemp("browser"), shared=4, own=4, pool=16)


@pytest.fixture(scope="module")
def address(places):
    with served(places) as address:
        yield address


@pytest.fixture(scope="module")
def browser(places):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page, what it asked for, and what its console said."""

    def __init__(self, browser, address, size=SIZES["desk"], **more):
        view = {"width": size[0], "height": size[1]}
        self.context = browser.new_context(viewport=view, base_url=address, **more)
        self.page, self.asked, self.errors = self.context.new_page(), [], []
        self.watch(self.page)
        self.keys = self.context.new_cdp_session(self.page)

    def watch(self, page):
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda said: said.type in ("error", "warning") and self.errors.append(said.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def alt(self, letter):
        """Alt and a letter, with the text that Playwright's own `press` leaves out and access keys are known by."""
        code = {"key": letter, "code": f"Key{letter.upper()}", "windowsVirtualKeyCode": ord(letter.upper())}
        down = {"type": "keyDown", "modifiers": 1, "text": letter, "unmodifiedText": letter, **code}
        self.going(lambda: self.keys.send("Input.dispatchKeyEvent", down))

    def going(self, does):
        """Do what leads to another page, and wait for it."""
        with self.page.expect_navigation(wait_until="load"):
            does()

    def tab_to(self, selector):
        """Press Tab until an element has the focus, which must be seen."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                style = "getComputedStyle(document.activeElement)"
                assert self.page.evaluate(f"{style}.outlineStyle") != "none"
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    def press(self, selector):
        self.tab_to(selector)
        self.going(lambda: self.page.keyboard.press("Enter"))

    def begin(self, protocol):
        """From the first page to a session's first, by keyboard alone."""
        self.page.goto("/")
        self.press("nav a[href='/take-part']")
        self.tab_to("input[name=protocol]")
        self.page.keyboard.press("Space" if protocol == "judge" else "ArrowDown")
        assert self.page.is_checked(f"input[value={protocol}]")
        self.tab_to("input[name=consent]")
        self.page.keyboard.press("Space")
        self.press("button.main")
        return self.page.url.split("/")[-1]

    def looks_well(self, folder, name):
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)
        found = self.page.evaluate(SEEN)
        assert found == {"wide": False, "broken": 0, "unnamed": 0, "unheaded": False, "small": 0}, (name, found)

    def close(self):
        """Nothing left loopback, and the console had nothing to complain of."""
        self.context.close()
        assert self.asked and {urlsplit(url).hostname for url in self.asked} == {"127.0.0.1"}
        assert not self.errors, self.errors


def lines_of(places, code):
    return [json.loads(line) for line in (places.sessions / f"{code}.jsonl").read_text().splitlines()]


def test_five_queries_by_keyboard_alone_with_a_reload_a_double_click_and_the_way_back(browser, address, places):
    tab = Tab(browser, address)
    page, code, answered = tab.page, tab.begin("judge"), 0
    for number, key in zip(range(1000), "nuyn" * 250, strict=True):
        if "person 6 of" in page.inner_text("main"):
            break
        if number % 2:
            tab.alt(key)
        else:
            tab.press("button.yes")
        answered += 1
        if number == 2:  # a reload in the middle
            before = page.inner_text("blockquote")
            page.reload()
            assert page.inner_text("blockquote") == before
            assert len(lines_of(places, code)) == 1 + answered
    lines = lines_of(places, code)
    assert len({line["number"] for line in lines[1:]}) == 5 and len(lines) == 1 + answered
    assert all(0 < line["browser_seconds"] < 60 for line in lines[1:]), "the stopwatch"

    page.dblclick("button.no", delay=0)
    page.wait_for_load_state("networkidle")
    assert len(lines_of(places, code)) == 2 + answered

    here = page.url
    page.go_back()
    page.wait_for_load_state("load")
    count = len(lines_of(places, code))
    if "/session/" in page.url:
        assert page.inner_text("label[for=progress]"), "the way back shows the present page"
    other = tab.context.new_page()
    tab.watch(other)
    other.goto(here)
    page.goto(here)
    with other.expect_navigation():
        other.click("button.no")
    tab.going(lambda: page.click("button.yes"))  # its form is older than the other tab's answer
    assert "nothing was changed" in page.inner_text("main") and len(lines_of(places, code)) == count + 1
    tab.alt("z")
    assert "taken back" in page.inner_text("main") and lines_of(places, code)[-1]["answer"] == "undo"
    tab.close()


def test_an_old_page_from_the_browsers_history_changes_nothing(browser, address, places):
    tab = Tab(browser, address)
    page, code = tab.page, tab.begin("judge")
    tab.press("button.no")
    page.goto("/take-part")
    page.go_back()
    step = page.get_attribute("form[action$=answer] input[name=step]", "value")
    assert step == str(len(lines_of(places, code))), "a page is not kept by the browser"
    tab.close()


@pytest.mark.parametrize("script", [True, False], ids=["stopwatch", "without JavaScript"])
def test_a_witness_sees_the_picture_for_five_seconds(browser, address, places, script):
    tab = Tab(browser, address, java_script_enabled=script)
    page = tab.page
    if script:
        code = tab.begin("witness")
        page.wait_for_selector("textarea", timeout=20_000)  # nobody pressed anything
    else:
        page.goto("/take-part")
        page.check("input[value=witness]")
        page.check("input[name=consent]")
        page.click("button.main")
        page.click("text=Hide it now")
        code = page.url.split("/")[-1]
    page.fill("textarea", "a woman in a red coat")
    page.click("button.main")
    page.fill("#text", "blue")
    page.press("#text", "Enter")
    page.wait_for_selector("text=Question 2 of")
    lines = lines_of(places, code)
    assert [line["answer"] for line in lines] == ["start", "seen", "described", "told"]
    seconds = lines[1]["browser_seconds"]
    assert (4.9 < seconds < 8) if script else seconds is None
    tab.close()


@pytest.mark.parametrize("size", SIZES)
def test_every_page_looks_well(browser, address, places, tmp_path, size):
    """Light on a desk and dark on a phone; `--basetemp` keeps the pictures."""
    tab = Tab(browser, address, SIZES[size], color_scheme="dark" if size == "phone" else "light")
    page = tab.page
    for path, name in (("/", "home"), ("/take-part", "consent")):
        page.goto(path)
        tab.looks_well(tmp_path, name)
    page.goto("/")
    tab.press(".examples button")
    tab.looks_well(tmp_path, "search")
    tab.alt("y")  # this is the person
    assert "You: the person" in page.inner_text("main")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.looks_well(tmp_path, "confirmed")
    for protocol in ("judge", "witness"):
        tab.begin(protocol)
        tab.looks_well(tmp_path, protocol)
        if protocol == "witness":
            tab.alt("h")
            page.fill("textarea", "a woman in a red coat")
            tab.looks_well(tmp_path, "describe")
            tab.alt("d")
            tab.looks_well(tmp_path, "ask")
        for _ in range(5):  # at least one query to its end
            tab.alt("u")
        page.click("details summary")
        tab.going(lambda: page.click("text=End the session >> nth=-1"))
        assert "Thank you" in page.inner_text("main")
        tab.looks_well(tmp_path, f"end-{protocol}")
    tab.close()


def test_a_photo_is_uploaded_and_found_and_the_search_is_exported(browser, address, places):
    from icl.human.pack import Pack

    tab = Tab(browser, address)
    page, photo = tab.page, Pack.open(places.pack).images[4]
    page.goto("/")
    page.set_input_files("#photo", photo)
    tab.press("button.main")
    assert "Your photo" in page.inner_text("main") and page.evaluate(SEEN)["broken"] == 0
    first = page.inner_text(".card .similarity >> nth=0")
    assert float(first) > 0.95, "the picture itself comes first"
    tab.going(lambda: page.click(".card button.no >> nth=0"))
    assert page.inner_text(".card .similarity >> nth=0") != first
    with page.expect_download() as download:
        page.click("text=Export as JSON")
    found = json.loads(download.value.path().read_text())
    assert found["query"] == {"text": "", "photo": True} and found["events"][-1]["verdict"] == "no"
    assert not re.search(re.escape(photo.stem), json.dumps(found))
    tab.going(lambda: page.click("text=End, and forget this search"))
    assert "forgotten" in page.inner_text("main")
    page.goto("/")
    page.set_input_files("#photo", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    tab.going(lambda: page.click("button.main"))
    assert "no picture" in page.inner_text("main")
    tab.errors = [text for text in tab.errors if "400" not in text]  # the browser notes the refusal itself
    tab.close()
