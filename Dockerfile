# One image for every process; the command chooses which. Built in two steps, so that what runs holds no compiler.
ARG NODE_VERSION=22

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# With the optional packages here: the compiler's platform binary is one of them.
RUN npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.pressebud-lock
COPY tsconfig.json tsconfig.build.json ./
COPY services services
COPY workers workers
COPY shared shared
COPY test test
RUN node services/standalone/prepare.mjs && rm -rf dist/test

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json LICENSE ./
# Without the optional packages: the embedded PostgreSQL is for `npm start`, not for here.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY --from=build /app/dist dist
# A volume put here belongs to whom the folder does.
RUN mkdir -p /var/lib/pressebud/hand-over && chown -R node:node /var/lib/pressebud
USER node
# In a container the door of the container is the door of the process; what is published decides who comes near.
ENV HOST=0.0.0.0 OPS_HOST=0.0.0.0
EXPOSE 3000 3001
# Node itself is the first process: each main.ts takes SIGTERM, finishes the letters under way and ends.
STOPSIGNAL SIGTERM
# For the api, which is what the image runs unless told otherwise; docker-compose.yml has one for each service.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/services/api/main.js"]
