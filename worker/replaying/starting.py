"""The throw-away replica of a replay, as a deployer starts it: the revision's own, without its log and its port."""

from dataclasses import replace

from serving.models import Replay, Revision
from worker import specs
from worker.deployers.base import ServingSpec
from worker.replaying import entrance


def memory_mb(revision: Revision) -> int:
    """One process holds what is two, where the transformer has replicas of its own."""
    return revision.memory_mb + (revision.transformer_memory_mb if revision.has_separate_transformer else 0)


def spec(replay: Replay, revision: Revision) -> ServingSpec:
    serving = replay.serving
    told = specs.general(serving.project, revision, name=serving.name, user=replay.created_by)
    share = specs.predictor(revision, (0,), told, is_front=False)
    share = replace(share, memory_mb=memory_mb(revision))
    if revision.transformer is not None:
        share = replace(share, transformer=specs.transformer_file(revision), knows_example=True)
    share = specs.fetchable(replace(share, exemptions=frozenset(revision.exemptions)))
    return ServingSpec(
        name=replay.key,
        host="",
        port=0,
        keys_file=entrance.keys_file(replay),
        token=entrance.token(replay),
        revisions=(share,),
    )
