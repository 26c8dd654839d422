package provenance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/record"
)

// GPUs are the graphics processors of a machine, and their driver.
type GPUs struct {
	Names  []string // one for each
	Driver string   // with its version, where it has one
}

// FoundGPUs returns the graphics processors of this machine, as findGPUs finds them.
func FoundGPUs() GPUs { return findGPUs("/") }

// findGPUs reads what the kernel's drivers tell, below a root of the file system. No program is
// started, and no device is opened.
func findGPUs(root string) GPUs {
	if g := nvidia(filepath.Join(root, "proc/driver/nvidia")); g.Driver != "" {
		return g
	}
	return amd(filepath.Join(root, "sys"))
}

func nvidia(dir string) (g GPUs) {
	line, _, _ := strings.Cut(beginningOf(filepath.Join(dir, "version")), "\n")
	version, ok := strings.CutPrefix(line, "NVRM version:")
	if !ok {
		return g
	}
	g.Driver = "nvidia"
	for word := range strings.FieldsSeq(version) { // NVIDIA UNIX x86_64 Kernel Module  535.104.05  DATE
		if word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") && len(word) < 40 {
			g.Driver += " " + valid(word)
			break
		}
	}
	for _, card := range entries(filepath.Join(dir, "gpus")) {
		if name := valueIn(beginningOf(filepath.Join(dir, "gpus", card, "information")), "Model", ":"); name != "" {
			g.add(name)
		}
	}
	return g
}

func amd(sys string) (g GPUs) {
	if _, err := os.Stat(filepath.Join(sys, "module/amdgpu")); err != nil {
		return g
	}
	g.Driver = strings.TrimSpace("amdgpu " + strings.TrimSpace(beginningOf(filepath.Join(sys, "module/amdgpu/version"))))
	for _, card := range entries(filepath.Join(sys, "bus/pci/drivers/amdgpu")) {
		dir := filepath.Join(sys, "bus/pci/drivers/amdgpu", card)
		device := strings.TrimSpace(beginningOf(filepath.Join(dir, "device"))) // of the PCI core, which does not wake the card
		if !strings.HasPrefix(device, "0x") {
			continue // it is no device, but a file of the driver
		}
		name := strings.TrimSpace(beginningOf(filepath.Join(dir, "product_name")))
		if name == "" {
			name = "AMD " + device
		}
		g.add(name)
	}
	return g
}

func (g *GPUs) add(name string) {
	if len(g.Names) < record.MostGPUs {
		g.Names = append(g.Names, valid(name[:min(len(name), 200)]))
	}
}

// entries returns the sorted names in a folder of the kernel's.
func entries(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.Readdirnames(1000) // what could be read
	slices.Sort(list)
	return list
}
