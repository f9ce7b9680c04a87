#!/usr/bin/env bash
# A job for cron: pages seen more than a day ago are looked at again, and the
# table has what is new. It can be killed at any time and run again. SITE is the
# address that the list is relative to.

set -euo pipefail

# One run at a time: who comes while another is at it leaves.
exec 9> recrawl.lock
flock -n 9 || exit 0

# What is to be watched. Pages that are in the table already stay as they are.
sqlpipe -e 'CREATE TABLE IF NOT EXISTS watched (url VARCHAR(250) PRIMARY KEY, status INT, title TEXT, author TEXT, fetched_at VARCHAR(30))'
sed "s|^/|$SITE/|" pages.csv | gensql insert watched --column url --ignore | sqlpipe

# A list that was begun is done first. A new one appears whole or not at all.
if ! [ -e stale.jsonl ]; then
  gensql query 'SELECT url FROM watched WHERE fetched_at IS NULL OR fetched_at < :time' --param "time=${STALE:-$(date -u -d yesterday +%FT%TZ)}" | sqlpipe > stale.new
  mv stale.new stale.jsonl
fi

# What the site says has not changed is not sent again. Whatever stopped the last
# run, only what its output lacks is fetched.
crawl --cache pages.cache -o fresh.jsonl --resume --select author=.author --errors-ok stale.jsonl

# A row is there once, however often it is written.
gensql upsert watched --key url --column url --column status --column title --column author --column fetched_at fresh.jsonl | sqlpipe
rm fresh.jsonl stale.jsonl
