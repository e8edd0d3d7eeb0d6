#!/bin/bash
# Installs the other programs the tests compare with, on Debian 12, as root. Does only what is missing.
set -euo pipefail

# command -> package
declare -A packages=(
  [ansible-lint]=ansible-lint
  [ansible-playbook]=ansible-core
  [qemu-img]=qemu-utils
  # pages as a browser has them
  [chromium]=chromium
  # guest file systems
  [mkfs.ext4]=e2fsprogs
  [mkfs.xfs]=xfsprogs
  [mkfs.btrfs]=btrfs-progs
  [ntfs-3g]=ntfs-3g
  [mkfs.vfat]=dosfstools
  [mcopy]=mtools
  [mkfs.exfat]=exfatprogs
  [mount.exfat-fuse]=exfat-fuse
  [setfattr]=attr
  [lvcreate]=lvm2
  [mdadm]=mdadm
  [cryptsetup]=cryptsetup-bin
  [sgdisk]=gdisk
  [sfdisk]=fdisk
  [losetup]=mount
)

export PATH="$PATH:/usr/sbin:/sbin"
missing=()
for command in "${!packages[@]}"; do
  command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "setup/tools: needs root to install ${missing[*]}" >&2; exit 1; }
  apt-get update -q >&2 || echo 'setup/tools: apt-get update reported an error; trying to go on' >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi
for command in "${!packages[@]}"; do
  echo "setup/tools: $(NO_COLOR=1 "$command" --version 2>/dev/null | head -n 1)" >&2
done
