"""ONNX graphs in onnxruntime, against torch and against what the package itself computes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

from laconic.codecs.errors import MissingDependencyError, WeightsError  # noqa: E402
from laconic.codecs.files import read_image  # noqa: E402
from laconic.codecs.latent import Latent  # noqa: E402
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models.low_levels import no_low_gains, no_low_scale_codes  # noqa: E402
from laconic.codecs.models.model import Model  # noqa: E402
from laconic.codecs.models.neural_synthesis import (  # noqa: E402
    NeuralSynthesis,
    NeuralSynthesisConfig,
    load_neural_synthesis,
    save_neural_synthesis,
)
from laconic.codecs.models.zoo import load_model, model_path  # noqa: E402
from laconic.codecs.onnx_export import OPSET, export_analysis, export_synthesis  # noqa: E402
from laconic.codecs.pictures.neural_rendering import neural_rendering_of  # noqa: E402
from laconic.codecs.steps import step_of_code  # noqa: E402
from laconic.codecs.transform.picture_rows import rows_of_coefficients  # noqa: E402
from laconic.codecs.transform.signals import coefficients_of, signal_of  # noqa: E402
from laconic.tasks.cli import app  # noqa: E402

PICTURE = Path(__file__).parents[1] / "data" / "kodim23_crop.png"
MODEL = model_path("rgb")
NAMES = (
    "rgb",
    "rgb_best",
)  # that codes in other axes than those of its latents, and that does not; both with low levels
STEP_CODE = 126
SIZES = [(1, 1), (5, 4), (24, 17)]  # of the latent


def run(path, **inputs):
    """What the only output of a graph is."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == set(inputs)
    (out,) = session.run(None, inputs)
    return out


@pytest.fixture(scope="module")
def encoder() -> TensorEncoderModel:
    return load_tensor_encoder(MODEL)


@pytest.fixture(scope="module", params=NAMES)
def model(request) -> Model:
    return load_model(request.param)


def without_low(model: Model) -> Model:
    """With the same transform, but for the low levels, which no graph has."""
    none = {"low_levels": 0, "low_gains": no_low_gains(), "low_scale_codes": no_low_scale_codes()}
    none |= {"networks": None, "tunings": ()}
    return replace(model, contexts=replace(model.contexts, low=None), **none)


def of_latents(coefficients, model: Model) -> np.ndarray:
    """(d, h, w) in the axes of latents, of what the model codes."""
    coefficients = np.asarray(coefficients, np.float32)
    return coefficients if model.turn is None else model.turn.applied(coefficients, model.num_channels)


def expected_analysis(picture: Image, model: Model) -> np.ndarray:
    return of_latents(coefficients_of(picture, without_low(model)), model)


@pytest.fixture(scope="module")
def picture() -> Image:
    """Its sides are multiples of the grid's factor."""
    image = read_image(PICTURE)
    assert image.samples.shape == (320, 448, 3)
    return image


@pytest.fixture(scope="module")
def network_path(tmp_path_factory, encoder) -> Path:
    """Of a small network with random weights, which changes coefficients by about a step."""
    generator = torch.Generator().manual_seed(5)
    network = NeuralSynthesis(NeuralSynthesisConfig(len(encoder.channels), 16, 2), encoder.scales)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1, generator=generator)
    path = tmp_path_factory.mktemp("network") / "network.safetensors"
    save_neural_synthesis(network, path, {"model_fingerprint": encoder.fingerprint})
    return path


@pytest.fixture(scope="module")
def analysis(tmp_path_factory, model) -> Path:
    path = tmp_path_factory.mktemp("analysis") / "analysis.onnx"
    export_analysis(model_path(model.name), path)
    return path


@pytest.fixture(scope="module")
def linear(tmp_path_factory, model) -> Path:
    path = tmp_path_factory.mktemp("linear") / "linear.onnx"
    export_synthesis(model_path(model.name), None, path)
    return path


@pytest.fixture(scope="module")
def neural(tmp_path_factory, network_path) -> Path:
    path = tmp_path_factory.mktemp("neural") / "neural.onnx"
    export_synthesis(MODEL, network_path, path)
    return path


def latent_of(picture: Image, model: Model, num_there: int = 192) -> Latent:
    """Integers of the picture, rounded, at a coarse step, 0 from channel `num_there` on."""
    values = np.round(coefficients_of(picture, model) / float(step_of_code(STEP_CODE))).astype(np.int32)
    values[num_there:] = 0
    shrink, undoing = model.shrink_of(STEP_CODE, 192), {"low": model.low_at(STEP_CODE), "turn": model.turn}
    return Latent(values, STEP_CODE, model.fingerprint, shrink, picture.samples.shape[:2], "uint8", **undoing)


