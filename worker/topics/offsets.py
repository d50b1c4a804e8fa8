"""What is known of how far groups have read the files of topics, and what is forgotten of it."""

from serving.models import TopicOffset


def of_topic(name: str) -> list[TopicOffset]:
    """Those of its files. SQLite would take a topic whose name has other capitals for the same."""
    prefix = f"{name}/"
    found = TopicOffset.objects.filter(path__startswith=prefix)
    return [each for each in found if each.path.startswith(prefix)]


def forget_topic(name: str) -> None:
    TopicOffset.objects.filter(pk__in=[each.pk for each in of_topic(name)]).delete()


def forget_file(path: str) -> None:
    """One of this name may be begun anew, and is read from its beginning then."""
    TopicOffset.objects.filter(path=path).delete()
