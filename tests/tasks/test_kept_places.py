"""Networks that get the places of a latent on which most bits were spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402
from laconic.tasks.heads.classification import Classification  # noqa: E402
from laconic.tasks.heads.kept_places import KeptPlaces  # noqa: E402
from laconic.tasks.heads.learning_task import InputForm  # noqa: E402

MODEL = load_model("rgb")
ENDS = tuple(int(end) for end in MODEL.group_ends)
FORM = InputForm(
    *("latents", "image", 12, (4, 5)),
    classes=("a", "b"),
    scale=(2.0,) * 12,
    shift=(0.5,) * 12,
    fingerprint=MODEL.fingerprint.hex(),
    group_ends=ENDS,
)


class Same(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x


def latents() -> Any:
    """Nothing but the low band, which is large everywhere, and two busy places."""
    x = torch.full((2, 12, 4, 5), 0.5)
    x[:, :3] = 40 * torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    x[0, 5, 1, 2], x[0, 9, 3, 4], x[1, 3, 0, 0] = 2.5, -1.0, 1.0
    return x


def test_places_of_most_bits_go_on_and_others_are_0() -> None:
    x = latents()
    kept = KeptPlaces(Same(), FORM, 0.1, "bits")(x)
    assert (kept[0, :, 1, 2] == x[0, :, 1, 2]).all() and (kept[0, :, 3, 4] == x[0, :, 3, 4]).all()
    assert (kept[1, :, 0, 0] == x[1, :, 0, 0]).all()
    assert ((kept != 0).any(dim=1).sum(dim=(1, 2)) == 2).all()


def test_lots_are_the_same_for_the_same_item_and_others_for_another() -> None:
    x = latents()
    network = KeptPlaces(Same(), FORM, 0.5, "lot")
    first, again = network.kept(x), network.kept(x.flip(0)).flip(0)
    assert torch.equal(first, again) and not torch.equal(first[0], first[1])
    assert (first.sum(dim=(1, 2, 3)) == 10).all()


def test_one_place_at_least() -> None:
    assert KeptPlaces(Same(), FORM, 0.0, "bits").kept(latents()).sum().item() == 2


def test_task_keeps_places_of_latents_alone() -> None:
    network = Classification(keep=0.25).network(FORM, 0)
    assert isinstance(network, KeptPlaces)
    assert network(latents()).shape == (2, 2)
    pixels = replace(FORM, arm="patches", channels=3, patch=(8, 8), grid=(64, 64))
    for form in (pixels, replace(FORM, channels=3)):
        with pytest.raises(CodecError, match=r"keep is 0.25 for 3 channels of arm"):
            Classification(keep=0.25).network(form, 0)
    with pytest.raises(CodecError, match="keep"):
        Classification(keep=1.5)
