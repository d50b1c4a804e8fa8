"""The form with which an owner approves of a file."""

from django import forms


class ApproveForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why these bytes may be trusted, such as who trained the model; it goes into the audit trail.",
    )
