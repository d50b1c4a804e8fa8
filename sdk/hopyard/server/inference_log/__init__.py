"""The inference log: what was asked and answered, on its way to a topic, in nobody's way.

`records` is what the serving process keeps of a call, `log` gathers it, `link` hands it to the shipper, a child
process. The rest runs there: `shipping` is the process, `redaction` and `bodies` decide what is kept, `encoding` writes
it, `sinks` deliver it, and `spill` has what a sink that is away could not take.
"""
