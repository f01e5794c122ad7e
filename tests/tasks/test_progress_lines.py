"""Lines of long work: not too many, with the share done and the time left."""

from laconic.tasks.cli.progress_lines import ProgressLines


def test_lines_come_now_and_then_with_the_time_left(capsys):
    now = [100.0]
    lines = ProgressLines("fit", clock=lambda: now[0])
    for seconds, share in ((1, 0.01), (30, 0.1), (45, 0.2), (60, 0.5), (200, 1.0)):
        now[0] = 100.0 + seconds
        lines.update(share)
    assert capsys.readouterr().err.splitlines() == [
        "laconic: fit: 10% done, about 4 min left",
        "laconic: fit: 50% done, about 60 s left",
        "laconic: fit: 100% done, about 0 s left",
    ]
