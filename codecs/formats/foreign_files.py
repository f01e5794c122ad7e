"""Files by their first bytes: formats of pictures whose file may be damaged, and what is not read here at all."""

from __future__ import annotations

import re

from laconic.codecs.errors import UnsupportedSignalError

_PICTURES = (
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+", "TIFF"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"....ftypavi[fs]", "AVIF"),
    (rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG2000"),
    (rb"BM", "BMP"),
    (rb"8BPS", "PSD"),
    (rb"DDS ", "DDS"),
    (rb"qoif", "QOI"),
    (rb"P[1-7][\s#]", "PPM"),
)
_VIDEO = "take frames of it first, as with ffmpeg -i FILE frame%05d.png"
_CONVERT = "convert it to PNG, TIFF or JPEG first"
_SPOKEN_WITH_VOWEL = r"[AEIO]|M[P4]|FLV|SVG"
_SOUND = "convert it to WAV or FLAC first, as with ffmpeg -i FILE sound.wav"
# Brands are those of ISO base media files (mp4ra.org).
_OTHERS = (
    (rb"....ftypM4[ABP]", "M4A sound (AAC or Apple Lossless)", _SOUND),
    (rb"\xff[\xf0\xf1\xf8\xf9]|ADIF|\x56[\xe0-\xff]", "AAC sound", _SOUND),  # ADTS, ADIF and LOAS
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA sound or WMV video (ASF)", _SOUND),
    (rb"#!AMR", "AMR sound", _SOUND),
    (rb"#!SILK|\x02#!SILK", "SILK sound", _SOUND),
    (rb"\x0b\x77", "AC-3 sound", _SOUND),
    (rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80", "DTS sound", _SOUND),
    (rb"MAC ", "Monkey's Audio sound", _SOUND),
    (rb"wvpk", "WavPack sound", _SOUND),
    (rb"TTA[12]", "True Audio sound", _SOUND),
    (rb"MPCK|MP\+", "Musepack sound", _SOUND),
    (rb"DSD |FRM8........DSD ", "DSD sound", _SOUND),
    (rb"tBaK|OFR |ajkg", "TAK, OptimFROG or Shorten sound", _SOUND),
    (rb"RIFF....QLCM", "QCP sound", _SOUND),
    (rb"\.ra\xfd|\.RMF", "RealAudio or RealVideo file", _SOUND),
    (rb"MThd|RIFF....RMID", "MIDI file, which holds notes and no sound,", "render it to WAV first"),
    (rb"....ftyp(hei[cfmsx]|hev[cmsx]|mif1|msf1)", "HEIC picture", _CONVERT),
    (rb"....ftyp(?!avi[fs])", "MP4 or QuickTime video", _VIDEO),
    (rb"....(moov|mdat|wide|free|skip|pnot)", "QuickTime video", _VIDEO),
    (rb"RIFF....AVI ", "AVI video", _VIDEO),
    (rb"\x1a\x45\xdf\xa3", "Matroska or WebM video", _VIDEO),
    (rb"FLV\x01", "FLV video", _VIDEO),
    (rb"\x00\x00\x01[\xb3\xba]", "MPEG video", _VIDEO),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL picture", _CONVERT),
    (rb"%PDF", "PDF document", "render its pages first, as with pdftoppm -png"),
    (rb"\s*(<\?xml[^>]*>\s*)?<svg", "SVG drawing", "render it to PNG first"),
    (rb"\x76\x2f\x31\x01", "OpenEXR picture", "map its range to 16-bit TIFF or PNG first"),
    (rb"#\?RADIANCE", "Radiance picture", "map its range to 16-bit TIFF or PNG first"),
)


def foreign_picture_format(head: bytes) -> str | None:
    """Pillow's name of the picture format that a file starts as, whether or not the rest can be read."""
    return next((name for start, name in _PICTURES if re.match(start, head, re.DOTALL)), None)


def refuse_foreign(head: bytes) -> None:
    """Raise `UnsupportedSignalError` for a file that is known to be read by nothing here."""
    for start, name, advice in _OTHERS:
        if re.match(start, head, re.DOTALL):
            article = "an" if re.match(_SPOKEN_WITH_VOWEL, name) else "a"
            raise UnsupportedSignalError(f"the file is {article} {name}, which cannot be read here; {advice}")
