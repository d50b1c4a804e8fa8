"""Does what somebody asked for on a page, and says there what came of it."""

from collections.abc import Callable

from django.contrib import messages

from accounts.pages import PageRequest
from serving.errors import ServingError


def do(request: PageRequest, said: str, act: Callable[[], object]) -> None:
    """The next page says `said`, or why it was refused."""
    try:
        act()
    except ServingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
