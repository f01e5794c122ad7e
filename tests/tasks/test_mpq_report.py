"""The report from made-up scores: Markdown, JSON Lines, and the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from laconic.tasks.mpq import Summary, TaskSummary, write_report
from laconic.tasks.mpq.provenance import evaluation_provenance
from laconic.tasks.mpq.report import report_conclusions, report_verdict
from laconic.tasks.mpq.summary import smallest_within_margin

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


@pytest.mark.parametrize("n", [4, 12, 29])
def test_nothing_is_said_of_few_samples(n: int) -> None:
    """A codec that keeps 3 bits must not be praised, nor blamed, for it."""
    few = task(*(replace(one, num_samples=n) for one in curves()))
    few = replace(few, lines=(replace(few.anchor, num_samples=n), *few.lines[1:]))
    assert report_conclusions(few) == [f"n = {n} samples are too few to say anything of any codec; 30 are the least"]
    assert {report_verdict(few, one) for one in few.lines[1:]} == {f"n = {n} is too few"}
    assert smallest_within_margin(few, "one", 1.0) is None


def test_conclusions_exclude_a_loss_or_say_that_none_is_excluded() -> None:
    assert report_conclusions(task(*curves()), 0.05)[0] == (
        "one: a loss of more than 5 points is excluded from 0.4 bits per pixel on (one:quality=2; n = 40, 95 %)"
    )
    assert report_conclusions(task(*curves()), 0.01)[0] == (
        "one: a loss of more than 1 points is excluded at no rate measured (n = 40, 95 %; at most 2.0 points at 1.6 bits "
        "per pixel)"
    )


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
        "| one:quality=0 | 0.100 | 100.0 | 31.25 |  | 50.0 [45.0, 54.0] | -30.0 [-32.0, -29.0] | 32.0 | worse |" in rows
    )
    assert "not resolved at n = 40 |" in text
    assert "| no score: 1 of 40 samples failed, the first, a: too / large |" in text
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


PROBE = """<script>
const box = element => { const b = element.getBoundingClientRect(); return [b.width, b.height]; };
const all = (query, root) => [...(root || document).querySelectorAll(query)];
const inside = svg => { const s = svg.getBoundingClientRect(); return all("text,polyline", svg).every(e => {
  const b = e.getBoundingClientRect();
  return b.left >= s.left - 1 && b.right <= s.right + 1 && b.top >= s.top - 1 && b.bottom <= s.bottom + 1; }); };
document.body.dataset.found = JSON.stringify({
  charts: all("svg.chart").map(box), inside: all("svg.chart").map(inside),
  lengths: all("svg.chart polyline").map(line => line.getTotalLength()),
  strokes: all("svg.chart polyline").map(line => getComputedStyle(line).stroke),
  bands: all("svg.chart polygon").map(box), rows: all("tbody tr").map(box),
  requests: performance.getEntriesByType("resource").length,
  scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth,
});</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")
def test_browser_draws_charts_and_tables_without_console_messages(tmp_path: Path) -> None:
    write_report([task(*curves()), task(*curves(), name="other")], tmp_path)
    page = tmp_path / "probed.html"
    page.write_text((tmp_path / "report.html").read_text().replace("</body>", PROBE))
    assert BROWSER is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1150,2000",
        f"--user-data-dir={tmp_path}/user",
    ]
    done = subprocess.run(
        [BROWSER, *options, "--enable-logging=stderr", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert "CONSOLE" not in done.stderr
    match = re.search(r'data-found="([^"]*)"', done.stdout)
    assert match is not None, done.stderr[-2000:]
    found = json.loads(match.group(1).replace("&quot;", '"'))
    assert len(found["charts"]) == 2
    assert all(width > 600 and height > 300 for width, height in found["charts"])
    assert all(found["inside"])
    assert len(found["lengths"]) == 6
    assert min(found["lengths"]) > 200
    assert len(set(found["strokes"])) == 3
    assert all(min(size) > 5 for size in found["bands"])
    assert len(found["rows"]) == 32
    assert all(height > 10 for _, height in found["rows"])
    assert found["requests"] == 0
    assert found["scroll"] <= 0
