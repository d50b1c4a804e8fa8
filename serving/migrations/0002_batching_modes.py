"""Batching becomes auto, on or off; and what else the model server can be told."""

from django.db import migrations, models


def to_modes(apps, schema_editor):
    revisions = apps.get_model("serving", "Revision").objects
    revisions.filter(was_batching=True).update(batching="on")
    revisions.filter(was_batching=False).update(batching="off")


def to_switch(apps, schema_editor):
    """What was automatic is off, which gives the same answers."""
    apps.get_model("serving", "Revision").objects.update(was_batching=models.Q(batching="on"))


class Migration(migrations.Migration):
    dependencies = [("serving", "0001_initial")]

    operations = [
        migrations.RenameField(model_name="revision", old_name="batching", new_name="was_batching"),
        migrations.AddField(
            model_name="revision",
            name="batching",
            field=models.CharField(
                choices=[("auto", "Automatic"), ("on", "Always"), ("off", "Never")],
                default="auto",
                max_length=4,
            ),
        ),
        migrations.RunPython(to_modes, to_switch),
        migrations.RemoveField(model_name="revision", name="was_batching"),
        migrations.AddField(
            model_name="revision",
            name="class_name",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="revision",
            name="max_concurrency",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="revision",
            name="max_latency_ms",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="inferencerecord",
            name="verb",
            field=models.CharField(max_length=100),
        ),
    ]
