"""The forms of a version's page: what is said of it, its aliases and its tags."""

from typing import Any, cast

from django import forms

from models_registry.forms import MetricsField
from models_registry.models import alias_name
from models_registry.versions import describing

PLAIN = {"spellcheck": "false", "autocomplete": "off"}


class MetricsLinesField(MetricsField):
    """Shows metrics as the lines they are written in; untouched lines change nothing."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name}={number}" for name, number in value.items())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (data or "").split() != (self.prepare_value(initial) or "").split()


class DescribeForm(forms.Form):
    description = forms.CharField(
        required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 5}), strip=False
    )
    framework = forms.CharField(max_length=50, required=False, help_text="Such as scikit-learn or PyTorch.")
    metrics = MetricsLinesField(required=False, help_text="One name=value a line.")

    def changes(self) -> describing.Changes:
        """Only what the person touched; a browser sends line ends of its own."""
        given = dict(self.cleaned_data, description=self.cleaned_data["description"].replace("\r\n", "\n"))
        return cast(describing.Changes, {name: given[name] for name in self.changed_data})


class AliasForm(forms.Form):
    alias = forms.CharField(
        label="New alias",
        max_length=50,
        validators=[alias_name],
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "champion"}),
    )


class TagForm(forms.Form):
    name = forms.CharField(
        label="Tag", max_length=100, widget=forms.TextInput(attrs={**PLAIN, "placeholder": "data"})
    )
    value = forms.CharField(
        max_length=4000,
        widget=forms.TextInput(attrs={**PLAIN, "placeholder": "2026-03"}),
        help_text="A text, a number or JSON.",
    )
