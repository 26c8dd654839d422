package cli

import (
	"qme/gitstore"
	"qme/tasks/live"
)

// live returns the tasks of this home for a server.
func (h *home) live() (*live.Home, error) {
	service, err := h.tasks()
	if err != nil {
		return nil, err
	}
	store, err := h.openStore()
	if err != nil {
		return nil, err
	}
	if service.Home, err = h.settings.homeDir(); err != nil {
		return nil, err
	}
	service.Store = func() (*gitstore.Store, error) { return store, nil }
	service.Following.Apart = true
	return &live.Home{Store: store, Service: service}, nil
}
