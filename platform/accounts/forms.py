"""The forms of signing in, projects, members and keys."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts import services
from accounts.access import Access
from accounts.limits import MOST_PER_SECOND
from accounts.models import FilePolicy, Project, Role, Scope, project_name

MOST_GUESSES = 10
GUESSES_FORGOTTEN_SECONDS = 60


class SignInForm(AuthenticationForm):
    """Refuses further guesses at one person's password from one address for a minute."""

    def clean(self) -> dict[str, Any]:
        key = self._guesses_key()
        wrong: int = cache.get(key, 0)
        if wrong >= MOST_GUESSES:
            raise ValidationError("Too many wrong passwords; wait a minute, then try again.")
        try:
            return super().clean()
        except ValidationError:
            cache.set(key, wrong + 1, GUESSES_FORGOTTEN_SECONDS)
            raise

    def _guesses_key(self) -> str:
        assert isinstance(self.request, HttpRequest)
        username = self.cleaned_data.get("username", "").lower().encode().hex()[:100]
        return f"guesses-{self.request.META.get('REMOTE_ADDR')}-{username}"


class ProjectForm(forms.Form):
    name = forms.CharField(
        max_length=64,
        validators=[project_name],
        help_text="Letters, digits and underscores; part of every address.",
    )
    description = forms.CharField(max_length=200, required=False)


class MemberForm(forms.Form):
    username = forms.CharField(label="User name", max_length=150)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER)


class KeyForm(forms.Form):
    """A new key; a person may hand on only what they may do themselves."""

    name = forms.CharField(max_length=100, help_text="Where the key will be used, such as “nightly job”.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=[Scope.READ, Scope.PREDICT]
    )
    days = forms.TypedChoiceField(
        label="Expires",
        coerce=int,
        choices=[(30, "In 30 days"), (90, "In 90 days"), (365, "In a year"), (0, "Never")],
        initial=90,
    )
    requests_per_second = forms.IntegerField(
        label="Most predictions per second",
        min_value=1,
        max_value=MOST_PER_SECOND,
        required=False,
        help_text="Empty: as many as the installation grants every key.",
    )

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [(scope.value, scope.label) for scope in Scope if scope in access.scopes]

    def wanted(self) -> dict[str, Any]:
        """The arguments of `services.create_key`."""
        days = self.cleaned_data["days"]
        expires_at = timezone.now() + timedelta(days=days) if days else None
        return {
            "name": self.cleaned_data["name"],
            "scopes": self.cleaned_data["scopes"],
            "expires_at": expires_at,
            "requests_per_second": self.cleaned_data["requests_per_second"],
        }


class SettingsForm(forms.Form):
    """What an owner decides for the project."""

    file_policy = forms.ChoiceField(
        label="Files that scanning warns of",
        choices=[
            (FilePolicy.WARN, "Warn: say so beside the file, and serve it"),
            (
                FilePolicy.APPROVE,
                "Ask an owner's approval: such a file is served once an owner has approved its bytes",
            ),
            (FilePolicy.BLOCK, "Block: what is suspicious or dangerous is never served"),
        ],
        widget=forms.RadioSelect,
        help_text="With the last two, a file that has not been scanned yet is not served either.",
    )
    quota_mb = forms.IntegerField(
        label="Quota in MB",
        min_value=0,
        max_value=services.LARGEST_QUOTA_MB,
        required=False,
        help_text="Empty: as much as the installation grants. 0: no limit.",
    )

    @classmethod
    def of(cls, project: Project) -> "SettingsForm":
        return cls(initial={"file_policy": project.file_policy, "quota_mb": project.quota_mb})
