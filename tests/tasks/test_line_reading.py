"""Reading lines of print: alike in any batch, from latents and from pixels, and letters are learned."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.heads.learning_task import Batch, InputForm  # noqa: E402
from laconic.tasks.heads.line_networks import LineNetworkConfig, new_line_network  # noqa: E402
from laconic.tasks.heads.line_reading import LineReading  # noqa: E402

LATENTS = InputForm("latents", "image", 12, None)
PATCHES = InputForm("patches", "image", 3, None, (8, 8))
SMALL = InputForm("small", "image", 3, None, (2, 2))
PIXELS = InputForm("pixels", "image", 3, None)


def lines(form: InputForm, *places: int) -> Batch:
    """Random lines of so many latent places, padded to the longest."""
    side = 8 if form.arm == "pixels" else form.patch[0]
    h, step = 4 * side, side
    x = torch.zeros(len(places), form.channels, h, max(places) * step)
    for number, count in enumerate(places):
        generator = torch.Generator().manual_seed(number)
        x[number, :, :, : count * step] = torch.randn(form.channels, h, count * step, generator=generator)
    sizes = torch.tensor([[h, count * step] for count in places])
    return Batch(x, ([f"RM {9 * count}.00" for count in places],), sizes)


def one_of(batch: Batch, number: int) -> Batch:
    assert batch.sizes is not None
    columns = int(batch.sizes[number, 1])
    return Batch(batch.x[number : number + 1, :, :, :columns], ([batch.targets[0][number]],))


@pytest.mark.parametrize("form", [LATENTS, PATCHES, SMALL, PIXELS], ids=lambda form: form.arm)
def test_cells_of_lines_are_of_4_pixels_in_each_arm(form: InputForm) -> None:
    network = LineReading().network(form, 0)
    batch = lines(form, 7)
    assert network(batch.x).shape == (1, 14, LineReading().num_outputs(form))
    assert batch.sizes is not None
    assert network.lengths(batch.sizes[:, 1]).tolist() == [14]


@pytest.mark.parametrize("form", [LATENTS, PATCHES, SMALL, PIXELS], ids=lambda form: form.arm)
def test_a_line_is_judged_alike_alone_and_beside_a_longer_one(form: InputForm) -> None:
    task = LineReading()
    network = task.network(form, 0)
    task.loss(network.train(), lines(form, 5, 11), np.random.default_rng(0))  # statistics that are not 0 and 1
    batch = lines(form, 5, 11)
    with torch.no_grad():
        rows = task.judge(network.eval(), batch)
        alone = torch.cat([task.judge(network, one_of(batch, number)) for number in range(2)])
    torch.testing.assert_close(rows, alone, rtol=1e-4, atol=1e-4)
    assert rows[:, 2].tolist() == [8, 8]


def test_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = (LineReading().network(LATENTS, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_line_of_two_letters_is_learned() -> None:
    """Places of A are 1 in the first channel, those of B -1, with nothing between letters."""
    task, form = LineReading(letters="AB"), InputForm("latents", "image", 2, None)
    random = np.random.default_rng(0)
    network = task.network(form, 0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)

    def drawn() -> Batch:
        letters = random.integers(2, size=(16, 4))
        x = np.zeros((16, 2, 4, 12), np.float32)
        x[:, 0, :, 1::3] = (1 - 2 * letters)[:, None]
        return Batch(torch.from_numpy(x), (["".join("AB"[one] for one in line) for line in letters],))

    for _ in range(60):
        loss = task.loss(network.train(), drawn(), random)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        batch = drawn()
        rows = task.judge(network.eval(), batch).numpy()
        answers = task.answers(network, batch, form)
    assert task.scores(rows)["cer"] < 0.05
    assert answers[0].line == answers[0].values["text"]
    assert answers[0].line == batch.targets[0][0]
    assert task.plot(rows, form).startswith("<svg")


def test_places_of_a_network_of_ones_own_are_spread_over_the_columns() -> None:
    class Columns(torch.nn.Module):
        """Two places for each column: A, then blank."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, 9.0], [9.0, 0.0]]).repeat(len(x), x.shape[3], 1)

    batch = lines(LATENTS, 2, 5)
    answers = LineReading(letters="A").answers(Columns(), batch, LATENTS)
    assert [answer.line for answer in answers] == ["AA", "AAAAA"]


def test_a_line_that_ends_within_a_token_is_read_to_its_end() -> None:
    network = LineReading().network(PATCHES, 0).eval()
    x = torch.zeros(1, 3, 29, 17)
    outputs = network(x)
    x[..., 16] = 1
    assert outputs.shape[:2] == (1, 6)
    assert network.lengths(torch.tensor([17, 16])).tolist() == [6, 4]
    assert not torch.equal(network(x), outputs)


def test_small_letters_are_refused() -> None:
    with pytest.raises(CodecError, match="allowed are capitals"):
        LineReading(letters="abc")


def test_places_that_are_no_squares_are_refused() -> None:
    with pytest.raises(CodecError, match=r"\(1, 256\)"):
        new_line_network(LineNetworkConfig(16, 3, place=(1, 256)), 0)
