"""The report from made-up scores: Markdown, JSON Lines, and the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from laconic.tasks.mpq import Summary, TaskSummary, write_report
from laconic.tasks.mpq.summary import smallest_unharmed_of_summary

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
        DISTORTION,
    )


def task(*lines: Summary, name: str = "made-up", higher_is_better: bool = True) -> TaskSummary:
    anchor = Summary(name, "uncompressed", "uncompressed", "uncompressed", 40, 24.0, 1.0, 0.8, (0.7, 0.9))
    unit, distortions = "bits per pixel", ("psnr_db", "ms_ssim")
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


def test_point_of_least_rate_without_loss() -> None:
    found = smallest_unharmed_of_summary(task(*curves()), "one")
    assert found is not None
    assert found.spec == "one:quality=2"


def test_a_loss_at_more_rate_counts_too() -> None:
    lines = [line("one", 0, -0.01, resolved=False), line("one", 1, -0.2, resolved=True)]
    assert smallest_unharmed_of_summary(task(*lines), "one") is None


def test_gain_is_no_loss_and_errors_are_the_other_way_round() -> None:
    rise = [line("one", 0, 0.2, resolved=True)]
    assert smallest_unharmed_of_summary(task(*rise), "one") is not None
    assert smallest_unharmed_of_summary(task(*rise, higher_is_better=False), "one") is None


def test_markdown_has_a_row_for_each_line_and_says_what_is_not_resolved(tmp_path: Path) -> None:
    failed = Summary("made-up", "x", "four", "four", 40, error="1 of 40 samples failed, the first, a: too | large")
    write_report([task(*curves(), failed)], tmp_path)
    text = (tmp_path / "report.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert len(rows) == 2 + 1 + 15 + 1
    assert len({row.count("|") for row in rows}) == 1
    assert "| one:quality=0 | 0.100 | 100.0 | 31.25 |  | 50.0 [45.0, 54.0] | -30.0 [-32.0, -29.0] | worse |" in rows
    assert "not resolved at n = 40 |" in text
    assert "| no score: 1 of 40 samples failed, the first, a: too / large |" in text
    assert "- one: no loss is resolved at n = 40 from 0.4 bits per pixel on (one:quality=2)" in text


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
