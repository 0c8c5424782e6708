# nfd with MPI, and kernels compiled by NVRTC:
#
#   docker build -t nfd .
#   docker run --rm -v "$PWD:/data" nfd run job.json            # run directories in ./runs
#   docker run --rm --gpus all -v "$PWD:/data" nfd run job.json --backend cuda
#
# The driver of a GPU comes from outside. On a cluster: jobs/nfd.def.

FROM rust:1-bookworm AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends libclang1 libopenmpi-dev openmpi-bin python3-pip \
  && rm -rf /var/lib/apt/lists/*
RUN python3 -m pip install --no-deps --target /opt/nvrtc nvidia-cuda-nvrtc-cu12==12.9.86
ENV NFD_NVRTC=/opt/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.12
WORKDIR /src
COPY . .
RUN jobs/build-mpi.sh

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends openmpi-bin \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/nfd /usr/local/bin/nfd
WORKDIR /data
RUN nfd doctor
ENTRYPOINT ["nfd"]
