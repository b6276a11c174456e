#!/usr/bin/env bash
# Finds the servers that the tests start (PostgreSQL, MariaDB, Redis) and installs
# those that are missing with the system's package manager. It starts no service
# and leaves none started: the tests run servers of their own.
set -eu

main() {
	local missing
	missing=$(missing_servers)
	if [ -z "$missing" ]; then
		echo "prepare: PostgreSQL, MariaDB and Redis are installed"
		return
	fi
	echo "prepare: to be installed:" $missing
	install_servers $missing
	missing=$(missing_servers)
	[ -z "$missing" ] || fail "these are still not found after the installation:" $missing
}

# The same places are searched by internal/testdb.
missing_servers() {
	found initdb /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
		/opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin /usr/local/pgsql/bin || echo postgresql
	found mariadbd /usr/libexec /opt/homebrew/opt/mariadb*/bin /usr/local/opt/mariadb*/bin \
		/usr/local/mysql/bin /usr/local/mariadb/bin || echo mariadb
	found redis-server /opt/homebrew/bin || found valkey-server || echo redis
}

found() {
	local program=$1 dir
	shift
	command -v "$program" >/dev/null && return
	for dir in "$@" /usr/sbin /usr/local/sbin /usr/bin /usr/local/bin; do
		[ -x "$dir/$program" ] && return
	done
	return 1
}

install_servers() {
	if has apt-get; then
		forbid_service_starts
		as_root apt-get update -q
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
			$(names "$@" postgresql=postgresql mariadb=mariadb-server redis=redis-server)
	elif has dnf; then
		as_root dnf install -y $(names "$@" postgresql=postgresql-server mariadb=mariadb-server redis=redis)
	elif has apk; then
		as_root apk add $(names "$@" postgresql=postgresql mariadb="mariadb mariadb-client" redis=redis)
	elif has pacman; then
		as_root pacman -Sy --noconfirm --needed $(names "$@" postgresql=postgresql mariadb=mariadb redis=valkey)
	elif has brew; then
		brew install $(names "$@" postgresql=postgresql@17 mariadb=mariadb redis=redis)
	else
		fail "no package manager known here (apt-get, dnf, apk, pacman, brew): install these servers yourself:" "$@"
	fi
}

# names WANTED... KIND=PACKAGES... prints the packages of the kinds wanted.
names() {
	local word wanted=" "
	for word in "$@"; do
		case $word in
		*=*) case $wanted in *" ${word%%=*} "*) echo "${word#*=}" ;; esac ;;
		*) wanted="$wanted$word " ;;
		esac
	done
}

# Debian's packages start their services when they are installed, unless
# policy-rc.d says no. What was there before is put back at the end.
policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-lull-prepare

forbid_service_starts() {
	# A backup that is there already is the original, left by a run that was killed.
	if [ -e "$policy" ] && [ ! -e "$policy_before" ]; then
		as_root mv "$policy" "$policy_before"
	fi
	trap restore_service_starts EXIT
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

restore_service_starts() {
	as_root rm -f "$policy"
	if [ -e "$policy_before" ]; then
		as_root mv "$policy_before" "$policy"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif has sudo; then
		sudo "$@"
	else
		fail "installing needs root, or sudo: run as root, or install the servers yourself"
	fi
}

has() { command -v "$1" >/dev/null; }

fail() {
	echo "prepare:" "$@" >&2
	exit 1
}

main
