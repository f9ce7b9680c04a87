#!/usr/bin/env bash
# Questions to a database through named pipes: one server keeps the connection
# open, any program that can write a file can ask. Needs the table of
# crawl-pages.sh.

set -euo pipefail

# The server makes the pipes in a directory of its own.
fifomerge serve questions &

# Any number of callers, each gets its own answer.
fifomerge call questions 'SELECT section, COUNT(*) AS pages FROM pages GROUP BY section'

# Without any client: one asker at a time.
echo 'SELECT COUNT(*) AS pages FROM pages;' > questions/query
cat questions/reply

# The end of the server is the end of its pipes.
kill $!
wait $! || true
