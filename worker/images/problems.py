"""What can go wrong with an image besides its packages, in a code, a sentence and the engine's own words."""

import docker.errors
import requests

from worker.environments import problems
from worker.environments.problems import BY_ITSELF, EnvironmentProblem

FULL = "no space left on device"


def of_engine(url: str, error: Exception) -> EnvironmentProblem:
    reason = f"The Docker engine does not answer at {url}; start it or correct HOPYARD_DOCKER_URL, then {BY_ITSELF}."
    return EnvironmentProblem("EngineUnreachable", reason, str(error))


def of_python_image(name: str, words: str) -> EnvironmentProblem:
    reason = (
        f"The Docker engine has no image {name} and could not pull it; run docker pull {name} on its host, "
        f"then {BY_ITSELF}."
    )
    return EnvironmentProblem("BaseImageMissing", reason, words)


def of_foreign(name: str) -> EnvironmentProblem:
    reason = (
        f"The Docker engine has an image {name} that the platform did not make; rename or remove that one."
    )
    return EnvironmentProblem("ForeignImage", reason)


def of_time(seconds: float) -> EnvironmentProblem:
    reason = f"The image was not built within {seconds:.0f} seconds; {BY_ITSELF}."
    return EnvironmentProblem("EnvironmentTimeout", reason)


def of_push(name: str, words: str) -> EnvironmentProblem:
    reason = f"The image could not be pushed to {name.partition('/')[0]}: {words.strip()}; {BY_ITSELF}."
    return EnvironmentProblem("RegistryUnreachable", reason, words)


def of_build(output: str, error: str) -> EnvironmentProblem:
    """`output` is what the steps said, `error` how the engine ended the build."""
    if FULL in f"{output}\n{error}".lower():
        reason = f"The Docker engine's disk is full; free some space (docker system df), then {BY_ITSELF}."
        return EnvironmentProblem("NoSpace", reason, f"{output}\n{error}")
    if "import hopyard.server.lifecycle" in error:
        last = output.strip().splitlines()[-1:] or ["it ended without a word"]
        reason = f"The model server cannot be imported with these packages: {last[0]}"
        return EnvironmentProblem("ModelServerBroken", reason, output)
    return problems.of_installing(output if "returned a non-zero code" in error else f"error: {error}")


def of_surprise(url: str, error: Exception) -> EnvironmentProblem:
    """What the engine's client raised: an answer of the engine, or none."""
    if isinstance(error, docker.errors.APIError):
        return of_build("", str(error.explanation or error))
    if isinstance(error, requests.exceptions.ReadTimeout):
        return EnvironmentProblem(
            "EnvironmentTimeout", f"The Docker engine at {url} took too long; {BY_ITSELF}."
        )
    return of_engine(url, error)
