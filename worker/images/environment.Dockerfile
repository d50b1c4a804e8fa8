# The base with the packages of a lock instead of its own. They must let the model server be imported; their own
# start-up code is not run for that.
ARG PACKAGES
ARG SERVER
FROM ${PACKAGES} AS packages
FROM ${SERVER}
USER root
RUN ["rm", "-rf", "/opt/environment"]
COPY --from=packages /opt/environment /opt/environment
USER 10001:10001
RUN ["python3", "-I", "-S", "-c", "import glob, sys; sys.path[:0] = ['/opt/hopyard', *glob.glob('/opt/environment/lib/python*/site-packages')]; import hopyard.server.lifecycle"]
