"""The report from made-up scores: Markdown, JSON Lines, and the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_rows import AVIF, JPEG, PSNR, WEBP, MadeUp, made_up_rows

from laconic.tasks.mpq import Summary, TaskSummary, summarize, write_report
from laconic.tasks.mpq.chart import draw_chart, quantities
from laconic.tasks.mpq.gallery import flipped_samples
from laconic.tasks.mpq.provenance import evaluation_provenance
from laconic.tasks.mpq.report import report_conclusions
from laconic.tasks.mpq.report_tables import report_verdict
from laconic.tasks.mpq.summary import MeanSummary, smallest_within_margin

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
DISTORTION = {"psnr_db": 31.25, "ms_ssim": None}


def line(curve: str, number: int, difference: float, *, resolved: bool) -> Summary:
    score = 0.8 + difference
    spec = f"{curve}:quality={number}"
    ends = (score - 0.05, score + 0.04)
    gaps = (difference - 0.02, difference + 0.01)
    return Summary(
        "made-up",
        spec,
        spec,
        curve,
        40,
        0.1 * 2**number,
        100 / 2**number,
        score,
        ends,
        difference,
        gaps,
        resolved,
        max(-difference, 0.0) + 0.02,
        DISTORTION,
    )


def task(*lines: Summary, name: str = "made-up", higher_is_better: bool = True) -> TaskSummary:
    anchor = Summary(name, "uncompressed", "uncompressed", "uncompressed", 40, 24.0, 1.0, 0.8, (0.7, 0.9))
    unit, distortions = "bits per pixel", {"psnr_db": "PSNR dB", "ms_ssim": "MS-SSIM"}
    return TaskSummary(
        name, "Made-up <pictures> & more", "accuracy", higher_is_better, unit, distortions, (anchor, *lines)
    )


def curves() -> list[Summary]:
    losses = (-0.3, -0.12, -0.02, 0.0, 0.0)
    return [
        line(curve, number, loss * scale, resolved=loss < -0.1)
        for curve, scale in (("one", 1.0), ("two", 0.6), ("three", 1.6))
        for number, loss in enumerate(losses)
    ]


def test_point_of_least_rate_within_the_margin() -> None:
    found = smallest_within_margin(task(*curves()), "one", 0.05)
    assert found is not None
    assert found.spec == "one:quality=2"
    assert smallest_within_margin(task(*curves()), "one", 0.01) is None


def test_a_loss_at_more_rate_counts_too() -> None:
    lines = [line("one", 0, -0.01, resolved=False), line("one", 1, -0.2, resolved=True)]
    assert smallest_within_margin(task(*lines), "one", 0.03) is None


@pytest.mark.parametrize("n", [4, 12, 19])
def test_nothing_is_said_of_few_samples(n: int) -> None:
    """A codec that keeps 3 bits must not be praised, nor blamed, for it."""
    few = task(*(replace(one, num_samples=n) for one in curves()))
    few = replace(few, lines=(replace(few.anchor, num_samples=n), *few.lines[1:]))
    assert report_conclusions(few) == [f"n = {n} samples are too few to say anything of any codec; 20 are the least"]
    assert {report_verdict(few, one) for one in few.lines[1:]} == {f"n = {n} is too few"}
    assert smallest_within_margin(few, "one", 1.0) is None


def test_conclusions_exclude_a_loss_or_say_that_none_is_excluded() -> None:
    assert report_conclusions(task(*curves()), 0.05)[0] == (
        "one: a loss of more than 5 points is excluded from 0.4 bits per pixel on (one:quality=2; n = 40, 95 %)"
    )
    assert report_conclusions(task(*curves()), 0.01)[0] == (
        "one: a loss of more than 1 points is excluded at no rate measured (n = 40, 95 %; at 1.6 bits per pixel the "
        "difference is +0.0 [-2.0, +1.0] points)"
    )


def test_report_says_how_many_answers_would_exclude_a_loss() -> None:
    """None of 40 right answers lost is no proof that fewer than 3 of 100 are: that takes 99."""
    of_answers = replace(task(*curves()), counts_answers=True)
    assert report_conclusions(of_answers, 0.03)[0] == (
        "n = 40 samples of right and wrong answers exclude no loss of 3 points, whatever the codec: 99 are the least"
    )
    assert report_conclusions(of_answers, 0.1)[0].startswith("one: a loss of more than 10 points is excluded")


def test_report_says_when_how_and_with_what(tmp_path: Path) -> None:
    about = evaluation_provenance(["laconic", "evaluate", "--codecs", "jpeg:quality=5|10"])
    write_report([task(*curves())], tmp_path, about=about)
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text()
        assert re.search(r"Written 20\d\d-\d\d-\d\d \d\d:\d\d UTC by: laconic evaluate --codecs", text)
        assert re.search(r"With laconic [\d.]+.*, numpy [\d.]+", text)


def test_markdown_has_a_row_for_each_line_and_says_what_is_not_resolved(tmp_path: Path) -> None:
    failed = Summary("made-up", "x", "four", "four", 40, error="1 of 40 samples failed, the first, a: too | large")
    write_report([task(*curves(), failed)], tmp_path)
    text = (tmp_path / "report.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert len(rows) == 2 + 1 + 15 + 1
    assert len({row.count("|") for row in rows}) == 1
    assert (
        "| one:quality=0 | 0.100 | 100.0 | 50.0 [45.0, 54.0] | -30.0 [-32.0, -29.0] | 32.0 | worse | 31.25 |  |" in rows
    )
    assert "not resolved at n = 40 |" in text
    assert "|  | no score: 1 of 40 samples failed, the first, a: too / large |  |" in text
    assert (
        "- one: a loss of more than 3 points is excluded from 0.8 bits per pixel on (one:quality=3; n = 40, 95 %)"
        in text
    )


def test_summary_has_a_line_for_each_point(tmp_path: Path) -> None:
    write_report([task(*curves())], tmp_path)
    lines = [json.loads(text) for text in (tmp_path / "summary.jsonl").read_text().splitlines()]
    assert [entry["spec"] for entry in lines][:2] == ["uncompressed", "one:quality=0"]
    assert lines[1]["score"] == pytest.approx(0.5)


def test_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    write_report([task(*curves())], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|//|@import|url\(|<script|<img", page)
    assert "Made-up &lt;pictures&gt; &amp; more" in page


def test_task_with_the_anchor_alone_has_a_page(tmp_path: Path) -> None:
    write_report([task()], tmp_path)
    assert "<svg" in (tmp_path / "report.html").read_text()


def measured(n: int, curves: dict[str, Any] | None = None, noise: float = 0.05) -> TaskSummary:
    """With losses, BD-rates and correlations."""
    points, rows = made_up_rows(curves or {"jpeg": JPEG, "lcn": AVIF, "webp": WEBP}, n=n, noise=noise)
    return summarize(MadeUp(), points, rows, metrics=[PSNR])


def markdown(tmp_path: Path, *tasks: TaskSummary) -> str:
    write_report(tasks, tmp_path)
    return (tmp_path / "report.md").read_text()


def test_losses_stand_in_the_table_with_their_differences_and_intervals(tmp_path: Path) -> None:
    mean = MeanSummary(1.5, (1.25, 1.75), 0.5, (0.25, 0.75), True)
    one = replace(line("one", 3, 0.0, resolved=False), loss=mean, divergence=replace(mean, value=0.125))
    text = markdown(tmp_path, task(one))
    assert "| verdict | loss | more loss | divergence | PSNR dB |" in text
    cells = "| 1.500 [1.250, 1.750] | +0.500 [+0.250, +0.750] | 0.125 [1.250, 1.750] | 31.25 |"
    assert f"| not resolved at n = 40; more loss {cells}" in text


def test_loss_alone_decides_no_verdict_on_the_score() -> None:
    mean = MeanSummary(1.5, (1.25, 1.75), -0.5, (-0.75, -0.25), True)
    few = replace(line("one", 3, 0.0, resolved=False), loss=mean)
    assert report_verdict(task(few), few) == "not resolved at n = 40; less loss"
    assert report_verdict(task(few), replace(few, resolved=True, difference=-0.1)) == "worse"
    assert report_verdict(task(few), replace(few, num_samples=12)) == "n = 12 is too few"


def test_bd_rates_stand_beside_their_intervals_and_name_the_reference(tmp_path: Path) -> None:
    text = markdown(tmp_path, measured(40))
    assert "### BD-rate in each metric, against lcn, %" in text
    (row,) = re.findall(r"^\| jpeg \| (.*) \|$", text.split("### BD-rate in each metric")[1].split("###")[0], re.M)
    assert re.fullmatch(r"\+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\]", row)
    (row,) = re.findall(r"^\| jpeg \| (.*) \|$", text.split("### BD-rate and BD-score")[1].split("###")[0], re.M)
    assert len(row.split(" | ")) == 4
    assert all(re.fullmatch(r"[+-][\d.]+ \[[+-][\d.]+, [+-][\d.]+\]( .*shared)?", cell) for cell in row.split(" | "))


def test_curves_that_share_too_little_say_so_in_the_table(tmp_path: Path) -> None:
    text = markdown(tmp_path, measured(40, {"lcn": AVIF[:3], "one": AVIF[:1], "above": WEBP[2:]}))
    assert "| one | n = 0 of 40 is too few |" in text
    assert "| above | n = 0 of 40 is too few |" in text
    (row,) = re.findall(r"^\| above \| (.*) \|$", text.split("### BD-rate and BD-score")[1].split("###")[0], re.M)
    assert row.split(" | ")[1] == "curves share too little"


def test_bytes_over_few_common_values_say_over_how_many(tmp_path: Path) -> None:
    summary = measured(40, {"lcn": AVIF, "x": [(rate, psnr + 9) for rate, psnr in AVIF]})
    (sentence,) = [one for one in report_conclusions(summary) if one.startswith("x: ")]
    assert re.search(r" fewer bytes than lcn \[.*\] over the 1\d % of values that both reach$", sentence)
    assert re.search(r"^\| x \| -[\d.]+ \[.*\] 1\d % shared \|$", markdown(tmp_path, summary), re.M)


def test_conclusions_give_bytes_at_equal_loss_with_an_interval() -> None:
    _, jpeg, ours, webp = report_conclusions(measured(40))  # the first says that 40 answers are few
    assert re.search(r"; at equal loss \d+\.\d % more bytes than lcn \[\+\d+\.\d, \+\d+\.\d\]$", jpeg)
    assert "bytes" not in ours
    assert "more bytes than lcn [+" in webp
    same = report_conclusions(measured(40, {"lcn": AVIF, "x": AVIF}, noise=0.3))[-1]
    assert re.search(r"; at equal loss [+-]\d+\.\d % bytes against lcn \[-\d+\.\d, \+\d+\.\d\], not resolved$", same)


@pytest.mark.parametrize("n", [4, 12])
def test_of_few_samples_no_part_of_the_report_says_anything(n: int, tmp_path: Path) -> None:
    text = markdown(tmp_path, measured(n))
    assert text.count(f"n = {n} is too few to say anything; 20 samples are the least.") == 2
    assert f"n = {n} samples at 14 operating points are too few to say anything" in text
    assert f"n = {n} samples are too few to say anything of any codec" in text
    assert not re.search(r"better \||worse \||more bytes|fewer bytes|\| jpeg \|", text)
    for name in ("bd.jsonl", "correlations.jsonl"):
        entries = [json.loads(entry) for entry in (tmp_path / name).read_text().splitlines()]
        assert entries
        assert all(entry.get("rate", entry.get("within_samples")) is None for entry in entries)


def test_overview_has_codecs_and_tasks_and_says_where_samples_are_few(tmp_path: Path) -> None:
    tasks = measured(40), _named(measured(12), "few")
    part = (
        markdown(tmp_path, *tasks).split("## Bytes at equal machine quality: BD-rate against lcn, %")[1].split("##")[0]
    )
    assert "| codec | made-up: equal accuracy | made-up: equal loss | few: equal accuracy | few: equal loss |" in part
    assert re.search(r"^\| webp \| .*\] \| \+[\d.]+ \[.*\] \| n = 12 is too few \| n = 12 is too few \|$", part, re.M)


def _named(summary: TaskSummary, name: str) -> TaskSummary:
    return replace(summary, name=name, bd=tuple(replace(entry, task=name) for entry in summary.bd))


def test_correlations_stand_beside_their_intervals(tmp_path: Path) -> None:
    part = markdown(tmp_path, measured(40)).split("### Does a metric foretell")[1].split("###")[0]
    assert "over n = 40 samples: of their means across 14 operating points" in part
    (row,) = re.findall(r"^\| PSNR dB \| (.*) \|$", part, re.M)
    assert len(row.split(" | ")) == 4
    assert all(re.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]", cell) for cell in row.split(" | "))


def test_files_of_bd_rates_and_correlations_have_a_line_each(tmp_path: Path) -> None:
    write_report([measured(40)], tmp_path)
    bd, correlations = (
        [json.loads(entry) for entry in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("bd", "correlations")
    )
    assert {(entry["curve"], entry["measure"]["name"]) for entry in bd} == {
        (curve, name) for curve in ("jpeg", "webp") for name in ("score", "loss", "psnr_db")
    }
    assert all(entry["rate"]["interval"][0] <= entry["rate"]["value"] for entry in bd)
    assert [(entry["measure"]["name"], entry["num_points"]) for entry in correlations] == [("score", 14), ("loss", 14)]


def test_pictures_of_the_gallery_are_inside_the_page(tmp_path: Path) -> None:
    points, rows = made_up_rows({"lcn": AVIF, "webp": WEBP}, n=40)
    gallery = flipped_samples(MadeUp(), points, rows)
    write_report([measured(40)], tmp_path, galleries=[gallery])
    sources = re.findall(r'<img [^>]*src="([^"]*)"', (tmp_path / "report.html").read_text())
    assert len(sources) == 3 * len(gallery.samples) > 0
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "lcn:quality=" in (tmp_path / "report.md").read_text().split("### Samples whose answer changes")[1]


PROBE = """<script>
const box = element => { const b = element.getBoundingClientRect(); return [b.width, b.height]; };
const all = (query, root) => [...(root || document).querySelectorAll(query)];
const inside = svg => { const s = svg.getBoundingClientRect(); return all("text,polyline", svg).every(e => {
  const b = e.getBoundingClientRect();
  return b.left >= s.left - 1 && b.right <= s.right + 1 && b.top >= s.top - 1 && b.bottom <= s.bottom + 1; }); };
