"""What to do about a failure, by its code; pure words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """`place` is the page where it is done: edit, logs, safety, or empty where nothing can be done on a page."""

    sentence: str
    place: str = ""


CORRECT = Advice(
    "Correct the script or its files, export a new version and choose it under Edit; or try the same again.",
    "logs",
)
REQUIREMENTS = Advice("Change the requirements or choose another Python, and save.", "edit")
ADMINISTRATOR = Advice("Tell the administrator; when that is mended, try again.")
PASSING = Advice("It may well pass by itself; try the same again.")
BYTES = Advice(
    "What is stored is no longer what was registered, so nothing was loaded. Export the files again as a new version "
    "and choose it under Edit; or let the administrator bring the store back, and try again."
)

ON = {
    "OutOfMemory": Advice("Give each replica more memory, or load a smaller model.", "edit"),
    "DependencyMissing": Advice("Add the package to the requirements, and save.", "edit"),
    "StartTimeout": Advice("Look in the logs for what it was waiting for.", "logs"),
    "PortNeverOpened": Advice("Look in the logs for what it was waiting for.", "logs"),
    "FilesRefused": Advice("Serve other files, or let an owner look at the reports and approve.", "safety"),
    "ArtifactCorrupt": BYTES,
    "ArtifactUnreadable": BYTES,
    "HashMismatch": Advice("Ask for another version of that package, or tell the administrator.", "edit"),
    "EnvironmentCorrupt": PASSING,
    "IndexUnreachable": PASSING,
    "EnvironmentTimeout": PASSING,
    "WorkerFailed": PASSING,
    "NoSpace": ADMINISTRATOR,
    "UvMissing": ADMINISTRATOR,
    "ModelServerMissing": ADMINISTRATOR,
    "ModelServerBroken": REQUIREMENTS,
    "RequirementsInvalid": REQUIREMENTS,
    "PackageNotFound": REQUIREMENTS,
    "VersionNotFound": REQUIREMENTS,
    "NoWheel": REQUIREMENTS,
    "NotLockable": REQUIREMENTS,
    "PythonUnsuitable": REQUIREMENTS,
    "PythonMissing": REQUIREMENTS,
    "EnvironmentConflict": REQUIREMENTS,
    "ResolvingFailed": REQUIREMENTS,
    "BuildFailed": REQUIREMENTS,
}


def on(code: str) -> Advice:
    return ON.get(code, CORRECT)
