# Marquee in a container. From this folder:
#
#     docker build -t marquee .
#     docker run -p 8501:8501 -v marquee:/data -e MARQUEE_API_KEY="$(openssl rand -hex 32)" marquee
#
# On a computer with an ARM processor add --platform linux/amd64 to both: pysqlite3 has no wheel for Linux on ARM.
#
# It listens on every address of the container, so it starts only with a key. --build-arg DEMO= leaves the demo ratings,
# which are GPL-3, out of the image.

FROM python:3.11-slim-bookworm AS build
ARG DEMO=yes
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The compiler is for scikit-surprise. Its version does not reach the image that runs.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/marquee
COPY requirements.txt requirements-build.txt requirements-demo.txt ./
RUN python -m venv .venv \
    && .venv/bin/pip install --require-hashes --no-build-isolation -r requirements-build.txt \
    && .venv/bin/pip install --require-hashes --no-build-isolation -r requirements.txt ${DEMO:+-r requirements-demo.txt} \
    && .venv/bin/pip uninstall --yes Cython setuptools pip

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin marquee \
    && install -d -o marquee -g marquee -m 0700 /data
WORKDIR /opt/marquee
COPY --from=build /opt/marquee/.venv .venv
COPY app.py hyperparameters.toml LICENSE ./
COPY .streamlit .streamlit
COPY cluster cluster
COPY engine engine
COPY pages pages
COPY sidecar sidecar
COPY store store
ENV PATH=/opt/marquee/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    NUMBA_CACHE_DIR=/data/compiled \
    MARQUEE_DATABASE_URL=sqlite:////data/marquee.db \
    MARQUEE_HOST=0.0.0.0 \
    MARQUEE_PORT=8501 \
    MARQUEE_LOG_FORMAT=json
USER 10001
VOLUME /data
EXPOSE 8501
# Alive, not ready: an empty store is no reason to start again. A balancer asks /api/health/ready.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"MARQUEE_PORT\"]}/api/health/live', timeout=4)"]
# The process itself gets SIGTERM, and ends within ten seconds or so: docker stop --time 60
STOPSIGNAL SIGTERM
CMD ["python", "app.py"]