const apart = elements => { const boxes = elements.map(e => e.getBoundingClientRect()); return boxes.every((a, i) =>
  boxes.slice(i + 1).every(b => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top)); };
document.body.dataset.found = JSON.stringify({
  charts: all("svg.chart").map(box), inside: all("svg.chart").map(inside),
  apart: [...all("svg.chart").map(svg => apart(all("text", svg))), ...all(".legend").map(l => apart(all("li", l))),
    ...all("thead tr").map(row => apart(all("th", row))), ...all(".gallery").map(g => apart(all(".sample", g)))],
  lengths: all("svg.chart polyline").map(line => line.getTotalLength()),
  strokes: all("svg.chart").map(svg => all("polyline", svg).map(line => getComputedStyle(line).stroke
    + getComputedStyle(line).strokeDasharray)),
  bands: all("svg.chart polygon").map(box), rows: all("tbody tr").map(box),
  tints: all("td.up,td.down").map(cell => getComputedStyle(cell).backgroundColor),
  pictures: all("img").map(picture => picture.naturalWidth),
  background: getComputedStyle(document.body).backgroundColor,
  requests: performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length,
  scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth,
});</script></body>"""


def probed(report: Path, folder: Path, *, width: int = 1150) -> dict[str, Any]:
    """What a browser makes of a report."""
    page = folder / "probed.html"
    page.write_text(report.read_text().replace("</body>", PROBE))
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000"]
    done = subprocess.run(
        [BROWSER, *options, f"--user-data-dir={folder}/user", "--enable-logging=stderr", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert "CONSOLE" not in done.stderr
    match = re.search(r'data-found="([^"]*)"', done.stdout)
    assert match is not None, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(match.group(1).replace("&quot;", '"'))
    return found


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")
def test_browser_draws_charts_and_tables_without_console_messages(tmp_path: Path) -> None:
    write_report([task(*curves()), task(*curves(), name="other")], tmp_path)
    found = probed(tmp_path / "report.html", tmp_path)
    assert len(found["charts"]) == 2
    assert all(width > 600 and height > 300 for width, height in found["charts"])
    assert all(found["inside"])
    assert all(found["apart"])
    assert len(found["lengths"]) == 6
    assert min(found["lengths"]) > 200
    assert [len(set(strokes)) for strokes in found["strokes"]] == [3, 3]
    assert all(min(size) > 5 for size in found["bands"])
    assert len(found["rows"]) == 32
    assert all(height > 10 for _, height in found["rows"])
    assert found["requests"] == 0
    assert found["scroll"] <= 0


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")
@pytest.mark.parametrize("width", [1150, 500])
def test_browser_tells_many_curves_apart_and_shows_all_parts(width: int, tmp_path: Path) -> None:
    """15 curves of long names: charts of score and loss, tables, coloured correlations and pictures."""
    many = {
        f"lcn:profile=best,synthesis=neural,tune={number}": [(rate * 1.05**number, psnr) for rate, psnr in AVIF]
        for number in range(15)
    }
    points, rows = made_up_rows(many, n=40, noise=0.1)
    summary = summarize(MadeUp(), points, rows, metrics=[PSNR])
    gallery = flipped_samples(MadeUp(), points, rows)
    write_report([summary, _named(summary, "other")], tmp_path, galleries=[gallery])
    found = probed(tmp_path / "report.html", tmp_path, width=width)
    assert len(found["charts"]) == 4
    assert all(found["inside"])
    assert all(found["apart"])
    assert [len(set(strokes)) for strokes in found["strokes"]] == [15] * 4
    assert len(found["rows"]) == 14 + 2 * (14 + 14 + 1 + 91)
    assert len(found["tints"]) == 8
    assert found["background"] not in found["tints"]
    assert found["pictures"] == [256] * 3 * len(gallery.samples)
    assert found["requests"] == 0
    assert found["scroll"] <= 0


def test_odd_names_spoil_neither_file(tmp_path: Path) -> None:
    name = b"a|<b>&\xff".decode("utf-8", "surrogateescape")
    failed = Summary(
        "made-up", name, name, name, 40, error=f"1 of 40 samples failed, the first, {name}: <class 'float'>"
    )
    write_report([task(*curves(), failed)], tmp_path)
    markdown, page = ((tmp_path / f"report.{kind}").read_text() for kind in ("md", "html"))
    assert "| a/&lt;b>&\\udcff |" in markdown
    assert "<b>" not in markdown and "<class" not in markdown
    assert "a|&lt;b&gt;&amp;\\udcff" in page
    assert "<class" not in page


def test_chart_of_values_below_zero_holds_them() -> None:
    below = [replace(line("one", number, -2.0, resolved=False), score=-5.0 + number) for number in range(3)]
    shown = [replace(one, score_interval=(one.score - 0.5, one.score + 0.5)) for one in below]
    drawn = draw_chart(replace(task(*shown), lines=(shown[0], *shown)), quantities(task(*shown))[0], (720, 400))
    heights = [float(place.split(",")[1]) for place in re.findall(r"translate\(([0-9.,-]+)\)\"", drawn)]
    assert len(heights) == 3
    assert all(0 < height < 400 for height in heights)


def test_rate_axis_of_one_point_has_numbers() -> None:
    one = replace(line("one", 0, -0.1, resolved=False), rate=1.6)
    drawn = draw_chart(task(one), quantities(task(one))[0], (720, 400))
    rates = re.findall(r'text-anchor="middle">([0-9.]+)</text>', drawn)
    assert len(rates) > 1
    assert all(1.3 < float(rate) < 1.9 for rate in rates)
