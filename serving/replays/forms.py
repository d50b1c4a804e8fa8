"""The form that asks for a replay."""

from typing import Any

from django import forms

from serving.models import Serving
from serving.replays.services import DEFAULT_CALLS, DEFAULT_TOLERANCE, MOST_CALLS

MOST_OFFERED = 50


class ReplayForm(forms.Form):
    revision = forms.TypedChoiceField(
        coerce=int,
        label="Revision to ask",
        help_text="It is started in a throw-away replica; nobody else is sent there.",
    )
    most = forms.IntegerField(
        label="Calls at most",
        min_value=1,
        max_value=MOST_CALLS,
        initial=DEFAULT_CALLS,
        help_text="The newest ones.",
    )
    tolerance = forms.FloatField(
        min_value=0,
        max_value=1,
        initial=DEFAULT_TOLERANCE,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="Numbers that differ by no more than this, or this part of them, count as the same.",
    )

    def __init__(self, *args: Any, serving: Serving, **options: Any) -> None:
        super().__init__(*args, **options)
        newest = serving.revisions.order_by("-number")[:MOST_OFFERED]
        chosen = self.fields["revision"]
        assert isinstance(chosen, forms.ChoiceField)
        chosen.choices = [(each.number, self._label(serving, each.number)) for each in newest]

    def _label(self, serving: Serving, number: int) -> str:
        return f"{number}, the current one" if number == serving.current.number else str(number)
