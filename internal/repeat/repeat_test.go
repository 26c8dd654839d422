package repeat_test

import (
	"errors"
	"testing"
	"time"

	"qme/internal/repeat"
)

func TestEvery(t *testing.T) {
	calls := make(chan struct{})
	stop := repeat.Every(time.Millisecond, func() error {
		calls <- struct{}{}
		return nil
	})
	for range 3 {
		<-calls
	}
	go func() {
		for range calls { // one may be under way
		}
	}()
	if err := stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	close(calls) // a call after the end would panic
	time.Sleep(5 * time.Millisecond)
}

func TestEveryEndsWithAnError(t *testing.T) {
	failed, calls := errors.New("failed"), 0
	called := make(chan struct{})
	stop := repeat.Every(time.Millisecond, func() error {
		calls++
		close(called) // a second call would panic
		return failed
	})
	<-called
	if err := stop(); !errors.Is(err, failed) {
		t.Errorf("it ended with %v", err)
	}
}
