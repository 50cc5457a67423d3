"""Texts that are not ours are shown as they stand: in figures, Markdown, LaTeX and HTML."""

import html
import re
import unicodedata
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.offsetbox import TextArea
from matplotlib.text import Text
from PIL import Image

from icl import markup
from icl.apps.page import page
from icl.apps.search import Found
from icl.data.verify import report
from icl.mllm.tuning.records import data_card
from icl.report.figures.examples import MOST_LINES, added_words, before_and_after
from icl.report.noise import noise_text
from icl.report.paper import METRICS
from icl.report.paper_tables import ablation_table, best, main_table, read_table, time_table, write_table
from icl.report.style import new_figure, save
from icl.report.tables import summarise, summary_text

TEXTS = {
    "a price": "a man with a $100 shirt",
    "two prices": "a $5 hat and a $9 bag",
    "broken mathtext": r"$\frac{1}{$",
    "an unknown command": r"$\nosuchcommand{x}$",
    "braces": "{a} {b} }{",
    "hats and underscores": "a^b_c __init__ _x_",
    "percent and number signs": "100% wool #1 # 2",
    "an ampersand": "black & white &lt; &amp;",
    "backslashes": r"C:\textbf{x}\\ \\n",
    "a tilde": "~/data ~~old~~",
    "pipes": "a|b || c",
    "backticks": "`rm -rf` ```x```",
    "brackets": "[x](javascript:alert(1)) ![y](z)",
    "stars": "**not bold** *nor this* 2*3*4",
    "tags": "<script>alert('x')</script><b>",
    "quotes": "\"double\" 'single' ``tex''",
    "a comment": "<!-- gone --> % gone",
    "line ends": "one\ntwo\r\nthree\u2028four",
    "tabs and controls": "a\tb\x00c\x07d",
    "half a character": "a \ud83d b",
    "other scripts": "一个穿红色外套的男人 عربي é 👩",
    "a heading": "# Title",
    "a list": "- item",
    "a formula of a template": "{{ config }} {% raw %} {title}",
    "an at sign": "@bold@",
    "a number": "1e5",
    "leading zeros": "007",
    "not available": "NA",
    "a word for nothing": "null",
    "a plus and minus": "5 ± 1",
    "white space around": "  x  ",
}
LINES = [text for name, text in TEXTS.items() if name not in ("half a character", "white space around")]
"""What YAML can give as a name, and keeps."""


def one_line(text):
    return " ".join(markup.plain(text).split())


