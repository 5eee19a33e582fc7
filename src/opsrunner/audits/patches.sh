# What a host knows about its own patches. Reads only: no root, no network, nothing is written or refreshed.
# Each part stands between "@name" and "@name EXIT LINES"; every line of it begins with a blank, so that no text of
# the host passes for a mark. What comes before "@begin", and after "@end", is not ours.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

part() {
  echo "@$1"
  { "look_$1"; printf '\n%s\n' "$?"; } 2>/dev/null | awk -v name="$1" '
    $0 == "" { next }
    { if (lines++) print " " last; last = substr($0, 1, 600) }
    END { print "@" name " " last " " lines - 1 }'
}
# wants CAUSE: whether the site asks for it; without OPS_CAUSES it asks for all.
wants() { case " ${OPS_CAUSES:-$1} " in *" $1 "*) ;; *) return 1 ;; esac; }
has() { command -v "$1" >/dev/null 2>&1; }
stamps() { stat -c '%Y %n' "$@" | sort -rn | head -n 1 | sed 's/^/stamp /'; }

look_system() {
  echo "kernel $(uname -s) $(uname -r)"
  echo "build $(uname -v)"
  echo "user $(id -u)"
  grep -hE '^(ID|ID_LIKE|NAME|PRETTY_NAME|VERSION_ID)=' /etc/os-release || echo "PRETTY_NAME=$(uname -s) $(uname -r)"
  for file in /etc/debian_version /etc/redhat-release; do [ ! -r "$file" ] || echo "${file##*/} $(head -n 1 "$file")"; done
  [ ! -r /proc/uptime ] || echo "uptime $(cut -d. -f1 /proc/uptime)"
  [ ! -e /run/systemd/container ] && [ ! -e /.dockerenv ] && { [ ! -e /proc/vz ] || [ -e /proc/bc ]; } || echo container
}

look_panel() {
  for file in /usr/local/cpanel/version /usr/local/psa/version; do [ ! -r "$file" ] || echo "$file $(head -n 1 "$file")"; done
  [ ! -x /usr/local/directadmin/directadmin ] || echo "directadmin $($soon /usr/local/directadmin/directadmin v | head -n 1)"
}

