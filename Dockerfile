# The harness as an image, made from its wheel.
#   docker build -t harness .
#   docker build -t harness --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .    for CUDA
#   docker run --rm -v "$PWD/runs:/work/runs" harness run --suite video_hard --agent random
# The two scripts below do all the work, so that it can be tried without Docker: tests/test_image.py does.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN sh docker/build_wheel.sh python /source /wheels

FROM python:${PYTHON}-slim-bookworm
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheels /wheels
COPY docker/install.sh requirements.lock /
RUN sh /install.sh python /wheels /requirements.lock "$TORCH_INDEX"
ENV MUJOCO_GL=egl
WORKDIR /work
ENTRYPOINT ["harness"]
