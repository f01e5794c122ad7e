"""Networks that know what channels of latents are."""

import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.heads.band_networks import BandConfig, new_band_network  # noqa: E402
from laconic.tasks.heads.learning_task import InputForm  # noqa: E402
from laconic.tasks.heads.networks import LevelStem, NetworkConfig, latent_levels, new_network  # noqa: E402

ENDS = (3, 12, 48, 192)


def latent_form(channels: int, grid: tuple[int, int] = (16, 16)) -> InputForm:
    ones, zeros = (1.0,) * channels, (0.0,) * channels
    return InputForm("latents", "image", channels, grid, scale=ones, shift=zeros, group_ends=ENDS)


def test_levels_end_with_the_channels_that_are_read():
    assert latent_levels(ENDS, 192) == ((12, 1), (48, 2), (192, 4))
    assert latent_levels(ENDS, 48) == ((12, 1), (48, 2))
    assert latent_levels(ENDS, 20) == ((12, 1), (20, 1))
    assert latent_levels(ENDS, 3) == ((3, 1),)


@pytest.mark.parametrize(("refine", "side"), [(1, 4), (2, 8), (4, 16), (8, 32)])
def test_a_stem_gives_small_pictures_a_finer_grid(refine, side):
    stem = LevelStem(NetworkConfig(192, 10, width=8, levels=latent_levels(ENDS, 192), refine=refine))
    assert stem(torch.randn(2, 192, 4, 4)).shape == (2, 8, side, side)


def test_places_of_fine_bands_lie_beside_each_other():
    """At twice the grid, the last column of one place and the first of the next are neighbours: one convolution sees both,
    and not what is farther."""
    stem = LevelStem(NetworkConfig(48, 10, width=8, levels=latent_levels(ENDS, 48), refine=2)).eval()
    x = torch.zeros(1, 48, 4, 4)
    still = stem(x)
    x[:, 13, 1, 1] = 1.0  # a band of brightness: the right one of the upper two places
    changed = (stem(x) - still).abs().sum((0, 1)) > 0
    assert changed.nonzero().amin(0).tolist() == [1, 2]
    assert changed.nonzero().amax(0).tolist() == [3, 4]


def test_levels_that_are_no_partition_are_refused():
    with pytest.raises(CodecError, match="levels are"):
        NetworkConfig(48, 10, levels=((12, 1), (40, 2)))
    with pytest.raises(CodecError, match="refine is 3"):
        NetworkConfig(48, 10, levels=((12, 1), (48, 2)), refine=3)
    with pytest.raises(CodecError, match="refine is 2 without levels"):
        NetworkConfig(48, 10, refine=2)


@pytest.mark.parametrize("channels", [12, 48, 192])
@pytest.mark.parametrize("grid", [(16, 16), (5, 3), (1, 1)])
def test_bands_of_any_grid_give_scores(channels, grid):
    network = new_band_network(latent_form(channels, grid), BandConfig(4), 0).eval()
    assert network(torch.randn(3, channels, *grid)).shape == (3, 4)


def test_scores_of_bands_hardly_depend_on_the_contrast():
    network = new_band_network(latent_form(48), BandConfig(4), 0).eval()
    x = 10 * torch.randn(4, 48, 16, 16)
    scores, brighter = network(x), network(2 * x)
    x[:, 13] *= 10  # more edges of one direction: another picture
    assert (scores - brighter).abs().max() < 0.1 * (scores - network(x)).abs().max()


def test_channels_that_end_within_a_band_are_refused():
    with pytest.raises(CodecError, match="channels is 20, within a band; allowed are 12, 48, 192"):
        new_band_network(latent_form(20), BandConfig(4), 0)


@pytest.mark.parametrize(("arm", "patch"), [("small", (2, 2)), ("patches", (8, 8))])
def test_pixels_get_as_many_bands_as_latents_of_12_channels(arm, patch):
    form = InputForm(arm, "image", 3, (64, 64), patch=patch)
    pixels, latents = (new_band_network(f, BandConfig(4), 0) for f in (form, latent_form(12)))
    assert pixels(torch.randn(2, 3, 64, 64)).shape == (2, 4)
    assert sum(p.numel() for p in pixels.head.parameters()) == sum(p.numel() for p in latents.head.parameters())


def test_the_seed_alone_decides_the_weights():
    config = NetworkConfig(12, 4, width=4, levels=((12, 1),))
    torch.manual_seed(5)
    first = new_network(config, 1).state_dict()
    assert all(torch.equal(value, first[name]) for name, value in new_network(config, 1).state_dict().items())
