# syntax=docker/dockerfile:1

# dojo-relay as a service (the default command), as a hook of secureCodeBox (which passes only URLs as arguments)
# and for every other subcommand. Node 24 runs TypeScript directly: there is nothing to compile.
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No production package needs its install script.
RUN npm ci --omit=dev --ignore-scripts --no-audit && rm -rf /root/.npm

FROM ${NODE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="dojo-relay" \
      org.opencontainers.image.description="Relays secureCodeBox scan results to DefectDojo and brings DefectDojo's verdicts back." \
      org.opencontainers.image.licenses="Apache-2.0"
# Package managers would only help an intruder.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn-* /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg \
    && mkdir -p /app /data /var/cache/dojo-relay \
    && chown 1000:1000 /data /var/cache/dojo-relay \
    && ln -s /app/cli/dojo-relay.mjs /usr/local/bin/dojo-relay
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY lib ./lib
COPY cli ./cli
# The embedded store and queue, without the stand-in DefectDojo and the sample scans.
COPY infra/local/*.ts ./infra/local/
COPY infra/local/s3 ./infra/local/s3
COPY infra/local/sqs ./infra/local/sqs

# A number: Kubernetes' runAsNonRoot cannot verify a name.
USER 1000:1000
# Fills the compile cache while the file system is writable: a hook has 0.4 CPUs and would strip types at every start.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/var/cache/dojo-relay \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/data
RUN ["node", "--input-type=module", "-e", "for (const module of ['/app/cli/main.ts', '/app/cli/hook/run-hook.ts', '@kubernetes/client-node']) await import(module)"]

EXPOSE 8080
# Only the service listens; a hook ends long before the first check.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["dojo-relay"]
CMD ["start"]
