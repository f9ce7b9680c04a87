#!/usr/bin/env bash
# One list, crawled by any number of machines, through a message broker:
#
#   crawl-machines.sh send      pages that the table has no status of: into the queue
#   crawl-machines.sh work      on each machine: fetch what is in the queue
#   crawl-machines.sh collect   what was fetched: into the table
#   crawl-machines.sh again     the dead letters: into the queue once more
#
# QUEUE is where, such as nats://broker/crawl or kafka://broker/crawl. What follows
# the verb are flags for relay; --idle 1m ends it when nothing has come for so long.
# Each may be killed at any time and started again: it may do something twice, and
# leaves nothing out.

set -euo pipefail

verb=$1
shift
case $verb in
  send)
    gensql query 'SELECT url FROM pages WHERE status IS NULL' | sqlpipe |
      relay to "$@" "$QUEUE.urls"
    ;;

  # --errors-ok: a page that is not there is a result, and no reason to fetch those
  # beside it once more. But if not one could be had, and each might be later, the
  # fault is on this side: 75 has all of them wait and tried again.
  work)
    # shellcheck disable=SC2016 # awk's
    exec relay work --group crawlers --batch 200 --tries 4 --backoff 10s --to "$QUEUE.pages" --dead "$QUEUE.dead" "$@" "$QUEUE.urls" -- \
      bash -o pipefail -c 'crawl -j 100 --select author=.author --errors-ok |
        awk '\''/"retryable":true/ { failed++ } { print }
          END { if (failed == NR) { print "not one page could be had" > "/dev/stderr"; exit 75 } }'\'
    ;;

  # A page is done when the database has its row, which is there once, however often
  # it is written. With status 0 nothing is left to do.
  collect)
    exec relay work --group table --batch 1000 "$@" "$QUEUE.pages" -- \
      bash -o pipefail -c 'gensql upsert pages --key url --column url --column status --column title --column author | sqlpipe'
    ;;

  again) exec relay work --idle 1s --to "$QUEUE.urls" "$@" "$QUEUE.dead" -- jq -r .input ;;

  *) echo "usage: $0 send|work|collect|again" >&2; exit 2 ;;
esac
