"""The forms of exporting a model and uploading resources."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from models_registry import paths, uploads
from models_registry.errors import RegistryError
from models_registry.models import model_name
from models_registry.versions import metrics


class ManyFiles(forms.FileInput):
    allow_multiple_selected = True


class Folder(ManyFiles):
    def __init__(self) -> None:
        super().__init__(attrs={"webkitdirectory": True})


class FilesField(forms.FileField):
    """Any number of files; the cleaned value is a list."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        if not data and self.required:
            raise ValidationError(self.error_messages["required"])
        return list(data or [])


class MetricsField(forms.CharField):
    """Lines `name=value`; values that are numbers become numbers."""

    widget = forms.Textarea(attrs={"rows": 3, "placeholder": "accuracy=0.97", "spellcheck": "false"})

    def to_python(self, value: Any) -> dict[str, Any]:  # type: ignore[override]
        said = {}
        for line in filter(None, map(str.strip, (value or "").splitlines())):
            name, equals, text = (part.strip() for part in line.partition("="))
            if not (name and equals and text):
                raise ValidationError(f"Write “{line[:80]}” as name=value.")
            said[name] = _number_or_text(text)
        try:
            return metrics.checked(said)
        except RegistryError as error:
            raise ValidationError(str(error)) from None


def _number_or_text(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if abs(number) <= metrics.LARGEST else text
    return text


class UnpackField(forms.BooleanField):
    def __init__(self) -> None:
        super().__init__(
            label="Unpack archives",
            required=False,
            help_text="zip, tar, tar.gz, tar.bz2 and tar.xz; their files keep the folders they have inside.",
        )


class ExportForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        validators=[model_name],
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text="Letters, digits and underscores. An existing name gets a new version.",
    )
    number = forms.IntegerField(
        label="Version",
        required=False,
        min_value=1,
        max_value=999_999_999,
        help_text="Empty: the next number.",
    )
    may_overwrite = forms.BooleanField(
        label="Overwrite that version if it exists",
        required=False,
        help_text="Running servings keep the files they started with.",
    )
    folder = FilesField(
        widget=Folder,
        required=False,
        help_text="Its files keep their places inside it; its own name is left out.",
    )
    file = FilesField(
        label="Files", required=False, help_text="Single files, such as a model and its script."
    )
    unpack = UnpackField()
    framework = forms.CharField(max_length=50, required=False, help_text="Such as scikit-learn or PyTorch.")
    metrics = MetricsField(required=False, help_text="One name=value a line.")
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("folder") and not cleaned.get("file"):
            self.add_error("file", "Choose a folder or at least one file.")
        return cleaned

    def chosen(self) -> list[tuple[str, Any]]:
        """The files with their paths in the version."""
        from_folder = [(uploads.path_in_folder(file), file) for file in self.cleaned_data["folder"]]
        return from_folder + [(uploads.file_name(file), file) for file in self.cleaned_data["file"]]

    def wanted(self) -> dict[str, Any]:
        """The arguments of `services.start_upload`."""
        given = self.cleaned_data
        plain = {
            name: given[name] for name in ("number", "may_overwrite", "description", "framework", "metrics")
        }
        return {"model_name": given["name"], **plain}


class ResourceForm(forms.Form):
    file = FilesField(label="Files", help_text="A file of the same name is replaced.")
    folder = forms.CharField(
        label="Into",
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "folder/inside/Resources"}),
        help_text="Empty: straight into Resources/.",
    )
    unpack = UnpackField()

    def clean_folder(self) -> str:
        folder: str = self.cleaned_data["folder"].strip().removeprefix(f"{paths.RESOURCES}/").strip("/")
        if not folder:
            return paths.RESOURCES
        try:
            return paths.clean(f"{paths.RESOURCES}/{folder}")
        except paths.BadPath as error:
            raise ValidationError(str(error)) from None
