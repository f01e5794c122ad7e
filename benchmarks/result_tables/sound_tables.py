"""Tables of sounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import common

from result_tables.cell_text import percent, speed

NEAR_KBPS = {"music": 96, "speech": 24}
_SCORE_DIGITS = {"pesq_mos": ".2f", "stoi": ".3f", "dnsmos": ".2f", "log_mel_db": ".2f", "stft_distance": ".2f"}


def audio_table(rows: Sequence[common.Row]) -> str:
    """Per kind of sound and codec: BD-rates of ours against it, and its setting nearest to a rate (on a log scale)."""
    settings = [row for row in rows if row["type"] == "rd"]
    bd_rows = {(row["sounds"], row["anchor"]): row for row in rows if row["type"] == "bd"}
    lines = [
        "| sound | codec | BD-rate of snr, by SNR | of machine, by log-mel | setting | kbit/s | SNR dB | log-mel dB "
        "| encode | decode |",
        "|---|---|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    for sounds, label in dict.fromkeys((row["sounds"], row["label"]) for row in settings):
        near = min(
            (row for row in settings if (row["sounds"], row["label"]) == (sounds, label)),
            key=lambda row: abs(math.log(row["kbps"] / NEAR_KBPS[row["sounds"]])),
        )
        bd = bd_rows.get((sounds, label), {})
        cells = [
            sounds,
            label,
            percent(bd.get("bd_rate_snr_db_kbps_percent")),
            percent(bd.get("bd_rate_log_mel_db_kbps_percent")),
            f"`{near['codec']}`",
            f"{near['kbps']:.1f}",
            f"{near['snr_db']:.2f}",
            f"{near['log_mel_db']:.2f}",
            speed(near["encode_ms_s"]),
            speed(near["decode_ms_s"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _audio_caption(settings), ""])


def _audio_caption(settings: Sequence[common.Row]) -> str:
    num_clips = {row["sounds"]: row["num_clips"] for row in settings}
    clips = " and ".join(
        f"{number} clips of {sounds} (near {NEAR_KBPS[sounds]} kbit/s)" for sounds, number in num_clips.items()
    )
    first = settings[0]
    return (
        f"BD-rate over whole files and the qualities that both reach, negative: our files are smaller. Means over {clips}; "
        f"medians of speed in millions of samples per second on one core of {first['machine']['cpu']}; "
        f"{first['date'][:10]}, commit {first['commit']}."
    )


def long_sounds_table(rows: Sequence[common.Row]) -> str:
    """Per recording and tune: memory and time of each direction, and of a stretch."""
    lines = [
        "| recording | tune | size | encode | | decode | | 10 s of it | |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for minutes, tune in dict.fromkeys((row["minutes"], row["tune"]) for row in rows):
        steps = {row["step"]: row for row in rows if (row["minutes"], row["tune"]) == (minutes, tune)}
        cells = [f"{minutes} min", tune, f"{steps['encode']['lcn_bytes'] / 1e6:.1f} MB"]
        for step in ("encode", "decode", "stretch"):
            cells += [f"{steps[step]['peak_mb']:.0f} MB", f"{steps[step]['processor_seconds']:.1f} s"]
        lines.append("| " + " | ".join(cells) + " |")
    first = rows[0]
    return "\n".join(
        [
            *lines,
            "",
            "Largest resident memory of the process, and its processor time, of `laconic encode` and `laconic decode` with "
            "one thread, from and to a WAV file of 48 kHz stereo, 16 bits: "
            f"{max(row['wav_bytes'] for row in rows) / 1e6:.0f} MB for the longest. {first['machine']['cpu']}; "
            f"{first['date'][:10]}, commit {first['commit']}.",
            "",
        ]
    )


def words_table(rows: Sequence[common.Row]) -> str:
    """Words that a recogniser gets wrong, of each codec and tune at each rate."""
    found = [row for row in rows if row["type"] == "words"]
    lines = [
        "| Opus asked for | codec | kbit/s | words wrong | more than Opus | more than the original | log-mel dB | SNR dB |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        name = f"`{row['model']}`, tune {row['tune']}" if row["codec"] == "laconic" else row["codec"]
        is_original = row["codec"] == "original"
        cells = [
            "" if is_original else f"{row['rate_kbps']} kbit/s",
            name,
            "" if is_original else f"{row['kbps']:.1f}",
            _share(row["wrong_words"], sign=""),
            "" if row["codec"] != "laconic" else _share(row["more_than_opus"]),
            "" if is_original else _share(row["more_than_original"]),
            "" if is_original else f"{row['log_mel_db']:.2f}",
            "" if is_original else f"{row['snr_db']:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    first = found[0]
    caption = (
        f"{first['utterances']} utterances, PocketSphinx; shares of words in %, differences in points, with 95 % intervals "
        f"over utterances, paired. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def tagging_table(rows: Sequence[common.Row]) -> str:
    """What a tagger loses of everyday sounds, of ours and Opus at each rate."""
    found = [row for row in rows if row["type"] == "tagging"]
    lines = [
        "| clips | Opus asked for | codec | kbit/s | loss of the true class | more than Opus | more than the original | "
        "named right | log-mel dB |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        is_original = row["codec"] == "original"
        mark = "**" if row["codec"] == "laconic" and row["promised"] else ""
        cells = [
            "at one loudness" if row["levels"] == "equal" else "as recorded",
            "" if is_original else f"{row['rate_kbps']} kbit/s",
            f"tune {row['tune']}" if row["codec"] == "laconic" else row["codec"],
            "" if is_original else f"{row['kbps']:.1f}",
            _with_interval(row["loss"], ".2f"),
            "" if row["codec"] != "laconic" else f"{mark}{_with_interval(row['more_than_opus'], '+.2f')}{mark}",
            "" if is_original else _with_interval(row["more_than_original"], "+.2f"),
            f"{100 * row['accuracy']:.0f} %",
            "" if is_original else f"{row['log_mel_db']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    first = found[0]
    caption = (
        f"{first['clips']} clips of ESC-10, YAMNet; cross-entropy among the ten classes in nats with 95 % intervals over "
        "clips, paired. Bold: the interval of the difference ends within 5 % of Opus's loss. "
        f"{first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def speech_scores_table(rows: Sequence[common.Row]) -> str:
    """The usual scores of speech, of ours and Opus at each rate; those that were not to be had are left empty."""
    found = [row for row in rows if row["type"] == "speech_scores"]
    lines = [
        "| Opus asked for | codec | kbit/s | PESQ | STOI | DNSMOS | log-mel dB | STFT distance |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        is_original = row["codec"] == "original"
        cells = [
            "" if is_original else f"{row['rate_kbps']} kbit/s",
            f"tune {row['tune']}" if row["codec"] == "laconic" else row["codec"],
            "" if is_original else f"{row['kbps']:.1f}",
            *(_with_interval(row.get(name), digits) for name, digits in _SCORE_DIGITS.items()),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    first = found[0]
    caption = (
        f"{first['utterances']} utterances of AN4, means with 95 % intervals over utterances. PESQ (wideband), STOI and "
        f"DNSMOS (overall): more is better; distances: less. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def _with_interval(values: Sequence[float] | None, digits: str) -> str:
    if values is None:
        return ""
    score, low, high = (f"{value:{digits}}".replace("-", "\N{MINUS SIGN}") for value in values)
    return score if low == high else f"{score} [{low}, {high}]"


def tokens_table(rows: Sequence[common.Row]) -> str:
    """Words and voices of speech that became tokens, by number of stages, beside Opus."""
    lines = [
        "| codec | kbit/s | words wrong | more than Opus | more than the original | log-mel dB | voices | made | decoded |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        is_original, is_ours = row["codec"] == "original", row["codec"] == "tokens"
        cells = [
            f"tokens, --stages {row['stages']}" if is_ours else row["codec"],
            "" if is_original else f"{row['kbps']:.2f}",
            _share(row["wrong_words"], sign=""),
            _share(row["more_than_opus"]) if is_ours else "",
            "" if is_original else _share(row["more_than_original"]),
            "" if is_original else f"{row['log_mel_db']:.2f}",
            "" if is_original else "{:.3f} [{:.3f}, {:.3f}]".format(*row["voice_cosine"]),
            f"{row['encode_times_real_time']:.0f}x" if is_ours else "",
            f"{row['decode_times_real_time']:.0f}x" if is_ours else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    first = rows[0]
    caption = (
        f"{first['utterances']} utterances of AN4's {first['split']} folder, PocketSphinx; shares of words in %, "
        "differences in points; voices: cosines of Resemblyzer's embeddings of the original and the decoded utterance; "
        "95 % intervals over utterances. Speeds: times faster than the sound lasts, processor time of one thread of "
        f"{first['machine']['cpu']}, beside other work. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def _share(values: Sequence[float], sign: str = "+") -> str:
    score, low, high = (f"{100 * value:{sign}.1f}".replace("-", "\N{MINUS SIGN}") for value in values)
    return f"{score} [{low}, {high}]"
