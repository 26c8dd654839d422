// Package faults has each operation on disk go wrong once, in each way that is worth trying.
package faults

import (
	"fmt"
	"strings"
	"testing"

	"qme/gitstore/storetest"
)

// Each calls try, as a test of its own, once for each operation of what it does and each kind of fault; the kinds
// go on beside each other. try returns whether the fault came: when it did not, there are no more operations. It is
// a failure if fewer than least of them are counted.
func Each(t *testing.T, least int, try func(t *testing.T, fault storetest.Fault) bool) {
	for _, fault := range storetest.Kinds() {
		t.Run(strings.TrimPrefix(fault.String(), "0 "), func(t *testing.T) {
			t.Parallel()
			const enough = 1000
			for fault.At = 1; fault.At < enough; fault.At++ {
				came := false
				t.Run(fmt.Sprint(fault.At), func(t *testing.T) { came = try(t, fault) })
				if !came {
					break
				}
			}
			if fault.At < least || fault.At == enough {
				t.Errorf("%d operations were counted", fault.At)
			}
		})
	}
}
