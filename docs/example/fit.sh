#!/bin/sh
# fit.sh CLEAN FIT: fits a line through distance and velocity by least squares.
echo "fit of $1 on $(uname -n), $(date +%Y-%m-%dT%H:%M:%S%z)"
awk -F , '
	NR > 1 { n++; x += $2; y += $3; xx += $2 * $2; xy += $2 * $3 }
	END {
		slope = (n * xy - x * y) / (n * xx - x * x)
		print "slope,intercept"
		printf "%.2f,%.2f\n", slope, (y - slope * x) / n
	}
' "$1" >"$2"
tail -n 1 "$2"
