# How a host stands open: ports, SSH settings, accounts, root's logins, web roots. No root, no agent; what this account
# may not read is told as such. OPS_WEB_ROOTS: the patterns of web roots, one a line, instead of the usual ones;
# OPS_WEB_ROOTS_SECONDS: how long all of them may take; OPS_LOGIN_DAYS: how far back logins are looked at.
# OPS_WITHOUT: what is left out, words with blanks between.

WEB_ROOTS_SECONDS=${OPS_WEB_ROOTS_SECONDS:-240}
LOGIN_DAYS=${OPS_LOGIN_DAYS:-7}
MOST_WEB_ROOTS=2000

# What the kernel says where there is no `ss`: local address, state, by file.
sockets_of_kernel() {
  [ -r /proc/net/tcp ] || return 4
  for file in tcp tcp6 udp udp6; do
    [ ! -r "/proc/net/$file" ] ||
      awk -v file="$file" 'FNR > 1 && ($4 == "0A" || file ~ /^udp/ && $4 == "07") { print file, $2 }' "/proc/net/$file"
  done
}

ports() {
  printf 'range %s\n' "$(cat /proc/sys/net/ipv4/ip_local_port_range)"
  if has ss && listening=$(limited 20 ss -lntup); then printf '%s\n' "$listening" | sed 's/^/ss /'; else sockets_of_kernel; fi
}

# Settings as the server says them; it needs its keys for that, so root. Else, and for the Match blocks, its files.
ssh_settings() {
  settings='challengeresponseauthentication|gatewayports|hostbasedauthentication|ignorerhosts'
  settings="$settings|kbdinteractiveauthentication|passwordauthentication|permitemptypasswords|permitrootlogin"
  settings="$settings|permituserenvironment|protocol|strictmodes|usepam|x11forwarding"
  has sshd || [ -e /etc/ssh/sshd_config ] || return 3
  if has sshd && effective=$(limited 10 "$(command -v sshd)" -T); then
    printf '%s\n' "$effective" | grep -iE "^($settings) " | sed 's/^/effective /'
  fi
  for file in /etc/ssh/sshd_config $(included /etc/ssh/sshd_config); do
    [ -e "$file" ] || continue
    printf 'file %s\n' "$file"
    if [ -r "$file" ]; then
      grep -iE "^[[:space:]]*($settings|include|match)([[:space:]]|=)" "$file" | sed 's/^[[:space:]]*/says /'
    else
      echo unread
    fi
  done
  return 0
}

included() {
  [ ! -d /etc/ssh/sshd_config.d ] || echo '/etc/ssh/sshd_config.d/*.conf'
  awk 'tolower($1) == "include" { for (i = 2; i <= NF; i++) print ($i ~ /^\// ? $i : "/etc/ssh/" $i) }' "$1" |
    grep -vxF '/etc/ssh/sshd_config.d/*.conf'
}

accounts() { awk -F: '$3 == 0 && $3 != "" { print $1, $7 }' /etc/passwd; }

# An empty field in /etc/passwd counts before all that /etc/shadow says; `+` and `-` are no accounts.
empty_passwords() {
  awk -F: 'NF > 2 && $2 == "" && $1 !~ /^[+-]/ { print $1 }' /etc/passwd || return
  [ -e /etc/shadow ] || return 3
  [ -r /etc/shadow ] || return 4
  awk -F: 'NF > 2 && $2 == "" { print $1 }' /etc/shadow
}

# Sessions with a terminal of the last days, by source and day: `COUNT root TTY SOURCE DATE`, the latest of each.
root_sessions() {
  has last || return 5
  file=/var/log/wtmp
  [ -e "$file" ] || return 3
  [ -r "$file" ] || return 4
  listed=$(limited 20 last -F -w root) || return 5  # that of busybox tells no year
  since=$(date -d "@$(($(date +%s) - (LOGIN_DAYS + 1) * 86400))" +%Y%m%d)
  printf '%s\n' "$listed" | awk -v since="$since" '
    $1 != "root" { next }
    {
      for (at = 3; at < NF && $at !~ /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)$/; at++) { }
      day = $(at + 4) * 10000 + (index("JanFebMarAprMayJunJulAugSepOctNovDec", $(at + 1)) + 2) / 3 * 100 + $(at + 2)
      if (day < since) next
      key = (at > 3 ? $3 : "") " " day
      if (!count[key]++) {
        first[key] = $1
        for (i = 2; i <= at + 4; i++) first[key] = first[key] " " $i
      }
    }
    END { for (key in count) print count[key], first[key] }'
}

# What the SSH server wrote of accepted logins, by way, source and day: `WORD COUNT LINE`, the last line of each.
accepted_by_day() {
  awk -v word="$1" '
    !/sshd.*: Accepted [^ ]+ for root from / { next }
    {
      match($0, /Accepted [^ ]+ for root from [^ ]+/)
      key = substr($0, 1, /^[0-9]/ ? 10 : 6) substr($0, RSTART, RLENGTH)
      count[key]++
      last[key] = $0
    }
    END { for (key in count) print word, count[key], last[key] }'
}

accepted_logins() {
  [ "$(id -u)" != 0 ] || printf 'own %s\n' "${SSH_CONNECTION%% *}"
  if has journalctl; then
    for journal in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do
      [ -r "$journal" ] || continue
      limited 60 journalctl -q --no-pager -o short-iso --since "-${LOGIN_DAYS}d" -t sshd -t sshd-session |
        accepted_by_day journal
      return 0
    done
  fi
  result=3
  for log in /var/log/auth.log /var/log/secure /var/log/messages; do
    [ -e "$log" ] || continue
    [ -r "$log" ] || { result=4; continue; }
    for file in "$log.1" "$log"; do
      [ ! -r "$file" ] || accepted_by_day log <"$file"
    done
    return 0
  done
  for journal in /var/log/journal/* /run/log/journal/*; do
    [ ! -d "$journal" ] || { [ -r "$journal" ] && [ ! -e "$journal/system.journal" ]; } || result=4
  done
  return "$result"
}

# Every web root with what anyone may write there: how many, and the first names.
world_writable() {
  patterns=${OPS_WEB_ROOTS:-/var/www$ops_line_break/home/*/public_html}
  until=$(($(date +%s) + WEB_ROOTS_SECONDS))
  count=0
  unread_folders "$patterns" | sort -u
  IFS=$ops_line_break
  for root in $patterns; do
    [ -d "$root" ] && [ ! -L "$root" ] || continue
    count=$((count + 1))
    left=$((until - $(date +%s)))
    if [ "$count" -gt "$MOST_WEB_ROOTS" ] || [ "$left" -le 0 ]; then echo more; break; fi
    printf 'root %s\n' "$root"
    {
      limited "$left" nice -n 19 find "$root" -xdev -maxdepth 8 -perm -0002 ! -type l -print 2>&1
      [ "$?" != 124 ] || echo 'find: stopped'
    } | awk '
      /^find: stopped$/ { stopped = 1; next }
      /^find: / { if (/[Pp]ermission denied/) denied++; next }  # what is removed meanwhile is no matter
      /^\// { if (++count <= 5) print "writable", substr($0, 1, 200) }
      END { print "count", count + 0, denied + 0, stopped + 0 }'
  done
  return 0
}

unless port && section ports ports
unless ssh-setting && section ssh-settings ssh_settings
unless root-account && section accounts accounts
unless empty-password && section empty-passwords empty_passwords
unless root-login && section root-sessions root_sessions
unless root-login && section accepted-logins accepted_logins
unless world-writable && section world-writable world_writable
