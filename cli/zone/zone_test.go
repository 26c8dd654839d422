package zone_test

import (
	"testing"
	"time"

	"qme/cli/zone"
)

func TestPosixRules(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for rule, want := range map[string][2]string{
		"<+03>-3":                            {"15:00 +03", "15:00 +03"},
		"UTC-3":                              {"15:00 UTC", "15:00 UTC"},
		"UTC+3":                              {"09:00 UTC", "09:00 UTC"},
		"XST5":                               {"07:00 XST", "07:00 XST"},
		"XST5XDT,M3.2.0,M11.1.0":             {"07:00 XST", "08:00 XDT"},
		"XST5XDT":                            {"07:00 XST", "08:00 XDT"},
		"CET-1CEST,M3.5.0,M10.5.0/3":         {"13:00 CET", "14:00 CEST"},
		"NZST-12NZDT,M9.5.0,M4.1.0/3":        {"01:00 NZDT", "00:00 NZST"},
		"<-0330>3:30<-0230>,J60/1,J300/1:30": {"08:30 -0330", "09:30 -0230"},
		"IST-5:30":                           {"17:30 IST", "17:30 IST"},
	} {
		loc, ok := zone.Load(rule)
		if !ok || loc == nil {
			t.Errorf("%s: not understood", rule)
			continue
		}
		got := [2]string{winter.In(loc).Format("15:04 MST"), summer.In(loc).Format("15:04 MST")}
		if got != want {
			t.Errorf("%s: %v, want %v", rule, got, want)
		}
	}
}

func TestNotUnderstood(t *testing.T) {
	for _, text := range []string{"Mars/Olympus", "EST", "X5", "UTC-300", "EST5EDT,M13.2.0,M11.1.0", ":UTC-3", "/no/such/file", "../../etc/passwd", "AAA4BBB,,"} {
		if loc, ok := zone.Load(text); ok && loc != nil {
			t.Errorf("%q is understood as %v", text, loc)
		} else if ok && text != "EST" {
			t.Errorf("%q: %v", text, ok)
		}
	}
	for _, text := range []string{"", "UTC", ":UTC"} {
		if loc, ok := zone.Load(text); !ok || loc != nil {
			t.Errorf("%q: %v, %v; package time knows it", text, loc, ok)
		}
	}
}
