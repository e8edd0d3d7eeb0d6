#!/bin/bash
# Installs what the tests of the packages run in and are checked with, on Linux: Deno, the Node.js versions
# after 20, publint and attw (are the types wrong?). They come from npm, in the versions of
# scripts/setup/javascript/package-lock.json, and stay out of the dependencies because few people need them.
# Wrappers go to /var/lib/vboxmerge/bin: deno, node22, node24, publint and attw. Put that folder on PATH.
#
# The script may run as often as you like: it only does what is missing.
set -euo pipefail

home=/var/lib/vboxmerge
root=$home/javascript
partial=$home/javascript.partial
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
wanted=$checkout/scripts/setup/javascript

say() { printf 'setup/javascript: %s\n' "$*" >&2; }

case $(uname -m) in
x86_64) cpu=x64 ;;
aarch64) cpu=arm64 ;;
*) say "Cannot install Deno and Node.js: npm has none of them for $(uname -m)"; exit 1 ;;
esac

# No script of a package is run: some would load programs from elsewhere.
install_packages() {
  say 'installing the tools (npm ci)'
  rm -rf "$partial"
  mkdir -p "$partial"
  cp "$wanted/package.json" "$wanted/package-lock.json" "$partial/"
  npm ci --prefix "$partial" --ignore-scripts --no-audit --no-fund >&2
  rm -rf "$root"
  mv "$partial" "$root"
}

wrapper() {
  local name=$1 command=$2
  printf '#!/bin/sh\n# Written by scripts/setup/javascript.sh.\n%s "$@"\n' "$command" >"$home/bin/.$name.new"
  chmod 755 "$home/bin/.$name.new"
  mv "$home/bin/.$name.new" "$home/bin/$name"
}

mkdir -p "$home/bin"
exec 9>"$home/.javascript.lock"
flock 9

cmp -s "$wanted/package-lock.json" "$root/package-lock.json" || install_packages
# It would ask another host for newer versions of itself.
wrapper deno "DENO_NO_UPDATE_CHECK=1 exec $root/node_modules/@deno/linux-$cpu-glibc/deno"
wrapper node22 "exec $root/node_modules/node22-$cpu/bin/node"
wrapper node24 "exec $root/node_modules/node24-$cpu/bin/node"
wrapper publint "exec node $root/node_modules/publint/src/cli.js"
wrapper attw "exec node $root/node_modules/@arethetypeswrong/cli/dist/index.js"
say "$("$home/bin/deno" --version | head -n 1), Node.js $("$home/bin/node22" --version) and $("$home/bin/node24" --version), in $home/bin"
