"""The piece of time in which a call was, as an expression of the database, PostgreSQL or SQLite."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, IntegerField
from django.db.models.sql.compiler import SQLCompiler

from serving.records.matching import Sql


class NumberOfPiece(Func):
    """The number of the piece of `width` seconds since 1970 in which a time is."""

    output_field = IntegerField()

    def __init__(self, column: str, width: int) -> None:
        super().__init__(column)
        self.width = width

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        return f"floor(date_part('epoch', {column}) / {self.width:d})::bigint", [*params]

    def as_sqlite(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        return f"CAST(strftime('%%s', {column}) AS INTEGER) / {self.width:d}", [*params]
