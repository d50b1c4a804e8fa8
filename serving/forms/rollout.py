"""The small forms of a running serving: how many replicas, how updates go, the canary's part, exemptions."""

from django import forms
from django.conf import settings as platform

from serving import scaling
from serving.models import Exemption


class ScaleForm(forms.Form):
    replicas = forms.IntegerField(min_value=1)

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.fields["replicas"].widget.attrs["max"] = platform.MAX_REPLICAS


class PaceForm(forms.Form):
    surge = forms.IntegerField(
        label="Extra replicas during an update",
        min_value=0,
        help_text="How many more than wanted may run at a time; 0: a whole second set at once.",
    )
    pace_seconds = forms.IntegerField(
        label="Wait after each (seconds)",
        min_value=0,
        max_value=scaling.LONGEST_PACE_SECONDS,
        help_text="How long a new replica stays ready before an old one leaves.",
    )


class PercentForm(forms.Form):
    percent = forms.IntegerField(label="Percent of the requests", min_value=0, max_value=100)


class ExemptionsForm(forms.Form):
    exemptions = forms.MultipleChoiceField(choices=Exemption.choices, required=False)
