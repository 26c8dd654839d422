package tests

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"qme/tests/genhistory/history"
	"qme/tests/require"
)

// TestDashboardPull has tasks arrive from another machine, few and many.
func TestDashboardPull(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	hub := newHub(t)
	far, h := newHome(t), newHome(t)
	far.must("remote", hub.dir)
	h.must("remote", hub.dir)
	far.must("-q", "run", "echo", "zanzibar")
	far.must("push")
	b := h.serve()
	e := b.listen()
	h.must("pull")
	if m := e.until(func(m told) bool { return m.Type == "tasks" }); len(m.Added) != 1 || m.Added[0].Command != "echo zanzibar" {
		t.Errorf("told of a pull: %+v", m)
	}

	// So many that clients are told to fetch again what they show.
	const many = 10_000
	other := newHome(t)
	if _, err := history.Generate(t.Context(), other.dir, history.Options{Tasks: many, Seed: 2}); err != nil {
		t.Fatal(err)
	}
	other.must("remote", hub.dir)
	other.must("sync")
	h.must("pull")
	if m := e.until(func(m told) bool { return m.Type == "reload" || m.Type == "tasks" }); m.Type != "reload" || m.Total != many+1 {
		t.Errorf("told of a pull of %d tasks: %.500v", many, m)
	}
	var page struct{ Total, Matched int }
	b.get("/api/tasks?limit=1", &page)
	if page.Total != many+1 || page.Matched != many+1 {
		t.Errorf("the listing has %+v", page)
	}
	if got := b.tasks("?q=zanzibar"); len(got) != 1 || got[0].Command != "echo zanzibar" {
		t.Errorf("found %.500v", got)
	}
	h.must("-q", "run", "echo", "after")
	e.until(func(m told) bool { return m.Type == "tasks" && m.Total == many+2 })
}

// TestDashboardIndex has the search index be damaged, removed and made anew while searches go on.
func TestDashboardIndex(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if _, err := history.Generate(t.Context(), h.dir, history.Options{Tasks: 2000, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	h.must("-q", "run", "echo", "needle one")
	b := h.serve()
	e := b.listen()
	found := func(want int) {
		t.Helper()
		if got := b.tasks("?q=needle"); len(got) != want {
			t.Errorf("found %d tasks, want %d: %.500v", len(got), want, got)
		}
	}
	found(1)
	index := filepath.Join(h.dir, "index")
	for i, harm := range []func() error{
		func() error { return os.RemoveAll(index) },
		func() error { return os.Rename(index, index+".away") },
		func() error { return cutShort(index) },
		func() error {
			return errors.Join(os.RemoveAll(index), os.WriteFile(index, []byte("no index\n"), 0o600))
		},
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		// What is searched for by others meanwhile makes the index anew.
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { h.run("search", "needle") })
		}
		found(1 + i)
		wg.Wait()
		h.must("-q", "run", "echo", fmt.Sprint("needle again ", i))
		e.until(func(m told) bool { return m.Type == "tasks" && m.Total == 2002+i })
		found(2 + i)
	}
}

// cutShort takes from each file of a folder its second half.
func cutShort(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	})
}

// TestDashboardHomeGone has the home vanish and come back.
func TestDashboardHomeGone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	b.tasks("")
	e := b.listen()
	away := h.dir + ".away"
	if err := os.Rename(h.dir, away); err != nil {
		t.Fatal(err)
	}
	if m := e.until(func(m told) bool { return m.Type == "behind" && m.Behind }); m.Detail == "" {
		t.Errorf("told %+v", m)
	}
	if len(b.tasks("")) != 1 {
		t.Errorf("what was known is gone")
	}
	if err := os.Rename(away, h.dir); err != nil {
		t.Fatal(err)
	}
	e.until(func(m told) bool { return m.Type == "behind" && !m.Behind })
	h.must("-q", "run", "echo", "again")
	e.until(func(m told) bool { return m.Type == "tasks" && m.Total == 2 })
}

// TestDashboardPacked has the repository be packed, by qme and by git, while it is shown.
func TestDashboardPacked(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	h := newHome(t)
	for i := range 5 {
		h.must("-q", "run", "echo", fmt.Sprint(i))
	}
	b := h.serve()
	e := b.listen()
	h.must("gc")
	gitIn(t, filepath.Join(h.dir, "tasks.git"), "gc", "-q")
	gitIn(t, filepath.Join(h.dir, "tasks.git"), "pack-refs", "--all")
	h.must("-q", "run", "echo", "after")
	e.until(func(m told) bool { return m.Type == "tasks" && len(m.Added)+len(m.Changed) > 0 && m.Total == 6 })
	for _, task := range b.tasks("") {
		checkPieces(t, b, task.ID)
	}
	if got := b.tasks("?q=after"); len(got) != 1 || got[0].Command != "echo after" {
		t.Errorf("found %v", got)
	}
}

// TestDashboardOtherHistory has another history take the place of the one that is shown.
func TestDashboardOtherHistory(t *testing.T) {
	t.Parallel()
	h, other := newHome(t), newHome(t)
	h.must("-q", "run", "echo", "mine")
	h.must("-q", "run", "echo", "mine too")
	other.must("-q", "run", "echo", "other")
	b := h.serve()
	b.tasks("")
	e := b.listen()
	repo := filepath.Join(h.dir, "tasks.git")
	if err := os.Rename(repo, repo+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other.dir, "tasks.git"), repo); err != nil {
		t.Fatal(err)
	}
	m := e.until(func(m told) bool { return m.Type == "tasks" && len(m.Removed) == 2 })
	if len(m.Added) != 1 || m.Added[0].Command != "echo other" || m.Total != 1 {
		t.Errorf("told %+v", m)
	}
}

// TestDashboardConnections has who has not the key keep no connection.
func TestDashboardConnections(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := h.serve()
	for _, c := range []struct{ host, path string }{{"localhost", "/"}, {"localhost", "/?token=x"}, {"example.org", "/"}} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.path, c.host); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s of %s: the connection is kept: %v", c.path, c.host, err)
		}
		_ = conn.Close()
	}
}
