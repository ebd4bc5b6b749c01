#!/bin/sh
# backup.sh FOLDER > backup.tar: the data that a Redis or Valkey keeps in its folder, also while it runs and is written to.
# What was acknowledged before it began is in it. Ends with 1 if the server just rewrote its log: then try again.
#
#   sh deploy/backup.sh bots-data > backup.tar                                                      # bots serve
#   docker compose exec -T redis sh -s /data < deploy/backup.sh > backup.tar                        # Compose
#   kubectl --namespace bots exec -i redis-0 -- sh -s /data < deploy/backup.sh > backup.tar         # Kubernetes
#
# docs/how-to/operations.md says how it is put back.
set -eu
cd "$1"
manifest() { cat appendonlydir/*.manifest; }
before=$(manifest)
# Files that grow while they are read are cut where they ended when reading began; servers load such a log.
tar --warning=no-file-changed --create --file - appendonlydir || test $? = 1
test "$before" = "$(manifest)" || {
    echo "the server has rewritten its log meanwhile: try again" >&2
    exit 1
}
