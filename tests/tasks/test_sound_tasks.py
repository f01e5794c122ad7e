"""What listens: features, networks and tasks on latents and on samples, without training runs."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.codecs.models.zoo import load_model
from laconic.tasks.heads.band_augmentation import gap_mask, item_draws, masked, rolled, stretched
from laconic.tasks.heads.latent_sounds import sounds_of_latents
from laconic.tasks.heads.learning_task import Batch, InputForm, LearningTask
from laconic.tasks.heads.listening import Listening
from laconic.tasks.heads.seeded_weights import seeded_network
from laconic.tasks.heads.separation import Separation
from laconic.tasks.heads.sound_bands import SoundBands, mel_matrix
from laconic.tasks.heads.sound_mixtures import equalized, mixed_stems, tensor_si_sdr_db
from laconic.tasks.heads.transcription import Transcription
from laconic.tasks.measures.sound_distortion import si_sdr_db

RATE = 16_000
STEMS = ("speech", "music", "effects")
CLASSES = ("effects", "mixture", "music", "speech")
LATENTS = InputForm(
    "latents",
    "sound",
    256,
    (1, 17),
    place=(1, 256),
    classes=CLASSES,
    scale=(4.0,) * 256,
    shift=(0.5,) * 256,
    sample_rate_hz=RATE,
    fingerprint=load_model("speech").fingerprint.hex(),
)
PATCHES = replace(LATENTS, arm="patches", channels=1, grid=(1, 4160), patch=(1, 256), scale=(), shift=())
PIXELS = replace(PATCHES, arm="pixels", patch=(1, 1))
SMALL = replace(PATCHES, arm="small", patch=(1, 16), grid=(1, 260), sample_rate_hz=RATE // 16)
FORMS = {"latents": LATENTS, "patches": PATCHES, "pixels": PIXELS, "small": SMALL}
SMALL_TASKS: dict[str, LearningTask] = {
    "listen": Listening(width=4),
    "transcribe": Transcription(letters="AB ", width=8, blocks=2),
    "separate": Separation(width=8, blocks=2),
}


def tone(hz: float, num_samples: int = 4160) -> np.ndarray:
    at = np.arange(num_samples) / RATE
    return (0.3 * np.sin(2 * math.pi * hz * at)).astype(np.float32)


def input_of(form: InputForm, samples: np.ndarray) -> Tensor:
    """(1, c, 1, w) of one sound, as the loaders make it."""
    if form.arm == "latents":
        values = Lcn(quality=95, model="speech").analyze(Audio(samples[None], RATE)).dequantize()
        return torch.from_numpy(values[None] * 4 + 0.5)
    step = 16 if form.arm == "small" else 1
    whole = samples[: len(samples) // step * step].reshape(-1, step).mean(axis=1)
    return torch.from_numpy(8 * whole)[None, None, None]


def batch_of(task: LearningTask, form: InputForm, count: int = 4) -> Batch:
    x = torch.cat([input_of(form, tone(200 * (i + 1))) for i in range(count)])
    targets = ["A BA", "B", "", "AB"] * count if task.targets == ("txt",) else torch.arange(count) % len(CLASSES)
    sizes = torch.tensor([[1, x.shape[3] - form.patch[1] * i] for i in range(count)]) if task.has_sizes else None
    if sizes is not None:
        for one, width in zip(x, sizes[:, 1].tolist(), strict=True):
            one[:, :, width:] = 0
    return Batch(x, (targets[:count],), sizes)


@pytest.mark.parametrize("arm", FORMS)
@pytest.mark.parametrize("name", SMALL_TASKS)
def test_every_arm_trains_every_task(name: str, arm: str) -> None:
    task, form = SMALL_TASKS[name], FORMS[arm]
    if (name, arm) == ("separate", "small"):
        with pytest.raises(CodecError, match="arm is 'small'"):
            task.recipe(form)
        return
    task.recipe(form)
    network = task.network(form, 3).train()
    losses = [task.loss(network, batch_of(task, form), np.random.default_rng(i)) for i in (1, 1, 2)]
    losses[0].backward()
    assert losses[0].item() == losses[1].item() != losses[2].item()
    gradients = [p.grad for p in network.parameters()]
    assert all(one is not None and one.isfinite().all() for one in gradients)
    assert sum(one.abs().sum().item() for one in gradients if one is not None) > 0


@pytest.mark.parametrize("name", SMALL_TASKS)
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    task = SMALL_TASKS[name]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = task.network(LATENTS, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same, other = task.network(LATENTS, 7).state_dict(), task.network(LATENTS, 8).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("arm", FORMS)
def test_bands_of_a_tone_are_where_it_is_whatever_its_gain(arm: str) -> None:
    form = FORMS[arm]
    hz = 300.0 if arm == "small" else 2000.0
    bands = SoundBands(form, 16)
    energies = bands.energies(input_of(form, tone(hz)))
    top = form.sample_rate_hz / 2 if form.sample_rate_hz else 0
    matrix = mel_matrix(bands.places.num_frequencies, 16, top)
    wanted = int(matrix[:, min(int(hz / top * matrix.shape[1]), matrix.shape[1] - 1)].argmax())
    assert abs(int(energies.mean(dim=(0, 2, 3)).argmax()) - wanted) <= 1
    x = input_of(form, tone(hz))
    assert torch.allclose(bands.energies(x), bands.energies(3 * x), rtol=1e-4, atol=1e-6)


def test_mel_bands_are_means() -> None:
    for count, wanted in ((256, 64), (16, 64), (257, 40)):
        matrix = mel_matrix(count, wanted, 8000)
        assert matrix.shape == (min(count, wanted), count)
        assert matrix.sum(axis=1) == pytest.approx(1)
        assert (np.diff((matrix * np.arange(count)).sum(axis=1)) >= 0).all()
        assert matrix.any(axis=0).all() or count == 257


@pytest.mark.parametrize("name", ["listen", "transcribe"])
def test_a_sound_is_judged_alike_in_any_batch(name: str) -> None:
    task = SMALL_TASKS[name]
    network = task.network(LATENTS, 3).eval()
    batch = batch_of(task, LATENTS)
    with torch.no_grad():
        whole = task.judge(network, batch)
        (targets,) = batch.targets
        for i in range(len(batch)):
            width = batch.x.shape[3] if batch.sizes is None else int(batch.sizes[i, 1])
            sizes = None if batch.sizes is None else batch.sizes[i : i + 1]
            alone = Batch(batch.x[i : i + 1, :, :, :width], (targets[i : i + 1],), sizes)
            assert torch.allclose(task.judge(network, alone)[0], whole[i], atol=1e-4)


@pytest.mark.parametrize("arm", FORMS)
def test_counts_of_frames_are_those_of_each_item_alone(arm: str) -> None:
    form = FORMS[arm]
    for pool in (1, 3):
        bands = SoundBands(form, 8, pool=pool)
        for width in (form.patch[1], 2 * form.place[1] + 1, 7 * form.place[1]):
            counts = bands.counts(torch.tensor([[1, width]]))
            assert counts is not None
            assert bands.energies(torch.ones(1, form.channels, 1, width)).shape[3] == counts.item()


def test_a_network_of_ones_own_is_trained_and_judged() -> None:
    listen, transcribe = SMALL_TASKS["listen"], SMALL_TASKS["transcribe"]
    own = seeded_network(
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, listen.num_outputs(LATENTS))), 0
    )
    batch = batch_of(listen, LATENTS)
    listen.loss(own, batch, np.random.default_rng(0)).backward()
    assert listen.judge(own, batch).shape == (4, 4)
    places = seeded_network(lambda: nn.Conv2d(256, transcribe.num_outputs(LATENTS), 1), 0)
    batch = batch_of(transcribe, LATENTS)
    transcribe.loss(places, batch, np.random.default_rng(0)).backward()
    assert transcribe.judge(places, batch).shape == (4, 5)
    with pytest.raises(CodecError, match="the task's own"):
        SMALL_TASKS["separate"].judge(places, batch)


def test_answers_name_classes_letters_and_stems() -> None:
    for name, form in (("listen", LATENTS), ("transcribe", PATCHES), ("separate", LATENTS), ("separate", PIXELS)):
        task = SMALL_TASKS[name]
        batch = batch_of(task, form)
        with torch.no_grad():
            answers = task.answers(task.network(form, 0).eval(), batch, form)
        assert len(answers) == 4
        if name == "listen":
            assert sum(answers[0].values["scores"].values()) == pytest.approx(1)
        if name == "separate":
            assert set(answers[0].signals) == set(STEMS)
            whole = sum(sound.samples[0][:4160] for sound in answers[1].signals.values())
            # All of the mixture is in the stems, as the codec kept it.
            assert si_sdr_db(tone(400), np.asarray(whole)) > 20


def test_scores_and_plots_of_rows() -> None:
    listen, separate = SMALL_TASKS["listen"], SMALL_TASKS["separate"]
    rows = np.array([[0.1, 0, 0, 4], [0.3, 1, 2, 4]])
    assert listen.scores(rows) == {"loss": pytest.approx(0.2), "correct": 1, "accuracy": 0.5}
    ElementTree.fromstring(listen.plot(rows, LATENTS))
    rows = np.array([[0.0, -5, -5, 6, 1, 0], [-1.0, math.nan, -7, 3, math.nan, -5]])
    scores = separate.scores(rows)
    assert scores["si_sdr_gain_speech"] == pytest.approx(5)
    assert scores["si_sdr_gain_music"] == pytest.approx(6)
    assert scores["si_sdr_gain_mean"] == pytest.approx((5 + 6 + 3.5) / 3)
    assert scores["si_sdr_gain"] == scores["si_sdr_gain_speech"]
    assert scores["loss"] == pytest.approx(-1)
    drawing = ElementTree.fromstring(separate.plot(rows, LATENTS))
    assert len([one for one in drawing if one.tag.endswith("circle")]) == 6


def test_mixtures_of_separation_are_judged_on_sound() -> None:
    task = SMALL_TASKS["separate"]
    stems = np.stack([tone(300), 0.5 * tone(1300), 0.2 * tone(5000)])
    x = input_of(LATENTS, stems.sum(axis=0))
    network = task.network(LATENTS, 0).eval()
    with torch.no_grad():
        (row,) = task.judge(network, Batch(x, ([stems],))).tolist()
        silent = np.stack([stems[0], stems[1], np.zeros(4160, np.float32)])
        (other,) = task.judge(network, Batch(x, ([silent],))).tolist()
    assert row[:3] == pytest.approx([si_sdr_db(one, stems.sum(axis=0)) for one in stems])
    assert math.isnan(other[2]) and math.isnan(other[5]) and math.isfinite(other[4])
    for bad in (stems[:2], stems[0], "text", stems.astype("complex64")):
        with pytest.raises(CodecError, match="target npy"):
            task.judge(network, Batch(x, ([bad],)))


def test_stems_are_mixed_by_class_at_levels() -> None:
    x = torch.randn((7, 2, 1, 8), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, 3, 2, 0, 3, 2, 1])
    stems = mixed_stems(x, labels, (3, 2, 0), np.random.default_rng(0), level_db=3, equalize_db=0, step=2)
    assert stems.shape == (3, 3, 2, 1, 8)
    energy = stems.square().sum(dim=(2, 3, 4))
    rest = stems[:, 1:].sum(dim=1).square().sum(dim=(1, 2, 3))
    assert (10 * torch.log10(energy[:, 0] / rest)).abs().max() <= 3.01
    assert (10 * torch.log10(energy[:, 1:])).abs().max() <= 3.01
    # The only sound of a class serves all mixtures, from the same beginning as it has one draw.
    assert torch.equal(stems[0, 2], stems[2, 2])
    nothing = mixed_stems(x, labels, (5, 2), np.random.default_rng(0), level_db=3, equalize_db=0, step=2)
    assert not nothing[:, 0].any() and nothing[:, 1].any()


def test_si_sdr_of_tensors_is_that_of_the_measure() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 1, 2, 3, 1, 50)).astype(np.float32)
    found = tensor_si_sdr_db(torch.from_numpy(x), torch.from_numpy(x + 0.3 * y))
    wanted = [[si_sdr_db(a.ravel(), (a + 0.3 * b).ravel()) for a, b in zip(x[0], y[0], strict=True)]]
    assert found.numpy() == pytest.approx(np.array(wanted), abs=1e-2)


def test_separation_refuses_what_it_is_not_for() -> None:
    with pytest.raises(CodecError, match="stems are"):
        Separation(stems=("speech", "speech"))
    with pytest.raises(CodecError, match="no class 'drums'"):
        Separation(stems=("drums", "speech")).recipe(LATENTS)
    for form in (replace(LATENTS, sample_rate_hz=None), replace(LATENTS, grid=(2, 17)), replace(LATENTS, grid=None)):
        with pytest.raises(CodecError, match="one rate, length and channel"):
            Separation().recipe(form)


def test_sounds_of_latents_are_those_of_the_codec() -> None:
    codec = Lcn(quality=60, model="speech", tune="snr")
    latents = [codec.analyze(Audio(tone(hz)[None], RATE)) for hz in (300, 900)]
    values = np.stack([latent.dequantize()[:, 0] for latent in latents])
    found = sounds_of_latents(values, load_model("speech"), 4160)
    wanted = np.concatenate([codec.synthesize(latent).samples for latent in latents])
    assert np.allclose(found, wanted, rtol=0, atol=1e-6)
    assert sounds_of_latents(values, load_model("speech")).shape == (2, 17 * 256 - 64)
    with pytest.raises(CodecError, match="stereo"):
        sounds_of_latents(values, load_model("stereo"))


def test_augmentation_keeps_what_is_neutral() -> None:
    bands = torch.randn((3, 6, 1, 10), generator=torch.Generator().manual_seed(0))
    random = np.random.default_rng(0)
    assert stretched(bands, random, time=0, pitch=0) is bands
    slower = stretched(bands, random, time=0.5, pitch=0)
    assert slower.shape[:3] == (3, 6, 1) and slower.shape[3] != 10
    turned = rolled(bands, random)
    assert torch.equal(turned.sort(dim=3).values, bands.sort(dim=3).values)
    assert not torch.equal(turned, bands)
    mask = gap_mask((50, 20), random, gaps=1, longest=5)
    assert set(np.unique((mask == 0).sum(axis=1))) == set(range(6))
    gaps = masked(torch.ones(3, 6, 1, 10), random, times=(1, 4), bands=(0, 3))
    assert torch.equal(gaps, gaps[:, :1].expand_as(gaps))


def test_draws_of_items_do_not_depend_on_how_processes_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = item_draws(np.random.default_rng(5), 6, 2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        assert np.array_equal(item_draws(np.random.default_rng(5), 3, 2), whole[rank::2])


def test_frequencies_of_latents_and_of_samples_change_alike() -> None:
    draws = np.array([[0.0] * 9, [1.0] * 9, [0.0] * 4 + [0.5] + [1.0] * 4])
    latents = torch.ones(3, 17, 1, 6)
    changed = equalized(latents, draws, 6.0)
    assert torch.allclose(
        20 * torch.log10(changed[:2, :, 0, 0]), torch.tensor([[-6.0], [6.0]]).expand(2, 17), atol=1e-4
    )
    assert changed[2, 0, 0, 0] < 1 and changed[2, 8, 0, 0] == 1 and changed[2, 16, 0, 0] > 1
    samples = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 1, 1, 64))).float()
    spectra = torch.fft.rfft(equalized(samples, draws, 6.0)[:, 0, 0]).abs() / torch.fft.rfft(samples[:, 0, 0]).abs()
    assert torch.allclose(20 * torch.log10(spectra[0]), torch.tensor(-6.0), atol=1e-3)
    assert spectra[2, 1] < 1 < spectra[2, 31]
    assert equalized(samples, draws, 0.0) is samples
