package tasks

import (
	"fmt"
	"strconv"

	"github.com/dustin/go-humanize"

	"qme/record"
)

// usageChanges returns what differs of what two runs have used, if one of them was sampled: of shorter runs
// it says nothing that is not chance.
func usageChanges(a, b *record.Usage) []FieldChange {
	sampled := func(u *record.Usage) bool { return u != nil && u.Samples > 0 }
	if !sampled(a) && !sampled(b) {
		return nil
	}
	var changes []FieldChange
	add := func(name string, text func(*record.Usage) string) {
		of := func(u *record.Usage) string {
			if u == nil {
				return NotRecorded
			}
			return text(u)
		}
		changes = append(changes, FieldChange{"usage." + name, of(a), of(b)})
	}
	add("processor", func(u *record.Usage) string { return secondsText(u.User + u.System) })
	fromSamples := func(name string, text func(*record.Usage) string) {
		add(name, func(u *record.Usage) string {
			if u.Samples == 0 {
				return NotRecorded
			}
			return text(u)
		})
	}
	size := func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
	memory := func(n int64, u *record.Usage) string {
		if a != nil && b != nil && a.MemoryKind != b.MemoryKind && u.MemoryKind != "" {
			return size(n) + " (" + u.MemoryKind + ")"
		}
		return size(n)
	}
	fromSamples("peak_memory", func(u *record.Usage) string { return memory(u.PeakMemory, u) })
	fromSamples("mean_memory", func(u *record.Usage) string { return memory(u.MeanMemory, u) })
	fromSamples("read", func(u *record.Usage) string { return size(u.Read) })
	fromSamples("written", func(u *record.Usage) string { return size(u.Written) })
	fromSamples("processes", func(u *record.Usage) string { return strconv.Itoa(u.Processes) })
	fromSamples("gpus", func(u *record.Usage) string { return strconv.Itoa(u.GPUs) })
	fromSamples("mean_gpu", func(u *record.Usage) string { return fmt.Sprintf("%.2f", u.MeanGPU) })
	fromSamples("peak_gpu_memory", func(u *record.Usage) string { return size(u.PeakGPUMemory) })
	return changed(changes...)
}

// terminalFields returns what a run has recorded of its terminal beside which streams it was.
func terminalFields(t *record.Terminal) []FieldChange {
	size, name := "", ""
	if t != nil && len(t.Streams) > 0 {
		if size, name = NotRecorded, t.Name; t.Columns > 0 {
			size = fmt.Sprintf("%d by %d", t.Columns, t.Rows)
		}
	}
	return []FieldChange{{Name: "terminal.size", From: size}, {Name: "terminal.term", From: name}}
}
