"""Hosts of servings, as KServe has them: `<serving>.<project>.<domain>` and `<serving>-<project>.<domain>`.

Case and port do not matter. A project's name may have underscores, which a host may not: they are written as hyphens,
which no name of a project or a serving has, so that a host names one serving at most.
"""

import re

from django.conf import settings

from serving.models import Serving

_TWO_NAMES = re.compile(r"([a-z0-9]+)[.-]([a-z0-9-]+)")


def below_domain(host: str) -> str | None:
    """The host without its port and in lower case, if it is one where a serving would be."""
    domain = settings.GATEWAY_DOMAIN
    if not domain:
        return None
    name = host.partition(":")[0].lower()
    own = {each.lower() for each in settings.ALLOWED_HOSTS if not each.startswith(".")}
    return name if name.endswith(f".{domain}") and name not in own else None


def find(host: str) -> Serving | None:
    """The serving at a host that is below the domain."""
    match = _TWO_NAMES.fullmatch(host.removesuffix(f".{settings.GATEWAY_DOMAIN}"))
    if match is None:
        return None
    serving, project = match[1], match[2].replace("-", "_")
    found = Serving.objects.filter(name__iexact=serving, project__name__iexact=project, is_deleted=False)
    return found.select_related("project").first()
