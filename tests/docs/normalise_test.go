package docs

import "testing"

func TestNormalise(t *testing.T) {
	// Each pair is what the documentation may show and what a run may print.
	equal := []struct{ name, shown, printed string }{
		{"id", "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "shell-01a00000-ffff-7000-bfff-000000000000"},
		{"id, another executor", "x-y_2-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "shell-01a00000-ffff-7000-bfff-000000000000"},
		{"uuid alone", "019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "01a00000-ffff-7000-bfff-000000000000"},
		{"id of 8 digits", "shell-019aaf3c", "shell-01a00000"},
		{"id of 12 digits, dashed", "shell-019aaf3c-1b2c", "shell-01a00000-ffff"},
		{"id of 13 digits, dashed", "019aaf3c-1b2c-7", "01a00000-ffff-7"},
		{"id of 13 digits", "shell-019aaf3c1b2c7", "shell-01a00000ffff7"},
		{"lengths differ", "shell-019aaf3c  done", "shell-01a00000-ffff done"},
		{"id in a path", "tasks/2026/11/23/09/31/shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a.json", "tasks/2027/01/02/03/04/shell-01a00000-ffff-7000-bfff-000000000000.json"},
		{"commit", "commit 5b1f0c2d9e7a5b1f0c2d9e7a5b1f0c2d9e7a5b1f", "commit 0000000000000000000000000000000000000000"},
		{"short commit", "a220e74 run: ls", "1234567 run: ls"},
		{"record time", `"timestamp": "2026-11-23T09:31:00.578123+01:00"`, `"timestamp": "2027-01-02T03:04:05.000000+00:00"`},
		{"UTC", "2026-11-23T09:31:00Z", "2027-01-02T03:04:05Z"},
		{"date and time", "2026-11-23 09:31:00 +0100 x", "2027-01-02 03:04 x"},
		{"date", "since 2026-11-23", "since 2027-01-02"},
		{"git's date", "Date:   Mon Nov 23 09:31:00 2026 +0100", "Date:   Sat Jan 2 13:04:05 2027 +0000"},
		{"listing's date", "23 Nov 09:31 ls", "2 Jan 2027 ls"},
		{"time", "09:31:05", "13:04"},
		{"age", "1s ago", "12m ago"},
		{"age in words", "2 minutes ago", "1 hour ago"},
		{"just now", "just now", "3s ago"},
		{"duration", "took 1m2s", "took 850ms"},
		{"seconds", "0.0041", "12.5"},
		{"seconds in JSON", `"duration": 0.0041,`, `"duration": 2,`},
		{"usage", `"usage": {"user": 0.001, "system": 0.002, "max_rss": 2359296}`, `"usage": {"user": 0, "system": 1e-05, "max_rss": 1}`},
		{"pid in JSON", `"pid": 20852,`, `"pid": 1,`},
		{"pid", "running (pid 20852)", "running (pid 1)"},
		{"pid in a list", "pid        20852", "pid     7"},
		{"host in JSON", `"host": "login1"`, `"host": "vm"`},
		{"host in a list", "Host: login1", "Host: vm.example.org"},
		{"user in JSON", `"user": "jane",`, `"user": "root",`},
		{"user and host", "jane@login1", "root@vm.example.org"},
		{"author", "Author: Jane Doe <jane@example.org>", "Author: root <root@vm>"},
		{"columns", "ID            AGE     COMMAND", "ID  AGE   COMMAND"},
		{"rule", "------------", "-----"},
		{"drawn rule", "────────────", "─────"},
		{"blanks at the end", "a", "a  "},
	}
	for _, tt := range equal {
		t.Run(tt.name, func(t *testing.T) {
			if a, b := normalise(tt.shown), normalise(tt.printed); a != b {
				t.Errorf("%q and %q differ", a, b)
			}
		})
	}

	different := []struct{ name, shown, printed string }{
		{"words", "complete", "cancelled"},
		{"numbers", "3 tasks", "4 tasks"},
		{"return codes", `"returncode": 0`, `"returncode": 1`},
		{"checksums", "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256 03b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"an id and none", "shell-019aaf3c", ""},
		{"an id and an executor", "shell-019aaf3c", "shell"},
		{"indentation", `  "pid": 1`, `    "pid": 1`},
		{"what follows an id", "shell-019aaf3c ls", "shell-019aaf3c pwd"},
		{"what follows a pid", `"pid": 1,`, `"pid": 1`},
		{"user of a sentence", "user jane", "user root"},
		{"blank and none", "a b", "ab"},
	}
	for _, tt := range different {
		t.Run(tt.name+" differ", func(t *testing.T) {
			if a, b := normalise(tt.shown), normalise(tt.printed); a == b {
				t.Errorf("both are %q", a)
			}
		})
	}
}

func TestRename(t *testing.T) {
	tests := []struct{ text, host, want string }{
		{"on vm: vmstat", "vm", "on host: vmstat"},
		{"on login1.example.org", "login1.example.org", "on host"},
		{"on login1", "", "on login1"},
	}
	for _, tt := range tests {
		if got := rename(tt.text, tt.host); got != tt.want {
			t.Errorf("rename(%q, %q) = %q, want %q", tt.text, tt.host, got, tt.want)
		}
	}
}
