#!/bin/sh
# Runs every fuzz target for so long, and prints one table at the end. Ends with an error
# if any of them found something. By default Go takes up to a minute to make each interesting
# input shorter, which for one of 64 KiB is all the time there is.
time=$1
go=${GO:-go}
table=$(mktemp) && log=$(mktemp) || exit 1
trap 'rm -f "$table" "$log"' EXIT
printf '%-28s %-18s %12s %16s %8s\n' PACKAGE TARGET EXECUTIONS 'NEW INTERESTING' CRASHES >"$table"
failed=0
grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort >"$log.list"
while IFS=: read -r file func; do
	package=${file%/*} target=${func#func } crashes=0
	echo "== $package $target"
	if ! $go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "$package" >"$log" 2>&1; then
		crashes=1 failed=1
		cat "$log"
	fi
	counts=$(sed -n 's/.*execs: \([0-9]*\) .*new interesting: \([0-9]*\) .*/\1 \2/p' "$log" | tail -1)
	set -- ${counts:-0 0}
	printf '%-28s %-18s %12s %16s %8s\n' "${package#./}" "$target" "$1" "$2" "$crashes" >>"$table"
done <"$log.list"
rm -f "$log.list"
cat "$table"
exit $failed
