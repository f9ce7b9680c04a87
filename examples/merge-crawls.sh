#!/usr/bin/env bash
# Two crawls at once, each into a named pipe of its own, merged into one named
# pipe and from there into the database. Needs the table of crawl-pages.sh.

set -euo pipefail

# fifomerge joins the two pipes, a whole record at a time.
mkfifo kernel.fifo web.fifo merged.fifo
fifomerge merge --once -o merged.fifo kernel.fifo web.fifo &
gensql upsert merged --key url --create --column url --column title < merged.fifo | sqlpipe &

# The crawls know nothing of it: they write to a file.
gensql query "SELECT url FROM pages WHERE section = 'kernel'" | sqlpipe | crawl > kernel.fifo &
gensql query "SELECT url FROM pages WHERE section = 'web'" | sqlpipe | crawl --errors-ok > web.fifo &
wait

sqlpipe -f table -e 'SELECT title FROM merged ORDER BY url'
rm kernel.fifo web.fifo merged.fifo
