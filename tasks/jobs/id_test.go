package jobs

import "testing"

// TestOneJob tells the ids of single jobs, as schedulers give them, from what they read as
// several or as all.
func TestOneJob(t *testing.T) {
	for _, id := range []string{"1", "4711", "10", "123.server", "123[].server.example", "123[4]", "12_3", "12+1", "12.0", "pi", "pi-x-5", "job-1-5",
		"0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef012345", "1e4f0a2c-0001-0002-0003-123456789abc", "arn:aws:batch:eu-west-1:123456789012:job/1e4f0a2c", "ns/pi", "all-day"} {
		if !isID(id) {
			t.Errorf("%q is the id of no job", id)
		}
	}
	for _, id := range []string{"", "0", "00", "0.server", "0[]", "0[1]", "+0", "all", "ALL", "any", "*", "?", "1-1000", "1-1000.server", "7.1-3", "1:5", "1..5", "7,8", "7;8", "7 8", "7[1-9]", "7[1,3]", "7_[1-9]", "12_[*]",
		"{1,2}", "!1", "^1", "%1", "$x", "~1", "-u", "--all", "1\n", "1\x00", "\u0661", "1\u200b", "$(x)", "'1'", "\"1\""} {
		if isID(id) {
			t.Errorf("%q may be the id of a job", id)
		}
	}
	for id, want := range map[string]bool{"12_3": true, "12_[1-50000]": true, "12_[1,3-5%2]": true, "all_[1]": false, "12_[*]": false} {
		if isElement(id) != want {
			t.Errorf("%q as a part of a job: %v", id, !want)
		}
	}
}
