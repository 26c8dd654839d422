package usage

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"qme/record"
)

// A Sample is what the processes of a run used in a period.
type Sample struct {
	Time      float64 // the end of the period, in seconds since the run began
	User      float64 // seconds of processor time used in the period by programs
	System    float64 // and by the kernel for them
	Memory    int64   // resident bytes at the end of the period, or the most of joined periods
	Read      int64   // bytes read and written in the period
	Written   int64
	Processes int // at the end of the period, or the most of joined periods
	// GPUs is how many GPUs have reported something. It is not stored.
	GPUs int
	// GPU is how busy the GPUs of the run were, where 1 is one GPU, and GPUMemory the bytes in
	// use there. They are 0 unless Series.GPU is set.
	GPU       float64
	GPUMemory int64
}

// A Series is the samples of a run in the order of time.
type Series struct {
	Samples []Sample
	GPU     bool // the samples have values of GPUs
}

// Most is the largest number of samples of a run.
const Most = 1000

// add appends a sample. If there are too many then, it joins them by pairs and returns true.
func (s *Series) add(x Sample) (joined bool) {
	s.Samples = append(s.Samples, x)
	if len(s.Samples) < Most {
		return false
	}
	half := s.Samples[:0]
	before := 0.0
	for i := 0; i < len(s.Samples); i += 2 {
		one := s.Samples[i]
		if i+1 < len(s.Samples) {
			one = join(before, one, s.Samples[i+1])
		}
		before = one.Time
		half = append(half, one)
	}
	s.Samples = half
	return true
}

// Memory returns the most memory in n periods of equal length, in bytes, or as many as there are
// samples; nil for none. Of periods without a sample it repeats the one before.
func (s *Series) Memory(n int) []int64 {
	if s == nil || len(s.Samples) == 0 {
		return nil
	}
	most := make([]int64, min(n, len(s.Samples)))
	length := s.Samples[len(s.Samples)-1].Time / float64(len(most))
	next := 0
	for i := range most {
		from := next
		for next < len(s.Samples) && (i == len(most)-1 || s.Samples[next].Time <= float64(i+1)*length) {
			most[i] = max(most[i], s.Samples[next].Memory)
			next++
		}
		if from == next && i > 0 {
			most[i] = most[i-1]
		}
	}
	return most
}

// join returns the sample of two periods, the first of which began at the time from.
func join(from float64, a, b Sample) Sample {
	gpu := b.GPU
	if length := b.Time - from; length > 0 {
		gpu = (a.GPU*(a.Time-from) + b.GPU*(b.Time-a.Time)) / length
	}
	return Sample{
		Time: b.Time, User: a.User + b.User, System: a.System + b.System, Memory: max(a.Memory, b.Memory),
		Read: a.Read + b.Read, Written: a.Written + b.Written, Processes: max(a.Processes, b.Processes),
		GPU: gpu, GPUMemory: max(a.GPUMemory, b.GPUMemory),
	}
}

// The columns of the stored form.
const (
	columns    = "time,user,system,memory,read,written,processes"
	gpuColumns = ",gpu,gpu_memory"
)

// header is the first line of the stored form.
func (s *Series) header() string {
	if s.GPU {
		return columns + gpuColumns + "\n"
	}
	return columns + "\n"
}

// line is the line of a sample in the stored form.
func (s *Series) line(b []byte, x Sample) []byte {
	b = appendNumber(b, x.Time)
	b = appendNumber(append(b, ','), x.User)
	b = appendNumber(append(b, ','), x.System)
	for _, n := range []int64{x.Memory, x.Read, x.Written, int64(x.Processes)} {
		b = strconv.AppendInt(append(b, ','), n, 10)
	}
	if s.GPU {
		b = appendNumber(append(b, ','), x.GPU)
		b = strconv.AppendInt(append(b, ','), x.GPUMemory, 10)
	}
	return append(b, '\n')
}

// appendNumber appends a number with at most three decimals.
func appendNumber(b []byte, n float64) []byte {
	return strconv.AppendFloat(b, math.Round(n*1000)/1000, 'f', -1, 64)
}

// Encode returns the stored form, as docs/format.md specifies it.
func (s *Series) Encode() []byte {
	b := []byte(s.header())
	for _, x := range s.Samples {
		b = s.line(b, x)
	}
	return b
}

// longest bounds the stored form, in bytes.
const longest = 1 << 20