def steps_of(num_there: int) -> np.ndarray:
    """(1, d), infinite from channel `num_there` on."""
    steps = np.full((1, 192), step_of_code(STEP_CODE), np.float32)
    steps[:, num_there:] = np.inf
    return steps


def planes_of(samples, peak) -> np.ndarray:
    return np.ascontiguousarray((samples / peak - 0.5).astype(np.float32).transpose(2, 0, 1)[None])


def levels_of(planes, peak) -> np.ndarray:
    return np.clip(peak * (planes[0].transpose(1, 2, 0).astype(np.float64) + 0.5), 0, peak)


def random_coefficients(encoder, size, num_there=192):
    coefficients = torch.randn((1, 192, *size), generator=torch.Generator().manual_seed(6))
    coefficients[:, num_there:] = 0
    return coefficients * encoder.scales[:, None, None]


@pytest.mark.parametrize("size", SIZES)
def test_analysis_is_that_of_torch_at_every_size(analysis, model, size):
    planes = torch.rand((1, 3, 8 * size[0], 8 * size[1]), generator=torch.Generator().manual_seed(7)) - 0.5
    found = run(analysis, planes=planes.numpy())
    assert found.shape == (1, 192, *size)
    expected = load_tensor_encoder(model_path(model.name)).coefficients(planes)[0].numpy()
    np.testing.assert_allclose(found[0], of_latents(expected, model), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_linear_synthesis_is_that_of_torch_at_every_size(linear, model, size):
    encoder = load_tensor_encoder(model_path(model.name))
    coefficients = random_coefficients(encoder, size)
    found = run(linear, coefficients=of_latents(coefficients[0], model)[None])
    assert found.shape == (1, 3, 8 * size[0], 8 * size[1])
    np.testing.assert_allclose(found, encoder.planes(coefficients).numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("num_there", [192, 12])
def test_neural_synthesis_is_that_of_torch_at_every_size(neural, encoder, network_path, size, num_there):
    coefficients, steps = random_coefficients(encoder, size, num_there), steps_of(num_there)
    with torch.inference_mode():
        repaired = load_neural_synthesis(network_path)[0](coefficients, torch.from_numpy(steps))
    found = run(neural, coefficients=of_latents(coefficients[0], load_model("rgb"))[None], steps=steps)
    np.testing.assert_allclose(found, encoder.planes(repaired).numpy(), atol=1e-5, rtol=0)


def test_analysis_is_that_of_the_codec_for_16_bits(analysis, model, picture):
    samples = picture.samples.astype(np.uint16) * 257
    expected = expected_analysis(Image(samples), model)
    np.testing.assert_allclose(run(analysis, planes=planes_of(samples, 65535))[0], expected, atol=2e-6, rtol=0)


def test_analysis_of_a_mirrored_picture_is_that_of_the_codec(analysis, model, picture):
    samples = np.ascontiguousarray(picture.samples[:61, :82].astype(np.uint16) * 257)
    expected = expected_analysis(Image(samples), model)
    planes = planes_of(np.pad(samples, ((0, 3), (0, 6), (0, 0)), mode="reflect"), 65535)
    np.testing.assert_allclose(run(analysis, planes=planes)[0], expected, atol=2e-6, rtol=0)


def test_analysis_is_nearly_that_of_the_codec_for_8_bits(analysis, model, picture):
    """Whose arithmetic is in integers: off by 0.07 levels on average, most where the gain is largest, 8 in channel 0."""
    errors = run(analysis, planes=planes_of(picture.samples, 255))[0] - expected_analysis(picture, model)
    assert np.sqrt(np.square(errors).mean()) < 3.5e-4
    assert np.abs(errors).max() < 6e-3


def test_linear_synthesis_is_that_of_the_codec(linear, model, picture):
    latent = latent_of(picture, model)
    planes = run(linear, coefficients=latent.dequantize()[None])
    of_16_bits = signal_of(replace(latent, sample_type="uint16"), model).samples
    assert np.abs(levels_of(planes, 65535) - of_16_bits).max() < 0.6  # half of it by rounding
    # Those of 8 bits are made in integers.
    differences = np.abs(np.floor(levels_of(planes, 255) + 0.5) - signal_of(latent, model).samples)
    assert differences.max() <= 1
    assert (differences > 0).mean() < 0.06


@pytest.mark.parametrize("num_there", [192, 12])
def test_neural_synthesis_is_that_of_the_codec(neural, network_path, picture, num_there):
    model, network = load_model("rgb"), load_neural_synthesis(network_path)[0]
    latent = latent_of(picture, model, num_there)
    repaired = neural_rendering_of(network, latent.points(), model, STEP_CODE, num_there)
    expected = np.empty(picture.samples.shape, np.uint16)
    rows_of_coefficients(repaired, model, expected, (0, 0), peak=65535)
    coefficients = latent.dequantize()[None]
    planes = run(neural, coefficients=coefficients, steps=steps_of(num_there))
    assert np.abs(levels_of(planes, 65535) - expected).max() < 0.7  # half of it by rounding
    finer = run(neural, coefficients=coefficients, steps=np.full_like(steps_of(0), 1e-3))
    assert np.abs(planes - finer).max() > 1e-3  # steps are seen


def test_graph_says_what_it_is_and_not_where_it_was_made(neural, encoder):
    graph = onnx.load(neural)
    onnx.checker.check_model(graph, full_check=True)
    card = {entry.key: entry.value for entry in graph.metadata_props}
    assert card == {"laconic_part": "synthesis", "model_fingerprint": encoder.fingerprint}
    assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [OPSET]
    assert b".py" not in neural.read_bytes()


def test_network_of_another_model_is_refused(network_path, tmp_path):
    with pytest.raises(WeightsError, match=r"is for model .*, not for .*; name the one"):
        export_synthesis(model_path("grey"), network_path, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_sound_model_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="pictures"):
        export_analysis(model_path("speech"), tmp_path / "x.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_missing_package_is_named_with_the_command_that_installs_it(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package} is not installed.*pip install laconic\[export\]"):
        export_analysis(MODEL, tmp_path / "x.onnx")


def laconic(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.stderr
    return result


def test_command_writes_a_graph_into_a_folder(tmp_path):
    shown = laconic("grey", "-o", tmp_path / "graphs", "--part", "analysis").stdout
    target = tmp_path / "graphs" / "grey.analysis.onnx"
    assert shown.startswith(f"{target}: analysis of model grey (")
    assert run(target, planes=np.zeros((1, 1, 16, 24), np.float32)).shape == (1, 64, 2, 3)


def test_command_replaces_a_file_only_by_force_and_says_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr("laconic.codecs.models.zoo.synthesis_path", lambda fingerprint: None)
    target = tmp_path / "x.onnx"
    target.write_bytes(b"mine")
    arguments = (model_path("grey"), "-o", target, "--part", "synthesis")
    assert "exists; pass --force" in " ".join(laconic(*arguments, exit_code=2).stderr.split())
    assert target.read_bytes() == b"mine"
    assert "linear synthesis, as there is no neural one, of model grey" in laconic(*arguments, "--force").stdout
    assert run(target, coefficients=np.zeros((1, 64, 2, 3), np.float32)).shape == (1, 1, 16, 24)


def test_command_takes_the_neural_synthesis_of_the_model(tmp_path, network_path, monkeypatch):
    monkeypatch.setattr("laconic.codecs.models.zoo.synthesis_path", lambda fingerprint: network_path)
    target = tmp_path / "x.onnx"
    assert "neural synthesis of model rgb" in laconic("rgb", "-o", target, "--part", "synthesis").stdout
    assert [i.name for i in onnx.load(target).graph.input] == ["coefficients", "steps"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("nosuch", "-o", "x.onnx", "--part", "analysis"), 1, "model 'nosuch' is not known; shipped are"),
        (("no/such.safetensors", "-o", "x.onnx", "--part", "analysis"), 1, "is not a laconic model file"),
        (("speech", "-o", "x.onnx", "--part", "analysis"), 1, "fit one with --blocks leaf"),
        (("grey", "-o", "x.pt", "--part", "analysis"), 2, "allowed are *.onnx and a folder"),
        (("grey", "-o", "x.onnx", "--part", "both"), 2, "'analysis', 'synthesis'"),
        (("grey", "-o", "taken/x.onnx", "--part", "synthesis"), 1, "taken/x.onnx cannot be written"),
    ],
)
def test_command_refuses_in_one_sentence(arguments, exit_code, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_bytes(b"a file")
    assert sentence in " ".join(laconic(*arguments, exit_code=exit_code).stderr.replace("│", "").split())
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
