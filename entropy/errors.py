"""What can be wrong with bytes: one family of errors, so that a reader of foreign files catches one type; and with what a
caller passes."""


class BitstreamError(ValueError):
    """The bytes are not a valid stream or file; the message says what was found and what is allowed."""


class TruncatedError(BitstreamError):
    """The bytes end before the data does."""


class ChecksumError(BitstreamError):
    """The bytes are complete but not the ones that were written."""


class UnsupportedVersionError(BitstreamError):
    """A valid file that asks for something that this version cannot do."""


class CorruptStreamError(BitstreamError):
    """A field or symbol that no encoder writes."""


class LimitError(BitstreamError):
    """The file claims more than the caller allows to be allocated."""


class ArgumentError(ValueError, TypeError):
    """An argument of a type or value that is not allowed; the message says which are."""
