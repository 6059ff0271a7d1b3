"""The JSON Schema of a plan as written, by which editors complete and check while one types.

It knows less than check.py (no names that refer to other parts of the file, no time zones), but
what it refuses, check.py refuses too.
"""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from schemas.plan.written import WrittenPlan


class _PlanSchema(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key that may be left out may still not be written without a value."""
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys that do not fit the pattern of keys are refused."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made


def plan_json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the YAML file."""
    schema = WrittenPlan.model_json_schema(schema_generator=_PlanSchema)
    return {
        "$schema": _PlanSchema.schema_dialect,
        "title": "Headwater plan",
        **_without_noise(schema),
    }


def plan_json_schema_text() -> str:
    """The schema as it stands in docs/plan.schema.json."""
    return json.dumps(plan_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_noise(schema: Any) -> Any:
    """Leaves out titles made of key names, and defaults that say no more than "nothing"."""
    if isinstance(schema, list):
        return [_without_noise(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and (value is None or isinstance(value, dict) or value == []):
            continue
        kept[key] = _without_noise(value)
    return kept
