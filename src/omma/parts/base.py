"""Parts: what every interchangeable piece of omma is, and the registries that find them by exact name.

A part is a class with a typed, keyword-only ``Config`` nested inside it. ``Config.build(...)`` makes the part; runtime
objects (a width that another part decides, say) are arguments of ``build``, never fields of the config.

    @PROJECTORS.register("linear")
    class Linear(Part, nn.Module):
        class Config(PartConfig):
            bias: bool = True

        def __init__(self, config: Config, *, d_in: int, d_out: int): ...

    projector = PROJECTORS.parse({"type": "linear"}, where="model.projector").build(d_in=8, d_out=16)
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from omma.errors import BadInput, nearest


class PartConfig(BaseModel):
    """Base of every part's ``Config``: frozen, keyword-only, unknown fields refused.

    ``part`` and ``type`` are set when the part is registered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: ClassVar[type[Part]]
    type: ClassVar[str]

    def build(self, **runtime: Any) -> Any:
        """The part that this config describes. ``runtime`` holds what only the composition knows."""
        return self.part(self, **runtime)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the registered name under ``type``: what YAML, JSON and checkpoints hold."""
        return {"type": self.type, **self.model_dump(mode="json")}

    def spelled_out(self) -> dict[str, Any]:
        """`to_dict` for a saved model: architectures spelled out, sources of weights dropped, which are history by then."""
        return self.to_dict()

    @property
    def has_weights(self) -> bool:
        """Whether it begins with weights from elsewhere."""
        return getattr(self, "weights", None) is not None


class Part:
    """Base of every part. A subclass nests its ``Config`` and takes it as the first argument of ``__init__``."""

    Config: ClassVar[type[PartConfig]]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config


P = TypeVar("P", bound=type[Part])


class Registry(Generic[P]):
    """All parts of one kind by exact name.

    Parts from other packages plug in through the entry-point group ``omma.<kind>`` (``omma.projector`` and so on): the
    module that an entry point names is imported once, on the first look-up, and registers its parts as ours do.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, P] = {}
        self._outside_loaded = False

    def register(self, name: str) -> Any:
        """Class decorator. Raises ValueError if the name is taken: a silent override is how the wrong part trains."""

        def add(part: P) -> P:
            if name in self._parts:
                raise ValueError(
                    f"{self.kind} {name!r} is registered twice: "
                    f"by {self._parts[name].__qualname__} and {part.__qualname__}"
                )
            if "Config" not in vars(part):
                # An inherited config is shared: it would build whichever sibling registered last.
                part.Config = create_model(
                    "Config",
                    __base__=part.Config,
                    __module__=part.__module__,
                    __qualname__=f"{part.__qualname__}.Config",
                    __doc__=part.Config.__doc__,
                )
            part.Config.part = part
            part.Config.type = name
            self._parts[name] = part
            return part

        return add

    def names(self) -> list[str]:
        self._load_outside()
        return sorted(self._parts)

    def get(self, name: str, *, where: str) -> P:
        """The part class of that exact name. Raises BadInput that lists the near names and all of them."""
        self._load_outside()
        if name not in self._parts:
            raise BadInput(
                where, expected=f"the name of a known {self.kind}", found=repr(name), remedy=nearest(name, self._parts)
            )
        return self._parts[name]

    def parse(self, data: Mapping[str, Any] | PartConfig, *, where: str) -> Any:
        """A typed config from plain data with a ``type`` field. Raises BadInput naming the field at fault."""
        if isinstance(data, PartConfig):
            return data
        if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
            raise BadInput(
                where,
                expected=f"a mapping with the field type, the name of a known {self.kind}",
                found=repr(data),
                remedy=f"use one of: {', '.join(self.names())}",
            )
        part = self.get(data["type"], where=f"{where}.type")
        return validated(part.Config, {k: v for k, v in data.items() if k != "type"}, where=where)

    def _load_outside(self) -> None:
        if not self._outside_loaded:
            self._outside_loaded = True
            for point in entry_points(group=f"omma.{self.kind.replace(' ', '_')}"):
                point.load()


LONGEST_FOUND = 160
"""Characters of what was found that a complaint quotes."""

BAD_PART = "bad_part"
"""Type of the pydantic error for a field that holds a part whose own data are at fault."""


def part_field(registry: Registry[Any]) -> Any:
    """The type of a model's field that holds a part's config, written as data with its ``type``."""

    def parse(data: Any) -> PartConfig:
        return _parsed(registry, data)

    return Annotated[PartConfig, BeforeValidator(parse), PlainSerializer(lambda config: config.to_dict())]


def _parsed(registry: Registry[Any], data: Any) -> PartConfig:
    try:
        config: PartConfig = registry.parse(data, where=registry.kind)
    except BadInput as error:
        # Only pydantic knows where in the whole the field is: `validated` puts both together.
        raise PydanticCustomError(BAD_PART, "a part", {"error": error, "kind": registry.kind}) from None
    return config


def part_field_or(model: type[BaseModel], registry: Registry[Any]) -> Any:
    """The type of a field that holds a part's config where the data have a ``type``, and the model where they have none."""

    def parse(data: Any, plain: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(data, PartConfig) or (isinstance(data, Mapping) and "type" in data):
            return _parsed(registry, data)
        return plain(data)

    def dump(config: BaseModel) -> dict[str, Any]:
        return config.to_dict() if isinstance(config, PartConfig) else config.model_dump(mode="json")

    return Annotated[model, WrapValidator(parse), PlainSerializer(dump)]


def _placed(error: BadInput, kind: str, field: str) -> BadInput:
    """A complaint about a part, with the dotted path of the field that holds it in place of the part's kind."""
    within = error.where.removeprefix("recipe field ").removeprefix(kind)
    return BadInput(
        f"recipe field {field}{within}", expected=error.expected, found=error.found, remedy=error.remedy
    )


M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], data: Mapping[str, Any], *, where: str, of: str = "recipe") -> M:
    """``model(**data)``, with pydantic's first complaint turned into one sentence that names the dotted field.

    Args:
        where: the dotted field that ``data`` is; empty for all of it.
        of: what has such fields, in words.
    """
    try:
        return model(**data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, [where, *first["loc"]] if where else first["loc"]))
        if first["type"] == BAD_PART:
            raise _placed(first["ctx"]["error"], first["ctx"]["kind"], field) from None
        if first["type"] == "extra_forbidden":
            name = str(first["loc"][-1])
            owner = owner_of(model, first["loc"][:-1])
            allowed = owner.model_fields if owner else ()
            raise BadInput(
                f"{of} field {field}", expected="a known field", found=repr(name), remedy=nearest(name, allowed)
            ) from None
        found = "nothing" if first["type"] == "missing" else repr(first["input"])
        if len(found) > LONGEST_FOUND:
            found = f"{found[:LONGEST_FOUND]} ..."
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        expected = message[0].lower() + message[1:]
        raise BadInput(f"{of} field {field}", expected=expected, found=found, remedy="correct it") from None


def owner_of(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model class that a validation path leads to, through nested models and lists and mappings of them."""
    current: Any = model
    for piece in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(piece))
            if field is None:
                return None
            current = field.annotation
        else:  # the piece is an index or a key
            current = next(iter(get_args(current)[-1:]), None)
        if get_origin(current) in (Union, UnionType):
            current = next((option for option in get_args(current) if option is not NoneType), None)
        if get_origin(current) is Annotated:
            current = get_args(current)[0]
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None
