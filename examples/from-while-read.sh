#!/usr/bin/env bash
# What was a loop that reads the output of mysql and calls it again for each row,
#
#   mysql -BN -e 'SELECT id, email FROM customers' | while IFS=$'\t' read -r id email; do
#     mysql -e "UPDATE customers SET email = '${email,,}' WHERE id = $id"
#   done
#
# is one pipe with two connections. An O'Brien cannot end a string, NULL is not the
# text NULL, and what goes wrong is a status.

set -euo pipefail

sqlpipe -e 'SELECT id, email FROM customers WHERE email IS NOT NULL' |
  jq -c '.email |= ascii_downcase' |
  gensql update customers --key id |
  sqlpipe
