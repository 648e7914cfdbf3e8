"""The architectures of `transformers` that omma reads and writes."""

from __future__ import annotations

from omma.model.interop.architecture import Architecture
from omma.model.interop.blip_2 import Blip2
from omma.model.interop.chameleon import Chameleon
from omma.model.interop.deepseek_vl import DeepseekVL
from omma.model.interop.deepseek_vl_hybrid import DeepseekVLHybrid
from omma.model.interop.emu3 import Emu3
from omma.model.interop.fuyu import Fuyu
from omma.model.interop.internvl import InternVL
from omma.model.interop.janus import Janus
from omma.model.interop.llava import Llava, LlavaNext

ARCHITECTURES: dict[str, Architecture] = {
    kind.model_type: kind
    for kind in (
        Llava(),
        LlavaNext(),
        InternVL(),
        Fuyu(),
        DeepseekVL(),
        DeepseekVLHybrid(),
        Blip2(),
        Janus(),
        Chameleon(),
        Emu3(),
    )
}
"""By ``model_type``; a model is exported as the first that can hold it."""
