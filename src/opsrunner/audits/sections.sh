# Stands before every audit's script: POSIX sh, for dash, busybox and bash. It only reads. sections.py reads what it
# writes: each line of data behind a bar, so that nothing a host has (a file's name, say) can pass for a marker.
LC_ALL=C TZ=UTC0 PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL TZ PATH
umask 077

has() { command -v "$1" >/dev/null 2>&1; }

# limited SECONDS COMMAND...: end a command that hangs, where the system can.
if timeout 5 true 2>/dev/null; then limited() { timeout "$@"; }; else limited() { shift; "$@"; }; fi

ops_line_break='
'

# unless WORD: whether the site has not left that out.
unless() { case " $OPS_WITHOUT " in *" $1 "*) return 1 ;; esac; }

# unread_folders PATTERNS: the folders on the way of patterns, one a line, that this account may not look into.
unread_folders() (
  IFS=$ops_line_break
  set -f
  for pattern in $1; do
    base=${pattern%%[*?[]*}; base=${base%/*}
    [ ! -d "$base" ] || [ -r "$base" ] || [ "${pattern#*[*?[]}" = "$pattern" ] || printf 'unread %s\n' "$base"
    while [ -n "$base" ] && [ ! -d "$base" ]; do base=${base%/*}; done
    [ -z "$base" ] || [ -x "$base" ] || printf 'unread %s\n' "$base"
    set +f
    for folder in ${pattern%/*}; do
      [ ! -d "$folder" ] || [ -x "$folder" ] || [ "${folder##*/}" = lost+found ] || printf 'unread %s\n' "$folder"
    done
    set -f
  done
)

# section NAME COMMAND...: what a command writes, and its exit code: 0 looked at, 3 nothing there, 4 no right, 5 no tool.
section() {
  printf '\n=== opsrunner: %s\n' "$1"
  shift
  {
    ops_code=$(
      {
        { "$@" 2>/dev/null </dev/null; echo "$?" >&3; } |
          awk 'NR <= 5000 { print "|" substr($0, 1, 600) } NR == 5001 { print "~" }' >&4
      } 3>&1
    )
  } 4>&1
  printf '=== opsrunner end %s\n' "$ops_code"
}
