package queue

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// foundGPUs returns the GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES
// names them. No program is started for that.
func foundGPUs() []string {
	for _, name := range visible {
		if list, ok := os.LookupEnv(name); ok {
			return listed(list)
		}
	}
	return gpusBelow("/")
}

// visible are the variables by which a process is told which GPUs it may use, in the order in which they
// are looked for.
var visible = []string{"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"}

// listed reads a list of GPUs as the libraries do: what follows the first one that makes no sense is not
// visible, and neither is any after "-1", "none" or "NoDevFiles", which checkGPU refuses.
func listed(list string) []string {
	gpus := []string{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if checkGPU(name) != nil || slices.Contains(gpus, name) {
			break
		}
		gpus = append(gpus, name)
	}
	return gpus
}

// gpusBelow finds the GPUs of a machine whose files are below root: those of NVIDIA, otherwise those of AMD.
func gpusBelow(root string) []string {
	n := nvidia(root)
	if n == 0 {
		n = amd(root)
	}
	gpus := make([]string, n)
	for i := range gpus {
		gpus[i] = strconv.Itoa(i)
	}
	return gpus
}

// nvidia counts the GPUs of NVIDIA.
func nvidia(root string) (n int) {
	if n = len(glob(root, "proc/driver/nvidia/gpus/*")); n > 0 {
		return n
	}
	for _, path := range glob(root, "dev/nvidia*") {
		if _, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "nvidia")); err == nil {
			n++
		}
	}
	return n
}

// amd counts the GPUs of AMD.
func amd(root string) (n int) {
	for _, path := range glob(root, "sys/class/kfd/kfd/topology/nodes/*/gpu_id") {
		if id := fields(filepath.Dir(path), "gpu_id"); len(id) == 1 && id[0] != "0" { // 0: a processor
			n++
		}
	}
	return n
}

// onlyAMD reports whether the GPUs of a machine are those of AMD.
func onlyAMD(root string) bool { return nvidia(root) == 0 && amd(root) > 0 }

func glob(root, pattern string) []string {
	list, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is valid
	return list
}
