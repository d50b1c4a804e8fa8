"""The two addresses of a serving: the path under the platform's own, and the replicas' shared port."""

from django.conf import settings

from serving.models import Serving


def path_url(serving: Serving) -> str:
    """Without the verb, which follows after a colon."""
    base = f"{settings.PUBLIC_URL}/inference/{serving.project.name}/{serving.name}"
    return f"{base}/v1/models/{serving.name}"


def direct_url(serving: Serving) -> str:
    return f"http://{settings.REPLICA_HOST}:{serving.port}/v1/models/{serving.name}"
