package query_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"qme/index/query"
	"qme/record"
)

// withSoftware is a run of a script of Python in a container.
func withSoftware() *query.Doc {
	d := example()
	s := &d.Record.Data
	s.Job, s.Usage = nil, &record.Usage{PeakMemory: 3 << 30, MaxRSS: 1 << 30}
	s.Stdin = &record.Stdin{Kind: "pipe", SHA256: strings.Repeat("ab", 32)}
	s.Files = &record.Files{In: []record.File{{Path: "a", SHA256: strings.Repeat("0123456789abcdef", 4)}, {Path: "b", SHA256: strings.Repeat("77", 32), Partial: true}}}
	s.Software = &record.Software{
		Programs:     []record.Program{{Path: "/home/x/fit.py"}, {Path: "/opt/" + strings.Repeat("x", 300) + "/bin/python", Real: "/usr/bin/python3.11"}},
		Environments: []record.Environment{{Kind: "conda", Path: "/opt/envs/Fit"}}, Modules: []string{"gcc/12.2"},
		Container: &record.Container{Kind: "apptainer", Image: "/images/fmriprep.sif"}, Images: []record.Container{{Kind: "docker", Image: "lab/fsl:6", Name: "one"}},
	}
	return d
}

func TestSoftware(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]bool{
		"memory:>1GiB": true, "memory:>3GiB": false, "memory:>=3GiB": true, "memory:<3.5GiB": true, "memory:<=3221225472": true, "memory:<3221225472": false, "memory:>3GB": true, "-memory:>3GB": false, "-memory:<1kB": true, "memory:>15EB": false,
		"program:python": true, "program:FIT.py": true, "program:bin/python3": true, "program:perl": false, "-program:perl": true, "-program:fit": false, `program:"x/bin/python"`: true, "Program:xxxx/bin/p": true,
		"software:conda": true, "software:envs/fit": true, "software:gcc": true, "software:venv": false, "-software:gcc/11": true, `software:"conda /opt"`: true,
		"container:fmriprep": true, "container:docker": true, `container:"lab/fsl:6 one"`: true, "container:podman": false, "-container:fsl": false,
		"hash:0123456": true, "hash:0123456789ABCDEF0123": true, "hash:0123456789abcdef0124": false, "hash:" + strings.Repeat("0123456789abcdef", 4): true, "hash:abababab": true, "hash:7777777": false, "-hash:7777777": true, "-hash:abababa": false,
	} {
		for _, regex := range []bool{false, true} {
			d := withSoftware()
			one := parse(t, q, regex)
			if got := one.Match(d); got != want {
				t.Errorf("%.80s: %v, want %v", q, got, want)
			} else if got && !admits(one.Plan(), d) {
				t.Errorf("%.80s: the index is not asked for this run: %s", q, shown(one.Plan()))
			}
			if one.Brief() {
				t.Errorf("%.80s reads no whole records", q)
			}
		}
	}
	for _, q := range []string{"memory:>0", "memory:<1TB", "program:a", "software:a", "container:a", "hash:0123456"} {
		d := &query.Doc{Record: &record.Record{}}
		if parse(t, q, false).Match(d) || !parse(t, "-"+q, false).Match(d) || !admits(parse(t, "-"+q, false).Plan(), d) {
			t.Errorf("%s: a run without any", q)
		}
	}
	job := &query.Doc{Record: &record.Record{Data: record.Data{Usage: &record.Usage{PeakMemory: 5000}, Job: &record.Job{MaxRSS: 1 << 20}}}}
	if !parse(t, "memory:>=1MiB memory:<=1MiB", false).Match(job) {
		t.Error("the memory of a run is not that of its job")
	}
	for q, why := range map[string]string{
		"memory:1GB": "memory: takes <", "memory:=1GB": "not \"=1GB\"", "memory:>much": "such as 500MB", "memory:>-1": "takes", "hash:xyz": "7 of its digits", "hash:012345": "or more, not \"012345\"", "hash:" + strings.Repeat("0", 65): "the SHA-256",
	} {
		if _, err := query.Parse(q, query.Options{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", q, err, why)
		}
	}
}

// withJob is a run of a job array, with variables.
func withJob() *query.Doc {
	d := example()
	r := d.Record
	r.Data.Run, r.Data.RunID = 3, "019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"
	r.Data.Env = map[string]string{"SEED": "42", "EMPTY": "", "LONG": strings.Repeat("x", 300) + "1", "ODD": "a=b \ufffd", "CASE": "Value"}
	r.Data.Job = &record.Job{ID: "907484", Name: "fit", Partition: "gpu,Long", State: "COMPLETED", Final: true, Elements: []record.JobElement{
		{ID: "907484_1", State: "COMPLETED"}, {ID: "907484_7", State: "TIMEOUT"}, {ID: "907484_[8-10]", State: "CANCELLED by 1000"}, {ID: "907490", State: "Out of memory"}}}
	return d
}