# Every update with its origin, what is kept back, held or half installed, and of those that no origin calls a
# security update whether the releases passed over were one.
look_apt() {
  plan=$($limit apt-get -s -V -o Debug::NoLocking=true -o APT::Get::Show-User-Simulation-Note=false dist-upgrade 2>&1)
  code=$?
  plan=$(printf '%s\n' "$plan" | awk '
    /^Inst / || /^E: / { print }
    /^[^ ]/ { kept = /kept back/ ? "back" : /phasing/ ? "phased" : "" }
    /^ / && kept { print kept, $1, $2, $3, $4 }')
  odd=$(dpkg-query -W -f='${Status} ${binary:Package} ${Version}\n') && echo 'states known'
  odd=$(printf '%s\n' "$odd" | awk '
    $1 == "hold" && $3 == "installed" { print "held", $4, $5 }
    $3 ~ /^(half-|unpacked|triggers-)/ || $2 != "ok" { print "broken", $4, $3 }')
  printf '%s\n%s\n' "$plan" "$odd"
  names=$(printf '%s\n%s\n' "$plan" "$odd" | awk '
    $1 == "back" || $1 == "held" { print $2 }
    $1 == "Inst" && $3 ~ /^\[/ { name = $2; $1 = $2 = $3 = $4 = ""; if (tolower($0) !~ /security/) print name }')
  # shellcheck disable=SC2086 # several names
  policies=$([ -z "$names" ] || $limit apt-cache policy $names) && echo 'policies known'
  printf '%s\n' "$policies" | awk '
    /^[^ ]/ { name = substr($1, 1, length($1) - 1); newer = 1; safe = phased = "-" }
    $1 == "Candidate:" { candidate = $2 }
    $1 == "***" { print "policy", name, $2, candidate, safe, phased; newer = 0 }
    newer && $3 == "(phased" { phased = "phased" }
    newer && $3 ~ /[Ss]ecurity/ || newer && $3 ~ /\/updates\// && $2 ~ /security/ { safe = "security" }'
  return $code
}

look_apt_lists() {
  for path in /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists /var/lib/apt/lists/partial; do
    [ ! -e "$path" ] || stat -c 'told %Y %n' "$path"
  done
  stamps /var/lib/dpkg/status
  grep -HE '^(Date|Valid-Until):' /var/lib/apt/lists/*Release | sed 's|^/var/lib/apt/lists/|list |'
  apt-config dump | sed -n 's/^APT::Periodic::\([A-Za-z-]*\) "\(.*\)";/periodic \1 \2/p'
  [ ! -x /usr/bin/unattended-upgrade ] || echo unattended
}

# Out of root's cache (-C): nothing is fetched. Not -q: it hides that the lists of a repository are missing, and the
# exit status says nothing of it, either. 100 says that there are updates.
look_dnf() {
  pending=$($limit "$manager" -C check-update 2>&1)
  code=$?
  [ $code -ne 100 ] || code=0
  printf '%s\n' "$pending" | sed 's/^/update /'
  # shellcheck disable=SC2046 # several names
  set -- $(printf '%s\n' "$pending" | awk '/^Obsoleting/ { exit } /^[^ ]+\.[a-z0-9_]+( |$)/ { print $1 }')
  [ $# -eq 0 ] || rpm -q --qf 'have %{NAME}.%{ARCH} %{EPOCH}:%{VERSION}-%{RELEASE}\n' "$@" | grep '^have '
  for file in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
    [ ! -r "$file" ] || sed -n 's/^ *\([^# !].*\)/lock \1/p' "$file"
  done
  [ ! -r /etc/dnf/versionlock.toml ] || sed -n 's/^ *name *= *"\(.*\)"/lock \1/p' /etc/dnf/versionlock.toml
  sed -n 's/^ *exclude\(pkgs\)\{0,1\} *= */exclude /p' /etc/yum.conf /etc/dnf/dnf.conf /etc/yum.repos.d/*.repo | sort -u
  return $code
}

look_dnf_security() {
  for file in /var/cache/dnf/*/repodata/*updateinfo* /var/cache/yum/*/*/*/*updateinfo* /var/cache/libdnf5/*/repodata/*updateinfo*; do
    [ ! -e "$file" ] || { echo advisories; break; }
  done
  advisories available 2>&1
}
advisories() {
  if [ "$manager" = dnf ]; then $limit dnf -C updateinfo list "--$1" --security
  else $limit yum -C updateinfo list "$1" security
  fi
}

look_dnf_lists() {
  # dnf touches the list of packages whenever it finds that it still holds
  stamps /var/cache/dnf/*/repodata/*primary* /var/cache/yum/*/*/*/cachecookie /var/cache/libdnf5/*/repodata/*primary* | sed 's/^stamp/told/'
  stamps /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages /usr/lib/sysimage/rpm/rpmdb.sqlite
  for file in /etc/yum.repos.d/*.repo; do [ ! -e "$file" ] || echo "list ${file##*/}"; done
  sed -n 's/^ *apply_updates *= */apply /p' /etc/dnf/automatic.conf /etc/yum/yum-cron.conf
  for file in /etc/systemd/system/*.wants/dnf*automatic* /etc/systemd/system/*.wants/yum-cron*; do [ ! -L "$file" ] || echo timer; done
}

look_reboot() {
  [ -r /boot ] || echo 'boot unreadable'
  kernels=$(for file in /boot/vmlinuz-*; do [ ! -e "$file" ] || echo "${file#/boot/vmlinuz-}"; done | grep -v rescue | sort -V)
  newest=$(printf '%s\n' "$kernels" | tail -n 1)
  for kernel in $kernels; do echo "kernel $kernel"; done
  if [ "$manager" = apt-get ]; then
    dpkg-query -W -f='image ${Version}\n' "linux-image-$(uname -r)"
    [ "${newest:-$(uname -r)}" = "$(uname -r)" ] || $limit apt-cache policy "linux-image-$newest" | awk -v newest="$newest" '
      $1 == "***" { here = 1; next }
      NF == 2 { here = 0 }
      here && ($3 ~ /[Ss]ecurity/ || $3 ~ /\/updates\// && $2 ~ /security/) { print "urgent", newest; exit }'
  elif [ -n "$manager" ]; then
    [ "${newest:-$(uname -r)}" = "$(uname -r)" ] || ! advisories installed | grep -F -e "-$newest" | grep -q kernel || echo "urgent $newest"
    if has needs-restarting; then
      told=$($limit needs-restarting -r)
      code=$?
      printf '%s\n' "$told" | sed -n 's/^ *\* *\([^ :]*\).*/core \1/p; s/^ *\([^ *]*\) -> .*/core \1/p'
      echo "needs-restarting $code"
    fi
  fi
  [ ! -e /run/reboot-required ] || echo required
  [ ! -r /run/reboot-required.pkgs ] || sort -u /run/reboot-required.pkgs | sed 's/^/asked /'
  for folder in /sys/kernel/livepatch/*; do [ ! -d "$folder" ] || echo "live ${folder##*/} $(cat "$folder/enabled")"; done
  ! has kcarectl || echo "kernelcare $($soon kcarectl --uname)"
}

look_conffiles() {
  find /etc -xdev \( -name '*.dpkg-dist' -o -name '*.dpkg-new' -o -name '*.ucf-dist' -o -name '*.ucf-new' \
    -o -name '*.rpmnew' -o -name '*.rpmsave' \) -type f -print 2>&1 | head -n 1000
}

# Programs that run what an update has replaced. Root sees it in their memory; anybody else sees that of few, and of
# services when they started, when their programs and libraries changed, and which libraries they name.
look_restart() {
  echo "user $(id -u)"
  maps=$(grep -HsE '^[^ ]+ r.xp .* /(usr|lib|lib64|bin|sbin|opt)/[^ ]* \(deleted\)$' /proc/[0-9]*/maps |
    sed -n 's|^/proc/\([0-9]*\)/maps:.* \(/[^ ]*\) (deleted)$|maps \1 \2|p' | sort -u | head -n 2000)
  printf '%s\n' "$maps"
  for pid in $(printf '%s\n' "$maps" | awk '{ print $2 }' | sort -u); do
    echo "process $pid $(cat "/proc/$pid/comm") $(tail -n 1 "/proc/$pid/cgroup")"
  done
  if [ "$(id -u)" -eq 0 ]; then
    ! has needrestart || $limit needrestart -b | sed -n 's/^NEEDRESTART-SVC: */service /p'
    return 0
  fi
  [ -d /run/systemd/system ] || return 0
  boot=$(sed -n 's/^btime //p' /proc/stat)
  echo "boot $boot"
  # shellcheck disable=SC2046 # several names
  units=$(systemctl show -p Id -p ExecMainStartTimestampMonotonic -p ExecStart \
    $(systemctl list-units --type=service --state=running --no-legend --plain | cut -d' ' -f1) | awk '
    function say() { if (name != "") print "unit", name, start, path; name = path = "" }
    $0 == "" { say() }
    /^Id=/ { name = substr($0, 4) }
    /^ExecMainStartTimestampMonotonic=/ { start = substr($0, 33) }
    /^ExecStart=/ && path == "" { path = $2; sub(/^path=/, "", path) }
    END { say() }')
  printf '%s\n' "$units"
  replaced=$(find /lib/*-linux-gnu /usr/lib/*-linux-gnu /lib64/ /usr/lib64 -maxdepth 1 -type f -name 'lib*.so*' -newerct "@$boot" -exec stat -c 'library %Z %n' {} + | sort -u)
  printf '%s\n' "$replaced"
  for path in $(printf '%s\n' "$units" | awk '{ print $4 }' | sort -u); do
    stat -L -c 'program %Z %n' "$path"
    # shellcheck disable=SC2046 # several names
    [ -z "$replaced" ] || echo "uses $path" $(grep -aoE 'lib[A-Za-z0-9_.+-]*\.so' "$path" | sort -u)
  done
}

audit() {
  limit='' soon='' manager=''
  ! timeout 5 true 2>/dev/null || { limit='timeout 120'; soon='timeout 10'; }
  echo "@begin opsrunner-patches 1 $(date +%s)"
  part system
  part panel
  if has apt-get && [ -e /var/lib/dpkg/status ]; then
    manager=apt-get
    part apt
    part apt_lists
  elif has dnf || has yum; then
    manager=dnf
    has dnf || manager=yum
    part dnf
    part dnf_security
    part dnf_lists
  fi
  ! wants reboot || part reboot
  ! wants conffiles || part conffiles
  ! wants restart || part restart
  echo "@end $(date +%s)"
}
audit </dev/null
