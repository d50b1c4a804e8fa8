"""JSON forms that refuse fields there are not, which would otherwise be asked for in vain."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Strict about its own fields and about those of the forms within it."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError with a sentence for each field that is not known."""
        if isinstance(data, Mapping):
            wrong = _unknown(data, self.fields)
            for name, field in self.fields.items():
                said = data.get(name)
                if isinstance(field, serializers.Serializer) and isinstance(said, Mapping):
                    wrong |= {f"{name}.{key}": text for key, text in _unknown(said, field.fields).items()}
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


def _unknown(said: Iterable[str], known: Iterable[str]) -> dict[str, list[str]]:
    names = sorted(known)
    return {
        name: [f"There is no field {name}; there are {', '.join(names)}."]
        for name in said
        if name not in names
    }
