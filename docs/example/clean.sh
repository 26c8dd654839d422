#!/bin/sh
# clean.sh RAW CLEAN: keeps the nebulae whose distance is known.
awk -F ' *, *' -v OFS=, '
	/^#/ { next }
	$2 != "" { print $1, $2, $3; n++ }
	END { print n - 1 " nebulae with a distance" > "/dev/stderr" }
' "$1" >"$2"
