"""Nothing that a rule of redaction is about leaves a replica, whatever its body looks like."""
