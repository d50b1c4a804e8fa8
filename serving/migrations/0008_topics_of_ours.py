"""Which topics this installation made; those that are there so far are."""

from django.db import migrations, models


def take_over(apps, schema_editor):
    apps.get_model("serving", "Topic").objects.filter(state="ready").update(is_ours=True)


class Migration(migrations.Migration):
    dependencies = [("serving", "0007_partitioned_records")]

    operations = [
        migrations.AddField("topic", "is_ours", models.BooleanField(default=False)),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
