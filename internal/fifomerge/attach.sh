# shellcheck shell=sh disable=SC2154
# What a shell evaluates to ask, behind lines that set
# fifoq_query, fifoq_reply, fifoq_door and fifoq_hello. Descriptors 8 and 9 are
# the session: the shell could not write to a pipe that nobody reads without
# being killed, so it has 8 open for reading as well.

# fifoq_answer waits for an answer: its rows go to $REPLY, its last line to
# $fifoq_line. Shells read a pipe byte by byte, but some can take the whole
# answer at once; for them it ends in NUL.
case ${BASH_VERSION-}${ZSH_VERSION-} in
?*)
  fifoq_hello="$fifoq_hello&end=nul"
  fifoq_answer() {
    # shellcheck disable=SC3045 # bash and zsh have -d and -u
    IFS= read -r -u9 -d '' "$@" REPLY || return
    fifoq_line=${REPLY##*'
'}
    REPLY=${REPLY%"$fifoq_line"}
    REPLY=${REPLY%?}
  }
  ;;
*)
  fifoq_answer() {
    REPLY=''
    while IFS= read -r fifoq_line; do
      case $fifoq_line in
      '. '*)
        REPLY=${REPLY%?}
        return
        ;;
      .*) fifoq_line=${fifoq_line#.} ;;
      esac
      REPLY=$REPLY$fifoq_line'
'
    done <&9
    return 1
  }
  ;;
esac

# fifoq SQL: the answer in $REPLY, its status in $?.
fifoq() {
  if [ "$fifoq_state" != open ]; then # interrupted, or ended: the rest of an answer may be there
    exec 8>&- 9<&-
    REPLY='fifoq: the session has ended, "fifomerge attach" begins another'
    return 1
  fi
  fifoq_state=asking
  if [ "${#1}" -lt 1000 ]; then # one write
    printf '%s\0' "$1" >&8
  else # more than a pipe may hold: the server must read, or be seen to be gone
    (
      exec 7>/proc/self/fd/8 8>&- 9<&-
      printf '%s\0' "$1" >&7 2>/dev/null &
    )
  fi
  if fifoq_answer; then
    fifoq_state=open
    fifoq_line=${fifoq_line#. }
    [ "$fifoq_line" != 0 ] || return 0
    REPLY=${fifoq_line#*	}
    REPLY=${REPLY%%	*}
    return "${fifoq_line%%	*}"
  fi
  exec 8>&- 9<&-
  fifoq_state=ended
  REPLY='fifoq: the server is gone; what became of the query is unknown'
  return 1
}

fifoq_state=ended
if [ -p "$fifoq_query" ] && [ -p "$fifoq_reply" ] && [ -p "$fifoq_door" ]; then
  # 7 keeps the reply from looking left until the server has come.
  {
    exec 8<>"$fifoq_query" 9<"$fifoq_reply"
    printf '\n%s\n' "$fifoq_hello" 1<>"$fifoq_door"
    fifoq_line=''
    fifoq_answer ${BASH_VERSION:+-t10} ${ZSH_VERSION:+-t10} || :
  } 7<>"$fifoq_reply"
  case $fifoq_line in
  '. 0') fifoq_state=open ;;
  *) printf 'fifoq: %s\n' "${fifoq_line:-the server does not answer}" >&2 ;;
  esac
else
  printf 'fifoq: %s: the server is gone\n' "$fifoq_door" >&2
fi
[ "$fifoq_state" = open ]
