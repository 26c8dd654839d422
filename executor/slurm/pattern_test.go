package slurm

import "testing"

// real is what Slurm 22.05 did: the pattern, what scontrol showed of it, and the file that
// there was. The job was number 7 of root's on vm, its name nm; that of an array number 9,
// element 3 of array 8.
var real = []struct{ pattern, shown, file string }{
	{"a-%j", "a-7", "a-7"},
	{"a-%%j", "a-%7", "a-%j"},
	{"a-%%%j", "a-%%7", "a-%7"},
	{"a-%%%%j", "a-%%%7", "a-%%j"},
	{"a-%5j", "a-%5j", "a-00007"},
	{"a-%05j", "a-%05j", "a-00007"},
	{"a-%12j", "a-%12j", "a-0000000007"},
	{"a-%99j", "a-%99j", "a-0000000007"},
	{"a-%0j", "a-%0j", "a-7"},
	{"a-%A", "a-7", "a-7"},
	{"a-%a", "a-4294967294", "a-4294967294"},
	{"a-%4a", "a-%4a", "a-4294967294"},
	{"a-%J", "a-%J", "a-7"},
	{"a-%b", "a-%b", "a-%b"},
	{"a-%3b", "a-%3b", "a-3b"},
	{"a-%N", "a-%N", "a-vm"},
	{"a-%n", "a-%n", "a-0"},
	{"a-%3n", "a-%3n", "a-000"},
	{"a-%s", "a-%s", "a-batch"},
	{"a-%t", "a-%t", "a-0"},
	{"a-%2t", "a-%2t", "a-00"},
	{"a-%u", "a-root", "a-root"},
	{"a-%x", "a-nm", "a-nm"},
	{"a-%5x", "a-%5x", "a-nm"},
	{"a-%q", "a-%q", "a-%q"},
	{"a-%5q", "a-%5q", "a-5q"},
	{"a-%", "a-%", "a-%"},
	{"a-%%", "a-%%", "a-%"},
	{"a-%5", "a-%5", "a-5"},
	{"a-%%x-%j", "a-%nm-7", "a-%x-7"},
	{`a\%j`, `a\7`, "a%j"},
	{`a-%%\j`, `a-%%\j`, "a-%%j"},
	{`a-%j-\%x`, `a-7-\nm`, "a-%j-%x"},
	{"a-%5%-%j", "a-%5%-7", "a-5%-7"},
	{"a-%%5j", "a-%%5j", "a-%5j"},
	{"a-%%A-%%a", "a-%7-%4294967294", "a-%A-%a"},
	{"a-%%u", "a-%root", "a-%u"},
	{"a-%-%j", "a-%-7", "a-%-7"},
	{"sp ace-%j", "sp ace-7", "sp ace-7"},
	{"a-%%N", "a-%%N", "a-%N"},
	{"a-%3%j", "a-%37", "a-37"},
	{`b\\%j`, `b\\7`, `b\%j`},
	{`v\\\%j`, `v\\\7`, `v\%j`},
	{`w-\`, `w-\`, "w-"},
	{"z-%5u-%5N-%5s-%5%%", "z-%5u-%5N-%5s-%5%%", "z-root-vm-batch-5%"},
}

// realElement is the same of an element of an array.
var realElement = []struct{ pattern, shown, file string }{
	{"%A-%a", "8-3", "8-3"},
	{"%j", "9", "9"},
	{"%J", "%J", "9"},
	{"%%a-%a", "%3-3", "%a-3"},
	{"%3a", "%3a", "003"},
	{"%%A", "%8", "%A"},
	{"z-%b-%3b-%4a-%%b", "z-%b-%3b-%4a-%%b", "z-%b-3b-0003-%b"},
}

func TestPatterns(t *testing.T) {
	v := values{job: "7", master: "7", element: noElement, name: "nm", user: "root", node: "vm"}
	check := func(v values, pattern, show, file string) {
		t.Helper()
		if got := shown(pattern, v); got != show {
			t.Errorf("%q is shown as %q, want %q", pattern, got, show)
		}
		if got, ok := expand(pattern, v); !ok || got != file {
			t.Errorf("%q is %q, %v, want %q", pattern, got, ok, file)
		}
		// Beside the pattern what scontrol shows changes nothing.
		stdout, _ := paths(places(map[string]string{stdoutPattern: pattern}, row{stdout: show, stderr: show}, v), v)
		if stdout != file {
			t.Errorf("%q, shown as %q, is %q, want %q", pattern, show, stdout, file)
		}
	}
	for _, c := range real {
		check(v, c.pattern, c.shown, c.file)
	}
	element := values{job: "9", master: "8", element: "3", name: "nm", user: "root", node: "vm"}
	for _, c := range realElement {
		check(element, c.pattern, c.shown, c.file)
	}
	// Without the pattern scontrol is believed, but for a number that cannot be.
	for show, file := range map[string]string{"a-7": "a-7", "a-%7": "a-%j", "a-%5j": "a-00007", "other": "other"} {
		for _, known := range []map[string]string{nil, {stdoutPattern: "elsewhere"}} {
			if stdout, _ := paths(places(known, row{stdout: show, stderr: show}, v), v); stdout != file {
				t.Errorf("shown as %q it is %q, want %q", show, stdout, file)
			}
		}
	}
}
