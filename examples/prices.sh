#!/usr/bin/env bash
# A table on a page into a table in the database: a record for each row of it, a
# field for each --select, and the numbers as numbers.

set -euo pipefail

echo "$SITE/prices.html" |
  crawl --each '#prices tbody tr' --select sku=@data-sku --select pipe=a --select price=.price --select stock='td:last-child' |
  jq -c '.price |= gsub("[^0-9.]"; "") | {sku, pipe, price, stock, seen: .fetched_at}' |
  gensql upsert prices --key sku --create --types price=decimal --types stock=int --types seen=datetime |
  sqlpipe
sqlpipe -f table -e 'SELECT sku, pipe, price, stock FROM prices ORDER BY sku'
