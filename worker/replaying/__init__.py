"""Makes replays: a throw-away replica of the revision is asked the recorded calls, one after the other."""
