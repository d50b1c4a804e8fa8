"""What is refused of topics, each with a code for programs and a sentence for people."""

from serving.errors import ServingError


class NoSuchTopic(ServingError):
    code = "not_found"
    status = 404


class TopicTaken(ServingError):
    code = "name_taken"
    status = 409


class TopicInUse(ServingError):
    code = "topic_in_use"
    status = 409


class TopicIsLog(ServingError):
    code = "topic_is_log"
    status = 409


class MessagesNotKept(ServingError):
    code = "messages_not_kept"
    status = 503
