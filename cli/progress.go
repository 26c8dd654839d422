package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qme/gitstore"
	"qme/internal/repeat"
)

// progress shows on a terminal how far a long piece of work is: how much of it is done, of
// a total where that is known and not 0.
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
	if things, rest, ok := strings.Cut(what, " "); ok && total == 0 && n == 1 && len(things) > 1 { // s is seconds
		return "1 " + strings.TrimSuffix(things, "s") + " " + rest
	}
	if total == 0 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d of %d %s (%d %%)", n, total, what, min(100, 100*n/total))
}

// elapsing shows on a terminal that a piece of work goes on of which nothing is known
// before its end.
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
		_ = stop() // it does not fail
		clear()
	}
}

// progressPatience is how long work goes on before anything is shown of it.
const progressPatience = 500 * time.Millisecond

// patientProgress shows on a terminal how far work is, when it takes its time. show is nil
// where nothing can be shown.
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

// transferProgress shows on a terminal how far a transfer is.
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
