# The packages of a lock, installed by hash into /opt/environment; only images of environments are made of it.
ARG TOOLS
FROM ${TOOLS}
COPY lock.txt surrounding[s].json certificate[s].pem /build/
RUN ["python3", "/build/builder.py", "packages", "/build/lock.txt"]