def markdown_cells(text):
    """Cells of the first table of a Markdown text, as a reader sees them."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    cells, row = [], None
    for token in parser.parse(text):
        if token.type == "tr_open":
            row = []
            cells.append(row)
        elif token.type == "inline" and row is not None:
            assert {child.type for child in token.children} <= {"text", "strong_open", "strong_close", "text_special"}
            row.append("".join(child.content for child in token.children))
        elif token.type == "table_close":
            break
    return cells


def from_latex(text):
    """What LaTeX prints for a cell; an unescaped special character is an error."""
    words = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"}
    words["textbar"] = "|"
    token = re.compile(r"\\(text\w+)\{\}|\\([&%$#_{}])|(\$\\pm\$)|([^\\&%$#_{}~^<>|])")
    out, place = "", 0
    while place < len(text):
        found = token.match(text, place)
        assert found, f"unescaped at {text[place:]!r}"
        out += words[found[1]] if found[1] else found[2] or ("±" if found[3] else found[4])
        place = found.end()
    return out


@pytest.mark.parametrize("name", TEXTS)
def test_markdown_shows_a_text_as_it_stands(name):
    text = TEXTS[name]
    table = markup.markdown_table([["Benchmark", "Rank-1"], [markup.markdown(text), "1.00"]])
    assert len(table.splitlines()) == 3
    assert [" ".join(c.split()) for c in markdown_cells(table)[1]] == [one_line(text), "1.00"]


@pytest.mark.parametrize("name", TEXTS)
def test_latex_shows_a_text_as_it_stands(name):
    assert from_latex(markup.latex(TEXTS[name])) == markup.plain(TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
def test_html_shows_a_text_as_it_stands(name):
    written = markup.html(TEXTS[name])
    assert written.isascii() and not set(written) & set("<>\"'") and html.unescape(written) == markup.plain(TEXTS[name])


@given(text=st.text(st.characters()))
@settings(max_examples=300, deadline=None)
def test_any_text_survives_each_markup(text):
    assert from_latex(markup.latex(text)) == markup.plain(text)
    known = "".join(c for c in text if unicodedata.category(c) != "Cn")  # HTML has no way to write the others
    assert html.unescape(markup.html(known)) == markup.plain(known)
    cells = markdown_cells(markup.markdown_table([["a", "b"], [markup.markdown(f"x{text}"), "1"]]))
    assert "".join(cells[1][0].split()) == "".join(f"x{markup.plain(text)}".split()) and cells[1][1] == "1"


def texts_of(figure):
    figure.canvas.draw()
    return figure.findobj(Text)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_figure_draws_a_text_as_it_stands(name, tmp_path):
    figure, axis = new_figure()
    text = markup.plain(TEXTS[name])
    axis.set(title=text, xlabel=text, ylabel=text)
    axis.plot([0, 1], [0, 1], label=f"x{text}")
    axis.legend()
    axis.text(0.5, 0.5, text)
    assert not any(drawn.get_parse_math() for drawn in texts_of(figure))
    save(figure, tmp_path / "x")
    assert (tmp_path / "x.png").stat().st_size > 1000 and (tmp_path / "x.pdf").stat().st_size > 1000


def test_ticks_of_figures_are_plain_numbers():
    figure, axis = new_figure()
    axis.plot([0, 1e9], [1e-9, 2e-9])
    assert not any("$" in drawn.get_text() or "\\" in drawn.get_text() for drawn in texts_of(figure))
    plt.close(figure)


@pytest.fixture
def gallery(tmp_path):
    for k in range(11):
        Image.new("RGB", (12, 24), (20 * k, 0, 0)).save(tmp_path / f"{k}.png")
    return pd.DataFrame({"image_id": range(11), "image": [f"{k}.png" for k in range(11)], "pid": range(11)}), tmp_path


def interaction(caption, refined):
    shown = {"best_before": list(range(10)), "best_after": list(range(1, 11)), "candidate_image_ids": [0]}
    ranks = {"rank_before": 4, "rank_after": 1, "anchor": 0, "round": 1, "candidate_pids": [0], "pid": 0}
    return {"caption": caption, "refined": refined, **ranks, **shown}


@pytest.mark.parametrize("first", range(0, len(TEXTS), 2))
@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_examples_show_captions_as_they_stand(first, gallery):
    texts = list(TEXTS.values())[first : first + 2]
    figure = before_and_after([interaction(text, f"{text} zebra-striped socks") for text in texts], *gallery)
    words = "".join("".join(area.get_text() for area in figure.findobj(TextArea)).split())
    for text in texts:
        said = "".join(one_line(text).split())
        assert f"Query:{said}Refined:{said}zebra-stripedsocks" in words
    bold = {area.get_text() for area in figure.findobj(TextArea) if area._text.get_weight() == "bold"}
    assert bold == {"zebra-striped", "socks"}
    assert not any(drawn.get_parse_math() for drawn in texts_of(figure))
    plt.close(figure)


def test_added_words_are_marked():
    assert added_words("a man in a coat", "A man in a red coat.") == [
        [("A", False), ("man", False), ("in", False), ("a", False), ("red", True), ("coat.", False)]
    ]
    assert added_words("a", "") == []


@pytest.mark.parametrize("refined", ["", "x" * 5000, "word " * 5000])
def test_the_examples_end_somewhere(refined, gallery):
    figure = before_and_after([interaction("a man " * 40, refined)], *gallery)
    assert figure.get_size_inches()[1] < 0.3 * MOST_LINES + 2
    plt.close(figure)


def results(benchmark, method):
    lines = []
    for seed in (1, 2):
        line = {"benchmark": benchmark, "method": method, "seed": seed, "rank1_low": 1.0, "rank1_high": 9.0}
        line |= {name: 40.0 + seed for name in METRICS} | {"refined_queries": 3, "seconds_per_query": 0.5}
        line |= {"seconds_low": 0.4, "seconds_high": 0.6, "unsteady": ""}
        lines.append(line | {f"paper_{name}": None for name in (*METRICS, "seconds_per_query")})
    return pd.DataFrame(lines)


@pytest.mark.parametrize("text", LINES)
def test_names_of_any_kind_pass_through_the_tables(text, tmp_path):
    results(text, text).to_csv(tmp_path / "table.csv", index=False)
    table = read_table(tmp_path / "table.csv")
    summary = summarise(table)
    assert summary.benchmark.tolist() == [text] == summary.method.tolist() and summary.seeds.tolist() == [2]
    main = main_table(summary, table)
    assert best(main).sum().sum() == 5 and not best(main)[["Benchmark", "Method"]].any(axis=None)
    write_table(main, tmp_path / "main", "Table", [markup.markdown(f"{text} is not compared")])
    cells = markdown_cells((tmp_path / "main.md").read_text())
    assert [" ".join(c.split()) for c in cells[1][:2]] == [one_line(text)] * 2 and cells[1][3] == "41.50 ± 0.71"
    row = next(line for line in (tmp_path / "main.tex").read_text().splitlines() if "41.50" in line)
    found = re.split(r"(?<!\\) & ", row)
    assert from_latex(found[0]).strip() == markup.plain(text) == from_latex(found[1]).strip()
    assert found[3].startswith(r"\textbf{41.50")
    assert pd.read_csv(tmp_path / "main.csv", dtype=str, keep_default_na=False).Benchmark.tolist() == [text]
    cells = markdown_cells(summary_text(summary, pd.DataFrame()))
    assert [" ".join(c.split()) for c in cells[1][:3]] == [one_line(text), one_line(text), "2"]
    ablation = ablation_table(summarise(results(text, "ICL")))
    assert ablation.Benchmark.tolist() == [text]
    times = time_table(results(text, text))
    write_table(times, tmp_path / "time", "Times")
    assert " ".join(markdown_cells((tmp_path / "time.md").read_text())[1][0].split()) == one_line(text)


@pytest.mark.parametrize("text", LINES)
def test_names_of_any_kind_pass_through_the_noise_study_and_the_card(text):
    table = pd.DataFrame(
        [{"benchmark": text, "noise": 0.5, "variant": "tal", "seed": 1, **dict.fromkeys(METRICS, 1.0)}]
    )
    epochs = table[["benchmark", "noise", "variant"]].assign(epoch=2, ccd_precision=1.0, ccd_recall=1.0, ccd_auroc=1.0)
    cells = markdown_cells(noise_text(table, epochs).split("\n\n", 1)[1])
    assert " ".join(cells[1][0].split()) == one_line(text) and cells[1][1] == "0.50"
    cells = markdown_cells(data_card([], [], {text: 5}, {text: 3}))
    assert [" ".join(c.split()) for c in cells[1]] == [one_line(text), "3", "5", "0", "0", "0", "0"]


@pytest.mark.parametrize("text", LINES)
def test_the_check_shows_paths_and_names_as_they_stand(text):
    markdown_it = pytest.importorskip("markdown_it")
    found = {
        "status": "refused",
        "problem": f"/data/{text}: found x",
        "splits": {},
        "differences": [],
        "unreadable": [],
    }
    shown = markdown_it.MarkdownIt("commonmark").parse(report({text: found}, {text: "cuhk-pedes"}))
    lines = [one_line("".join(c.content for c in token.children)) for token in shown if token.type == "inline"]
    assert lines[1:] == [f"{one_line(text)}: refused", one_line(f"/data/{text}: found x")]


class Visible(HTMLParser):
    """Text and elements of a page."""

    def __init__(self):
        super().__init__()
        self.words, self.elements = [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("name", TEXTS)
def test_the_search_page_shows_texts_and_file_names_as_they_stand(name, tmp_path):
    text = TEXTS[name]
    file = text.replace("/", "-").replace("\0", "") + ".png"
    try:
        Image.new("RGB", (8, 16)).save(tmp_path / file)
    except UnicodeEncodeError:
        file = "caf\udce9.png"  # a name that is no UTF-8
        Image.new("RGB", (8, 16)).save(tmp_path / file)
    record = {
        "candidates": [0],
        "yes": [True],
        "yes_probability": [0.9],
        "anchor": 0,
        "subtexts": [text],
        "refined": text,
    }
    written = page(text, tmp_path, Found([file], np.array([0.5]), np.array([0.6]), record), "who")
    written.encode()
    reader = Visible()
    reader.feed(written)
    assert set(reader.elements) <= set(
        "html head meta title style body h1 h2 section div footer figure img figcaption b br p ul li".split()
    )
    said = one_line(text)
    seen = [" ".join(part.split()) for part in reader.words]
    assert seen.count(said) >= 3 and f"Refined: {said}".strip() in seen and one_line(file) in seen
