"""What the tests of redaction hide, and how."""

import json

from hopyard.server.inference_log.redaction import Redaction

EMAIL = r"[\w.+-]+@[\w-]+\.\w+"
TOKEN = "s3cr3t-VALUE"


def redacted(document, *rules, salt="", error=None):
    """The inputs that are kept of this document, as a value."""
    kept = Redaction.of(rules, salt).kept(json.dumps(document).encode(), b"", error)
    return json.loads(kept.inputs.text)
