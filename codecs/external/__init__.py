"""Codecs of other libraries as `Codec` values, one file per format; each one passes `laconic.codecs.checks`.

    jpeg.py       Jpeg       libjpeg-turbo    grey, RGB
    webp.py       WebP       libwebp          RGB, RGBA
    jpeg2000.py   Jpeg2000   OpenJPEG         grey, RGB, with and without alpha, 16-bit grey
    avif.py       Avif       libavif, libaom  grey, RGB, RGBA
    _pillow.py    what these four share: option checks, writing, safe reading

    mp3.py        Mp3        LAME, mpg123     mono, stereo, 8 to 48 kHz
    opus.py       Opus       libopus          mono, stereo, up to 48 kHz
    vorbis.py     Vorbis     libvorbis        mono, stereo, up to 200 kHz
    flac.py       Flac       libFLAC          1 to 8 channels; lossless
    _soundfile.py what these four share; _ogg.py what the two in Ogg share; _resampling.py rates that a codec does not know

    jpegxl.py     JpegXL     libjxl           grey, RGB, with and without alpha; needs imagecodecs; not imported here
    compressai.py CompressAI CompressAI       RGB; learned, needs torch; not imported here
    encodec.py    EnCodec    transformers     1 to 8 channels; learned, needs torch; not imported here

To add one: a frozen dataclass in a new file here, its name in `laconic.codecs.registry`, its tests beside theirs; or,
in a package of your own, an entry point of the group "laconic.codecs".
"""

from laconic.codecs.external.avif import Avif
from laconic.codecs.external.flac import Flac
from laconic.codecs.external.jpeg import Jpeg
from laconic.codecs.external.jpeg2000 import Jpeg2000
from laconic.codecs.external.mp3 import Mp3
from laconic.codecs.external.opus import Opus
from laconic.codecs.external.vorbis import Vorbis
from laconic.codecs.external.webp import WebP

__all__ = ["Avif", "Flac", "Jpeg", "Jpeg2000", "Mp3", "Opus", "Vorbis", "WebP"]
