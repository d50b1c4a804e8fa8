"""The form that filters calls; its words, and what is wrong with them, are those of `filters`."""

from django import forms
from django.http import QueryDict

from serving.records import filters
from serving.records.filters import BadFilters, Filters
from serving.records.words import ALL_TIMES

PERIODS = [
    (ALL_TIMES, "at any time"),
    ("15m", "in the last 15 minutes"),
    ("1h", "in the last hour"),
    ("24h", "in the last 24 hours"),
    ("7d", "in the last 7 days"),
]
LABELS = {
    "period": "Asked",
    "status": "Status",
    "at_least_ms": "Took at least",
    "where": "Values",
    "at_most_ms": "Took at most",
    "from": "Not before",
    "to": "Before",
    "revision": "Revision",
    "replica": "Replica",
    "key": "API key",
    "request_id": "Request id",
    "verb": "Method",
    "protocol": "Protocol",
}
PLACEHOLDERS = {
    "status": "503, 5xx, failed",
    "where": "in.sepal_length > 5 and out = setosa",
    "at_least_ms": "ms",
    "at_most_ms": "ms",
    "key": "its id",
    "verb": "predict",
    "protocol": "v1, v2, grpc",
}
ALWAYS_SHOWN = ("period", "status", "at_least_ms", "where")


class FilterForm(forms.Form):
    """Every field may be empty. `asked` are the filters meant, None where something is wrong."""

    use_required_attribute = False

    def __init__(self, said: QueryDict, *, besides: tuple[str, ...] = ()) -> None:
        self.asked: Filters | None = None
        self._wrong: dict[str, str] = {}
        try:
            self.asked = filters.parse(said, besides=besides)
        except BadFilters as error:
            self._wrong = error.errors
        super().__init__(_shown(said, self.asked))
        self.fields |= {name: _field(name) for name in LABELS}

    def clean(self) -> None:
        self._errors = forms.utils.ErrorDict()
        for name, sentence in self._wrong.items():
            self.add_error(name if name in self.fields else None, sentence)

    @property
    def always_shown(self) -> list[forms.BoundField]:
        return [self[name] for name in ALWAYS_SHOWN]

    @property
    def others(self) -> list[forms.BoundField]:
        return [self[name] for name in LABELS if name not in ALWAYS_SHOWN]

    @property
    def has_others(self) -> bool:
        """Something stands in a field that is not always shown."""
        return any(self.data.get(name) for name in LABELS if name not in ALWAYS_SHOWN)


def _shown(said: QueryDict, asked: Filters | None) -> QueryDict:
    """What was said, times as fields for times take them."""
    shown = said.copy()
    if asked and (asked.since or asked.until):
        shown["period"] = ALL_TIMES
        for name, moment in (("from", asked.since), ("to", asked.until)):
            shown[name] = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment else ""
    if asked and asked.where:
        shown["where"] = asked.words["where"] if len(said.getlist("where")) > 1 else said.get("where", "")
    return shown


def _field(name: str) -> forms.Field:
    attributes = {
        "placeholder": PLACEHOLDERS.get(name, ""),
        "autocomplete": "off",
        "autocapitalize": "off",
        "spellcheck": "false",
    }
    if name == "period":
        return forms.ChoiceField(label=LABELS[name], choices=PERIODS, required=False)
    if name in {"from", "to"}:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
        return forms.CharField(label=LABELS[name], required=False, widget=widget)
    return forms.CharField(label=LABELS[name], required=False, widget=forms.TextInput(attrs=attributes))
