# syntax=docker/dockerfile:1
# Targets: api, worker-cpu, worker-gpu. Everything that is installed is pinned with hashes.

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 10001 --create-home lth

FROM base AS wheel
WORKDIR /source
COPY requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY packages packages
COPY lth lth
COPY service service
COPY worker worker
COPY migrations migrations
RUN python -m hatchling build --target wheel --directory /wheel \
    && cd packages/lth-service && python -m hatchling build --target wheel --directory /wheel

FROM base AS api
RUN --mount=type=bind,source=requirements/service.txt,target=/service.txt \
    pip install --require-hashes -r /service.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl
USER lth
# matplotlib looks for fonts once: here, and not while somebody waits for the first picture.
RUN python -c "import matplotlib.font_manager"
EXPOSE 8000
CMD ["lth", "api", "--host", "0.0.0.0"]

FROM base AS worker-cpu
RUN --mount=type=bind,source=requirements/worker.txt,target=/worker.txt \
    pip install --require-hashes -r /worker.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl
USER lth
CMD ["lth", "worker"]

# TensorFlow's CUDA libraries come as wheels; the host needs NVIDIA's driver and container toolkit.
FROM base AS worker-gpu
RUN --mount=type=bind,source=requirements/gpu.txt,target=/gpu.txt \
    pip install --require-hashes -r /gpu.txt
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel pip install --no-deps /wheel/*.whl
USER lth
CMD ["lth", "worker"]
