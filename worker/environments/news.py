"""Tells the servings and pre-flights that wait for packages how these came about, whoever had them made."""

from django.db.models import Q

from serving import preflights, work
from serving.models import Preflight, Revision, Serving


def tell(named: Q) -> None:
    """Have the servings that want these looked at, and their pre-flights that lacked packages made anew."""
    living = Serving.objects.filter(is_deleted=False)
    wanted = Revision.objects.filter(named, pk__in=living.values("revision"))
    red = Preflight.objects.filter(state=Preflight.State.FAILED, pk__in=wanted.values("preflight"))
    for preflight in red.select_related("asked_by"):
        if preflight.lacks_packages:
            preflights.ask_again(preflight=preflight, user=preflight.asked_by)
    for serving in living.filter(revision__in=wanted):
        work.reconcile_on_commit(serving)
