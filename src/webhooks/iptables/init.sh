#!/bin/sh
# The init container: loads the rules that lead the pod's traffic to its sidecar. src/webhooks/iptables/init-command.ts makes its arguments:
# 1 rules of iptables, 2 rules of ip6tables, 3 mark and 4 routing table of TPROXY, both empty where it is not used.
#
# POSIX sh, for dash, bash and busybox, with iptables, grep, sed and, for IPv6 or TPROXY, ip. It writes no file but the termination message, so
# a read-only root does. Kubernetes replaces $(NAME) and $ twice in arguments: no command substitution is one word, and there is no process id.
rules4=$1 rules6=$2 mark=$3 table=$4
ipv6='' servers4='' servers6=''

say() { printf 'weft-init: %s\n' "$*"; }

fail() {
  say "$*" >&2
  if [ -w /dev/termination-log ]; then printf '%s\n' "$*" >/dev/termination-log; fi
  exit 1
}

# Legacy iptables wants a lock file; with a read-only root there is only this place.
if [ ! -w /run ]; then export XTABLES_LOCKFILE=/dev/shm/xtables.lock; fi

# Sets ipv6 to the interface that has IPv6 switched on, or to 'default' if only one that comes later would have it.
find_ipv6() {
  for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
    interface=${file%/*}
    interface=${interface##*/}
    case $interface in all | lo) continue ;; esac
    if [ ! -r "$file" ]; then continue; fi
    # dash reads a byte at a time, and the kernel gives it no line's end: then the status says that it failed.
    disabled=''
    read -r disabled <"$file" || :
    if [ "$disabled" = 0 ]; then
      ipv6=$interface
      if [ "$interface" != default ]; then return; fi
    fi
  done
}

find_nameservers() {
  if [ ! -r /etc/resolv.conf ]; then fail 'DNS is to be captured, but /etc/resolv.conf cannot be read, so its servers are not known.'; fi
  while read -r word server _ || [ -n "$word" ]; do
    if [ "$word" != nameserver ]; then continue; fi
    # The zone of a link-local address.
    server=${server%%\%*}
    case " $servers4 $servers6 " in *" $server "*) continue ;; esac
    case $server in
    '' | *[!0-9a-fA-F:.]*) say "ignored in /etc/resolv.conf: nameserver $server" ;;
    *:*) servers6="$servers6 $server" ;;
    *) servers4="$servers4 $server" ;;
    esac
  done </etc/resolv.conf
  say "DNS is captured to the servers of /etc/resolv.conf:${servers4:-}${servers6:-}"
}

holds() { "$1-save" 2>/dev/null | grep -q "$2"; }

# Only the kernel knows whether a backend works: a chain of the rules' own kind, and away with it.
works() {
  errors=$(printf '%s\n' '*nat' ':WEFT_PROBE - [0:0]' '-A WEFT_PROBE -p tcp -m owner --uid-owner 0 -j REDIRECT --to-ports 1' COMMIT |
    "$1-restore" --noflush --wait=30 2>&1) &&
    errors=$(printf '%s\n' '*nat' '-F WEFT_PROBE' '-X WEFT_PROBE' COMMIT | "$1-restore" --noflush --wait=30 2>&1)
}

# Sets chosen to the backend of $1, iptables or ip6tables: where an earlier run has put its rules, where others have theirs, what works.
choose() {
  held='' tried=''
  for backend in "$1-nft" "$1-legacy"; do
    if holds "$backend" '^:ISTIO_'; then held="$held $backend"; fi
  done
  if holds "$1-legacy" '^-A'; then held="$held $1-legacy"; fi
  for chosen in $held "$1-nft" "$1-legacy" "$1"; do
    if ! command -v "$chosen-restore" >/dev/null; then continue; fi
    if works "$chosen"; then
      case " $held " in *" $chosen "*) why='which holds rules already' ;; *) why='which works here' ;; esac
      say "$1: by $chosen, $why ($("$chosen" --version 2>&1))"
      return 0
    fi
    tried="$tried $chosen: $errors."
  done
  tried=${tried:- The image has no $1-restore.}
  return 1
}

