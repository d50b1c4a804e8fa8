"""Turns the settings a user gives into an unsaved revision, checked against the project.

A draft costs nothing and changes nothing but what is shared anyway (the MODEL-ONLY artifact, the resolution of a
requirements text); `artifacts.give` makes the numbered artifact that only a saved revision needs.
"""

from collections.abc import Set

from accounts.models import Project
from serving.drafting import artifacts, limits, packages, scripts, streaming, topics
from serving.models import Revision
from serving.settings import COPIED, MADE, SOURCES, WISHED, Settings


def revision(project: Project, wanted: Settings, current: Revision | None) -> Revision:
    """An unsaved revision with these settings; raises ServingError with the field that is wrong.

    `current` is what the serving has now: what stays as it was, its topic and its artifact, is kept.
    """
    version, script = scripts.version_and_script(project, wanted, current)
    transformer = scripts.transformer(project, wanted, version, current)
    limits.check(wanted)
    streaming.check(project, wanted)
    asked = packages.of(wanted, script)
    draft = Revision(
        model_version=version,
        script_path=script.project_path,
        script=script.blob,
        transformer_path=transformer.path if transformer else "",
        transformer=transformer.blob if transformer else None,
        **asked,
        **{name: getattr(wanted, name) for name in COPIED} | topics.columns(project, wanted, current),
    )
    draft.artifact = artifacts.known(draft, wanted.artifact_version, current)
    return draft


def edit(project: Project, wanted: Settings, current: Revision, changed: Set[str]) -> Revision:
    """As `revision`, for an edit of some settings: files and packages stay the very same if it is not about them."""
    if changed & SOURCES:
        return revision(project, wanted, current)
    limits.check(wanted)
    streaming.check(project, wanted)
    kept = {name: getattr(current, name) for name in (*WISHED, *MADE)}
    given = {name: getattr(wanted, name) for name in COPIED}
    return Revision(**kept | given | topics.columns(project, wanted, current))
