"""Loads the serving that a page is about, for a person who may see or change it."""

from django.http import Http404

from accounts import access
from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving import queries
from serving.errors import NoSuchServing
from serving.models import Serving


def load(
    request: PageRequest, project: str, name: str, *, needs: Scope = Scope.READ
) -> tuple[Access, Serving]:
    found = access.project(request, project, needs=needs)
    try:
        return found, queries.serving(found.project, name)
    except NoSuchServing as error:
        raise Http404(str(error)) from None
