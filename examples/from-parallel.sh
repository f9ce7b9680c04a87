#!/usr/bin/env bash
# What was parallel with curl and a parser of HTML,
#
#   parallel -j 8 'curl -s {} | pup "title text{}"' :::: urls.txt
#
# knows which title is whose, waits between two requests to a host, and says what
# it could not fetch; and what was parallel for the sake of whole lines,
#
#   parallel --line-buffer ::: './count a' './count b'
#
# takes lines of any length.

set -euo pipefail

crawl -j 8 -f tsv --fields url --fields title urls.txt
fifomerge run -- './count a' './count b'