func TestFields(t *testing.T) {
	t.Parallel()
	x := strings.Repeat("x", 300)
	for q, want := range map[string]bool{
		"env:SEED": true, "env:SEED=42": true, "env:SEED=4": false, "env:SEED=421": false, "env:SEE": false, "env:seed": false, "env:SEED=": false, "env:EMPTY=": true, "env:EMPTY": true, "-env:SEED=42": false, "-env:SEED=43": true, "-env:NONE": true,
		"env:LONG=" + x + "1": true, "env:LONG=" + x + "2": false, "-env:LONG=" + x + "2": true, "env:LONG": true, `env:"ODD=a=b ` + "\xff\xfe" + `"`: true, "ENV:CASE=Value": true, "env:CASE=value": false, "env:" + x: false,
		"run:3": true, "run:2": false, "run:>1": true, "run:>=4": false, "run:!=3": false, "run:<4": true, "-run:3": false, "-run:2": true, "run:03": true, "run:0": false,
		"run:019aaf3c": true, "run:019AAF3C-1b2c": true, "run:019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a": true, "run:019aaf3d": false, "run:019aaf3c-1b2d": false, "-run:019aaf3c-1b2d": true, "-run:019aaf3c": false, "run:12345678": false, "run:<12345678": true,
		"job:907484": true, "job:907484_7": true, "job:907484_1": true, "job:907484_10": false, "job:90748": false, "job:907484_[8-10]": true, "job:907490": true, "job:907491": false, "job:fit": false, "-job:907484_7": false, "-job:907484_70": true, "job:_": false,
		"state:COMPLETED": true, "state:timeout": true, "state:Cancelled": true, `state:"cancelled by 1000"`: true, `state:"OUT OF MEMORY"`: true, "state:out": true, "state:TIME": false, "-state:timeout": false, "-state:RUNNING": true,
		"partition:gpu": true, "partition:LONG": true, "partition:gp": false, "partition:gpu,long": false, "-partition:cpu": true, "-partition:gpu": false,
		"(job:907484 OR env:NONE) -state:PENDING": true, "partition:cpu OR run:>2": true, "(env:SEED=42 -run:1) OR zzz": true,
	} {
		for _, regex := range []bool{false, true} {
			d := withJob()
			one := parse(t, q, regex)
			if got := one.Match(d); got != want {
				t.Errorf("%.80s: %v, want %v", q, got, want)
			} else if got && !admits(one.Plan(), d) {
				t.Errorf("%.80s: the index is not asked for this run: %s", q, shown(one.Plan()))
			}
		}
	}
	for _, q := range []string{"env:SEED", "job:1", "state:x", "partition:gpu", "run:019aaf3c", "run:2"} {
		d := &query.Doc{Record: &record.Record{}}
		if parse(t, q, false).Match(d) || !parse(t, "-"+q, false).Match(d) || !admits(parse(t, "-"+q, false).Plan(), d) {
			t.Errorf("%s: a run without any", q)
		}
	}
	if d := (&query.Doc{Record: &record.Record{}}); !parse(t, "run:1", false).Match(d) {
		t.Error("a run without a number is not the first")
	}
	for _, brief := range []string{"run:2", "run:019aaf3c", "rc:0 run:1"} {
		if !parse(t, brief, false).Brief() {
			t.Errorf("%s reads whole records", brief)
		}
	}
	for _, whole := range []string{"env:A", "rc:0 OR job:1", "-state:x", "(partition:a)"} {
		if parse(t, whole, false).Brief() {
			t.Errorf("%s reads no whole records", whole)
		}
	}
}

// TestJobIDs has an index be asked for whatever ids are equal, or one a part of the other.
func TestJobIDs(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	letters := []byte("12_+.[]")
	random := func() string {
		b := make([]byte, 1+rnd.IntN(4))
		for i := range b {
			b[i] = letters[rnd.IntN(len(letters))]
		}
		return string(b)
	}
	found := 0
	for range 20_000 {
		d := &query.Doc{Record: &record.Record{Data: record.Data{Job: &record.Job{ID: random(), Elements: []record.JobElement{{ID: random()}, {ID: random()}}}}}}
		id := random()
		q := parse(t, `job:"`+id+`"`, false)
		if q.Match(d) {
			found++
			if !admits(q.Plan(), d) {
				t.Fatalf("%s in %+v", id, d.Record.Data.Job)
			}
		}
	}
	if found < 500 {
		t.Errorf("%d were found: the test does not test", found)
	}
}
