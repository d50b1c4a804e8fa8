"""The Try-it form: a request as a program would send it."""

from django import forms
from django.db import models


class Verb(models.TextChoices):
    PREDICT = "predict", "predict"
    CLASSIFY = "classify", "classify"
    REGRESS = "regress", "regress"


class TryForm(forms.Form):
    verb = forms.ChoiceField(label="Method", choices=Verb.choices, initial=Verb.PREDICT)
    body = forms.CharField(
        label="Request body (JSON)",
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 6, "class": "code", "spellcheck": "false", "autocomplete": "off"}
        ),
        error_messages={"required": 'Write a request body, such as {"instances": [[1.0, 2.0]]}.'},
    )
