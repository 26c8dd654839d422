#!/bin/sh
# figure.sh CLEAN FIT FIGURE: draws the nebulae and the line.
awk -F , -v made="$(date)" '
	function px(distance) { return sprintf("%.1f", 40 + distance * 150) }
	function py(velocity) { return sprintf("%.1f", 240 - velocity * 0.17) }
	FNR == 1 && NR == 1 {
		print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"380\" height=\"300\">"
		print "<!-- " made " -->"
		print "<rect width=\"380\" height=\"300\" fill=\"white\"/>"
		print "<path d=\"M40 20V240H360\" fill=\"none\" stroke=\"black\"/>"
	}
	FNR == 1 { next }
	FILENAME == ARGV[1] { print "<circle cx=\"" px($2) "\" cy=\"" py($3) "\" r=\"3\"/>"; next }
	{ print "<path d=\"M" px(0) " " py($2) "L" px(2) " " py($2 + 2 * $1) "\" stroke=\"red\"/>" }
	END { print "</svg>" }
' "$1" "$2" >"$3"
