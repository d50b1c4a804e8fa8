"""An installation of its own, for streamers that run as processes: `python -m tests.worker.streaming.stage
<input topic> <output topic> <replica's address>…` makes its database with a serving that is asked through a topic.
"""

import os
import sys

import django


def main(asked: str, answered: str, *addresses: str) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)

    from accounts import access, services
    from accounts.models import Member, User
    from models_registry import services as registry
    from models_registry import storage
    from serving import services as servings
    from serving.models import Replica, Revision, Serving, Topic
    from serving.settings import Settings
    from serving.states import ReplicaState

    alice = User.objects.create_user("alice")
    project = services.create_project(name="garden", owner=alice)
    owner = access.of_member(Member.objects.get(project=project, user=alice), None)
    draft = registry.start_upload(access=owner, model_name="iris")
    registry.add_file(draft=draft, path="predictor.py", blob=storage.receive([b"class Predict: ..."]))
    version = registry.finalise(access=owner, draft=draft)
    wanted = Settings(name="iris", script=f"{version.folder}/predictor.py", topic="NONE")
    serving, _ = servings.create(access=owner, wanted=wanted)
    for topic in (asked, answered):
        Topic.objects.create(project=project, name=topic, state=Topic.State.READY, partitions=2)
    Revision.objects.update(input_topic=asked, output_topic=answered)
    Serving.objects.update(wanted_replicas=len(addresses))
    for slot, address in enumerate(addresses):
        Replica.objects.create(
            serving=serving,
            name=f"r1-{slot}-1",
            revision=1,
            slot=slot,
            attempt=1,
            state=ReplicaState.READY,
            address=address,
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main(*sys.argv[1:])
