# Tidings in a container. How to use it stands in docs/operating.md, "In a container".

FROM debian:bookworm-slim AS built
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
# As in the Makefile: hnswlib is to run on other processors than the one that it was built on.
ENV HNSWLIB_NO_NATIVE=1
WORKDIR /source
RUN python3 -m venv /opt/tidings
COPY .ci/install.py requirements.lock ./
RUN /opt/tidings/bin/python install.py requirements.lock
COPY . .
RUN /opt/tidings/bin/pip install --no-deps --no-build-isolation --no-cache-dir .

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libstdc++6 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 7447 tidings \
    && useradd --system --uid 7447 --gid tidings --home-dir /data tidings \
    && install --directory --owner=tidings --group=tidings --mode=0700 /data
COPY --from=built /opt/tidings /opt/tidings
# No key, no password and no settings are in the image: the first start makes them in the volume.
ENV PATH=/opt/tidings/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDINGS_SERVER_DATA=/data \
    TIDINGS_SERVER_LISTEN=0.0.0.0:7447
USER tidings
WORKDIR /data
VOLUME /data
EXPOSE 7447
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7447/health', timeout=10)"]
CMD ["tidings", "serve"]
