#!/usr/bin/env bash
# The broken links of a site: each page and file that it links to, on the same host
# and below the start, is fetched once; what could not be had is shown:
#
#   check-links.sh https://example.com/
#
# The status is 3 if there are any.

set -euo pipefail

echo "$1" | crawl --depth 20 --scope prefix --fields parent --fields url --fields error |
  jq -r 'select(.error) | [.parent // "the start", .url, .error.message] | @tsv'
