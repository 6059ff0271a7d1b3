"""Where pydantic's errors are in the file, and which keys it knows there.

Pydantic puts the chosen form of a value into the places of its errors, and reports a value that
fits no form of an untagged union once for each. Walking the models along with the data leaves the
keys and indices of the file, and drops the reports about forms that were not meant.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeAliasType

from schemas.plan.source import Place

Loc = tuple[int | str, ...]


OF_KEY = "[key]"
"""What pydantic says behind a key of a mapping that is wrong itself."""


class Spot(NamedTuple):
    """A place in the file, the value there, and the model it was read by (None: by no model)."""

    place: Place
    value: Any
    model: type[BaseModel] | None
    recursive: bool = False
    """True for a value of a type that names itself; mistakes deeper in it are reported here."""
    forms: tuple[str, ...] = ()
    """Of a value in none of the forms that it could have, the key by which each is known."""


def known_keys(model: type[BaseModel] | None) -> list[str]:
    """The keys that an entry may have."""
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def find_spot(model: type[BaseModel], loc: Loc, data: Any) -> Spot | None:
    """The spot of an error; None if it is about a form that was not meant."""
    annotation: Any = model
    place: Place = ()
    steps = list(loc)
    while True:
        if isinstance(annotation, TypeAliasType):
            return Spot(place, data, None, recursive=True)
        if steps == [OF_KEY] and not _is_inside(data, OF_KEY):
            return Spot(place, data, None)
        if forms := _forms_missed(annotation, data):
            return Spot(place, data, None, forms=forms)
        annotation, label = _meant(annotation, data)
        if label is not None and steps and not _is_inside(data, steps[0]):
            step = steps.pop(0)
            # a form with a check of its own is called `function-after[<check>, <form>]`
            if label and step != label and not str(step).endswith(f", {label}]"):
                return None
            continue
        if not steps or not _is_inside(data, steps[0], annotation):
            return Spot(place, data, annotation if _is_model(annotation) else None)
        step = steps.pop(0)
        place = (*place, step)
        annotation = _inside(annotation, step)
        data = _get(data, step)


def _is_inside(data: Any, step: int | str, annotation: Any = None) -> bool:
    """True if a step of an error's place is a key or index, not the name of a form."""
    if isinstance(data, dict):
        missing = _is_model(annotation) and step in known_keys(annotation)
        return step in data or missing
    return isinstance(data, list) and isinstance(step, int)


def _get(data: Any, step: int | str) -> Any:
    return data.get(step) if isinstance(data, dict) else data[step]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _meant(annotation: Any, data: Any) -> tuple[Any, str | None]:
    """The arm of a union that fits the data's form best, else the type itself.

    Also how the arm is called in places: "" for any name (the form was told by a tag, so that only
    errors of one arm exist), None if it adds no step.
    """
    annotation = _bare(annotation)
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, None
    arms = [_bare(arm) for arm in get_args(annotation) if _bare(arm) is not NoneType]
    if len(arms) == 1:
        return _meant(arms[0], data)
    arm = max(arms, key=lambda arm: _likeness(arm, data))
    tagged = not all(_is_model(arm) for arm in arms) or any(_operator(arm) for arm in arms)
    return arm, "" if tagged else arm.__name__


def _forms_missed(annotation: Any, data: Any) -> tuple[str, ...]:
    """The first key of each form of a mapping that has no key of any; none if it has some."""
    annotation = _bare(annotation)
    if get_origin(annotation) not in (Union, UnionType) or not isinstance(data, dict) or not data:
        return ()
    arms = [_bare(arm) for arm in get_args(annotation)]
    if not all(_is_model(arm) and _operator(arm) is None for arm in arms):
        return ()
    known = [known_keys(arm) for arm in arms]
    return () if any(set(keys) & set(data) for keys in known) else tuple(keys[0] for keys in known)


def _likeness(arm: Any, data: Any) -> int:
    """How well an arm fits the form of a value; 0: not at all."""
    origin = get_origin(arm) or arm
    if isinstance(data, dict) and _is_model(arm):
        same = len(set(known_keys(arm)) & set(data))
        return (
            1 + same + 100 * (_operator(arm) is not None and _operator(arm) == data.get("operator"))
        )
    if isinstance(data, dict):
        return int(origin is dict)
    if isinstance(data, list):
        return int(origin in (list, tuple))
    return int(isinstance(data, origin)) if isinstance(origin, type) else 0


def _operator(arm: Any) -> str | None:
    """What tells a row of the catalogue from other rows."""
    field = arm.model_fields.get("operator") if _is_model(arm) else None
    if field is None or get_origin(field.annotation) is not Literal:
        return None
    return str(get_args(field.annotation)[0])


def _inside(annotation: Any, step: int | str) -> Any:
    """The type of the value behind a key or index."""
    if _is_model(annotation):
        fields = annotation.model_fields.items()
        found = (f.annotation for name, f in fields if step == (f.alias or name))
        return next(found, None)
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if get_origin(annotation) in (list, tuple) else None
