"""Segmentation as a learning task: masks, the loss of known pixels, counts of classes, answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.heads.learning_task import Batch, InputForm, description_of_learning_task  # noqa: E402
from laconic.tasks.heads.map_networks import MapNetworkConfig, new_map_network  # noqa: E402
from laconic.tasks.heads.semantic_segmentation import Segmentation  # noqa: E402

LATENTS = InputForm("latents", "image", 6, None)
FORMS = {
    "latents": LATENTS,
    "patches": replace(LATENTS, arm="patches", channels=3, patch=(8, 8)),
    "small": replace(LATENTS, arm="small", channels=3, patch=(2, 2)),
    "pixels": replace(LATENTS, arm="pixels", channels=3),
}
SIDE = {"latents": 1, "patches": 8, "small": 2, "pixels": 8}  # of x in a token
TASK = Segmentation(num_classes=3, void=9, width=8)


class Told(torch.nn.Module):
    """Gives the class that the first channel of x says, in every cell."""

    def forward(self, x: Any) -> Any:
        finer = torch.repeat_interleave(torch.repeat_interleave(x[:, 0].long(), 2, 1), 2, 2)
        return 20.0 * torch.nn.functional.one_hot(finer, 3).movedim(-1, 1).float()


def told(masks: list[Any], places: Any, sizes: Any = None) -> Batch:
    return Batch(torch.tensor(places, dtype=torch.float32)[:, None], (masks,), sizes)


def mask(rows: list[list[int]]) -> Any:
    """8 x 8 pixels of each number."""
    return np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))


@pytest.mark.parametrize("arm", list(FORMS))
@pytest.mark.parametrize("tokens", [(2, 3), (5, 4), (1, 1)], ids=str)
@pytest.mark.parametrize("finer", [1, 2])
def test_every_arm_answers_for_each_token(arm: str, tokens: tuple[int, int], finer: int) -> None:
    form, step = FORMS[arm], SIDE[arm]
    network = new_map_network(form, MapNetworkConfig(4, finer, 8), 0).eval()
    x = torch.randn(2, form.channels, tokens[0] * step - step // 2, tokens[1] * step)  # the last one in part
    assert network(x).shape == (2, 4, finer * tokens[0], finer * tokens[1])


def test_networks_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first, same, other = (TASK.network(LATENTS, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])


def test_networks_of_other_places_are_refused() -> None:
    with pytest.raises(CodecError, match=r"place is \(1, 256\); allowed for networks of maps is \(8, 8\)"):
        TASK.network(replace(LATENTS, place=(1, 256)), 0)
    with pytest.raises(CodecError, match="allowed are 1 and more, and a width of 8"):
        MapNetworkConfig(3, 2, 4)


def test_it_learns_what_a_mask_says() -> None:
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, (8, 6, 7))
    x = np.concatenate([np.eye(3)[classes].transpose(0, 3, 1, 2), random.normal(0, 1, (8, 3, 6, 7))], axis=1)
    batch = Batch(torch.from_numpy(x).float(), ([mask(rows.tolist()) for rows in classes],))
    network = TASK.network(LATENTS, 0)
    before = TASK.scores(TASK.judge(network.eval(), batch).detach().numpy())
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network.train()
    for _ in range(40):
        optimizer.zero_grad()
        TASK.loss(network, batch, random).backward()
        optimizer.step()
    after = TASK.scores(TASK.judge(network.eval(), batch).detach().numpy())
    assert before["mean_iou"] < 0.4 < 0.75 < after["mean_iou"] and after["loss"] < before["loss"] / 2


def test_the_loss_is_the_mean_over_items_whatever_they_hold() -> None:
    """So that two processes with halves of a batch train as one."""
    masks = [mask([[0, 1]]), mask([[2, 9]]), mask([[1, 1]]), mask([[9, 0]])]
    batch = told(masks, [[[0, 0]], [[1, 0]], [[1, 2]], [[2, 2]]])
    whole = TASK.loss(Told(), batch, np.random.default_rng(3))
    halves = [
        TASK.loss(Told(), Batch(batch.x[part], (masks[part],)), np.random.default_rng(3))
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert float(whole) == pytest.approx(float(sum(halves)) / 2)


@pytest.mark.parametrize("fill", [9, 255])
def test_unknown_pixels_count_nowhere(fill: int) -> None:
    known = mask([[0, 1, 2]])
    places = [[[0, 1, 1]]]
    partly = known.copy()
    partly[:, 16:] = fill
    rows = TASK.judge(Told(), told([partly], places)).numpy()
    assert rows[0, 1:].sum() == 128 and rows[0, 7:].sum() == 0
    nothing = TASK.judge(Told(), told([np.full_like(known, fill)], places)).numpy()
    assert nothing.tolist() == [[0.0] * 10]
    assert float(TASK.loss(Told(), told([np.full_like(known, fill)], places), np.random.default_rng(0))) == 0
    assert TASK.scores(np.concatenate([rows, nothing])) == TASK.scores(rows)


def test_scores_are_those_of_the_definition() -> None:
    masks = [mask([[0, 0, 1, 1]]), mask([[1, 1, 1, 0]])]
    found = TASK.judge(Told(), told(masks, [[[0, 0, 1, 1]], [[1, 1, 1, 2]]])).numpy()
    table = found[:, 1:].sum(axis=0).reshape(3, 3)
    assert table.sum() == 512 and table[2].sum() == 0
    shares = [table[i, i] / (table[i].sum() + table[:, i].sum() - table[i, i]) for i in range(2)]  # 2 is nowhere
    scores = TASK.scores(found)
    assert scores["mean_iou"] == pytest.approx(np.mean(shares))
    assert scores["pixel_accuracy"] == pytest.approx((table[0, 0] + table[1, 1]) / 512)
    assert scores["loss"] == pytest.approx(found[:, 0].mean())
    assert 0.6 < scores["mean_iou"] < 1


def test_seldom_classes_weigh_more_by_balance() -> None:
    """Of a picture with 15 tokens of one class and one of another, all taken for the first."""
    masks = [mask([[0] * 15 + [1]])]
    batch = told(masks, [[[0] * 16]])
    losses = [
        float(replace(TASK, balance=balance).loss(Told(), batch, np.random.default_rng(0)))
        for balance in (0.0, 0.5, 1.0)
    ]
    shares = [1 / 16, 1 / (1 + 15**0.5), 1 / 2]
    assert losses == pytest.approx([20 * share for share in shares], rel=1e-3)


def test_what_padding_adds_is_not_judged() -> None:
    alone = TASK.judge(Told(), told([mask([[0, 1]])], [[[0, 2]]]))
    padded = told([mask([[0, 1]]), mask([[2, 2, 1], [0, 0, 0]])], [[[0, 2, 1], [1, 1, 1]], [[2, 2, 1], [0, 0, 0]]])
    sizes = torch.tensor([[1, 2], [2, 3]])
    assert torch.equal(TASK.judge(Told(), replace(padded, sizes=sizes))[:1], alone)
    answers = TASK.answers(Told(), replace(padded, sizes=sizes), LATENTS)
    assert [answer.signals["mask"].samples.shape for answer in answers] == [(8, 16, 1), (16, 24, 1)]


def test_pictures_that_end_within_a_place_have_masks_of_their_size() -> None:
    rows = TASK.judge(Told(), told([mask([[0, 1]])[:5, :13]], [[[0, 1]]])).numpy()
    assert rows[0, 1:].sum() == 5 * 13


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (mask([[0, 3]]), "a mask has the value 3; allowed are"),
        (mask([[0, 3]])[:, :, None], r"a mask has the shape \(8, 16, 1\)"),
        (mask([[0, 1]]) / 2, "a mask has"),
    ],
)
def test_masks_of_other_values_are_a_sentence(wrong: Any, reason: str) -> None:
    batch = told([wrong], [[[0, 1]]])
    with pytest.raises(CodecError, match=reason):
        TASK.judge(Told(), batch)
    with pytest.raises(CodecError, match="set num_classes and void"):
        TASK.loss(Told(), batch, np.random.default_rng(0))


def test_options_outside_are_refused() -> None:
    for options in ({"num_classes": 1}, {"void": 256}, {"balance": 2}, {"width": 4}):
        with pytest.raises(CodecError, match=next(iter(options))):
            Segmentation(**options)
    assert json.loads(json.dumps(description_of_learning_task(TASK)))["num_classes"] == 3


def test_answers_and_drawing() -> None:
    batch = told([mask([[0, 1, 2, 2]])], [[[0, 1, 2, 2]]])
    (answer,) = TASK.answers(Told(), batch, replace(LATENTS, classes=("sky", "tree", "road")))
    assert answer.line.split(", ")[0].startswith("road 50 %") and set(answer.values["shares"]) == {
        "sky",
        "tree",
        "road",
    }
    assert sum(answer.values["shares"].values()) == pytest.approx(1)
    drawing = TASK.plot(TASK.judge(Told(), batch).numpy(), LATENTS)
    texts = [node.text for node in ElementTree.fromstring(drawing).iter() if node.tag.endswith("text")]
    assert texts[::2] == ["0", "1", "2"] and texts[5].endswith(" %")
    assert "in no mask" in TASK.plot(
        TASK.judge(Told(), told([mask([[0, 0, 0, 0]])], [[[0, 1, 2, 2]]])).numpy(), LATENTS
    )
