package docs

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	tests := []struct {
		name      string
		want, got string // lines, separated by commas
		diff      string // "" for none
	}{
		{"both empty", "", "", ""},
		{"equal", "a,b", "a,b", ""},
		{"empty lines at the end", "a", "a,,", ""},
		{"empty lines in between count", "a,b", "a,,b", "  a|+ |  b|"},
		{"missing", "a,b", "a", "  a|- b|"},
		{"too much", "a", "a,b", "  a|+ b|"},
		{"changed", "a,b,c", "a,x,c", "  a|- b|+ x|  c|"},
		{"nothing wanted", "", "x", "+ x|"},
		{"anything for nothing", "a,...,b", "a,b", ""},
		{"anything for one", "a,...,b", "a,x,b", ""},
		{"anything for many", "...,b", "x,b,y,b", ""},
		{"anything at the end", "a,...", "a,b,c", ""},
		{"anything alone", "...", "", ""},
		{"twice", "...,b,...,d", "a,b,c,d", ""},
		{"anything is no excuse", "a,...,z", "a,b,c", "  a|  ...|- z|"},
		{"order counts", "...,b,...,a,...", "a,b", "  ...|- b|  ...|  a|  ...|"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := diff(split(tt.want), split(tt.got), func(a, b string) bool { return a == b })
			if got := strings.ReplaceAll(d, "\n", "|"); got != tt.diff {
				t.Errorf("diff = %q, want %q", got, tt.diff)
			}
		})
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
