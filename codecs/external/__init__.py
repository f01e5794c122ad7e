"""Codecs of other libraries as `Codec` values, one file per format; each one passes `laconic.codecs.checks`.

    jpeg.py       Jpeg       libjpeg-turbo    grey, RGB
    webp.py       WebP       libwebp          RGB, RGBA
    jpeg2000.py   Jpeg2000   OpenJPEG         grey, RGB, with and without alpha, 16-bit grey
    avif.py       Avif       libavif, libaom  grey, RGB, RGBA
    _pillow.py    what these four share: option checks, writing, safe reading

To add one: a frozen dataclass in a new file here, its name in `laconic.codecs.registry`, its tests beside theirs; or,
in a package of your own, an entry point of the group "laconic.codecs".
"""

from laconic.codecs.external.avif import Avif
from laconic.codecs.external.jpeg import Jpeg
from laconic.codecs.external.jpeg2000 import Jpeg2000
from laconic.codecs.external.webp import WebP

__all__ = ["Avif", "Jpeg", "Jpeg2000", "WebP"]
