"""Revisions keep the exemptions they were made with; those there are have what their serving has."""

from typing import Any

from django.db import migrations, models


def take_from_serving(apps: Any, schema_editor: Any) -> None:
    for serving in apps.get_model("serving", "Serving").objects.exclude(exemptions=[]):
        serving.revisions.update(exemptions=serving.exemptions)


class Migration(migrations.Migration):
    dependencies = [
        ("serving", "0004_containers"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="exemptions",
            field=models.JSONField(default=list),
        ),
        migrations.RunPython(take_from_serving, migrations.RunPython.noop),
    ]
