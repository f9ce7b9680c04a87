#!/usr/bin/env bash
# A table of one database into another, of whatever kind both are:
#
#   FROM=mysql://me@old/shop TO=sqlite:shop.db copy-table.sh orders
#
# Passwords may stand in FROM and TO: an environment is its user's own.

set -euo pipefail

PIPEWORKS_DB=$FROM sqlpipe -e "SELECT * FROM $1" |
  PIPEWORKS_DB=$TO gensql insert "$1" --create |
  PIPEWORKS_DB=$TO sqlpipe
