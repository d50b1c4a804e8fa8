"""The Try-it form: a request as a program would send it, in V1 or in V2."""

import json
from typing import Any

from django import forms
from django.db import models

from serving.examples import Bodies


class Verb(models.TextChoices):
    PREDICT = "predict", "predict"
    CLASSIFY = "classify", "classify"
    REGRESS = "regress", "regress"
    EXPLAIN = "explain", "explain"
    INFER = "infer", "infer"


V1 = [choice for choice in Verb.choices if choice[0] != Verb.INFER]


class TryForm(forms.Form):
    """Begins with the body that suits the verb; `infer` is V2 and stands alone."""

    verb = forms.ChoiceField(label="Method", choices=V1, initial=Verb.PREDICT)
    body = forms.CharField(
        label="Request body (JSON)",
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 6, "class": "code", "spellcheck": "false", "autocomplete": "off"}
        ),
        error_messages={"required": 'Write a request body, such as {"instances": [[1.0, 2.0]]}.'},
    )

    def __init__(self, data: Any = None, *, bodies: Bodies, verb: str = Verb.PREDICT) -> None:
        self.is_v2 = verb == Verb.INFER
        document = bodies.v2 if self.is_v2 else bodies.v1
        super().__init__(data, initial={"verb": verb, "body": json.dumps(document)})
        if self.is_v2:
            field = self.fields["verb"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(Verb.INFER, Verb.INFER)]
            field.widget = forms.HiddenInput()
