#!/usr/bin/env bash
# A folder for CSV files that become rows of a table. Whoever puts a file there
# writes its name to the pipe "queue":
#
#   cp orders.csv incoming/ && echo incoming/orders.csv > queue
#
# A file is loaded whole and goes to incoming/done, or is not loaded at all and
# goes to incoming/failed. SIGTERM to fifomerge ends it when the queue is empty.

set -uo pipefail
mkdir -p incoming/done incoming/failed

# The pipe stays open while writers come and go, and no name is torn.
fifomerge merge queue | while IFS= read -r file; do
  if gensql insert orders --create --header "$file" | sqlpipe --transaction --require-trailer; then
    mv "$file" incoming/done
  else
    mv "$file" incoming/failed
  fi
done
