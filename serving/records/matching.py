"""A condition on a call's values as an expression of the database, PostgreSQL or SQLite."""

import json
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Func, Q
from django.db.models.sql.compiler import SQLCompiler

from serving.records import bins
from serving.records.conditions import Condition
from serving.records.literals import Value

Sql = tuple[str, list[Any]]

_PATH_OPERATORS = {"!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_SQLITE_NUMBERS = "('integer', 'real')"


class HasValue(Func):
    """Whether one of the values of `name` on `side` of a record's fields compares so with `value`.

    Equality on PostgreSQL is containment, which its index on the fields answers.
    """

    conditional = True
    output_field = BooleanField()

    def __init__(self, side: str, name: str, operator: str, value: Value) -> None:
        super().__init__("fields")
        self.side, self.name, self.operator, self.value = side, name, operator, value

    def _constructor_args(self) -> tuple[Any, ...]:  # what makes two expressions equal
        return (self.side, self.name, self.operator, self.value)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        if self.operator == "=":
            held = {self.side: {self.name: [self.value]}}
            return f"({column} @> %s::jsonb)", [*params, json.dumps(held, ensure_ascii=False)]
        values = f"$.{_json(self.side)}.{_json(self.name)}[*]"
        test = (
            f'@ like_regex {_json(str(self.value))} flag "iq"'
            if self.operator == "~"
            else f"@ {_PATH_OPERATORS[self.operator]} {_json(self.value)}"
        )
        path = f"{values} ? ({test})"
        return f"jsonb_path_exists({column}, %s::jsonpath, '{{}}', true)", [*params, path]

    def as_sqlite(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        test, value = _sqlite_test(self.operator, self.value)
        values = f"json_each({column}, %s) AS f, json_each(f.value) AS v"
        sql = f"EXISTS (SELECT 1 FROM {values} WHERE f.key = %s AND f.type = 'array' AND {test})"  # noqa: S608
        return sql, [*params, f"$.{self.side}", self.name, *value]


class IsInBins(Func):
    """Whether a number is in one of the bins that can hold what fits, as PostgreSQL's index on the fields says."""

    conditional = True
    output_field = BooleanField()

    def __init__(self, condition: Condition) -> None:
        super().__init__("fields")
        self.condition = condition

    def _constructor_args(self) -> tuple[Any, ...]:
        return (self.condition,)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        asked = self.condition
        wanted = bins.covering(asked.operator, cast(float, asked.value))
        places = [f"$.{_json(bins.NAME)}.{_json(side)}.{_json(asked.name)}[*]" for side in asked.sides]
        path = " || ".join(f"{place} == {number}" for place in places for number in wanted)
        return f"({column} @@ %s::jsonpath)", [*params, path]


def fits(condition: Condition) -> Q:
    """Which records have a value that fits the condition."""
    found = Q()
    for side in condition.sides:
        for value in _meant(condition):
            found |= Q(HasValue(side, condition.name, condition.operator, value))
    return found


def is_indexed(condition: Condition) -> bool:
    """Whether PostgreSQL finds the few that fit without a look at all others."""
    return condition.operator == "=" or is_range(condition)


def is_range(condition: Condition) -> bool:
    return condition.operator[0] in "<>" and type(condition.value) in {int, float}


def _meant(condition: Condition) -> list[Value]:
    """A number or word without quotes is the text too, where equality is asked for."""
    value = condition.value
    if condition.operator != "=" or isinstance(value, str):
        return [value]
    return [value, _json(value)]


def _sqlite_test(operator: str, value: Value) -> tuple[str, list[Any]]:
    """What must hold of the row `v` of a value, and what it is compared with."""
    if operator == "~":
        return "v.type = 'text' AND instr(lower(v.value), lower(%s)) > 0", [value]
    if value is None or isinstance(value, bool):
        return f"v.type {operator} %s", [_json(value)]
    kinds = "('text')" if isinstance(value, str) else _SQLITE_NUMBERS
    return f"v.type IN {kinds} AND v.value {operator} %s", [value]


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
