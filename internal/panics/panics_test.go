package panics_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"qme/internal/panics"
)

func stumble(list []int) { list[len(list)]++ }

// TestCatch returns errors as they are, and panics with the place where they began.
func TestCatch(t *testing.T) {
	t.Parallel()
	want := errors.New("x")
	if err := panics.Catch(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("it returns %v", err)
	}
	err := panics.Catch(func() error { stumble(nil); return nil })
	var caught *panics.Error
	if !errors.As(err, &caught) || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(err.Error(), "panics_test.stumble:") {
		t.Errorf("it returns %v", err)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("it panics with %v", err)
		}
	}()
	_ = panics.Catch(func() error { panic(http.ErrAbortHandler) })
}
