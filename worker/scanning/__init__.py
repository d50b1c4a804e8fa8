"""Says what is in a file without ever loading it: the task, and the throw-away process that reads the bytes.

Only `tasks` and `process` belong to the worker; the rest runs confined in the process, and is plain Python.
"""
