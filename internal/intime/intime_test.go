package intime

import (
	"slices"
	"testing"
	"time"
)

var limits = Limits{Processor: 15 * time.Millisecond, Clock: 400 * time.Millisecond}

// TestOver has only the processor's time count, and the clock's where nothing is done.
func TestOver(t *testing.T) {
	over := limits.over()
	time.Sleep(3 * limits.Processor)
	select {
	case <-over:
		t.Error("the time is over after a wait in which nothing was done")
	default:
	}
	<-over // by the clock
	for over = limits.over(); ; {
		select {
		case <-over:
			return
		default: // the processor is at work
		}
	}
}

// What does not answer in time is left out, and what came before is returned.
func TestCollect(t *testing.T) {
	all := Collect(Limits{Processor: time.Hour, Clock: time.Hour}, func(send func(int)) {
		for i := range 200 {
			send(i)
		}
	})
	if len(all) != 200 || !slices.IsSorted(all) {
		t.Errorf("it collected %v", all)
	}
	never := make(chan struct{})
	some := Collect(limits, func(send func(int)) {
		send(1)
		<-never
	})
	if !slices.Equal(some, []int{1}) {
		t.Errorf("it collected %v before a find that does not end", some)
	}
}
