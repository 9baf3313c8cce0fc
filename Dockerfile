# The service's image: Node, the service, the Pulumi CLI and the Kubernetes provider. No sandbox: that is for
# a machine without a cluster.

FROM golang:1.26-bookworm AS toolchain
COPY --from=node:24-bookworm-slim /usr/local/bin/node /usr/local/bin/node
WORKDIR /build
COPY toolchain/ toolchain/
RUN node toolchain/build.mjs engine --dir /opt/impresario/toolchain

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Install scripts are not needed here: Node is there, and the embedded PostgreSQL is not used.
RUN npm ci --omit=dev --ignore-scripts --no-audit

FROM node:24-bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=toolchain /opt/impresario/toolchain /opt/impresario/toolchain
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY client/ client/
COPY programs/ programs/
COPY src/ src/
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/impresario
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/var/lib/impresario \
    TOOLCHAIN_DIR=/opt/impresario/toolchain \
    NODE_COMPILE_CACHE=/var/lib/impresario/compile-cache
USER node
VOLUME /var/lib/impresario
EXPOSE 8080
# A worker's children are in sessions of their own; tini reaps what they leave.
ENTRYPOINT ["tini", "--", "node", "--max-semi-space-size=2", "src/main.ts"]
CMD ["serve"]
