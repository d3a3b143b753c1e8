# Stands in for caddy:2 where no image registry is in reach: Debian's package.
FROM yourclaw-local/bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends caddy && rm -rf /var/lib/apt/lists/*
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
