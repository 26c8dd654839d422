package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qme/gitstore"
	"qme/internal/repeat"
)

// progress returns show, which displays the progress of a long operation on the terminal,
// with a total unless that is 0. show is nil if nothing can be displayed.
func (t *terminal) progress() (show func(what string, n, total int), done func()) {
	if t.quiet || t.silent || !isTerminal(t.err) {
		return nil, func() {}
	}
	var last time.Time
	shown := false
	return func(what string, n, total int) {
			if time.Since(last) > 100*time.Millisecond {
				last, shown = time.Now(), true
				t.show("\r\x1b[K" + progressText(what, n, total))
			}
		}, func() {
			if shown {
				t.show("\r\x1b[K")
			}
		}
}

func progressText(what string, n, total int) string {
	if things, rest, ok := strings.Cut(what, " "); ok && total == 0 && n == 1 && len(things) > 1 { // the trailing s of "s so far" means seconds
		return "1 " + strings.TrimSuffix(things, "s") + " " + rest
	}
	if total == 0 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d of %d %s (%d %%)", n, total, what, min(100, 100*n/total))
}

// elapsing shows the elapsed time of an operation whose progress is unknown.
func (t *terminal) elapsing(what string) (done func()) {
	show, clear := t.progress()
	if show == nil {
		return clear
	}
	begin := time.Now()
	stop := repeat.Every(time.Second, func() error {
		show(what, int(time.Since(begin).Seconds()), 0)
		return nil
	})
	return func() {
		_ = stop() // it cannot fail
		clear()
	}
}

// progressPatience is the delay before progress is shown.
const progressPatience = 500 * time.Millisecond

// patientProgress shows the progress of an operation on the terminal if it takes longer
// than progressPatience. show is nil if nothing can be displayed.
func (t *terminal) patientProgress(what string) (show func(n int), done func()) {
	now, done := t.progress()
	if now == nil {
		return nil, done
	}
	var first time.Time
	return func(n int) {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) > progressPatience {
			now(what, n, 0)
		}
	}, done
}

// transferProgress shows the progress of a transfer on the terminal.
func (t *terminal) transferProgress() (gitstore.Progress, func()) {
	show, done := t.progress()
	if show == nil {
		return nil, done
	}
	return func(objects, total int, bytes int64) {
		what := "objects"
		if bytes > 0 {
			what += ", " + humanize.IBytes(uint64(bytes))
		}
		show(what, objects, total)
	}, done
}
