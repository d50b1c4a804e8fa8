"""The two addresses of a serving: the path under the platform's own, and the replicas' shared port."""

from django.conf import settings

from serving.models import Serving


def path_base(serving: Serving) -> str:
    """What stands before `/v1/…` and `/v2/…` on the path address."""
    return f"{settings.PUBLIC_URL}/inference/{serving.project.name}/{serving.name}"


def direct_base(serving: Serving) -> str:
    """What stands before `/v1/…` and `/v2/…` on the port."""
    return f"http://{grpc_address(serving)}"


def grpc_address(serving: Serving) -> str:
    """Host and port; gRPC is spoken on the port alone, beside HTTP."""
    return f"{settings.PORTS_HOST}:{serving.port}"


def path_url(serving: Serving) -> str:
    """Without the verb, which follows after a colon."""
    return f"{path_base(serving)}/v1/models/{serving.name}"


def direct_url(serving: Serving) -> str:
    return f"{direct_base(serving)}/v1/models/{serving.name}"
