# Stands in for postgres:18 where no image registry is in reach: the same server, from npm's embedded-postgres, whose
# folder is the build context. Behaves as far as compose.yaml uses it.
FROM yourclaw-local/bookworm
COPY . /opt/postgres
RUN useradd --system postgres && install -d -o postgres /var/lib/postgresql \
 && ln -s /opt/postgres/bin/* /usr/local/bin/
RUN printf '%s\n' '#!/bin/sh' 'set -e' 'data=/var/lib/postgresql/18' \
  'if [ ! -e $data/PG_VERSION ]; then' \
  '  echo "$POSTGRES_PASSWORD" >/tmp/password' \
  '  initdb --pgdata=$data --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8' \
  '  rm /tmp/password' \
  '  echo "host all all all scram-sha-256" >>$data/pg_hba.conf' \
  '  echo "CREATE DATABASE $POSTGRES_USER" | postgres --single -D $data postgres' \
  'fi' \
  'exec postgres -D $data -c listen_addresses="*"' >/usr/local/bin/start && chmod +x /usr/local/bin/start
# compose.yaml asks with pg_isready, which the npm package leaves out.
RUN printf '%s\n' '#!/bin/sh' 'exec 3<>/dev/tcp/127.0.0.1/5432' | sed s:/bin/sh:/bin/bash: >/usr/local/bin/pg_isready \
 && chmod +x /usr/local/bin/pg_isready
USER postgres
CMD ["start"]
