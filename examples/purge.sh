#!/usr/bin/env bash
# Old rows of a big table, deleted a few thousand at a time: each DELETE is over
# soon, and locks little.

set -euo pipefail

read -r first last < <(sqlpipe -f tsv --no-header -e 'SELECT MIN(id), MAX(id) FROM log')
gensql ranges log --key id --from "$first" --to "$last" --step 5000 \
  --sql "DELETE FROM log WHERE id >= :lo AND id < :hi AND created < '2024-01-01'" |
  sqlpipe
