#!/usr/bin/env bash
# The main job: a list of pages in a file, crawled, and what was found beside
# it in the database. SITE is the address that the list is relative to.

set -euo pipefail

# A CSV file becomes a table; pages that are in it already stay as they are.
sed "s|^/|$SITE/|" pages.csv | gensql insert pages --create --primary-key url --ignore | sqlpipe

# The pages not seen yet are crawled: a record for each, errors too.
gensql query 'SELECT url FROM pages WHERE seen IS NULL' | sqlpipe |
  crawl --select author=.author --errors-ok > found.jsonl

# What was found becomes a second table, and the first one is marked.
gensql upsert found --key url --create --column url --column status --column title --column author found.jsonl | sqlpipe
gensql query 'UPDATE pages SET seen = 1 WHERE url = :url' found.jsonl | sqlpipe

# Both tables joined.
sqlpipe -f table -e 'SELECT section, status, title, author FROM pages JOIN found USING (url) ORDER BY section, pages.url'
