package queue

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"qme/tests/files"
)

// TestGroupLimits reads the limits of control groups of both versions, also of those around the own one.
func TestGroupLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files  map[string]string
		cpus   float64
		memory int64
	}{
		"none":   {map[string]string{"list": "0::/a\n", "a/cpu.max": "max 100000\n", "a/memory.max": "max\n"}, 0, 0},
		"own":    {map[string]string{"list": "0::/a/b\n", "a/b/cpu.max": "250000 100000\n", "a/b/memory.max": "1073741824\n"}, 2.5, 1 << 30},
		"around": {map[string]string{"list": "0::/a/b\n", "a/cpu.max": "100000 100000\n", "a/b/cpu.max": "250000 100000\n", "memory.max": "4096\n", "a/b/memory.max": "8192"}, 1, 4096},
		"version 1": {map[string]string{
			"list":                           "4:cpu,cpuacct:/x\n5:memory:/y\n1:name=systemd:/z\n0::/\n",
			"cpu,cpuacct/x/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n", "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
			"memory/y/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.limit_in_bytes": "2048\n",
		}, 0.5, 2048},
		"nonsense": {map[string]string{"list": "0::/../a\n", "a/cpu.max": "x y z\n", "a/memory.max": "-5\n"}, 0, 0},
	} {
		root := t.TempDir()
		files.Write(t, root, c.files)
		if cpus, memory := groupLimits(root, filepath.Join(root, "list")); cpus != c.cpus || memory != c.memory {
			t.Errorf("%s: %g processors, %d bytes; want %g, %d", name, cpus, memory, c.cpus, c.memory)
		}
	}
}

func TestGPUsOfMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		n     int
		amd   bool
	}{
		"none":    {nil, 0, false},
		"driver":  {map[string]string{"proc/driver/nvidia/gpus/0000:01:00.0/information": "", "proc/driver/nvidia/gpus/0000:02:00.0/information": "", "dev/nvidia0": ""}, 2, false},
		"devices": {map[string]string{"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidia2": "", "dev/nvidiactl": "", "dev/nvidia-uvm": ""}, 3, false},
		"AMD":     {map[string]string{"sys/class/kfd/kfd/topology/nodes/0/gpu_id": "0\n", "sys/class/kfd/kfd/topology/nodes/1/gpu_id": "4711\n"}, 1, true},
	} {
		root := t.TempDir()
		files.Write(t, root, c.files)
		if got := gpusBelow(root); len(got) != c.n || onlyAMD(root) != c.amd {
			t.Errorf("%s: %q, AMD alone %v", name, got, onlyAMD(root))
		}
	}
	for list, want := range map[string][]string{
		"": {}, "0,2": {"0", "2"}, "1, GPU-8932f937": {"1", "GPU-8932f937"}, "0,-1,1": {"0"}, "none": {}, "NoDevFiles": {}, "../x": {}, "0,0": {"0"},
	} {
		if got := listed(list); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
	if got, want := fmt.Sprint(gpuEnv([]string{"2", "MIG-1"}, false), gpuEnv([]string{"2", "3"}, true), gpuEnv(nil, false)),
		"[CUDA_VISIBLE_DEVICES=2,MIG-1 ROCR_VISIBLE_DEVICES=2,MIG-1 HIP_VISIBLE_DEVICES=0,1] [CUDA_VISIBLE_DEVICES=0,1 ROCR_VISIBLE_DEVICES=2,3 HIP_VISIBLE_DEVICES=0,1] []"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
