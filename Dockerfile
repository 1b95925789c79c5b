# One node of Muster. Build: docker build -t muster . Run: docker compose up, then open
# http://localhost:6001/. The image brings no configuration of its own but the demo's: mount
# one as /etc/muster/muster.cfg, or set MUSTER_… variables.
FROM debian:bookworm-slim AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends \
        make gcc libc6-dev pkg-config libwebsockets-dev libwebsockets-evlib-ev \
        libjansson-dev libssl-dev libconfig-dev libev-dev libcurl4-openssl-dev \
        libhiredis-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make -j"$(nproc)" && strip build/muster

FROM debian:bookworm-slim
# libwebsockets loads its libev plugin at run time; no package depends on it.
RUN apt-get update && apt-get install -y --no-install-recommends \
        libwebsockets17 libwebsockets-evlib-ev libjansson4 libconfig9 libev4 libssl3 \
        libcurl4 libhiredis0.14 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --shell /usr/sbin/nologin muster
COPY --from=build /src/build/muster /usr/local/bin/muster
COPY --from=build /src/conf/demo.cfg /usr/share/muster/demo.cfg
USER muster
# Inside a container the loopback address would be the container's own.
ENV MUSTER_HOST=0.0.0.0
EXPOSE 6001
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${MUSTER_PORT:-6001} && printf 'GET %s/up HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' \"${MUSTER_PATH_PREFIX:-}\" >&3 && read -r status <&3 && [[ $status == HTTP/1.1* && $status != *' 503 '* ]]"]
ENTRYPOINT ["muster"]
