package slurm

import "testing"

func TestMessage(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"sacct: error: Slurm accounting storage is disabled\n":        "Slurm accounting storage is disabled",
		"scontrol: error: one\nscontrol: error: one\nscontrol: two\n": "one; scontrol: two",
		"sacct: error: If munged is up, restart with --num-threads=10\nsacct: error: Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory\n" +
			"sacct: error: slurm_persist_conn_open: failed to send persistent connection init message to localhost:6819\nsacct: error: Sending PersistInit msg: Protocol authentication error\n": "Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory (munged, which vouches for users, does not answer here)",
	} {
		if got := message(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	got := readReasons("*** greeting ***\n56|DependencyNeverSatisfied\n58_[1-3%2]|ReqNodeNotAvail, UnavailableNodes:n[1-9]\n60+1|Resources\n57|JobHeldAdmin\nx|y\n")
	for id, want := range map[string]string{"56": "DependencyNeverSatisfied", "58_2": "ReqNodeNotAvail", "58": "ReqNodeNotAvail", "60+1": "Resources", "57": "JobHeldAdmin", "x": ""} {
		if got[id] != want {
			t.Errorf("%s waits for %q, want %q", id, got[id], want)
		}
	}
	for reason, never := range map[string]bool{"DependencyNeverSatisfied": true, "QOSMaxCpuPerJobLimit": true, "AssocGrpCpuLimit": false, "PartitionDown": false, "JobHeldUser": false, "Priority": false, "": false} {
		if isNever(reason) != never {
			t.Errorf("%q is never: %v", reason, !never)
		}
	}
}
