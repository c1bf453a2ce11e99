# syntax=docker/dockerfile:1
# The monitor, and nothing that builds or installs: dependencies by hash, no shell needed, nobody's user, a read-only root.
#
# The base by its digest, so that the same commit gives the same image; Renovate (renovate.json) proposes each newer one. By hand:
# `docker buildx imagetools inspect python:3.13-slim` shows it. Another base: `--build-arg PYTHON_IMAGE=…` with Python 3.11 or newer.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON_IMAGE} AS build
# `slack-socket`: with what buttons in Slack need (docs/slack-buttons.md).
ARG LOCK=runtime
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
WORKDIR /src
RUN python3 -m venv /opt/trace-monitor && python3 -m venv /opt/build
COPY requirements/ requirements/
RUN /opt/trace-monitor/bin/pip install --no-deps --only-binary :all: --require-hashes -r "requirements/${LOCK}.txt" \
 && /opt/build/bin/pip install --no-deps --only-binary :all: --require-hashes -r requirements/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY monitor/ monitor/
# The root file system is read-only at run time, so bytecode is made here, and is not compared with its source's date again.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/trace-monitor/bin/pip install --no-deps --no-index /dist/*.whl \
 && /opt/trace-monitor/bin/pip uninstall --yes pip \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/trace-monitor/lib

FROM ${PYTHON_IMAGE}
RUN install --directory --owner=65532 --group=65532 /data
COPY --from=build /opt/trace-monitor /opt/trace-monitor
ENV PATH=/opt/trace-monitor/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TRACE_MONITOR_SERVER__HOST=0.0.0.0 \
    TRACE_MONITOR_STATE__PATH=/data/trace-monitor.db
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 9797
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["trace-monitor", "healthcheck"]
ENTRYPOINT ["trace-monitor"]
CMD ["run"]
# Labels come last: what changes with each build makes nothing else anew. deploy/image/arguments.sh knows their values; source and
# documentation are added there where the address of the repository is known.
ARG PYTHON_IMAGE
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="gateway-trace-monitor" \
      org.opencontainers.image.description="Proves that the traces of a TrueFoundry AI Gateway really arrive in Traceloop" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