// Parse reads the stored form. It leaves out an incomplete last line, such as a kill leaves, and
// columns that it does not know. The error wraps record.ErrInvalid.
func Parse(b []byte) (*Series, error) {
	if len(b) > longest {
		return nil, fmt.Errorf("%w samples of a run: they have %d bytes", record.ErrInvalid, len(b))
	}
	lines := strings.Split(string(b), "\n")
	head, rest := lines[0], lines[1:]
	if !strings.HasPrefix(head+",", columns+",") || len(rest) == 0 {
		return nil, fmt.Errorf("%w samples of a run: the first line is %.60q", record.ErrInvalid, head)
	}
	s := &Series{GPU: strings.HasPrefix(head+",", columns+gpuColumns+",")}
	if rest = rest[:len(rest)-1]; len(rest) > Most {
		return nil, fmt.Errorf("%w samples of a run: there are %d", record.ErrInvalid, len(rest))
	}
	count := strings.Count(head, ",") + 1
	before := 0.0
	for _, line := range rest {
		x, ok := s.parse(line, count)
		if !ok || x.Time <= before {
			return nil, fmt.Errorf("%w samples of a run: the line %.60q", record.ErrInvalid, line)
		}
		before = x.Time
		s.Samples = append(s.Samples, x)
	}
	return s, nil
}

// parse reads a line with a number of columns.
func (s *Series) parse(line string, count int) (x Sample, ok bool) {
	f := strings.Split(line, ",")
	if len(f) != count {
		return Sample{}, false
	}
	floats := map[int]*float64{0: &x.Time, 1: &x.User, 2: &x.System}
	whole := map[int]*int64{3: &x.Memory, 4: &x.Read, 5: &x.Written}
	if s.GPU {
		floats[7], whole[8] = &x.GPU, &x.GPUMemory
	}
	for i, to := range floats {
		n, err := strconv.ParseFloat(f[i], 64)
		if err != nil || !(n >= 0) || n > 1e12 {
			return Sample{}, false
		}
		*to = n
	}
	for i, to := range whole {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil || n < 0 {
			return Sample{}, false
		}
		*to = n
	}
	n, err := strconv.ParseInt(f[6], 10, 32)
	x.Processes = int(n)
	return x, err == nil && n >= 0
}

// Salvage puts the usage of a run that was cut off into u, from the stored samples. It returns
// these without a line that is not whole, and nothing if they are damaged: the error says so then,
// and wraps record.ErrInvalid.
func Salvage(u *record.Usage, stored []byte) ([]byte, error) {
	s, err := Parse(stored)
	if err != nil {
		return nil, err
	}
	t := totals{}
	before := 0.0
	for _, x := range s.Samples {
		t.add(x, x.Time-before)
		before = x.Time
	}
	u.User, u.System = t.user, t.system
	t.put(u, len(s.Samples))
	return stored[:bytes.LastIndexByte(stored, '\n')+1], nil
}

// totals are sums over all samples, also those that were joined since.
type totals struct {
	peak, read, written int64
	area                float64 // memory by time
	time                float64
	user, system        float64
	processes           int
	gpus                int
	peakGPU             int64
	gpu, gpuTime        float64 // use by time, and the time with GPUs
}

func (t *totals) add(x Sample, length float64) {
	t.peak, t.processes = max(t.peak, x.Memory), max(t.processes, x.Processes)
	t.read, t.written, t.user, t.system = t.read+x.Read, t.written+x.Written, t.user+x.User, t.system+x.System
	t.area, t.time = t.area+float64(x.Memory)*length, t.time+length
	if x.GPUs > 0 {
		t.gpus, t.peakGPU = max(t.gpus, x.GPUs), max(t.peakGPU, x.GPUMemory)
		t.gpu, t.gpuTime = t.gpu+x.GPU*length, t.gpuTime+length
	}
}

// put sets the fields of u that follow from samples. It keeps larger counts of bytes, which the
// kernel has given at the end of the run.
func (t *totals) put(u *record.Usage, samples int) {
	if samples == 0 {
		return
	}
	u.Samples, u.PeakMemory, u.Processes = samples, t.peak, t.processes
	u.Read, u.Written = max(u.Read, t.read), max(u.Written, t.written)
	if t.time > 0 {
		u.MeanMemory = int64(t.area / t.time)
	}
	if t.gpuTime > 0 {
		u.GPUs, u.PeakGPUMemory, u.MeanGPU = t.gpus, t.peakGPU, math.Round(t.gpu/t.gpuTime*1000)/1000
	}
}
