"""The chat formats of published systems (see `omma.model.template`).

Sources: LLaVA (arXiv 2304.08485, 2310.03744) for the Vicuna formats and the plain format of alignment training; Vary (arXiv
2312.06109), Qwen-VL (arXiv 2308.12966) and InternVL 1.5 (arXiv 2404.16821) for pictures between ``<img>`` and ``</img>``;
the released code of InternLM-XComposer2, DeepSeek-VL, Janus, UReader (mPLUG-Owl's roles), Monkey and Fuyu for theirs. BLIP-2
(arXiv 2301.12597) has no frames: a question brings its own words, and the answer goes on behind it to the line's end. Nor has
BEiT-3 (arXiv 2208.10442): a picture, then words from the begin-of-sequence to the end-of-sequence token. Unified-IO 2 (arXiv
2312.17172) encodes what the user says and decodes what the assistant says, which reaches from a token of its own to the
end-of-sequence token. Chameleon's (arXiv 2405.09818) and Emu3's (arXiv 2409.18869) are those of their processors in
`transformers`.
"""

from __future__ import annotations

from dataclasses import replace

from omma.errors import BadInput, nearest
from omma.model.template import Drawn, Frame, Template

VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
VICUNA_V0_SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)

DEEPSEEK_VL_SYSTEM = (
    "You are a helpful language and vision assistant. "
    "You are able to understand the visual content that the user provides, "
    "and assist the user with a variety of tasks using natural language."
)
CHAMELEON_END = "<reserved08706>"
"""What ends a turn of the user's in Chameleon's chats."""
IMG = ("<img>", "</img>")


class EMU3:
    """The tokens around pictures in Emu3's sequences (arXiv 2409.18869, section 2.3), in their order."""

    begins = "<|image start|>"
    announces = "<|image token|>"
    row_end = "<|extra_200|>"
    closes = "<|extra_201|>"
    ends = "<|image end|>"
    undesired = (
        "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, cropped, worst quality, "
        "low quality, normal quality, jpeg artifacts, signature, watermark, username, blurry."
    )
    """What its authors compare with where they draw."""


EMU3_TOKENS = (EMU3.begins, EMU3.announces, EMU3.row_end, EMU3.closes, EMU3.ends)
EMU3_DRAWN = Drawn(
    announced_by=EMU3.announces, lead=False, opening=f"{EMU3.begins}{{rows}}*{{columns}}", row_end=EMU3.row_end
)

TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        Template(
            "vicuna-v1",
            system=Frame(after=" "),
            user=Frame(opening="USER: ", after=" "),
            assistant=Frame(opening="ASSISTANT:", lead=" ", end=None),
            default_system=VICUNA_SYSTEM,
        ),
        Template(
            "vicuna-v0",
            system=Frame(after="###"),
            user=Frame(opening="Human: ", after="###"),
            assistant=Frame(opening="Assistant:", lead=" ", end="###"),
            default_system=VICUNA_V0_SYSTEM,
        ),
        Template(
            "chatml",
            system=Frame(opening="<|im_start|>system\n", after="<|im_end|>\n"),
            user=Frame(opening="<|im_start|>user\n", after="<|im_end|>\n"),
            assistant=Frame(opening="<|im_start|>assistant\n", end="<|im_end|>", after="\n"),
            special_tokens=("<|im_start|>", "<|im_end|>"),
        ),
        Template(
            "chatml-img",
            system=Frame(opening="<|im_start|>system\n", after="<|im_end|>\n"),
            user=Frame(opening="<|im_start|>user\n", after="<|im_end|>\n"),
            assistant=Frame(opening="<|im_start|>assistant\n", end="<|im_end|>", after="\n"),
            special_tokens=("<|im_start|>", "<|im_end|>"),
            borders=IMG,
        ),
        Template(
            "xcomposer2",
            system=Frame(opening="[UNUSED_TOKEN_146]system\n", after="[UNUSED_TOKEN_145]\n"),
            user=Frame(opening="[UNUSED_TOKEN_146]user\n", after="[UNUSED_TOKEN_145]\n"),
            assistant=Frame(opening="[UNUSED_TOKEN_146]assistant\n", end="[UNUSED_TOKEN_145]", after="\n"),
            special_tokens=("[UNUSED_TOKEN_146]", "[UNUSED_TOKEN_145]"),
            picture_line=False,
        ),
        Template(
            "deepseek-vl",
            system=Frame(after="\n\n"),
            user=Frame(opening="User: ", after="\n\n"),
            assistant=Frame(opening="Assistant:", lead=" ", end=None),
            default_system=DEEPSEEK_VL_SYSTEM,
            picture_line=False,
        ),
        Template(
            "janus",
            system=Frame(after="\n\n"),
            user=Frame(opening="<|User|>: ", after="\n\n"),
            assistant=Frame(opening="<|Assistant|>:", lead=" ", end=None),
            special_tokens=("<|User|>", "<|Assistant|>", "<begin_of_image>", "<end_of_image>"),
            borders=("<begin_of_image>", "<end_of_image>"),
            drawn=Drawn(announced_by="<begin_of_image>", lead=False, padded=True, system=False),
        ),
        Template(
            "mplug-owl",
            system=Frame(after="\n"),
            user=Frame(opening="Human: ", after="\n"),
            assistant=Frame(opening="AI:", lead=" ", end=None, after="\n"),
        ),
        Template(
            "monkey",
            system=Frame(after="\n"),
            user=Frame(),
            assistant=Frame(opening=" Answer:", lead=" ", end=None),
            picture_line=False,
            borders=("<img>", "</img> "),
        ),
        Template(
            "fuyu",
            system=Frame(),
            user=Frame(),
            assistant=Frame(opening="<0x04>", end=None),
            special_tokens=("<0x04>",),
            picture_line=False,
            picture_before_bos=True,
        ),
        Template(
            "blip-2",
            system=Frame(),
            user=Frame(),
            assistant=Frame(lead=" ", end="\n"),
            picture_line=False,
            picture_before_bos=True,
        ),
        Template(
            "beit3",
            system=Frame(),
            user=Frame(),
            assistant=Frame(lead=" ", end=None),
            picture_line=False,
            picture_before_bos=True,
        ),
        Template(
            "unified-io-2",
            system=Frame(after=" "),
            user=Frame(),
            assistant=Frame(opening="<answer>", end=None),
            special_tokens=("<answer>", *IMG),
            picture_line=False,
            borders=IMG,
            drawn=Drawn(announced_by="<img>", nothing="An image of a random picture."),
        ),
        Template(
            "chameleon",
            system=Frame(),
            user=Frame(after=CHAMELEON_END),
            assistant=Frame(end=None),
            special_tokens=(CHAMELEON_END, "<racm3:break>", "<eoss>"),
            picture_line=False,
            borders=("<racm3:break>", "<eoss>"),
        ),
        Template(
            "emu3",
            system=Frame(after=" "),
            user=Frame(opening="USER: ", after=" "),
            assistant=Frame(opening="ASSISTANT:", lead=" ", end=None),
            default_system="You are a helpful assistant.",
            special_tokens=EMU3_TOKENS,
            picture_line=False,
            borders=(EMU3.begins, EMU3.ends),
            drawn=EMU3_DRAWN,
            writes_bos=True,
        ),
        Template(
            "emu3-gen",
            system=Frame(),
            user=Frame(),
            assistant=Frame(lead=" ", end=None),
            special_tokens=EMU3_TOKENS,
            picture_line=False,
            borders=(EMU3.begins, EMU3.ends),
            drawn=replace(EMU3_DRAWN, nothing=EMU3.undesired),
            writes_bos=True,
        ),
        Template(
            "plain",
            system=Frame(),
            user=Frame(),
            assistant=Frame(end="\n"),
            user_words=False,
            picture_line=False,
        ),
        Template(
            "plain-blip-2",
            system=Frame(),
            user=Frame(),
            assistant=Frame(end="\n"),
            user_words=False,
            picture_line=False,
            picture_before_bos=True,
        ),
        Template(
            "plain-img",
            system=Frame(),
            user=Frame(),
            assistant=Frame(end=None),
            user_words=False,
            picture_line=False,
            borders=IMG,
        ),
    )
}


def template_named(name: str, *, where: str = "model.template") -> Template:
    """The template of that exact name. Raises BadInput that lists the near names and all of them."""
    if name not in TEMPLATES:
        raise BadInput(where, expected="the name of a chat template", found=repr(name), remedy=nearest(name, TEMPLATES))
    return TEMPLATES[name]
