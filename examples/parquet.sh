#!/usr/bin/env bash
# A table into a Parquet file, orders.parquet, by DuckDB:
#
#   parquet.sh orders
#
# JSON tells it which values are texts: a code 007 stays one, as it would not in
# CSV, where DuckDB has to guess.

set -euo pipefail

command -v duckdb > /dev/null || { echo 'parquet.sh: duckdb is not installed' >&2; exit 1; }
sqlpipe -e "SELECT * FROM $1" |
  duckdb -c "COPY (FROM read_json('/dev/stdin', format = 'newline_delimited')) TO '$1.parquet.new' (FORMAT parquet)"
mv "$1.parquet.new" "$1.parquet" # only what is whole
