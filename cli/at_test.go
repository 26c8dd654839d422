package cli

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func TestTimeAt(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	evening := time.Date(2026, 11, 30, 21, 30, 0, 0, berlin)
	beforeChange := time.Date(2026, 3, 28, 22, 0, 0, 0, berlin) // the clocks skip 2:30 of the next day
	for _, c := range []struct {
		now        time.Time
		text, want string
	}{
		{evening, "22:00", "2026-11-30T22:00:00+01:00"},
		{evening, "8:00", "2026-12-01T08:00:00+01:00"},
		{evening, "21:30", "2026-12-01T21:30:00+01:00"},
		{evening, "21:30:01", "2026-11-30T21:30:01+01:00"},
		{evening, "+2h", "2026-11-30T23:30:00+01:00"},
		{evening, "+90", "2026-11-30T21:31:30+01:00"},
		{evening, "+0s", "2026-11-30T21:30:00+01:00"},
		{evening, "now", "2026-11-30T21:30:00+01:00"},
		{evening, "tomorrow", "2026-12-01T00:00:00+01:00"},
		{evening, "Tomorrow 8:00", "2026-12-01T08:00:00+01:00"},
		{evening, "today 23:15", "2026-11-30T23:15:00+01:00"},
		{evening, "2026-12-24 18:00", "2026-12-24T18:00:00+01:00"},
		{evening, "2026-12-24T18:00:00Z", "2026-12-24T18:00:00Z"},
		{evening, "2026-12-24", "2026-12-24T00:00:00+01:00"},
		{beforeChange, "2:30", "2026-03-29T03:00:00+02:00"},
		{beforeChange, "tomorrow 8:00", "2026-03-29T08:00:00+02:00"},
	} {
		if got, err := timeAt(c.text, c.now); err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%q at %v is %v, %v; want %s", c.text, c.now, got.Format(time.RFC3339), err, c.want)
		}
	}
	for text, want := range map[string]string{
		"2h":          "takes " + atExamples + `, not "2h"; did you mean +2h?`,
		"yesterday":   "names a time that is over: 2026-11-29 00:00:00",
		"2026-01-01":  "names a time that is over: 2026-01-01 00:00:00",
		"today 21:00": "names a time that is over: 2026-11-30 21:00:00",
		"25:00":       "takes " + atExamples + `, not "25:00"`,
		"+soon":       "takes " + atExamples + `, not "+soon"`,
		"":            "takes " + atExamples + `, not ""`,
		"noon-ish":    "takes " + atExamples + `, not "noon-ish"`,
	} {
		if got, err := timeAt(text, evening); err == nil || err.Error() != want {
			t.Errorf("%q is %v, %v; want the error %q", text, got, err, want)
		}
	}
}