# Prints, for command $1, the rules $2 with one for each server in $3, and before them what takes out those of an earlier run: its own chains
# are emptied as they are declared, the rest is deleted. With 'undo' in $4 only what takes out, chains and all.
prepare() {
  printf '%s\n' "$2" | while IFS= read -r line; do
    case $line in
    '# for each nameserver: '*)
      line=${line#*: }
      if [ -n "$4" ]; then continue; fi
      for server in $3; do printf '%s\n' "${line%%NAMESERVER*}$server${line#*NAMESERVER}"; done
      ;;
    '*'*)
      name=${line#?} chains=''
      printf '%s\n' "$line"
      "$1-save" -t "$name" 2>/dev/null | sed -n 's/^-A \([A-Z]* .*-j ISTIO_\)/-D \1/p'
      ;;
    :*)
      chains="$chains ${line%% *}"
      printf '%s\n' "$line"
      ;;
    COMMIT)
      if [ -n "$4" ]; then for chain in $chains; do printf '%s\n' "-X ${chain#:}"; done; fi
      printf '%s\n' "$line"
      ;;
    *)
      case $line in
      *' -j ISTIO_'*) ;;
      '-A PREROUTING '* | '-A OUTPUT '*)
        # shellcheck disable=SC2086
        if "$1" -t "$name" -C ${line#-A } 2>/dev/null; then printf '%s\n' "-D ${line#-A }"; fi
        ;;
      esac
      if [ -z "$4" ]; then printf '%s\n' "$line"; fi
      ;;
    esac
  done
}

# Loads the rules $2 by command $1, all of them or none: each table is a transaction, and what nft does not find out before is undone.
load() {
  rules=$(prepare "$1" "$2" "$3" '')
  if ! errors=$(printf '%s\n' "$rules" | "$1-restore" --noflush --wait=30 --test 2>&1); then
    fail "$1-restore refuses the rules: $errors"
  fi
  if ! errors=$(printf '%s\n' "$rules" | "$1-restore" --noflush --wait=30 2>&1); then
    prepare "$1" "$2" '' undo | "$1-restore" --noflush --wait=30
    fail "$1-restore cannot load the rules: $errors"
  fi
  say "$1-restore has loaded:"
  printf '%s\n' "$rules"
}

# Leads marked packets of family $1, -4 or -6, to the loopback interface.
route() {
  for _ in 1 2 3 4 5; do
    ip "$1" rule del fwmark "$mark" lookup "$table" 2>/dev/null || break
  done
  if ! errors=$(ip "$1" rule add fwmark "$mark" lookup "$table" 2>&1 && ip "$1" route replace local default dev lo table "$table" 2>&1); then
    fail "TPROXY needs a rule and a route of its own, and 'ip $1' (iproute2) does not set them: $errors"
  fi
}

find_ipv6
case $rules4 in *'# for each nameserver: '*) find_nameservers ;; esac

if ! choose iptables; then
  fail "iptables does not work, so the pod's traffic would pass by the sidecar.$tried The container needs root, NET_ADMIN and NET_RAW."
fi
command4=$chosen command6=''
if [ -z "$ipv6" ]; then
  say 'ip6tables: not used, as IPv6 is switched off here'
elif choose ip6tables; then
  command6=$chosen
elif [ "$ipv6" = default ]; then
  say "ip6tables: not used, as it does not work, and no interface has IPv6.$tried"
else
  fail "IPv6 is on (interface $ipv6), but ip6tables does not work, so IPv6 traffic would pass by the sidecar.$tried" \
    'Give the node ip6tables (kernel module ip6table_nat or nft_chain_nat), or switch IPv6 off in the pod (sysctl net.ipv6.conf.all.disable_ipv6=1).'
fi

if [ -n "$mark" ]; then
  route -4
  if [ -n "$command6" ]; then route -6; fi
fi
if [ -n "$command6" ]; then
  # The sidecar connects to the application from this address.
  if ! ip -6 addr show dev lo 2>/dev/null | grep -q ' ::6/128 ' && ! errors=$(ip -6 addr add ::6/128 dev lo 2>&1); then
    fail "IPv6 is on (interface $ipv6), but 'ip' (iproute2) cannot give ::6/128 to the loopback interface, from where the sidecar reaches" \
      "the application: $errors"
  fi
  load "$command6" "$rules6" "$servers6"
fi
load "$command4" "$rules4" "$servers4"
