"""What can go wrong between signals and bytes, beside bad bytes (`laconic.entropy.BitstreamError`)."""

from laconic.entropy.errors import BitstreamError


class CodecError(ValueError):
    """Base of the errors that codecs raise on purpose."""


class UnknownCodecError(CodecError):
    """A codec name that the registry does not hold."""


class UnknownModelError(CodecError):
    """A model name or fingerprint that is not at hand."""


class WeightsError(CodecError):
    """A model file that is damaged or does not fit together."""


class UnsupportedSignalError(CodecError):
    """A signal that this codec does not take; the message says how to convert it."""


class DroppedWarning(UserWarning):
    """Something of a file was dropped, and the rest is right; the message says what, and how to have it. See `notes`."""


class MissingDependencyError(ImportError):
    """An optional package is absent or broken; the message names the install command."""


def sentence_of_error(err: Exception, *, is_ours: bool = True) -> str:
    """An error as one line. One that is raised on purpose, or by the system, is its message; any other is named by its
    type, and is a fault of ours, said with what to do, unless the code is of others."""
    if isinstance(err, MemoryError):
        return "there is not enough memory for it"
    text = " ".join((err.strerror if isinstance(err, OSError) and err.strerror else str(err)).split())
    if isinstance(err, CodecError | BitstreamError | MissingDependencyError | OSError) and text:
        return text
    named = f"{type(err).__name__}{': ' * bool(text)}{text}"
    return f"{named} (laconic did not expect this; please report it with the file)" if is_ours else named


def missing_torch_error(purpose: str, *, extra: str = "torch", instead: str = "") -> None:
    """Raises `MissingDependencyError` where torch cannot be imported: "torch is not installed; `purpose` needs it".
    `instead`: what can be done without it."""
    try:
        import torch  # noqa: F401
    except ImportError as err:
        raise MissingDependencyError(
            f"torch is not installed; {purpose} needs it: pip install laconic[{extra}]"
            + (instead and f", or {instead}")
        ) from err
