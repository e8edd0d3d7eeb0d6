#!/bin/bash
# Installs a real VirtualBox for the integration tests, on Debian 12, as root.
#
# The package lives in Debian's "sid" and wants newer libraries than Debian 12 has, so it gets a root
# directory of its own. Without its kernel driver no machine starts; everything that is done to machines
# that are switched off works. Three wrappers go to /var/lib/vboxmerge/bin: VBoxManage, vbox-img and
# vbox-python (a Python that can `import vboxapi`). Put that folder on PATH.
#
# The script may run as often as you like: it only does what is missing.
set -euo pipefail

home=/var/lib/vboxmerge
root=$home/virtualbox
partial=$home/virtualbox.partial
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { printf 'setup/virtualbox: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || die 'Cannot set up VirtualBox: it needs root (chroot, mount)'

# The address this machine itself gets Debian from: the first source of the running release.
debian_mirror() {
  local codename
  codename=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-}")
  {
    sed -nE 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+([^[:space:]]+)[[:space:]].*/\2 \3/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
    # deb822: paragraphs of fields, parted by empty lines
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
      [ -e "$file" ] || continue
      awk 'BEGIN { RS = ""; FS = "\n" }
        {
          uri = ""; suites = ""; on = 1
          for (i = 1; i <= NF; i++) {
            key = tolower($i); value = $i
            sub(/:.*/, "", key); sub(/^[^:]*:[ \t]*/, "", value)
            if (key == "uris") uri = value
            if (key == "suites") suites = value
            if (key == "enabled" && tolower(value) ~ /^(no|false|0)/) on = 0
          }
          split(uri, addresses, /[ \t]+/)
          n = split(suites, suite, /[ \t]+/)
          if (on && uri != "") for (i = 1; i <= n; i++) print addresses[1], suite[i]
        }' "$file"
    done
  } | awk -v codename="$codename" '!found && ($2 == codename || $2 ~ /^(stable|testing|unstable|sid)$/) { print $1; found = 1 }'
}

install_root() {
  [ "$(dpkg --print-architecture)" = amd64 ] || die "Cannot set up VirtualBox: Debian has it for amd64 only, this is $(dpkg --print-architecture)"
  local mirror
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die "Cannot set up VirtualBox: no Debian source found in /etc/apt"

  if ! command -v debootstrap >/dev/null; then
    apt-get update -q >&2 || say 'apt-get update reported an error; trying to go on'
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap >&2
  fi
  if grep -q " $partial" /proc/self/mounts; then die "Cannot start again: something is mounted below $partial"; fi
  rm -rf "$partial"

  local http_proxy='' include=ca-certificates
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  [ -z "$http_proxy" ] || [ "$http_proxy" = DIRECT ] || export http_proxy

  say "building $root, about a minute"
  debootstrap --variant=minbase --components=main,contrib --include="$include" sid "$partial" "$mirror" \
    >"$home/debootstrap.log" 2>&1 || { tail -20 "$home/debootstrap.log" >&2; die 'debootstrap failed'; }
  printf 'force-unsafe-io\n' >"$partial/etc/dpkg/dpkg.cfg.d/unsafe-io"
  printf '#!/bin/sh\nexit 101\n' >"$partial/usr/sbin/policy-rc.d"
  chmod 755 "$partial/usr/sbin/policy-rc.d"
  [ -z "$http_proxy" ] || [ "$http_proxy" = DIRECT ] || printf 'Acquire::http::Proxy "%s";\n' "$http_proxy" >"$partial/etc/apt/apt.conf.d/proxy"

  # In a mount namespace of its own: whatever happens, no mount is left in a folder we might delete.
  unshare --mount --propagation unchanged /bin/bash -euc '
    mount --make-rprivate / 2>/dev/null || true # refused where / is no mount, in a plain chroot
    mount -t proc proc "$1/proc"
    mount --bind /dev "$1/dev"
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
    chroot "$1" apt-get -q -o Acquire::Check-Valid-Until=false update
    chroot "$1" apt-get -q -y install --no-install-recommends virtualbox
    chroot "$1" apt-get clean
    chroot "$1" /usr/bin/python3 -c "import vboxapi"
  ' - "$partial" >"$home/install.log" 2>&1 || { tail -20 "$home/install.log" >&2; die 'installing VirtualBox failed'; }
  mv "$partial" "$root"
}

# The same paths inside as outside, so that what VBoxManage prints is true for its caller.
bind() {
  case $1 in "$root"/*) return ;; esac
  if mountpoint -q "$root$1"; then
    # A checkout that was deleted and made again is another folder: the old mount still shows the deleted one.
    [ "$(stat -c %d:%i "$1")" = "$(stat -c %d:%i "$root$1")" ] && return
    umount --lazy "$root$1"
  fi
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
}

wrapper() {
  local name=$1 program=$2
  cat >"$home/bin/.$name.new" <<END
#!/bin/sh
# Written by scripts/setup/virtualbox.sh: runs $program in its own root directory,
# with the caller's environment and working directory.
case "\${LC_ALL-}" in
C | POSIX) ;;
*) export LC_ALL=C.UTF-8 ;;
esac
unset PYTHONHOME PYTHONPATH
[ -e $root/proc/self ] || {
  echo '$name: its folders are not mounted (a restart?); run scripts/setup/virtualbox.sh again' >&2
  exit 69
}
cwd=\$(pwd -P)
[ -d "$root\$cwd" ] || cwd=/
exec /usr/sbin/chroot $root /usr/bin/env -C "\$cwd" $program "\$@"
END
  chmod 755 "$home/bin/.$name.new"
  mv "$home/bin/.$name.new" "$home/bin/$name"
}

mkdir -p "$home/bin"
exec 9>"$home/.setup.lock"
flock 9

[ -x "$root/usr/lib/virtualbox/VBoxManage" ] || install_root
for folder in /proc /dev /sys /tmp /root /home; do bind "$folder"; done
case $checkout/ in
/tmp/* | /root/* | /home/*) ;;
*) bind "$checkout" ;;
esac
wrapper VBoxManage /usr/lib/virtualbox/VBoxManage
wrapper vbox-img /usr/lib/virtualbox/vbox-img
wrapper vbox-python /usr/bin/python3
say "VirtualBox $(VBOX_USER_HOME=/tmp/.vboxmerge-setup "$home/bin/VBoxManage" --version 2>/dev/null 9>&-) in $home/bin"
