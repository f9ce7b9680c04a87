#!/usr/bin/env bash
# What was csvsql, to load a file and to ask one,
#
#   csvsql --db mysql://localhost/shop --insert people.csv
#   csvsql --query 'SELECT name FROM people WHERE shoe > 40' people.csv
#
# does not read the file into memory first. The second database is gone when it
# has answered.

set -euo pipefail

gensql insert people --create people.csv | sqlpipe --transaction

export PIPEWORKS_DB=sqlite::memory:
{
  gensql insert people --create people.csv
  echo 'SELECT name FROM people WHERE shoe > 40;'
} | sqlpipe -f csv
