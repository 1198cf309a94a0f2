# The operator's image: non-root, works with a read-only root file system (only /tmp is written, if at all).
#
#   docker build -t tierwise:0.2.0 .
#   docker build -t tierwise:0.2.0 --build-arg BASE_IMAGE=<any image with python3 >= 3.11 and its venv> .
#
# Pin the base image by digest where you publish: --build-arg BASE_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Dependencies first: this layer changes only with the lock file. Every package is checked against its hash.
COPY requirements/operator.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/tierwise \
 && /opt/tierwise/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/operator.txt
RUN python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/tierwise/bin/python -m pip install --no-deps --no-index /wheels/*.whl \
 && /opt/tierwise/bin/python -m pip uninstall --yes pip \
 && /opt/tierwise/bin/tierwise --help > /dev/null

FROM ${BASE_IMAGE}
COPY --from=build /opt/tierwise /opt/tierwise
ENV PATH=/opt/tierwise/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 9090
ENTRYPOINT ["tierwise"]
CMD ["operator", "--health", "8080", "--metrics", "9090", "--bind", "0.0.0.0"]
