"""Chameleon checkpoints in and out: pictures as codes whose vectors lie in the middle of the vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoProcessor,
    ChameleonConfig,
    ChameleonForConditionalGeneration,
    ChameleonProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

from model.interop.agreement import AGREED, difference, same_answers
from model.interop.damages import DAMAGES, check_refused, edit
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration
from omma.model.interop import export_transformers, import_transformers
from omma.model.interop.chameleon import Chameleon
from omma.model.interop.names import OMMA, shapes_of
from omma.model.loading import load_model
from omma.model.templates import CHAMELEON_END

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

MakeChameleon = Callable[..., tuple[Any, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "how <image> many?", "<image>"]
OURS = [prompt + CHAMELEON_END for prompt in PROMPTS]
CODES = 20
VQ = {
    "embed_dim": 8, "num_embeddings": CODES, "latent_channels": 8, "base_channels": 32, "channel_multiplier": [1, 2],
    "num_res_blocks": 1, "resolution": 16,
}  # fmt: skip
TEXT = {
    "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}  # fmt: skip


def code_token(code: int) -> str:
    return "IMGIMG" + str(code).translate(str.maketrans("0123456789", "ABCDEFGHIJ")) + "Z"


@pytest.fixture(scope="module")
def tokenizer(byte_level: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """With tokens of codes, not in their order, between others."""
    made = PreTrainedTokenizerFast(
        tokenizer_object=type(byte_level.backend_tokenizer).from_str(byte_level.backend_tokenizer.to_str()),
        eos_token="</s>",
        pad_token="<pad>",
        sep_token=CHAMELEON_END,
        extra_special_tokens={"image_token": "<image>", "boi_token": "<racm3:break>", "eoi_token": "<eoss>"},
    )
    made.add_tokens([code_token(7 * code % CODES) for code in range(CODES)])
    made.add_tokens(["behind", "all"])
    return made


@pytest.fixture
def chameleon(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, spread_weights: Callable[[torch.nn.Module], None]
) -> MakeChameleon:
    """A function that saves a Chameleon model with random weights and its processor."""

    def make(*, factor: float = 2 / 255, vq: dict[str, Any] | None = None, **changes: Any) -> tuple[Any, Path]:
        ids = {name: getattr(tokenizer, name) for name in ("eos_token_id", "pad_token_id")}
        settings: dict[str, Any] = {"vocab_size": len(tokenizer), "vocabulary_map": tokenizer.get_vocab(), "bos_token_id": None}
        config = ChameleonConfig(**(TEXT | ids | settings | changes), vq_config=VQ | (vq or {}))
        model = ChameleonForConditionalGeneration(config).eval()
        spread_weights(model)
        images = ChameleonImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, rescale_factor=factor
        )
        model.save_pretrained(tmp_path / "chameleon")
        ChameleonProcessor(images, tokenizer, image_seq_length=64).save_pretrained(tmp_path / "chameleon")
        return model, tmp_path / "chameleon"

    return make


def weights(model: Any) -> dict[str, Tensor]:
    """Without what leads to a decoder that is not there."""
    return {name: tensor for name, tensor in model.state_dict().items() if "post_quant_conv" not in name}


@pytest.mark.parametrize(("swin", "vq"), [(False, {}), (True, {"attn_resolutions": [8]})], ids=["7b", "30b"])
def test_an_imported_model_reads_the_same(
    chameleon: MakeChameleon, tmp_path: Path, pictures: list[Image.Image], swin: bool, vq: dict[str, Any]
) -> None:
    model, directory = chameleon(swin_norm=swin, vq=vq)
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    assert difference(model, theirs, tmp_path / "omma", pictures, PROMPTS, our_prompts=OURS) <= AGREED
    assert same_answers(model, theirs, tmp_path / "omma", pictures[:2], PROMPTS[0], our_prompt=OURS[0])


def test_codes_are_theirs_and_never_written(
    chameleon: MakeChameleon, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    model, directory = chameleon()
    import_transformers(directory, tmp_path / "omma")
    ours, processor = load_model(tmp_path / "omma")
    encoder: Any = ours.encoder
    inputs = processor(images=pictures, text="<image>" * 4, return_tensors="pt")
    codes = encoder.codes(inputs["pixel_values"])
    names = [[code_token(int(code)) for code in row] for row in codes]
    with torch.no_grad():
        assert [tokenizer.convert_tokens_to_ids(row) for row in names] == model.get_image_tokens(inputs["pixel_values"]).tolist()
        logits = ours(**inputs).logits
    assert len(codes.unique()) > 5
    ids = sorted(tokenizer.convert_tokens_to_ids(code_token(code)) for code in range(CODES))
    assert max(ids) < len(tokenizer) - 1, "others are behind them"
    assert not torch.softmax(logits, dim=-1)[..., ids].any()
    written = ours.generate(**inputs, max_new_tokens=40, do_sample=True, temperature=9.0, eos_token_id=None)[0, -40:]
    assert not set(written.tolist()) & set(ids)


def test_there_and_back(chameleon: MakeChameleon, tmp_path: Path, pictures: list[Image.Image]) -> None:
    """What is imported, taught another vector of a code, exported and imported again; the middle is what transformers loads."""
    model, directory = chameleon()
    import_transformers(directory, tmp_path / "omma")
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "ChameleonForConditionalGeneration"
    again = ChameleonForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    assert {n: t.tolist() for n, t in weights(again).items()} == {n: t.tolist() for n, t in weights(model).items()}
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert difference(again, exported, tmp_path / "omma", pictures, PROMPTS, our_prompts=OURS) <= AGREED
    import_transformers(tmp_path / "out", tmp_path / "back")
    first, last = (json.loads((tmp_path / place / "config.json").read_text()) for place in ("omma", "back"))
    assert first == last
    taught = OmmaForConditionalGeneration.from_pretrained(tmp_path / "omma")
    with torch.no_grad():
        taught.encoder.table.weight.normal_()  # type: ignore[union-attr]
    taught.save_pretrained(tmp_path / "omma")
    for index in (tmp_path / "omma").glob("*.index.json"):
        index.unlink()
    export_transformers(tmp_path / "omma", tmp_path / "taught")
    other = ChameleonForConditionalGeneration.from_pretrained(tmp_path / "taught").eval()
    assert difference(other, exported, tmp_path / "omma", pictures, PROMPTS, our_prompts=OURS) <= AGREED
    assert not torch.equal(other.get_input_embeddings().weight, again.get_input_embeddings().weight)


def test_the_rounded_factor_is_read_and_the_exact_one_written(chameleon: MakeChameleon, tmp_path: Path) -> None:
    _, directory = chameleon(factor=0.0078)
    import_transformers(directory, tmp_path / "omma")
    export_transformers(tmp_path / "omma", tmp_path / "out")
    images = json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())
    assert images["rescale_factor"] == 2 / 255 and images["image_mean"] == [1.0] * 3


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ({}, 7_043_090_432),
        ({"hidden_size": 8192, "intermediate_size": 22016, "num_hidden_layers": 48, "num_attention_heads": 64,
          "num_key_value_heads": 8, "swin_norm": True}, None),
    ],
    ids=["7b", "30b"],
)  # fmt: skip
def test_the_published_sizes_map_key_by_key(size: dict[str, Any], count: int | None) -> None:
    codes = {code_token(code): 4 + code for code in range(8192)}
    settings = ChameleonConfig(**size, vocabulary_map=codes | {"<image>": 8711})
    kind = Chameleon()
    part = {
        "type": "quantized-encoder",
        "network": {"type": "convolutional", "width": 256, "multipliers": [1, 1, 2, 2, 4], "attention": False},
        "quantizer": {"type": "vq", "codes": 8192, "width": 256, "decay": None},
    }
    width = settings.hidden_size
    config = OmmaConfig(
        resolution={"type": "crop-square", "size": 512, "resample": "lanczos"},
        encoder={"type": "codes", "width": width, "patch": 16, "image_tokenizer": part},
        projector={"type": "identity"},
        backbone={"type": "transformers", "architecture": kind.text(settings).to_dict()},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    names, rows = kind.names(settings), kind.rows(settings)
    theirs = shapes_of(lambda: kind.model_class(settings), where="there")
    assert count is None or sum(torch.Size(shape).numel() for shape in theirs.values()) == count
    found = {str(names.common(name)): shape for name, shape in theirs.items() if not name.startswith(kind.unused)}
    ours = {str(OMMA.common(name)): kind.shape_there(str(OMMA.common(name)), tuple(t.shape)) for name, t in model.state_dict().items()}
    assert ours.pop("encoder.table.weight") == (len(rows["encoder.table.weight"].ids), width) == (8192, width)
    assert found == ours
    assert {names.common(names.written(name)) for name in ours} == set(ours)


def _map(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "config.json", lambda config: change(config["vocabulary_map"]))


def _images(**changes: Any) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "processor_config.json", lambda config: config["image_processor"].update(changes))


def _config(**changes: Any) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "config.json", lambda config: config.update(changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_map(lambda m: m.update(IMGIMGAAZ=9)), r"vocabulary_map: expected one token for the code 0, found IMGIMGA+Z as .* besides"),
        (_map(lambda m: m.pop("IMGIMGDZ")), r"vocabulary_map: expected tokens of all codes of pictures, found 19 without the code 3"),
        (_map(lambda m: m.update(IMGIMGDZ=m["IMGIMGEZ"])), r"vocabulary_map: expected a different id for each code"),
        (_map(lambda m: m.update(IMGIMGDZ=m["all"])), r"vocabulary_map: expected a different id .* and no words between them"),
        (_map(lambda m: m.update({name: m["IMGIMGDZ"] - 9 + i for i, name in enumerate(sorted(n for n in m if "IMGIMG" in n))})),
         r"tokenizer\.json: expected the ids of codes that config\.json has"),
        (lambda d: edit(d / "config.json", lambda c: c.pop("vocabulary_map")), r"expected tokens of all codes of pictures, found none"),
        (_config(num_hidden_layers=10**9), r"expected as many layers as \d+ stored tensors can make"),
        (lambda d: edit(d / "config.json", lambda c: c["vq_config"].update(num_embeddings=9)), r"num_embeddings: expected 20"),
        (lambda d: edit(d / "processor_config.json", lambda c: c.update(image_seq_length=9)), r"size: expected the side of 9 squares"),
        (lambda d: edit(d / "tokenizer_config.json", lambda c: c.update(sep_token="</s>")), r"<reserved08706> as the sep_token"),
        (_images(rescale_factor=1 / 255), r"rescale_factor: expected 2/255, or 0\.0078"),
        (_images(image_mean=[0.5] * 3), r"image_mean: expected 1 for all colours"),
        (_images(resample=3), r"resample: expected 1"),
        (_images(size={"height": 16, "width": 16}), r"size: expected a shortest_edge as long as the crop_size"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(
    chameleon: MakeChameleon, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    _, directory = chameleon()
    damage(directory)
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value) and not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["resolution"].update(resample="bicubic"), r"resolution\.resample: expected 'lanczos', which .* has"),
        (lambda c: c["encoder"]["image_tokenizer"].update(bridge=3), r"encoder\.image_tokenizer\.bridge: expected 1"),
        (lambda c: c["encoder"]["image_tokenizer"].update(type="quantized-autoencoder"), r"type: expected 'quantized-encoder'"),
        (lambda c: c["backbone"]["architecture"].update(unwritten=[3, 20]), r"unwritten: expected the ids of its 20 codes"),
    ],
)
def test_what_does_not_fit_is_named(
    chameleon: MakeChameleon, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    _, directory = chameleon()
    import_transformers(directory, tmp_path / "omma")
    edit(tmp_path / "omma" / "config.json", change)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


@pytest.mark.parametrize("damage", sorted({*DAMAGES} - {"another language model", "another width", "layers without end"}))
def test_damaged_checkpoints_are_refused(chameleon: MakeChameleon, tmp_path: Path, damage: str) -> None:
    _, directory = chameleon()
    check_refused(directory, tmp_path / "omma", damage)
