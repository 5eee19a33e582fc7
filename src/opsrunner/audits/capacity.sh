# How full a host is: file systems, load, memory, mail queue, certificates. No root, no agent.
# OPS_CERTIFICATES: the patterns of certificate files, one a line, instead of the usual places;
# OPS_CERTIFICATES_MOST: how many files are read at most. OPS_WITHOUT: what is left out, words with blanks between.

MOST_FILE_SYSTEMS=60
MOST_FILES=${OPS_CERTIFICATES_MOST:-200}
usual_certificates="/etc/letsencrypt/live/*/fullchain.pem
/var/cpanel/ssl/apache_tls/*/combined
/var/cpanel/ssl/cpanel/*.pem
/var/cpanel/ssl/dovecot/*.crt
/var/cpanel/ssl/exim/*.crt
/var/cpanel/ssl/ftp/*.pem
/usr/local/psa/var/certificates/*
/usr/local/directadmin/conf/cacert.pem
/usr/local/directadmin/data/users/*/domains/*.cert.combined"

# The shortest mount point of every device: bind mounts and jails show the same one again. Network file systems are
# left out: a dead server would hang the audit, and its room is looked at there.
mounts() {
  awk '
    $3 == "rootfs" { next }
    $2 != "/" && $3 ~ /^(9p|afs|aufs|autofs|bdev|binder|binfmt_misc|bpf|ceph|cgroup2?|cifs|configfs|cpuset|cramfs|debugfs|devfs|devpts|devtmpfs|efivarfs|erofs|fuse\..*|fusectl|glusterfs|hugetlbfs|iso9660|lustre|mqueue|nfs4?|nfsd|nsfs|overlay|proc|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|smb3|smbfs|squashfs|sysfs|tmpfs|tracefs|udf|virtiofs)$/ { next }
    !($1 in best) || length($2) < length(best[$1]) { best[$1] = $2; type[$1] = $3 }
    END { for (device in best) print type[device], best[device] }' /proc/mounts | sort -k 2
}

file_systems() {
  [ -r /proc/mounts ] || return 4
  has df || return 5
  mounts | awk -v most="$MOST_FILE_SYSTEMS" 'NR <= most { print } NR == most + 1 { print "more" }' |
    while read -r type mount; do
      [ "$type" != more ] || { echo more; break; }
      printf 'mount %s %s\n' "$type" "$mount"
      path=$(printf '%b' "$mount")  # \040 is a blank
      limited 10 df -Pk "$path" | awk 'NR == 2 { print "kilobytes", $0 }'
      limited 10 df -Pi "$path" | awk 'NR == 2 { print "inodes", $0 }'
    done
  return 0
}

load() {
  [ -r /proc/loadavg ] || return 4
  cores=$(getconf _NPROCESSORS_ONLN) || cores=$(nproc) || cores=$(grep -c '^processor' /proc/cpuinfo)
  printf 'cores %s\nload ' "$cores"
  cat /proc/loadavg
}

memory() { awk '/^(MemTotal|MemAvailable|MemFree|Buffers|Cached|SwapTotal|SwapFree):/ { print $1, $2 }' /proc/meminfo; }

queue_of_exim() {
  count=$(limited 60 "$1" -bpc) && { printf 'exim %s\n' "$count"; return; }
  for folder in /var/spool/exim4/input /var/spool/exim/input; do
    [ -r "$folder" ] && [ -x "$folder" ] || continue
    names=$(limited 60 find "$folder" -type f -name '*-H') || break
    printf 'exim %s\n' "$(printf '%s' "$names" | grep -c '')"
    return
  done
  echo 'exim ?'
}

mail_queue() {
  found=3
  for exim in exim exim4; do
    has "$exim" || continue
    queue_of_exim "$exim"; found=0
    break
  done
  if has postqueue && [ -e "${MAIL_CONFIG:-/etc/postfix}/main.cf" ]; then
    printf 'postfix %s\n' "$(limited 60 postqueue -p | tail -n 1)"; found=0
  fi
  return "$found"
}

configured_certificates() {
  for file in /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/* /etc/apache2/*.conf \
    /etc/apache2/*-enabled/*.conf /etc/httpd/conf/*.conf /etc/httpd/conf.d/*.conf /etc/postfix/main.cf \
    /etc/dovecot/dovecot.conf /etc/dovecot/conf.d/*.conf; do
    [ -f "$file" ] || continue
    [ -r "$file" ] || { printf 'unread %s\n' "$file"; continue; }
    awk -v file="$file" '
      { sub(/=/, " "); key = tolower($1); value = $2; sub(/^</, "", value) }
      key !~ /^(ssl_certificate|sslcertificatefile|smtpd_tls_cert_file|ssl_cert)$/ { next }
      { gsub(/[";]/, "", value) }
      value == "" || value ~ /\$/ { next }
      value !~ /^\// { split(file, part, "/"); value = "/" part[2] "/" part[3] "/" value }
      { print "named", value }' "$file"
  done
}

# `file PATH`, or `unread PATH` where this account has no right.
certificate_files() {
  patterns=${OPS_CERTIFICATES:-$usual_certificates}
  unread_folders "$patterns"
  IFS=$ops_line_break
  for file in $patterns; do
    [ -f "$file" ] && printf 'named %s\n' "$file"
  done
  unset IFS
  [ -n "$OPS_CERTIFICATES" ] || configured_certificates
}

certificates() {
  certificate_files | sort -u | {
    count=0
    while read -r word file; do
      case "$word" in
        unread) printf 'unread %s\n' "$file"; continue ;;
        named) ;;
        *) continue ;;
      esac
      [ -e "$file" ] || [ ! -x "${file%/*}" ] || continue
      [ -r "$file" ] || { printf 'unread %s\n' "$file"; continue; }
      [ -f "$file" ] || continue
      grep -q -e '-----BEGIN CERTIFICATE-----' -e '-----BEGIN TRUSTED CERTIFICATE-----' -- "$file" || continue
      has openssl || exit 5
      count=$((count + 1))
      [ "$count" -le "$MOST_FILES" ] || { echo more; break; }
      printf 'file %s\n' "$file"
      limited 10 openssl x509 -in "$file" -noout -enddate || echo bad
    done
  }
}

{ unless disk || unless inodes; } && section file-systems file_systems
unless load && section load load
{ unless memory || unless swap; } && section memory memory
unless mail-queue && section mail-queue mail_queue
unless certificate && section certificates certificates
