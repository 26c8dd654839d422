package cli

import (
	"testing"
	"time"
)

// TestTooLate has only the processor's time count, and the clock's where nothing is done.
func TestTooLate(t *testing.T) {
	late := tooLate()
	time.Sleep(3 * completeTime)
	select {
	case <-late:
		t.Error("it is late after a wait in which nothing was done")
	default:
	}
	<-late // by the clock
	for late = tooLate(); ; {
		select {
		case <-late:
			return
		default: // the processor is at work
		}
	}
}
