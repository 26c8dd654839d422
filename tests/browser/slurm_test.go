package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tests/services"
)

// job is what Slurm's executor keeps of a job: an array of which one element has failed.
func job(t testing.TB) *record.Job {
	t.Helper()
	var elements []string
	for i, state := range []string{"COMPLETED", "COMPLETED", "FAILED", "RUNNING", "PENDING", "CANCELLED by 1000"} {
		elements = append(elements, fmt.Sprintf(`{"id": "4711_%d", "state": %q, "returncode": %d}`, i, state, i))
	}
	var j record.Job
	err := json.Unmarshal([]byte(`{"id": "4711", "cluster": "hydra", "name": "<b>sweep</b>", "state": "RUNNING", "final": false,
		"submitted": "2026-11-23T09:31:00.578123+01:00", "started": "2026-11-23T09:32:00.578123+01:00", "elapsed": 3723,
		"nodes": "gpu[01-02]", "max_rss": 4294967296, "partition": "gpu", "reason": "None",
		"stdout_file": "/home/ada/slurm-4711.out", "stderr_file": "/home/ada/slurm-4711.err",
		"history": [{"state": "PENDING", "at": "2026-11-23T09:31:00.578123+01:00"}, {"state": "RUNNING", "at": "2026-11-23T09:32:00.578123+01:00"}],
		"elements": [`+strings.Join(elements, ",")+`]}`), &j)
	if err != nil {
		t.Fatal(err)
	}
	return &j
}

// commitJob puts a task of the executor slurm into the history.
func (h *home) commitJob() record.ID {
	h.t.Helper()
	store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(h.dir, "tasks.git"), gitstore.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	id, err := record.NewID("slurm")
	if err != nil {
		h.t.Fatal(err)
	}
	code := 0
	rec := &record.Record{Executor: "slurm", UID: id, Command: "sbatch sweep.sh"}
	rec.Data = record.Data{
		PWD: "/home/ada", User: "ada", Timestamp: record.Time{Time: time.Now()}, Cmd: []string{"sbatch", "sweep.sh"}, Status: record.Complete, ReturnCode: &code,
		Host: "login1", Run: 1, Job: job(h.t),
	}
	_, err = store.Commit(context.Background(), gitstore.Change{
		Verb: "run", What: rec.Command, When: time.Now(), ID: id,
		Build: func(*record.Record, string) (*record.Record, error) { return rec, nil },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestSlurmHasItsOwnView(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	p.sees("main", "No tasks yet")
	id := h.commitJob()
	p.until(row("sbatch sweep.sh"))
	p.visit("/tasks/" + string(id))
	p.sees("qme-slurm", "4711 on hydra")
	p.sees("qme-slurm", "<b>sweep</b>")
	p.sees("qme-slurm", "1h 02m")
	p.sees("qme-slurm", "/home/ada/slurm-4711.out")
	p.sees("qme-slurm .states", "pending")
	p.sees("qme-slurm .states", "2026-11-23 08:32:00")
	p.sees("qme-slurm .array", "6 array elements")
	p.until(`[...document.querySelectorAll('.elements li')].map((el) => el.dataset.outcome).join() === 'ok,ok,failed,running,queued,cancelled'`)
	p.sees("qme-slurm .legends", "2 ok")
	p.until(`document.querySelectorAll('.elements li')[2].title === '4711_2: FAILED, exit code 2'`)
	p.picture("slurm")
}

// TestSlurmArrayRuns follows an array on a real Slurm from its page, to which another terminal's
// "qme wait" and the page's own buttons bring how it goes.
func TestSlurmArrayRuns(t *testing.T) {
	h := newHome(t)
	h.env = services.Slurm(t).Env()
	in := newPipe(t)
	dir := t.TempDir()
	p := h.serve().open("/")
	h.qme("run", "sbatch", "--mem=50", "--array=0-2", "--output="+filepath.Join(dir, "%a.out"), "--wrap",
		fmt.Sprintf("test $SLURM_ARRAY_TASK_ID != 2 || read -r line <'%s'; echo I am $SLURM_ARRAY_TASK_ID; exit $SLURM_ARRAY_TASK_ID", in.path))
	p.until(row("sbatch --mem=50"))
	p.execute(row("sbatch --mem=50") + ".querySelector('a').click()")
	p.sees("qme-slurm h2", "Slurm job")
	p.sees("qme-slurm .array", "3 array elements")
	status := "[...document.querySelectorAll('qme-actions button')].find((el) => el.innerText === 'status')"
	elements := "[...document.querySelectorAll('.elements li')].map((el) => el.dataset.outcome).join()"
	p.until(status)
	// Each time the button is pressed Slurm is asked, and the page shows what it says.
	ask := "(" + status + ".click(), document.querySelector('qme-actions form .primary').click(), await new Promise((done) => setTimeout(done, 500)), "
	p.until(ask + elements + " === 'ok,failed,running')")
	p.sees(".under .outcome", "running")

	in.write(t, "go on\n")
	h.qme("wait")
	p.until(elements + " === 'ok,failed,failed'")
	p.sees(".under .outcome", "failed 1") // the first that has failed
	p.has("qme-output[data-stream=job-stdout] .text", "I am 2")
	p.sees("qme-slurm", "Exit code")
	output := strings.Replace(status, "'status'", "'output'", 1)
	p.execute(output + ".click()")
	p.execute("[...document.querySelectorAll('qme-actions form input')][0].value = '1'")
	p.execute("document.querySelector('qme-actions form .primary').click()")
	p.has("qme-actions .result .text", "I am 1")
	p.until("!document.querySelector('qme-actions .result .text').textContent.includes('I am 0')")
}
