# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The dependencies first: they change less often than the code, and their layer is kept.
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/headwater \
 && /opt/headwater/bin/pip install --require-hashes -r requirements.lock

# The build tool comes with a hash too, from the developers' lock; this stage is thrown away.
RUN pip install --require-hashes -r requirements-dev.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/headwater/bin/pip install --no-deps dist/headwater-*.whl

FROM python:3.11-slim
ENV PATH=/opt/headwater/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/headwater headwater
COPY --from=build /opt/headwater /opt/headwater
USER headwater
WORKDIR /var/lib/headwater
# Only `headwater run` and `headwater alerts deliver` listen. A process that stalls exits by itself; this
# is for those who look on.
ENV HEADWATER_HTTP=0.0.0.0:9464
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['HEADWATER_HTTP'].rpartition(':')[2] + '/healthz', timeout=4)"]
ENTRYPOINT ["headwater"]
CMD ["--help"]
