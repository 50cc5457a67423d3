"""The report's page and the tables as HTML, from a results folder written by hand."""

import re

import pandas as pd
import pytest
from PIL import Image
from running import HOUSE

from icl.markup import markdown
from icl.report.figures import FIGURES, Place
from icl.report.html import table_html, table_page, unescaped
from icl.report.overview import first_table, overview
from icl.report.paper_tables import write_table
from icl.report.style import save
from icl.report.titles import TABLE_CAPTION, TABLES

EVIL = "<script>alert(1)</script> & \"'"


def main_table(**more):
    columns = {"Benchmark": ["one", "one"], "Method": ["RDE", "ICL+THI"], "Seeds": [1, 1]}
    numbers = {name: ["51.00", "62.50"] for name in ("Rank-1", "Rank-5", "Rank-10", "mAP", "mINP")}
    return pd.DataFrame({**columns, **numbers, "95% of Rank-1": ["1.0 to 9.0"] * 2, "Paper Rank-1": ["-", "-"], **more})


def provenance(generator="synth"):
    packages = {"torch": "1.0", "absent": None}
    made = {"code": {"commit": "abc", "dirty": True}, "config_sha256": "f00", "python": "3.11", "packages": packages}
    config = {"seeds": [1, 2], "datasets": {"one": {"table": True, "generator": generator}}}
    return made | {"machine": {"cpu": EVIL, "cores": 2, "system": "Linux"}, "config": config}


@pytest.fixture
def results(tmp_path):
    """A main table, an empty one, and two figures."""
    write_table(main_table(), tmp_path / "tables/main", "Main")
    write_table(pd.DataFrame(), tmp_path / "tables/retrievers", "None")
    (tmp_path / "figures/one").mkdir(parents=True)
    for name in ("figures/one/main.png", "figures/calibration.png"):
        Image.new("RGB", (4, 2)).save(tmp_path / name)
    return list((tmp_path / "tables").glob("*.csv")), list((tmp_path / "figures").rglob("*.png"))


def test_the_main_table_comes_before_everything_else(results):
    text = overview(*results, provenance())
    body = text[text.index("<body>") :]
    assert re.findall(r"<th[^>]*>([^<]*)</th>", body)[:6] == [
        "Method",
        "Rank-1",
        "mAP",
        "95% of Rank-1",
        "Rank-5",
        "Rank-10",
    ]
    order = ["<table>", "<b>62.50</b>", 'id="figure-one-main"', "<nav>", 'id="table-main"', 'id="table-retrievers"']
    order += ["No rows in this run", 'id="figure--calibration"', 'id="made"']
    assert [body.index(mark) for mark in order] == sorted(body.index(mark) for mark in order)
    assert "drawn figures and no real person" in body and "abc, with changes" in body
    assert "no real person" not in overview(*results, provenance(generator=""))


def test_nothing_of_others_is_markup_and_all_links_lead_somewhere(results):
    note = markdown(f"one* is not compared: {EVIL}")
    text = overview(*results, provenance(), [note])
    assert "<script" not in text and text.count("&lt;script&gt;") >= 2 and "one* is not compared" in text
    assert all(f'id="{name}"' in text for name in re.findall(r'href="#([^"]+)"', text))


def test_columns_that_tell_nothing_are_left_out_of_the_first_table():
    assert "Benchmark" not in first_table(main_table()) and "Paper Rank-1" not in first_table(main_table())
    two = first_table(main_table(Benchmark=["one", "two"], **{"Paper Rank-1": ["-", "77.91"]}))
    assert list(two.columns)[:3] == ["Benchmark", "Method", "Rank-1"] and "Paper Rank-1" in two


def test_cells_and_titles_are_escaped_and_numbers_stand_right():
    table = pd.DataFrame({"Name & <i>": [EVIL, "x"], "Value": ["1.0", "-"]})
    text = table_html(table, pd.DataFrame(False, table.index, table.columns))
    assert "<script" not in text and "<i>" not in text and '<td class="text">x</td><td>-</td>' in text
    page = table_page(table, pd.DataFrame(False, table.index, table.columns), EVIL, [markdown(f"of `{EVIL}`")])
    assert "<script" not in page and "<p>of `&lt;script" in page
    assert unescaped(markdown(EVIL)) == EVIL


def test_every_table_is_written_as_html_with_the_best_values_bold(tmp_path):
    write_table(main_table(), tmp_path / "main", "Main")
    assert (
        "<b>62.50</b>" in (tmp_path / "main.html").read_text()
        and "<b>51.00" not in (tmp_path / "main.html").read_text()
    )


def test_every_figure_has_a_title_and_every_title_a_figure():
    assert len({figure.title for figure in FIGURES.values()}) == len(FIGURES)
    assert len(set(TABLES.values())) == len(TABLES)


def test_snakemakes_own_report_uses_the_same_caption_for_tables():
    words = (HOUSE / "report/table.rst").read_text().partition("#}")[2]
    assert " ".join(words.split()) == TABLE_CAPTION


def test_the_main_figure_shows_every_method_of_its_benchmark_alone(tmp_path):
    lines = [
        {"benchmark": name, "method": method, "rank1": 50 + seed, "rank1_low": 45, "rank1_high": 60, "map": 40}
        for name in ("one", "two")
        for method in ("RDE", "ICL", "a $x_1$ retriever")
        for seed in (1, 2)
    ]
    pd.DataFrame(lines).to_csv(tmp_path / "table.csv", index=False)
    figure = FIGURES["main"].draw([tmp_path / "table.csv"], Place("two", tmp_path))
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["RDE", "ICL", "a $x_1$ retriever"]
    assert list(axis.containers[0].lines[0].get_xdata()) == [51.5] * 3
    save(figure, tmp_path / "main")
    assert (tmp_path / "main.png").stat().st_size > 1000
