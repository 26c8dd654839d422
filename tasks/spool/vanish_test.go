package spool_test

import (
	"errors"
	"sync"
	"testing"
)

// Entries that their own processes remove while others look are no fault, whoever looks.
func TestNoFaultInWhatVanishes(t *testing.T) {
	s := onDisk(t)
	const rounds = 80
	var owners, lookers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		owners.Go(func() {
			for range rounds {
				rec := running(t)
				e, err := s.Begin(rec)
				if err == nil {
					r := e.Recorder("stdout", 8)
					_, err = r.Write([]byte("more than is kept"))
					err = errors.Join(err, r.Close(rec, 0), e.Remove())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	look := func(what string, f func() error) {
		lookers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := f(); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	for range 4 {
		look("take", func() error {
			entries, err := s.Take()
			for _, e := range entries {
				err = errors.Join(err, e.Close())
			}
			return err
		})
	}
	look("list", func() error {
		list, err := s.List(1 << 10)
		for _, r := range list {
			if r.Err != nil {
				return r.Err
			}
		}
		return err
	})
	look("check", func() error {
		problems, _, err := s.Check()
		if len(problems) > 0 {
			return problems[0]
		}
		return err
	})
	owners.Wait()
	close(done)
	lookers.Wait()
}
