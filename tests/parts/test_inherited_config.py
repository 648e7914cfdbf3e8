from __future__ import annotations

import pickle

from omma.data.playground import WORLDS
from omma.parts.base import Part, PartConfig, Registry


def test_siblings_that_inherit_their_config_build_themselves() -> None:
    registry: Registry[type[Part]] = Registry("toy")

    class Base(Part):
        class Config(PartConfig):
            size: int = 3

    first = registry.register("first")(type("First", (Base,), {}))
    second = registry.register("second")(type("Second", (Base,), {}))
    for name, part in (("first", first), ("second", second)):
        config = registry.parse({"type": name, "size": 5}, where="toy")
        assert type(config.build()) is part
        assert config.to_dict() == {"type": name, "size": 5}


def test_every_world_is_built_by_its_own_config_which_can_be_pickled() -> None:
    for name in WORLDS.names():
        config = WORLDS.parse({"type": name}, where="world")
        assert config.build().name == name
        assert type(pickle.loads(pickle.dumps(config))) is type(config)
