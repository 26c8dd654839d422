package cli

import (
	"context"
	"os/exec"

	"qme/gitstore"
	"qme/tasks/live"
)

// liveHome returns the tasks of this home for a server.
func (a *app) liveHome() (*live.Home, error) {
	service, err := a.tasks()
	if err != nil {
		return nil, err
	}
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	service.Store = func() (*gitstore.Store, error) { return store, nil }
	return &live.Home{
		Dir: home, Store: store, Service: service, Executors: a.executors(cfg), Syncs: cfg.Bool("sync.auto"),
		Command: func(ctx context.Context, args ...string) (*exec.Cmd, error) { return itself(ctx, home, args...) },
		Mirrored: func() (bool, error) {
			t, err := a.mirrorTarget()
			return t != nil, err
		},
	}, nil
}
