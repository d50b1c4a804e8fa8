"""What the pages of every app say about a request: it comes from a signed-in person, and may be htmx's."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PageRequest(HttpRequest):
    user: User
    htmx: HtmxDetails


def way_back(request: HttpRequest, otherwise: str) -> str:
    """The page of ours that a form was on, from its field `next`."""
    asked = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(asked, allowed_hosts=None) and asked.startswith("/")
    return asked if is_ours else otherwise
