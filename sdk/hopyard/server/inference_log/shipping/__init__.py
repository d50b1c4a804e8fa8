"""The shipper: the child process that delivers a server's inference records. `link.py` has the contract between both.

`__main__` is the process, `intake` the socket, `orders` what it was told, `preparing` makes a value of each record,
`delivery` decides between the sink and the spill, `reporting` says in the log what happens to records.
"""
